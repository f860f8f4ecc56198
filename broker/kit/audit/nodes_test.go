package audit

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// processes are sequencers over one database, each with a connection and a clock
// of its own.
func processes(t *testing.T, p sqldb.Place, offs ...time.Duration) (list []*Sequencer, public map[string]crypto.PublicKey) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	for _, off := range offs {
		s, err := NewSequencer(Sequencer{
			DB: sqldbtest.Open(t, p, "a", Tables()), Signer: func() (Signer, error) { return Signer{"key 1", private}, nil },
			Now: func() time.Time { return time.Now().Add(off) },
		})
		check(t, err)
		list = append(list, s)
	}
	return list, map[string]crypto.PublicKey{"key 1": pub}
}

var apart = []time.Duration{0, 10 * time.Second, -10 * time.Second}

// A process whose clock is an hour ahead dies with the lease: the others do not
// wait that hour.
func TestLeaseByAClockAhead(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		list, _ := processes(t, p, 0, time.Hour)
		for _, s := range []*Sequencer{list[1], list[0]} {
			check(t, s.DB.Write(ctx, func(tx *sqldb.Tx) error { return Insert(tx, Event{Type: OrderStarted, At: time.Now()}) }))
			check(t, s.Sequence(ctx))
		}
		if state, err := list[0].State(ctx); err != nil || state.Waiting != 0 {
			t.Errorf("%d rows wait, %v", state.Waiting, err)
		}
	})
}

// Three processes whose clocks are ten seconds apart, one of which dies with the
// lease, while somebody takes the lease away again and again: each row gets one
// place, and the chain never forks. What holds that is not the lease but that
// lease, end of the chain and new rows are read and written in one transaction.
func TestClocksApart(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		list, public := processes(t, p, apart...)
		stop := make(chan struct{})
		var sequencers, writers sync.WaitGroup
		var dead atomic.Bool
		for i, s := range list {
			sequencers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if i == 0 && dead.Load() {
						return // without giving the lease back
					}
					if err := s.Sequence(ctx); err != nil {
						t.Error(err)
					}
					if err := s.Sign(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		const each, writing = 40, 3
		for w := range writing {
			db := list[w].DB
			writers.Go(func() {
				for i := range each {
					if err := db.Write(ctx, func(tx *sqldb.Tx) error {
						return Insert(tx, Event{Type: OrderStarted, At: time.Now()})
					}); err != nil {
						t.Error(err)
					}
					if w == 0 {
						dead.Store(i > each/2)
						if err := db.Write(ctx, func(tx *sqldb.Tx) error {
							_, err := tx.Exec(`UPDATE audit_sequencer SET until = 0`)
							return err
						}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		writers.Wait()
		close(stop)
		sequencers.Wait()
		last := list[2]
		check(t, last.DB.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(`UPDATE audit_sequencer SET until = 0`); return err }))
		check(t, last.Sequence(ctx))
		r, err := Verify(ctx, last.DB, time.Now(), public)
		check(t, err)
		if !r.OK() || r.Rows != each*writing || r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// The end of the chain is read by two at the same time, each sure of its lease.
func TestTwoAtTheEnd(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		list, public := processes(t, p, -10*time.Second, 20*time.Second)
		slow, fast := list[0], list[1]
		add := func(n int) {
			for range n {
				check(t, slow.DB.Write(ctx, func(tx *sqldb.Tx) error { return Insert(tx, Event{Type: OrderStarted, At: time.Now()}) }))
			}
		}
		add(3)
		check(t, slow.Sequence(ctx))
		add(3)
		var other sync.WaitGroup
		var once sync.Once
		check(t, slow.DB.Write(ctx, func(tx *sqldb.Tx) error {
			if err := slow.lease(tx); err != nil {
				return err
			}
			if _, _, err := end(tx.Row); err != nil {
				return err
			}
			once.Do(func() {
				other.Go(func() { // the lease has ended by its clock
					if err := fast.Sequence(ctx); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(300 * time.Millisecond)
			})
			_, err := move(tx)
			return err
		}))
		other.Wait()
		add(2)
		check(t, fast.Sequence(ctx))
		r, err := Verify(ctx, slow.DB, time.Now(), public)
		check(t, err)
		if !r.OK() || r.Rows != 8 || r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// When the sequencer dies another goes on, well before rows count as late, also
// when the clocks are apart.
func TestTakeover(t *testing.T) {
	for name, c := range map[string]struct{ dead, heir, after, before time.Duration }{
		"one clock":         {0, 0, leaseFor, leaseFor},
		"the dead was fast": {10 * time.Second, -10 * time.Second, 0, leaseFor + 20*time.Second},
		"the dead was slow": {-10 * time.Second, 10 * time.Second, 0, leaseFor},
	} {
		t.Run(name, func(t *testing.T) {
			list, _ := processes(t, sqldb.Place{Dir: t.TempDir()}, 0, 0)
			start := time.Now()
			at := start
			list[0].Now = func() time.Time { return at.Add(c.dead) }
			list[1].Now = func() time.Time { return at.Add(c.heir) }
			add := func() {
				check(t, list[0].DB.Write(ctx, func(tx *sqldb.Tx) error { return Insert(tx, Event{Type: OrderStarted, At: start}) }))
			}
			rows := func() (n int) {
				check(t, list[0].DB.Row(ctx, `SELECT count(*) FROM audit_chain`).Scan(&n))
				return n
			}
			add()
			check(t, list[0].Sequence(ctx))
			add()
			for rows() < 2 {
				if at.Sub(start) > c.before {
					t.Fatalf("nobody went on for %v", at.Sub(start))
				}
				check(t, list[1].Sequence(ctx))
				if rows() < 2 {
					at = at.Add(time.Second)
				}
			}
			if at.Sub(start) < c.after {
				t.Errorf("taken over after %v", at.Sub(start))
			}
		})
	}
}
