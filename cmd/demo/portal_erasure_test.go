package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sigill/broker/kit/config"
	"sigill/cmd/node"
)

// A reader is whoever has the data folder, its log files and the master key: it
// opens everything that any key opens which lies there, whatever it is bound to,
// and looks for words in it.
type reader struct {
	words map[string][]byte // by a name that may be printed
	boxes map[string][]byte // of one database: the keys of boxes, by their name
	loose [][]byte          // and the keys that lie with what they seal
	sight map[string]bool   // where words were found: "portal.db case_messages.body: a message"
	cells map[string][][]byte
}

// found is what a reader has found.
type found struct {
	sight map[string]bool
	cells map[string][][]byte // by where: "portal.db cases.body"
}

// but is what was found elsewhere than at some places.
func (f found) but(places ...string) found {
	out := found{sight: maps.Clone(f.sight), cells: maps.Clone(f.cells)}
	for _, p := range places {
		maps.DeleteFunc(out.sight, func(at string, _ bool) bool { return strings.HasPrefix(at, p) })
		maps.DeleteFunc(out.cells, func(at string, _ [][]byte) bool { return strings.HasPrefix(at, p) })
	}
	return out
}

// of reports whether a word was found in a database.
func (f found) of(db, word string) bool {
	for at := range f.sight {
		if strings.HasPrefix(at, db+" ") && strings.HasSuffix(at, ": "+word) {
			return true
		}
	}
	return false
}

func (f found) list() string { return strings.Join(slices.Sorted(maps.Keys(f.sight)), "\n") }

// reads looks into every table of every database, with every key.
func reads(t testing.TB, data string, words map[string][]byte) found {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "data", "*.db"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d databases: %v", len(files), err)
	}
	all := found{sight: map[string]bool{}, cells: map[string][][]byte{}}
	master := masterKey(t, data)
	for _, file := range files {
		r := &reader{words: words, boxes: map[string][]byte{}, sight: all.sight, cells: all.cells}
		if filepath.Base(file) == "short.db" {
			// Its box lies in the broker's own database.
			r.opens(t, master, filepath.Join(data, "data", "broker.db"))
			r.loose = nil
		}
		r.opens(t, master, file)
		for range 2 { // the second time with the keys that lay in what was opened
			r.tables(t, file)
		}
	}
	return all
}

func masterKey(t testing.TB, data string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err == nil {
		key, err = hkdf.Key(sha256.New, key, nil, "sigill master wrap 1", 32)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func lookInto(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// opens takes the keys of a database.
func (r *reader) opens(t testing.TB, master []byte, file string) {
	t.Helper()
	db := lookInto(t, file)
	defer db.Close()
	rows, err := db.Query("SELECT id, wrapped FROM keys WHERE kind = 'box' AND wrapped IS NOT NULL")
	if err != nil {
		if strings.Contains(err.Error(), "no such table") {
			return
		}
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var wrapped []byte
		if err := rows.Scan(&id, &wrapped); err != nil {
			t.Fatal(err)
		}
		r.boxes[id] = unsealed(master, wrapped[:12], wrapped[12:])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// unsealed is what AES-256-GCM has sealed, without asking what it is bound to:
// nobody who wants to read checks that.
func unsealed(key, nonce, sealed []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(sealed) < 16 {
		return nil
	}
	plain := make([]byte, len(sealed)-16)
	cipher.NewCTR(block, append(slices.Clone(nonce), 0, 0, 0, 2)).XORKeyStream(plain, sealed[:len(plain)])
	return plain
}

func (r *reader) tables(t testing.TB, file string) {
	t.Helper()
	db := lookInto(t, file)
	defer db.Close()
	names, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'keys'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	names.Close()
	for _, table := range tables {
		rows, err := db.Query(`SELECT * FROM "` + table + `"`)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				var cell []byte
				switch v := v.(type) {
				case []byte:
					cell = v
				case string:
					cell = []byte(v)
				default:
					continue
				}
				if at := filepath.Base(file) + " " + table + "." + columns[i]; r.in(at, cell, 0) {
					r.cells[at] = append(r.cells[at], cell)
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}

// in looks for words in some bytes and in whatever lies in them, and reports
// whether there was one.
func (r *reader) in(at string, b []byte, depth int) bool {
	hit := false
	for name, word := range r.words {
		if bytes.Contains(b, word) {
			hit = true
			r.sight[at+": "+name] = true
		}
	}
	if depth > 6 || len(b) == 0 {
		return hit
	}
	inner := func(b []byte) { hit = r.in(at, b, depth+1) || hit }
	switch {
	case b[0] == 1 && len(b) >= 37:
		if key := r.boxes[hex.EncodeToString(b[1:9])]; key != nil {
			plain := unsealed(key, b[9:21], b[21:])
			if len(plain) == 32 && !slices.ContainsFunc(r.loose, func(k []byte) bool { return bytes.Equal(k, plain) }) {
				r.loose = append(r.loose, plain)
			}
			inner(plain)
		}
	case b[0] == 2 && len(b) >= 29:
		for _, key := range r.loose {
			// With another's key it is noise.
			if plain := unsealed(key, b[1:13], b[13:]); utf8.Valid(plain) || bytes.Contains(plain, []byte("%PDF-")) || len(plain) == 32 || bytes.HasPrefix(plain, []byte("\x89PNG")) {
				inner(plain)
			}
		}
	case b[0] == '{' || b[0] == '[' || b[0] == '"':
		var v any
		if json.Unmarshal(b, &v) == nil {
			strs(v, func(s string) {
				if len(s) < 16 {
					return
				}
				if plain, err := base64.StdEncoding.DecodeString(s); err == nil {
					inner(plain)
				}
			})
		}
	case bytes.Contains(b, []byte("%PDF-")):
		for _, piece := range bytes.Split(b, []byte("stream\n")) {
			z, err := zlib.NewReader(bytes.NewReader(piece))
			if err != nil {
				continue
			}
			plain, _ := io.ReadAll(io.LimitReader(z, 8<<20)) // as far as it goes
			inner(plain)
		}
	}
	return hit
}

func strs(v any, do func(string)) {
	switch v := v.(type) {
	case string:
		do(v)
	case []any:
		for _, x := range v {
			strs(x, do)
		}
	case map[string]any:
		for _, x := range v {
			strs(x, do)
		}
	}
}

// lying gives the files below a folder in which a piece of bytes lies as it is.
func lying(t testing.TB, data string, pieces map[string][]byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for name, piece := range pieces {
			if bytes.Contains(text, piece) {
				files = append(files, filepath.Base(path)+": "+name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// middles are pieces of the sealed cells of some databases, to look for in files:
// none is as long as a page.
func (f found) middles(databases ...string) map[string][]byte {
	out := map[string][]byte{}
	for at, cells := range f.cells {
		if db, _, _ := strings.Cut(at, " "); !slices.Contains(databases, db) {
			continue
		}
		for i, c := range cells {
			out[fmt.Sprintf("%s %d, its beginning", at, i)] = c[:min(48, len(c))]
			if len(c) > 4000 {
				out[fmt.Sprintf("%s %d, its middle", at, i)] = c[len(c)/2 : len(c)/2+64]
				out[fmt.Sprintf("%s %d, its end", at, i)] = c[len(c)-64:]
			}
		}
	}
	return out
}

// What a planted family says, and nobody else.
func knorrhane() map[string][]byte {
	return map[string][]byte{
		"an answer": []byte("Knorrhanemyren"), "an e-mail address": []byte("rotmyra.qvist@example.se"), "a telephone number": []byte("6701740693"), "a telephone number as it was typed": []byte("174 06 93"),
		"the other guardian's e-mail address": []byte("skrapmyra.qvist@example.se"), "the child": []byte("Testbarn Fem"),
		"a file's name": []byte("tranbarsintyg"), "a file's content": unusual()[60:110],
	}
}

// notSigned are those of the words that are no part of what is signed.
func notSigned() []string {
	return []string{"an e-mail address", "a telephone number", "a telephone number as it was typed"}
}

// unusual is a picture like no other.
func unusual() []byte {
	img := image.NewGray(image.Rect(0, 0, 60, 60))
	seed := sha256.Sum256([]byte("Knorrhanemyren"))
	for i := range img.Pix {
		if i%32 == 0 {
			seed = sha256.Sum256(seed[:])
		}
		img.Pix[i] = seed[i%32]
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // to memory: never
	}
	return b.Bytes()
}

func (c *citizen) plants() screen {
	c.t.Helper()
	a := preschool("Testbarn Fem").and(said{
		"vh2_kontakt.email": "skrapmyra.qvist@example.se", "vh2_kontakt.phone": "070-174 06 94", "sysselsattning": "studerar",
		"mina.email": "rotmyra.qvist@example.se", "mina.phone": "070-174 06 93", "mina.notify": "both", "ovrigt": "Vi bor vid Knorrhanemyren.",
	})
	s := c.begins("forskoleplats")
	for range 20 {
		if strings.HasSuffix(s.url.Path, "/granska") {
			return s
		}
		p := s.fill(a)
		if s.find(`input[type=file][name="studieintyg"]`) != nil && !strings.Contains(s.body, "tranbarsintyg") {
			p.file("studieintyg", "tranbarsintyg.png", unusual())
		}
		s = p.press("next")
	}
	c.t.Fatalf("no review: %s", s)
	return s
}

// lives demands that every word can be read in a database: else nobody would
// notice when the reader reads nothing.
func (f found) lives(t *testing.T, db string, words map[string][]byte, but ...string) {
	t.Helper()
	for name := range words {
		if !f.of(db, name) && !slices.Contains(but, name) {
			t.Errorf("%s is not found in %s while it must be there; found:\n%s", name, db, f.list())
		}
	}
}

// dead demands that no word can be read, and that of what held them in some
// databases nothing lies in any file.
func dead(t *testing.T, what, data string, now, before found, databases ...string) {
	t.Helper()
	if len(now.sight) > 0 {
		t.Errorf("%s: it can still be read:\n%s", what, now.list())
	}
	pieces := before.middles(databases...)
	if len(pieces) == 0 {
		t.Fatal("nothing was there before")
	}
	if left := lying(t, data, pieces); len(left) > 0 {
		t.Errorf("%s: what was sealed still lies in %d places, such as %q", what, len(left), left[0])
	}
}

// settled waits for what erases by the clock: it is done with the rows a moment
// before it is done with the files.
func settled(t *testing.T, data string, before found, databases ...string) {
	t.Helper()
	pieces := before.middles(databases...)
	left := lying(t, data, pieces)
	for end := time.Now().Add(patience); len(left) > 0 && time.Now().Before(end); left = lying(t, data, pieces) {
		time.Sleep(100 * time.Millisecond)
	}
	if len(left) > 0 {
		t.Errorf("what was sealed is never gone from the files: %q", left)
	}
}

// plainly demands that no file holds a word as it is.
func plainly(t *testing.T, data string, words map[string][]byte) {
	t.Helper()
	if at := lying(t, data, words); len(at) > 0 {
		t.Errorf("in plain sight: %q", at)
	}
}

// rowsOf counts what belongs to a name in any table of the portal.
func rowsOf(t testing.TB, data, id string) map[string]int {
	t.Helper()
	db := lookInto(t, filepath.Join(data, "data", "portal.db"))
	defer db.Close()
	out := map[string]int{}
	for _, at := range []string{"drafts.id", "draft_bodies.draft", "draft_outgoing.draft", "draft_files.draft", "draft_asides.draft", "draft_asked.draft",
		"cases.id", "case_bodies.case_id", "case_people.case_id", "case_files.case_id", "case_messages.case_id", "case_events.case_id", "outbox.ref"} {
		table, column, _ := strings.Cut(at, ".")
		n := 0
		if err := db.QueryRow("SELECT count(*) FROM "+table+" WHERE "+column+" = ?", id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			out[at] = n
		}
	}
	return out
}

// A draft that its owner removes is gone at once: its rows, its key, what was
// sealed under it, from files and log files too.
func TestErasedDraft(t *testing.T) {
	data := t.TempDir()
	r, k := hall(t, Config{Data: data})
	words := knorrhane()
	fyra := someone(t, r, "fyra", "exempelby")
	review := fyra.plants()
	id := review.draft()
	before := reads(t, data, words)
	before.lives(t, "portal.db", words, "a telephone number")
	plainly(t, data, words)
	if n := rowsOf(t, data, id); n["drafts.id"] != 1 || n["draft_bodies.draft"] != 1 || n["draft_files.draft"] != 1 {
		t.Errorf("before: %v", n)
	}
	if gone := fyra.get("/utkast/" + id + "/ta-bort").form(`form[action$="/ta-bort"]`).press(""); gone.status != 200 {
		t.Fatalf("not removed: %s", gone)
	}
	dead(t, "a draft that was never sent", data, reads(t, data, words), before, "portal.db", "signing.db", "broker.db", "short.db")
	if n := rowsOf(t, data, id); len(n) > 0 {
		t.Errorf("rows are left: %v", n)
	}

	// One that was sent, signed by one, and taken back.
	review = fyra.plants()
	id = review.draft()
	wait := review.sends().signs().back().inside("/vantar")
	told(t, r, "skrapmyra.qvist@example.se", "email", "Exempelby kommun ber")
	before = reads(t, data, words)
	before.lives(t, "portal.db", words)
	before.lives(t, "signing.db", words, notSigned()...)
	wait.follow("Ändra ansökan").form(`form[action$="/vantar"]`).press("").at("/utkast/" + id)
	if gone := fyra.get("/utkast/" + id + "/ta-bort").form(`form[action$="/ta-bort"]`).press(""); gone.status != 200 {
		t.Fatalf("not removed: %s", gone)
	}
	// The signing room keeps of an order that was cancelled who was asked and what
	// the documents were called for the hour in which it tells them so, the broker
	// what the e-ID showed for as long as its own limits say. What the documents
	// said is gone.
	now := reads(t, data, words)
	heads := []string{"signing.db orders.head: a file's name", "signing.db orders.head: the other guardian's e-mail address", "broker.db orders.sealed: a file's name"}
	dead(t, "a draft that was signed by one and taken back", data, now.but(heads...), before, "portal.db")
	if n := rowsOf(t, data, id); len(n) > 0 {
		t.Errorf("rows are left: %v", n)
	}
	k.forward(2 * time.Hour) // those who were asked have been told by then
	until(t, "the end of the order", func() bool { return len(reads(t, data, words).but("broker.db").sight) == 0 })
	settled(t, data, before, "portal.db", "signing.db")
	dead(t, "its order, when its time is over", data, reads(t, data, words).but("broker.db"), before, "portal.db", "signing.db")
	plainly(t, data, words)
}

// A closed case goes when its time is over, with everybody's copy of it, from the
// portal and the signing room at once and from the broker in its own time; the
// audit stays, and names nobody.
func TestErasedCase(t *testing.T) {
	data, services := t.TempDir(), t.TempDir()
	keptFor(t, services, "10d")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	k := &clock{}
	r, ended := running(t, ctx, Config{Data: data, Services: services, Now: k.now, Due: 50 * time.Millisecond})
	words := knorrhane()
	words["a message"], words["an officer's message"] = []byte("Hjortronbacken"), []byte("Odonkullen")
	fyra, fem := someone(t, r, "fyra", "exempelby"), someone(t, r, "fem", "exempelby")
	wait := fyra.plants().sends().signs().back()
	link, _ := told(t, r, "skrapmyra.qvist@example.se", "email", "Exempelby kommun ber")
	fem.opens(link).signs()
	sent := fyra.reload("the arrival", wait.url.String(), func(s screen) bool { return s.heading() == "Ditt ärende är nu inskickat" })
	id := sent.caseID()
	at := "/arende/" + id
	fyra.reload("the receipt", at, func(s screen) bool { return s.says("Hämta kvittensen") })
	fyra.get(at).form(`form[action$="/meddelande"]`).set("text", "Vi flyttar till Hjortronbacken").press("")
	o, list := officer(t, r, "ett", "exempelby")
	page := list.follow("Ansökan om förskoleplats")
	page.form(`form[action$="/meddelande"]`).set("text", "Då gäller Odonkullen").press("")
	fem.comesIn("/mina-sidor")
	if s := fem.get(at); s.status != 200 || !s.says("Knorrhanemyren") {
		t.Fatalf("the other guardian: %s", s)
	}
	if s := o.get(page.below()).form(`form[action$="/status"]`).set("to", "closed").press(""); s.status != 200 {
		t.Fatalf("not closed: %s", s)
	}
	told(t, r, "rotmyra.qvist@example.se", "email", "status")

	persons := map[string][]byte{}
	maps.Copy(persons, words)
	for _, c := range []*citizen{fyra, fem} {
		persons["the number of "+c.p.ID], persons["the name of "+c.p.ID] = []byte(c.p.Number[2:]), []byte(c.p.Name())
	}
	plainly(t, data, persons)
	before := reads(t, data, persons)
	before.lives(t, "portal.db", persons)
	before.lives(t, "signing.db", persons, append(notSigned(), "a message", "an officer's message", "the other guardian's e-mail address")...)
	before.lives(t, "broker.db", persons, slices.Collect(maps.Keys(words))...)

	// One day before, everything is there, also for the other guardian.
	k.forward(9 * 24 * time.Hour)
	time.Sleep(1500 * time.Millisecond) // more than one round of cleaning
	early := reads(t, data, words)
	early.lives(t, "portal.db", words)
	early.lives(t, "signing.db", words, append(notSigned(), "a message", "an officer's message", "the other guardian's e-mail address")...)
	fem = someone(t, r, "fem", "exempelby")
	if s := fem.comesIn("/mina-sidor"); !strings.Contains(s.body, id) {
		t.Errorf("the other guardian has no copy before its time is over: %s", s)
	}

	// Its time is over.
	k.forward(2 * 24 * time.Hour)
	until(t, "the end of the case", func() bool { return len(rowsOf(t, data, id)) == 0 })
	// Who has been logged in is known for a while.
	settled(t, data, before.but("portal.db sessions."), "portal.db", "signing.db")
	rooms := reads(t, data, persons).but("broker.db", "short.db", "portal.db sessions.")
	dead(t, "a case whose time is over", data, rooms, before.but("portal.db sessions."), "portal.db", "signing.db")
	fem = someone(t, r, "fem", "exempelby")
	if s := fem.comesIn("/mina-sidor"); strings.Contains(s.body, id) || s.status != 200 {
		t.Errorf("the other guardian: %s", s)
	}
	if s := fem.get(at); !s.gone() {
		t.Errorf("the other guardian: %s", s)
	}

	// Of logins and e-ID orders the broker has limits of its own. It looks at the
	// start, and seldom after.
	k.forward(91 * 24 * time.Hour)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithCancel(context.Background())
	defer stop()
	_, ended = running(t, ctx, Config{Data: data, Services: services, Now: k.now, Due: 50 * time.Millisecond})
	var last found
	deadline := time.Now().Add(patience)
	for last = reads(t, data, persons); len(last.sight) > 0 && time.Now().Before(deadline); last = reads(t, data, persons) {
		time.Sleep(500 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// Of logins, pieces may lie in free room of the short-lived store, sealed: it
	// overwrites only where that costs no further write (sqldb.CrashSafe).
	dead(t, "a case, a hundred days later", data, last, before, "portal.db", "signing.db", "broker.db")
	plainly(t, data, persons)
	if n := rowsOf(t, data, id); len(n) > 0 {
		t.Errorf("rows are left: %v", n)
	}
	audited(t, data, k, id)
}

// keptFor copies the examples' e-services with another time for closed cases.
func keptFor(t testing.TB, folder, closed string) {
	t.Helper()
	if err := os.CopyFS(folder, os.DirFS("services")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "forskoleplats", "service.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte("closed: 2y"), []byte("closed: "+closed), 1)
	if bytes.Equal(changed, text) {
		t.Fatal("the e-service does not say how long it keeps cases")
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// running runs a demo until its context ends.
func running(t *testing.T, ctx context.Context, c Config) (Running, chan error) {
	t.Helper()
	ready, ended := make(chan Running, 1), make(chan error, 1)
	c.FreePorts = true
	c.Ready = func(r Running) { ready <- r }
	go func() { ended <- Run(ctx, c) }()
	select {
	case r := <-ready:
		return r, ended
	case err := <-ended:
		t.Fatalf("demo: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the demo does not come up")
	}
	return Running{}, nil
}

// audited demands that every chain holds, that the erasure is in it, and that
// what happened to the case is told of digests alone.
func audited(t *testing.T, data string, k *clock, id string) {
	t.Helper()
	s, _, err := config.Load(filepath.Join(data, "sigill.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := node.OpenVault(t.Context(), s, k.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	reports, err := v.VerifyAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if len(r.Faults) > 0 {
			t.Errorf("the audit of %s: %v", r.Room, r.Faults)
		}
	}
	db := lookInto(t, filepath.Join(data, "data", "portal.db"))
	defer db.Close()
	n := map[string]int{}
	rows, err := db.Query("SELECT * FROM audit_chain")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s", values)
		for _, kind := range []string{"case.arrived", "case.read", "case.status", "case.erased"} {
			if strings.Contains(line, kind) && strings.Contains(line, id) {
				n[kind]++
			}
		}
	}
	if n["case.arrived"] != 1 || n["case.erased"] != 1 || n["case.read"] == 0 || n["case.status"] == 0 {
		t.Errorf("the audit tells of the case: %v", n)
	}
}
