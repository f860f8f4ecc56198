package freja

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sigill/providers"
	"sigill/providers/personnummer"
)

func TestVerifyAcceptsHonestEvidence(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
		f := newForge(home(), kind)
		proof := seal(t, f.evidence())
		id, err := Verify(proof, expected(kind), trusted(), testTime.Add(time.Hour))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if id.Number != personOne || id.Name != "Testperson Ett" || id.GivenName != "Testperson" || id.Surname != "Ett" ||
			id.Policy != "PLUS" || id.Level != providers.LevelUncertified3 || !id.At.Equal(testTime) ||
			id.Provider != providers.Freja || id.Transaction != testReference || id.Certificate != nil {
			t.Errorf("%s: another identity than the one that was signed", kind)
		}
		trust := trusted()
		trust.Approved = true
		if id, _ := Verify(proof, expected(kind), trust, testTime.Add(time.Hour)); id.Level != providers.Level3 {
			t.Errorf("%s: approved: level %v", kind, id.Level)
		}
		// A stranger has the root alone.
		trust.Certificates = nil
		if _, err := Verify(proof, expected(kind), trust, testTime.Add(time.Hour)); err != nil {
			t.Errorf("%s: with the root alone: %v", kind, err)
		}
		held, err := Inner(proof, trusted())
		if err != nil || held.Signature != (kind == providers.KindSign) || held.Verified {
			t.Errorf("%s: held %+v, %v", kind, held, err)
		}
		jws, status, err := Parts(proof)
		if err != nil || strings.Count(string(jws), ".") != 2 || (status != nil) != (kind == providers.KindSign) {
			t.Errorf("%s: parts: %v", kind, err)
		}
	}
}

// What the documentation leaves open, or allows to be there or not, is taken in every
// form.
func TestVerifyAcceptsEveryForm(t *testing.T) {
	for _, c := range []struct {
		name     string
		kind     providers.Kind
		forge    func(*forge)
		evidence func(*evidence)
		want     func(*providers.Expected)
	}{
		{name: "unknown members", kind: providers.KindSign, forge: func(f *forge) {
			f.header["typ"], f.payload["new"], f.attributes["new"], f.innerPayload["new"] = "JWT", dict{"a": 1}, []int{1}, true
		}},
		{name: "level of assurance", kind: providers.KindAuth, forge: func(f *forge) { f.attributes["loaLevel"] = "LOA3" }},
		{name: "date of birth", kind: providers.KindAuth, forge: func(f *forge) { f.attributes["dateOfBirth"] = "1980-06-29" }},
		{name: "nothing instead of a member", kind: providers.KindAuth, forge: func(f *forge) { f.payload["signRef"], f.attributes["loaLevel"] = nil, nil }},
		{name: "number as JSON", kind: providers.KindAuth, forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "SSN", string(jsonOf(ssn{"SE", personOne.Digits()}))
		}, evidence: func(e *evidence) { e.UserInfo = "SSN" }},
		{name: "number in base64", kind: providers.KindAuth, forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "SSN", b64(jsonOf(ssn{"SE", personOne.Digits()}))
		}, evidence: func(e *evidence) { e.UserInfo = "SSN" }},
		{name: "address", kind: providers.KindAuth, forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "EMAIL", "Ett@Example.se"
		}, evidence: func(e *evidence) { e.UserInfo, e.Email = "EMAIL", "ett@example.se" }},
		{name: "anybody", kind: providers.KindAuth, want: func(e *providers.Expected) { e.Number = personnummer.Number{} }},
		{name: "coordination number", kind: providers.KindAuth, forge: func(f *forge) {
			f.attributes["ssn"] = dict{"country": "SE", "ssn": "195506842391"}
		}, want: func(e *providers.Expected) { e.Number = mustNumber("195506842391") }},
		{name: "text in base64", kind: providers.KindSign, forge: func(f *forge) { f.innerPayload["text"] = b64([]byte(testText)) }},
		{name: "person signs with an elliptic key", kind: providers.KindSign, forge: (*forge).elliptic},
		{name: "status without the responder's certificate", kind: providers.KindSign, forge: func(f *forge) { f.status.Certificate = nil }},
		{name: "status from before", kind: providers.KindSign, forge: func(f *forge) { f.producedAt = testTime.Add(-30 * time.Minute) }},
		{name: "archive", kind: providers.KindSign, want: func(e *providers.Expected) { e.Ended = time.Time{} }},
	} {
		f := newForge(home(), c.kind)
		if c.forge != nil {
			c.forge(f)
		}
		e, want := f.evidence(), expected(c.kind)
		if c.evidence != nil {
			c.evidence(&e)
		}
		if c.want != nil {
			c.want(&want)
		}
		if _, err := Verify(seal(t, e), want, trusted(), testTime.Add(time.Hour)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// fault is one way of being wrong. The evidence is right in everything else: that is
// proved by leaving out just the step that must refuse it, after which it is
// accepted. Steps that the others stand on cannot be left out.
type fault struct {
	name     string
	check    string
	also     string         // another step that cannot but refuse it as well
	kind     providers.Kind // default: auth
	forge    func(*forge)
	evidence func(*evidence)
	sealed   func(*providers.Evidence)
	want     func(*providers.Expected)
	trust    func(*Trust)
	at       time.Time
	is       error // what the refusal is, if that matters
}

func (c fault) run(t *testing.T, steps []step) error {
	kind := c.kind
	if kind == "" {
		kind = providers.KindAuth
	}
	f := newForge(home(), kind)
	if c.forge != nil {
		c.forge(f)
	}
	e, want, trust := f.evidence(), expected(kind), trusted()
	if c.evidence != nil {
		c.evidence(&e)
	}
	proof := seal(t, e)
	if c.sealed != nil {
		c.sealed(&proof)
	}
	if c.want != nil {
		c.want(&want)
	}
	if c.trust != nil {
		c.trust(&trust)
	}
	at := c.at
	if at.IsZero() {
		at = testTime.Add(5 * time.Second)
	}
	_, err := verify(steps, proof, want, trust, at)
	return err
}

// essential are the steps whose results the other steps stand on.
var essential = []string{"encoding", "structure", "certificate", "statement", "inner-structure", "attributes"}

func faults() []fault {
	sign := providers.KindSign
	payload := func(name string, value any) func(*forge) {
		return func(f *forge) { f.payload[name] = value }
	}
	attribute := func(name string, value any) func(*forge) {
		return func(f *forge) { f.attributes[name] = value }
	}
	segment := func(change func([]string) []string) func(*forge) {
		return func(f *forge) { f.segments = change }
	}
	byNumber := func(info string) fault {
		return fault{check: "user", forge: func(f *forge) { f.payload["userInfoType"], f.payload["userInfo"] = "SSN", info },
			evidence: func(e *evidence) { e.UserInfo = "SSN" }}
	}
	named := func(name string, f fault) fault {
		f.name = name
		return f
	}
	return []fault{
		{name: "another media type", check: "encoding", sealed: func(e *providers.Evidence) { e.MediaType = "application/json" }},
		{name: "not JSON", check: "encoding", sealed: func(e *providers.Evidence) { e.Bytes = e.Bytes[1:] }},
		{name: "another version", check: "encoding", evidence: func(e *evidence) { e.Version++ }},
		{name: "many certificates", check: "encoding", evidence: func(e *evidence) {
			e.Certificates = slices.Repeat(e.Certificates, 4)
		}},
		{name: "a certificate that is none", check: "encoding", evidence: func(e *evidence) { e.Certificates[1] = []byte("x") }},
		{name: "huge", check: "encoding", sealed: func(e *providers.Evidence) { e.Bytes = append(e.Bytes, bytes.Repeat([]byte(" "), maxEvidence)...) }},

		{name: "no JWS", check: "structure", evidence: func(e *evidence) { e.JWS = "" }},
		{name: "two segments", check: "structure", forge: segment(func(s []string) []string { return s[:2] })},
		{name: "four segments", check: "structure", forge: segment(func(s []string) []string { return append(s, s[2]) })},
		{name: "no signature", check: "structure", forge: segment(func(s []string) []string { s[2] = ""; return s })},
		{name: "padding", check: "structure", forge: segment(func(s []string) []string { s[1] += "="; return s })},
		{name: "standard alphabet", check: "structure", forge: segment(func(s []string) []string { s[1] += "+/+/"; return s })},
		{name: "line break", check: "structure", forge: segment(func(s []string) []string { s[2] = s[2][:8] + "\n" + s[2][8:]; return s })},
		{name: "stray bits", check: "structure", forge: segment(func(s []string) []string {
			s[2] = s[2][:len(s[2])-1] + "B" // 256 bytes leave two bits over, which must be zero
			return s
		})},
		{name: "header that is a list", check: "structure", forge: segment(func(s []string) []string { s[0] = b64u([]byte(`["RS256"]`)); return s })},
		{name: "header with alg twice", check: "structure", forge: segment(func(s []string) []string {
			s[0] = b64u(doubled(dict{"alg": "none", "x5t": thumbprint(home().jws.cert)}, "alg", "RS256"))
			return s
		})},
		{name: "something after the header", check: "structure", forge: segment(func(s []string) []string {
			s[0] = b64u([]byte(`{"alg":"RS256"}{}`))
			return s
		})},
		{name: "JWS as JSON", check: "structure", forge: segment(func(s []string) []string {
			return []string{`{"payload":"` + s[1] + `","protected":"` + s[0] + `","signature":"` + s[2] + `"}`}
		})},

		{name: "alg none", check: "algorithm", forge: func(f *forge) { f.header["alg"] = "none" }},
		{name: "alg in capitals otherwise", check: "algorithm", forge: func(f *forge) { f.header["alg"] = "rs256" }},
		{name: "alg PS256", check: "algorithm", forge: func(f *forge) { f.header["alg"] = "PS256" }},
		{name: "alg RS512", check: "algorithm", forge: func(f *forge) { f.header["alg"] = "RS512" }},
		{name: "no alg", check: "algorithm", forge: func(f *forge) { delete(f.header, "alg") }},
		{name: "alg that is no text", check: "algorithm", forge: func(f *forge) { f.header["alg"] = []string{"RS256"} }},
		{name: "Alg instead of alg", check: "algorithm", forge: func(f *forge) { delete(f.header, "alg"); f.header["Alg"] = "RS256" }},
		{name: "crit", check: "algorithm", forge: func(f *forge) { f.header["crit"] = []string{"b64"} }},
		{name: "crit that is null", check: "algorithm", forge: func(f *forge) { f.header["crit"] = nil }},
		// The public key as the secret of an HMAC: the classic mix-up.
		{name: "HS256 with the public key", check: "algorithm", also: "signature", forge: func(f *forge) {
			f.header["alg"] = "HS256"
			key := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: home().jws.cert.Raw})
			f.segments = func(s []string) []string {
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(s[0] + "." + s[1]))
				return []string{s[0], s[1], b64u(mac.Sum(nil))}
			}
		}},

		{name: "no x5t", check: "certificate", forge: func(f *forge) { delete(f.header, "x5t") }},
		{name: "unknown x5t", check: "certificate", is: ErrNotPinned, forge: func(f *forge) { f.header["x5t"] = thumbprint(abroad().jws.cert) }},
		{name: "a certificate that is not pinned", check: "certificate", is: ErrNoRoot, forge: func(f *forge) {
			w := issue(jwsTemplate(), keyOf("new jws", 2048), home().issuing)
			f.header["x5t"], f.signer = thumbprint(w.cert), w.key
			f.world.jws = w
		}},
		{name: "a key in the header", check: "certificate", forge: func(f *forge) {
			delete(f.header, "x5t")
			f.header["x5c"] = []string{b64(f.world.jws.cert.Raw)}
		}},
		{name: "pinned certificate that is a CA's", check: "certificate", forge: func(f *forge) {
			f.header["x5t"], f.signer = thumbprint(home().issuing.cert), home().issuing.key
		}, trust: func(t *Trust) { t.Certificates = []*x509.Certificate{home().issuing.cert} }},
		{name: "root alone, no certificate", check: "certificate", trust: func(t *Trust) { t.Certificates = nil }, evidence: func(e *evidence) { e.Certificates = nil }},
		{name: "root alone, a relying party's certificate", check: "certificate", trust: func(t *Trust) { t.Certificates = nil }, forge: func(f *forge) {
			c := jwsTemplate()
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			f.world.jws = issue(c, keyOf("other", 2048), f.world.issuing)
			f.header["x5t"], f.signer = thumbprint(f.world.jws.cert), f.world.jws.key
		}},
		{name: "root alone, a certificate for less", check: "certificate", trust: func(t *Trust) { t.Certificates = nil }, forge: func(f *forge) {
			c := jwsTemplate()
			c.KeyUsage = x509.KeyUsageDigitalSignature
			f.world.jws = issue(c, keyOf("other", 2048), f.world.issuing)
			f.header["x5t"], f.signer = thumbprint(f.world.jws.cert), f.world.jws.key
		}},
		{name: "root alone, a person's certificate", check: "certificate", trust: func(t *Trust) { t.Certificates = nil }, forge: func(f *forge) {
			c := userTemplate("")
			c.KeyUsage |= x509.KeyUsageDigitalSignature
			f.world.jws = issue(c, keyOf("other", 2048), f.world.issuing)
			f.header["x5t"], f.signer = thumbprint(f.world.jws.cert), f.world.jws.key
		}},

		{name: "signature of another key", check: "signature", forge: func(f *forge) { f.signer = abroad().jws.key }},
		{name: "one bit of the signature", check: "signature", forge: func(f *forge) {
			f.signature = func(s []byte) []byte { s[100] ^= 1; return s }
		}},
		{name: "payload changed afterwards", check: "signature", forge: segment(func(s []string) []string {
			p, _ := base64.RawURLEncoding.DecodeString(s[1])
			s[1] = b64u(bytes.Replace(p, []byte("Testperson"), []byte("Testpersom"), 1))
			return s
		})},
		{name: "header changed afterwards", check: "signature", forge: segment(func(s []string) []string {
			s[0] = b64u(jsonOf(dict{"alg": "RS256", "x5t": thumbprint(home().jws.cert), "a": 1}))
			return s
		})},

		{name: "no time", check: "statement", forge: func(f *forge) { delete(f.payload, "timestamp") }},
		{name: "time as text", check: "statement", forge: payload("timestamp", "1795176000000")},
		{name: "time as a fraction", check: "statement", forge: payload("timestamp", 1.5)},
		{name: "time below zero", check: "statement", forge: payload("timestamp", -1)},
		{name: "endless time", check: "statement", forge: payload("timestamp", json.RawMessage("99999999999999999999"))},
		{name: "payload that is a list", check: "statement", forge: func(f *forge) {
			f.segments = func(s []string) []string {
				return strings.Split(compact(jsonOf(f.header), []byte("[]"), f.signer, nil), ".")
			}
		}},
		{name: "status twice", check: "statement", forge: func(f *forge) {
			f.segments = func([]string) []string {
				p := maps.Clone(f.payload)
				p["status"], p["requestedAttributes"] = "REJECTED", f.attributes
				return strings.Split(compact(jsonOf(f.header), doubled(p, "status", "APPROVED"), f.signer, nil), ".")
			}
		}},

		{name: "another root", check: "chain", is: ErrNoRoot, trust: func(t *Trust) { t.Roots = []*x509.Certificate{abroad().root.cert} }},
		{name: "no root", check: "chain", is: ErrNoRoot, trust: func(t *Trust) { t.Roots = nil }},
		{name: "nothing between the certificate and the root", check: "chain", is: ErrNoRoot, evidence: func(e *evidence) { e.Certificates = e.Certificates[:1] }},
		{name: "root of the message", check: "chain", is: ErrNoRoot, trust: func(t *Trust) { t.Roots = []*x509.Certificate{abroad().root.cert} },
			evidence: func(e *evidence) { e.Certificates = append(e.Certificates, home().root.cert.Raw) }},
		{name: "certificate had ended", check: "chain", forge: func(f *forge) { f.payload["timestamp"] = testTime.AddDate(3, 0, 0).UnixMilli() },
			want: func(e *providers.Expected) {
				e.Started, e.Ended = testTime.AddDate(3, 0, 0), testTime.AddDate(3, 0, 0)
			}, at: testTime.AddDate(3, 0, 0)},
		{name: "certificate had not begun", check: "chain", forge: func(f *forge) { f.payload["timestamp"] = testTime.AddDate(-2, 0, 0).UnixMilli() },
			want: func(e *providers.Expected) {
				e.Started, e.Ended = testTime.AddDate(-2, 0, 0), testTime.AddDate(-2, 0, 0)
			}},

		{name: "another order", check: "reference", forge: payload("authRef", testReference+"A")},
		{name: "no order", check: "reference", forge: func(f *forge) { delete(f.payload, "authRef") }},
		{name: "no order, nor one asked for", check: "reference", forge: payload("authRef", ""), evidence: func(e *evidence) { e.Reference = "" }},
		{name: "another order to sign", kind: sign, check: "reference", forge: payload("signRef", "x")},
		{name: "a signature's reference as well", check: "reference", forge: payload("signRef", testReference)},
		{name: "a login's reference as well", kind: sign, check: "reference", forge: payload("authRef", testReference)},
		{name: "unknown kind", check: "reference", want: func(e *providers.Expected) { e.Kind = "seal" }},

		{name: "not approved", check: "status", forge: payload("status", "DELIVERED_TO_MOBILE")},
		{name: "approved in small letters", check: "status", forge: payload("status", "approved")},
		{name: "no status", check: "status", forge: func(f *forge) { delete(f.payload, "status") }},

		{name: "asked for otherwise", check: "user", forge: payload("userInfoType", "PHONE")},
		{name: "not said for whom", check: "user", forge: func(f *forge) { delete(f.payload, "userInfo") }},
		{name: "asked for somebody", check: "user", forge: payload("userInfo", "ett@example.se")},
		{name: "unknown way to ask", check: "user", forge: payload("userInfoType", "UPI"), evidence: func(e *evidence) { e.UserInfo = "UPI" }},
		{name: "another address", check: "user", forge: func(f *forge) { f.payload["userInfoType"], f.payload["userInfo"] = "EMAIL", "tva@example.se" },
			evidence: func(e *evidence) { e.UserInfo, e.Email = "EMAIL", "ett@example.se" }},
		{name: "no address", check: "user", forge: func(f *forge) { f.payload["userInfoType"], f.payload["userInfo"] = "EMAIL", "" },
			evidence: func(e *evidence) { e.UserInfo = "EMAIL" }},
		named("another number asked for", byNumber(string(jsonOf(ssn{"SE", personTwo.Digits()})))),
		named("number of another country", byNumber(string(jsonOf(ssn{"NO", personOne.Digits()})))),
		named("number that is none", byNumber(string(jsonOf(ssn{"SE", personOne.Digits()[2:]})))),
		named("number in other base64", byNumber(b64u(jsonOf(dict{"country": "SE", "ssn": personOne.Digits(), "a": "?>?>?>"})))),
		named("number without wrapping", byNumber(personOne.Digits())),

		{name: "lower minimum", check: "minimum", forge: payload("minRegistrationLevel", "EXTENDED")},
		{name: "no minimum", check: "minimum", forge: func(f *forge) { delete(f.payload, "minRegistrationLevel") }},

		{name: "made before the order", check: "time", forge: payload("timestamp", testTime.Add(-2*time.Minute).UnixMilli())},
		{name: "made after the order", check: "time", forge: payload("timestamp", testTime.Add(2*time.Minute).UnixMilli()), at: testTime.Add(time.Hour)},
		{name: "made in the verifier's future", check: "time", at: testTime.Add(-2 * time.Minute), want: func(e *providers.Expected) { e.Ended = time.Time{} }},
		{name: "no beginning", check: "time", want: func(e *providers.Expected) { e.Started = time.Time{} }},

		{name: "simple signature", kind: sign, check: "signature-type", forge: payload("signatureType", "SIMPLE")},
		{name: "no kind of signature", kind: sign, check: "signature-type", forge: func(f *forge) { delete(f.payload, "signatureType") }},
		{name: "login with a signature in it", check: "signature-type", forge: payload("signatureData", dict{})},
		{name: "login with a kind of signature", check: "signature-type", forge: payload("signatureType", "EXTENDED")},

		{name: "no data", kind: sign, check: "inner-structure", forge: func(f *forge) {
			f.segments = func([]string) []string {
				p := maps.Clone(f.payload)
				p["requestedAttributes"] = f.attributes
				return strings.Split(compact(jsonOf(f.header), jsonOf(p), f.signer, nil), ".")
			}
		}},
		{name: "no signature of the person", kind: sign, check: "inner-structure", forge: func(f *forge) { f.data = func(d dict) { delete(d, "userSignature") } }},
		{name: "no status of the certificate", kind: sign, check: "inner-structure", forge: func(f *forge) { f.data = func(d dict) { delete(d, "certificateStatus") } }},
		{name: "status in other base64", kind: sign, check: "inner-structure", forge: func(f *forge) {
			f.data = func(d dict) { d["certificateStatus"] = strings.TrimRight(d["certificateStatus"].(string), "=") + "\n" }
		}},
		{name: "person's signature of two segments", kind: sign, check: "inner-structure", forge: func(f *forge) { f.inner = func(s string) string { return s[:strings.LastIndex(s, ".")] } }},
		{name: "person's signature without one", kind: sign, check: "inner-structure", forge: func(f *forge) { f.inner = func(s string) string { return s[:strings.LastIndex(s, ".")+1] } }},

		{name: "another text", kind: sign, check: "text", forge: func(f *forge) { f.innerPayload["text"] = testText + " " }},
		{name: "text with other line breaks", kind: sign, check: "text", forge: func(f *forge) { f.innerPayload["text"] = strings.ReplaceAll(testText, "\n", "\r\n") }},
		{name: "no text", kind: sign, check: "text", forge: func(f *forge) { delete(f.innerPayload, "text") }},
		{name: "two texts", kind: sign, check: "text", also: "nonvisible", forge: func(f *forge) {
			again := doubled(f.innerPayload, "text", testText)
			f.inner = func(string) string { return compact(jsonOf(f.innerHeader), again, f.innerSigner, nil) }
		}},
		{name: "login with a text", check: "text", want: func(e *providers.Expected) { e.Text = testText }},
		{name: "other data", kind: sign, check: "nonvisible", forge: func(f *forge) { f.innerPayload["binaryData"] = b64(append([]byte("x"), testBinding...)) }},
		{name: "data in the other alphabet", kind: sign, check: "nonvisible", forge: func(f *forge) { f.innerPayload["binaryData"] = b64u(testBinding) }},
		{name: "no data bound", kind: sign, check: "nonvisible", forge: func(f *forge) { delete(f.innerPayload, "binaryData") }},
		{name: "no data asked for", kind: sign, check: "nonvisible", forge: func(f *forge) { f.innerPayload["binaryData"] = "" }, want: func(e *providers.Expected) { e.Binding = nil }},

		{name: "revoked", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.status.Status, f.status.RevokedAt = ocsp.Revoked, testTime.Add(-time.Hour) }},
		{name: "unknown certificate", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.status.Status = ocsp.Unknown }},
		{name: "old status", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.producedAt = testTime.Add(-2 * time.Hour) }},
		{name: "status out of date", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.status.NextUpdate = testTime.Add(-2 * time.Minute) }},
		{name: "status of the future", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.producedAt = testTime.Add(2 * time.Minute) }},
		{name: "status that is none", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.answer = func([]byte) []byte { return []byte("x") } }},
		{name: "status with a broken signature", kind: sign, check: "ocsp", also: "inner-signature", forge: func(f *forge) { f.statusBy.key = abroad().responder.key }},

		{name: "the person's certificate of another root", kind: sign, check: "inner-signature", forge: (*forge).known, trust: func(t *Trust) { t.UserRoots = []*x509.Certificate{abroad().root.cert} }},
		{name: "the person's signature is another's", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) { f.known(); f.innerSigner = abroad().user.key }},
		{name: "the person's elliptic signature is broken", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) {
			f.elliptic()
			f.inner = func(s string) string { return s[:len(s)-6] + "AAAAAA"[:6] }
		}},
		{name: "the person's algorithm is another", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) { f.known(); f.innerHeader["alg"] = "ES256" }},
		{name: "the elliptic person's algorithm is another", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) { f.elliptic(); f.innerHeader["alg"] = "RS256" }},
		{name: "the person's signature demands more", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) { f.known(); f.innerHeader["crit"] = []string{"b64"} }},
		{name: "the person's certificates are none", kind: sign, check: "inner-signature", forge: func(f *forge) { f.innerHeader["x5c"] = []string{"x"} }},
		{name: "the person's certificates are no list", kind: sign, check: "inner-signature", forge: func(f *forge) { f.innerHeader["x5c"] = "x" }},
		{name: "a CA signs as the person", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) {
			f.innerHeader["x5c"], f.innerSigner = []string{b64(f.world.userCA.cert.Raw)}, f.world.userCA.key
		}},
		{name: "status of another certificate", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) {
			f.known()
			f.status.SerialNumber = f.world.userEC.cert.SerialNumber
		}},
		{name: "status by whom nobody appointed", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) {
			f.known()
			f.statusBy = issue(&x509.Certificate{NotBefore: testTime.AddDate(0, -1, 0), NotAfter: testTime.AddDate(0, 1, 0)}, keyOf("other", 2048), f.world.userCA)
			f.status.Certificate = f.statusBy.cert
		}},
		{name: "status by another CA's responder", kind: sign, check: "inner-signature", trust: userRoots, forge: func(f *forge) {
			f.known()
			f.statusBy, f.status.Certificate = abroad().responder, abroad().responder.cert
		}},

		{name: "no attributes", check: "attributes", forge: func(f *forge) {
			f.segments = func([]string) []string {
				return strings.Split(compact(jsonOf(f.header), jsonOf(f.payload), f.signer, nil), ".")
			}
		}},
		{name: "no name", check: "attributes", forge: func(f *forge) { delete(f.attributes, "basicUserInfo") }},
		{name: "no given name", check: "attributes", forge: attribute("basicUserInfo", dict{"surname": "Ett"})},
		{name: "no surname", check: "attributes", forge: attribute("basicUserInfo", dict{"name": "Testperson"})},
		{name: "no number", check: "attributes", forge: func(f *forge) { delete(f.attributes, "ssn") }},
		{name: "number as text", check: "attributes", forge: attribute("ssn", personOne.Digits())},
		{name: "number without a country", check: "attributes", forge: attribute("ssn", dict{"ssn": personOne.Digits()})},
		{name: "no level", check: "attributes", forge: func(f *forge) { delete(f.attributes, "registrationLevel") }},

		{name: "another country", check: "country", forge: attribute("ssn", dict{"country": "NO", "ssn": personOne.Digits()})},
		{name: "no number of that country", check: "country", also: "person", forge: attribute("ssn", dict{"country": "FI"})},
		{name: "level EXTENDED", check: "level", forge: attribute("registrationLevel", "EXTENDED")},
		{name: "level BASIC", check: "level", forge: attribute("registrationLevel", "BASIC")},
		{name: "level not known", check: "level", forge: attribute("registrationLevel", "PLUS2")},
		{name: "level in small letters", check: "level", forge: attribute("registrationLevel", "plus")},
		{name: "level of assurance 2", check: "level", forge: attribute("loaLevel", "LOA2")},
		{name: "level of assurance of a non-resident", check: "level", forge: attribute("loaLevel", "LOA3_NR")},
		{name: "another person", check: "person", is: errOther, forge: attribute("ssn", dict{"country": "SE", "ssn": personTwo.Digits()})},
		{name: "a number that is none", check: "person", forge: attribute("ssn", dict{"country": "SE", "ssn": personOne.Digits()[:11] + "0"})},
		{name: "another person than Freja asked", check: "person", forge: func(f *forge) {
			f.payload["userInfoType"], f.payload["userInfo"] = "SSN", string(jsonOf(ssn{"SE", personTwo.Digits()}))
		}, evidence: func(e *evidence) { e.UserInfo = "SSN" }, want: func(e *providers.Expected) { e.Number = personnummer.Number{} }},
		{name: "another person's certificate", kind: sign, check: "inner-person", trust: userRoots, forge: func(f *forge) {
			f.world.user = issue(userTemplate("PNOSE-"+personTwo.Digits()), keyOf("other user", 2048), f.world.userCA)
			f.known()
			f.innerSigner, f.status.SerialNumber = f.world.user.key, f.world.user.cert.SerialNumber
		}},
	}
}

func userRoots(t *Trust) { t.UserRoots = []*x509.Certificate{home().root.cert} }

func TestVerifyRefuses(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range faults() {
		t.Run(c.check+"/"+c.name, func(t *testing.T) {
			seen[c.check] = true
			err := c.run(t, steps())
			var r *providers.Refused
			if !errors.As(err, &r) || r.Check != c.check {
				t.Fatalf("refused by %v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("not because %v: %v", c.is, err)
			}
			for _, n := range []personnummer.Number{personOne, personTwo} {
				if strings.Contains(err.Error(), n.Digits()) || strings.Contains(err.Error(), n.Digits()[2:]) {
					t.Error("the error holds a personal number")
				}
			}
			if slices.Contains(essential, c.check) {
				return
			}
			rest := slices.DeleteFunc(steps(), func(s step) bool { return s.name == c.check || s.name == c.also })
			if err := c.run(t, rest); err != nil {
				t.Errorf("wrong in something else as well: %v", err)
			}
		})
	}
	for _, s := range steps() {
		if !seen[s.name] {
			t.Errorf("nothing tries %s", s.name)
		}
	}
}

// Where the person's certificate is known its own signature is verified too.
func TestInnerVerified(t *testing.T) {
	for _, c := range []struct {
		name     string
		forge    func(*forge)
		verified bool
	}{
		{"without a certificate", func(*forge) {}, false},
		{"RSA", (*forge).known, true},
		{"elliptic", (*forge).elliptic, true},
		{"status by the issuer itself", func(f *forge) {
			f.known()
			f.statusBy, f.status.Certificate = f.world.userCA, nil
		}, true},
	} {
		f := newForge(home(), providers.KindSign)
		c.forge(f)
		trust := trusted()
		userRoots(&trust)
		proof := seal(t, f.evidence())
		id, err := Verify(proof, expected(providers.KindSign), trust, testTime.Add(time.Hour))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		held, err := Inner(proof, trust)
		if err != nil || !held.Signature || held.Verified != c.verified || (held.Certificate != nil) != c.verified || !held.Status.Equal(testTime) {
			t.Errorf("%s: held: %v, verified: %v, %v", c.name, held.Signature, held.Verified, err)
		}
		if (id.Certificate != nil) != c.verified {
			t.Errorf("%s: the identity has a certificate: %v", c.name, id.Certificate != nil)
		}
		if held, err := Inner(proof, trusted()); err != nil || held.Verified {
			t.Errorf("%s: verified without a root: %v", c.name, err)
		}
	}
}

// Verify must not bring the broker, a database or the network with it.
func TestVerifyStandsAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "sigill/providers/freja").Output()
	if err != nil {
		t.Skip("no go command:", err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.HasPrefix(p, "sigill/") && !strings.HasPrefix(p, "sigill/providers") || strings.HasPrefix(p, "database/") {
			t.Errorf("links %s", p)
		}
	}
}
