package node

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker/kit/config"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/trust"
)

// ours is a clock that tests move.
type ours struct{ ahead atomic.Int64 }

func (c *ours) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (l *logged) count(text string) int { return strings.Count(l.String(), text) }

func plainLog() (*slog.Logger, *logged) {
	l := &logged{}
	return slog.New(slog.NewTextHandler(l, nil)), l
}

func swap(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// Certificate and key are replaced one after the other: nothing is taken before
// both are there and at rest, and what is not whole leaves the one from before.
func TestRenewal(t *testing.T) {
	dir, clock := t.TempDir(), &ours{}
	log, said := plainLog()
	var files config.TLS
	files.CertificateFile, files.KeyFile = pair(t, dir, "tls", 1, time.Now().Add(time.Hour))
	c, err := newCertificate(files, clock.now, log)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.String()
	}
	looks := func(n int) {
		for range n {
			c.look()
		}
	}
	want := func(what, number string, refused bool, errors int) {
		t.Helper()
		if got := serial(); got != number {
			t.Errorf("%s: certificate %s is in use, want %s", what, got, number)
		}
		if _, err := c.state(); (err != nil) != refused {
			t.Errorf("%s: refused: %v", what, err)
		}
		if got := said.count("level=ERROR"); got != errors {
			t.Errorf("%s: %d complaints, want %d", what, got, errors)
		}
	}
	looks(3)
	want("at rest", "1", false, 0)

	// The usual way: first the one, soon the other.
	certificate, key := pair(t, dir, "second", 2, time.Now().Add(48*time.Hour))
	swap(t, certificate, files.CertificateFile)
	looks(1)
	want("half changed", "1", false, 0)
	swap(t, key, files.KeyFile)
	looks(1)
	want("changed this moment", "1", false, 0)
	looks(1)
	want("changed", "2", false, 0)
	if until, _ := c.state(); time.Until(until) < 47*time.Hour {
		t.Error("the end is that of the one before")
	}

	// Somebody forgets the key, and comes back later.
	certificate, key = pair(t, dir, "third", 3, time.Now().Add(48*time.Hour))
	swap(t, certificate, files.CertificateFile)
	looks(5)
	want("half changed for long", "2", true, 1)
	swap(t, key, files.KeyFile)
	looks(2)
	want("whole again", "3", false, 1)

	// Files that are no certificates.
	content, err := os.ReadFile(files.CertificateFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, spoil := range []func() error{
		func() error { return os.WriteFile(files.CertificateFile, nil, 0o600) },
		func() error { return os.WriteFile(files.CertificateFile, content[:len(content)/2], 0o600) },
		func() error { return os.Remove(files.CertificateFile) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		looks(4)
		want(fmt.Sprint("spoilt ", i), "3", true, 2+i)
	}
	if err := os.WriteFile(files.CertificateFile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	looks(1)
	want("as before", "3", false, 4)

	// Not valid yet: taken when it is. And one that has ended.
	pair(t, dir, "tls", 4, time.Now().Add(480*time.Hour)) // valid since 48 hours
	clock.ahead.Store(int64(-72 * time.Hour))
	looks(4)
	want("not valid yet", "3", true, 5)
	clock.ahead.Store(0)
	looks(1)
	want("valid now", "4", false, 5)
	pair(t, dir, "tls", 5, time.Now().Add(-time.Hour))
	looks(4)
	want("ended", "4", true, 6)
	if said.count("PRIVATE KEY") != 0 {
		t.Error("the log shows a file")
	}
}

// Nobody who connects while the server's certificate is renewed again and again is
// turned away.
func TestTLSIsRenewedUnderLoad(t *testing.T) {
	dir := t.TempDir()
	log, _ := plainLog()
	var files config.TLS
	files.CertificateFile, files.KeyFile = pair(t, dir, "tls", 1, time.Now().Add(time.Hour))
	c, err := newCertificate(files, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := tls.NewListener(plain, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get})
	var group sync.WaitGroup
	defer group.Wait()
	defer listener.Close()
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1))
			})
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var did atomic.Int64
	var visitors sync.WaitGroup
	for range 4 {
		visitors.Go(func() {
			for ctx.Err() == nil {
				conn, err := tls.Dial("tcp", plain.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
				if err != nil {
					t.Errorf("turned away: %v", err)
					return
				}
				conn.Close()
				did.Add(1)
			}
		})
	}
	for n := int64(2); n < 8; n++ {
		certificate, key := pair(t, dir, "next", n, time.Now().Add(time.Hour))
		swap(t, certificate, files.CertificateFile)
		c.look()
		c.look() // half of it
		swap(t, key, files.KeyFile)
		c.look()
		c.look()
		if got := c.current.Load().Leaf.SerialNumber.Int64(); got != n {
			t.Errorf("certificate %d, want %d", got, n)
		}
		for target := did.Load() + 10; did.Load() < target && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	visitors.Wait()
}

// sealFiles writes a chain and its key over those of settings.
func sealFiles(t *testing.T, s config.Seal, p *padestest.PKI, leaf padestest.Leaf, root bool) {
	t.Helper()
	key := padestest.NewKey(t, elliptic.P256())
	chain := p.Issue(t, key, leaf)
	if root {
		chain = append(chain, p.Root)
	}
	var text bytes.Buffer
	for _, c := range chain {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{s.CertificateFile: text.Bytes(), s.KeyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// While documents are sealed the seal is renewed again and again, and every one is
// believed by those who believe what was published at the start.
func TestSealIsRenewedUnderLoad(t *testing.T) {
	dir := t.TempDir()
	p := padestest.NewPKI(t)
	files := config.Seal{CertificateFile: filepath.Join(dir, "seal.pem"), KeyFile: filepath.Join(dir, "seal.key")}
	sealFiles(t, files, p, padestest.Leaf{Serial: 1}, true)
	log, said := plainLog()
	s, chain, err := openSeal(files, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	believed, published, sum, err := loadTrust("", chain)
	if err != nil {
		t.Fatal(err)
	}
	s.follow(chain[0], believed, "", sum)
	unsealed := padestest.Unsealed(t)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	var did atomic.Int64
	var serials sync.Map
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				file, err := s.Seal(unsealed, time.Now(), pades.Info{})
				if err != nil {
					t.Errorf("not sealed: %v", err)
					return
				}
				seal, err := pades.Verify(file, pades.Trust{Roots: believed.Seal.Roots}, time.Now())
				if err != nil || seal.Organisation != s.Organisation() {
					t.Errorf("not believed: %v", err)
					return
				}
				serials.Store(seal.Certificate.SerialNumber.Int64(), true)
				did.Add(1)
			}
		})
	}
	more := func() {
		for target := did.Load() + 10; did.Load() < target && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	number := func() int64 { return s.current.Load().Certificate().SerialNumber.Int64() }
	more() // with the first
	for n := int64(2); n < 7; n++ {
		sealFiles(t, files, p, padestest.Leaf{Serial: n}, true)
		s.look()
		s.look()
		if number() != n {
			t.Fatalf("seal %d, want %d", number(), n)
		}
		more()
	}
	for what, spoil := range map[string]func(){
		"another root":     func() { sealFiles(t, files, padestest.NewPKI(t), padestest.Leaf{Serial: 100}, true) },
		"without its root": func() { sealFiles(t, files, p, padestest.Leaf{Serial: 99}, false) },
		"another organisation": func() {
			sealFiles(t, files, p, padestest.Leaf{Serial: 101, Organisation: "Annankommunen"}, true)
		},
		"for something else": func() {
			sealFiles(t, files, p, padestest.Leaf{Serial: 102, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, true)
		},
		"ended": func() {
			sealFiles(t, files, p, padestest.Leaf{Serial: 103, NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().Add(-time.Hour)}, true)
		},
	} {
		before := said.count("level=ERROR")
		spoil()
		for range 4 {
			s.look()
		}
		more()
		if _, err := s.state(); err == nil || number() != 6 || said.count("level=ERROR") != before+1 {
			t.Errorf("%s: %v, seal %d, %d complaints", what, err, number(), said.count("level=ERROR")-before)
		}
	}
	stop()
	group.Wait()
	n := 0
	serials.Range(func(any, any) bool { n++; return true })
	if n != 6 {
		t.Errorf("%d seals were used", n)
	}
	if again, _ := trust.Write(believed); !bytes.Equal(again, published) || len(sum) != 64 {
		t.Error("what is believed is not what was published")
	}
}

// With a trust file a seal may leave its root out, and come from another root that
// is believed; then too the trust stays what it was.
func TestSealIsRenewedFromAnotherRoot(t *testing.T) {
	dir := t.TempDir()
	one, two := padestest.NewPKI(t), padestest.NewPKI(t)
	files := config.Seal{CertificateFile: filepath.Join(dir, "seal.pem"), KeyFile: filepath.Join(dir, "seal.key")}
	sealFiles(t, files, one, padestest.Leaf{}, false)
	log, _ := plainLog()
	s, chain, err := openSeal(files, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	believed := trust.Trust{Seal: trust.Seal{Roots: []*x509.Certificate{one.Root, two.Root}}}
	s.follow(chain[0], believed, filepath.Join(dir, "trust.yaml"), "")
	sealFiles(t, files, two, padestest.Leaf{Serial: 2}, false)
	s.look()
	s.look()
	if _, err := s.state(); err != nil || s.current.Load().Certificate().SerialNumber.Int64() != 2 {
		t.Errorf("not in use: %v", err)
	}
	sealFiles(t, files, padestest.NewPKI(t), padestest.Leaf{Serial: 3}, true)
	s.look()
	s.look()
	if _, err := s.state(); err == nil || s.current.Load().Certificate().SerialNumber.Int64() != 2 {
		t.Errorf("a seal that nobody would believe is in use: %v", err)
	}
}

// A provider's files are followed as well.
func TestProviderIsRenewed(t *testing.T) {
	c, l := settings(t)
	l.Close()
	log, said := plainLog()
	e, err := openProviders(t.Context(), c.Providers[:1], workshop{now: time.Now, log: log})
	if err != nil {
		t.Fatal(err)
	}
	r := e.instances[0].certificates[0]
	until, _ := r.state()
	dir := filepath.Dir(c.Providers[0].BankID.CertificateFile)
	pair(t, dir, "rp", 9, until.Add(time.Hour))
	r.look()
	r.look()
	if now, err := r.state(); err != nil || !now.After(until) {
		t.Errorf("until %s, before %s: %v", now, until, err)
	}
	if err := os.WriteFile(c.Providers[0].BankID.KeyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.look()
	}
	if _, err := r.state(); err == nil || said.count("level=ERROR") != 1 || said.count("in use") != 1 {
		t.Errorf("%v\n%s", err, said)
	}
}

// What ends is to be seen, and is said once a day from sixty days before.
func TestEndingsAreTold(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, said := plainLog()
		leaf := func(days int) *x509.Certificate {
			return &x509.Certificate{NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Minute)}
		}
		c := &certificates{eids: &eids{}, now: time.Now, log: log, fixed: rootsEnding("trust:seal", []*x509.Certificate{leaf(-5), leaf(300), leaf(33)}, time.Now())}
		for what, days := range map[string]int{"rp:one": 61, "seal": 8, "tls": 400} {
			r := newRenewal(what, time.Now, log, filepath.Join(dir, what))
			r.begin(leaf(days), nil)
			c.own = append(c.own, r)
		}
		registry := prometheus.NewRegistry()
		if err := registry.Register(newCertificateMetrics(c)); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]int{}
		for _, m := range families[0].GetMetric() {
			left[m.GetLabel()[0].GetValue()] = int(m.GetGauge().GetValue())
		}
		if left["rp:one"] != 61 || left["seal"] != 8 || left["tls"] != 400 || left["trust:seal"] != 33 || len(left) != 4 {
			t.Errorf("days left: %v", left)
		}
		if len(families) != 2 || len(families[1].GetMetric()) != 3 {
			t.Errorf("metrics: %v", families)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- c.Run(ctx) }()
		for day, want := range [][]string{
			{"seal ends in 8 days", "trust:seal ends in 33 days"},
			{"provider one ends in 60 days, on ", "seal ends in 7 days, on ", "trust:seal ends in 32 days"},
			{"provider one ends in 59 days", "seal ends in 6 days", "trust:seal ends in 31 days"},
		} {
			synctest.Wait()
			text := said.String()
			for _, w := range want {
				if strings.Count(text, w) != 1 {
					t.Errorf("day %d: %q in\n%s", day, w, text)
				}
			}
			if lines := strings.Count(text, "\n"); lines != len(want) {
				t.Errorf("day %d: %d lines:\n%s", day, lines, text)
			}
			said.mu.Lock()
			said.buf.Reset()
			said.mu.Unlock()
			time.Sleep(24 * time.Hour)
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

func TestWarning(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		left time.Duration
		own  bool
		want string
	}{
		{61 * 24 * time.Hour, true, ""},
		{60*24*time.Hour + time.Hour, true, "the certificate of tls ends in 60 days, on 2026-04-30: order a new one"},
		{31 * 24 * time.Hour, true, "the certificate of tls ends in 31 days, on 2026-04-01: order a new one"},
		{30 * 24 * time.Hour, true, "the certificate of tls ends in 30 days, on 2026-03-31: order a new one now"},
		{8 * 24 * time.Hour, true, "the certificate of tls ends in 8 days, on 2026-03-09: order a new one now"},
		{7 * 24 * time.Hour, true, "the certificate of tls ends in 7 days, on 2026-03-08: replace it at once"},
		{26 * time.Hour, true, "the certificate of tls ends in 1 day, on 2026-03-02: replace it at once"},
		{time.Hour, true, "the certificate of tls ends in 0 days, on 2026-03-01: replace it at once"},
		{-time.Hour, true, "the certificate of tls ended on 2026-03-01"},
		{29 * 24 * time.Hour, false, "the certificate of tls ends in 29 days, on 2026-03-30: put its successor into the trust beside it"},
	} {
		if got := (ending{what: "tls", until: now.Add(c.left), own: c.own}).warning(now); got != c.want {
			t.Errorf("%s left: %q, want %q", c.left, got, c.want)
		}
	}
	if rootsEnding("x", nil, now) != nil {
		t.Error("no roots end")
	}
	old := &x509.Certificate{NotAfter: now.Add(-time.Hour)}
	older := &x509.Certificate{NotAfter: now.Add(-2 * time.Hour)}
	if got := rootsEnding("x", []*x509.Certificate{older, old}, now); !got[0].until.Equal(old.NotAfter) {
		t.Error("when all have ended, the last one counts")
	}
}
