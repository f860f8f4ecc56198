package node

import (
	"log/slog"
	"net/http"
	"time"
)

// accessLog writes one line a request. It names the route and never the
// address: paths hold names of logins and orders, queries hold codes and states.
func accessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			route := r.Pattern
			if route == "" {
				route = "none"
			}
			method := r.Method
			if len(method) > 16 {
				method = method[:16]
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", method), slog.String("route", route),
				slog.Int("status", seen.status), slog.Int64("bytes", seen.bytes), slog.Float64("ms", float64(time.Since(began).Microseconds())/1000))
		}()
		next.ServeHTTP(seen, r)
	})
}

// answer notes what was answered.
type answer struct {
	http.ResponseWriter
	status  int
	bytes   int64
	decided bool
}

func (a *answer) WriteHeader(status int) {
	if !a.decided && status >= 200 {
		a.status, a.decided = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.decided = true
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
