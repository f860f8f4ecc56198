package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/page"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := newLimiter(config.Rate{Requests: 10, Within: time.Minute}, func() time.Time { return now })
	take := func(address string, n int) (served int) {
		for range n {
			if _, ok := l.allow(address); ok {
				served++
			}
		}
		return served
	}
	if got := take("192.0.2.1", 15); got != 10 {
		t.Errorf("of 15 at once %d were served, want 10", got)
	}
	if got := take("192.0.2.2", 3); got != 3 {
		t.Errorf("another address pays for the first: %d of 3", got)
	}
	if wait, ok := l.allow("192.0.2.1"); ok || wait != 6*time.Second {
		t.Errorf("the wait is %v, want 6s", wait)
	}
	now = now.Add(12 * time.Second)
	if got := take("192.0.2.1", 5); got != 2 {
		t.Errorf("after 12 s %d were served, want 2", got)
	}
	// One subscriber of IPv6 has a whole network.
	if got := take("2001:db8::1", 8) + take("2001:db8::2", 8); got != 10 {
		t.Errorf("one IPv6 network was served %d times, want 10", got)
	}
	if got := take("2001:db8:0:1::1", 1); got != 1 {
		t.Error("another IPv6 network pays for the first")
	}
	now = now.Add(3 * time.Minute)
	take("192.0.2.9", 1)
	if len(l.empty) != 1 {
		t.Errorf("%d addresses are remembered after they are free again, want 1", len(l.empty))
	}
}

// Who was at the limit when the clock was set back does not wait for it to come
// again.
func TestLimiterWithAClockSetBack(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := newLimiter(config.Rate{Requests: 10, Within: time.Minute}, func() time.Time { return now })
	for range 15 {
		l.allow("192.0.2.1")
	}
	now = now.Add(-time.Hour)
	served := 0
	for range 15 {
		if _, ok := l.allow("192.0.2.1"); ok {
			served++
		}
	}
	if served != 10 {
		t.Errorf("of 15 an hour earlier %d were served, want 10", served)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Now()
	l := newLimiter(config.Rate{Requests: 2, Within: time.Hour}, func() time.Time { return now })
	for i := range maxAddresses + 10 {
		l.allow(fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255))
	}
	if len(l.empty) > maxAddresses+1 {
		t.Errorf("%d addresses are remembered", len(l.empty))
	}
	if _, ok := l.allow("192.0.2.1"); ok {
		t.Error("beyond the bound strangers do not share one bucket")
	}
}

func TestNoLimit(t *testing.T) {
	l := newLimiter(config.Rate{}, time.Now)
	for range 1000 {
		if _, ok := l.allow("192.0.2.1"); !ok {
			t.Fatal("the zero rate limits")
		}
	}
}

func TestLimitAnswers429(t *testing.T) {
	refused := 0
	l := newLimiter(config.Rate{Requests: 1, Within: time.Minute}, time.Now)
	refuse := func(w http.ResponseWriter, r *http.Request) { refused++; refuseClient(w, r) }
	h := limit(l, page.Addresses{}, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for i, want := range []int{200, 429} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/token", nil))
		if w.Code != want {
			t.Errorf("request %d: %d, want %d", i, w.Code, want)
		}
		if want == 429 && (w.Header().Get("Retry-After") != "60" || w.Header().Get("Content-Type") != "application/json") {
			t.Errorf("headers: %v", w.Header())
		}
	}
	if refused != 1 {
		t.Errorf("%d refusals counted", refused)
	}
}

// People get a page, in their language, and no row is written for it.
func TestTooManyIsAPage(t *testing.T) {
	c, l := settings(t)
	c.LoginsBy = config.Rate{Requests: 1, Within: time.Hour}
	n, _, client := run(t, c, l)
	send(t, client, "POST", c.Issuer+"/x", "")
	for lang, text := range map[string]string{"sv": "Vänta en minut och försök igen.", "en": "Wait a minute and try again."} {
		status, body, h := send(t, client, "GET", c.Issuer+authorization, "", "Accept-Language", lang)
		if status != 429 || !strings.Contains(body, text) || h.Get("Retry-After") == "" || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %v: %s", lang, status, h, body)
		}
	}
	_, text, _ := send(t, client, "GET", "http://"+n.AdminAddr().String()+"/metrics", "")
	if !strings.Contains(text, `sigill_requests_refused_total{limit="logins"} 2`) {
		t.Error("refusals are not counted")
	}
}
