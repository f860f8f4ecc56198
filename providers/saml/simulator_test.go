package saml_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/providers/providertest"
	"sigill/providers/saml"
	"sigill/providers/saml/metadata"
	"sigill/testidp"
	"sigill/testidp/control"
	"sigill/testidp/persons"
	simulated "sigill/testidp/saml"
)

// remembered is a replay memory of one node.
type remembered struct{ owners sync.Map }

func (r *remembered) Seen(_ context.Context, key, owner string, _ time.Time) (bool, error) {
	before, there := r.owners.LoadOrStore(key, owner)
	return there && before != owner, nil
}

// keys are made once.
var keys = sync.OnceValues(func() ([]saml.Key, error) {
	var all []saml.Key
	for range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		all = append(all, saml.Key{Private: key, Certificate: c})
	}
	return all, nil
})

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// stage is a simulated identity provider and our side of it.
type stage struct {
	t      *testing.T
	sim    *testidp.Server
	web    *httptest.Server // where our metadata lies
	config saml.Config
	p      *saml.Provider
}

func newStage(t *testing.T, log *slog.Logger, change ...func(*saml.Config)) *stage {
	t.Helper()
	s := &stage{t: t, sim: testidp.Start(t)}
	var serving atomic.Pointer[saml.Provider]
	s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := serving.Load()
		if p == nil {
			http.NotFound(w, r)
			return
		}
		d, ok := p.Documents()[strings.TrimPrefix(r.URL.Path, "/eid/telia/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", d.MediaType)
		_, _ = w.Write(d.Bytes)
	}))
	t.Cleanup(s.web.Close)
	idp := s.sim.SAML(testidp.Telia)
	source := must2(metadata.Open(t.Context(), metadata.Config{
		Name: "telia", URL: idp.FeedURL(), Certificates: []*x509.Certificate{idp.FederationCertificate()}, EntityID: idp.EntityID(), Log: log,
	}))(t)
	k := must2(keys())(t)
	at := s.web.URL + "/eid/telia/"
	s.config = saml.Config{
		ID: providers.Telia, Instance: "telia", IdP: idp.EntityID(),
		Login:  saml.SP{EntityID: at + "metadata", ACS: at + providers.BackPath, Signing: k[0], Decrypt: k[:1]},
		Sign:   saml.SP{EntityID: at + "sign/metadata", ACS: at + providers.SignBackPath, Signing: k[1], Decrypt: k[1:]},
		About:  saml.About{Name: providers.Text{SV: "Prov", EN: "Test"}},
		Source: source, Replay: &remembered{}, Log: log,
	}
	for _, f := range change {
		f(&s.config)
	}
	s.p = must2(saml.New(s.config))(t)
	serving.Store(s.p)
	return s
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); return must(t, v, err) }
}

// browser is a person's browser, without script.
func (s *stage) browser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.web.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// go sends the browser where a step says, and gives the page that it ends at.
func (s *stage) follow(step providers.Step) (*http.Client, *http.Response, error) {
	b := s.browser()
	switch step := step.(type) {
	case providers.Redirect:
		r, err := b.Get(step.URL)
		return b, r, err
	case providers.PostForm:
		form := url.Values{}
		for k, v := range step.Fields {
			form.Set(k, v)
		}
		r, err := b.PostForm(step.URL, form)
		return b, r, err
	}
	return nil, nil, fmt.Errorf("nowhere to go: %T", step)
}

// act has a person decide the order that a step leads to, and brings back what the
// identity provider's page then sends.
func (s *stage) act(step providers.Step, action control.Action) (providers.Event, error) {
	b, page, err := s.follow(step)
	if err != nil {
		return providers.Event{}, err
	}
	event, err := s.back(page)
	if err == nil {
		return event, nil // it answered at once
	}
	address := page.Request.URL
	if !strings.Contains(address.Path, "/o/") {
		return providers.Event{}, fmt.Errorf("%d at %s", page.StatusCode, address.Path)
	}
	if _, err := s.sim.Act(path.Base(address.Path), action); err != nil {
		return providers.Event{}, fmt.Errorf("act: %w", err)
	}
	if page, err = b.Get(address.String()); err != nil {
		return providers.Event{}, err
	}
	return s.back(page)
}

// back reads the form that leads back to us out of a page.
func (s *stage) back(page *http.Response) (providers.Event, error) {
	defer page.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(page.Body, 2<<20))
	if err != nil {
		return providers.Event{}, err
	}
	doc, err := html.Parse(strings.NewReader(string(raw)))
	if err != nil {
		return providers.Event{}, err
	}
	for _, form := range cascadia.QueryAll(doc, cascadia.MustCompile("form")) {
		to, ok := strings.CutPrefix(attribute(form, "action"), s.web.URL+"/eid/telia/")
		if !ok {
			continue
		}
		event := providers.Event{Kind: providers.Callback, At: to, Form: map[string][]string{}}
		for _, input := range cascadia.QueryAll(form, cascadia.MustCompile("input[name]")) {
			name := attribute(input, "name")
			event.Form[name] = append(event.Form[name], attribute(input, "value"))
		}
		return event, nil
	}
	return providers.Event{}, errors.New("the page does not lead back")
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// somebody has a flag.
func (s *stage) somebody(flag persons.Flag) string {
	for _, p := range s.sim.People() {
		if p.Has(flag) {
			return p.Number
		}
	}
	s.t.Fatalf("nobody is %s", flag)
	return ""
}

// trust is what a stranger believes who trusts the federation.
func (s *stage) trust() saml.Trust {
	return saml.Trust{Metadata: []*x509.Certificate{s.sim.SAML(testidp.Telia).FederationCertificate()}, AnyAudience: true, Provider: providers.Telia}
}

func (s *stage) bench() providertest.Bench {
	number := must2(personnummer.FromDigits(s.sim.People()[0].Number))(s.t)
	foreign := s.config
	foreign.Instance = "another"
	ending := func(action, hint string) func(providers.Step) (providers.Event, error) {
		return func(step providers.Step) (providers.Event, error) {
			return s.act(step, control.Action{Action: action, Pnr: number.Digits(), Hint: hint})
		}
	}
	return providertest.Bench{
		Provider: s.p,
		Again:    func() providers.Provider { return must2(saml.New(s.config))(s.t) },
		Foreign:  must2(saml.New(foreign))(s.t),
		Number:   number,
		Approve: func(step providers.Step) (providers.Event, error) {
			return s.act(step, control.Action{Action: "approve", Pnr: number.Digits()})
		},
		Endings: map[providers.Reason]func(providers.Step) (providers.Event, error){
			providers.Cancelled:    ending("cancel", ""),
			providers.RiskBlocked:  ending("fail", "fraud"),
			providers.StepUpFailed: ending("fail", "authnFailed"),
			providers.WrongPerson:  ending("fail", "unknownPrincipal"),
			providers.Unsuitable:   ending("fail", "requestDenied"),
			providers.Unknown:      ending("fail", "requester"),
			providers.IssuerDown:   ending("fail", "timeout"),
			providers.LevelTooLow:  ending("fail", "noAuthnContext"),
		},
		Break:       func(fault string) { s.sim.Fault(testidp.Telia, fault) },
		Mend:        s.sim.ClearFaults,
		Outages:     outages(),
		Slow:        "slow",
		Tampers:     tampers(),
		SignTampers: signTampers(),
		Harmless:    simulated.Harmless(),
		Wordless:    []providers.Kind{providers.KindAuth}, // a UserMessage leaves no trace
		Verify: func(e providers.Evidence, want providers.Expected) (providers.Identity, error) {
			return saml.Verify(e, want, s.trust(), time.Now())
		},
	}
}

func TestProviderContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T, log *slog.Logger) providertest.Bench {
		return newStage(t, log).bench()
	})
}

func outages() []string { return []string{"http503", "drop", "garbage", "dropAnswer"} }

// tampers are the false answers to logins and signatures, with the step that
// refuses each.
func tampers() map[string]string {
	return map[string]string{
		"wrongPerson": "person", "tenDigits": "number", "hyphen": "number", "twoValues": "attributes", "twoAttributes": "attributes",
		"noAttributeStatement": "attributes", "foreignInResponseTo": "in-response-to", "noInResponseTo": "in-response-to",
		"wrongConfirmedRequest": "binding", "wrongDestination": "destination", "noDestination": "destination",
		"wrongRecipient": "recipient", "noRecipient": "recipient", "wrongAudience": "audience", "noAudience": "audience",
		"wrongIssuer": "issuer", "otherIdP": "signature/signature", "noIssuer": "issuer", "wrongAssertionIssuer": "assertion-issuer",
		"expired": "subject", "notYet": "conditions", "oldIssue": "issue-instant", "futureIssue": "issue-instant",
		"oldAuthnInstant": "authn-instant", "futureAuthnInstant": "authn-instant", "clockAhead90": "issue-instant",
		"noSubject": "subject", "noSubjectConfirmation": "subject", "noConfirmationData": "subject", "senderVouches": "subject",
		"noConditions": "conditions", "noAuthnStatement": "authn-statement", "twoAuthnStatements": "authn-statement",
		"twoAssertions": "assertion-count", "successWithoutAssertion": "assertion-count", "errorWithAssertion": "status",
		"unsignedResponse": "signature/signature-missing", "badSignature": "signature/signature",
		"sha1": "signature/algorithm", "sha1Digest": "signature/algorithm", "foreignKey": "signature/signature", "hmac": "signature/algorithm",
		"emptyReference": "signature/reference", "noReference": "signature/reference", "twoReferences": "signature/reference",
		"twoSignedInfo": "signature/signature-shape", "xpathTransform": "signature/transform", "xsltTransform": "signature/transform",
		"c14nComments": "signature/canonicalization", "signatureObject": "signature/object", "ecdsaDER": "signature/signature",
		"twoSignatures": "signature/signature-count", "commentInDigest": "xml/comment",
		"badCiphertext": "decryption", "shortCiphertext": "encryption", "oddCiphertext": "encryption", "rsa15": "encryption",
		"tripleDes": "encryption", "encryptedForOther": "decryption", "unencrypted": "encryption", "swappedAssertion": "signature/signature",
		"xsw1": "signature/signature-shape", "xsw2": "signature/signature-place", "xsw3": "signature/signature-missing",
		"xsw4": "signature/signature-missing", "xsw5": "signature/signature-missing", "xsw6": "signature/signature-missing",
		"xsw7": "signature/signature-missing", "xsw8": "signature/signature-missing", "xsw8SameId": "xml/duplicate-id",
		"duplicateId": "xml/duplicate-id", "duplicateIdAfter": "xml/duplicate-id", "fooId": "xml/duplicate-id",
		"doctype": "xml/dtd", "billionLaughs": "xml/dtd", "comment": "xml/comment", "commentInNumber": "assertion-xml/comment",
		"deepNesting": "xml/depth", "huge": "encoding", "notResponse": "response", "garbageResponse": "encoding", "notXML": "xml/syntax",
		"replay": "in-response-to", "relayStateMangled": "form", "relayStateMissing": "form", "relayStateLong": "form",
	}
}

// signTampers concern what only a signature must have.
func signTampers() map[string]string {
	return map[string]string{
		"noSignMessageDigest": "text", "wrongSignMessageDigest": "text",
		"unsignedAssertion": "assertion-signature/signature-missing", "badAssertionSignature": "assertion-signature/signature",
	}
}

// otherwise are the answers that end an order for another reason than that they
// are false.
func otherwise() map[string]providers.Reason {
	return map[string]providers.Reason{
		"unsignedError": providers.Unknown,
		"wrongLevel":    providers.LevelTooLow, "levelWithSpaces": providers.LevelTooLow, "levelCase": providers.LevelTooLow, "noLevel": providers.LevelTooLow,
		"coordination": providers.Unsuitable, "missingNumber": providers.Unsuitable, "nameIdOnly": providers.Unsuitable, "friendlyNameSpoof": providers.Unsuitable,
	}
}

// feeds are the ways in which the federation's feed is not to be believed.
func feeds() []string {
	return []string{"feedBadSignature", "feedUnsigned", "feedExpired", "feedNoValidUntil", "feedUnknownSigner", "entityTwice", "entityMissing"}
}

// singles are faults of the identity provider's own metadata, which package
// metadata tries; this connection reads the feed.
func singles() []string {
	return []string{"metadataBadSignature", "metadataUnsigned", "metadataExpired", "metadataUnknownSigner", "metadataRollover", "javascriptEndpoint", "plainEndpoint"}
}

// Every way in which the simulator can misbehave is tried somewhere.
func TestEveryFaultIsTried(t *testing.T) {
	s := newStage(t, slog.New(slog.DiscardHandler))
	tried := slices.Concat(outages(), feeds(), singles(), simulated.Harmless(), []string{"slow"},
		slices.Collect(maps.Keys(tampers())), slices.Collect(maps.Keys(signTampers())), slices.Collect(maps.Keys(otherwise())))
	for _, mode := range s.sim.SAML(testidp.Telia).FaultModes() {
		if !slices.Contains(tried, mode) {
			t.Errorf("%s is not", mode)
		}
	}
}

func (s *stage) begin(kind providers.Kind) (providers.State, providers.Step) {
	s.t.Helper()
	r := providers.Request{Mode: providers.ModeThis, Binding: []byte("a binding of thirty-two bytes .."), Handle: rand.Text(), Lang: "sv"}
	var state providers.State
	var step providers.Step
	var err error
	if kind == providers.KindSign {
		r.Text = "Prov på en text åäö"
		state, step, err = s.p.StartSignature(s.t.Context(), providers.SignRequest{Request: r})
	} else {
		state, step, err = s.p.Start(s.t.Context(), r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return state, step
}

func TestOtherEndings(t *testing.T) {
	s := newStage(t, slog.New(slog.DiscardHandler))
	for fault, reason := range otherwise() {
		for _, kind := range []providers.Kind{providers.KindAuth, providers.KindSign} {
			t.Run(fault+" "+string(kind), func(t *testing.T) {
				s.sim.Fault(testidp.Telia, fault)
				defer s.sim.ClearFaults()
				state, step := s.begin(kind)
				event := must2(s.act(step, control.Action{Action: "approve", Pnr: s.sim.People()[0].Number}))(t)
				_, step, err := s.p.Continue(t.Context(), state, event)
				if f, ok := step.(providers.Failed); err != nil || !ok || f.Reason != reason || f.Text.SV == "" || f.Text.EN == "" {
					t.Errorf("%T %s, %v", step, f.Reason, err)
				}
			})
		}
	}
}

// Without metadata that can be believed, nothing starts.
func TestFeeds(t *testing.T) {
	s := newStage(t, slog.New(slog.DiscardHandler))
	for _, fault := range feeds() {
		t.Run(fault, func(t *testing.T) {
			s.sim.Fault(testidp.Telia, fault)
			defer s.sim.ClearFaults()
			idp := s.sim.SAML(testidp.Telia)
			c := s.config
			c.Source = must2(metadata.Open(t.Context(), metadata.Config{
				Name: "telia", URL: idp.FeedURL(), Certificates: []*x509.Certificate{idp.FederationCertificate()}, EntityID: idp.EntityID(), Log: slog.New(slog.DiscardHandler),
			}))(t)
			p := must2(saml.New(c))(t)
			_, step, err := p.Start(t.Context(), providers.Request{Mode: providers.ModeThis, Binding: make([]byte, 32), Handle: rand.Text()})
			var down *providers.Unavailable
			if !errors.As(err, &down) || step != nil {
				t.Errorf("%T, %v", step, err)
			}
			if !slices.ContainsFunc(p.Check(t.Context()), func(f providers.Finding) bool { return f.Bad }) {
				t.Error("the check finds nothing wrong")
			}
		})
	}
}

// People with a coordination number are let in where that is wanted.
func TestCoordinationNumber(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		s := newStage(t, slog.New(slog.DiscardHandler), func(c *saml.Config) { c.CoordNumbers = wanted })
		state, step := s.begin(providers.KindAuth)
		event, err := s.act(step, control.Action{Action: "approve", Pnr: s.somebody("samordningsnummer")})
		if err != nil {
			if wanted {
				t.Error(err)
			}
			continue
		}
		_, step, err = s.p.Continue(t.Context(), state, event)
		if d, ok := step.(providers.Done); err != nil || ok != wanted || ok && !d.Identity.Number.Coordination() {
			t.Errorf("%T, %v", step, err)
		}
	}
}
