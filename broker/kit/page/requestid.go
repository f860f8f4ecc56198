package page

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
)

type requestKey struct{}

// WithRequestID gives each request a name of its own. It stands in every log
// line of the request, in a header of the answer and, as the reference number,
// on error pages. What the outside claims is not listened to.
func WithRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, named(w, r))
	})
}

// named gives the request a name unless it has one.
func named(w http.ResponseWriter, r *http.Request) *http.Request {
	if RequestID(r.Context()) != "" {
		return r
	}
	var b [10]byte
	rand.Read(b[:]) // never fails
	id := spell(b)
	w.Header().Set("X-Request-Id", id)
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
}

// spell writes 50 bits so that they can be read aloud: no I, L, O or U.
func spell(b [10]byte) string {
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	out := make([]byte, 0, 11)
	for i, v := range b {
		if i == 5 {
			out = append(out, '-')
		}
		out = append(out, letters[v&31])
	}
	return string(out)
}

// RequestID gives the request's name; empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// LogHandler adds the request's name to every line logged with its context.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(a)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

// Reference gives a lasting thing, such as an order, a name that people can
// read aloud and that tells nothing else.
func Reference(thing string) string {
	sum := sha256.Sum256([]byte("reference " + thing))
	return spell([10]byte(sum[:10]))
}
