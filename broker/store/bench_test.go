package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
)

// BenchmarkLogin is the statements of one login, with records of usual sizes:
// what comes from the store in a login's cost. It tells the CPU of the process,
// since waiting for the disk costs none.
func BenchmarkLogin(b *testing.B) {
	for _, parallel := range []int{1, 16} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir, nil)
			box := openBox(b, s)
			short := Sealed(openShort(b, dir, nil), box)
			check(b, s.AddClient(ctx, broker.Client{ID: "demo", RedirectURIs: []string{"https://app.example.se/callback"}}))
			work := make(chan int)
			over := make(chan error, parallel)
			b.ResetTimer()
			before := cpu()
			for range parallel {
				go func() {
					for i := range work {
						if err := oneLogin(s, short, box, i); err != nil {
							b.Error(err)
						}
					}
					over <- nil
				}()
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			for range parallel {
				<-over
			}
			each := float64(cpu()-before) / float64(b.N)
			b.ReportMetric(each/1000, "cpu-µs/op")
			b.ReportMetric(each/signature(b), "signatures/op")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// signature is the CPU time of one ES256 signature, the measure of all costs: it
// drifts with the machine as they do.
func signature(b *testing.B) float64 {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(b, err)
	const times = 2000
	before := cpu()
	for range times {
		_, err := ecdsa.SignASN1(rand.Reader, key, make([]byte, 32))
		check(b, err)
	}
	return float64(cpu()-before) / times
}

func oneLogin(s *Store, short broker.Short, box Box, i int) error {
	now := time.Now()
	later := now.Add(10 * time.Minute)
	id := broker.NewID()
	event := func(t audit.Type) audit.Event {
		return audit.Event{Type: t, At: now, Client: "demo", Provider: "mbankid", Instance: "kommunen", Order: id, Login: id}
	}
	request, evidence := make([]byte, 700), make([]byte, 12_000)
	o := broker.Order{
		ID: broker.OrderID(id), Owner: "login", Ref: id, Client: "demo", Provider: providers.MBankID, Instance: "kommunen",
		Mode: providers.ModeOther, Kind: providers.KindAuth, Phase: broker.Pending, Browser: request[:32],
		Created: now, Changed: now, Deadline: later, Node: "one", LeaseUntil: now.Add(20 * time.Second),
	}
	steps := []func() error{
		// authorize
		func() error { _, err := s.Client(ctx, "demo"); return err },
		func() error { return short.Put(ctx, "login", id, request, later) },
		func() error { return s.Record(ctx, event(audit.LoginAsked)) },
		// the e-ID is chosen
		func() error { _, _, err := short.Get(ctx, "login", id); return err },
		func() error {
			_, v, err := short.Get(ctx, "login", id)
			if err != nil {
				return err
			}
			return short.Swap(ctx, "login", id, v, request, later)
		},
		func() error {
			o.Sealed = box.Seal(request, []byte(id))
			return s.CreateOrder(ctx, o, event(audit.OrderStarted))
		},
		// picked up; answered; verified
		func() error { o.PickedUp = true; return s.UpdateOrder(ctx, o) },
		func() error {
			o.Version++
			o.Sealed = box.Seal(evidence, []byte(id))
			return s.UpdateOrder(ctx, o)
		},
		func() error {
			o.Version++
			o.Phase = broker.Done
			o.Sealed = box.Seal(evidence, []byte(id))
			return s.UpdateOrder(ctx, o, event(audit.OrderCompleted))
		},
		// finished
		func() error { _, err := s.Order(ctx, o.ID); return err },
		func() error { _, _, err := short.Get(ctx, "login", id); return err },
		func() error { _, err := s.Subject(ctx, []byte(id), "demo"); return err },
		func() error {
			return s.FinishLogin(ctx, broker.LoginRecord{Login: id, Order: o.ID, Client: "demo", Provider: o.Provider,
				Sealed: box.Seal(evidence, []byte(id)), At: now, Expires: later}, event(audit.LoginCompleted))
		},
		func() error { return short.Put(ctx, "session", id, request, later) },
		func() error { return short.Put(ctx, "code", id, request, later) },
		func() error { _, err := short.Take(ctx, "login", id); return err },
		// token
		func() error { _, err := s.Client(ctx, "demo"); return err },
		func() error { _, err := short.Take(ctx, "code", id); return err },
		func() error { return short.Put(ctx, "token", id, request, later) },
		func() error { return s.Record(ctx, event(audit.TokenIssued)) },
		// userinfo
		func() error { _, _, err := short.Get(ctx, "token", id); return err },
	}
	for n, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d of login %d: %w", n, i, err)
		}
	}
	return nil
}

// BenchmarkLeases is what one node does every few seconds for all its orders,
// when there are ten thousand: prolong the leases, and look for orders of nodes
// that fell silent.
func BenchmarkLeases(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	now := time.Now()
	const pending = 10_000
	over := make(chan error, 50)
	for g := range 50 {
		go func() {
			for i := range pending / 50 {
				o := broker.Order{ID: broker.OrderID(fmt.Sprint(g, "-", i)), Phase: broker.Pending, Created: now, Changed: now,
					Node: "one", LeaseUntil: now, Sealed: make([]byte, 1000)}
				if err := s.CreateOrder(ctx, o); err != nil {
					over <- err
					return
				}
			}
			over <- nil
		}()
	}
	for range 50 {
		check(b, <-over)
	}
	b.Run("renew", func(b *testing.B) {
		for b.Loop() {
			now = now.Add(time.Second)
			check(b, s.RenewLeases(ctx, "one", "", now.Add(20*time.Second)))
		}
	})
	check(b, s.RenewLeases(ctx, "one", "", now.Add(20*time.Second)))
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			list, err := s.ClaimOrders(ctx, "two", false, now, now.Add(20*time.Second), 200)
			check(b, err)
			if len(list) > 0 {
				b.Fatal("claimed while the leases run")
			}
		}
	})
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			list, err := s.HeldOrders(ctx, "one")
			check(b, err)
			if len(list) != pending {
				b.Fatal(len(list))
			}
		}
	})
}
