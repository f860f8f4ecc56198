package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"sigill/signing"
)

// maxDepth is deeper than any body that we describe.
const maxDepth = 10

// read reads a JSON body strictly: UTF-8, one object, no member twice, none that
// we do not know letter by letter, none that is null, and no more elements in
// its lists than elements says.
func read(w http.ResponseWriter, r *http.Request, most int64, elements map[string]int, into any) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: codeBody, detail: "send application/json"}
	}
	if r.ContentLength > most && r.Header.Get("Expect") != "" {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: codeTooLarge} // before it is sent
	}
	body := r.Body
	raw, err := io.ReadAll(http.MaxBytesReader(w, body, most))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		// Who is still sending when we hang up hears no answer. Who sends without
		// end has to.
		_, _ = io.Copy(io.Discard, io.LimitReader(body, most))
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: codeTooLarge}
	}
	if err != nil {
		return nil, malformed("the body broke off")
	}
	if err := decode(raw, elements, into); err != nil {
		return nil, err
	}
	return raw, nil
}

func malformed(detail string) error {
	return &refusal{status: http.StatusBadRequest, code: codeBody, detail: detail}
}

// elements are how many elements the lists of a body may have, by the name of
// the member, all that are named so together: not what an order may hold, which
// is signing's to say, but what is worth decoding. An element of two characters
// takes a hundred bytes of memory.
func elements(l signing.Limits) map[string]int {
	return map[string]int{
		"documents": l.Documents + 1, "signatories": l.Signatories + 1, "reminders": signing.MaxReminders + 1, "allowedProviders": 20,
		"content": l.Documents * (signing.MaxBlocks + 1), "rows": l.Documents * (signing.MaxRows + 1),
	}
}

func decode(raw []byte, elements map[string]int, into any) error {
	if !utf8.Valid(raw) {
		return malformed("the body is not UTF-8")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return malformed("the body is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	w := walk{d, members(reflect.TypeOf(into), map[string]bool{}), maps.Clone(elements)}
	if err := w.value("", 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the JSON value")
	}
	d = json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var wrong *json.UnmarshalTypeError
	var base base64.CorruptInputError
	var at *time.ParseError
	switch {
	case errors.As(err, &wrong):
		return malformed("member " + shown(wrong.Field) + " is of the wrong type")
	case errors.As(err, &base):
		return malformed("a file is not base64 (RFC 4648 section 4)")
	case errors.As(err, &at):
		return malformed("a time is not as RFC 3339 has it")
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		return malformed("unknown member " + shown(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)))
	case err != nil:
		return malformed("a member has a value that cannot be read")
	}
	return nil
}

// members collects the names of all members that a body may have somewhere.
// encoding/json takes them in any case; we take what openapi.yaml names.
func members(t reflect.Type, into map[string]bool) map[string]bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return members(t.Elem(), into)
	case reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				into[name] = true
				members(t.Field(i).Type, into)
			}
		}
	}
	return into
}

// shown lets the name of a member be told back, if it is one that a program
// would have. A personal number is none.
func shown(name string) string {
	digits := 0
	for _, r := range name {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '_', r == '-', r == '.':
		default:
			return "with an odd name"
		}
	}
	if name == "" || len(name) > 60 || digits > 4 {
		return "with an odd name"
	}
	return name
}

// walk reads JSON for what encoding/json lets pass.
type walk struct {
	*json.Decoder
	known map[string]bool
	left  map[string]int // elements of lists; see elements
}

// value reads one; name is of the member that holds it.
func (w walk) value(name string, depth int) error {
	if depth > maxDepth {
		return malformed("the body is nested too deeply")
	}
	t, err := w.Token()
	if err != nil {
		return malformed("the body is not JSON")
	}
	switch t {
	case nil:
		return malformed("member " + shown(name) + " is null: leave it out")
	case json.Delim('{'):
		seen := map[string]bool{}
		for w.More() {
			t, err := w.Token()
			member, ok := t.(string)
			switch {
			case err != nil || !ok:
				return malformed("the body is not JSON")
			case !w.known[member]:
				return malformed("unknown member " + shown(member))
			case seen[member]:
				return malformed("member " + shown(member) + " occurs twice")
			}
			seen[member] = true
			if err := w.value(member, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for w.More() {
			if n, bounded := w.left[name]; bounded && n == 0 {
				return malformed("member " + shown(name) + " has too many elements")
			} else if bounded {
				w.left[name] = n - 1
			}
			if err := w.value(name, depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	if _, err := w.Token(); err != nil {
		return malformed("the body is not JSON")
	}
	return nil
}
