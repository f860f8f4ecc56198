package node

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/providers"
)

// What is asked of the numbers: how many begin, how they end and where, how long
// it takes, and how many wait.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry, func() int { return 7 })
	if err != nil {
		t.Fatal(err)
	}
	m.answered("authorize", "login")
	m.answered("authorize", "invalid_request")
	m.answered("login", "code")
	o := flow.Outcome{Provider: "mbankid", Instance: "one", Kind: providers.KindAuth, Phase: broker.Done, Took: 9 * time.Second}
	m.observe(o)
	o.Phase, o.Reason, o.Took = broker.Failed, providers.Cancelled, time.Hour
	m.observe(o)
	m.observe(o)

	w := httptest.NewRecorder()
	(&Node{}).adminRoutes(registry).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"sigill_logins_started_total 1",
		`sigill_oidc_answers_total{endpoint="login",outcome="code"} 1`,
		`sigill_orders_total{instance="one",kind="auth",provider="mbankid",reason="done"} 1`,
		`sigill_orders_total{instance="one",kind="auth",provider="mbankid",reason="cancelled"} 2`,
		`sigill_order_seconds_bucket{kind="auth",provider="mbankid",le="8"} 0`,
		`sigill_order_seconds_bucket{kind="auth",provider="mbankid",le="10"} 1`,
		`sigill_order_seconds_count{kind="auth",provider="mbankid"} 1`, // only those that were completed
		"sigill_orders_pending 7",
	} {
		if !strings.Contains(w.Body.String(), "\n"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body.String())
	}
}
