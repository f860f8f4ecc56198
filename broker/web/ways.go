package web

import (
	"slices"
	"strings"

	"sigill/broker"
	"sigill/providers"
)

// choice is an e-ID and where it is.
type choice struct {
	Provider providers.ID
	Mode     providers.Mode
}

func (c choice) String() string { return string(c.Provider) + "." + string(c.Mode) }

// way is a choice as the page offers it.
type way struct {
	choice
	Title, Text, Icon string
	Last              bool // what this browser chose last time
}

// readChoice reads the form's fields. An absent device is the usual one; bankid
// is this device by its meaning.
func readChoice(provider, device string) (choice, bool) {
	c := choice{providers.ID(provider), providers.Mode(device)}
	if c.Mode == "" {
		c.Mode = providers.ModeThis
		if c.Provider == providers.MBankID {
			c.Mode = providers.ModeOther
		}
	}
	if !c.Provider.Known() || c.Mode != providers.ModeThis && c.Mode != providers.ModeOther {
		return choice{}, false
	}
	if c.Provider == providers.BankID && c.Mode != providers.ModeThis {
		return choice{}, false
	}
	return c, true
}

// offered finds the e-ID of a choice among those that may answer the login. The
// server decides, whatever the page showed.
func offered(c choice, l broker.Login, infos []providers.Info) (providers.Info, bool) {
	if !slices.Contains(l.Offered, c.Provider) {
		return providers.Info{}, false
	}
	for _, i := range infos {
		if i.ID == c.Provider && slices.Contains(i.Modes, c.Mode) {
			return i, true
		}
	}
	return providers.Info{}, false
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
func (p *Pages) ways(lang string, l broker.Login, infos []providers.Info, phone bool, last string) []way {
	var out []way
	both := slices.Contains(l.Offered, providers.BankID)
	for _, id := range l.Offered {
		for _, mode := range []providers.Mode{providers.ModeThis, providers.ModeOther} {
			c := choice{id, mode}
			info, ok := offered(c, l, infos)
			switch {
			case !ok, id == providers.BankID && mode != providers.ModeThis:
				continue
			case id == providers.MBankID && mode == providers.ModeThis && (!phone || both):
				// On a computer it is never there; on a phone bankid covers it.
				continue
			}
			w := p.describe(lang, c, info, phone)
			w.Last = last == c.String()
			out = append(out, w)
		}
	}
	rank := func(w way) int {
		here := w.Mode == providers.ModeThis
		switch {
		case w.Last:
			return 0
		case here == phone:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b way) int { return rank(a) - rank(b) })
	return out
}

func (p *Pages) describe(lang string, c choice, info providers.Info, phone bool) way {
	w := way{choice: c, Icon: "qr"}
	set := func(title, text string) { w.Title, w.Text = p.text(lang, title), p.text(lang, text) }
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
	case here:
		w.Title, w.Text = p.text(lang, "way.this", "name", info.Name), p.text(lang, "way.this.text")
	default:
		w.Title, w.Text = p.text(lang, "way.other", "name", info.Name), p.text(lang, "way.other.text")
	}
	return w
}

// appName is what people call the app of an e-ID.
func appName(id providers.ID) string {
	switch id {
	case providers.BankID, providers.MBankID:
		return "BankID"
	case providers.Freja:
		return "Freja"
	case providers.Telia:
		return "Telia"
	}
	return string(id)
}

// idName is what people call the e-ID.
func idName(id providers.ID) string {
	switch id {
	case providers.BankID:
		return "BankID"
	case providers.MBankID:
		return "Mobilt BankID"
	case providers.Freja:
		return "Freja eID+"
	case providers.Telia:
		return "Telia"
	}
	return string(id)
}
