package node

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/notify"
	"sigill/providers"
)

// text is what a registry tells.
func text(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	(&Node{}).adminRoutes(registry).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func holds(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
}

type ordersOf struct {
	flow.Orders
	err error
}

func (o ordersOf) CreateOrder(context.Context, broker.Order, ...audit.Event) error { return o.err }

type sends struct{ err error }

func (s sends) Send(context.Context, notify.Message) error { return s.err }

// What citizens feel is counted where it happens, and only once it has.
func TestCounts(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry, func() int { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	m.finished(providers.MBankID, "code", 9*time.Second)
	m.finished(providers.MBankID, "local", 31*time.Second)
	m.finished(providers.MBankID, "access_denied", time.Hour)
	m.finished("", "login_required", time.Second)

	o := broker.Order{Provider: providers.BankID, Instance: "one", Kind: providers.KindSign}
	for _, fails := range []error{nil, broker.ErrConflict, nil} {
		if err := (startedOrders{ordersOf{err: fails}, m.begun}).CreateOrder(t.Context(), o); !errors.Is(err, fails) {
			t.Errorf("%v came of %v", err, fails)
		}
	}
	for _, fails := range []error{nil, &notify.Refused{Reason: notify.NoSuch}, errors.New("no answer"), nil} {
		if err := m.counting("mail", sends{fails}).Send(t.Context(), notify.Message{}); !errors.Is(err, fails) {
			t.Errorf("%v came of %v", err, fails)
		}
	}
	if m.counting("sms", nil) != nil {
		t.Error("where nobody sends, somebody does")
	}
	if (*metrics)(nil).counting("sms", sends{}) != (sends{}) {
		t.Error("without metrics nobody sends")
	}
	holds(t, text(t, registry),
		`sigill_logins_total{outcome="code",provider="mbankid"} 1`, `sigill_logins_total{outcome="local",provider="mbankid"} 1`,
		`sigill_logins_total{outcome="access_denied",provider="mbankid"} 1`, `sigill_logins_total{outcome="login_required",provider="none"} 1`,
		`sigill_login_seconds_count{provider="mbankid"} 2`, `sigill_login_seconds_bucket{provider="mbankid",le="10"} 1`,
		`sigill_orders_started_total{instance="one",kind="sign",provider="bankid"} 2`,
		`sigill_messages_total{channel="mail",outcome="sent"} 2`, `sigill_messages_total{channel="mail",outcome="refused"} 1`, `sigill_messages_total{channel="mail",outcome="failed"} 1`,
	)
}

// shortOf answers every call alike.
type shortOf struct{ err error }

func (s shortOf) Put(context.Context, string, string, []byte, time.Time) error { return s.err }
func (s shortOf) Get(context.Context, string, string) ([]byte, int64, error)   { return nil, 0, s.err }
func (s shortOf) Take(context.Context, string, string) ([]byte, error)         { return nil, s.err }
func (s shortOf) Swap(context.Context, string, string, int64, []byte, time.Time) error {
	return s.err
}

// Calls of the short-lived store are counted, and as failures those that are its
// own.
func TestShortIsCounted(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, tt := range []struct {
		name     string
		ctx      context.Context
		err      error
		failures int64
	}{
		{"well", t.Context(), nil, 0},
		{"no such record", t.Context(), broker.ErrNotFound, 0},
		{"somebody was first", t.Context(), broker.ErrConflict, 0},
		{"broken", t.Context(), errors.New("no connection"), 4},
		{"nobody waits", gone, context.Canceled, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &countedShort{Short: shortOf{tt.err}}
			_, _, got := s.Get(tt.ctx, "k", "key")
			_, taken := s.Take(tt.ctx, "k", "key")
			for _, err := range []error{s.Put(tt.ctx, "k", "key", nil, time.Time{}), s.Swap(tt.ctx, "k", "key", 1, nil, time.Time{}), got, taken} {
				if !errors.Is(err, tt.err) {
					t.Errorf("%v came of %v", err, tt.err)
				}
			}
			if st := s.Stats(); st.Writes != 4 || st.Failures != tt.failures {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Of every request is told how it was answered, also when its handler gives up.
func TestRequestsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newRequestMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{200, 303, 404, 500, 204, 0} {
		h := m.count("portal", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(status)
		}))
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
	holds(t, text(t, registry),
		`sigill_requests_total{listener="portal",status="2xx"} 3`, `sigill_requests_total{listener="portal",status="3xx"} 1`,
		`sigill_requests_total{listener="portal",status="4xx"} 1`, `sigill_requests_total{listener="portal",status="5xx"} 1`,
		`sigill_request_seconds_count{listener="portal"} 6`)
}
