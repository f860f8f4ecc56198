package freja

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The parts of a link (freja.md section 5).
const (
	scheme   = "frejaeid"
	bindTo   = "bindUserToTransaction"
	maxLink  = 4096
	maxFrame = 1_000_000 // seconds
)

// A link is what a QR code or an app link says.
type link struct {
	ref  string
	back string
	t    int    // of a dynamic code
	mac  string // empty in a static one
}

// errNoLink says that a text is no link of Freja's.
var errNoLink = errors.New("not a link of this e-ID")

// parseLink reads a link of any of the three forms.
func parseLink(content, appURL string) (link, error) {
	u, err := url.Parse(content)
	if err != nil || len(content) > maxLink {
		return link{}, errNoLink
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return link{}, errNoLink
	}
	switch {
	case u.Scheme == scheme && u.Host == bindTo:
	case (under(u, appURL) || under(u, DefaultAppURL)) && q.Get("action") == bindTo:
	default:
		return link{}, errNoLink
	}
	l := link{ref: q.Get("transactionReference"), back: q.Get("originAppScheme")}
	if parts := strings.Split(l.ref, "."); len(parts) == 3 {
		l.ref, l.mac = parts[0], parts[2]
		l.t, err = strconv.Atoi(parts[1])
		if err != nil || l.t < 0 || l.t > maxFrame || strconv.Itoa(l.t) != parts[1] || l.mac == "" {
			return link{}, errNoLink
		}
	}
	return l, nil
}

// under reports whether a link has the scheme, the host and the path of a base.
func under(u *url.URL, base string) bool {
	b, err := url.Parse(base)
	return err == nil && u.Scheme == b.Scheme && u.Host == b.Host && u.Path == b.Path
}

// errors of a dynamic code.
var (
	errStatic = errors.New("wrong QR code: the transaction has a dynamic one and this one says no time")
	errMAC    = errors.New("wrong QR code: its authentication code does not match")
	errStale  = errors.New("stale QR code, or one from the future")
)

// check compares a dynamic code with the transaction's secret and age.
func (l link) check(secret string, age, window time.Duration) error {
	if l.mac == "" {
		return errStatic
	}
	// The padding that a client may have kept says nothing.
	if !hmac.Equal([]byte(strings.TrimRight(l.mac, "=")), []byte(frameMAC(secret, l.t))) {
		return errMAC
	}
	if off := time.Duration(l.t)*time.Second - age.Truncate(time.Second); off > window || off < -window {
		return errStale
	}
	return nil
}

// frameMAC keys the HMAC with the secret's characters, not with what they may
// encode.
func frameMAC(secret string, t int) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strconv.Itoa(t)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// shownAt is the content of the transaction's QR code at a time.
func (o *order) shownAt(now time.Time, appURL string) string {
	ref := o.ref
	if o.demand.dynamic {
		t := int(now.Sub(o.created) / time.Second)
		ref += "." + strconv.Itoa(t) + "." + frameMAC(o.secret, t)
	}
	return appURL + "?action=" + bindTo + "&transactionReference=" + url.QueryEscape(ref)
}
