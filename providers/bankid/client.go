package bankid

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer. The largest honest one holds a
// signature over the longest texts, twice base64.
const maxAnswer = 2 << 20

// maintenancePause is the wait before the one silent retry that the issuer
// allows while it is down for maintenance.
const maintenancePause = 300 * time.Millisecond

// An APIError is an error that the issuer stated in its own words.
type APIError struct {
	HTTPStatus int
	ErrorCode  string
	Details    string // for logs only; never decide anything by it
}

// Error masks what could be a personal number in the issuer's details.
func (e *APIError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.HTTPStatus, clean(e.ErrorCode), clean(e.Details))
}

func (e *APIError) is(code string) bool { return strings.EqualFold(e.ErrorCode, code) }

var digitRun = regexp.MustCompile(`[0-9][0-9+ -]{6,}[0-9]`)

// clean makes the issuer's free text fit for a log: one short line without
// anything as long as a personal number.
func clean(s string) string { return digitRun.ReplaceAllString(printable(s), "********") }

// printable makes one short line of what the issuer calls things.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// client speaks RP API v6.0 over mutual TLS, the only authentication there is.
type client struct {
	base        string
	http        *http.Client
	certificate string // tells it from others: the beginning of its SHA-256
	leaf        *x509.Certificate
}

func newClient(env Environment, cert tls.Certificate, maxConns int) (*client, error) {
	u, err := url.Parse(env.BaseURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("the base URL of environment %q must be https without query", env.Name)
	}
	if len(env.TLSRoots) == 0 {
		// An empty pool would mean the system's roots.
		return nil, fmt.Errorf("environment %q has no TLS root", env.Name)
	}
	roots := x509.NewCertPool()
	for _, c := range env.TLSRoots {
		roots.AddCert(c)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	name := sha256.Sum256(cert.Certificate[0])
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("the certificate for environment %q cannot be read", env.Name)
	}
	return &client{
		certificate: hex.EncodeToString(name[:8]),
		leaf:        leaf,
		base:        strings.TrimSuffix(env.BaseURL, "/") + "/",
		http: &http.Client{
			Timeout: 15 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
			Transport: &http.Transport{
				Proxy:       nil, // never through a proxy named by the environment
				DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig: &tls.Config{
					MinVersion:   tls.VersionTLS12,
					RootCAs:      roots,
					Certificates: []tls.Certificate{cert},
				},
				TLSHandshakeTimeout:   5 * time.Second,
				ResponseHeaderTimeout: 10 * time.Second,
				IdleConnTimeout:       90 * time.Second,
				// Handshakes are dear: without a bound a hiccup opens
				// connections that slow everything down further.
				MaxConnsPerHost:        maxConns,
				MaxIdleConnsPerHost:    maxConns,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true,
				Protocols:              protocols,
			},
		},
	}, nil
}

// start starts an order. A start is never repeated after a fault that could
// have left an order behind; only "down for maintenance" is tried once more.
func (c *client) start(ctx context.Context, method string, request any) (started, error) {
	var s started
	_, err := c.post(ctx, method, request, &s)
	var api *APIError
	if errors.As(err, &api) && api.HTTPStatus == http.StatusServiceUnavailable && api.is("maintenance") {
		select {
		case <-ctx.Done():
			return started{}, ctx.Err()
		case <-time.After(maintenancePause):
		}
		s = started{}
		_, err = c.post(ctx, method, request, &s)
	}
	if err != nil {
		return started{}, err
	}
	phone := strings.HasPrefix(method, "phone/")
	for _, token := range []string{s.OrderRef, s.AutoStartToken, s.QRStartToken, s.QRStartSecret} {
		if len(token) > 256 || token == "" && !phone {
			return started{}, fmt.Errorf("answer to %s without the tokens it must have", method)
		}
	}
	if s.OrderRef == "" {
		return started{}, fmt.Errorf("answer to %s without orderRef", method)
	}
	return s, nil
}

// collect asks once. It returns the raw answer as well, since a terminal one is
// given only once and must be kept as it came.
func (c *client) collect(ctx context.Context, orderRef string) (collected, []byte, error) {
	var got collected
	raw, err := c.post(ctx, "collect", orderRequest{orderRef}, &got)
	if err != nil {
		return collected{}, nil, err
	}
	switch {
	case got.Status != statusPending && got.Status != statusFailed && got.Status != statusComplete:
		return collected{}, nil, errors.New("answer to collect with an unknown status")
	case len(got.HintCode) > 64:
		return collected{}, nil, errors.New("answer to collect with an oversized hint")
	}
	return got, raw, nil
}

func (c *client) cancel(ctx context.Context, orderRef string) error {
	_, err := c.post(ctx, "cancel", orderRequest{orderRef}, nil)
	return err
}

// post sends one request. What is not JSON becomes an error without the text of
// the answer: front ends answer with pages of HTML.
func (c *client) post(ctx context.Context, method string, request, answer any) ([]byte, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+method, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	// Exactly this: a charset parameter is answered with 415.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read answer: %w", method, err)
	}
	if len(raw) > maxAnswer {
		return nil, fmt.Errorf("%s: answer of more than %d bytes", method, maxAnswer)
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusOK {
		apiError := &APIError{HTTPStatus: res.StatusCode}
		if media == "application/json" {
			var e struct {
				ErrorCode string `json:"errorCode"`
				Details   string `json:"details"`
			}
			if json.Unmarshal(raw, &e) == nil {
				apiError.ErrorCode, apiError.Details = e.ErrorCode, e.Details
			}
		}
		return nil, fmt.Errorf("%s: %w", method, apiError)
	}
	if answer == nil {
		return raw, nil // cancel: an empty body has been seen
	}
	if media != "application/json" {
		return nil, fmt.Errorf("%s: answer is not JSON but %q", method, clean(media))
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		// The error of encoding/json may quote the input.
		return nil, fmt.Errorf("%s: answer is not the JSON it should be", method)
	}
	return raw, nil
}
