package register

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sigill/providers/personnummer"
)

// maxAnswer is more than the largest family takes.
const maxAnswer = 256 << 10

// Config says where the register is.
type Config struct {
	// URL is that of the contract, without "/persons"; https, or http on this
	// machine itself.
	URL   string
	Token string
	// Client reaches it; nil: one of its own. It is never let follow a redirect.
	Client *http.Client
	// Timeout is for a whole question; default 3 s. Somebody is waiting.
	Timeout time.Duration
}

// HTTP asks the register over HTTP. Nothing of an answer is kept.
type HTTP struct {
	url     string
	token   string
	client  http.Client
	timeout time.Duration
}

// New makes one. It calls nobody.
func New(c Config) (*HTTP, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("register: the URL must be an absolute one without user, query and fragment")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return nil, errors.New("register: the URL must be https")
	case c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("register: the token is missing or malformed")
	}
	h := &HTTP{url: strings.TrimSuffix(u.String(), "/") + "/persons", token: c.Token, timeout: cmp.Or(c.Timeout, 3*time.Second)}
	if c.Client != nil {
		h.client = *c.Client
	}
	// A redirect would carry the number to somebody else.
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return h, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// errNoAnswer is all that is told of an answer that is not the contract's: what
// stands in it may be about anybody.
var errNoAnswer = errors.New("register: an answer that is not as agreed")

// Person implements Register.
func (h *HTTP) Person(ctx context.Context, n personnummer.Number) (Entry, error) {
	if n.IsZero() {
		return Entry{}, errors.New("register: asked for nobody")
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	question, err := json.Marshal(struct {
		Pnr string `json:"pnr"`
	}{n.Digits()})
	if err != nil {
		return Entry{}, fmt.Errorf("register: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(question))
	if err != nil {
		return Entry{}, fmt.Errorf("register: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	resp, err := h.client.Do(r)
	if err != nil {
		return Entry{}, fmt.Errorf("register: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Entry{}, fmt.Errorf("register: the answer broke off: %w", err)
	case len(body) > maxAnswer:
		return Entry{}, errNoAnswer
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isJSON := err == nil && media == "application/json"
	switch {
	case resp.StatusCode == http.StatusOK && isJSON:
		return read(body, n)
	case resp.StatusCode == http.StatusNotFound && isJSON && empty(body):
		return Entry{}, ErrUnknown
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound:
		// Somebody else's page, such as that of a proxy, says nothing of a person.
		return Entry{}, errNoAnswer
	}
	return Entry{}, fmt.Errorf("register: it answers %d", resp.StatusCode)
}
