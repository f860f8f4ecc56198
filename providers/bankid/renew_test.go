package bankid

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/providers"
)

// renewed is a certificate of the same party with another key.
func renewed(key string, change func(*x509.Certificate)) tls.Certificate {
	private := keyOf(key, 2048)
	template := &x509.Certificate{
		Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "SE"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Testbanken"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "5566304928"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 41}, Value: "Provköping"},
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Provköpings kommun"},
		}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	c := issue(template, private, authority{})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: private, Leaf: c}
}

// Orders are started and collected by many while the certificate is exchanged
// again and again: none fails, and each is collected with the certificate that it
// was started with, since the issuer does not know it by another.
func TestRenewUnderLoad(t *testing.T) {
	old, next := rpCertificate(), renewed("rp renewed", nil)
	var mu sync.Mutex
	asked := map[string]int{}
	creators := map[string]string{} // of orders
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		by := string(r.TLS.PeerCertificates[0].Raw)
		mu.Lock()
		defer mu.Unlock()
		asked[by]++
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/collect") {
			var q struct{ OrderRef string }
			if json.Unmarshal(body, &q) != nil || creators[q.OrderRef] != by {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"errorCode":"invalidParameters","details":"No such order"}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"orderRef":%q,"status":"pending","hintCode":"outstandingTransaction"}`, q.OrderRef)
			return
		}
		order := fmt.Sprint("order-", len(creators))
		creators[order] = by
		_, _ = io.WriteString(w, strings.Replace(tokens, "order-1", order, 1))
	})
	c := i.config(providers.MBankID)
	c.Certificate = old // another one is made in another second
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	var did atomic.Int64
	for range 8 {
		group.Go(func() {
			for running.Err() == nil {
				state, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
				if err != nil {
					t.Errorf("start: %v", err)
					return
				}
				for range 3 {
					var step providers.Step
					if state, step, err = p.Continue(t.Context(), state, providers.Event{Kind: providers.Tick}); err != nil {
						t.Errorf("collect: %v", err)
						return
					}
					if _, waits := step.(providers.Wait); !waits {
						t.Errorf("collect: %+v", step)
						return
					}
				}
				did.Add(1)
			}
		})
	}
	more := func() {
		for target := did.Load() + 20; did.Load() < target && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	for n := range 8 {
		cert := next
		if n%2 == 1 {
			cert = old
		}
		use, err := p.Renew(cert)
		if err != nil {
			t.Fatal(err)
		}
		use()
		more()
	}
	var use func()
	if use, err = p.Renew(next); err != nil {
		t.Fatal(err)
	}
	use()
	stop()
	group.Wait()
	mu.Lock()
	if len(asked) != 2 {
		t.Errorf("%d certificates were shown", len(asked))
	}
	clear(asked)
	mu.Unlock()
	state, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
	if err != nil {
		t.Fatal(err)
	}
	if use, err = p.Renew(old); err != nil {
		t.Fatal(err)
	}
	use()
	if _, step, err := p.Continue(t.Context(), state, providers.Event{Kind: providers.Tick}); err != nil {
		t.Error(err)
	} else if _, waits := step.(providers.Wait); !waits {
		t.Errorf("collect: %+v", step)
	}
	if asked[string(next.Certificate[0])] != 2 || asked[string(old.Certificate[0])] != 0 {
		t.Error("an order is not collected with the certificate that it was started with")
	}
	if _, _, err := p.Start(t.Context(), testRequest(providers.ModeOther)); err != nil {
		t.Fatal(err)
	}
	if asked[string(old.Certificate[0])] != 1 {
		t.Error("an order is not started with the certificate that is used now")
	}
}

// What is being asked when the certificate is exchanged is answered.
func TestRenewCutsNothingOff(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		jsonAnswer(http.StatusOK, tokens)(w, r)
	})
	p := i.provider(t, providers.MBankID)
	ended := make(chan error, 1)
	go func() {
		_, _, err := p.Start(t.Context(), testRequest(providers.ModeOther))
		ended <- err
	}()
	<-begun
	use, err := p.Renew(renewed("rp renewed", nil))
	if err != nil {
		t.Fatal(err)
	}
	use()
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRenewRefuses(t *testing.T) {
	name := func(at int, value string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.ExtraNames[at].Value = value }
	}
	i := newIssuer(t, jsonAnswer(http.StatusOK, tokens))
	p := i.provider(t, providers.MBankID)
	before := p.client("")
	for what, cert := range map[string]tls.Certificate{
		"nothing":          {},
		"no key":           {Certificate: rpCertificate().Certificate},
		"garbage":          {Certificate: [][]byte{{1}}, PrivateKey: keyOf("rp", 2048)},
		"another name":     renewed("rp renewed", name(3, "Annanköping")),
		"another number":   renewed("rp renewed", name(2, "ett annat nummer")),
		"another company":  renewed("rp renewed", name(4, "Annanköpings kommun")),
		"no display name":  renewed("rp renewed", func(c *x509.Certificate) { c.Subject.ExtraNames = c.Subject.ExtraNames[:3] }),
		"one name is gone": renewed("rp renewed", func(c *x509.Certificate) { c.Subject.ExtraNames = c.Subject.ExtraNames[1:] }),
	} {
		if use, err := p.Renew(cert); err == nil || use != nil {
			t.Errorf("%s: taken", what)
		}
	}
	if p.client("") != before {
		t.Error("what was refused is in use")
	}
}
