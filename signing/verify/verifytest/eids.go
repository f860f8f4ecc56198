package verifytest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"sigill/providers"
	"sigill/providers/freja"
	"sigill/providers/personnummer"
	"sigill/providers/saml"
	"sigill/providers/saml/metadata"
	"sigill/signing/trust"
)

// An EID is another e-ID than the kit's, simulated too, with persons who sign.
type EID struct {
	Info providers.Info
	// Believe adds it to what a verifier believes.
	Believe func(*trust.Trust)

	provider provider
	// answer has a person do what a step asks for, and gives what comes back.
	answer func(t testing.TB, step providers.Step, number string) providers.Event
}

type provider interface {
	providers.Provider
	providers.Signer
}

// Prove has a person sign, or log in, through the provider, as the broker does.
func (e *EID) Prove(t testing.TB, a Ask) Proof {
	t.Helper()
	number, err := personnummer.FromDigits(a.Number)
	if err != nil {
		t.Fatal("not a number")
	}
	p := Proof{Started: time.Now().UTC(), Provider: e.Info.ID}
	request := providers.Request{
		Mode: e.Info.Modes[0], Device: providers.Device{IP: "127.0.0.1"}, Text: a.Text, Markup: a.Markup, Binding: a.Binding,
		Number: number, Handle: rand.Text(), Lang: "sv",
	}
	if !e.Info.Site {
		request.Mode = providers.ModeOther
	}
	ctx := context.Background()
	var state providers.State
	var step providers.Step
	if a.Kind == providers.KindAuth {
		request.Text = ""
		state, step, err = e.provider.Start(ctx, request)
	} else {
		state, step, err = e.provider.StartSignature(ctx, providers.SignRequest{Request: request})
	}
	if err != nil {
		t.Fatal(err)
	}
	event := e.answer(t, step, a.Number)
	for range 400 {
		if state, step, err = e.provider.Continue(ctx, state, event); err != nil {
			t.Fatal(err)
		}
		switch step := step.(type) {
		case providers.Done:
			p.Evidence, p.Identity = step.Evidence, step.Identity
			return p
		case providers.Failed:
			t.Fatalf("failed: %s %s", step.Reason, step.Check)
		}
		event = providers.Event{Kind: providers.Tick}
	}
	t.Fatal("not signed")
	return p
}

// FrejaSimulator is a simulated Freja, and somebody who holds the phones.
type FrejaSimulator struct {
	URL, AppURL                                               string
	TLSRoot, JWSRoot, JWS, Intermediate, RPCertificate, RPKey []byte // PEM
	Scan                                                      func(code string) (order string, err error)
	Approve                                                   func(order, number string) error
}

// NewFreja is the simulated Freja as an e-ID.
func NewFreja(t testing.TB, sim FrejaSimulator) *EID {
	t.Helper()
	rp, err := tls.X509KeyPair(sim.RPCertificate, sim.RPKey)
	if err != nil {
		t.Fatal(err)
	}
	roots, pinned := certificates(t, sim.JWSRoot), certificates(t, sim.JWS)
	p, err := freja.New(freja.Config{
		ID: providers.Freja, Instance: "test", Certificate: rp, PollInterval: 5 * time.Millisecond,
		Environment: freja.Environment{
			Name: "test", BaseURL: sim.URL, AppLink: sim.AppURL, TLSRoots: certificates(t, sim.TLSRoot),
			JWSRoots: roots, JWSCertificates: pinned, Intermediates: certificates(t, sim.Intermediate),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &EID{
		Info: p.Info(), provider: p,
		Believe: func(b *trust.Trust) { b.Freja = trust.Freja{Roots: roots, Certificates: pinned} },
		answer: func(t testing.TB, step providers.Step, number string) providers.Event {
			t.Helper()
			order, err := sim.Scan(step.(providers.Wait).QR)
			if err == nil {
				err = sim.Approve(order, number)
			}
			if err != nil {
				t.Fatal(err)
			}
			return providers.Event{Kind: providers.Tick}
		},
	}
}

// SAMLSimulator is a simulated identity provider, and somebody at its pages.
type SAMLSimulator struct {
	EntityID, FeedURL string
	Federation        *x509.Certificate // that signs the feed
	Approve           func(order, number string) error
}

// NewSAML is a simulated identity provider as an e-ID, under the name of Telia.
func NewSAML(t testing.TB, sim SAMLSimulator) *EID {
	t.Helper()
	var serving atomic.Pointer[saml.Provider]
	const below = "/eid/telia/"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := serving.Load(); p != nil {
			d := p.Documents()[strings.TrimPrefix(r.URL.Path, below)]
			w.Header().Set("Content-Type", d.MediaType)
			_, _ = w.Write(d.Bytes)
		}
	}))
	t.Cleanup(web.Close)
	source, err := metadata.Open(t.Context(), metadata.Config{
		Name: "telia", URL: sim.FeedURL, Certificates: []*x509.Certificate{sim.Federation}, EntityID: sim.EntityID,
	})
	if err != nil {
		t.Fatal(err)
	}
	login, sign := samlKey(t), samlKey(t)
	at := web.URL + below
	p, err := saml.New(saml.Config{
		ID: providers.Telia, Instance: "telia", IdP: sim.EntityID,
		Login:  saml.SP{EntityID: at + "metadata", ACS: at + providers.BackPath, Signing: login, Decrypt: []saml.Key{login}},
		Sign:   saml.SP{EntityID: at + "sign/metadata", ACS: at + providers.SignBackPath, Signing: sign, Decrypt: []saml.Key{sign}},
		About:  saml.About{Name: providers.Text{SV: "Prov", EN: "Test"}},
		Source: source, Replay: &once{},
	})
	if err != nil {
		t.Fatal(err)
	}
	serving.Store(p)
	return &EID{
		Info: p.Info(), provider: p,
		Believe: func(b *trust.Trust) {
			b.SAML = trust.SAML{Metadata: []*x509.Certificate{sim.Federation}, IdPs: []trust.IdP{{EntityID: sim.EntityID, Provider: providers.Telia}}}
		},
		answer: func(t testing.TB, step providers.Step, number string) providers.Event {
			t.Helper()
			return visit(t, step, at, func(order string) error { return sim.Approve(order, number) })
		},
	}
}

// visit goes where a step leads, without script, and comes back with the form that
// leads to an address below at.
func visit(t testing.TB, step providers.Step, at string, approve func(order string) error) providers.Event {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: transport}
	var page *http.Response
	switch step := step.(type) {
	case providers.Redirect:
		page, err = browser.Get(step.URL)
	case providers.PostForm:
		form := url.Values{}
		for k, v := range step.Fields {
			form.Set(k, v)
		}
		page, err = browser.PostForm(step.URL, form)
	default:
		t.Fatalf("nowhere to go: %T", step)
	}
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	address := page.Request.URL
	if err := approve(path.Base(address.Path)); err != nil {
		t.Fatal(err)
	}
	if page, err = browser.Get(address.String()); err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	doc, err := html.Parse(io.LimitReader(page.Body, 2<<20))
	if err != nil {
		t.Fatal(err)
	}
	event := providers.Event{Kind: providers.Callback, Form: map[string][]string{}}
	for n := range doc.Descendants() {
		switch n.Data {
		case "form":
			event.At = strings.TrimPrefix(attribute(n, "action"), at)
		case "input":
			if name := attribute(n, "name"); name != "" {
				event.Form[name] = append(event.Form[name], attribute(n, "value"))
			}
		}
	}
	return event
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// once is a providers.Replay of one process.
type once struct{ owners sync.Map }

func (o *once) Seen(_ context.Context, key, owner string, _ time.Time) (bool, error) {
	before, there := o.owners.LoadOrStore(key, owner)
	return there && before != owner, nil
}

func samlKey(t testing.TB) saml.Key {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return saml.Key{Private: key, Certificate: c}
}
