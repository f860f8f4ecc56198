package judges

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// TestSAML lets strangers judge both sides of our SAML: people log in and sign
// through the production program at identity providers that nobody here wrote,
// and the simulated one is held to account by somebody else's service provider.
func TestSAML(t *testing.T) {
	judged(t)
	sigill := build(t, "sigill")
	for _, c := range []struct {
		name string
		test func(t *testing.T, sigill string)
	}{
		{"SimpleSAMLphp", testSimpleSAMLphp},
		{"SimpleSAMLphpRollover", testSimpleSAMLphpRollover},
		{"Pysaml2", testPysaml2},
		{"Shibboleth", testShibboleth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, sigill)
		})
	}
}

// samlPremises are premises with SAML connections, of which the lines of
// configuration are given. Nobody serves yet.
func samlPremises(t *testing.T, sigill, log, connections string, files func(dir string)) *premises {
	t.Helper()
	return newPremises(t, premisesWish{process: true, program: sigill, built: true, log: log, before: func(dir string) {
		file := filepath.Join(dir, "sigill.yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = replaceOnce(t, text, "\nsigning:\n", "\n"+connections+"signing:\n")
		text = replaceOnce(t, text, "scopes: [openid, profile]", "scopes: [openid, profile, naturalPersonNumber]")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files(dir)
	}})
}

func replaceOnce(t testing.TB, text []byte, old, new string) []byte {
	t.Helper()
	if bytes.Count(text, []byte(old)) != 1 {
		t.Fatalf("%q does not stand there once", old)
	}
	return bytes.Replace(text, []byte(old), []byte(new), 1)
}

// samlConnection is the configuration of a connection to an identity provider.
func samlConnection(name, offers, idp, more string) string {
	return fmt.Sprintf(`  - name: %s
    kind: saml
    offers: [%s]
    idp: %s
    organisation:
      name: {sv: Exempelby kommun, en: Exempelby municipality}
      display_name: {sv: Domarna, en: The judges}
      url: https://exempelby.example.se
      technical_contact: drift@exempelby.example.se
%s`, name, offers, idp, more)
}

const (
	claimProvider  = "https://id.oidc.se/claim/authnProvider"
	acrUncertified = "http://id.swedenconnect.se/loa/1.0/uncertified-loa3"
	acrThree       = "http://id.elegnamnden.se/loa/1.0/loa3"
)

// oidc is the client that only lets people log in.
func (p *premises) oidc(t testing.TB) *client {
	t.Helper()
	return newClient(t, p.issuer, onlyLogin, p.secrets[onlyLogin], callback, "profile", scopeNumber)
}

// certified makes an RSA key with a certificate that only carries it: name.pem and
// name.key.
func certified(t testing.TB, dir, name string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for ending, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+ending), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fetched is what stands at an address.
func fetched(t testing.TB, address string) []byte {
	t.Helper()
	answer, err := apiHTTP.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s, %v", address, answer.Status, err)
	}
	return text
}

// A traveller is a person's browser that goes to sites of e-IDs and comes back. It
// follows redirects until the client's callback and sends the forms of pages, also
// those that a script would. Cookies stay behind where one site posts to another.
type traveller struct {
	*walker
	name string // who logs in
}

func (p *premises) traveller(name string) traveller { return traveller{newWalker(p.issuer), name} }

// ask goes to an address. from is the page with the form; nil: there is none.
func (b traveller) ask(method, address string, form url.Values, from *url.URL) (sight, error) {
	var s sight
	for range 15 {
		q, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return s, err
		}
		q.Header.Set("Accept", "text/html")
		q.Header.Set("Accept-Language", "sv")
		with, site := *b.http, "none"
		if from != nil && from.Host != q.URL.Host {
			site = "same-site"
		} else if from != nil {
			site = "same-origin"
		}
		if from != nil && from.Hostname() != q.URL.Hostname() {
			site = "cross-site"
		}
		q.Header.Set("Sec-Fetch-Site", site)
		if method == http.MethodPost {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			q.Header.Set("Origin", from.Scheme+"://"+from.Host)
			if site == "cross-site" {
				with.Jar = nil
			}
		}
		res, err := with.Do(q)
		if err != nil {
			return s, err
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return s, err
		}
		b.http.Jar.SetCookies(q.URL, res.Cookies())
		next, err := res.Location()
		if errors.Is(err, http.ErrNoLocation) {
			s.url, s.status, s.body = res.Request.URL, res.StatusCode, string(text)
			s.doc, err = html.ParseWithOptions(bytes.NewReader(text), html.ParseOptionEnableScripting(false))
			return s, err
		}
		if err != nil {
			return s, err
		}
		if strings.HasPrefix(next.String(), callback) {
			return sight{url: next}, nil
		}
		method, address, form = http.MethodGet, next.String(), nil
	}
	return s, fmt.Errorf("%s: redirects without end", s)
}

// submit sends a form of a page, with some answers.
func (b traveller) submit(at sight, selector string, answers ...string) (sight, error) {
	f, err := at.form(selector)
	if err != nil {
		return at, err
	}
	for i := 0; i < len(answers); i += 2 {
		f.values.Set(answers[i], answers[i+1])
	}
	address := at.url.String()
	if action, ok := attribute(f.node, "action"); ok {
		address = at.absolute(action)
	}
	return b.ask(http.MethodPost, address, f.values, at.url)
}

// begins goes from the client to the page that leads to the e-ID's site.
func (b traveller) begins(a attempt, provider string) (sight, error) {
	at, err := b.ask(http.MethodGet, a.url(), nil, nil)
	if err != nil {
		return at, err
	}
	return b.picks(at, provider)
}

func (b traveller) picks(at sight, provider string) (sight, error) {
	return b.ask(http.MethodPost, at.url.String(), url.Values{"provider": {provider}, "device": {"this"}}, at.url)
}

// leaves follows the page to the e-ID's site, by its link or its form.
func (b traveller) leaves(at sight) (sight, error) {
	if at.find(".app form") != nil {
		return b.submit(at, ".app form")
	}
	return b.leavesWith(at, func(query string) string { return query })
}

// leavesWith follows the page's link with another query.
func (b traveller) leavesWith(at sight, change func(query string) string) (sight, error) {
	link := at.find(".app a.main")
	if link == nil {
		return at, fmt.Errorf("nothing leads to the e-ID: %s", at)
	}
	to, _ := attribute(link, "href")
	address, err := at.url.Parse(to)
	if err != nil {
		return at, err
	}
	address.RawQuery = change(address.RawQuery)
	return b.ask(http.MethodGet, address.String(), nil, at.url)
}

const responseForm = `form:has(input[name=SAMLResponse])`

// returns brings the answer of the e-ID's site back.
func (b traveller) returns(at sight) (sight, error) { return b.submit(at, responseForm) }

// response is the XML in the answer.
func (s sight) response() (string, error) {
	f, err := s.form(responseForm)
	return cmp.Or(f, &blank{}).values.Get("SAMLResponse"), err
}

// settled goes on while the page says that an answer is being worked on.
func (b traveller) settled(at sight) (sight, error) {
	deadline := time.Now().Add(patience)
	for at.status != 0 && at.find("[data-status]") != nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
		var err error
		if at, err = b.ask(http.MethodGet, at.url.String(), nil, nil); err != nil {
			return at, err
		}
	}
	return at, nil
}

// refusals begins to listen to what the broker's log says of refused answers.
func (p *premises) refusals(t testing.TB, log string) func() string {
	t.Helper()
	path := output(t, "logs", log+"-sigill.log")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range refusedAt.FindAllSubmatch(text[before.Size():], -1) {
			found = append(found, string(m[1]))
		}
		return strings.Join(found, " ")
	}
}

var refusedAt = regexp.MustCompile(`evidence refused at ([^:]+):`)

// refusedWith demands the page that says why there is no login.
func refusedWith(at sight, heading string) error {
	switch {
	case at.status == 0:
		return errors.New("the login was let through")
	case at.words("h1") != heading:
		return fmt.Errorf("another page than %q: %s", heading, at)
	case at.words(".ref b") == "":
		return fmt.Errorf("the page has no reference number: %s", at)
	}
	return nil
}

// gives holds the ID Token against what it must say. Numbers are not printed.
func (a attempt) gives(t testing.TB, at sight, want map[string]any) {
	t.Helper()
	if at.status != 0 {
		t.Fatalf("the browser does not come to the client: %s", at)
	}
	code, err := a.code(at.url)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := a.redeem(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("the claim %s is another: %s", name, masked(fmt.Sprint(claims[name])))
		}
	}
}
