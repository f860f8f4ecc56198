package drafts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// conflicts expects a conflict.
func conflicts(t rapid.TB, err error, base, now int) {
	t.Helper()
	var c *Conflict
	if !errors.As(err, &c) || c.Base != base || c.Now != now {
		t.Errorf("%v, not a conflict of %d with %d", err, base, now)
	}
}

func TestTwoWindows(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	begin := func(t *testing.T) portal.DraftID {
		id := d.begin(v)
		_, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("first"), "djur": {Chosen: []string{"katt"}}}, true)
		check(t, err)
		return id
	}
	late := func(t *testing.T, id portal.DraftID, base, now int, step string, a form.Answers) {
		t.Helper()
		_, err := d.Save(ctx, v, id, base, step, a, true)
		conflicts(t, err, base, now)
	}
	is := func(t *testing.T, g portal.Draft, err error, revision int, saved string, want form.Answers) {
		t.Helper()
		check(t, err)
		if g.Revision != revision || strings.Join(g.Saved, " ") != saved {
			t.Errorf("revision %d, saved %q", g.Revision, g.Saved)
		}
		if diff := cmp.Diff(want, g.Answers); diff != "" {
			t.Error(diff)
		}
	}
	cat := form.Value{Chosen: []string{"katt"}}

	t.Run("stays", func(t *testing.T) {
		id := begin(t)
		_, err := d.Aside(ctx, v, id)
		refused(t, err, portal.ErrNotFound, "nothing is aside")
		late(t, id, 1, 2, "tva", form.Answers{"text": text("late")})
		g, err := d.Open(ctx, v, id)
		is(t, g, err, 2, "ett", form.Answers{"namn": text("first"), "djur": cat})
		g, err = d.Aside(ctx, v, id)
		is(t, g, err, 2, "ett tva", form.Answers{"namn": text("first"), "djur": cat, "text": text("late")})
		_, err = d.Settle(ctx, v, id, 1, true)
		conflicts(t, err, 1, 2)
		g, err = d.Settle(ctx, v, id, 2, false)
		is(t, g, err, 3, "ett", form.Answers{"namn": text("first"), "djur": cat})
		_, err = d.Aside(ctx, v, id)
		refused(t, err, portal.ErrNotFound, "settled")
		// The button twice.
		g, err = d.Settle(ctx, v, id, 2, false)
		is(t, g, err, 3, "ett", form.Answers{"namn": text("first"), "djur": cat})
	})
	t.Run("becomes what was late", func(t *testing.T) {
		id := begin(t)
		// All that one window brings, and what the other saves meanwhile.
		late(t, id, 1, 2, "ett", form.Answers{"namn": text("late"), "djur": cat})
		_, err := d.Save(ctx, v, id, 2, "ett", form.Answers{"djur": {Chosen: []string{"hund"}}}, false)
		check(t, err)
		late(t, id, 1, 3, "tva", form.Answers{"text": text("late too")})
		_, err = d.Save(ctx, v, id, 3, "tva", form.Answers{"text": text("in time")}, false)
		check(t, err)
		want := form.Answers{"namn": text("late"), "djur": {Chosen: []string{"hund"}}, "text": text("late too")}
		g, err := d.Aside(ctx, v, id)
		is(t, g, err, 4, "ett tva", want)
		g, err = d.Settle(ctx, v, id, 4, true)
		is(t, g, err, 5, "ett tva", want)
		g, err = d.Open(ctx, v, id)
		is(t, g, err, 5, "ett tva", want)
	})
	t.Run("the same is no conflict", func(t *testing.T) {
		id := begin(t)
		g, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("first"), "djur": {Chosen: []string{"katt"}}}, true)
		is(t, g, err, 2, "ett", form.Answers{"namn": text("first"), "djur": cat})
		g, err = d.Save(ctx, v, id, 1, "tva", form.Answers{"text": {}}, true) // nothing was said of it either
		is(t, g, err, 3, "ett tva", form.Answers{"namn": text("first"), "djur": cat})
	})
	t.Run("nothing goes out that is not settled", func(t *testing.T) {
		id := begin(t)
		late(t, id, 1, 2, "ett", form.Answers{"namn": text("late")})
		conflicts(t, d.Lock(ctx, v, id, 2, "attempt", Outgoing{Revision: 2}), 1, 2)
		_, err := d.Settle(ctx, v, id, 2, false)
		check(t, err)
		check(t, d.Lock(ctx, v, id, 3, "attempt", Outgoing{Revision: 3}))
	})
	t.Run("files", func(t *testing.T) {
		id := begin(t)
		_, err := d.Attach(ctx, v, id, 1, "bilagor", "a.png", picture("png"))
		conflicts(t, err, 1, 2)
		g, err := d.Attach(ctx, v, id, 2, "bilagor", "a.png", picture("png"))
		check(t, err)
		_, err = d.Detach(ctx, v, id, 2, "bilagor", portal.FileID(g.Answers["bilagor"].Files[0].ID))
		conflicts(t, err, 2, 3)
		// Answers to other questions of the step leave them alone, in time or not.
		late(t, id, 2, 3, "tva", form.Answers{"text": text("late"), "bilagor": {}})
		g, err = d.Settle(ctx, v, id, 3, true)
		check(t, err)
		if len(g.Answers["bilagor"].Files) != 1 || g.Answers["text"].Text != "late" {
			t.Errorf("%+v", g.Answers)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		id := begin(t)
		var all sync.WaitGroup
		var mu sync.Mutex
		saved := ""
		for i := range 8 {
			all.Go(func() {
				typed := fmt.Sprint("window ", i)
				_, err := d.Save(ctx, v, id, 2, "ett", form.Answers{"namn": text(typed)}, true)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && saved == "":
					saved = typed
				case err == nil:
					t.Error("two windows were in time")
				case !errors.As(err, new(*Conflict)):
					t.Error(err)
				}
			})
		}
		all.Wait()
		g, err := d.Open(ctx, v, id)
		is(t, g, err, 3, "ett", form.Answers{"namn": text(saved), "djur": cat})
		g, err = d.Aside(ctx, v, id)
		check(t, err)
		if g.Answers["namn"].Text == saved {
			t.Error("what was late is what was in time")
		}
	})
}

// Whatever two windows do in whatever order, the draft has what was saved last in
// time of each answer, and what is aside the newest of what was late, over it.
func TestNothingIsLost(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	fields := map[string]string{"namn": "ett", "djur": "ett", "text": "tva"}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		d.MaxOpen = 1 << 30
		id := d.begin(v)
		have, aside := form.Answers{}, form.Answers{}
		saved, asideSaved := map[string]bool{}, map[string]bool{}
		revision, pending := 1, false
		windows := []int{1, 1}
		for range rapid.IntRange(1, 12).Draw(t, "acts") {
			w := rapid.IntRange(0, 1).Draw(t, "window")
			switch rapid.SampledFrom([]string{"save", "save", "save", "reload", "settle"}).Draw(t, "act") {
			case "save":
				step := rapid.SampledFrom([]string{"ett", "tva"}).Draw(t, "step")
				given := form.Answers{}
				for f, of := range fields {
					if of == step && rapid.Bool().Draw(t, "answers "+f) {
						n++
						given[f] = text(fmt.Sprint("answer ", n))
					}
				}
				g, err := d.Save(ctx, v, id, windows[w], step, given, true)
				switch {
				case windows[w] == revision || len(given) == 0:
					if err != nil {
						t.Fatal(err)
					}
					if windows[w] == revision || !saved[step] {
						revision++
					}
					maps.Copy(have, given)
					saved[step] = true
					windows[w] = g.Revision
				default:
					conflicts(t, err, windows[w], revision)
					maps.Copy(aside, given)
					asideSaved[step] = true
					pending = true
				}
			case "reload":
				windows[w] = revision
			case "settle":
				take := rapid.Bool().Draw(t, "aside")
				g, err := d.Settle(ctx, v, id, revision, take)
				if err != nil {
					t.Fatal(err)
				}
				if pending {
					revision++
					if take {
						maps.Copy(have, aside)
						maps.Copy(saved, asideSaved)
					}
				}
				aside, asideSaved, pending = form.Answers{}, map[string]bool{}, false
				windows[w] = g.Revision
			}
			g, err := d.Open(ctx, v, id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(have, g.Answers); diff != "" || g.Revision != revision {
				t.Fatalf("revision %d, not %d: %s", g.Revision, revision, diff)
			}
			both := maps.Clone(have)
			maps.Copy(both, aside)
			g, err = d.Aside(ctx, v, id)
			if pending != (err == nil) || !pending && !errors.Is(err, portal.ErrNotFound) {
				t.Fatalf("aside: %v", err)
			}
			if diff := cmp.Diff(both, g.Answers); pending && diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestFiles(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id := d.begin(v)
	other := d.begin(v)
	turned := behindStart(encoded("jpg"), segment(0xe1, exif(binary.BigEndian, 6)))
	g, err := d.Attach(ctx, v, id, 1, "bilagor", "min bild.png", strings.NewReader(string(turned)))
	check(t, err)
	f := g.Answers["bilagor"].Files[0]
	got, content, err := d.File(ctx, v, id, portal.FileID(f.ID))
	check(t, err)
	if got != f || f.Name != "min bild.jpg" || f.Type != "image/jpeg" || f.Size != int64(len(content)) || f.SHA256 != digest(content) || strings.Contains(string(content), "planted") {
		t.Errorf("%+v, %d bytes", f, len(content))
	}
	if d.onDisk("min bild") || d.onDisk(string(content[len(content)-40:])) {
		t.Error("a file or its name is on the disk")
	}
	_, _, err = d.File(ctx, v, other, portal.FileID(f.ID))
	refused(t, err, portal.ErrNotFound, "of another draft")
	_, err = d.Detach(ctx, v, other, 1, "bilagor", portal.FileID(f.ID))
	refused(t, err, portal.ErrNotFound, "detached from another draft")
	_, err = d.Detach(ctx, v, id, 2, "foto", portal.FileID(f.ID))
	refused(t, err, portal.ErrNotFound, "detached from another field")
	_, err = d.Attach(ctx, v, id, 2, "namn", "a.png", picture("png"))
	refused(t, err, portal.ErrNotFound, "attached to a field that takes none")

	d.MaxBytes = int64(len(content)) + 2*int64(len(encoded("png")))
	for i := range 2 {
		g, err = d.Attach(ctx, v, id, 2+i, "bilagor", "bild.png", picture("png"))
		check(t, err)
	}
	var names []string
	for _, f := range g.Answers["bilagor"].Files {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, ", "); got != "min bild.jpg, bild.png, bild (2).png" {
		t.Errorf("names: %s", got)
	}
	for name, c := range map[string]struct {
		field   string
		content io.Reader
		want    BadFile
	}{
		"too many":     {"bilagor", picture("png"), BadFile{FileMany, "3"}},
		"too much":     {"foto", picture("jpg"), BadFile{FileTotal, size(d.MaxBytes)}},
		"empty":        {"foto", strings.NewReader(""), BadFile{FileEmpty, ""}},
		"too large":    {"bilagor", strings.NewReader(strings.Repeat("x", 1<<20+1)), BadFile{FileLarge, "1 MB"}},
		"another kind": {"foto", picture("png"), BadFile{FileType, "jpg"}},
	} {
		_, err := d.Attach(ctx, v, id, 4, c.field, "x.png", c.content)
		var bad *BadFile
		if !errors.As(err, &bad) || *bad != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Attach(ctx, v, id, 4, "foto", "x.jpg", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a connection that broke: %v", err)
	}
	d.later(time.Hour)
	g, err = d.Detach(ctx, v, id, 4, "bilagor", portal.FileID(f.ID))
	check(t, err)
	if g.Revision != 5 || len(g.Answers["bilagor"].Files) != 2 || !g.Changed.Equal(d.now) {
		t.Errorf("%+v", g)
	}
	_, _, err = d.File(ctx, v, id, portal.FileID(f.ID))
	refused(t, err, portal.ErrNotFound, "detached")
	if rows, err := store.DraftFiles(store.Last(ctx, d.DB), id); err != nil || len(rows) != 2 {
		t.Errorf("%d files, %v", len(rows), err)
	}
}

func TestTooMany(t *testing.T) {
	d := newDesk(t)
	d.MaxOpen = 2
	v := d.one()
	first := d.begin(v)
	d.begin(v)
	_, err := d.Begin(ctx, v, v.Tenant, "bygglov")
	refused(t, err, ErrTooMany, "a third")
	d.begin(d.two())
	check(t, d.Remove(ctx, v, first))
	d.begin(v)
}

func TestRemove(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	empty := d.rows()
	id := d.begin(v)
	_, err := d.Attach(ctx, v, id, 1, "bilagor", "a.png", picture("png"))
	check(t, err)
	_, err = d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("late")}, true)
	conflicts(t, err, 1, 2)
	// With its audit event or not at all.
	d.without("INSERT ON audit_waiting", func() {
		if d.Remove(ctx, v, id) == nil {
			t.Error("removed without a trace")
		}
	})
	check(t, second(d.Open(ctx, v, id)))
	check(t, d.Remove(ctx, v, id))
	refused(t, second(d.Open(ctx, v, id)), portal.ErrNotFound, "removed")
	refused(t, d.Remove(ctx, v, id), portal.ErrNotFound, "removed twice")
	if diff := cmp.Diff(empty, d.rows()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"draft.removed by somebody"}, d.events()); diff != "" {
		t.Error(diff)
	}
}

// A clock that is ahead alone removes nothing.
func TestExpireByTheTimeThatHasCome(t *testing.T) {
	d := newDesk(t)
	d.begin(d.one())
	past := d.clock()
	d.Past = func() time.Time { return past }
	d.later(365 * 24 * time.Hour)
	for _, want := range []int{0, 1} {
		if n, err := d.Expire(ctx); err != nil || n != want {
			t.Errorf("expired %d, not %d: %v", n, want, err)
		}
		past = d.clock()
	}
}

func TestExpire(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	old, waits := d.begin(v), d.begin(v)
	check(t, d.Lock(ctx, v, waits, 1, "attempt", Outgoing{Revision: 1}))
	d.later(24 * time.Hour)
	kept := d.begin(v)
	browser := portal.Visitor{Group: "ensam", Tenant: "exempelby", Browser: "one"}
	anonymous, err := d.Begin(ctx, browser, "exempelby", "felanmalan")
	check(t, err)
	expire := func(want int) {
		t.Helper()
		if n, err := d.Expire(ctx); err != nil || n != want {
			t.Errorf("expired %d, not %d: %v", n, want, err)
		}
	}
	expire(0)
	d.later(24 * time.Hour)
	expire(1)
	refused(t, second(d.Open(ctx, browser, anonymous)), portal.ErrNotFound, "expired")
	_, err = d.Save(ctx, v, kept, 1, "ett", form.Answers{}, false)
	check(t, err)
	d.later(28 * 24 * time.Hour)
	expire(1)
	refused(t, second(d.Open(ctx, v, old)), portal.ErrNotFound, "expired")
	check(t, second(d.Open(ctx, v, kept)))
	check(t, second(d.Open(ctx, v, waits)))
	d.later(100 * 24 * time.Hour)
	for range 250 {
		d.MaxOpen = 1000
		d.begin(v)
	}
	d.later(100 * 24 * time.Hour)
	expire(251)
	if diff := cmp.Diff([]string{"draft.locked by somebody", "draft.expired", "draft.expired"}, d.events()[:3]); diff != "" {
		t.Error(diff)
	}
}

func second[T any](_ T, err error) error { return err }

// rows counts the rows of all tables but the audit's and the keys'.
func (d *desk) rows() map[string]int {
	d.t.Helper()
	count := map[string]int{}
	rows, err := d.DB.Rows(ctx, `SELECT name FROM sqlite_master WHERE type = 'table'`)
	check(d.t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		check(d.t, rows.Scan(&name))
		if strings.HasPrefix(name, "audit") || name == "keys" || strings.HasPrefix(name, "sqlite_") {
			continue
		}
		n := 0
		check(d.t, d.DB.Row(ctx, `SELECT count(*) FROM `+name).Scan(&n))
		count[name] = n
	}
	return count
}

// without does something while statements fail.
func (d *desk) without(statements string, do func()) {
	d.t.Helper()
	exec := func(query string) {
		check(d.t, d.DB.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(query); return err }))
	}
	exec(`CREATE TRIGGER fault BEFORE ` + statements + ` BEGIN SELECT RAISE(ABORT, 'it was to fail'); END`)
	defer exec(`DROP TRIGGER fault`)
	do()
}

// More than is kept of a draft is said so, in time and late; nothing of it is saved.
func TestTooMuch(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id := d.begin(v)
	huge := form.Answers{"namn": text(strings.Repeat("a", maxBody))}
	_, err := d.Save(ctx, v, id, 1, "ett", huge, false)
	refused(t, err, ErrTooMuch, "saved")
	g, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("kort")}, false)
	check(t, err)
	_, err = d.Save(ctx, v, id, 1, "ett", huge, false)
	refused(t, err, ErrTooMuch, "saved late")
	again, err := d.Open(ctx, v, id)
	check(t, err)
	if diff := cmp.Diff(g, again); diff != "" {
		t.Error(diff)
	}
	_, err = d.Aside(ctx, v, id)
	refused(t, err, portal.ErrNotFound, "what was late")
}
