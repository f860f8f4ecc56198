package node

import (
	"io"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/page"
	"sigill/providers"
)

// limiter bounds how often one address may ask, by the generic cell rate
// algorithm: all that it remembers of an address is when its bucket would be
// empty again. It counts on this node alone unless it is shared; what must be
// counted exactly (codes, tries) is counted where it is stored.
type limiter struct {
	every time.Duration // one request's share of the time
	burst time.Duration // how far ahead of its shares an address may be
	now   func() time.Time

	mu     sync.Mutex
	empty  map[netip.Prefix]time.Time
	swept  time.Time
	stocks map[netip.Prefix]stock

	shared *shared // nil: this node counts alone
}

// newLimiter gives nil, which limits nothing, for the zero rate.
func newLimiter(r config.Rate, now func() time.Time) *limiter {
	if r.Requests <= 0 || r.Within <= 0 {
		return nil
	}
	every := r.Within / time.Duration(r.Requests)
	return &limiter{every: every, burst: r.Within, now: now, empty: map[netip.Prefix]time.Time{}, swept: now()}
}

// maxAddresses bounds the memory of a limiter. Beyond it strangers share one
// bucket, so that a flood from many addresses is bounded too.
const maxAddresses = 100_000

// allow takes one request into account, or says how long to wait.
func (l *limiter) allow(address string) (wait time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	key := bucketOf(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if since := now.Sub(l.swept); since > l.burst || since < 0 {
		for k, t := range l.empty {
			if !t.After(now) {
				delete(l.empty, k)
			}
		}
		for k, s := range l.stocks {
			if !s.until.After(now) {
				delete(l.stocks, k)
			}
		}
		l.swept = now
	}
	at, known := l.empty[key]
	if !known && len(l.empty) >= maxAddresses {
		key = netip.Prefix{}
		at = l.empty[key]
	}
	if at.Before(now) || at.Sub(now) > l.burst+l.every { // or written before the clock was set back
		at = now
	}
	next := at.Add(l.every)
	if over := next.Sub(now) - l.burst; over > 0 {
		return over, false
	}
	l.empty[key] = next
	return 0, true
}

// bucketOf counts an IPv6 network as one address: a subscriber has 2^64.
func bucketOf(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// limitOf says which limit a request counts against. Whatever a stranger can make
// us write counts, and so does everything that is no mere reading: a refusal is
// audited too. Looking at pages is free, and so are the polls of the waiting
// page: there is one a second for each person.
func limitOf(r *http.Request) string {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	post := r.Method == http.MethodPost
	switch path := r.URL.Path; {
	case post && (path == "/token" || path == "/revoke"):
		return "tokens"
	case !read && within(path, apiFolder):
		return "api"
	case post && path == "/userinfo": // writes nothing
		return ""
	case post && startsOrder(path):
		return "orders"
	case !read, within(path, "/authorize"), within(path, "/logout"), broughtBack(path):
		return "logins"
	}
	return ""
}

// broughtBack reports whether browsers bring the answers of issuers there, with a
// GET from some: each is written down.
func broughtBack(path string) bool {
	return within(path, "/eid") && strings.HasSuffix(path, "/"+providers.BackPath)
}

// apiFolder is where programs have documents signed.
const apiFolder = "/api"

// startsOrder reports whether a POST there starts an order at an issuer:
// /login/{login} and /login/{login}/{order}/restart, and in the signing room
// /signing/{client}/o/{order}/{n} and …/e/{eid}/restart.
func startsOrder(path string) bool {
	if rest, ok := strings.CutPrefix(path, "/login/"); ok {
		return !strings.Contains(rest, "/") || strings.HasSuffix(rest, "/restart")
	}
	parts := strings.Split(strings.TrimPrefix(path, "/signing/"), "/")
	return within(path, "/signing") && len(parts) >= 4 && parts[1] == "o" &&
		(len(parts) == 4 || len(parts) == 7 && parts[4] == "e" && parts[6] == "restart")
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// limit refuses what comes too often, before anything is read of it.
func limit(l *limiter, addresses page.Addresses, refuse http.HandlerFunc, next http.Handler) http.Handler {
	if l == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait, ok := l.admit(r.Context(), addresses.Of(r))
		if ok {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		refuse(w, r)
	})
}

// refuseClient answers a program.
func refuseClient(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error":"temporarily_unavailable","error_description":"too many requests from this address"}`+"\n")
}
