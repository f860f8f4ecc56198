package phone

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"sigill/testidp/inbox"
)

// Everything on the phone that is not an order is under here.
const inboxPath = "/inbox"

// What a mail's HTML may do when it is shown: look like something. It runs in
// an origin of its own and reaches nothing; only a link that the reader follows
// leads on, in the whole window.
const (
	mailSandbox = "allow-top-navigation-by-user-activation"
	mailPolicy  = "sandbox " + mailSandbox + "; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	framePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// An inboxView is the list of messages as its page shows it.
type inboxView struct {
	To         string   // only messages to this address; empty: all
	Recipients []string // who has messages
	Messages   []messageView
}

// A messageView is a message as the pages show it.
type messageView struct {
	inbox.Message
	Pieces  []inbox.Piece
	Header  []headerLine
	Clock   string
	Sandbox string
}

type headerLine struct{ Name, Value string }

func (m messageView) SMS() bool { return m.Channel == inbox.SMS }

func viewOf(m inbox.Message) messageView {
	return messageView{Message: m, Pieces: inbox.Pieces(m.Text), Clock: m.Time.In(time.Local).Format("2006-01-02 15:04:05"), Sandbox: mailSandbox}
}

func (p *Phone) listMessages(w http.ResponseWriter, r *http.Request) {
	pg := p.page(r)
	pg.Title = pg.T.Inbox
	v := &inboxView{To: r.URL.Query().Get("to")}
	for _, m := range slices.Backward(p.inbox.List("")) {
		if !slices.ContainsFunc(v.Recipients, func(to string) bool { return m.For(to) }) {
			v.Recipients = append(v.Recipients, m.To)
		}
		if v.To == "" || m.For(v.To) {
			v.Messages = append(v.Messages, viewOf(m))
		}
	}
	slices.Sort(v.Recipients)
	pg.Inbox = v
	pg.Here = inboxPath
	p.draw(w, http.StatusOK, "inbox", pg)
}

func (p *Phone) showMessage(w http.ResponseWriter, r *http.Request) {
	pg := p.page(r)
	m, ok := p.inbox.Get(r.PathValue("id"))
	if !ok {
		pg.Title = pg.T.Unknown
		p.draw(w, http.StatusNotFound, "unknown", pg)
		return
	}
	v := viewOf(m)
	for name, values := range m.Header {
		for _, value := range values {
			v.Header = append(v.Header, headerLine{name, value})
		}
	}
	slices.SortFunc(v.Header, func(a, b headerLine) int { return strings.Compare(a.Name, b.Name) })
	switch pg.Title = m.Subject; {
	case v.SMS():
		pg.Title = pg.T.SMSFrom + " " + m.From
	case m.Subject == "":
		pg.Title = pg.T.NoSubject
	}
	pg.Message = &v
	pg.Here = inboxPath + "/" + m.ID
	w.Header().Set("Content-Security-Policy", framePolicy)
	p.draw(w, http.StatusOK, "message", pg)
}

// showHTML serves what goes into the frame of a mail's page.
func (p *Phone) showHTML(w http.ResponseWriter, r *http.Request) {
	m, ok := p.inbox.Get(r.PathValue("id"))
	if !ok || m.HTML == "" {
		http.NotFound(w, r)
		return
	}
	root, err := html.Parse(strings.NewReader(m.HTML))
	if err != nil {
		http.Error(w, "the HTML cannot be read", http.StatusUnprocessableEntity)
		return
	}
	leadOut(root)
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	html.Render(w, root)
}

// leadOut makes every link open in the whole window, and takes out what would
// change where links lead.
func leadOut(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == html.ElementNode && c.DataAtom == atom.Base {
			n.RemoveChild(c)
		} else {
			leadOut(c)
		}
		c = next
	}
	if n.Type == html.ElementNode && (n.DataAtom == atom.A || n.DataAtom == atom.Area) {
		n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "target" })
		n.Attr = append(n.Attr, html.Attribute{Key: "target", Val: "_top"})
	}
}

func (p *Phone) clearInbox(w http.ResponseWriter, r *http.Request) {
	p.inbox.Clear()
	http.Redirect(w, r, inboxPath, http.StatusSeeOther)
}

// inboxPage lets through the address of a page of the inbox.
func inboxPage(s string) (string, bool) {
	if s == inboxPath {
		return s, true
	}
	id, ok := strings.CutPrefix(s, inboxPath+"/")
	return s, ok && id != "" && id == url.PathEscape(id) && strings.Trim(id, ".") != ""
}
