package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
)

// Handler answers a request or says why it cannot. It writes nothing before it
// is sure: an error after the first byte breaks the connection.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Methods are the handlers of one address. A GET handler answers HEAD too.
type Methods map[string]Handler

// Problem is the error of a request that is answered with an error page.
type Problem struct {
	Status int
	Code   string // names the text of the page; from a closed list
	Err    error  // for the log only
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Code + ": " + p.Err.Error()
	}
	return p.Code
}

func (p *Problem) Unwrap() error { return p.Err }

// The codes that Ground itself gives.
const (
	CodeNotFound  = "not_found"
	CodeMethod    = "method"
	CodeTooLarge  = "too_large"
	CodeMalformed = "malformed"
	CodeInternal  = "internal"
)

// Ground is what the handlers of a room stand on: headers, a name for each
// request, methods, limits, and one place where errors are logged, once, and
// drawn. A panic becomes an error page like any other fault of ours.
type Ground struct {
	HTTPS bool
	Log   *slog.Logger
	// Draw draws the error page. The reference number on it is RequestID.
	Draw func(w http.ResponseWriter, r *http.Request, p *Problem)
	// MaxBody is the most that a request may carry; zero means 16 kB.
	MaxBody int64
}

// Handle makes an http.Handler of the handlers of one address.
func (g Ground) Handle(m Methods) http.Handler {
	limit := g.MaxBody
	if limit == 0 {
		limit = 16 << 10
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = g.Prepare(w, r)
		track := &tracker{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				g.fail(track, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			}
		}()
		h, ok := m[r.Method]
		if r.Method == http.MethodHead && !ok {
			h, ok = m[http.MethodGet]
		}
		if !ok {
			track.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", "))
			g.fail(track, r, &Problem{Status: http.StatusMethodNotAllowed, Code: CodeMethod})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if err := h(track, r); err != nil {
			g.fail(track, r, err)
		}
	})
}

// Prepare gives an answer that is made outside a Handler the headers that every
// answer has, and the request its name.
func (g Ground) Prepare(w http.ResponseWriter, r *http.Request) *http.Request {
	setHeaders(w.Header(), g.HTTPS)
	return named(w, r)
}

// Fail logs an error with its reference number and draws its page, for answers
// that are made outside a Handler.
func (g Ground) Fail(w http.ResponseWriter, r *http.Request, err error) {
	r = g.Prepare(w, r)
	g.fail(&tracker{ResponseWriter: w}, r, err)
}

func (g Ground) fail(w *tracker, r *http.Request, err error) {
	p := problem(err)
	level := slog.LevelInfo
	if p.Status >= 500 {
		level = slog.LevelError
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		level = slog.LevelDebug // nobody is there to read the answer
	}
	// The pattern, not the path: a path holds names of logins and orders, a
	// query holds secrets.
	g.Log.LogAttrs(r.Context(), level, "request not served", slog.String("reference", RequestID(r.Context())),
		slog.String("method", cut(r.Method, 16)), slog.String("route", r.Pattern), slog.Int("status", p.Status),
		slog.String("code", p.Code), slog.Any("error", p.Err))
	if w.wrote {
		panic(http.ErrAbortHandler) // half a page is worse than none
	}
	defer func() {
		if v := recover(); v != nil && !w.wrote {
			// The error page itself is broken. Plain words are left.
			g.Log.ErrorContext(r.Context(), "error page failed", "panic", fmt.Sprint(v))
			http.Error(w, "Fel / Error "+RequestID(r.Context()), http.StatusInternalServerError)
		}
	}()
	g.Draw(w, r, p)
}

// problem says what page an error deserves.
func problem(err error) *Problem {
	var p *Problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &Problem{Status: http.StatusRequestEntityTooLarge, Code: CodeTooLarge, Err: err}
	case errors.As(err, &p):
		return p
	}
	return &Problem{Status: http.StatusInternalServerError, Code: CodeInternal, Err: err}
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// tracker notes whether anything has been written.
type tracker struct {
	http.ResponseWriter
	wrote bool
}

func (t *tracker) WriteHeader(status int) {
	t.wrote = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.wrote = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Form reads a small form from the body: nothing but the named fields, each at
// most once and at most 256 bytes. Fields that are not named are refused too:
// nobody honest sends them.
func Form(r *http.Request, fields ...string) (map[string]string, error) {
	return FormUpTo(r, 256, fields...)
}

// FormUpTo is Form for fields of at most so many bytes.
func FormUpTo(r *http.Request, most int, fields ...string) (map[string]string, error) {
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, err
		}
		return nil, &Problem{Status: http.StatusBadRequest, Code: CodeMalformed, Err: errors.New("the form cannot be decoded")}
	}
	out := map[string]string{}
	for name, values := range r.PostForm {
		if !slices.Contains(fields, name) || len(values) != 1 || len(values[0]) > most {
			return nil, &Problem{Status: http.StatusBadRequest, Code: CodeMalformed, Err: errors.New("an unknown, repeated or overlong field")}
		}
		out[name] = values[0]
	}
	return out, nil
}

// SeeOther sends the browser on with a GET and repeats the address nowhere.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
