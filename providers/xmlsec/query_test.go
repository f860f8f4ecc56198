package xmlsec

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	all := theIssuer()
	for name, by := range map[string]pair{"RSA": all.rsa, "P-256": all.p256, "P-521": all.p521} {
		for _, state := range []string{"", "a&b=c+d åäö\n%"} {
			q, err := SignQuery(Request, []byte(message), state, by.key)
			if err != nil {
				t.Fatal(err)
			}
			got, back, err := VerifyQuery(q, Request, []*x509.Certificate{all.other.cert, by.cert}, limit)
			if err != nil || back != state || string(got) != message {
				t.Errorf("%s, state %q: %v, state %q, %d bytes", name, state, err, back, len(got))
			}
			values, err := url.ParseQuery(q)
			if err != nil || values.Get("RelayState") != state || values.Get("SAMLRequest") == "" {
				t.Errorf("%s: an ordinary reader sees %v, %v", name, values, err)
			}
		}
	}
}

// requery signs a query of any content as the binding says.
func requery(t *testing.T, content string, by pair) string {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	s, err := by.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return content + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(s))
}

func deflated(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return url.QueryEscape(base64.StdEncoding.EncodeToString(out.Bytes()))
}

func TestQueryAttacks(t *testing.T) {
	all := theIssuer()
	good, err := SignQuery(Request, []byte(message), "state", all.rsa.key)
	if err != nil {
		t.Fatal(err)
	}
	content, _, _ := strings.Cut(good, "&Signature=")
	alg := "&SigAlg=" + url.QueryEscape(rsa256)
	plain := "SAMLRequest=" + deflated(t, []byte(message))
	sig := good[len(content):]
	for _, c := range []struct{ name, query, refused string }{
		{"honest", good, ""},
		{"honest, with a parameter of the address's own", "idp=1&" + good, ""},
		{"honest, in another order", sig[1:] + "&" + content, ""},
		{"empty", "", "signature-missing"},
		{"unsigned", content, "signature-missing"},
		{"empty signature", content + "&Signature=", "signature-missing"},
		{"no algorithm", requery(t, plain, all.rsa), "signature-missing"},
		{"no message", requery(t, alg[1:], all.rsa), "signature-missing"},
		{"the other kind of message", strings.Replace(good, Request, Response, 1), "query"},
		{"both kinds", good + "&SAMLResponse=x", "query"},
		{"encoding named", good + "&SAMLEncoding=x", "query"},
		{"message twice", plain + "&" + good, "query"},
		{"state twice", good + "&RelayState=state", "query"},
		{"signature twice", good + sig, "query"},
		{"algorithm twice", good + alg, "query"},
		{"name written otherwise", good + "&%53AMLRequest=x", "query"},
		{"name that cannot be read", good + "&%zz=x", "query"},
		{"changed state", strings.Replace(good, "RelayState=state", "RelayState=other", 1), "signature"},
		{"added state", strings.Replace(requery(t, plain+alg, all.rsa), "&SigAlg", "&RelayState=x&SigAlg", 1), "signature"},
		{"dropped state", strings.Replace(good, "&RelayState=state", "", 1), "signature"},
		{"state escaped otherwise", strings.Replace(good, "RelayState=state", "RelayState=%73tate", 1), "signature"},
		{"by somebody else", requery(t, content, all.other), "signature"},
		{"with a short key", requery(t, content, all.weak), "signature"},
		{"algorithm of another kind of key", requery(t, plain+alg, all.p256), "signature"},
		{"SHA-1", requery(t, plain+"&SigAlg="+url.QueryEscape(nsDS+"rsa-sha1"), all.rsa), "algorithm"},
		{"HMAC", requery(t, plain+"&SigAlg="+url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), all.rsa), "algorithm"},
		{"algorithm that cannot be read", requery(t, plain+"&SigAlg=%zz", all.rsa), "query"},
		{"signature that cannot be read", content + "&Signature=%zz", "query"},
		{"signature that is not base64", content + "&Signature=*", "query"},
		{"state that cannot be read", requery(t, plain+"&RelayState=%zz"+alg, all.rsa), "query"},
		{"message that cannot be read", requery(t, "SAMLRequest=%zz"+alg, all.rsa), "query"},
		{"message that is not base64", requery(t, "SAMLRequest=*"+alg, all.rsa), "query"},
		{"message that is not deflated", requery(t, "SAMLRequest=PGEvPg"+url.QueryEscape("==")+alg, all.rsa), "query"},
		{"bomb", requery(t, "SAMLRequest="+deflated(t, make([]byte, 64<<20))+alg, all.rsa), "size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, state, err := VerifyQuery(c.query, Request, []*x509.Certificate{all.rsa.cert, all.p256.cert, all.weak.cert, nil}, limit)
			if check(err) != c.refused {
				t.Errorf("refused at %q, want %q: %v", check(err), c.refused, err)
			}
			if err == nil && (string(got) != message || state != "state") {
				t.Errorf("%d bytes, state %q", len(got), state)
			}
			if err != nil && got != nil {
				t.Error("a message and an error")
			}
		})
	}
}

// Both forms of an ECDSA signature are in use in redirects.
func TestQueryInPlainECDSA(t *testing.T) {
	by := theIssuer().p256
	alg := "&SigAlg=" + url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
	q := requery(t, "SAMLRequest="+deflated(t, []byte(message))+alg, pair{plainECDSA{by.key, by.key.Public().(*ecdsa.PublicKey)}, nil})
	if _, _, err := VerifyQuery(q, Request, []*x509.Certificate{by.cert}, limit); err != nil {
		t.Error(err)
	}
}
