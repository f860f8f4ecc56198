package node

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/notify"
	"sigill/broker/kit/outbox"
	"sigill/providers"
	"sigill/signing"
)

// metrics are what the node counts. Labels are from closed lists and
// configuration; none names a person, a login or an address.
type metrics struct {
	started  prometheus.Counter
	logins   *prometheus.CounterVec
	login    *prometheus.HistogramVec
	answers  *prometheus.CounterVec
	begun    *prometheus.CounterVec
	orders   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	messages *prometheus.CounterVec
}

// patience is how long people take, in seconds.
func patience() []float64 {
	return []float64{2, 4, 6, 8, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600}
}

func newMetrics(registry *prometheus.Registry, pending func() int) (*metrics, error) {
	m := &metrics{
		started: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sigill_logins_started_total", Help: "Logins that people were asked for: requests that a session answered are not among them.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_logins_total", Help: "Logins that people were asked for and that were answered, by e-ID and outcome: code or local for those that succeeded, else the error that the application was told. Those that were left lying are in no outcome.",
		}, []string{"provider", "outcome"}),
		login: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sigill_login_seconds", Help: "Time from an application's request to the answer with which a login succeeded.", Buckets: patience(),
		}, []string{"provider"}),
		begun: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_orders_started_total", Help: "e-ID orders that were started at their issuers, by e-ID, instance and kind.",
		}, []string{"provider", "instance", "kind"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_messages_total", Help: "Tries to send e-mail and SMS: sent, refused for good, or failed and to be tried again.",
		}, []string{"channel", "outcome"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_oidc_answers_total", Help: "Answers of the OpenID Provider by endpoint and outcome.",
		}, []string{"endpoint", "outcome"}),
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_orders_total", Help: "e-ID orders that ended, by e-ID, instance, kind and how; reason is done for those with a verified proof.",
		}, []string{"provider", "instance", "kind", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sigill_order_seconds", Help: "Time from the start of an e-ID order to its verified proof.",
			Buckets: patience(),
		}, []string{"provider", "kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_requests_refused_total", Help: "Requests that came too often from one address.",
		}, []string{"limit"}),
	}
	all := []prometheus.Collector{
		m.started, m.logins, m.login, m.answers, m.begun, m.orders, m.seconds, m.refused, m.messages, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sigill_orders_pending", Help: "e-ID orders that this node watches.",
		}, func() float64 { return float64(pending()) }),
	}
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// observe counts an order that ended.
func (m *metrics) observe(o flow.Outcome) {
	reason := string(o.Reason)
	if o.Phase == broker.Done {
		reason = "done"
		m.seconds.WithLabelValues(string(o.Provider), string(o.Kind)).Observe(o.Took.Seconds())
	}
	m.orders.WithLabelValues(string(o.Provider), o.Instance, string(o.Kind), reason).Inc()
}

// finished counts a login that was answered.
func (m *metrics) finished(with providers.ID, outcome string, took time.Duration) {
	provider := cmp.Or(string(with), "none")
	m.logins.WithLabelValues(provider, outcome).Inc()
	if outcome == "code" || outcome == "local" {
		m.login.WithLabelValues(provider).Observe(took.Seconds())
	}
}

// startedOrders counts orders when they are written down.
type startedOrders struct {
	flow.Orders
	begun *prometheus.CounterVec
}

// CreateOrder is of flow.Orders.
func (s startedOrders) CreateOrder(ctx context.Context, o broker.Order, events ...audit.Event) error {
	err := s.Orders.CreateOrder(ctx, o, events...)
	if err == nil {
		s.begun.WithLabelValues(string(o.Provider), o.Instance, string(o.Kind)).Inc()
	}
	return err
}

// sent counts what became of one try to send a message.
func (m *metrics) sent(channel string, err error) {
	var refused *notify.Refused
	outcome := "sent"
	switch {
	case errors.As(err, &refused):
		outcome = "refused"
	case err != nil:
		outcome = "failed"
	}
	m.messages.WithLabelValues(channel, outcome).Inc()
}

// sender counts what is sent by next.
type sender struct {
	next    notify.Sender
	channel string
	counts  *metrics
}

// counting counts what is sent by next; nil stays nil.
func (m *metrics) counting(channel string, next notify.Sender) notify.Sender {
	if m == nil || next == nil {
		return next
	}
	return sender{next, channel, m}
}

// Send is of notify.Sender.
func (s sender) Send(ctx context.Context, m notify.Message) error {
	err := s.next.Send(ctx, m)
	s.counts.sent(s.channel, err)
	return err
}

func (m *metrics) answered(endpoint, outcome string) {
	m.answers.WithLabelValues(endpoint, outcome).Inc()
	if endpoint == "authorize" && outcome == "login" {
		m.started.Inc()
	}
}

// roomMetrics are what the signing room tells of its work, asked for when they
// are read. Nobody may wait unseen: an order that everybody has signed is worth
// nothing before it is sealed.
type roomMetrics struct {
	room                    *room
	also                    map[string]*outbox.Queue // the portal's
	orders, pending, oldest *prometheus.Desc
}

func newRoomMetrics(r *room, also map[string]*outbox.Queue) *roomMetrics {
	return &roomMetrics{
		room: r, also: also,
		orders: prometheus.NewDesc("sigill_signing_orders", "Orders for signatures that are not over, by state; those in sealing wait for their receipt.",
			[]string{"state"}, nil),
		pending: prometheus.NewDesc("sigill_outbox_pending", "What is due in the outbox and not done, by queue: seal, messages, webhooks; the portal's notices, receipts.",
			[]string{"queue"}, nil),
		oldest: prometheus.NewDesc("sigill_outbox_oldest_seconds", "How long the oldest of it has been due; 0 when nothing is.",
			[]string{"queue"}, nil),
	}
}

// Describe is of prometheus.Collector.
func (m *roomMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.orders, m.pending, m.oldest} {
		to <- d
	}
}

// Collect is of prometheus.Collector. What cannot be read is left out, and said
// in the log.
func (m *roomMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if open, err := m.room.store.Open(ctx); err != nil {
		m.room.log.WarnContext(ctx, "orders not counted", "error", err)
	} else {
		for _, state := range []signing.State{signing.Open, signing.Sealing} {
			gauge(m.orders, float64(open[state]), string(state))
		}
	}
	queues := m.room.queues.all()
	maps.Copy(queues, m.also)
	for name, q := range queues {
		count, oldest, err := q.Pending(ctx)
		if err != nil {
			m.room.log.WarnContext(ctx, "outbox not counted", "error", err)
			continue
		}
		gauge(m.pending, float64(count), name)
		gauge(m.oldest, oldest.Seconds(), name)
	}
}
