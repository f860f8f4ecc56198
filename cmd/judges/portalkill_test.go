package judges

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/signing/verify"
)

// blows are when the portal is killed: in which way, after what, and how much
// later at most.
func blows(life time.Duration) []blow {
	ms := time.Millisecond
	return []blow{
		{"two guardians", "approved 2", 120 * ms}, {"anonymous", "sending", 25 * ms}, {"two guardians", "sending", 40 * ms}, {"two other guardians", "saved", 60 * ms},
		{"one guardian", "approved 1", 120 * ms}, {"two guardians", "told waiting", 4 * ms}, {"two guardians", "signed last", 150 * ms}, {"one guardian", "told arrived", 4 * ms},
		{"two other guardians", "arrived", 150 * ms}, {"two guardians", "", life},
		{"two other guardians", "approved 1", 120 * ms}, {"one guardian", "answered", 60 * ms}, {"one guardian", "signed last", 150 * ms}, {"anonymous", "told arrived", 4 * ms},
		{"two other guardians", "sending", 120 * ms}, {"anonymous", "arrived", 120 * ms}, {"two other guardians", "told arrived", 4 * ms},
	}
}

type blow struct {
	way    string
	after  string // "": the beginning
	within time.Duration
}

func (b blow) column() string {
	if b.after == "" {
		return "at any time"
	}
	return "after " + b.after
}

// TestKillPortal kills the portal, with the broker and the signing room that run
// in the same process, with SIGKILL at random moments while citizens save, send
// and sign, and starts it again (invariants I6 and I7). No answer that was
// confirmed is lost, each application arrives once, at the time of its last
// signature, each notice comes by one name.
func TestKillPortal(t *testing.T) {
	judged(t)
	x := newTown(t, "portalkill")
	rounds := soaking(10, 100)
	browsers := map[string]*resident{}
	for _, w := range ways() {
		who := person{}
		if w.one != "" {
			who = x.named(w.one)
		}
		browsers[w.name] = x.resident(who)
	}
	var all []*errand
	rows := map[string]map[string]int{}
	tally := func(row, column string, n int) {
		if rows[row] == nil {
			rows[row] = map[string]int{}
		}
		rows[row][column] += n
	}
	// round runs one errand of each way at the same time, and kills once.
	round := func(i int, b *blow) {
		now := map[string]*errand{}
		for j, w := range ways() {
			now[w.name] = x.errand(i*len(ways())+j, w, browsers[w.name])
		}
		if b != nil && strings.HasPrefix(b.after, "told") {
			// Messages come, and the portal does not hear that they did: when it is there
			// again it sends them once more.
			x.idp.Fault("mail", "drop")
			x.idp.Fault("sms", "drop")
		}
		restarted := make(chan struct{})
		go func() {
			defer close(restarted)
			if b == nil {
				return
			}
			<-now[b.way].now.of(b.after)
			time.Sleep(time.Duration(mathrand.Int64N(int64(b.within))))
			x.broker.kill()
			x.idp.ClearFaults()
			x.serve(x.log)
		}()
		var wait sync.WaitGroup
		var mu sync.Mutex
		for _, e := range now {
			wait.Go(func() {
				err := e.runs()
				if b != nil && b.way == e.name {
					select {
					case <-e.now.of(b.after):
					case <-time.After(map[bool]time.Duration{true: 5 * time.Second}[err == nil]):
						e.now.happened(b.after) // so that the killer does not wait for ever
					}
				}
				if err != nil {
					t.Errorf("round %d, %s, killed %v: %v", i, e.name, b, err)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, e)
				if b == nil {
					return
				}
				tally(b.column(), "applications", 1)
				if err == nil {
					tally(b.column(), "arrived", 1)
				}
				tally(b.column(), "cut saves", e.tells["saves that were cut off"])
				tally(b.column(), "cut sending", e.tells["sending that was cut off"])
				tally(b.column(), "signed again", e.tells["signatures made again"])
			})
		}
		wait.Wait()
		<-restarted
		for _, e := range now {
			e.over.Store(true)
		}
	}
	round(0, nil) // warm
	if t.Failed() {
		t.FailNow()
	}
	began := time.Now()
	round(1, nil)
	life := time.Since(began)
	all2 := blows(life)
	for i := range rounds {
		b := all2[i%len(all2)]
		round(i+2, &b)
	}

	// Once more from the beginning: what was given out is what there is.
	x.broker.kill()
	x.serve(x.log)
	repeats := map[string]int{}
	x.inventory(all)
	for _, e := range all {
		if e.draft == "" || !e.arrived.Load() {
			continue // said above
		}
		if err := e.held(); err != nil {
			t.Errorf("%s %d: %v", e.name, e.n, err)
		}
		if err := e.told(repeats); err != nil {
			t.Errorf("%s %d: %v", e.name, e.n, err)
		}
	}
	x.audited()
	// Whether a kill hits between a message and the note of it is chance: among a
	// hundred it does, among ten it may not.
	if len(repeats) == 0 && rounds >= 100 {
		t.Error("nothing was sent twice: the names of messages were not judged")
	}
	x.table(rounds, len(all), life, rows, all, repeats)
}

func (x *town) table(rounds, errands int, life time.Duration, rows map[string]map[string]int, all []*errand, repeats map[string]int) {
	table := tabwriter.NewWriter(x.t.Output(), 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "| kill -9, %d times, %d applications; killed\t| applications\t| arrived once\t| saves cut off\t| sending cut off\t| signed again\t|\n", rounds, errands)
	total := map[string]int{}
	for _, row := range append(slices.Sorted(maps.Keys(rows)), "all") {
		c := rows[row]
		if row == "all" {
			c = total
		}
		fmt.Fprintf(table, "| %s\t| %d\t| %d\t| %d\t| %d\t| %d\t|\n", row, c["applications"], c["arrived"], c["cut saves"], c["cut sending"], c["signed again"])
		if row != "all" {
			for k, n := range c {
				total[k] += n
			}
		}
	}
	sums := map[string]int{}
	for _, e := range all {
		for k, n := range e.tells {
			sums[k] += n
		}
		for k, n := range e.seen {
			sums[k] += n
		}
	}
	for k, n := range repeats {
		sums["sent more than once, by the same name: "+k] += n
	}
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(table, "| %s\t| %d\t|\n", k, sums[k])
	}
	fmt.Fprintf(table, "| four applications at once that nothing happens to\t| %s\t|\n", life.Round(10*time.Millisecond))
	table.Flush()
}

// inventory holds the officers' lists and the rows against what citizens did:
// each application is there once, with a number that no other has, and no number
// was lost.
func (x *town) inventory(all []*errand) {
	t := x.t
	t.Helper()
	there := map[string]listed{}
	numbers := map[string]bool{}
	for officer, title := range map[string]string{"ett": "Ansökan om förskoleplats", "tva": "Felanmälan gata och park"} {
		list, err := x.listOf(officer)
		if err != nil {
			t.Error(err)
		}
		for _, c := range list {
			if _, twice := there[c.id]; twice || numbers[c.number] || c.title != title {
				t.Errorf("%s %s is in the lists twice, or in another's", c.number, c.title)
			}
			there[c.id], numbers[c.number] = c, true
		}
	}
	known := map[string]bool{}
	for _, e := range all {
		known[e.draft] = true
		if _, ok := there[e.draft]; !ok {
			t.Errorf("%s %d is in no officer's list", e.name, e.n)
		}
	}
	for id, c := range there {
		if !known[id] {
			t.Errorf("%s is in the list and nobody sent it", c.number)
		}
	}
	prefix := "" // of the municipality and the year
	for number := range numbers {
		prefix = number[:strings.LastIndex(number, "-")+1]
	}
	for n := 1; n <= len(there); n++ {
		if number := fmt.Sprintf("%s%06d", prefix, n); !numbers[number] {
			t.Errorf("there is no case %s among %d: %v", number, len(there), slices.Sorted(maps.Keys(numbers)))
			break
		}
	}
	if n := x.count("SELECT count(*) FROM drafts WHERE state <> 'open'"); n != 0 {
		t.Errorf("%d drafts are still locked", n)
	}
	if n := x.count("SELECT count(*) FROM cases"); n != len(there) {
		t.Errorf("%d cases, %d in the lists", n, len(there))
	}
}

// rows opens the portal's database to look.
func (x *town) rows() (*sql.DB, error) {
	if x.open != nil {
		return x.open()
	}
	return sql.Open("sqlite", "file:"+filepath.Join(x.dir, "data", "portal.db")+"?mode=ro&_pragma=busy_timeout(5000)")
}

func (x *town) count(query string) int {
	x.t.Helper()
	db, err := x.rows()
	if err != nil {
		x.t.Fatal(err)
	}
	defer db.Close()
	n := 0
	if err := db.QueryRow(query).Scan(&n); err != nil {
		x.t.Error(err)
	}
	return n
}

var caseFile = regexp.MustCompile(`href="([^"]*/arende/[A-Za-z0-9_-]{22}/fil/[A-Za-z0-9_-]{22})"`)

// held checks the case as the applicant sees it: every answer that was
// confirmed, the file, the sealed documents, and when it arrived.
func (e *errand) held() error {
	e.r.deadline = time.Now().Add(patience)
	page := e.home + "/arende/" + e.draft
	if e.one == "" {
		page += "/inskickat"
	}
	var at sight
	var err error
	for {
		if at, err = e.r.get(page); err != nil {
			return err
		}
		if at.status != http.StatusOK {
			return fmt.Errorf("the case: %s", at)
		}
		if at.linkTo("Hämta kvittensen", "Hämta kvittens") != "" {
			break
		}
		if time.Now().After(e.r.deadline) {
			return fmt.Errorf("no receipt: %s", at)
		}
		time.Sleep(50 * time.Millisecond)
	}
	var arrived int64
	var order string
	db, err := e.rows()
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.QueryRow(fmt.Sprintf("SELECT arrived, order_id FROM cases WHERE id = '%s'", e.draft)).Scan(&arrived, &order); err != nil {
		return err
	}
	if order != e.order {
		return errors.New("the case is of another order")
	}
	receipt, err := e.r.get(at.linkTo("Hämta kvittensen", "Hämta kvittens"))
	if err != nil {
		return err
	}
	if err := e.valid([]byte(receipt.body), 0); err != nil {
		return fmt.Errorf("the arrival receipt: %w", err)
	}
	if e.one == "" {
		return nil // nobody sees the rest; the officer's list was looked at
	}
	text := at.words("main")
	for _, want := range []string{e.word(3), e.child, e.answers()["omfattning"]} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("LOST: the case does not say %q: %s", want, at)
		}
	}
	signers := 1
	if e.two.Number != "" {
		signers = 2
	}
	signed, file := 0, e.file.content == nil
	for _, m := range caseFile.FindAllStringSubmatch(at.body, -1) {
		got, err := e.r.get(at.absolute(m[1]))
		if err != nil {
			return err
		}
		if got.body == string(e.file.content) {
			file = true
		}
		if !strings.HasPrefix(got.body, "%PDF-") {
			continue
		}
		r := e.verifier.Verify([]byte(got.body), e.premises.now())
		if r.Verdict != verify.Valid {
			return fmt.Errorf("a document of the case is %s %s", r.Verdict, r.Code)
		}
		if len(r.Signatures) == 0 {
			continue
		}
		signed++
		if len(r.Signatures) != signers || r.Order == nil || r.Order.ID != e.order {
			return fmt.Errorf("the signed document has %d signatures, or another order", len(r.Signatures))
		}
		if got := r.Order.CompletedAt.UnixMilli(); got != arrived {
			return fmt.Errorf("arrived at %d, and the last signature was complete at %d", arrived, got)
		}
	}
	if signed == 0 || !file {
		return fmt.Errorf("%d signed documents; the file is there: %t", signed, file)
	}
	return nil
}

// told checks what people were told: each thing by one name a channel, with one
// text, however often.
func (e *errand) told(repeats map[string]int) error {
	type tells struct{ kind, channel, to string }
	want := []tells{}
	must := func(kind, channel, to string) { want = append(want, tells{kind, channel, to}) }
	switch {
	case e.mail != "":
		must("arrived", "email", e.mail)
	default:
		must("arrived", "sms", e.sms)
	}
	if e.two.Number != "" {
		must("arrived", "email", e.mailOf(e.two))
	}
	deadline := time.Now().Add(patience)
	for {
		names := map[tells]map[string]string{}
		again := map[string]int{}
		for _, to := range []string{e.mail, e.sms, e.mailOfTwo(), e.mobileOfTwo()} {
			if to == "" {
				continue
			}
			for _, m := range e.idp.Messages(to) {
				kind := ""
				switch {
				case strings.Contains(m.Text, "/arende/"+e.draft) || e.one == "":
					kind = "arrived"
				case strings.Contains(m.Text, "/utkast/"+e.draft+"/vantar"):
					kind = "waiting"
				case strings.Contains(m.Text, e.draft):
					return fmt.Errorf("told of something else: %s", m.Subject)
				default:
					continue // another errand's, or the signing room's
				}
				k := tells{kind, m.Channel, to}
				if names[k] == nil {
					names[k] = map[string]string{}
				}
				switch first, known := names[k][m.Reference]; {
				case known && first != m.Text:
					return fmt.Errorf("%s says another thing the second time", kind)
				case known && !m.Repeat, !known && m.Repeat, m.Reference == "":
					return fmt.Errorf("%s by %s has a name that is none", kind, m.Channel)
				case known:
					again[kind+" by "+m.Channel]++
				}
				names[k][m.Reference] = m.Text
			}
		}
		for k, n := range names {
			if len(n) != 1 {
				return fmt.Errorf("told of %s by %s under %d names", k.kind, k.channel, len(n))
			}
		}
		missing := slices.DeleteFunc(slices.Clone(want), func(k tells) bool { return len(names[k]) == 1 })
		if len(missing) == 0 {
			for k, n := range again {
				repeats[k] += n
			}
			for k := range names {
				e.tells["told: "+k.kind+" by "+k.channel]++
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not told: %s by %s", missing[0].kind, missing[0].channel)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

func (e *errand) mailOfTwo() string {
	if e.two.Number == "" {
		return ""
	}
	return e.mailOf(e.two)
}

func (e *errand) mobileOfTwo() string {
	if e.two.Number == "" {
		return ""
	}
	return e.mobileOf(e.two)
}
