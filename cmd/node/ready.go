package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sigill/broker"
	"sigill/broker/kit/sqldb"
	portalstore "sigill/portal/store"
)

const (
	// answering is how long a part may take to answer before people are better off
	// at another node.
	answering = 2 * time.Second
	// probing is how often the disk and the databases are written to, and
	// probingShort how often the short-lived store is.
	probing      = 10 * time.Second
	probingShort = 5 * time.Second
	// maxSkew is how far the clocks of this node and of the database's server may
	// be apart. Leases last 20 s, and evidence is judged by the minute.
	maxSkew = 5 * time.Second
)

// The parts that are looked at, by the name that metrics give them.
const (
	partBroker  = "broker"
	partShort   = "short"
	partSigning = "signing"
	partPortal  = "portal"
	partDisk    = "disk"
	partClock   = "clock"
)

// probe asks one thing that people's requests need.
type probe struct {
	name  string
	fault string // what is wrong when it fails, in words that anybody may read
	ask   func(context.Context) error
}

// unwritable is a store that answers and takes nothing: it is full, or was made
// another's copy.
type unwritable struct {
	fault string // instead of the probe's
	error
}

func (u *unwritable) Unwrap() error { return u.error }

// finding is what a probe came to.
type finding struct {
	probe
	err  error
	took time.Duration
}

// readiness says whether people should be sent here. Anybody may ask, as often
// as they like: who comes while it looks waits for the same answer, and a part
// that does not answer is not asked a second time meanwhile.
type readiness struct {
	probes  []probe
	leaving func() bool
	log     *slog.Logger

	hanging []atomic.Bool // for each probe: it is being asked

	mu    sync.Mutex
	round *round // under way; nil: none
	said  string // in the log
}

// round is one look at everything.
type round struct {
	over     chan struct{}
	findings []finding
}

func newReadiness(probes []probe, leaving func() bool, log *slog.Logger) *readiness {
	return &readiness{probes: probes, leaving: leaving, log: log, hanging: make([]atomic.Bool, len(probes))}
}

// look asks everything, and takes no longer than answering.
func (r *readiness) look() []finding {
	r.mu.Lock()
	now := r.round
	if now == nil {
		now = &round{over: make(chan struct{})}
		r.round = now
		go func() {
			now.findings = r.ask()
			r.mu.Lock()
			r.round = nil
			r.mu.Unlock()
			close(now.over)
		}()
	}
	r.mu.Unlock()
	<-now.over
	return now.findings
}

var errSilent = fmt.Errorf("no answer within %s", answering)

func (r *readiness) ask() []finding {
	ctx, cancel := context.WithTimeout(context.Background(), answering)
	defer cancel()
	type numbered struct {
		i int
		finding
	}
	answers := make(chan numbered, len(r.probes))
	findings, open := make([]finding, len(r.probes)), 0
	for i, p := range r.probes {
		findings[i] = finding{p, errSilent, answering}
		if !r.hanging[i].CompareAndSwap(false, true) {
			continue // it has not come back from the last time
		}
		open++
		go func() {
			began := time.Now()
			err := p.ask(ctx)
			r.hanging[i].Store(false)
			answers <- numbered{i, finding{p, err, time.Since(began)}}
		}()
	}
	for ; open > 0; open-- {
		select {
		case a := <-answers:
			findings[a.i] = a.finding
		case <-ctx.Done():
			return findings
		}
	}
	return findings
}

// why says in one line why nobody should be sent here; empty: there is no
// reason. It holds no address and no word of a server's.
func (r *readiness) why() string {
	if r.leaving() {
		return r.tell("draining: this node is about to stop", nil)
	}
	var faults []string
	var errs []error
	for _, f := range r.look() {
		if f.err != nil {
			var u *unwritable
			if errors.As(f.err, &u) {
				f.fault = u.fault
			}
			faults = append(faults, f.fault)
			errs = append(errs, fmt.Errorf("%s: %w", f.name, f.err))
		}
	}
	return r.tell(strings.Join(faults, "; "), errors.Join(errs...))
}

// tell writes to the log what is new: balancers ask every second.
func (r *readiness) tell(why string, err error) string {
	r.mu.Lock()
	news := why != r.said
	r.said = why
	r.mu.Unlock()
	switch {
	case news && why == "":
		r.log.Info("ready again")
	case news && err == nil:
		r.log.Info("not ready", "why", why)
	case news:
		r.log.Warn("not ready", "why", why, "error", err)
	}
	return why
}

// ServeHTTP answers whoever decides where people are sent.
func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if why := r.why(); why != "" {
		answerPlainly(w, http.StatusServiceUnavailable, "not ready: "+why+"\n")
		return
	}
	answerPlainly(w, http.StatusOK, "ready\n")
}

// watch makes what looks after this node, and what it tells of itself.
func (n *Node) watch(c Config, id string) error {
	clock := &clock{db: n.vault.Store.DB(), now: n.own}
	probes := append(n.vault.probes(id, n.own), n.vault.keysProbe(), newDisk(c.Settings.Data, id, n.own).probe())
	if clock.known() {
		probes = append(probes, clock.probe())
	}
	n.ready = newReadiness(probes, n.stopping.Load, c.Log)
	return c.Registry.Register(newNodeMetrics(n.ready, n.stopping.Load, n.vault, clock, c.Log))
}

// probes ask each store for what it does not have, and seldom whether it can be
// written to: a Redis that is full or was demoted, and a PostgreSQL that is
// read-only, answer questions as ever.
func (v *Vault) probes(node string, now func() time.Time) []probe {
	expect := func(err, none error) error {
		if errors.Is(err, none) {
			return nil
		}
		return fmt.Errorf("asked for what there is not: %w", err)
	}
	all := []probe{
		{partBroker, "the broker's database does not answer", func(ctx context.Context) error {
			_, err := v.Store.Order(ctx, "readyz")
			return expect(err, broker.ErrNotFound)
		}},
		{partShort, "the short-lived store does not answer", func(ctx context.Context) error {
			_, _, err := v.Short.Get(ctx, "readyz", "readyz")
			return expect(err, broker.ErrNotFound)
		}},
	}
	asWritten := func(db *sqldb.DB, write func(context.Context) error) *seldom {
		if db.Engine() == sqldb.SQLite {
			return nil // the disk's probe says as much
		}
		return newSeldom(probing, now, write)
	}
	writes := []*seldom{
		asWritten(v.Store.DB(), func(ctx context.Context) error { return v.Store.Touch(ctx, node) }),
		newSeldom(probingShort, now, func(ctx context.Context) error {
			return v.Short.Put(ctx, "readyz", node, []byte("readyz"), v.now().Add(time.Minute))
		}),
	}
	if v.archive != nil {
		all = append(all, probe{partSigning, "the signing room's database does not answer", func(ctx context.Context) error {
			_, err := v.archive.store.Order(ctx, "readyz", "readyz")
			return expect(err, broker.ErrNotFound)
		}})
		writes = append(writes, asWritten(v.archive.db, v.archive.sequencer.Touch))
	}
	if v.hall != nil {
		all = append(all, probe{partPortal, "the portal's database does not answer", func(ctx context.Context) error {
			_, err := portalstore.CaseOf(portalstore.Last(ctx, v.hall.db), "readyz")
			return expect(err, portalstore.ErrNone)
		}})
		writes = append(writes, asWritten(v.hall.db, v.hall.sequencer.Touch))
	}
	for i, write := range writes {
		if write == nil {
			continue
		}
		fault := strings.Replace(all[i].fault, "does not answer", "cannot be written to", 1)
		read := all[i].ask
		all[i].ask = func(ctx context.Context) error {
			if err := read(ctx); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, answering*3/4) // a write may be tried on, as at a Redis that was demoted
			defer cancel()
			if err := write.ask(ctx); err != nil {
				return &unwritable{fault, err}
			}
			return nil
		}
	}
	return all
}

// seldom asks no more often than every so long, and else tells what it was told
// last. Its clock is the
// machine's own.
type seldom struct {
	every time.Duration
	now   func() time.Time
	what  func(context.Context) error

	mu  sync.Mutex
	at  time.Time
	err error
}

func newSeldom(every time.Duration, now func() time.Time, what func(context.Context) error) *seldom {
	return &seldom{every: every, now: now, what: what}
}

func (s *seldom) ask(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if since := now.Sub(s.at); s.at.IsZero() || since >= s.every || since < 0 {
		s.at, s.err = now, s.what(ctx)
	}
	return s.err
}

// disk tries whether the data folder can be written to, seldom.
type disk struct {
	seldom
	file  string
	write func(file string) error
}

func newDisk(folder, node string, now func() time.Time) *disk {
	d := &disk{seldom: seldom{every: probing, now: now}, file: filepath.Join(folder, ".probe-"+node), write: writeProbe}
	d.what = func(context.Context) error { return d.write(d.file) }
	return d
}

func (d *disk) probe() probe {
	return probe{partDisk, "the data folder cannot be written to; its disk may be full", d.ask}
}

// writeProbe writes as much as a few transactions do, and removes it.
func writeProbe(file string) error {
	err := os.WriteFile(file, make([]byte, 256<<10), 0o600)
	return errors.Join(err, os.RemoveAll(file))
}

// clock compares this node's clock with that of the database's server, by which
// all nodes are compared with each other. SQLite has no other clock than ours.
type clock struct {
	db   *sqldb.DB
	now  func() time.Time
	skew atomic.Int64 // nanoseconds, as it was seen last
}

func (c *clock) known() bool { return c.db.Engine() == sqldb.PostgreSQL }

func (c *clock) probe() probe {
	return probe{partClock, "the clock differs from that of the database's server", c.ask}
}

func (c *clock) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answering/2) // so that not we are the ones who are waited for
	defer cancel()
	var theirs time.Time
	began := c.now()
	err := c.db.Row(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`).Scan(sqldb.IntoTime(&theirs))
	if err != nil {
		return nil // whether it answers is another's question
	}
	skew, way := between(began, theirs, c.now())
	c.skew.Store(int64(skew))
	if skew.Abs() > maxSkew+way {
		return fmt.Errorf("apart by %s", skew.Round(time.Millisecond))
	}
	return nil
}

// between tells how far their clock is from ours, when it was read between two
// readings of ours, and by how much that may be wrong.
func between(began, theirs, ended time.Time) (skew, wrong time.Duration) {
	wrong = ended.Sub(began) / 2
	return theirs.Sub(began.Add(wrong)), wrong
}
