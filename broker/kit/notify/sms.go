package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/contact"
)

// maxSegments bounds what one message may cost.
const maxSegments = 8

// SMSConfig is how SMS get out. All but URL, Roots, Timeout and Log are needed;
// User for 46elks alone.
type SMSConfig struct {
	URL     string // of the call; https, or http on this machine itself; default for 46elks its own
	User    string
	Secret  []byte         // 46elks' password, the gateway's bearer token
	From    string         // 3 to 11 letters and digits, a letter first, or a number in E.164
	Roots   *x509.CertPool // nil: the system's
	Timeout time.Duration  // default 15 s
	Log     *slog.Logger   // hears when the gateway refuses us, not a message
}

// gateway is what both kinds have in common.
type gateway struct {
	SMSConfig
	name string
	http *http.Client
}

var senderName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]{2,10}|\+[1-9][0-9]{6,14})$`)

func newGateway(name string, c SMSConfig) (gateway, error) {
	c.Timeout = cmp.Or(c.Timeout, 15*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return gateway{}, fmt.Errorf("%s: the URL must be an absolute one without user and fragment", name)
	case u.Scheme != "https" && !(u.Scheme == "http" && loopbackHost(u.Hostname())):
		return gateway{}, fmt.Errorf("%s: the URL must be https", name)
	case !senderName.MatchString(c.From):
		return gateway{}, fmt.Errorf("%s: from must be 3 to 11 letters and digits, or a number in E.164", name)
	case len(c.Secret) == 0:
		return gateway{}, fmt.Errorf("%s: the secret is missing", name)
	}
	return gateway{c, name, &http.Client{
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // never one that the environment names
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
			TLSHandshakeTimeout:    5 * time.Second,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
	}}, nil
}

// check gives the number to send to.
func (g *gateway) check(m Message) (string, error) {
	to, err := contact.Phone(m.To)
	if err != nil {
		return "", &Refused{Reason: BadAddress}
	}
	if err := m.check(); err != nil {
		return "", err
	}
	if n, _ := Segments(m.Text); n > maxSegments {
		return "", &Refused{Reason: BadMessage}
	}
	return to, nil
}

// post makes the call and gives the start of the answer.
func (g *gateway) post(ctx context.Context, contentType string, body []byte, authorize func(*http.Request)) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", g.name, err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "") // none
	authorize(r)
	res, err := g.http.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", g.name, withoutURL(err))
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil && res.StatusCode/100 != 2 { // a message that was taken is taken, whatever becomes of the rest
		return 0, nil, fmt.Errorf("%s: %w", g.name, err)
	}
	return res.StatusCode, answer, nil
}

// withoutURL takes away the address, in which secrets may stand.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refused is the answer in case the message was not taken.
func (g *gateway) refused(ctx context.Context, status int, final bool) error {
	if final {
		return &Refused{Reason: NoSuch, Answer: fmt.Sprint(status)}
	}
	if status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		g.Log.ErrorContext(ctx, "the SMS gateway refuses us; is it configured rightly, and paid?", "gateway", g.name, "status", status)
	}
	return fmt.Errorf("%s: status %d", g.name, status)
}

// Elks sends SMS through 46elks: POST /a1/sms, form-encoded, Basic authentication.
type Elks struct{ gateway }

// NewElks checks the configuration and connects to nothing.
func NewElks(c SMSConfig) (*Elks, error) {
	c.URL = cmp.Or(c.URL, "https://api.46elks.com/a1/sms")
	if c.User == "" {
		return nil, errors.New("46elks: the user is missing")
	}
	g, err := newGateway("46elks", c)
	return &Elks{g}, err
}

// Send hands a message to 46elks, which is asked to forget its text.
func (e *Elks) Send(ctx context.Context, m Message) error {
	to, err := e.check(m)
	if err != nil {
		return err
	}
	form := url.Values{"from": {e.From}, "to": {to}, "message": {m.Text}, "dontlog": {"message"}}
	status, answer, err := e.post(ctx, "application/x-www-form-urlencoded", []byte(form.Encode()),
		func(r *http.Request) { r.SetBasicAuth(e.User, string(e.Secret)) })
	switch {
	case err != nil:
		return err
	case status/100 == 2:
		return nil
	}
	return e.refused(ctx, status, (status == http.StatusBadRequest || status == http.StatusForbidden) && !aboutAccount(answer))
}

// aboutAccount tells whether the words of a refusal speak of us rather than of the
// recipient: 46elks says 403 to both, and has no codes.
func aboutAccount(answer []byte) bool {
	s := strings.ToLower(string(answer))
	return slices.ContainsFunc([]string{"credit", "balance", "account", "sender", "from"}, func(w string) bool { return strings.Contains(s, w) })
}

// Gateway sends SMS through any gateway that takes this call: POST to the URL, a
// bearer token, {"to", "from", "text", "reference"}. Any 2xx means that it is sent;
// 400, 403 and 422 that it will not send this message to this recipient.
type Gateway struct{ gateway }

// NewGateway checks the configuration and connects to nothing.
func NewGateway(c SMSConfig) (*Gateway, error) {
	g, err := newGateway("sms gateway", c)
	return &Gateway{g}, err
}

// Send hands a message to the gateway.
func (g *Gateway) Send(ctx context.Context, m Message) error {
	to, err := g.check(m)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"to": to, "from": g.From, "text": m.Text, "reference": m.ID})
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	status, _, err := g.post(ctx, "application/json", body,
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+string(g.Secret)) })
	switch {
	case err != nil:
		return err
	case status/100 == 2:
		return nil
	}
	return g.refused(ctx, status, status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusUnprocessableEntity)
}
