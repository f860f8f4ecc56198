package judges

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// A resident is somebody at a browser without script whose server may be gone at
// any moment: it keeps cookies, sends the forms that the pages hold, and asks
// again when nobody answered.
type resident struct {
	*town
	g        *guest // the same browser, in the signing room
	deadline time.Time
	why      map[string]int // what the person was told to do again
}

func (x *town) resident(who person) *resident {
	return &resident{town: x, g: x.guest(who), deadline: time.Now().Add(x.life), why: map[string]int{}}
}

// A sight is what the browser shows.
type sight struct {
	url    *url.URL
	status int
	first  int // what was answered first, before redirects; 0: nothing was
	body   string
	doc    *html.Node
}

var anyNumber = regexp.MustCompile(`\b(?:\d{2})?\d{6}[-+]?\d{4}\b`)

func (s sight) String() string {
	text := s.words("main")
	if len(text) > 700 {
		text = text[:700] + " …"
	}
	path := ""
	if s.url != nil {
		path = s.url.Path
	}
	return anyNumber.ReplaceAllString(fmt.Sprintf("%d at %s: %s", s.status, path, text), "…")
}

// ask makes one request and follows where it leads. The error is that of a
// connection; first says whether the request itself was answered.
func (r *resident) ask(method, address string, body []byte, media string) (sight, error) {
	var s sight
	for range 15 {
		q, err := http.NewRequest(method, address, bytes.NewReader(body))
		if err != nil {
			return s, err
		}
		q.Header.Set("Accept", "text/html")
		q.Header.Set("Accept-Language", "sv")
		if method == http.MethodPost {
			q.Header.Set("Content-Type", media)
			q.Header.Set("Origin", q.URL.Scheme+"://"+q.URL.Host)
			q.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		res, err := r.g.http.Do(q)
		if err != nil {
			return s, err
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if s.first == 0 && (err == nil || res.StatusCode/100 == 3) {
			s.first = res.StatusCode
		}
		if err != nil {
			return s, &url.Error{Op: method, URL: q.URL.Path, Err: err} // cut off
		}
		next, err := res.Location()
		if errors.Is(err, http.ErrNoLocation) {
			s.url, s.status, s.body = res.Request.URL, res.StatusCode, string(text)
			s.doc, err = html.ParseWithOptions(bytes.NewReader(text), html.ParseOptionEnableScripting(false))
			return s, err
		}
		if err != nil {
			return s, err
		}
		if !r.ours(next) {
			return s, fmt.Errorf("sent away to %s", next.Redacted())
		}
		method, address, body = http.MethodGet, next.String(), nil
	}
	return s, fmt.Errorf("%s: redirects without end", s)
}

// still repeats what fails for want of a connection, or with "not now".
func (r *resident) still(what func() (sight, error)) (sight, error) {
	for {
		s, err := what()
		late := time.Now().After(r.deadline)
		switch {
		case err != nil && cutOff(err) && !late:
		case err == nil && s.status == http.StatusServiceUnavailable && !late:
			r.why["told that it does not work just now"]++
		default:
			return s, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *resident) get(address string) (sight, error) {
	return r.still(func() (sight, error) { return r.ask(http.MethodGet, address, nil, "") })
}

func (s sight) find(selector string) *html.Node {
	if s.doc == nil {
		return nil
	}
	return cascadia.Query(s.doc, cascadia.MustCompile(selector))
}

// words are what can be read in the first thing that a selector finds.
func (s sight) words(selector string) string {
	n := s.find(selector)
	if n == nil {
		return ""
	}
	return wordsOf(n)
}

func wordsOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for child := range n.ChildNodes() {
			walk(child)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func (s sight) absolute(ref string) string {
	u, err := s.url.Parse(ref)
	if err != nil {
		return ref
	}
	return u.String()
}

// linkTo is the address of the first link with one of some texts; empty: none.
func (s sight) linkTo(texts ...string) string {
	if s.doc == nil {
		return ""
	}
	for _, a := range cascadia.QueryAll(s.doc, cascadia.MustCompile("a[href]")) {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(wordsOf(a), text) }) {
			ref, _ := attribute(a, "href")
			return s.absolute(ref)
		}
	}
	return ""
}

// A blank is a form of a page, with what it holds.
type blank struct {
	at     sight
	node   *html.Node
	values url.Values
	file   *enclosure
}

type enclosure struct {
	field, name string
	content     []byte
}

func (s sight) form(selector string) (*blank, error) {
	n := s.find(selector)
	if n == nil {
		return nil, fmt.Errorf("no form %s: %s", selector, s)
	}
	b := &blank{at: s, node: n, values: url.Values{}}
	for _, in := range cascadia.QueryAll(n, cascadia.MustCompile("input[name], select[name], textarea[name]")) {
		name, _ := attribute(in, "name")
		kind, _ := attribute(in, "type")
		value, _ := attribute(in, "value")
		_, checked := attribute(in, "checked")
		switch {
		case in.Data == "textarea":
			text := ""
			for child := range in.ChildNodes() {
				text += child.Data
			}
			b.values.Add(name, strings.TrimPrefix(text, "\n"))
		case in.Data == "select":
			chosen, first := "", true
			for _, o := range cascadia.QueryAll(in, cascadia.MustCompile("option")) {
				if _, is := attribute(o, "selected"); is || first {
					chosen, _ = attribute(o, "value")
					first = false
				}
			}
			b.values.Add(name, chosen)
		case kind == "file":
		case kind != "radio" && kind != "checkbox" || checked:
			b.values.Add(name, value)
		}
	}
	return b, nil
}

func (b *blank) named(name string) []*html.Node {
	return cascadia.QueryAll(b.node, cascadia.MustCompile(`[name="`+name+`"]`))
}

// asks reports whether people can answer something by that name.
func (b *blank) asks(name string) bool {
	return slices.ContainsFunc(b.named(name), func(n *html.Node) bool { kind, _ := attribute(n, "type"); return kind != "hidden" })
}

// set answers; "~" and words choose the alternative that is labelled so.
func (b *blank) set(name, value string) error {
	text, byWords := strings.CutPrefix(value, "~")
	if !byWords {
		b.values.Set(name, value)
		return nil
	}
	for _, n := range b.named(name) {
		id, _ := attribute(n, "id")
		if label := cascadia.Query(b.node, cascadia.MustCompile(`label[for="`+id+`"]`)); label != nil && strings.Contains(wordsOf(label), text) {
			is, _ := attribute(n, "value")
			b.values.Set(name, is)
			return nil
		}
	}
	return fmt.Errorf("%s has no alternative %s: %s", name, text, b.at)
}

// said is what is answered by a name; beside a choice there may be an empty value.
func (b *blank) said(name string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(b.values[name]), func(v string) bool { return v == "" }), "|")
}

// request is what pressing a button sends; empty: the only one.
func (b *blank) request(button string) (address string, body []byte, media string, err error) {
	selector := "button"
	if button != "" {
		selector = `button[value^="` + button + `"]`
	}
	n := cascadia.Query(b.node, cascadia.MustCompile(selector))
	values := url.Values{}
	for name, all := range b.values {
		values[name] = all
	}
	switch {
	case button == "auto": // the script's
		values.Set("go", "auto")
	case n == nil:
		return "", nil, "", fmt.Errorf("no button %q: %s", button, b.at)
	default:
		if name, ok := attribute(n, "name"); ok {
			value, _ := attribute(n, "value")
			values.Set(name, value)
		}
	}
	address = b.at.url.String()
	if action, ok := attribute(b.node, "action"); ok {
		address = b.at.absolute(action)
	}
	if kind, _ := attribute(b.node, "enctype"); kind != "multipart/form-data" {
		return address, []byte(values.Encode()), "application/x-www-form-urlencoded", nil
	}
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for name, all := range values {
		for _, v := range all {
			w.WriteField(name, v) // to memory: never fails
		}
	}
	if b.file != nil {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", mime.FormatMediaType("form-data", map[string]string{"name": b.file.field, "filename": b.file.name}))
		h.Set("Content-Type", "application/octet-stream")
		if part, err := w.CreatePart(h); err == nil {
			part.Write(b.file.content)
		}
	}
	w.Close()
	return address, parts.Bytes(), w.FormDataContentType(), nil
}

// once sends the form, once.
func (b *blank) once(r *resident, button string) (sight, error) {
	address, body, media, err := b.request(button)
	if err != nil {
		return sight{}, err
	}
	return r.ask(http.MethodPost, address, body, media)
}

// press sends the form until it is answered.
func (b *blank) press(r *resident, button string) (sight, error) {
	return r.still(func() (sight, error) { return b.once(r, button) })
}

// provesTo goes from a page with e-IDs through an approval to where it leads. A
// login that was lost is said to be so.
func (r *resident) provesTo(at sight) (sight, error) {
	s := &stubborn{g: r.g, deadline: r.deadline, why: r.why, approved: func() {}}
	chooser := place{url: at.url, status: at.status, body: at.body}
	wait, err := insistOn(s, func() (place, error) { return r.g.picks(chooser) })
	if err != nil {
		return sight{}, err
	}
	if _, err := s.picksUp(wait); err != nil {
		return sight{}, err
	}
	for time.Now().Before(r.deadline) {
		is, err := insistOn(s, func() (status, error) { return r.g.ask(wait) })
		if err != nil {
			return sight{}, err
		}
		switch is.State {
		case "complete":
			return r.get(is.Redirect)
		case "failed":
			return sight{}, fmt.Errorf("the login failed: %s", is.Hint)
		}
		time.Sleep(cmp.Or(r.pace, 15*time.Millisecond))
	}
	return sight{}, errors.New("the login neither completes nor fails")
}

// begins starts an e-service, with a login if one is asked for, as often as it
// takes, and gives the draft's first step.
func (r *resident) begins(service string) (sight, error) {
	last := errors.New("nothing was tried")
	for time.Now().Before(r.deadline) {
		at, err := r.get(r.home + "/e/" + service)
		if err != nil {
			return at, err
		}
		start, err := at.form(`form[action$="/starta"]`)
		if err != nil {
			return at, err
		}
		if at, err = start.press(r, ""); err != nil {
			return at, err
		}
		if strings.HasPrefix(at.url.String(), r.issuer+"/") {
			if at, err = r.provesTo(at); err != nil {
				r.why["a login did not come to its end: logged in again"]++
				last = err
				continue
			}
		}
		if at.status == http.StatusOK && strings.Contains(at.url.Path, "/utkast/") {
			return at, nil
		}
		last = fmt.Errorf("not at a draft: %s", at)
		r.why["a login did not come to its end: logged in again"]++
	}
	return sight{}, last
}
