package judges

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
)

// A simpleSAMLphp is Debian's SimpleSAMLphp as an identity provider.
type simpleSAMLphp struct{ url, dir string }

func newSimpleSAMLphp(t *testing.T, log string) *simpleSAMLphp {
	t.Helper()
	php := program(t, "php")
	pages := filepath.Dir(file(t, "/usr/share/simplesamlphp/www/module.php"))
	for _, module := range []string{"dom", "mbstring", "curl", "pdo_sqlite"} {
		if text, err := exec.Command(php, "-r", fmt.Sprintf("echo extension_loaded(%q) ? 'yes' : 'no';", module)).Output(); err != nil || string(text) != "yes" {
			lack(t, "php has no "+module)
		}
	}
	port := freePort(t)
	s := &simpleSAMLphp{"http://127.0.0.1:" + port, t.TempDir()}
	for _, below := range []string{"peers", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.dir, below), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	certified(t, s.dir, "idp")
	certified(t, s.dir, "federation")
	c := exec.Command(php, "-d", "opcache.enable_cli=1", "-d", "opcache.revalidate_freq=0", "-S", "127.0.0.1:"+port, "-t", pages)
	c.Env = append(os.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+root(t, "cmd", "judges", "simplesamlphp"),
		"IDP_URL="+s.url, "IDP_DIR="+s.dir, "IDP_SECRET="+rand.Text())
	start(t, log, answers(s.metadata()), c)
	return s
}

func (s *simpleSAMLphp) entityID() string { return s.url + "/telia" }
func (s *simpleSAMLphp) metadata() string { return s.url + "/saml2/idp/metadata.php" }

// knows introduces a service provider of ours, by what it publishes of itself.
func (s *simpleSAMLphp) knows(t testing.TB, p *premises, documents ...string) {
	t.Helper()
	for _, d := range documents {
		text := fetched(t, p.issuer+"/eid/"+d)
		if err := os.WriteFile(filepath.Join(s.dir, "peers", strings.ReplaceAll(d, "/", "-")+".xml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// logsIn is the person's part at the identity provider. It gives the page with the
// answer.
func (s *simpleSAMLphp) logsIn(b traveller, at sight) (sight, error) {
	at, err := b.submit(at, "form[name=f]", "username", b.name, "password", b.name)
	if err == nil && at.find(responseForm) == nil {
		err = fmt.Errorf("SimpleSAMLphp gives no answer: %s", masked(at.words("body")))
	}
	return at, err
}

// goes does it all, from the page that leads to the e-ID to where the answer leads.
func (s *simpleSAMLphp) goes(b traveller, at sight) (sight, error) {
	at, err := b.leaves(at)
	if err != nil {
		return at, err
	}
	if at.find("form[name=f]") == nil {
		return at, fmt.Errorf("SimpleSAMLphp lets nobody log in: %s", masked(at.words("body")))
	}
	if at, err = s.logsIn(b, at); err != nil {
		return at, err
	}
	if at, err = b.returns(at); err != nil {
		return at, err
	}
	return b.settled(at)
}

// testSimpleSAMLphp has people log in at SimpleSAMLphp, as "telia" with requests in
// addresses and metadata that is fetched and signed, and as an e-ID of its own,
// approved for level 3, with requests in forms and metadata in a file.
func testSimpleSAMLphp(t *testing.T, sigill string) {
	s := newSimpleSAMLphp(t, "saml-simplesamlphp.log")
	p := samlPremises(t, sigill, "saml-simplesamlphp", samlConnection("telia", "telia", s.entityID(), `    metadata: {url: "`+s.metadata()+`", signed_by_file: federation.pem}
    login: {certificate_file: login.pem, key_file: login.key}
    signing: {certificate_file: sign.pem, key_file: sign.key}
`)+samlConnection("kort", "judges-card", s.entityID(), `    title: {sv: Domarnas kort, en: The judges' card}
    approved: true
    binding: post
    metadata: {file: idp.xml, unsigned: true}
    login: {certificate_file: card.pem, key_file: card.key}
`), func(dir string) {
		for _, name := range []string{"login", "sign", "card"} {
			certified(t, dir, name)
		}
		federation, err := os.ReadFile(filepath.Join(s.dir, "federation.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"federation.pem": federation, "idp.xml": fetched(t, s.metadata())} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	p.trustsIdP(t, s)
	p.serve("saml-simplesamlphp")
	s.knows(t, p, "telia/metadata", "telia/sign/metadata", "kort/metadata")
	if text, err := exec.Command(sigill, "provider", "test", "telia", "--config", filepath.Join(p.dir, "sigill.yaml")).CombinedOutput(); err != nil {
		t.Errorf("sigill provider test: %v\n%s", err, text)
	}
	client := p.oidc(t)

	for _, c := range []struct{ name, provider, person, acr, number string }{
		{"Redirect", "telia", "ett", acrUncertified, "196608182942"},
		{"Uncertified", "telia", "tva", acrUncertified, "198006299252"},
		{"POST", "judges-card", "ett", acrThree, "196608182942"},
		{"UncertifiedByPOST", "judges-card", "tva", acrUncertified, "198006299252"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := client.attempt(), p.traveller(c.person)
			at, err := b.begins(a, c.provider)
			if err == nil {
				at, err = s.goes(b, at)
			}
			if err != nil {
				t.Fatal(err)
			}
			a.gives(t, at, map[string]any{"acr": c.acr, claimProvider: c.provider, claimNumber: c.number})
		})
	}
	for _, c := range []struct{ name, person, heading string }{
		{"LevelTooLow", "tre", "E-legitimationen räcker inte här"},
		{"NoNumber", "ingen", "Det går inte med den här appen eller enheten"},
		{"CoordinationNumber", "fyrtiotre", "Det går inte med den här appen eller enheten"},
		{"Cancelled", "avbryter", "Inloggningen avbröts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := p.traveller(c.person)
			at, err := b.begins(client.attempt(), "telia")
			if err == nil {
				at, err = s.goes(b, at)
			}
			if err == nil {
				err = refusedWith(at, c.heading)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("RequestChanged", func(t *testing.T) { s.demandsSignatures(t, p, client) })
	t.Run("Signature", func(t *testing.T) { s.signs(t, p) })
	p.audited()
}

// demandsSignatures makes sure of the stranger: a request without our signature, or
// with another's, does not even come to the form.
func (s *simpleSAMLphp) demandsSignatures(t *testing.T, p *premises, client *client) {
	b := p.traveller("ett")
	at, err := b.begins(client.attempt(), "telia")
	if err != nil {
		t.Fatal(err)
	}
	for why, change := range map[string]func(string) string{
		"no signature found on message": func(q string) string { return q[:strings.Index(q, "&SigAlg=")] },
		"Unable to validate signature":  func(q string) string { return strings.Replace(q, "RelayState=", "RelayState=x", 1) },
	} {
		to, err := b.leavesWith(at, change)
		if err != nil {
			t.Fatal(err)
		}
		if to.find("form[name=f]") != nil || !strings.Contains(to.body, why) {
			t.Errorf("SimpleSAMLphp does not say %q: %s", why, masked(to.words("body")))
		}
	}
}

// trustsIdP puts the identity provider into the trust file.
func (p *premises) trustsIdP(t testing.TB, s *simpleSAMLphp) {
	t.Helper()
	file := filepath.Join(p.dir, "trust.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	believed, err := trust.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	federation, err := os.ReadFile(filepath.Join(s.dir, "federation.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(federation)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	believed.SAML = trust.SAML{Metadata: []*x509.Certificate{c}, IdPs: []trust.IdP{{EntityID: s.entityID(), Provider: "telia"}}}
	if text, err = trust.Write(believed); err != nil {
		t.Fatal(err)
	}
	p.write("trust.yaml", text)
	receipts, err := receipt.New()
	if err != nil {
		t.Fatal(err)
	}
	p.verifier = verify.New(believed, receipts)
}

// signs: a person signs a text with authentication for signature, after somebody
// else tried to, and the receipt verifies offline.
func (s *simpleSAMLphp) signs(t *testing.T, p *premises) {
	o := p.open(p.wishFor("protokollet", p.signatoryOf(person{Number: "196608182942", Name: "Testperson Ett"}, "none")))
	address := o.Signatories[0].SignURL
	proves := func(g *guest, who string, at place) sight {
		t.Helper()
		b := traveller{g.walker, who}
		at, err := g.picks(at)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := b.ask(http.MethodGet, at.url.String(), nil, nil)
		if err == nil {
			seen, err = s.goes(b, seen)
		}
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	// Each comes with a browser of their own: the same choice again, at once, would
	// be a double click.
	signsAs := func(who string) sight {
		t.Helper()
		g := &guest{walker: newWalker(p.issuer), with: [2]string{"telia", "this"}}
		at, err := g.visit(address)
		if err == nil {
			at, err = g.begins(at)
		}
		if err != nil {
			t.Fatal(err)
		}
		proves(g, "ett", at)
		if at, err = g.visit(address); err != nil || at.kind() != review {
			t.Fatalf("nothing to sign: %v %s", err, masked(at.String()))
		}
		return proves(g, who, at)
	}
	if err := refusedWith(signsAs("tva"), "E-legitimationen är en annan persons"); err != nil {
		t.Error(err)
	}
	if seen := signsAs("ett"); seen.find(".timeline") == nil || seen.find("#sign") != nil {
		t.Fatalf("after the signature: %s", seen)
	}
	o = p.becomes(o.ID, "completed")
	if made := o.Signatories[0].Signature; made == nil || made.Provider != "telia" {
		t.Errorf("the signature is %+v", made)
	}
	p.receipt(o.ID, 1)
}

// testSimpleSAMLphpRollover gives our service provider another key while somebody
// is at the identity provider, which answers with the key that it knows. Once it
// knows the new one, that is the one that counts.
func testSimpleSAMLphpRollover(t *testing.T, sigill string) {
	s := newSimpleSAMLphp(t, "saml-rollover-simplesamlphp.log")
	p := samlPremises(t, sigill, "saml-rollover", samlConnection("telia", "telia", s.entityID(), `    metadata: {file: idp.xml, unsigned: true}
    login: {certificate_file: old.pem, key_file: old.key}
`), func(dir string) {
		certified(t, dir, "old")
		certified(t, dir, "new")
		if err := os.WriteFile(filepath.Join(dir, "idp.xml"), fetched(t, s.metadata()), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	p.serve("saml-rollover")
	s.knows(t, p, "telia/metadata")
	before := fetched(t, p.issuer+"/eid/telia/metadata")
	client := p.oidc(t)
	a, b := client.attempt(), p.traveller("ett")
	at, err := b.begins(a, "telia")
	if err == nil {
		at, err = b.leaves(at)
	}
	if err != nil {
		t.Fatal(err)
	}

	p.broker.stop(t)
	text, err := os.ReadFile(filepath.Join(p.dir, "sigill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("sigill.yaml", replaceOnce(t, text, "{certificate_file: old.pem, key_file: old.key}",
		"{certificate_file: new.pem, key_file: new.key, previous_certificate_file: old.pem, previous_key_file: old.key}"))
	p.serve("saml-rollover")
	if after := fetched(t, p.issuer+"/eid/telia/metadata"); string(after) == string(before) {
		t.Error("the metadata is the same with another key")
	}
	for _, key := range []string{"previous", "new"} {
		if key == "new" {
			s.knows(t, p, "telia/metadata")
			a, b = client.attempt(), p.traveller("ett")
			if at, err = b.begins(a, "telia"); err == nil {
				at, err = b.leaves(at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if at, err = s.logsIn(b, at); err != nil {
			t.Fatalf("%s key: %v", key, err)
		}
		field, err := at.response()
		if err != nil {
			t.Fatal(err)
		}
		if xml, err := base64.StdEncoding.DecodeString(field); err != nil || !strings.Contains(string(xml), "EncryptedAssertion") {
			t.Error("the assertion is not encrypted")
		}
		if at, err = b.returns(at); err == nil {
			at, err = b.settled(at)
		}
		if err != nil {
			t.Fatalf("%s key: %v", key, err)
		}
		a.gives(t, at, map[string]any{claimProvider: "telia", claimNumber: "196608182942"})
	}
}
