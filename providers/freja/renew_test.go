package freja

import (
	"context"
	"crypto/tls"
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

// Orders are started and asked about by many while the certificate is exchanged
// again and again: none fails, and each is asked about with the certificate that it
// was started with.
func TestRenewUnderLoad(t *testing.T) {
	old, next := rpCertificate(), rpNamed("rp renewed")
	var mu sync.Mutex
	asked, creators := map[string]int{}, map[string]string{}
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		by := string(r.TLS.PeerCertificates[0].Raw)
		mu.Lock()
		defer mu.Unlock()
		asked[by]++
		if strings.HasSuffix(r.URL.Path, "/initAuthentication") {
			ref := fmt.Sprint("order-", len(creators))
			creators[ref] = by
			_, _ = io.WriteString(w, strings.ReplaceAll(begun, testReference, ref))
			return
		}
		_, _ = io.WriteString(w, `{"status":"STARTED"}`)
	})
	c := i.config()
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
	for range 4 {
		group.Go(func() {
			for running.Err() == nil {
				s, _, err := p.Start(t.Context(), testRequest(providers.KindAuth, providers.ModeOther))
				if err != nil {
					t.Errorf("start: %v", err)
					return
				}
				if _, _, err = p.Continue(t.Context(), s, tick); err != nil {
					t.Errorf("continue: %v", err)
					return
				}
				did.Add(1)
			}
		})
	}
	for n := range 6 {
		cert := next
		if n%2 == 1 {
			cert = old
		}
		use, err := p.Renew(cert)
		if err != nil {
			t.Fatal(err)
		}
		use()
		for target := did.Load() + 10; did.Load() < target && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	group.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.requests {
		raw, _ := json.Marshal(r.body["authRef"])
		if ref := strings.Trim(string(raw), `"`); strings.HasPrefix(ref, "order-") && creators[ref] != r.by {
			t.Error("an order is asked about with another certificate than its own")
		}
	}
	if len(asked) != 2 {
		t.Errorf("%d certificates were shown", len(asked))
	}
}

func TestRenewRefuses(t *testing.T) {
	p := newIssuer(t, nil).provider(t)
	for _, bad := range []tls.Certificate{{}, {Certificate: rpCertificate().Certificate}, {Certificate: [][]byte{{1}}, PrivateKey: rpCertificate().PrivateKey}} {
		if _, err := p.Renew(bad); err == nil {
			t.Error("takes a certificate that is none, or has no key")
		}
	}
}
