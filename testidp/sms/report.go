package sms

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// The states that a delivery report tells of.
const (
	sent      = "sent"
	delivered = "delivered"
	failed    = "failed"
)

// How often a report is tried, and how long one try may take. The real one goes
// on for six hours.
const (
	maxTries      = 5
	reportTimeout = 5 * time.Second
)

var errElsewhere = errors.New("sms: delivery reports stay on this machine")

// target reads the address for delivery reports; nil for none.
func target(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errElsewhere
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, errElsewhere
	}
	return u, nil
}

// reporter is a client that reaches loopback only, whatever a name resolves to.
func reporter() *http.Client {
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
			return errElsewhere
		}
		return nil
	}}
	return &http.Client{
		Timeout:       reportTimeout,
		Transport:     &http.Transport{DialContext: dialer.DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// follow reports what becomes of a message: that it was sent, and then how it
// ended.
func (g *Gateway) follow(id string, to *url.URL, outcome string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.alive.Err() != nil {
		return
	}
	g.running.Go(func() {
		for _, status := range []string{sent, outcome} {
			if !g.pause(g.alive, g.report) {
				return
			}
			form := url.Values{"id": {id}, "status": {status}}
			if status == delivered {
				form.Set("delivered", time.Now().UTC().Format(elksTime))
			}
			g.tell(id, to, form)
		}
	})
}

// tell makes one report, again and again until it is taken.
func (g *Gateway) tell(id string, to *url.URL, form url.Values) {
	for try := range maxTries {
		if try > 0 && !g.pause(g.alive, g.report<<try) {
			return
		}
		if g.post(g.alive, to, form) {
			return
		}
	}
	g.log.Info("nobody took the delivery report", "message", id)
}

// post reports whether a report was taken: 200 to 204 say so.
func (g *Gateway) post(ctx context.Context, to *url.URL, form url.Values) bool {
	// A user and password in the address become Basic authentication.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := g.reports.Do(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode >= 200 && resp.StatusCode <= 204
}
