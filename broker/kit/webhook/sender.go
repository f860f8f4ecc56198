package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

const (
	timeLimit     = 15 * time.Second
	maxAnswer     = 64 << 10
	maxRetryAfter = 6 * time.Hour
)

// Delivery is one webhook to one receiver.
type Delivery struct {
	ID      string // of the event: the same at each try
	URL     string
	Body    []byte // JSON
	Secrets []Secret
	// Origins are those that the receiver has registered.
	Origins []string
	// AllowLoopback sends to this machine itself, also without TLS, and nowhere
	// else. Without it only the open internet is reached, with TLS.
	AllowLoopback bool
}

// Sender delivers webhooks.
type Sender struct {
	now  func() time.Time
	open *http.Client
	near *http.Client
}

// NewSender starts nothing. Without roots the system's are trusted.
func NewSender(now func() time.Time, roots *x509.CertPool) *Sender {
	if now == nil {
		now = time.Now
	}
	return &Sender{now, client(public, roots), client(loopback, roots)}
}

func client(may func(netip.Addr) bool, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: control(may)}
	return &http.Client{
		Timeout:       timeLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // it would resolve names for us
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    5 * time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    2,
			MaxResponseHeaderBytes: maxAnswer,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
}

// Close ends idle connections.
func (s *Sender) Close() {
	s.open.CloseIdleConnections()
	s.near.CloseIdleConnections()
}

// Error is why a webhook was not delivered. It holds neither address nor answer.
type Error struct {
	// Status of the answer; 0 when there was none.
	Status int
	text   string
	cause  error
	final  bool
	after  time.Duration
}

func (e *Error) Error() string { return "webhook not delivered: " + e.text }
func (e *Error) Unwrap() error { return e.cause }

// Permanent tells whether the receiver wants no more (410), or may not be called.
func (e *Error) Permanent() bool { return e.final }

// RetryAfter is how long the receiver asked us to wait.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Send makes one try. 2xx is delivered; any other outcome is an *Error.
func (s *Sender) Send(ctx context.Context, d Delivery) error {
	origin, err := Origin(d.URL)
	switch {
	case err != nil:
		return &Error{text: "malformed address", final: true}
	case !allowed(origin, d.Origins):
		return &Error{text: "its origin is not registered", final: true}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return &Error{text: "malformed address", final: true}
	}
	if r.URL.Scheme != "https" && !d.AllowLoopback {
		return &Error{text: "only over TLS", final: true}
	}
	signed, err := Sign(d.ID, s.now(), d.Body, d.Secrets...)
	if err != nil {
		return &Error{text: err.Error(), final: true}
	}
	r.Header = signed
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Sigill-Webhook")

	to := s.open
	if d.AllowLoopback {
		to = s.near
	}
	res, err := to.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, in which secrets may stand
		}
		if errors.Is(err, errAddress) {
			err = errAddress
		}
		return &Error{text: err.Error(), cause: err}
	}
	defer res.Body.Close()
	// Read, so that the connection may be used again; what it says is not wanted.
	io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 == 2 {
		return nil
	}
	return &Error{
		Status: res.StatusCode, text: fmt.Sprintf("status %d", res.StatusCode), final: res.StatusCode == http.StatusGone,
		after: retryAfter(res.Header.Get("Retry-After"), s.now()),
	}
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
