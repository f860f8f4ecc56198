package page

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"

	"sigill/broker/kit/design"
	"sigill/broker/kit/i18n"
)

// RoomConfig is what the pages of a room are drawn with, all of it.
type RoomConfig struct {
	Address   string // our own, with its scheme: the frame says where people are
	Assets    *design.Assets
	Cookies   Cookies
	Log       *slog.Logger
	Templates fs.FS      // *.gohtml
	Texts     fs.FS      // sv.json and en.json
	InCode    []i18n.Use // the texts that code shows and no template names
}

// Room draws the pages of one room: its templates and texts upon the frame that
// all share.
type Room struct {
	RoomConfig
	Host      string // of the address, without a port
	HTTPS     bool
	texts     *i18n.Catalogue
	templates *Templates
}

// NewRoom reads texts and templates and checks them against each other.
func NewRoom(c RoomConfig) (*Room, error) {
	if c.Assets == nil || c.Log == nil || c.Templates == nil || c.Texts == nil {
		return nil, errors.New("page: incomplete configuration of a room")
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" {
		return nil, errors.New("page: a room without an address")
	}
	texts, err := i18n.Load(c.Texts, design.Texts())
	if err != nil {
		return nil, err
	}
	t, err := LoadTemplates(c.Templates, texts, c.Assets, c.InCode)
	if err != nil {
		return nil, err
	}
	return &Room{RoomConfig: c, Host: u.Hostname(), HTTPS: u.Scheme == "https", texts: texts, templates: t}, nil
}

// Look is whose page it is and what language was asked for. The zero value is
// ours, in the language that the browser says.
type Look struct {
	Name, NameEN string // of whoever the page is for; the English one may be empty
	Home         string // where the person began; may be empty
	Accent, Logo string // of its theme
	Asked        string // the language that the application asked for
	Lang         string // the language that the answer must have; empty: see Asked
	Wide         bool   // room for two columns
	Once         bool   // the address cannot be asked for again in another language
}

// NameIn gives the name in a language.
func (l Look) NameIn(lang string) string {
	if lang == "en" && l.NameEN != "" {
		return l.NameEN
	}
	return l.Name
}

// Lang gives the language of the answer to r.
func (p *Room) Lang(w http.ResponseWriter, r *http.Request, l Look) string {
	if l.Lang != "" {
		return l.Lang
	}
	return p.Cookies.Lang(w, r, l.Asked)
}

// Text is for texts that code chooses. All of them are named in InCode, so a
// missing one cannot get this far; if it does, the key is better than nothing.
func (p *Room) Text(lang, key string, pairs ...any) string {
	s, err := p.texts.Text(lang, key, pairs...)
	if err != nil {
		p.Log.Error("text", "error", err)
		return key
	}
	return s
}

// Render draws a page in the language of the answer. body gets that language
// and gives what the page shows.
func (p *Room) Render(w http.ResponseWriter, r *http.Request, status int, name string, l Look, policy Policy, body func(lang string) any) error {
	lang := p.Lang(w, r, l)
	v := View{
		Lang: lang, Host: p.Host, Wide: l.Wide, Name: l.NameIn(lang),
		Theme: design.ThemeURL(l.Accent), Logo: p.Assets.URL(l.Logo),
	}
	if !l.Once {
		v.Switch = Languages(r, lang)
	}
	if body != nil {
		v.Page = body(lang)
	}
	policy.Apply(w.Header())
	return p.templates.Render(w, status, name, v)
}
