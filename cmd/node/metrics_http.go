package node

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics are what browsers and applications get to feel of each
// listener.
type requestMetrics struct {
	answers *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequestMetrics(registry *prometheus.Registry) (*requestMetrics, error) {
	m := &requestMetrics{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sigill_requests_total", Help: "Requests from outside by listener (main, portal) and class of the answer.",
		}, []string{"listener", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sigill_request_seconds", Help: "How long they took, uploads on a slow line included.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"listener"}),
	}
	for _, c := range []prometheus.Collector{m.answers, m.seconds} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// count counts what next answers. A request that is cut off in the middle, as
// one whose handler gives up, counts for what it had answered.
func (m *requestMetrics) count(listener string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			m.answers.WithLabelValues(listener, strconv.Itoa(seen.status/100)+"xx").Inc()
			m.seconds.WithLabelValues(listener).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}
