package node

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/config"
)

// Somebody who sends a request slowly is not waited for longer than browsers
// are, and makes no stop unclean.
func TestStopIsNotHeldUp(t *testing.T) {
	c, l := settings(t)
	n, err := New(t.Context(), Config{Settings: c, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	n.grace = 300 * time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	ready := "http://" + n.AdminAddr().String() + "/readyz"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	if status, _, _ := send(t, client, "GET", ready, ""); status != 200 {
		t.Errorf("readyz: %d", status)
	}
	slow, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // it is being read from now on
	began := time.Now()
	stop()
	time.Sleep(50 * time.Millisecond)
	// Whoever decides where to send people hears of it at once.
	if status, _, _ := send(t, client, "GET", ready, ""); status != 503 {
		t.Errorf("readyz while stopping: %d", status)
	}
	select {
	case err := <-ended:
		if took := time.Since(began); err != nil || took < n.grace {
			t.Errorf("stopped after %s: %v", took, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not stop")
	}
}

// What runs in the background has its time after browsers have had theirs, and
// more of it than a call to an issuer may take.
func TestStopLeavesTimeForCalls(t *testing.T) {
	for _, tt := range []struct {
		limits flow.Limits
		least  time.Duration
	}{{flow.Limits{}, 17 * time.Second}, {flow.Limits{Call: time.Minute}, 62 * time.Second}} {
		if got := settling(tt.limits); got < tt.least {
			t.Errorf("%v leaves %s, want %s", tt.limits, got, tt.least)
		}
	}
}

// balancer sends each request to the next node that says it is ready, as a small
// load balancer does: it asks every 20 ms, leaves a node out at the first no, and
// tries nothing twice.
type balancer struct {
	nodes []*behind
	next  atomic.Int64
}

// behind is a node behind it.
type behind struct {
	address string
	ready   atomic.Bool
	proxy   *httputil.ReverseProxy
}

func newBalancer(t *testing.T, addresses ...string) *balancer {
	b := &balancer{}
	for _, address := range addresses {
		transport := &http.Transport{MaxIdleConnsPerHost: 20}
		t.Cleanup(transport.CloseIdleConnections)
		to := &url.URL{Scheme: "http", Host: address}
		b.nodes = append(b.nodes, &behind{address: address, proxy: &httputil.ReverseProxy{
			Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		}})
	}
	return b
}

// watch asks the nodes until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Second}
	var all sync.WaitGroup
	for _, n := range b.nodes {
		all.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
				answer, err := client.Get("http://" + n.address + "/readyz")
				n.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
				if err == nil {
					answer.Body.Close()
				}
			}
		})
	}
	all.Wait()
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := int(b.next.Add(1))
	for i := range b.nodes {
		if n := b.nodes[(next+i)%len(b.nodes)]; n.ready.Load() {
			n.proxy.ServeHTTP(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

func (b *balancer) waitFor(t *testing.T, address string) {
	t.Helper()
	for range 500 {
		for _, n := range b.nodes {
			if n.address == address && n.ready.Load() {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not become ready", address)
}

// Nodes are restarted one after the other while people come and go, and nobody
// feels it.
func TestRollingRestart(t *testing.T) {
	c, front := settings(t)
	c.Drain = 400 * time.Millisecond
	c.LoginsBy, c.TokensBy = config.Rate{}, config.Rate{}
	var addresses []string
	nodes := map[string]func(){} // each stops it, and waits
	start := func(address string) string {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		own := c
		n, err := New(t.Context(), Config{Settings: own, Listener: l})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		nodes[l.Addr().String()] = func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("node: %v", err)
			}
		}
		return l.Addr().String()
	}
	for range 2 {
		addresses = append(addresses, start("127.0.0.1:0"))
	}
	b := newBalancer(t, addresses...)
	watching, stopWatching := context.WithCancel(t.Context())
	proxy := &http.Server{Handler: b}
	var around sync.WaitGroup
	around.Go(func() { b.watch(watching) })
	around.Go(func() { _ = proxy.Serve(front) })
	for _, a := range addresses {
		b.waitFor(t, a)
	}

	coming, nobody := context.WithCancel(t.Context())
	var served atomic.Int64
	var people sync.WaitGroup
	for range 6 {
		people.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			for coming.Err() == nil {
				for _, tt := range []struct {
					method, path, body string
					status             int
				}{
					{"GET", "/.well-known/openid-configuration", "", 200},
					{"GET", authorization, "", 303}, // writes
					{"POST", "/token", "grant_type=authorization_code&code=hemligt", 401},
				} {
					if status, body, _ := send(t, client, tt.method, c.Issuer+tt.path, tt.body); status != tt.status {
						t.Errorf("%s %s: %d, want %d: %.80q", tt.method, strings.SplitN(tt.path, "?", 2)[0], status, tt.status, body)
						return
					}
					served.Add(1)
				}
			}
		})
	}
	for range 2 {
		for _, a := range addresses {
			before := served.Load()
			nodes[a]()
			if start(a); served.Load() == before {
				t.Error("nobody was served meanwhile")
			}
			b.waitFor(t, a)
		}
	}
	nobody()
	people.Wait()
	stopWatching()
	proxy.Close()
	around.Wait()
	for _, stop := range nodes {
		stop()
	}
	t.Logf("%d requests during four restarts", served.Load())
}

// While it drains a node is what it was, but for saying that it goes: at once, and
// to everybody. Told twice or not, it takes no longer than it must.
func TestDrain(t *testing.T) {
	c, l := settings(t)
	c.Drain = 700 * time.Millisecond
	n, err := New(t.Context(), Config{Settings: c, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	check := func(path string, status int, text string, closes bool) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status || answer.Close != closes || !strings.Contains(string(body), text) {
			t.Errorf("%s: %d %q, closes: %t: %v", strings.SplitN(path, "?", 2)[0], answer.StatusCode, body, answer.Close, err)
		}
	}
	check("/readyz", 200, "ready\n", false)
	began := time.Now()
	stop()
	for !n.stopping.Load() {
		time.Sleep(time.Millisecond)
	}
	check("/readyz", 503, "not ready: draining: this node is about to stop\n", true)
	check("/healthz", 200, "ok\n", true)
	check(authorization, 303, "", true)
	_, text, _ := send(t, client, "GET", "http://"+n.AdminAddr().String()+"/metrics", "")
	for _, want := range []string{"\nsigill_draining 1\n", "\nsigill_ready 0\n", "\nsigill_part_ok{part=\"broker\"} 1\n", `sigill_requests_total{listener="main",status="5xx"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if err := <-ended; err != nil || time.Since(began) < c.Drain {
		t.Errorf("ended after %s: %v", time.Since(began), err)
	}
	if _, err := client.Get(c.Issuer + "/healthz"); err == nil {
		t.Error("still there")
	}
}

// When a part has failed there is nothing to go on with, and no draining.
func TestNoDrainAfterAFailure(t *testing.T) {
	n := &Node{log: slog.New(slog.DiscardHandler)}
	n.settings.Drain = time.Hour
	failed := make(chan struct{})
	close(failed)
	n.drain(failed)
}
