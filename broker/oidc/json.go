package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxNesting is deeper than anything honest that we read.
const maxNesting = 12

var errJSON = errors.New("not one plain JSON object")

// members are those of a JSON object that came from outside. Names are compared
// byte by byte: encoding/json would let "AUD" stand for "aud" in a struct.
type members map[string]json.RawMessage

// object reads exactly one JSON object: valid UTF-8, no member twice at any
// depth, nothing after it. Two readers of such an object cannot disagree.
func object(raw []byte) (members, error) {
	if !utf8.Valid(raw) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if !plain(d, 0) || d.More() {
		return nil, errJSON
	}
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil, errJSON
	}
	return m, nil
}

func plain(d *json.Decoder, depth int) bool {
	if depth > maxNesting {
		return false
	}
	t, err := d.Token()
	if err != nil {
		return false
	}
	switch t {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			s, ok := name.(string)
			if err != nil || !ok || seen[s] || !plain(d, depth+1) {
				return false
			}
			seen[s] = true
		}
		_, err = d.Token()
	case json.Delim('['):
		for d.More() {
			if !plain(d, depth+1) {
				return false
			}
		}
		_, err = d.Token()
	}
	return err == nil
}

// text gives a member that is a string; empty when it is absent or another type.
func (m members) text(name string) string {
	var s *string
	if json.Unmarshal(m[name], &s) != nil || s == nil {
		return ""
	}
	return *s
}

// seconds gives a member that is a whole number of seconds since 1970, which is
// the only form of NumericDate that we take.
func (m members) seconds(name string) (int64, bool) {
	var n *int64
	if json.Unmarshal(m[name], &n) != nil || n == nil || *n < 0 {
		return 0, false
	}
	return *n, true
}

// texts gives a member that is a string or a list of strings.
func (m members) texts(name string) []string {
	if s := m.text(name); s != "" {
		return []string{s}
	}
	var list []string
	if json.Unmarshal(m[name], &list) != nil {
		return nil
	}
	return list
}
