// Package signclient calls the signing API as an ordinary client of it: a bearer
// token by client credentials with private_key_jwt (RFC 7523), RFC 9457 errors.
// It owns the calls and their types, and knows nothing of drafts. What comes back
// is bounded, of the type that was asked for, and of the order that was asked for.
package signclient

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"sigill/portal"
)

// Config says where it is.
type Config struct {
	// Issuer is the broker's; the token endpoint is discovered.
	Issuer string
	// HTTP reaches it: in one process a transport that calls its handlers.
	HTTP *http.Client
	// Client gives a tenant's client id, Key what it proves itself with.
	Client func(portal.TenantID) string
	Key    func() (crypto.Signer, string, error) // P-256, and its kid
	Now    func() time.Time
}

// Client calls the API.
type Client struct {
	config Config
	http   *http.Client

	mu       sync.Mutex
	endpoint string // of tokens; empty: not yet discovered
	tokens   map[portal.TenantID]*token
}

// New makes one. It calls nobody.
func New(c Config) (*Client, error) {
	if c.Issuer == "" || strings.HasSuffix(c.Issuer, "/") || c.HTTP == nil || c.Client == nil || c.Key == nil {
		return nil, errors.New("signclient: incomplete configuration")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	// Nothing that we call redirects, and a token goes nowhere else.
	plain := *c.HTTP
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	plain.Jar = nil
	return &Client{config: c, http: &plain, tokens: map[portal.TenantID]*token{}}, nil
}

// Limits of an answer, and of how long one is waited for.
const (
	maxAnswer   = 1 << 20
	maxDocument = 96 << 20 // the largest order's attachments, with pages and proofs
	brief       = 20 * time.Second
	patience    = 3 * time.Minute // where documents are on their way
)

// request is one call.
type request struct {
	method  string
	order   string // empty: a new one
	path    string // below the order
	body    []byte
	attempt string // Idempotency-Key, of a new one
	status  int    // that means yes
	media   string // of the answer; empty: there is none
	most    int64  // bytes of the answer
	wait    time.Duration
}

// Create opens an order. The same attempt with the same body gives the same one.
func (c *Client) Create(ctx context.Context, t portal.TenantID, attempt string, body []byte) (Order, error) {
	return c.order(ctx, t, request{method: "POST", body: body, attempt: attempt, status: http.StatusCreated, wait: patience})
}

// Order gives one.
func (c *Client) Order(ctx context.Context, t portal.TenantID, id string) (Order, error) {
	return c.order(ctx, t, request{method: "GET", order: id, status: http.StatusOK})
}

// Document gives its sealed PDF.
func (c *Client) Document(ctx context.Context, t portal.TenantID, id string) ([]byte, error) {
	b, err := c.call(ctx, t, request{method: "GET", order: id, path: "/documents/1", status: http.StatusOK, media: "application/pdf", most: maxDocument, wait: patience})
	if err == nil && len(b) == 0 {
		return nil, errors.New("signing api: an empty document")
	}
	return b, err
}

// Cancel ends an open one.
func (c *Client) Cancel(ctx context.Context, t portal.TenantID, id string) error {
	_, err := c.order(ctx, t, request{method: "POST", order: id, path: "/cancel", status: http.StatusOK})
	return err
}

// Remind asks again those whose turn it is.
func (c *Client) Remind(ctx context.Context, t portal.TenantID, id string) error {
	_, err := c.order(ctx, t, request{method: "POST", order: id, path: "/remind", status: http.StatusOK})
	return err
}

// Correct mends how a signatory is reached, and invites the person again. invite
// has to fit what is left of the addresses.
func (c *Client) Correct(ctx context.Context, t portal.TenantID, id string, n int, email, phone, invite string) error {
	body, err := json.Marshal(struct {
		Email  string `json:"email"`
		Phone  string `json:"phone"`
		Invite string `json:"invite"`
	}{email, phone, invite})
	if err != nil {
		return fmt.Errorf("signing api: %w", err)
	}
	_, err = c.order(ctx, t, request{method: "PATCH", order: id, path: "/signatories/" + strconv.Itoa(n), body: body, status: http.StatusOK})
	return err
}

// Delete erases one that is over.
func (c *Client) Delete(ctx context.Context, t portal.TenantID, id string) error {
	_, err := c.call(ctx, t, request{method: "DELETE", order: id, status: http.StatusNoContent, wait: brief})
	return err
}

// order makes a call that is answered with the order that it is about.
func (c *Client) order(ctx context.Context, t portal.TenantID, q request) (Order, error) {
	q.media, q.most = "application/json", maxAnswer
	if q.wait == 0 {
		q.wait = brief
	}
	raw, err := c.call(ctx, t, q)
	if err != nil {
		return Order{}, err
	}
	var o Order
	if err := json.Unmarshal(raw, &o); err != nil {
		return Order{}, errors.New("signing api: an unreadable order") // the decoder's words may quote it
	}
	if err := o.check(q.order); err != nil {
		return Order{}, err
	}
	return o, nil
}

// call makes one, with a new token when the old one was not taken.
func (c *Client) call(ctx context.Context, t portal.TenantID, q request) ([]byte, error) {
	switch {
	case q.attempt == "" && !isName(q.order):
		return nil, errors.New("signing api: an order without a name")
	case q.order != "":
		q.path = "/" + q.order + q.path
	}
	ctx, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	for again := false; ; again = true {
		bearer, err := c.bearer(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("signing api: token: %w", err)
		}
		b, err := c.once(ctx, bearer, q)
		var p *Problem
		if !again && errors.As(err, &p) && p.Status == http.StatusUnauthorized {
			c.forget(t, bearer)
			continue
		}
		return b, err
	}
}

// isName reports whether a text may be an order's name: it becomes part of an
// address.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
	})
}

func (c *Client) once(ctx context.Context, bearer string, q request) ([]byte, error) {
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, c.config.Issuer+"/api/v1/orders"+q.path, body)
	if err != nil {
		return nil, fmt.Errorf("signing api: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Accept", strings.Trim(q.media+", application/problem+json", ", "))
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.attempt != "" {
		r.Header.Set("Idempotency-Key", q.attempt)
	}
	a, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("signing api: %w", err)
	}
	defer a.Body.Close()
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case a.StatusCode >= 400 && err == nil && media == problemType:
		return nil, c.problem(a)
	case a.StatusCode != q.status:
		return nil, fmt.Errorf("signing api: unexpected answer %d", a.StatusCode)
	case q.media == "":
		return nil, nil
	case err != nil || media != q.media:
		return nil, fmt.Errorf("signing api: an answer that is no %s", q.media)
	}
	return readAll(a.Body, q.most)
}

// readAll reads at most so much, and nothing of what is larger.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("signing api: the answer broke off: %w", err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("signing api: an answer of more than %d bytes", most)
	}
	return b, nil
}
