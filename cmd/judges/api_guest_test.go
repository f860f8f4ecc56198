package judges

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// A guest is a person with a browser of their own in a signing room.
type guest struct {
	*walker
	phone control
	who   person
	with  [2]string // e-ID and device
}

func (p *premises) guest(who person) *guest {
	return &guest{p.walker(), p.phone, who, [2]string{"mbankid", "other"}}
}

// walker is a new browser.
func (p *premises) walker() *walker {
	w := newWalker(p.issuer)
	if p.browser != nil {
		w.http.Transport = p.browser
	}
	return w
}

// What a page of the signing room is.
type pageKind string

const (
	landing  pageKind = "landing"  // to log in
	nothing  pageKind = "nothing"  // for whoever has nothing to see here
	review   pageKind = "review"   // to read and sign
	standing pageKind = "standing" // how it stands
	waiting  pageKind = "waiting"  // an e-ID order under way
	codes    pageKind = "codes"    // to type a code
	another  pageKind = "another"
)

var (
	loginAction = regexp.MustCompile(`<form[^>]* action="([^"]+/login)"`)
	shownDigest = regexp.MustCompile(`name="digest" value="([0-9a-f]{64})"`)
	waitStatus  = regexp.MustCompile(` data-status="([^"]+)"`)
)

func (p place) kind() pageKind {
	login := loginAction.MatchString(p.body)
	switch {
	case strings.Contains(p.body, `id="sign"`):
		return review
	case strings.Contains(p.body, `class="timeline"`):
		return standing
	case strings.Contains(p.body, `name="code"`):
		return codes
	case login && strings.Contains(p.body, `name="as"`):
		return nothing
	case login:
		return landing
	case waitStatus.MatchString(p.body):
		return waiting
	}
	return another
}

// formOf is what the page's form to sign with holds: what was shown, and the
// guest's e-ID.
func (g *guest) formOf(at place) url.Values {
	form := url.Values{"provider": {g.with[0]}, "device": {g.with[1]}}
	if shown := shownDigest.FindStringSubmatch(at.body); shown != nil {
		form.Set("digest", shown[1])
	}
	return form
}

// picks chooses the guest's e-ID on a page that offers some.
func (g *guest) picks(at place) (place, error) {
	if at.outside || at.status != http.StatusOK {
		return place{}, fmt.Errorf("nothing to choose from: %s", at)
	}
	to, err := g.post(at.url.String(), g.formOf(at))
	if err == nil && (to.outside || to.status != http.StatusOK) {
		err = fmt.Errorf("no waiting page: %s", to)
	}
	return to, err
}

// begins presses the button to log in; it gives the page with the e-IDs.
func (g *guest) begins(at place) (place, error) {
	found := loginAction.FindStringSubmatch(at.body)
	if found == nil {
		return place{}, fmt.Errorf("nothing to log in with: %s", at)
	}
	form := url.Values{}
	if at.kind() == nothing {
		form.Set("as", "self")
	}
	to, err := at.url.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return place{}, err
	}
	return g.post(to.String(), form)
}

// proves picks the e-ID order up and approves it. It gives the page that it leads
// to; approved says whether the person has done the own part.
func (g *guest) proves(wait place) (to place, approved bool, err error) {
	back, err := g.proved(wait)
	if err != nil {
		return place{}, false, err
	}
	if back != "" {
		if to, err = g.visit(back); err != nil || to.kind() != waiting {
			return to, true, err
		}
	}
	s, err := g.await(wait, patience, "complete")
	if err != nil {
		return place{}, true, err
	}
	to, err = g.visit(s.Redirect)
	return to, true, err
}

// proved opens the order and approves it; a frame is good for a moment only.
func (g *guest) proved(wait place) (back string, err error) {
	for range 5 {
		var id string
		if id, err = g.pickUp(wait, g.phone); err == nil {
			return g.phone.approve(id, g.who.Number)
		}
		var network *url.Error
		if errors.As(err, &network) {
			return "", err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", err
}

// logsIn goes from a page with a button to log in to what is behind it.
func (g *guest) logsIn(at place) (place, error) {
	chooser, err := g.begins(at)
	if err != nil {
		return place{}, err
	}
	wait, err := g.picks(chooser)
	if err != nil {
		return place{}, err
	}
	to, _, err := g.proves(wait)
	return to, err
}

// comes goes to an address and logs in there if need be.
func (g *guest) comes(address string) (place, error) {
	at, err := g.visit(address)
	if err == nil && at.kind() == landing {
		at, err = g.logsIn(at)
	}
	return at, err
}

// signs goes from the page to review to what comes after the signature.
func (g *guest) signs(at place) (place, error) {
	if at.kind() != review {
		return place{}, fmt.Errorf("no page to sign on: %s", at)
	}
	wait, err := g.picks(at)
	if err != nil {
		return place{}, err
	}
	to, _, err := g.proves(wait)
	if err != nil {
		return place{}, err
	}
	return g.settles(to)
}

// settles waits while the page says that a signature is being taken in.
func (g *guest) settles(at place) (place, error) {
	deadline := time.Now().Add(patience)
	for at.kind() == waiting && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		var err error
		if at, err = g.visit(at.url.String()); err != nil {
			return at, err
		}
	}
	return at, nil
}

// signsAt does it all.
func (g *guest) signsAt(address string) error {
	at, err := g.comes(address)
	if err != nil {
		return err
	}
	if at, err = g.signs(at); err == nil && at.kind() != standing {
		err = fmt.Errorf("after the signature: %s", at)
	}
	return err
}
