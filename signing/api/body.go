package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxDepth is deeper than any body that we describe.
const maxDepth = 10

// read reads a JSON body strictly: UTF-8, one value, no member twice under any
// spelling, none that we do not know.
func read(w http.ResponseWriter, r *http.Request, most int64, into any) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: codeBody, detail: "send application/json"}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: codeTooLarge}
	}
	if err != nil {
		return nil, malformed("the body broke off")
	}
	if err := decode(raw, into); err != nil {
		return nil, err
	}
	return raw, nil
}

func malformed(detail string) error {
	return &refusal{status: http.StatusBadRequest, code: codeBody, detail: detail}
}

func decode(raw []byte, into any) error {
	if !utf8.Valid(raw) {
		return malformed("the body is not UTF-8")
	}
	walk := json.NewDecoder(bytes.NewReader(raw))
	walk.UseNumber()
	if err := once(walk, 0); err != nil {
		return err
	}
	if _, err := walk.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the JSON value")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return malformed("member " + shown(wrong.Field) + " is of the wrong type")
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		return malformed("unknown member " + shown(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)))
	case err != nil:
		return malformed("a member has a value that cannot be read")
	}
	return nil
}

// shown lets the name of a member be told back, if it is one that a program
// would have.
func shown(name string) string {
	if len(name) > 60 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '<' }) {
		return "with an odd name"
	}
	return name
}

func once(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return malformed("the body is nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return malformed("the body is not JSON")
	}
	switch t {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			s, ok := name.(string)
			if err != nil || !ok {
				return malformed("the body is not JSON")
			}
			if folded := strings.ToLower(s); seen[folded] {
				return malformed("member " + shown(s) + " occurs twice")
			} else {
				seen[folded] = true
			}
			if err := once(d, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := once(d, depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	if _, err := d.Token(); err != nil {
		return malformed("the body is not JSON")
	}
	return nil
}
