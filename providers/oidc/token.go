package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxToken = 64 << 10
	maxKid   = 256
	maxText  = 1000 // of a claim that is used
)

// header is what a signed token says of its signature, as far as that is used. Keys
// and addresses of keys that it may bring along are not.
type header struct{ alg, kid string }

// claims are the members of a token's payload, each as it stands there.
type claims map[string]json.RawMessage

// parseToken takes a signed JWT in its compact form apart. Nothing is verified. No
// error repeats anything of it.
func parseToken(raw string) (header, claims, error) {
	if len(raw) > maxToken {
		return header{}, nil, errors.New("larger than a token can be")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return header{}, nil, errors.New("not a signed token")
	}
	var decoded [3][]byte
	for n, part := range parts {
		b, err := strict64.DecodeString(part)
		if err != nil || len(b) == 0 {
			return header{}, nil, errors.New("not a signed token in base64url")
		}
		decoded[n] = b
	}
	head, err := parseObject(decoded[0])
	if err != nil {
		return header{}, nil, errors.New("the header is " + err.Error())
	}
	var h header
	var given bool
	if h.alg, given, err = head.text("alg"); err != nil || !given {
		return header{}, nil, errors.New("the header names no algorithm")
	}
	if h.kid, _, err = head.text("kid"); err != nil || len(h.kid) > maxKid {
		return header{}, nil, errors.New("the header names a key that cannot be")
	}
	if typ, given, err := head.text("typ"); err != nil || given && !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, "application/jwt") {
		return header{}, nil, errors.New("a token of another type")
	}
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, given := head[name]; given {
			return header{}, nil, errors.New("the header asks for what is not done here")
		}
	}
	c, err := parseObject(decoded[1])
	if err != nil {
		return header{}, nil, errors.New("the content is " + err.Error())
	}
	return h, c, nil
}

// parseObject reads a JSON object whose members have different names.
func parseObject(b []byte) (claims, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	members := claims{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		name := t.(string) // a key of an object is nothing else
		if _, twice := members[name]; twice {
			return nil, errors.New("one with a member that stands there twice")
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, errors.New("not JSON")
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("cut off")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("followed by something")
	}
	return members, nil
}

var errForm = errors.New("a claim of another form than it must have")

// text is a claim that is a text. null is none.
func (c claims) text(name string) (string, bool, error) {
	raw, ok := c[name]
	if !ok || string(raw) == "null" {
		return "", false, nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil || len(s) > maxText || strings.ContainsFunc(s, unprintable) {
		return "", true, errForm
	}
	return s, true, nil
}

// unprintable are characters that have no place in a claim: they could end a line of
// a log, or turn a name around on a page.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029'
}

// time is a claim that is a time in whole seconds.
func (c claims) time(name string) (time.Time, bool, error) {
	raw, ok := c[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseUint(string(raw), 10, 40) // up to the year 36812
	if err != nil || raw[0] == '0' {
		return time.Time{}, true, errForm
	}
	return time.Unix(int64(seconds), 0).UTC(), true, nil
}

// audience is the claim aud: one or several texts.
func (c claims) audience() ([]string, error) {
	raw := c["aud"]
	if len(raw) > 0 && raw[0] == '[' {
		var list []string
		if json.Unmarshal(raw, &list) != nil {
			return nil, errForm
		}
		return list, nil
	}
	one, given, err := c.text("aud")
	if err != nil || !given {
		return nil, errForm
	}
	return []string{one}, nil
}
