package judges

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/andybalholm/cascadia"
)

// A way is a kind of errand.
type way struct {
	name    string
	service string
	one     string // who applies, by the short name; empty: nobody knows
	two     string // who signs too; empty: nobody
	child   string
}

// ways are those that are on their way at the same time, of people who have
// nothing to do with each other: an issuer lets a person sign one thing at a time.
func ways() []way {
	return []way{
		{"two guardians", "forskoleplats", "ett", "tva", "Testbarn Ett"},
		{"two other guardians", "forskoleplats", "fyra", "fem", "Testbarn Fem"},
		{"one guardian", "forskoleplats", "tre", "", "Testbarn Fyra"},
		{"anonymous", "felanmalan", "", "", ""},
	}
}

// An errand is one application, from the first page to what came of it.
type errand struct {
	*town
	way
	n    int
	r    *resident
	now  *happenings
	two  person
	mail string // where the applicant is told
	sms  string // the same, or empty

	draft, order string
	// confirmed are the answers that the server said it had, by step and name;
	// tried those that it may have.
	confirmed map[string]map[string]string
	tried     map[string]map[string][]string
	file      enclosure // that the server said it had; no content: none
	fileTried bool

	// How far people have come: before each is said, and after it was seen.
	oneSigns, lastSigns, allSigned, arrived atomic.Bool
	gone, over                              atomic.Bool    // nobody goes on with it; nor listens
	seen                                    map[string]int // what pages said, for the table
	tells                                   map[string]int // what happened, for the table
}

func (x *town) errand(n int, w way, r *resident) *errand {
	e := &errand{town: x, way: w, n: n, r: r, now: &happenings{}, confirmed: map[string]map[string]string{}, tried: map[string]map[string][]string{},
		seen: map[string]int{}, tells: map[string]int{}}
	r.deadline, r.why = time.Now().Add(x.life), e.tells
	if w.two != "" {
		e.two = x.named(w.two)
	}
	switch who := r.g.who; {
	case w.one == "":
		e.mail = fmt.Sprintf("anonym.%d@example.se", n)
	case n%2 == 0:
		e.mail = x.mailOf(who)
	default:
		e.sms = x.mobileOf(who)
	}
	return e
}

// word is what only this errand says.
func (e *errand) word(version int) string { return fmt.Sprintf("Domarord %dx%d", e.n, version) }

// answers are said where they are asked for.
func (e *errand) answers() map[string]string {
	notify := map[bool]string{true: "sms", false: "email"}[e.sms != ""]
	all := map[string]string{"mina.email": e.mail, "mina.phone": e.sms, "mina.notify": notify}
	more := map[string]string{"slag": "ljus", "plats": fmt.Sprintf("Storgatan %d", e.n), "beskrivning": e.word(3), "aterkoppling": "yes"}
	if e.service == "forskoleplats" {
		start := time.Now().AddDate(0, 3, e.n%20)
		more = map[string]string{
			"barn": "~" + e.child, "startdatum.day": start.Format("2"), "startdatum.month": start.Format("1"), "startdatum.year": start.Format("2006"),
			"forskolor.1": "eken", "omfattning": fmt.Sprint(20 + e.n%20), "sysselsattning": "studerar", "syskon": "no", "ovrigt": e.word(3),
		}
	}
	maps.Copy(all, more)
	if e.two.Number != "" {
		maps.Copy(all, map[string]string{"vh2_kontakt.email": e.mailOf(e.two), "vh2_kontakt.phone": e.mobileOf(e.two)})
	}
	return all
}

// text is the field that is typed slowly, and saved between.
func (e *errand) text() string {
	return map[string]string{"forskoleplats": "ovrigt", "felanmalan": "beskrivning"}[e.service]
}

// runs goes all the way.
func (e *errand) runs() error {
	e.now.happened("")
	at, err := e.r.begins(e.service)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	_, rest, _ := strings.Cut(at.url.Path, "/utkast/")
	e.draft, _, _ = strings.Cut(rest, "/")
	e.now.happened("begun")
	if err := e.fills(at); err != nil {
		return fmt.Errorf("fill in: %w", err)
	}
	if err := e.rereads(); err != nil {
		return fmt.Errorf("what was saved: %w", err)
	}
	watched := make(chan error, 1)
	go func() { watched <- e.watches() }()
	go e.hears()
	if err = e.sendsAndSigns(); err != nil {
		e.gone.Store(true)
		return errors.Join(err, <-watched)
	}
	if err = <-watched; err != nil {
		return fmt.Errorf("watched from outside: %w", err)
	}
	return nil
}

func (e *errand) at(below string) string { return e.home + "/utkast/" + e.draft + below }

// fills goes through the steps until the review.
func (e *errand) fills(at sight) error {
	var err error
	for range 40 {
		_, below, _ := strings.Cut(at.url.Path, e.draft)
		step, isStep := strings.CutPrefix(below, "/s/")
		switch {
		case at.status == http.StatusOK && below == "/granska":
			return nil
		case at.status != http.StatusOK || !isStep:
			return fmt.Errorf("no step: %s", at)
		}
		if at, err = e.step(at, step); err != nil {
			return err
		}
	}
	return fmt.Errorf("the steps have no end: %s", at)
}

// step answers one step: little by little where something is typed, then by the
// button.
func (e *errand) step(at sight, step string) (sight, error) {
	for version := 1; version <= 2; version++ {
		b, err := e.opened(at, step)
		if err != nil || !b.asks(e.text()) {
			break
		}
		b.values.Set(e.text(), e.word(version))
		if at, err = e.saves(b, step, "auto", ""); err != nil {
			return at, err
		}
	}
	b, err := e.opened(at, step)
	if err != nil {
		return at, err
	}
	for name, value := range e.answers() {
		if b.asks(name) {
			if err := b.set(name, value); err != nil {
				return at, err
			}
		}
	}
	for _, field := range []string{"studieintyg", "foton"} {
		if cascadia.Query(b.node, cascadia.MustCompile(`input[type=file][name="`+field+`"]`)) != nil && e.file.content == nil && !e.fileTried {
			b.file = &enclosure{field, fmt.Sprintf("intyg-%d.png", e.n), e.picture()}
		}
	}
	return e.saves(b, step, "next", fmt.Sprintf("intyg-%d.png", e.n))
}

// picture is one that no other errand has. It holds nothing but the picture: the
// portal keeps nothing else.
func (e *errand) picture() []byte {
	img := image.NewGray(image.Rect(0, 0, 9, 9))
	for i := range img.Pix {
		img.Pix[i] = byte(e.n >> (i % 16))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil
	}
	return b.Bytes()
}

// opened is the form of a step, which must hold what was confirmed.
func (e *errand) opened(at sight, step string) (*blank, error) {
	b, err := at.form("form.questions")
	if err != nil {
		return nil, err
	}
	for name, want := range e.confirmed[step] {
		got := b.said(name)
		if !b.asks(name) || got == want {
			continue
		}
		late := false
		for _, other := range e.tried[step][name] {
			late = late || other == got
		}
		if !late {
			return nil, fmt.Errorf("LOST: %s was confirmed as %q and is %q", name, want, got)
		}
	}
	if e.file.content != nil && e.file.field != "" && len(b.named(e.file.field)) > 0 && !strings.Contains(at.body, e.file.name) {
		return nil, fmt.Errorf("LOST: the file %s: %s", e.file.name, at)
	}
	e.fileTried = strings.Contains(at.body, fmt.Sprintf("intyg-%d.png", e.n))
	return b, nil
}

// saves sends a step by a button, and gives the page after it. What the server
// answers well is remembered; after what was cut off the person sends the same
// again, or looks at the page anew.
func (e *errand) saves(b *blank, step, button, file string) (sight, error) {
	note := func(name, value string) {
		if e.tried[step] == nil {
			e.tried[step] = map[string][]string{}
		}
		e.tried[step][name] = append(e.tried[step][name], value)
	}
	said := map[string]string{}
	for name := range b.values {
		if b.asks(name) {
			said[name] = b.said(name)
			note(name, said[name])
		}
	}
	for try := 0; ; try++ {
		at, err := b.once(e.r, button)
		good := at.first == http.StatusSeeOther || button == "auto" && at.first == http.StatusOK
		if button == "auto" && err == nil {
			var answer struct{ State string }
			if json.Unmarshal([]byte(at.body), &answer) != nil || answer.State != "saved" {
				return at, fmt.Errorf("autosave answers %d %q", at.status, answer.State)
			}
		}
		if good {
			if e.confirmed[step] == nil {
				e.confirmed[step] = map[string]string{}
			}
			maps.Copy(e.confirmed[step], said)
			delete(e.tried, step)
			if b.file != nil {
				e.file = *b.file
			}
			e.tells["saves that were confirmed"]++
			e.now.happened("saved")
			if button == "auto" || err != nil {
				if err != nil {
					e.tells["saves whose next page was cut off"]++
				}
				if button == "next" {
					return e.r.get(e.at(""))
				}
				return e.r.get(e.at("/s/" + step))
			}
			return at, nil
		}
		switch {
		case err == nil && at.status == http.StatusServiceUnavailable:
		case err == nil:
			return at, fmt.Errorf("saving %s by %s answers %d: %s", step, button, at.first, at)
		case !cutOff(err) || time.Now().After(e.r.deadline):
			return at, err
		}
		if try == 0 {
			e.tells["saves that were cut off"]++
		}
		if e.n%2 == 0 && b.file == nil && try < 1000 {
			time.Sleep(10 * time.Millisecond)
			continue // the same once more, as a browser offers to
		}
		return e.r.get(e.at("/s/" + step))
	}
}

// rereads looks at every step again: all that was confirmed is there.
func (e *errand) rereads() error {
	for step := range e.confirmed {
		at, err := e.r.get(e.at("/s/" + step))
		if err != nil {
			return err
		}
		if !strings.HasSuffix(at.url.Path, "/s/"+step) {
			return fmt.Errorf("the step %s: %s", step, at)
		}
		if _, err := e.opened(at, step); err != nil {
			return err
		}
	}
	at, err := e.r.get(e.at("/granska"))
	if err == nil && !strings.Contains(at.words("main"), e.word(3)) {
		err = fmt.Errorf("LOST: the review does not say %q: %s", e.word(3), at)
	}
	return err
}

var orderInPath = regexp.MustCompile(`/o/([A-Za-z0-9_-]+)/1$`)

// sendsAndSigns presses the button and goes on until everybody has signed.
func (e *errand) sendsAndSigns() error {
	sign, err := e.sends()
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if sign == "" { // no signature is asked for
		e.now.happened("signed last")
		return nil
	}
	u, err := url.Parse(sign)
	if err != nil {
		return err
	}
	m := orderInPath.FindStringSubmatch(u.Path)
	if m == nil {
		return fmt.Errorf("no place to sign: %s", u.Path)
	}
	e.order = m[1]
	e.now.happened("sent")
	approved := 0
	signs := func(g *guest, address string) error {
		s := stubborn{g: g, turn: e.turns[g.who.Number], pace: e.pace, deadline: e.r.deadline, why: e.tells, approved: func() {
			approved++
			e.now.happened(fmt.Sprintf("approved %d", approved))
		}}
		err := s.signs(address)
		e.tells["signatures made again"] += max(0, s.approvals-1)
		return err
	}
	e.oneSigns.Store(true)
	if e.two.Number == "" {
		e.lastSigns.Store(true)
	}
	if err := signs(e.r.g, sign); err != nil {
		return fmt.Errorf("the applicant signs: %w", err)
	}
	if e.two.Number != "" {
		link, err := e.linkOf(e.two, e.order, 1, e.r.deadline)
		if err != nil {
			return err
		}
		e.lastSigns.Store(true)
		if err := signs(e.guest(e.two), link); err != nil {
			return fmt.Errorf("the other guardian signs: %w", err)
		}
	}
	e.allSigned.Store(true)
	e.now.happened("signed last")
	return nil
}

// sends presses the button until it is known where to sign; empty: it has arrived
// without a signature. Whoever was cut off presses again, or comes back and
// looks, in turn.
func (e *errand) sends() (string, error) {
	review, err := e.r.get(e.at("/granska"))
	if err != nil {
		return "", err
	}
	b, err := review.form(`form[action$="/skicka"]`)
	if err != nil {
		return "", err
	}
	e.now.happened("sending")
	if e.one == "" {
		e.oneSigns.Store(true)
		e.lastSigns.Store(true)
		e.allSigned.Store(true)
	}
	at, err := b.once(e.r, "")
	if err == nil || at.first != 0 {
		e.now.happened("answered")
	}
	cut, alone := false, time.Time{}
	for time.Now().Before(e.r.deadline) {
		switch {
		case err != nil && !cutOff(err):
			return "", err
		case err != nil || at.status == http.StatusServiceUnavailable:
			if !cut {
				e.tells["sending that was cut off"]++
			}
			cut = true
			time.Sleep(10 * time.Millisecond)
			if e.n%2 == 0 || e.one == "" {
				at, err = b.once(e.r, "")
			} else {
				at, err = e.r.ask(http.MethodGet, e.at(""), nil, "")
			}
			continue
		}
		switch last := path.Base(at.url.Path); {
		case at.status != http.StatusOK:
			return "", fmt.Errorf("after the button: %s", at)
		case strings.HasPrefix(at.url.String(), e.issuer+"/signing/"):
			if !alone.IsZero() {
				e.tells["drafts on their way taken up again by the owner"]++
			}
			return at.url.String(), nil
		case last == "inskickat" || strings.Contains(at.url.Path, "/arende/"):
			return "", nil
		case last == "granska":
			e.tells["the button pressed anew, nothing was sent"]++
			if b, err = at.form(`form[action$="/skicka"]`); err != nil {
				return "", err
			}
			at, err = b.once(e.r, "")
		case last == "vantar" && at.words("h1") == "Det är inte inskickat":
			if alone.IsZero() {
				alone = time.Now()
				e.tells["drafts left on their way"]++
			}
			if time.Since(alone) < time.Second {
				time.Sleep(50 * time.Millisecond)
				at, err = e.r.ask(http.MethodGet, e.at("/vantar"), nil, "")
				continue
			}
			again, errForm := at.form("main .acts form")
			if errForm != nil {
				return "", errForm
			}
			at, err = again.once(e.r, "")
		case last == "vantar":
			sign := at.linkTo("Skriv under", "Signera")
			if sign == "" {
				return "", fmt.Errorf("nothing to sign: %s", at)
			}
			if !alone.IsZero() {
				e.tells["drafts on their way taken up again by themselves"]++
			}
			return sign, nil
		default:
			return "", fmt.Errorf("after the button: %s", at)
		}
	}
	return "", errors.Join(errors.New("not sent in time"), err)
}

// watches looks at the applicant's pages from the button to the arrival, and holds
// them against how far people have come.
func (e *errand) watches() error {
	eye := *e.r // its own counts: nothing is shared with the one who signs
	eye.why = e.seen
	mina := false
	deadline := eye.deadline
	for time.Now().Before(deadline) && !e.gone.Load() {
		all := e.allSigned.Load()
		came := e.arrived.Load()
		if mina = !mina && e.one != ""; mina {
			at, err := eye.ask(http.MethodGet, e.home+"/mina-sidor", nil, "")
			if err == nil && at.status == http.StatusOK {
				err = e.onMina(at, came)
			}
			if err != nil && !cutOff(err) {
				return err
			}
		} else {
			address := e.at("/vantar")
			if e.one == "" { // who has no page to wait on
				address = e.home + "/arende/" + e.draft + "/inskickat"
			}
			at, err := eye.ask(http.MethodGet, address, nil, "")
			if nobody := e.one == "" && !came && at.words("h1") == "Logga in"; err == nil && at.status != http.StatusServiceUnavailable && !nobody {
				err = e.onWaiting(at, all, came)
			}
			if err != nil && !cutOff(err) {
				return err
			}
			if e.arrived.Load() && came {
				return nil
			}
		}
		time.Sleep(cmp.Or(e.pace, 40*time.Millisecond))
	}
	return errors.New("it does not arrive in time")
}

// hears says when the applicant is told something: the portal may not yet know
// that it was.
func (e *errand) hears() {
	for kind, holds := range map[string]string{"waiting": "/utkast/" + e.draft + "/vantar", "arrived": "/arende/" + e.draft} {
		go func() {
			for !e.gone.Load() && !e.over.Load() {
				for _, m := range e.idp.Messages(e.mail + e.sms) { // one of them
					if strings.Contains(m.Text, holds) || e.one == "" && kind == "arrived" && m.To == e.mail {
						e.now.happened("told " + kind)
						return
					}
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
	}
}

// onWaiting judges the page of what is waited for.
func (e *errand) onWaiting(at sight, all, came bool) error {
	heading := at.words("h1")
	last := path.Base(at.url.Path)
	wrong := func(what string) error { return fmt.Errorf("%s: %s", what, at) }
	switch {
	case at.status != http.StatusOK:
		return wrong("no page")
	case last == "inskickat" && heading != "Ditt ärende är nu inskickat":
		return wrong("arrived, with another heading")
	case last == "inskickat" && !e.lastSigns.Load():
		return wrong("SHOWN AS SENT before everybody has signed")
	case last == "inskickat":
		if !e.arrived.Swap(true) {
			e.now.happened("arrived")
		}
		return nil
	case came:
		return wrong("WAITS AGAIN after it was shown as arrived")
	case last != "vantar":
		return nil // still open: the button was not pressed, or what it did was lost
	}
	e.seen["pages that said: "+heading]++
	switch heading {
	case "Väntar på flerpartssignering":
		if !e.oneSigns.Load() || e.two.Number == "" || all {
			return wrong("SHOWN AS WAITING for others")
		}
		if strings.Contains(at.body, "Tillfälligt") {
			e.seen["pages that said how it was when last heard of"]++
		}
	case "Alla har skrivit under":
		if !e.lastSigns.Load() {
			return wrong("SHOWN AS SIGNED by all")
		}
	case "Väntar på din underskrift":
		if all {
			return wrong("the applicant has signed")
		}
	case "Det är inte inskickat":
		if all {
			return wrong("an order that was signed is not known")
		}
	default:
		return wrong("an unknown heading")
	}
	return nil
}

// onMina judges the list of Mina sidor.
func (e *errand) onMina(at sight, came bool) error {
	drafts := strings.Count(at.body, `/utkast/`+e.draft+`/vantar"`)
	cases := strings.Count(at.body, `/arende/`+e.draft+`"`)
	wrong := func(what string) error {
		return fmt.Errorf("Mina sidor: %s: %d drafts, %d cases: %s", what, drafts, cases, at)
	}
	switch {
	case drafts > 1 || cases > 1 || drafts+cases > 1:
		return wrong("there more than once")
	case cases == 1 && !e.lastSigns.Load():
		return wrong("SHOWN AS SENT before everybody has signed")
	case came && cases == 0:
		return wrong("has arrived and is not there")
	}
	if drafts == 1 {
		for _, row := range cascadia.QueryAll(at.doc, cascadia.MustCompile("ul.rows > li")) {
			if cascadia.Query(row, cascadia.MustCompile(`a[href$="/utkast/`+e.draft+`/vantar"]`)) == nil {
				continue
			}
			tag := cascadia.Query(row, cascadia.MustCompile(".tag"))
			if tag == nil {
				return wrong("no state")
			}
			state := wordsOf(tag)
			e.seen["rows that said: "+state]++
			if state == "Väntar på flerpartssignering" && (!e.oneSigns.Load() || e.two.Number == "") {
				return wrong("SHOWN AS WAITING for others")
			}
		}
	}
	return nil
}
