package freja

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"sigill/providers"
)

// maxAnswer bounds what is read of an answer. The largest honest one holds a
// signature over the longest text and binding, base64 three times over.
const maxAnswer = 1 << 20

// errHuge is the error of an answer above that.
var errHuge = errors.New("answer of a size that no honest one has")

// An APIError is an error that the issuer stated.
type APIError struct {
	HTTPStatus int
	Code       int
	Coded      bool   // whether there was a code: 0 is one of Freja's
	Message    string // for logs only; never decide anything by it
}

// Error masks what could be a personal number in the issuer's message.
func (e *APIError) Error() string {
	if !e.Coded {
		return fmt.Sprintf("HTTP %d", e.HTTPStatus)
	}
	return fmt.Sprintf("HTTP %d, code %d: %s", e.HTTPStatus, e.Code, clean(e.Message))
}

var (
	digitRun = regexp.MustCompile(`[0-9][0-9+ -]{6,}[0-9]`)
	address  = regexp.MustCompile(`[^\s<>"']+@[^\s<>"']+`)
)

// clean makes the issuer's free text fit for a log: one short line without
// anything as long as a personal number, and without addresses. It is cut last, since
// half a number is none to whoever looks for numbers.
func clean(s string) string {
	const limit = 200
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = address.ReplaceAllString(digitRun.ReplaceAllString(s, "********"), "***@***")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// client speaks with the services over mutual TLS, the only authentication there
// is.
type client struct {
	base           string
	relyingPartyID string
	http           *http.Client
	certificate    string // tells it from others: the beginning of its SHA-256
	leaf           *x509.Certificate
}

// newClient expects an environment that is valid.
func newClient(env Environment, cert tls.Certificate, relyingPartyID string, maxConns int) (*client, error) {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("relying-party certificate: %w", err)
	}
	// The system's roots are not among them: Freja's certificates end at a root of
	// its own.
	roots := x509.NewCertPool()
	for _, c := range env.TLSRoots {
		roots.AddCert(c)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	name := sha256.Sum256(cert.Certificate[0])
	return &client{
		base:           strings.TrimSuffix(env.BaseURL, "/") + "/",
		relyingPartyID: relyingPartyID,
		certificate:    hex.EncodeToString(name[:8]),
		leaf:           leaf,
		http: &http.Client{
			Timeout:       20 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy:       nil, // never through a proxy named by the environment
				DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig: &tls.Config{
					MinVersion:   tls.VersionTLS12,
					RootCAs:      roots,
					Certificates: []tls.Certificate{cert},
				},
				TLSHandshakeTimeout:   5 * time.Second,
				ResponseHeaderTimeout: 15 * time.Second,
				IdleConnTimeout:       90 * time.Second,
				// Handshakes are dear: without a bound a hiccup opens connections
				// that slow everything down further.
				MaxConnsPerHost:        maxConns,
				MaxIdleConnsPerHost:    maxConns,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true,
				Protocols:              protocols,
			},
		},
	}, nil
}

// start starts an order. It is never repeated: that could leave two behind, and
// two orders of one person stop each other.
func (c *client) start(ctx context.Context, kind providers.Kind, r initRequest) (started, error) {
	s := serviceOf(kind)
	var got started
	if err := c.post(ctx, s.init, s.initParam, r, &got); err != nil {
		return started{}, err
	}
	switch ref := got.reference(kind); {
	case ref == "" || len(ref) > maxReference:
		return started{}, errors.New("answer without a reference of the order")
	case len(got.QRCodeSecret) > maxReference || r.UseDynamicQRCode && got.QRCodeSecret == "":
		return started{}, errors.New("answer without the secret of the dynamic code")
	}
	return got, nil
}

const maxReference = 256

// result asks once how an order stands.
func (c *client) result(ctx context.Context, kind providers.Kind, ref string) (result, error) {
	s := serviceOf(kind)
	var got result
	if err := c.post(ctx, s.result, s.resultParam, order(kind, ref), &got); err != nil {
		return result{}, err
	}
	if got.Status == "" || len(got.Status) > 64 {
		return result{}, errors.New("answer without a status")
	}
	return got, nil
}

func (c *client) cancel(ctx context.Context, kind providers.Kind, ref string) error {
	s := serviceOf(kind)
	return c.post(ctx, s.cancel, s.cancelParam, order(kind, ref), nil)
}

// post sends one request and reads the answer. What is not JSON becomes an error
// without the text of the answer.
func (c *client) post(ctx context.Context, path, param string, request, answer any) error {
	res, raw, err := c.exchange(ctx, path, param, request)
	if err != nil {
		return err
	}
	if err := refusal(res.StatusCode, raw); err != nil {
		return err
	}
	if answer == nil {
		return nil // a cancellation: nothing, or an empty object
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		// The error of encoding/json may quote the input.
		return errors.New("answer is not the JSON it should be")
	}
	return nil
}

// exchange is one request and what came of it, whatever its status.
func (c *client) exchange(ctx context.Context, path, param string, request any) (*http.Response, []byte, error) {
	text, err := body(param, request, c.relyingPartyID)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	// The body is like a form, yet this is what the official client calls it.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Sigill")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	if len(raw) > maxAnswer {
		return nil, nil, errHuge
	}
	return res, raw, nil
}

// refusal is the error that an answer states, if it states one. A code is looked
// for in answers of success too.
func refusal(status int, raw []byte) error {
	var e struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
	}
	api := &APIError{HTTPStatus: status}
	if json.Unmarshal(raw, &e) == nil {
		if api.Code, api.Coded = errorCode(e.Code); api.Coded {
			_ = json.Unmarshal(e.Message, &api.Message) // only for logs
		}
	}
	if (status == http.StatusOK || status == http.StatusNoContent) && !api.Coded {
		return nil
	}
	return api
}
