package freja

import (
	"strings"
	"testing"
	"time"

	"sigill/providers"
)

// A name that Freja signed is fit for a page and a log, or refused.
func TestNames(t *testing.T) {
	for was, want := range map[string]string{
		"Testperson":                        "Testperson",
		"  Test \t person ":                 "Test person",
		"Test\u202eperson\u2066":            "Testperson",
		"Test\x00per\u2028son\r\n\u2029":    "Testper son",
		"Åsa\ufeff-Lill":                    "Åsa\ufeff-Lill",
		strings.Repeat("\u202e", 400) + "Å": "Å",
	} {
		f := newForge(home(), providers.KindAuth)
		f.attributes["basicUserInfo"] = dict{"name": was, "surname": "Ett"}
		id, err := Verify(seal(t, f.evidence()), expected(providers.KindAuth), trusted(), testTime.Add(time.Hour))
		if err != nil || id.GivenName != want || id.Name != want+" Ett" {
			t.Errorf("%q became %q, %v", was, id.GivenName, err)
		}
	}
	for name, info := range map[string]dict{
		"long":    {"name": strings.Repeat("Test", 76), "surname": "Ett"},
		"nothing": {"name": "\u202e", "surname": " "},
	} {
		f := newForge(home(), providers.KindAuth)
		f.attributes["basicUserInfo"] = info
		if _, err := Verify(seal(t, f.evidence()), expected(providers.KindAuth), trusted(), testTime.Add(time.Hour)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What would be cut off in its middle is masked before.
func TestCleanMasksBeforeItCuts(t *testing.T) {
	for pad := 185; pad <= 200; pad++ {
		if got := clean(strings.Repeat("x", pad) + personOne.Digits() + " testperson@example.se"); strings.ContainsAny(got, "0123456789") || len(got) > 200 {
			t.Fatalf("%d characters before a number: %d digits left", pad, strings.Count(got, "0"))
		}
		if got := clean(strings.Repeat("x ", pad/2) + "testperson@example.se"); strings.Contains(got, "test") {
			t.Fatalf("%d characters before an address: it is left in part", pad)
		}
	}
	if got := clean(strings.Repeat("å", 150)); got != strings.Repeat("å", 100) {
		t.Errorf("cut within a letter: %d bytes", len(got))
	}
}

// With the root alone a signer must have both: the profile and the name.
func TestSignerByRootAlone(t *testing.T) {
	for cn, good := range map[string]bool{
		"Prov JWS Signing v1": true, "Prov JWS Signing": true, "Prov JWS Signing v12": true,
		"Prov JWS Signing Kommunen": false, "JWS Signing": false, "Prov JWS Signing v": false, "Prov JWS Signing v1 x": false, "Prov": false,
	} {
		f := newForge(home(), providers.KindAuth)
		c := jwsTemplate()
		c.Subject.CommonName = cn
		f.world.jws = issue(c, keyOf("other", 2048), f.world.issuing)
		f.header["x5t"], f.signer = thumbprint(f.world.jws.cert), f.world.jws.key
		trust := trusted()
		trust.Certificates = nil
		if _, err := Verify(seal(t, f.evidence()), expected(providers.KindAuth), trust, testTime.Add(time.Hour)); (err == nil) != good {
			t.Errorf("%s: %v", cn, err)
		}
	}
}
