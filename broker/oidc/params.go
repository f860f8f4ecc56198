package oidc

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Sizes that nothing honest exceeds.
const (
	maxQuery  = 32 << 10
	maxBody   = 64 << 10
	maxParams = 100
	maxState  = 8 << 10
)

var (
	errTooLarge = errors.New("too large")
	errEncoding = errors.New("not form-encoded UTF-8")
)

// params are the parameters of a request. A parameter without a value counts as
// not sent (RFC 6749 section 3.1).
type params struct {
	values   map[string]string
	repeated map[string]bool
}

// parseParams reads a query or a form body, strictly: bad escapes, bad UTF-8
// and NUL are refused, so that what we compare is what was sent.
func parseParams(raw string) (params, error) {
	q := params{values: map[string]string{}, repeated: map[string]bool{}}
	if len(raw) > maxBody {
		return q, errTooLarge
	}
	count := 0
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if count++; count > maxParams {
			return q, errTooLarge
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || !utf8.ValidString(name) || !utf8.ValidString(value) ||
			strings.ContainsRune(name, 0) || strings.ContainsRune(value, 0) {
			return q, errEncoding
		}
		if _, ok := q.values[name]; ok {
			q.repeated[name] = true
			continue
		}
		q.values[name] = value
	}
	return q, nil
}

func (q params) get(name string) string { return q.values[name] }

// keep writes down the parameters named, for a request that is taken up again
// later; what else was sent is nobody's concern and takes no room.
func (q params) keep(names ...string) string {
	kept := url.Values{}
	for _, name := range names {
		if s := q.get(name); s != "" {
			kept.Set(name, s)
		}
	}
	return kept.Encode()
}

// form reads the body of a POST as parameters. Parameters in the query beside
// it are refused: two places are two truths.
func form(w http.ResponseWriter, r *http.Request) (q params, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return q, errEncoding
	}
	if r.URL.RawQuery != "" {
		return q, errors.New("parameters in the query of a POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return q, errTooLarge
		}
		return q, errEncoding
	}
	return parseParams(string(body))
}
