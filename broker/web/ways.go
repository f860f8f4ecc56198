package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigill/broker/kit/page"
	"sigill/providers"
)

const (
	// choiceCookie remembers what was chosen last: "mbankid.other".
	choiceCookie = "sigill_choice"
	choiceLife   = 180 * 24 * time.Hour
	// plainCookie marks a browser that runs no scripts: the chooser's form said
	// so. Its waiting page is told to reload itself by a header, since an
	// element in the page would be read out, and reload, for everybody.
	plainCookie = "sigill_plain"
)

// Choice is an e-ID and where it is.
type Choice struct {
	Provider providers.ID
	Mode     providers.Mode
}

func (c Choice) String() string { return string(c.Provider) + "." + string(c.Mode) }

// Way is a choice as a page offers it.
type Way struct {
	Choice
	Title, Text, Icon string
	Tag               string // what else there is to say of it; may be empty
	Last              bool   // what this browser chose last time

	site bool // suits all devices
}

// Ways is what the list of ways shows: forms that post to Action.
type Ways struct {
	Action string
	Digest string // of what the page shows and the choice is about; may be empty
	List   []Way
}

// Ways gives the ways that a page of r offers, those first that suit the device.
func (p *Pages) Ways(r *http.Request, lang, action string, ids []providers.ID, infos []providers.Info) Ways {
	return Ways{Action: action, List: p.ways(lang, ids, infos, handheld(r.UserAgent()), p.Cookies.Get(r, choiceCookie))}
}

// Chosen reads what the person chose from the list of ways. Only what is offered
// counts, whatever the page showed. The browser is made to remember the choice,
// and whether it runs scripts. The form may hold other fields besides, each
// once; they are in r.PostForm then.
func (p *Pages) Chosen(w http.ResponseWriter, r *http.Request, ids []providers.ID, infos []providers.Info, besides ...string) (Choice, providers.Info, error) {
	form, err := page.Form(r, append([]string{"provider", "device", "script"}, besides...)...)
	if err != nil {
		return Choice{}, providers.Info{}, err
	}
	c, ok := readChoice(form["provider"], form["device"])
	if !ok {
		return Choice{}, providers.Info{}, &page.Problem{Status: http.StatusBadRequest, Code: CodeChoice, Err: errors.New("no such choice")}
	}
	info, err := Offered(c, ids, infos)
	if err != nil {
		return Choice{}, providers.Info{}, err
	}
	p.Cookies.Set(w, choiceCookie, c.String(), choiceLife)
	if form["script"] == "off" {
		p.Cookies.Set(w, plainCookie, "1", 0)
	} else if p.Cookies.Get(r, plainCookie) != "" {
		p.Cookies.Clear(w, plainCookie)
	}
	return c, info, nil
}

// Device is what issuers are told about the browser that shows our page.
func (p *Pages) Device(r *http.Request, a page.Addresses, browser string) providers.Device {
	return providers.Device{IP: a.Of(r), UserAgent: r.UserAgent(), ID: deviceID(browser), Domain: p.room.Host}
}

// readChoice reads the form's fields. An absent device is the usual one; bankid
// is this device by its meaning.
func readChoice(provider, device string) (Choice, bool) {
	c := Choice{providers.ID(provider), providers.Mode(device)}
	if c.Mode == "" {
		c.Mode = providers.ModeThis
		if c.Provider == providers.MBankID {
			c.Mode = providers.ModeOther
		}
	}
	if !c.Provider.Valid() || c.Mode != providers.ModeThis && c.Mode != providers.ModeOther {
		return Choice{}, false
	}
	if c.Provider == providers.BankID && c.Mode != providers.ModeThis {
		return Choice{}, false
	}
	return c, true
}

// Offered finds the e-ID of a choice among those that may be chosen.
func Offered(c Choice, ids []providers.ID, infos []providers.Info) (providers.Info, error) {
	if slices.Contains(ids, c.Provider) {
		for _, i := range infos {
			if i.ID == c.Provider && slices.Contains(i.Modes, c.Mode) {
				return i, nil
			}
		}
	}
	return providers.Info{}, &page.Problem{Status: http.StatusBadRequest, Code: CodeChoice, Err: fmt.Errorf("%s is not offered", c)}
}

// handheld guesses whether our page is shown on a phone or tablet. It only
// orders the ways; a wrong guess costs a glance.
func handheld(agent string) bool {
	for _, mark := range []string{"Mobi", "Android", "iPhone", "iPad", "iPod"} {
		if strings.Contains(agent, mark) {
			return true
		}
	}
	return false
}

// ways lists what the chooser offers: on a phone the app on it first, on a
// computer the QR code first, and before all what was chosen last.
func (p *Pages) ways(lang string, ids []providers.ID, infos []providers.Info, phone bool, last string) []Way {
	var out []Way
	both := slices.Contains(ids, providers.BankID)
	for _, id := range ids {
		for _, mode := range []providers.Mode{providers.ModeThis, providers.ModeOther} {
			c := Choice{id, mode}
			info, err := Offered(c, ids, infos)
			switch {
			case err != nil, id == providers.BankID && mode != providers.ModeThis:
				continue
			case id == providers.MBankID && mode == providers.ModeThis && (!phone || both):
				// On a computer it is never there; on a phone bankid covers it.
				continue
			}
			w := p.describe(lang, c, info, phone)
			if w.Last = last == c.String(); w.Last {
				w.Tag = p.text(lang, "choose.last")
			}
			out = append(out, w)
		}
	}
	rank := func(w Way) int {
		here := w.Mode == providers.ModeThis
		switch {
		case w.Last:
			return 0
		case here == phone, w.site:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b Way) int { return rank(a) - rank(b) })
	return out
}

func (p *Pages) describe(lang string, c Choice, info providers.Info, phone bool) Way {
	w := Way{Choice: c, Icon: "qr"}
	set := func(title, text string) { w.Title, w.Text = p.text(lang, title), p.text(lang, text) }
	n := namesOf(lang, c.Provider, info)
	here := c.Mode == providers.ModeThis
	if here {
		w.Icon = "phone"
		if !phone {
			w.Icon = "computer"
		}
	}
	switch {
	case c.Provider == providers.BankID && phone:
		set("way.bankid.this", "way.bankid.this.phone")
	case c.Provider == providers.BankID:
		set("way.bankid.this", "way.bankid.this.computer")
	case c.Provider == providers.MBankID && here:
		set("way.mbankid.this", "way.bankid.this.phone")
	case c.Provider == providers.MBankID && phone:
		set("way.mbankid.other.phone", "way.mbankid.other.phone.text")
	case c.Provider == providers.MBankID:
		set("way.mbankid.other", "way.mbankid.other.computer")
	case info.Site:
		w.Title, w.Icon, w.site = n.eid, "window", true
		w.Text = p.text(lang, "way.site.text.unknown")
		if n.whose != "" {
			w.Text = p.text(lang, "way.site.text", "whose", n.whose)
		}
	case here:
		w.Title, w.Text = p.text(lang, "way.this", "name", n.eid), p.text(lang, "way.this.text", "app", n.app)
	case phone:
		w.Title, w.Text = p.text(lang, "way.other", "name", n.eid), p.text(lang, "way.other.text", "app", n.app)
	default:
		w.Title, w.Text = n.eid, p.text(lang, "way.other.computer", "app", n.app)
	}
	return w
}

// deviceID is what issuers know a browser by: lasting, and nothing that the
// browser's secret could be found from.
func deviceID(browser string) string {
	sum := sha256.Sum256([]byte("device" + browser))
	return hex.EncodeToString(sum[:])[:40]
}
