package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// visitor is a person's browser without a screen: it keeps cookies, follows
// redirects between the sites that it was told of, and sends what forms would.
type visitor struct {
	t      testing.TB
	issuer string
	http   *http.Client
	// forgives: an issuer that does not answer is no reason to stop.
	forgives bool
}

func newVisitor(t testing.TB, issuer string, also ...string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, issuer: issuer}
	v.http = &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		for _, site := range append(also, issuer) {
			if strings.HasPrefix(r.URL.String(), site+"/") {
				return nil
			}
		}
		return http.ErrUseLastResponse // the application's own address: the test takes over
	}}
	t.Cleanup(v.http.CloseIdleConnections)
	return v
}

// page is where a browser ended up.
type visited struct {
	url    string
	status int
	body   string
	away   string // where it was sent that is not the broker's
}

func (v *visitor) do(r *http.Request) visited {
	v.t.Helper()
	res, err := v.http.Do(r)
	if err != nil && v.forgives && !strings.HasPrefix(r.URL.String(), v.issuer) {
		return visited{url: r.URL.String()}
	}
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil && !v.forgives {
		v.t.Fatal(err)
	}
	return visited{res.Request.URL.String(), res.StatusCode, string(body), res.Header.Get("Location")}
}

func (v *visitor) get(address string) visited {
	v.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

// post sends a form the way a browser does from our own page.
func (v *visitor) post(address string, form url.Values) visited {
	v.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(r)
}

// status is what the waiting page's script reads.
type status struct {
	State    string `json:"state"`
	Hint     string `json:"hint"`
	QR       string `json:"qr"`
	Link     string `json:"link"`
	Redirect string `json:"redirect"`
}

func (v *visitor) status(page string) status {
	v.t.Helper()
	p := v.get(page + "/status")
	var s status
	if err := json.Unmarshal([]byte(p.body), &s); err != nil {
		v.t.Fatalf("status of %s is %d %q: %v", page, p.status, p.body, err)
	}
	return s
}

// await polls as the page does until the state is right.
func (v *visitor) await(page string, good func(status) bool) status {
	v.t.Helper()
	var s status
	for range 200 {
		if s = v.status(page); good(s) {
			return s
		}
		time.Sleep(50 * time.Millisecond) // a real browser's wait, against real processes
	}
	v.t.Fatalf("still %+v", s)
	return s
}

// finish goes where the waiting page says, until the broker sends the browser
// back to the application, and gives that address.
func (v *visitor) finish(page string, s status) *url.URL {
	v.t.Helper()
	to := s.Redirect
	if to == "" {
		to = page
	}
	base, err := url.Parse(page)
	if err != nil {
		v.t.Fatal(err)
	}
	ref, err := base.Parse(to)
	if err != nil {
		v.t.Fatal(err)
	}
	got := v.get(ref.String())
	if got.away == "" {
		v.t.Fatalf("the login ended at %s with %d:\n%s", got.url, got.status, got.body)
	}
	back, err := url.Parse(got.away)
	if err != nil {
		v.t.Fatal(err)
	}
	return back
}

func (s status) String() string { return fmt.Sprintf("%s %s", s.State, s.Hint) }
