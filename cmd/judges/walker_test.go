package judges

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// A walker is a browser without a screen: it keeps cookies, follows our
// redirects and no others, and drives the pages by the contract of DESIGN.md
// section 6.
type walker struct {
	issuer string
	http   *http.Client
}

func newWalker(issuer string) *walker {
	jar, _ := cookiejar.New(nil) // fails only for options
	return &walker{issuer: issuer, http: &http.Client{
		Jar:           jar,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
	}}
}

// A place is where a walk has come to: a page, or an address outside.
type place struct {
	url     *url.URL
	status  int
	body    string
	outside bool // the address has not been visited
}

// A status is what the waiting page says of itself.
type status struct {
	State    string `json:"state"`
	Hint     string `json:"hint"`
	QR       string `json:"qr"`
	Link     string `json:"link"`
	Redirect string `json:"redirect"`
}

// visit goes to an address and on, as long as redirects stay with the issuer.
func (w *walker) visit(address string) (place, error) { return w.follow("GET", address, nil) }

// post sends a form as a page of the issuer would.
func (w *walker) post(address string, form url.Values) (place, error) {
	return w.follow("POST", address, form)
}

func (w *walker) follow(method, address string, form url.Values) (place, error) {
	for range 10 {
		request, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return place{}, err
		}
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Accept-Language", "sv")
		if method == "POST" {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("Origin", w.issuer)
			request.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		answer, err := w.http.Do(request)
		if err != nil {
			return place{}, err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return place{}, err
		}
		next, err := answer.Location()
		if errors.Is(err, http.ErrNoLocation) {
			return place{url: answer.Request.URL, status: answer.StatusCode, body: string(body)}, nil
		}
		if err != nil {
			return place{}, err
		}
		if !strings.HasPrefix(next.String(), w.issuer+"/") {
			return place{url: next, outside: true}, nil
		}
		method, address, form = "GET", next.String(), nil
	}
	return place{}, fmt.Errorf("%s: redirects without end", address)
}

// choose answers the chooser.
func (w *walker) choose(chooser place, provider, device string) (place, error) {
	if chooser.outside || chooser.status != http.StatusOK {
		return place{}, fmt.Errorf("no chooser: %s", chooser)
	}
	waiting, err := w.post(chooser.url.String(), url.Values{"provider": {provider}, "device": {device}})
	if err == nil && (waiting.outside || waiting.status != http.StatusOK) {
		err = fmt.Errorf("no waiting page: %s", waiting)
	}
	return waiting, err
}

// ask asks the waiting page how things are.
func (w *walker) ask(waiting place) (status, error) {
	var s status
	at := *waiting.url
	at.Path += "/status"
	answer, err := w.http.Get(at.String())
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return s, fmt.Errorf("status answers %s", answer.Status)
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&s)
	if s.Redirect != "" {
		if to, err := waiting.url.Parse(s.Redirect); err == nil {
			s.Redirect = to.String()
		}
	}
	return s, err
}

// await asks until the state is one of those named.
func (w *walker) await(waiting place, patience time.Duration, states ...string) (status, error) {
	deadline := time.Now().Add(patience)
	for {
		s, err := w.ask(waiting)
		if err != nil {
			return s, err
		}
		for _, state := range states {
			if s.State == state {
				return s, nil
			}
		}
		if s.State != "pending" && s.State != "returning" || time.Now().After(deadline) {
			return s, fmt.Errorf("state %s, hint %s, not %v", s.State, s.Hint, states)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// login walks from the authorization request to the client's callback, with a
// person who opens and approves the order.
func (w *walker) login(authorize, provider, device string, phone control, number string) (*url.URL, error) {
	chooser, err := w.visit(authorize)
	if err != nil {
		return nil, err
	}
	if chooser.outside {
		return chooser.url, nil // single sign-on, or an error for the client
	}
	waiting, err := w.choose(chooser, provider, device)
	if err != nil {
		return nil, err
	}
	back, err := w.prove(waiting, phone, number)
	if err != nil {
		return nil, err
	}
	if back != "" {
		at, err := w.comeBack(back)
		if err != nil || at.outside {
			return at.url, err
		}
	}
	s, err := w.await(waiting, 20*time.Second, "complete")
	if err != nil {
		return nil, err
	}
	done, err := w.visit(s.Redirect)
	if err == nil && !done.outside {
		err = fmt.Errorf("finishing does not lead to the client: %s", done)
	}
	return done.url, err
}

// prove is the person's part: open the order and approve. It gives the address
// that the app sends the person back to, if any.
func (w *walker) prove(waiting place, phone control, number string) (string, error) {
	id, err := w.pickUp(waiting, phone)
	if err != nil {
		return "", err
	}
	return phone.approve(id, number)
}

// pickUp opens the order on the phone, by link or by QR code.
func (w *walker) pickUp(waiting place, phone control) (string, error) {
	s, err := w.ask(waiting)
	if err != nil {
		return "", err
	}
	if s.Link == "" {
		return phone.scan(s.QR)
	}
	token, err := tokenOf(s.Link)
	if err != nil {
		return "", err
	}
	return phone.open(token)
}

// comeBack follows the app's return address: to the waiting page, or, when the
// proof is there already, on to the client.
func (w *walker) comeBack(address string) (place, error) {
	at, err := w.visit(address)
	if err == nil && !at.outside && at.status != http.StatusOK {
		err = fmt.Errorf("coming back leads nowhere: %s", at)
	}
	return at, err
}

// arrive comes back and goes no further: a person whose next request waits.
func (w *walker) arrive(address string) error {
	answer, err := w.http.Get(address)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("coming back answers %s", answer.Status)
	}
	return nil
}

// tokenOf takes the order's token out of an app link.
func tokenOf(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	for key, values := range u.Query() {
		if strings.EqualFold(key, "autostarttoken") {
			return values[0], nil
		}
	}
	return "", errors.New("the app link holds no autostarttoken")
}

func (p place) String() string {
	if p.outside {
		return "outside, at " + p.url.Redacted()
	}
	text := p.body
	if len(text) > 600 {
		text = text[:600]
	}
	return fmt.Sprintf("%d at %s: %s", p.status, p.url.Path, text)
}
