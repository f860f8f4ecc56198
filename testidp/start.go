package testidp

import (
	"context"
	"net/http"
	"time"

	"sigill/testidp/control"
	"sigill/testidp/inbox"
	"sigill/testidp/persons"
)

// A TB is the part of testing.TB that Start needs; naming it here keeps the
// package testing out of programs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start boots every simulator on free ports of the loopback interface for one
// test and stops it afterwards. Keys come from the user's cache.
func Start(t TB, configure ...func(*Config)) *Server {
	t.Helper()
	c := Config{Listen: "127.0.0.1:0", BankIDListen: "127.0.0.1:0", FrejaListen: "127.0.0.1:0", MailListen: "127.0.0.1:0"}
	for _, f := range configure {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	s, err := New(ctx, c)
	if err != nil {
		t.Fatalf("testidp: %v", err)
		return nil
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()
	t.Cleanup(func() {
		// Kept-alive connections of the test's own clients must not hold up
		// the shutdown.
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Fatalf("testidp: %v", err)
		}
	})
	return s
}

// The rest is the control API for tests in the same process.

// People lists the test persons.
func (s *Server) People() []persons.Person { return s.api.People.List() }

// Orders lists the orders that the simulators remember.
func (s *Server) Orders() []control.Order {
	var out []control.Order
	for _, sim := range s.api.Simulators {
		out = append(out, sim.Orders()...)
	}
	return out
}

// Scan opens an order by the content of a QR frame.
func (s *Server) Scan(qr string) (id string, err error) {
	return control.Scan(s.api.Simulators, control.Code{QR: qr})
}

// Open opens an order by the token of its app link.
func (s *Server) Open(autoStartToken string) (id string, err error) {
	return control.Scan(s.api.Simulators, control.Code{AutoStartToken: autoStartToken})
}

// Act lets a person act on an order.
func (s *Server) Act(id string, a control.Action) (control.Result, error) {
	for _, sim := range s.api.Simulators {
		if _, ok := sim.Order(id); ok {
			return sim.Act(id, a)
		}
	}
	return control.Result{}, control.NotFound()
}

// Approve lets the person with a number approve an order.
func (s *Server) Approve(id, pnr string) (control.Result, error) {
	return s.Act(id, control.Action{Action: "approve", Pnr: pnr})
}

// Auto lets a person approve every new order of a provider ("*": of all).
// ClearAuto ends it.
func (s *Server) Auto(provider, pnr string, delay time.Duration) {
	s.api.Autos.Set(control.Auto{Provider: provider, Pnr: pnr, DelayMs: int(delay / time.Millisecond)})
}

// ClearAuto sends all obedient persons home.
func (s *Server) ClearAuto() { s.api.Autos.Clear() }

// Fault makes something go wrong from now on, always. ClearFaults ends it.
func (s *Server) Fault(provider, fault string) {
	s.api.Faults.Set(control.Fault{Provider: provider, Fault: fault, Rate: 1})
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() { s.api.Faults.Clear() }

// Officer lets a case officer ("ett" …) log in without being picked on the page;
// empty: the page is back. Whom it does not know it does not obey.
func (s *Server) Officer(id string) error { return s.staff.Obey(id) }

// Messages lists the mail and the SMS to an address, or all when it is empty;
// the newest is the last.
func (s *Server) Messages(to string) []inbox.Message { return s.inbox.List(to) }

// AwaitMessages is Messages as soon as there are n of them, or the context's
// error.
func (s *Server) AwaitMessages(ctx context.Context, to string, n int) ([]inbox.Message, error) {
	return s.inbox.Wait(ctx, to, n)
}

// ClearMessages empties the inbox.
func (s *Server) ClearMessages() { s.inbox.Clear() }
