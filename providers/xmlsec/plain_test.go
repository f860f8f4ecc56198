package xmlsec

import (
	"bytes"
	"encoding/xml"
	"testing"

	roundtrip "github.com/mattermost/xml-roundtrip-validator"
)

// FuzzPlain: what is not tried because it is plain would have passed.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		`<a:b xmlns:a="urn:a" a:c="d" e="f">text
 more</a:b>`, `<b xmlns="urn:a" xml:lang="sv">å &amp; "x"</b>`, `<a:b:c/>`, `<:a/>`, `<a :b="c"/>`, `<a xmlns:a="" a:b="c"/>`,
		`<xmlns:a/>`, `<xml:a xmlns:xmlns="x" xmlns:b="c"/>`, `<a b:xmlns="c"/>`, `<a _b="c" d:e="f" g:e="f"/>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dec := xml.NewDecoder(bytes.NewReader(b))
		r := newReader(100)
		for {
			token, err := dec.RawToken()
			if err != nil || r.token(token, false) != nil {
				return
			}
			if !plain(token) {
				continue
			}
			if err := roundtrip.CheckToken(token); err != nil {
				t.Errorf("%T %v", token, err)
			}
		}
	})
}
