package judges

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A balancer stands before the nodes, where the issuer's address is. Every
// request goes to a node of its own, of those that say that they are ready.
type balancer struct {
	backs []*back
	every time.Duration // how often nodes are asked whether they are ready
	blind atomic.Bool   // and goes to those that are not, too
}

// A back is a node as the balancer sees it.
type back struct {
	address string // host and port
	tells   string // where it says that it is ready; host and port
	alive   atomic.Bool
	ready   atomic.Bool
	pass    *http.Transport
	served  atomic.Int64
}

// byBalancer marks answers that no node gave.
const byBalancer = "Judges-Balancer"

// newBalancer stands before nodes, each given by where it serves and where it says
// that it is ready.
func newBalancer(t testing.TB, address string, every time.Duration, nodes ...[2]string) *balancer {
	t.Helper()
	b := &balancer{every: every}
	for _, node := range nodes {
		b.backs = append(b.backs, &back{address: node[0], tells: node[1], pass: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}})
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b}
	go server.Serve(l)
	ctx, stop := context.WithCancel(context.Background())
	for _, n := range b.backs {
		go n.watch(ctx, every)
	}
	t.Cleanup(func() {
		stop()
		server.Close()
		for _, n := range b.backs {
			n.pass.CloseIdleConnections()
		}
	})
	return b
}

func (n *back) watch(ctx context.Context, every time.Duration) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		answer, err := client.Get("http://" + n.tells + "/readyz")
		n.alive.Store(err == nil)
		n.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
		if err == nil {
			answer.Body.Close()
		}
		time.Sleep(every)
	}
}

// pick chooses a node: one that is ready, or, when none is, one that is alive.
func (b *balancer) pick(not ...*back) *back {
	var ready, alive []*back
	for _, n := range b.backs {
		switch {
		case slices.Contains(not, n):
		case n.ready.Load(), b.blind.Load() && n.alive.Load():
			ready = append(ready, n)
		case n.alive.Load():
			alive = append(alive, n)
		}
	}
	for _, some := range [][]*back{ready, alive} {
		if len(some) > 0 {
			return some[mathrand.IntN(len(some))]
		}
	}
	return nil
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fail := func(status int, why string) {
		w.Header().Set(byBalancer, why)
		http.Error(w, why, status)
	}
	var tried []*back
	for {
		n := b.pick(tried...)
		if n == nil {
			fail(http.StatusServiceUnavailable, "no node")
			return
		}
		to := r.Clone(r.Context())
		to.URL.Scheme, to.URL.Host, to.RequestURI = "http", n.address, ""
		to.Body, to.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if len(body) == 0 {
			to.Body = http.NoBody
		}
		to.GetBody = nil // what has been sent is not sent again
		answer, err := n.pass.RoundTrip(to)
		if err != nil {
			if errors.Is(err, syscall.ECONNREFUSED) {
				n.ready.Store(false)
				n.alive.Store(false)
				if r.Method == http.MethodGet {
					tried = append(tried, n)
					continue
				}
			}
			if r.Context().Err() == nil {
				fail(http.StatusBadGateway, "no answer")
			}
			return
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			fail(http.StatusBadGateway, "half an answer")
			return
		}
		n.served.Add(1)
		maps.Copy(w.Header(), answer.Header)
		w.Header().Set("Judges-Node", n.address)
		w.WriteHeader(answer.StatusCode)
		w.Write(text)
		return
	}
}

// A tally counts what happened.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *tally) add(what string) { c.addn(what, 1) }

func (c *tally) addn(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[what] += n
}

func (c *tally) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[what]
}

// all gives everything that was counted, sorted by name.
func (c *tally) all() (names []string, count map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count = maps.Clone(c.count)
	return slices.Sorted(maps.Keys(count)), count
}

// A patience is how people and applications take it when something is down: an
// answer that says so is like none, and one tries again a little later. What was
// said is counted; a failure without a word is a fault.
type patient struct {
	base http.RoundTripper
	told *tally
	bare func(what string)
	wait time.Duration
}

// notNow is an answer of a server that could not.
type notNow struct{ what string }

func (n notNow) Error() string { return "not now: " + n.what }

func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := p.base.RoundTrip(r)
	pause := func() { time.Sleep(p.wait + mathrand.N(p.wait)) }
	if err != nil {
		p.told.add("no answer at all")
		pause()
		return nil, err
	}
	if answer.StatusCode < 500 {
		return answer, nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	what := fmt.Sprint(answer.StatusCode, " ")
	heading := headingOf(place{body: string(body)})
	switch by := answer.Header.Get(byBalancer); {
	case by != "":
		what += "of the balancer: " + by
	case strings.Contains(answer.Header.Get("Content-Type"), "json") && len(body) > 2:
		what += "of the API or the token endpoint"
	case heading != "":
		what += "page: " + heading
	default:
		what += "without a word"
		p.bare(fmt.Sprintf("%s %s answers %s: %q", r.Method, (&url.URL{Path: r.URL.Path}).String(), what, body[:min(200, len(body))]))
	}
	p.told.add(what)
	pause()
	return nil, notNow{what}
}
