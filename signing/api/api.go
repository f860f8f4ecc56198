// Package api is the signing room for programs: REST over JSON, described by
// openapi.yaml, which it serves.
//
// It owns the outer form: paths, bodies, errors (RFC 9457), bearer tokens
// (RFC 6750, scope "signing"), idempotency keys. What an order is and may do is
// signing's, what happens is signing/orders'. A client sees its own orders and
// cannot tell others' from those that do not exist.
package api

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// Specification is the OpenAPI 3.1 description of what Routes serves.
//
//go:embed openapi.yaml
var Specification []byte

// Scope is what a token must have been given for.
const Scope = "signing"

// Desk opens and ends orders; it is part of *orders.Service.
type Desk interface {
	Create(ctx context.Context, c broker.Client, w signing.Wish, key string, body [32]byte) (signing.Order, bool, error)
	Cancel(ctx context.Context, client, id string) (signing.Order, error)
	Remind(ctx context.Context, client, id string) (signing.Order, error)
	Delete(ctx context.Context, client, id string) error
}

// Editor changes open orders; it is part of *orders.Service.
type Editor interface {
	Correct(ctx context.Context, client, id string, n int, c signing.Contact) (signing.Order, error)
	Replace(ctx context.Context, client, id string, n int, by signing.WishedSignatory) (signing.Order, error)
	Change(ctx context.Context, client, id string, documents []signing.Document) (signing.Order, error)
}

// Reader reads orders and what came of them; it is part of *orders.Service.
type Reader interface {
	Order(ctx context.Context, client, id string) (signing.Order, error)
	Receipt(ctx context.Context, client, id string) ([]byte, error)
	Evidence(ctx context.Context, client, id string) ([]orders.Proof, error)
}

// Config is what New needs; all fields but Limits and Log are required.
type Config struct {
	Issuer string
	Desk   Desk
	Editor Editor
	Reader Reader
	// Bearer finds whose token it is, and what for; broker.ErrNotFound when it
	// is nobody's.
	Bearer func(ctx context.Context, token string) (broker.Client, []string, error)
	Limits signing.Limits
	Log    *slog.Logger
}

// API answers programs.
type API struct {
	Config
	maxBody  int64
	elements map[string]int
}

// New checks the configuration.
func New(c Config) (*API, error) {
	if c.Issuer == "" || c.Desk == nil || c.Editor == nil || c.Reader == nil || c.Bearer == nil {
		return nil, errors.New("api: incomplete configuration")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.WithDefaults()
	// Base64 makes four bytes of three; a mebibyte for the rest.
	return &API{Config: c, maxBody: int64(c.Limits.Order)/3*4 + 1<<20, elements: elements(c.Limits)}, nil
}

// maxSmall bounds bodies that hold no documents.
const maxSmall = 64 << 10

// handler answers for a client that has proved who it is.
type handler func(w http.ResponseWriter, r *http.Request, c broker.Client) error

// operations are all that a client can do, by path and method.
func (a *API) operations() map[string]map[string]handler {
	return map[string]map[string]handler{
		"/api/v1/orders":                      {"POST": a.create},
		"/api/v1/orders/{id}":                 {"GET": a.get, "DELETE": a.remove},
		"/api/v1/orders/{id}/documents":       {"PUT": a.change},
		"/api/v1/orders/{id}/documents/{n}":   {"GET": a.document},
		"/api/v1/orders/{id}/evidence":        {"GET": a.evidence},
		"/api/v1/orders/{id}/cancel":          {"POST": a.cancel},
		"/api/v1/orders/{id}/remind":          {"POST": a.remind},
		"/api/v1/orders/{id}/signatories/{n}": {"PATCH": a.signatory},
	}
}

// Routes adds the API. It reads no cookie, so it belongs outside the protection
// of pages against other sites.
func (a *API) Routes(mux *http.ServeMux) {
	for path, methods := range a.operations() {
		mux.Handle(path, a.serve(methods))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, &refusal{status: http.StatusNotFound, code: codeNotFound})
	})
	mux.HandleFunc("GET /api/openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(Specification)
	})
}

// serve finds the client and the method, and answers errors.
func (a *API) serve(methods map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		h := methods[r.Method]
		if h == nil {
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
			a.refuse(w, r, &refusal{status: http.StatusMethodNotAllowed, code: codeMethod})
			return
		}
		c, err := a.client(r)
		if err == nil {
			err = h(w, r, c)
		}
		if err != nil {
			a.refuse(w, r, err)
		}
	})
}

// patience is how long documents may be on their way, either way: the largest
// order in a line of half a megabit a second. It is for those who have proved who
// they are; the server's own limits, which are for everybody, are shorter.
const patience = 10 * time.Minute

// await lets a request and its answer take their time. Where a server cannot,
// its own limits stay.
func await(w http.ResponseWriter) {
	c, until := http.NewResponseController(w), time.Now().Add(patience)
	_, _ = c.SetReadDeadline(until), c.SetWriteDeadline(until)
}

// client proves whose request it is (RFC 6750 section 2.1: the header alone).
func (a *API) client(r *http.Request) (broker.Client, error) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 512 || len(r.Header.Values("Authorization")) != 1 {
		return broker.Client{}, &refusal{status: http.StatusUnauthorized, code: codeToken}
	}
	c, scopes, err := a.Bearer(r.Context(), token)
	if errors.Is(err, broker.ErrNotFound) {
		return broker.Client{}, &refusal{status: http.StatusUnauthorized, code: codeToken}
	}
	if err != nil {
		return broker.Client{}, err
	}
	if !slices.Contains(scopes, Scope) {
		return broker.Client{}, &refusal{status: http.StatusForbidden, code: codeScope}
	}
	return c, nil
}

// TooMany answers whoever asks too often; Retry-After is the caller's to set.
func (a *API) TooMany(w http.ResponseWriter, r *http.Request) {
	a.refuse(w, r, &refusal{status: http.StatusTooManyRequests, code: codeTooMany})
}

// logged is one line for what is our fault; page gives the request its name.
func (a *API) logged(r *http.Request, err error) {
	a.Log.ErrorContext(r.Context(), "signing API", "request", page.RequestID(r.Context()), "error", err)
}

// timeText is how times are written: RFC 3339, whole seconds, UTC.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}
