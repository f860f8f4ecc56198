package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/providers"
)

func root(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func whole(t *testing.T) Trust {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return Trust{
		Seal: Seal{Roots: []*x509.Certificate{root(t, "Seal 1"), root(t, "Seal 2")}, Organisation: "Exempelby: kommun #1", OrgIdentifier: "NTRSE-2120000000"},
		TSA:  []*x509.Certificate{root(t, "TSA")}, Audit: []PublicKey{der},
		BankID: []BankID{
			{Name: "test", Roots: []*x509.Certificate{root(t, "BankID test")}, Policies: []string{"1.2.3.4.5", "1.2.3.4.10"}},
			{Name: Production, Approved: true},
		},
		Freja: Freja{Roots: []*x509.Certificate{root(t, "Freja")}, Certificates: []*x509.Certificate{root(t, "Freja JWS")}, Users: []*x509.Certificate{root(t, "Freja users")}, Approved: true},
		SAML: SAML{
			Metadata: []*x509.Certificate{root(t, "Metadata")},
			IdPs: []IdP{
				{EntityID: "https://idp.example.se/telia", Provider: providers.Telia, Certificates: []*x509.Certificate{root(t, "IdP")}, Approved: true},
				{
					EntityID: "https://idp.example.se/annan", Provider: "annan-id", Levels: map[string]providers.Level{"urn:x:strong": providers.LevelUncertified3},
					Attributes: map[string][]string{"number": {"pnr"}}, MappedBy: []string{"urn:x:register"},
				},
			},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	for name, in := range map[string]Trust{"whole": whole(t), "nothing": {}} {
		first, err := Write(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Parse(first)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, first)
		}
		if diff := cmp.Diff(in, got, cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if again, err := Write(got); err != nil || string(again) != string(first) {
			t.Errorf("%s: written again it differs: %v", name, err)
		}
	}
}

// Files hold a purpose that nothing is verified with. It is read as strictly as the
// others, and not written again.
func TestOIDC(t *testing.T) {
	in := Trust{TSA: []*x509.Certificate{root(t, "TSA")}}
	want, err := Write(in)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(want), "tsa:", "oidc:\n  roots: |\n"+indent(encode(in.TSA))+"tsa:", 1)
	got, err := Parse([]byte(with))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Write(got); err != nil || string(again) != string(want) {
		t.Errorf("written again: %v\n%s", err, again)
	}
	if _, err := Parse([]byte(strings.Replace(with, "oidc:\n  roots", "oidc:\n  rots", 1))); err == nil {
		t.Error("a key that is not known is taken")
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func TestBuiltIn(t *testing.T) {
	got := Trust{}.BankIDs()
	if len(got) != 1 || got[0].Approved || len(got[0].Roots) != 1 || len(got[0].Policies) != 3 {
		t.Fatalf("without a file: %d environments", len(got))
	}
	if s := got[0].Roots[0].Subject.String(); !strings.Contains(s, "BankID Root CA v1") {
		t.Errorf("the built-in root is %s", s)
	}
	in := whole(t)
	got = in.BankIDs()
	if len(got) != 2 || !got[0].Approved || got[0].Name != Production || got[1].Name != "test" || got[1].Approved {
		t.Errorf("with a file: %+v", got)
	}
}

func TestFaults(t *testing.T) {
	good, err := Write(whole(t))
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	block := text[strings.Index(text, "    -----BEGIN CERT") : strings.Index(text, "-----END CERTIFICATE-----")+len("-----END CERTIFICATE-----\n")]
	for name, c := range map[string]struct{ data, want string }{
		"nothing":                     {"", "is empty"},
		"no version":                  {"seal:\n  roots: |\n" + block, "version: is missing"},
		"another version":             {strings.Replace(text, "version: 1", "version: 2", 1), "reads version 1"},
		"unknown purpose":             {text + "bankdi: []\n", "did you mean bankid"},
		"unknown key":                 {strings.Replace(text, "organisation:", "organization:", 1), "did you mean organisation"},
		"two documents":               {text + "---\nversion: 1\n", "more than one document"},
		"seal without roots":          {"version: 1\nseal: {organisation: X}\n", "seal.roots: is missing"},
		"text before":                 {strings.Replace(text, "    -----BEGIN CERT", "    hello\n    -----BEGIN CERT", 1), "and nothing else"},
		"text after":                  {"version: 1\nseal:\n  roots: |\n" + block + "    hello\n", "and nothing else"},
		"broken block":                {"version: 1\nseal:\n  roots: |\n" + strings.Replace(block, "MII", "!II", 1) + block, "cannot be read"},
		"twice":                       {"version: 1\nseal:\n  roots: |\n" + block + block, "twice"},
		"key for root":                {"version: 1\ntsa:\n  roots: |\n" + strings.ReplaceAll(block, "CERTIFICATE", "PUBLIC KEY"), "type CERTIFICATE"},
		"no certificate":              {"version: 1\ntsa:\n  roots: |\n    -----BEGIN CERTIFICATE-----\n    AAAA\n    -----END CERTIFICATE-----\n", "cannot be read"},
		"production's roots":          {"version: 1\nbankid:\n- name: production\n  roots: |\n" + block, "built in"},
		"no policies":                 {"version: 1\nbankid:\n- name: test\n  roots: |\n" + block, "policies: is missing"},
		"empty policies":              {"version: 1\nbankid:\n- name: test\n  policies: []\n  roots: |\n" + block, "at least one"},
		"no policy":                   {"version: 1\nbankid:\n- name: test\n  policies: [\"1.x\"]\n  roots: |\n" + block, "object identifier"},
		"one name twice":              {"version: 1\nbankid:\n- name: test\n  policies: [\"1.2.3\"]\n  roots: |\n" + block + "- name: test\n  policies: [\"1.2.3\"]\n  roots: |\n" + block, "another environment"},
		"freja without roots":         {"version: 1\nfreja: {approved: true}\n", "freja.roots: is missing"},
		"no idps":                     {"version: 1\nsaml-metadata:\n  roots: |\n" + block, "idps: is missing"},
		"idp that nobody vouches for": {"version: 1\nsaml-metadata:\n  idps: [{entity_id: x, provider: telia}]\n", "certificates: is missing"},
		"idp of no e-ID":              {"version: 1\nsaml-metadata:\n  idps: [{entity_id: x, provider: \"Telia!\"}]\n", "no name of an e-ID"},
		"an e-ID that is bankid":      {"version: 1\nsaml-metadata:\n  roots: |\n" + block + "  idps: [{entity_id: x, provider: bankid}]\n", "bankid does not stand behind"},
		"an e-ID that is mbankid":     {"version: 1\nsaml-metadata:\n  roots: |\n" + block + "  idps: [{entity_id: x, provider: mbankid}]\n", "mbankid does not stand behind"},
		"an e-ID that is freja":       {"version: 1\nsaml-metadata:\n  roots: |\n" + block + "  idps: [{entity_id: x, provider: freja}]\n", "freja does not stand behind"},
		"idp twice":                   {"version: 1\nsaml-metadata:\n  idps: [{entity_id: x, provider: telia}, {entity_id: x, provider: telia}]\n", "another identity provider"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\n"))
	f.Add([]byte("version: 1\nseal:\n  roots: |\n    -----BEGIN CERTIFICATE-----\n"))
	f.Add([]byte("version: 1\nbankid:\n- name: production\n  approved: true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse(data)
		if err != nil {
			return
		}
		if _, err := Write(got); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
