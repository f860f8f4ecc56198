package judges

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testPysaml2 has people log in at an identity provider on Debian's pysaml2, which
// does not encrypt: where the connection allows it.
func testPysaml2(t *testing.T, sigill string) {
	python := program(t, "/usr/bin/python3")
	file(t, "/usr/lib/python3/dist-packages/saml2/server.py")
	program(t, "xmlsec1")
	port, dir := freePort(t), t.TempDir()
	certified(t, dir, "idp")
	certified(t, dir, "peer")
	idp := "http://127.0.0.1:" + port
	start(t, "saml-pysaml2.log", answers(idp+"/metadata"), exec.Command(python, "-B", "saml_pysaml2.py", port, dir))

	connection := func(name, offers, more string) string {
		return samlConnection(name, offers, idp+"/metadata", more+`    metadata: {file: idp.xml, unsigned: true}
    login: {certificate_file: peer.pem, key_file: peer.key}
`)
	}
	p := samlPremises(t, sigill, "saml-pysaml2", connection("open", "telia", "    encrypted: optional\n")+
		connection("strict", "judges-strict", "    title: {sv: Bara krypterat, en: Encrypted only}\n"), func(to string) {
		for _, name := range []string{"peer.pem", "peer.key"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(to, name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(to, "idp.xml"), fetched(t, idp+"/metadata"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	p.serve("saml-pysaml2")
	client := p.oidc(t)

	// goes gives the page that the answer leads to.
	goes := func(t *testing.T, a attempt, provider, tamper string) sight {
		t.Helper()
		b := p.traveller("ett")
		at, err := b.begins(a, provider)
		if err == nil {
			at, err = b.leaves(at)
		}
		if err == nil {
			at, err = b.submit(at, "form", "person", b.name, "tamper", tamper)
		}
		if err != nil {
			t.Fatal(err)
		}
		field, err := at.response()
		if err != nil {
			t.Fatal(err)
		}
		if xml, err := base64.StdEncoding.DecodeString(field); err != nil || !strings.Contains(string(xml), ":Assertion ") {
			t.Error("there is no assertion in clear")
		}
		if at, err = b.returns(at); err == nil {
			at, err = b.settled(at)
		}
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	t.Run("Login", func(t *testing.T) {
		a := client.attempt()
		a.gives(t, goes(t, a, "telia", ""), map[string]any{"acr": acrUncertified, claimProvider: "telia", claimNumber: "196608182942"})
	})
	for name, c := range map[string]struct{ provider, tamper, why string }{
		"Changed":     {"telia", "changed", "signature/signature"},
		"Unsigned":    {"telia", "unsigned", "signature/signature-missing"},
		"Unencrypted": {"judges-strict", "", "encryption"},
	} {
		t.Run(name, func(t *testing.T) {
			refusals := p.refusals(t, "saml-pysaml2")
			if err := refusedWith(goes(t, client.attempt(), c.provider, c.tamper), "Något gick fel"); err != nil {
				t.Error(err)
			}
			if why := refusals(); why != c.why {
				t.Errorf("refused at %q, not %q", why, c.why)
			}
		})
	}
	t.Run("RequestChanged", func(t *testing.T) {
		b := p.traveller("ett")
		at, err := b.begins(client.attempt(), "telia")
		if err != nil {
			t.Fatal(err)
		}
		if at, err = b.leavesWith(at, func(q string) string { return strings.Replace(q, "RelayState=", "RelayState=x", 1) }); err != nil {
			t.Fatal(err)
		}
		if at.status != http.StatusForbidden || !strings.Contains(at.body, "does not verify") {
			t.Errorf("pysaml2 takes a changed request: %d %s", at.status, at.words("body"))
		}
	})
	p.audited()
}
