package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sigill/broker"
	"sigill/broker/flow"
)

// metrics are what the node counts. Labels are from closed lists and
// configuration; none names a person, a login or an address.
type metrics struct {
	started prometheus.Counter
	answers *prometheus.CounterVec
	orders  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	refused *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry, pending func() int, e *eids, now func() time.Time) (*metrics, error) {
	m := &metrics{
		started: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sigill_logins_started_total", Help: "Logins that people were asked for: requests that a session answered are not among them.",
		}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_oidc_answers_total", Help: "Answers of the OpenID Provider by endpoint and outcome.",
		}, []string{"endpoint", "outcome"}),
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_orders_total", Help: "e-ID orders that ended, by e-ID, instance, kind and how; reason is done for those with a verified proof.",
		}, []string{"provider", "instance", "kind", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sigill_order_seconds", Help: "Time from the start of an e-ID order to its verified proof.",
			Buckets: []float64{2, 4, 6, 8, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600},
		}, []string{"provider", "kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_requests_refused_total", Help: "Requests that came too often from one address.",
		}, []string{"limit"}),
	}
	all := []prometheus.Collector{
		m.started, m.answers, m.orders, m.seconds, m.refused, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sigill_orders_pending", Help: "e-ID orders that this node watches.",
		}, func() float64 { return float64(pending()) }),
	}
	for _, i := range e.instances {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sigill_certificate_days_left", Help: "Days until the certificate of a provider ends.",
			ConstLabels: prometheus.Labels{"instance": i.name},
		}, func() float64 { return i.ends.Sub(now()).Hours() / 24 }))
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

func (m *metrics) answered(endpoint, outcome string) {
	m.answers.WithLabelValues(endpoint, outcome).Inc()
	if endpoint == "authorize" && outcome == "login" {
		m.started.Inc()
	}
}
