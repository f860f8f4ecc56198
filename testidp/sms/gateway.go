// Package sms simulates two SMS gateways: 46elks, from what libraries.md
// section 6 and the company's own pages say, and a plain one of JSON over HTTP.
// TEST ONLY: what they take goes into the inbox and to no phone.
//
// It owns the two interfaces, their faults, the checks of numbers and senders,
// and 46elks' delivery reports, which it sends to this machine alone. As with
// the real ones, the same call twice is two messages.
package sms

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
)

// Name is what the control API calls the gateways.
const Name = "sms"

// Where the gateways lie, and who may use them.
const (
	ElksPath = "/sms/46elks" // stands for https://api.46elks.com
	SendPath = "/sms/http/send"

	User     = "demo"
	Password = "demo-sms-password"
	Token    = "demo-sms-token"
)

const maxBody = 16 << 10

// Config is what a gateway needs.
type Config struct {
	Inbox  *inbox.Inbox
	Faults *control.Faults
	Slow   time.Duration // how much the fault "slow" takes; 0 means 3 s
	Report time.Duration // how long a message is on its way to the next delivery report; 0 means 500 ms
	Log    *slog.Logger  // nil: silent
}

// A Gateway takes SMS over HTTP. Close ends what runs in the background.
type Gateway struct {
	inbox   *inbox.Inbox
	faults  *control.Faults
	slow    time.Duration
	report  time.Duration
	log     *slog.Logger
	reports *http.Client

	alive   context.Context
	end     context.CancelFunc
	mu      sync.Mutex // orders Go before Wait
	running sync.WaitGroup
}

// New makes a gateway.
func New(c Config) *Gateway {
	if c.Slow == 0 {
		c.Slow = 3 * time.Second
	}
	if c.Report == 0 {
		c.Report = 500 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{inbox: c.Inbox, faults: c.Faults, slow: c.Slow, report: c.Report, log: c.Log, reports: reporter()}
	g.alive, g.end = context.WithCancel(context.Background())
	return g
}

// Close stops delivery reports that have not been sent.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.end()
	g.mu.Unlock()
	g.running.Wait()
	g.reports.CloseIdleConnections()
}

// Name implements control.Service.
func (g *Gateway) Name() string { return Name }

// FaultModes implements control.Service.
func (g *Gateway) FaultModes() []string { return faultModes() }

// Handler routes everything under /sms/.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ElksPath+"/a1/sms", g.elks)
	mux.HandleFunc("POST "+SendPath, g.send)
	return mux
}

// pause waits; it reports false when the call or the gateway ends before.
func (g *Gateway) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-g.alive.Done():
	case <-t.C:
		return true
	}
	return false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
