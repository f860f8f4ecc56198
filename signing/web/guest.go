package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	brokerweb "sigill/broker/web"
	"sigill/providers"
	"sigill/signing/orders"
)

// Logins let people log in on our own pages; it is part of *oidc.Provider.
type Logins interface {
	Session(r *http.Request) (broker.Session, error)
	Local(ctx context.Context, w oidc.LocalWish) (login string, err error)
	EndSession(w http.ResponseWriter, r *http.Request) error
}

// fresh is how old a login may be to count here. Whoever sat at a shared computer
// before is then probably gone.
const fresh = time.Hour

// visit is a request to a client's room and who it is from, if anybody.
type visit struct {
	client broker.Client
	infos  []providers.Info
	guest  orders.Guest
	name   string // of the guest
	known  bool   // somebody is logged in, well enough for this client
	// stay is set instead of known when the login was for another application:
	// the name under which the person's wish to be known here too is remembered.
	stay string
}

// visit reads whose room it is and who has come. A session counts whichever
// application it was made for, if it is fresh and of a person and by an e-ID that
// this client takes: who may see what is decided by the person (DESIGN section
// 4). But one that was made for an application with which this client does not
// share its sessions counts only once the person has said so: another's page may
// lead a browser here, and what is opened, the client is told.
func (w *Web) visit(r *http.Request) (visit, error) {
	c, err := w.client(r)
	if err != nil {
		return visit{}, err
	}
	v := visit{client: c, infos: w.Offers(c)}
	s, err := w.Logins.Session(r)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return v, nil
	case err != nil:
		return v, err
	}
	age := w.Now().Sub(s.AuthTime)
	if age > fresh || age < -time.Minute || !slices.Contains(v.offered(), s.Identity.Provider) || s.Identity.Number.IsZero() {
		return v, nil
	}
	if c.NoCoordination && s.Identity.Number.Coordination() || c.MinAge > 0 && s.Identity.Number.Age(w.Now()) < c.MinAge {
		return v, nil // as at this client's own logins
	}
	v.name = s.Identity.Name
	if name := stayName(s, c); s.Group != oidc.GroupOf(c) && !slices.Contains(w.stays(r), name) {
		v.stay = name
		return v, nil
	}
	v.known = true
	v.guest = orders.Guest{Number: s.Identity.Number, Provider: s.Identity.Provider, Level: s.Identity.Level, AuthTime: s.AuthTime}
	return v, nil
}

// offered are the e-IDs that the client takes.
func (v visit) offered() []providers.ID {
	var ids []providers.ID
	for _, i := range v.infos {
		if !slices.Contains(ids, i.ID) {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// asker is who asks for signatures here, as the messages say it too.
func (v visit) asker(lang string) string {
	return cmp.Or(v.client.AskingBody, v.look("").NameIn(lang))
}

func (v visit) look(asked string) page.Look { return brokerweb.LookOf(&v.client, asked) }

// person is who is logged in, as the pages say it.
type person struct{ Name, Logout string }

func (v visit) person() person {
	return person{v.name, orders.Room(v.client.ID) + "logout"}
}

// stayCookie remembers where a browser's person has chosen to be known by a login
// that was for another application.
const (
	stayCookie = "sigill_stay"
	mostStays  = 8
)

func (w *Web) stays(r *http.Request) []string {
	return strings.Split(w.Pages.Cookies.Get(r, stayCookie), ".")
}

// stayName names a session in a client's room.
func stayName(s broker.Session, c broker.Client) string {
	sum := sha256.Sum256([]byte("stay\x00" + s.SID + "\x00" + c.ID))
	return hex.EncodeToString(sum[:16])
}

// login sends the person to the e-ID, and afterwards to where the button was: the
// address without its last part. Who is logged in for another application may
// choose to be so here too.
func (w *Web) login(rw http.ResponseWriter, r *http.Request) error {
	v, err := w.visit(r)
	if err != nil {
		return err
	}
	form, err := page.Form(r, "as")
	if err != nil {
		return err
	}
	if r.URL.RawPath != "" || !named(r) {
		return w.nowhere(rw, r)
	}
	back := strings.TrimSuffix(r.URL.Path, "login")
	if back != orders.Room(v.client.ID) {
		back = strings.TrimSuffix(back, "/")
	}
	if form["as"] == asSame {
		if v.stay != "" {
			all := append(w.stays(r), v.stay)
			w.Pages.Cookies.Set(rw, stayCookie, strings.Join(all[max(0, len(all)-mostStays):], "."), 0)
		}
		page.SeeOther(rw, back)
		return nil
	}
	if form["as"] == asSelf {
		// Somebody else sat here. If this person gives up, that login is not left
		// to whoever comes next.
		if err := w.Logins.EndSession(rw, r); err != nil {
			return err
		}
	}
	browser := w.Pages.Cookies.Browser(r)
	if browser == "" {
		browser = broker.NewSecret()
		w.Pages.Cookies.Set(rw, page.BrowserCookie, browser, page.BrowserLife)
	}
	login, err := w.Logins.Local(r.Context(), oidc.LocalWish{Client: v.client.ID, Browser: browser, Offered: v.offered(), Then: back})
	if err != nil {
		return fmt.Errorf("begin login: %w", err)
	}
	page.SeeOther(rw, "/login/"+login)
	return nil
}

// The form's words for: I am not who is logged in here, and: I am.
const (
	asSelf = "self"
	asSame = "same"
)

// logout ends the session, for whoever shares a computer.
func (w *Web) logout(rw http.ResponseWriter, r *http.Request) error {
	c, err := w.client(r)
	if err != nil {
		return err
	}
	if _, err := page.Form(r); err != nil {
		return err
	}
	if err := w.Logins.EndSession(rw, r); err != nil {
		return err
	}
	// What this browser began shall not go on for whoever sits down next.
	w.Pages.Cookies.Set(rw, page.BrowserCookie, broker.NewSecret(), page.BrowserLife)
	w.Pages.Show(rw, r, http.StatusOK, brokerweb.LookOf(&c, ""), func(lang string) brokerweb.Notice {
		return brokerweb.Notice{
			Title: w.text(lang, "out.heading"), Heading: w.text(lang, "out.heading"), Text: w.text(lang, "out.text"), Icon: "check",
		}
	})
	return nil
}

// why the person is asked to log in; each has texts of its own.
type why string

const (
	toSee  why = "land"  // came by a link
	toCode why = "code"  // has a code to type
	toList why = "list"  // wants to see what awaits
	again  why = "again" // is logged in, but not well enough for this order
	toStay why = "stay"  // is logged in for another application
)

// landing is the page before login. It asks nothing of the service: a link that
// leads somewhere and one that does not look the same.
func (w *Web) landing(rw http.ResponseWriter, r *http.Request, v visit, because why) error {
	return w.land(rw, r, v, because, loginPath(r, v))
}

// land is landing with a button that leads to a given address.
func (w *Web) land(rw http.ResponseWriter, r *http.Request, v visit, because why, login string) error {
	return w.room.Render(rw, r, http.StatusOK, "land", v.look(""), page.Policy{}, func(lang string) any {
		key := "land." + string(because)
		b := struct {
			Client, Heading, Lead, Login, Stay string
			Code, Again                        bool
		}{Client: v.asker(lang), Login: login, Code: because == toCode, Again: because == again}
		if v.stay != "" {
			b.Stay, key = v.name, "land."+string(toStay)
			b.Heading, b.Lead = w.text(lang, key, "name", v.name), w.text(lang, key+".text", "client", b.Client)
			return b
		}
		b.Heading, b.Lead = w.text(lang, key), w.text(lang, key+".text", "client", b.Client)
		return b
	})
}

// loginPath is where the button of a page leads to log in and come back to it.
func loginPath(r *http.Request, v visit) string {
	path := r.URL.Path // of which every part has been looked at
	if path == orders.Room(v.client.ID) {
		return path + "login"
	}
	return path + "/login"
}

// nothing is the page for whoever is logged in and has nothing to see here: the
// wrong person, a false link, one that is used up. It names nobody.
func (w *Web) nothing(rw http.ResponseWriter, r *http.Request, v visit, login string) error {
	return w.room.Render(rw, r, http.StatusNotFound, "nothing", v.look(""), page.Policy{}, func(lang string) any {
		return struct{ Client, Login, List, Home, HomeName string }{
			v.asker(lang), login, orders.Room(v.client.ID), v.look("").Home, v.look("").NameIn(lang),
		}
	})
}
