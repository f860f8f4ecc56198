package judges

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/signing/verify"
)

// A kept town is one whose data are moved: what must be there, wherever they are.
type keptTown struct {
	*town
	browsers map[string]*resident // from before anything was moved, by the way
	officer  *resident
	cases    []*errand
	open     []*errand // drafts
	halfway  []*errand // that wait for another's signature
	n        int
	rows     [][]string // of the table
}

// TestRestore takes a backup while people work, loses the machine, and restores
// into an empty folder; moves from there to PostgreSQL; dumps that, and restores
// into another server. Each time every draft, case and receipt is there for its
// owner, receipts and audit verify, nobody is let in by an old session, and work
// goes on.
func TestRestore(t *testing.T) {
	judged(t)
	if sqldbtest.Programs() == "" {
		lack(t, "no PostgreSQL")
	}
	x := &keptTown{town: newTown(t, "restore"), browsers: map[string]*resident{}}
	for _, w := range ways() {
		who := person{}
		if w.one != "" {
			who = x.named(w.one)
		}
		x.browsers[w.name] = x.resident(who)
	}
	for range soaking(1, 8) {
		x.works()
	}
	x.officerLogsIn()
	x.letsIn(true)
	x.readable("as it was", 0)

	// The backup is made while others are busy; then the machine is gone.
	folder := filepath.Join(t.TempDir(), "backup")
	busy := x.busy()
	busy.until(soaking(2, 20))
	began := time.Now()
	x.sigill("backup", folder)
	took := time.Since(began)
	busy.until(busy.done() + 1)
	x.broker.kill()
	busy.end()
	gone := x.dir
	x.dir = x.moved(gone)
	x.sigill("restore", folder)
	x.starts("restored from the backup", took)
	x.letsIn(false)
	x.audited()
	x.goesOn()

	// To PostgreSQL.
	x.newBrowsers()
	x.broker.stop(t)
	first, second := sqldbtest.Start(t), sqldbtest.Start(t)
	x.write("dsn", []byte(first.DSN(t)))
	text, err := os.ReadFile(filepath.Join(x.dir, "sigill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	x.write("lite.yaml", text)
	x.write("sigill.yaml", append(text, "store: {postgres: {dsn_file: dsn, prefix: judged_}}\n"...))
	began = time.Now()
	x.sigill("store", "copy", filepath.Join(x.dir, "sigill.yaml"), "--config", filepath.Join(x.dir, "lite.yaml"))
	took = time.Since(began)
	if err := os.RemoveAll(filepath.Join(x.dir, "data")); err != nil {
		t.Fatal(err)
	}
	x.starts("copied to PostgreSQL", took)
	x.letsIn(false)
	x.audited()
	x.goesOn()

	// The server is gone; its dump goes into another, by the words of the program.
	x.newBrowsers()
	dump := filepath.Join(t.TempDir(), "dump")
	busy = x.busy()
	busy.until(1)
	began = time.Now()
	x.shell(x.words("backup", folder), x.dsn(), dump)
	took = time.Since(began)
	busy.until(busy.done() + 1)
	x.broker.kill()
	busy.end()
	first.Kill()
	x.write("dsn", []byte(second.DSN(t)))
	x.shell(x.words("restore", folder), x.dsn(), dump)
	x.starts("dumped and restored", took)
	x.letsIn(false)
	x.audited()
	x.goesOn()

	table := tabwriter.NewWriter(t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| data\t| copied in\t| cases\t| files\t| receipts verified\t| open drafts\t| waiting drafts\t| read in\t|\n")
	for _, row := range x.rows {
		fmt.Fprintf(table, "| %s\t|\n", strings.Join(row, "\t| "))
	}
	table.Flush()
}

// errandOf begins one of a way.
func (x *keptTown) errandOf(w way, r *resident) *errand {
	x.n++
	return x.errand(x.n, w, r)
}

// works makes of each way a case, and drafts that are open and that wait.
func (x *keptTown) works() {
	x.t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, w := range ways() {
		r := x.browsers[w.name]
		arrives, saved, asked := x.errandOf(w, r), x.errandOf(w, r), x.errandOf(w, r)
		all.Go(func() {
			if err := arrives.runs(); err != nil {
				x.t.Errorf("%s: %v", w.name, err)
				return
			}
			arrives.over.Store(true)
			r.deadline = time.Now().Add(lifeLimit)
			if err := saved.saved(); err != nil {
				x.t.Errorf("%s, a draft: %v", w.name, err)
			}
			if w.two != "" {
				if err := asked.asks(); err != nil {
					x.t.Errorf("%s, a waiting draft: %v", w.name, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			x.cases, x.open = append(x.cases, arrives), append(x.open, saved)
			if w.two != "" {
				x.halfway = append(x.halfway, asked)
			}
		})
	}
	all.Wait()
	if x.t.Failed() {
		x.t.FailNow()
	}
}

// saved leaves a draft that is filled in.
func (e *errand) saved() error {
	at, err := e.r.begins(e.service)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(at.url.Path, "/utkast/")
	e.draft, _, _ = strings.Cut(rest, "/")
	return e.fills(at)
}

// asks leaves a draft that waits for the other guardian.
func (e *errand) asks() error {
	if err := e.saved(); err != nil {
		return err
	}
	sign, err := e.sends()
	if err != nil {
		return err
	}
	m := orderInPath.FindStringSubmatch(sign)
	if m == nil {
		return fmt.Errorf("no place to sign: %s", sign)
	}
	e.order = m[1]
	s := stubborn{g: e.r.g, deadline: e.r.deadline, why: e.tells, approved: func() {}}
	return s.signs(sign)
}

// busyTown are people who work while something is copied. What becomes of their
// errands is nobody's matter here, but that some arrive.
type busyTown struct {
	x       *keptTown
	workers sync.WaitGroup
	ended   atomic.Bool
	arrived atomic.Int64
	wait    chan struct{}
}

// over answers everything once they are to stop.
type over struct {
	*busyTown
	through http.RoundTripper
}

func (o over) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.ended.Load() {
		return &http.Response{StatusCode: http.StatusGone, Status: "410 Gone", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: r, Header: http.Header{}}, nil
	}
	return o.through.RoundTrip(r)
}

func (x *keptTown) busy() *busyTown {
	b := &busyTown{x: x, wait: make(chan struct{}, 1000)}
	x.browser = over{b, http.DefaultTransport}
	for i, w := range ways() {
		who := person{}
		if w.one != "" {
			who = x.named(w.one)
		}
		first := x.n + 1 + i*1000
		b.workers.Go(func() {
			for n := first; !b.ended.Load(); n++ {
				e := x.errand(n, w, x.resident(who))
				e.r.deadline = time.Now().Add(10 * time.Second) // they wait for what never comes when all is gone
				if e.runs() == nil {
					b.arrived.Add(1)
					b.wait <- struct{}{}
				}
				e.over.Store(true)
			}
		})
	}
	x.n += len(ways()) * 1000
	return b
}

func (b *busyTown) done() int { return int(b.arrived.Load()) }

// until waits until so many cases have arrived.
func (b *busyTown) until(n int) {
	for b.done() < n {
		select {
		case <-b.wait:
		case <-time.After(patience):
			b.x.t.Fatalf("%d cases arrived, not %d", b.done(), n)
		}
	}
}

// end is also for those whose server is gone.
func (b *busyTown) end() {
	b.ended.Store(true)
	b.workers.Wait()
	b.x.browser = nil
}

// sigill runs a command of the production program.
func (x *keptTown) sigill(args ...string) {
	x.t.Helper()
	if text, err := x.command(args...); err != nil {
		x.t.Fatalf("sigill %s: %v\n%s", strings.Join(args, " "), err, text)
	}
}

func (x *keptTown) command(args ...string) (string, error) {
	if !strings.Contains(strings.Join(args, " "), "--config") {
		args = append(args, "--config", filepath.Join(x.dir, "sigill.yaml"))
	}
	text, err := exec.Command(x.processes, args...).CombinedOutput()
	return string(text), err
}

// moved gives an empty machine: all that is kept apart from the data.
func (x *keptTown) moved(from string) string {
	x.t.Helper()
	to := x.t.TempDir()
	for _, args := range [][]string{{"cp", "-a", from + "/.", to}, {"rm", "-r", filepath.Join(to, "data"), filepath.Join(from, "data")}} {
		if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			x.t.Fatalf("%v: %v\n%s", args, err, text)
		}
	}
	return to
}

func (x *keptTown) starts(what string, took time.Duration) {
	x.t.Helper()
	x.serve(x.log)
	x.readable(what, took)
}

func (x *keptTown) dsn() string {
	x.t.Helper()
	text, err := os.ReadFile(filepath.Join(x.dir, "dsn"))
	if err != nil {
		x.t.Fatal(err)
	}
	return string(text)
}

// words is the command of PostgreSQL's that the program tells people to use.
func (x *keptTown) words(args ...string) string {
	x.t.Helper()
	text, err := x.command(args...)
	if err == nil {
		x.t.Fatalf("it does %v on PostgreSQL:\n%s", args, text)
	}
	m := regexp.MustCompile(`(?s)\n  (pg_\w+ .*?)\n\n`).FindStringSubmatch(text)
	if m == nil {
		x.t.Fatalf("no command among:\n%s", text)
	}
	return m[1]
}

func (x *keptTown) shell(words, dsn, file string) {
	x.t.Helper()
	words = strings.NewReplacer("DATABASE", "'"+dsn+"'", "FILE", file).Replace(words)
	c := exec.Command("sh", "-c", words)
	c.Env = append(os.Environ(), "PATH="+sqldbtest.Programs()+":"+os.Getenv("PATH"))
	if text, err := c.CombinedOutput(); err != nil {
		x.t.Fatalf("%s: %v\n%s", words, err, text)
	}
}

// newBrowsers are logged in now.
func (x *keptTown) newBrowsers() {
	x.t.Helper()
	for name, old := range x.browsers {
		if old.g.who.Number == "" {
			continue // nobody knows who this is but the browser
		}
		x.browsers[name] = x.logged(old.g.who)
	}
	x.officerLogsIn()
	x.letsIn(true)
}

func (x *keptTown) officerLogsIn() {
	x.t.Helper()
	x.officer = x.resident(person{})
	if err := x.idp.Officer("ett"); err != nil {
		x.t.Fatal(err)
	}
	defer x.idp.Officer("")
	at, err := x.officer.get(x.home + "/handlaggare/")
	if err != nil {
		x.t.Fatal(err)
	}
	form, err := at.form(officersLogin)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := form.press(x.officer, ""); err != nil {
		x.t.Fatal(err)
	}
}

const officersLogin = `main form[action$="/handlaggare/logga-in"]`

// letsIn checks that the browsers that were logged in still are, or not.
func (x *keptTown) letsIn(still bool) {
	x.t.Helper()
	for name, r := range x.browsers {
		if r.g.who.Number == "" {
			continue
		}
		r.deadline = time.Now().Add(lifeLimit)
		at, err := r.get(x.home + "/mina-sidor")
		if err != nil {
			x.t.Fatal(err)
		}
		if in := at.find(`form[action$="/logga-in"]`) == nil && at.words("h1") != "Logga in" && !strings.HasPrefix(at.url.String(), x.issuer); in != still {
			x.t.Errorf("%s is let in: %t: %s", name, in, at)
		}
	}
	at, err := x.officer.get(x.home + "/handlaggare/")
	if err != nil {
		x.t.Fatal(err)
	}
	if in := at.find(officersLogin) == nil; in != still {
		x.t.Errorf("the officer is let in: %t: %s", in, at)
	}
}

// logged is a new browser of a person, logged in.
func (x *keptTown) logged(who person) *resident {
	x.t.Helper()
	r := x.resident(who)
	at, err := r.get(x.home + "/mina-sidor")
	if err != nil {
		x.t.Fatal(err)
	}
	form, err := at.form(`form[action$="/logga-in"]`)
	if err != nil {
		x.t.Fatal(err)
	}
	if at, err = form.press(r, ""); err != nil {
		x.t.Fatal(err)
	}
	if at, err = r.provesTo(at); err != nil || !strings.HasSuffix(at.url.Path, "/mina-sidor") {
		x.t.Fatalf("not logged in: %v %s", err, at)
	}
	return r
}

// readable looks at everything as its owner.
func (x *keptTown) readable(what string, took time.Duration) {
	x.t.Helper()
	began := time.Now()
	owners := map[string]*resident{}
	for name, r := range x.browsers {
		if owners[name] = r; r.g.who.Number != "" {
			owners[name] = x.logged(r.g.who)
		} else {
			r.deadline = time.Now().Add(lifeLimit)
		}
	}
	files, receipts := 0, 0
	for _, e := range x.cases {
		f, v, err := e.whole(owners[e.name])
		if err != nil {
			x.t.Errorf("%s: the case of %s: %v", what, e.name, err)
		}
		files, receipts = files+f, receipts+v
	}
	for _, e := range x.open {
		e.r = owners[e.name]
		if err := e.rereads(); err != nil {
			x.t.Errorf("%s: the draft of %s: %v", what, e.name, err)
		}
	}
	for _, e := range x.halfway {
		at, err := owners[e.name].get(e.at("/vantar"))
		if err != nil || at.words("h1") != "Väntar på flerpartssignering" {
			x.t.Errorf("%s: the waiting draft of %s: %v %s", what, e.name, err, at)
		}
	}
	x.listed(what)
	x.rows = append(x.rows, []string{what, took.Round(10 * time.Millisecond).String(), fmt.Sprint(len(x.cases)), fmt.Sprint(files), fmt.Sprint(receipts),
		fmt.Sprint(len(x.open)), fmt.Sprint(len(x.halfway)), time.Since(began).Round(10 * time.Millisecond).String()})
}

// listed holds the officers' lists against the cases. There may be more: of those
// who were busy.
func (x *keptTown) listed(what string) {
	x.t.Helper()
	there := map[string]bool{}
	for _, officer := range []string{"ett", "tva"} {
		list, err := x.listOf(officer)
		if err != nil {
			x.t.Error(err)
		}
		for _, c := range list {
			there[c.id] = true
		}
	}
	for _, e := range x.cases {
		if !there[e.draft] {
			x.t.Errorf("%s: the case of %s is in no officer's list", what, e.name)
		}
	}
}

// whole reads a case with all its files, and has a stranger verify every receipt
// among them.
func (e *errand) whole(r *resident) (files, receipts int, err error) {
	page := e.home + "/arende/" + e.draft
	if e.one == "" {
		page += "/inskickat"
	}
	var at sight
	for { // the arrival receipt is made a moment after the arrival
		if at, err = r.get(page); err != nil {
			return 0, 0, err
		}
		if at.status != http.StatusOK {
			return 0, 0, fmt.Errorf("no page: %s", at)
		}
		if at.linkTo("Hämta kvittens") != "" {
			break
		}
		if time.Now().After(r.deadline) {
			return 0, 0, fmt.Errorf("no receipt: %s", at)
		}
		time.Sleep(50 * time.Millisecond)
	}
	signers := map[bool]int{true: 2, false: 1}[e.two.Number != ""]
	own := e.file.content == nil || e.one == "" // nobody gives it back to somebody unknown
	signed := e.one == ""
	links := map[string]bool{at.linkTo("Hämta kvittens"): true}
	for _, m := range caseFile.FindAllStringSubmatch(at.body, -1) {
		links[at.absolute(m[1])] = true
	}
	for link := range links {
		got, err := r.get(link)
		if err != nil {
			return files, receipts, err
		}
		if got.status != http.StatusOK {
			return files, receipts, fmt.Errorf("a file: %d", got.status)
		}
		files++
		own = own || bytes.Equal([]byte(got.body), e.file.content)
		if !strings.HasPrefix(got.body, "%PDF-") {
			continue
		}
		n, err := e.stranger([]byte(got.body))
		if err != nil {
			return files, receipts, err
		}
		receipts++
		signed = signed || n == signers
	}
	if e.one != "" && !strings.Contains(at.words("main"), e.word(3)) {
		return files, receipts, fmt.Errorf("LOST: the case does not say %q: %s", e.word(3), at)
	}
	if !own || !signed || receipts == 0 {
		return files, receipts, fmt.Errorf("LOST: the attached file is there: %t; what %d signed: %t; %d receipts", own, signers, signed, receipts)
	}
	return files, receipts, nil
}

// stranger verifies a receipt with the program, and tells how many signatures are
// in it.
func (e *errand) stranger(file []byte) (int, error) {
	name := filepath.Join(e.t.TempDir(), "kvittens.pdf")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		return 0, err
	}
	if text, err := exec.Command(e.processes, "verify", name, "--trust", filepath.Join(e.dir, "trust.yaml")).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("sigill verify: %w\n%s", err, anyNumber.ReplaceAll(text, []byte("…")))
	}
	r := e.verifier.Verify(file, e.premises.now())
	if r.Verdict != verify.Valid {
		return 0, fmt.Errorf("a receipt is %s %s", r.Verdict, r.Code)
	}
	return len(r.Signatures), nil
}

// goesOn: the other guardian of a waiting draft signs, and it arrives; a new
// application is begun and arrives.
func (x *keptTown) goesOn() {
	x.t.Helper()
	w := ways()[2] // one guardian
	e := x.errandOf(w, x.logged(x.named(w.one)))
	if err := e.runs(); err != nil {
		x.t.Errorf("a new application: %v", err)
	}
	e.over.Store(true)
	x.cases = append(x.cases, e)
	if len(x.halfway) < 2 {
		return // one is for the next move
	}
	e, x.halfway = x.halfway[0], x.halfway[1:]
	link, err := e.linkOf(e.two, e.order, 1, time.Now().Add(patience))
	if err != nil {
		x.t.Fatal(err)
	}
	s := stubborn{g: e.guest(e.two), deadline: time.Now().Add(lifeLimit), why: e.tells, approved: func() {}}
	if err := s.signs(link); err != nil {
		x.t.Fatalf("the other guardian signs: %v", err)
	}
	r := x.logged(e.r.g.who)
	for {
		at, err := r.get(e.at("/vantar"))
		if err != nil {
			x.t.Fatal(err)
		}
		if at.words("h1") == "Ditt ärende är nu inskickat" {
			break
		}
		if time.Now().After(r.deadline) {
			x.t.Fatalf("it does not arrive: %s", at)
		}
		time.Sleep(50 * time.Millisecond)
	}
	x.cases = append(x.cases, e)
}
