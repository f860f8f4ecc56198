package node

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker/kit/sqldb"
	portalstore "sigill/portal/store"
)

// nodeMetrics are what a node tells of itself and of its stores, asked for when
// they are read. What is counted in a database is the same at every node of the
// installation: take the greatest, not the sum.
type nodeMetrics struct {
	ready   *readiness
	leaving func() bool
	vault   *Vault
	clock   *clock
	log     *slog.Logger

	build, isReady, draining, partOK, partSeconds, skew *prometheus.Desc
	acts, failures, again, busy                         *prometheus.Desc
	pending, waiting, oldest, leading                   *prometheus.Desc
	drafts, arrived                                     *prometheus.Desc
}

func newNodeMetrics(ready *readiness, leaving func() bool, v *Vault, c *clock, log *slog.Logger) *nodeMetrics {
	desc := prometheus.NewDesc
	store, room := []string{"store"}, []string{"room"}
	return &nodeMetrics{
		ready: ready, leaving: leaving, vault: v, clock: c, log: log,
		build:       desc("sigill_build_info", "Always 1; which build this is.", []string{"version", "go"}, nil),
		isReady:     desc("sigill_ready", "1: people may be sent here; 0: /readyz says why not.", nil, nil),
		draining:    desc("sigill_draining", "1: told to stop.", nil, nil),
		partOK:      desc("sigill_part_ok", "1: this part, which requests need, does as it should.", []string{"part"}, nil),
		partSeconds: desc("sigill_part_seconds", "How long it took to say so, 2 at the most.", []string{"part"}, nil),
		skew:        desc("sigill_clock_skew_seconds", "How far the clock of the database's server is ahead of this node's; PostgreSQL alone.", nil, nil),
		acts:        desc("sigill_store_acts_total", "Transactions that write, by database; of the short-lived store every call.", store, nil),
		failures:    desc("sigill_store_failures_total", "Those of them that failed by the store's fault.", store, nil),
		again:       desc("sigill_store_again_total", "Transactions that were run once more, since they met others; PostgreSQL alone.", store, nil),
		busy:        desc("sigill_store_busy_seconds_total", "How long they took, together: divided by their number, how long one takes.", store, nil),
		pending:     desc("sigill_orders_pending_all", "e-ID orders under way, whichever node watches them.", nil, nil),
		waiting:     desc("sigill_audit_waiting", "Acts that have no place in the audit's chain so far.", room, nil),
		oldest:      desc("sigill_audit_oldest_seconds", "How long the first of them has waited; 0 when none does.", room, nil),
		leading:     desc("sigill_audit_leading", "1: this node gives them their places at the moment. Where nothing is to be done, no node does.", room, nil),
		drafts:      desc("sigill_portal_drafts", "Drafts that citizens have sent and that have not arrived: waiting for signatures, or on their way to the signing room.", []string{"state"}, nil),
		arrived:     desc("sigill_portal_arrivals_total", "Cases that have arrived, since the installation was new.", nil, nil),
	}
}

// Describe is of prometheus.Collector.
func (m *nodeMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.build, m.isReady, m.draining, m.partOK, m.partSeconds, m.skew, m.acts, m.failures, m.again, m.busy,
		m.pending, m.waiting, m.oldest, m.leading, m.drafts, m.arrived,
	} {
		to <- d
	}
}

// Collect is of prometheus.Collector. A database that does not answer is not
// asked again for what stands in it, so that the rest is told in time.
func (m *nodeMetrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	flag := func(d *prometheus.Desc, yes bool, labels ...string) {
		value := 0.0
		if yes {
			value = 1
		}
		gauge(d, value, labels...)
	}
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	gauge(m.build, 1, buildVersion(), runtime.Version())
	flag(m.draining, m.leaving())

	ready, ok := !m.leaving(), map[string]bool{}
	for _, f := range m.ready.look() {
		ok[f.name] = f.err == nil
		ready = ready && f.err == nil
		flag(m.partOK, f.err == nil, f.name)
		gauge(m.partSeconds, f.took.Seconds(), f.name)
	}
	flag(m.isReady, ready)
	if m.clock.known() {
		gauge(m.skew, time.Duration(m.clock.skew.Load()).Seconds())
	}

	ctx, cancel := context.WithTimeout(context.Background(), answering)
	defer cancel()
	read := func(err error) bool {
		if err != nil {
			m.log.WarnContext(ctx, "not counted", "error", err)
		}
		return err == nil
	}
	for _, c := range m.vault.chains() {
		s := c.db.Stats()
		counter(m.acts, float64(s.Writes), c.name)
		counter(m.failures, float64(s.Failures), c.name)
		counter(m.again, float64(s.Again), c.name)
		counter(m.busy, s.Busy.Seconds(), c.name)
		if !ok[c.name] {
			continue
		}
		if a, err := c.sequencer.State(ctx); read(err) {
			gauge(m.waiting, float64(a.Waiting), c.name)
			gauge(m.oldest, a.Oldest.Seconds(), c.name)
			flag(m.leading, a.Leading, c.name)
		}
	}
	if short, counted := m.vault.Short.(interface{ Stats() sqldb.Stats }); counted {
		s := short.Stats()
		counter(m.acts, float64(s.Writes), partShort)
		counter(m.failures, float64(s.Failures), partShort)
		counter(m.busy, s.Busy.Seconds(), partShort)
	}
	if ok[partBroker] {
		if n, err := m.vault.Store.PendingOrders(ctx); read(err) {
			gauge(m.pending, float64(n))
		}
	}
	if m.vault.hall != nil && ok[partPortal] {
		if n, err := portalstore.Count(portalstore.Last(ctx, m.vault.hall.db)); read(err) {
			gauge(m.drafts, float64(n.Waiting), "waiting")
			gauge(m.drafts, float64(n.Sending), "sending")
			counter(m.arrived, float64(n.Arrived))
		}
	}
}

// buildVersion is what the program says it is: a release, or the revision that
// it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "development"
}
