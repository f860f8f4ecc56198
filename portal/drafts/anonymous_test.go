package drafts

import (
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

func browser(name string) portal.Visitor {
	return portal.Visitor{Group: "ensam", Tenant: "exempelby", Browser: name, Lang: "sv"}
}

// However many browsers a stranger has: what they keep together is bounded, and
// those who are logged in do not notice.
func TestAnonymousTogether(t *testing.T) {
	d := newDesk(t)
	d.AnonymousMax = 3
	var ids []portal.DraftID
	for _, name := range []string{"a", "b", "c"} {
		id, err := d.Begin(ctx, browser(name), "exempelby", "felanmalan")
		check(t, err)
		ids = append(ids, id)
	}
	_, err := d.Begin(ctx, browser("d"), "exempelby", "felanmalan")
	refused(t, err, ErrTooMany, "one draft more")
	mine := d.begin(d.one())

	// Room for the small drafts and one picture.
	is, err := store.SizeAnonymous(store.Last(ctx, d.DB))
	check(t, err)
	d.AnonymousBytes = is + int64(len(encoded("png"))) + 1000
	attach := func(v portal.Visitor, id portal.DraftID) error {
		g, err := d.Open(ctx, v, id)
		check(t, err)
		_, err = d.Attach(ctx, v, id, g.Revision, "bilagor", "a.png", picture("png"))
		return err
	}
	check(t, attach(browser("a"), ids[0]))
	d.AnonymousBytes -= 900
	refused(t, attach(browser("a"), ids[0]), ErrBusy, "one more")
	refused(t, attach(browser("c"), ids[2]), ErrBusy, "another browser's")
	check(t, attach(d.one(), mine))

	large := form.Answers{"namn": text(strings.Repeat("a", 200_000))}
	g, err := d.Open(ctx, browser("c"), ids[2])
	check(t, err)
	_, err = d.Save(ctx, browser("c"), ids[2], g.Revision, "ett", large, false)
	refused(t, err, ErrBusy, "large answers")
	_, err = d.Save(ctx, browser("c"), ids[2], g.Revision, "ett", form.Answers{"namn": text("liten")}, false)
	check(t, err)
	_, err = d.Save(ctx, browser("c"), ids[2], g.Revision, "ett", large, false)
	refused(t, err, ErrBusy, "large answers that are late")
	_, err = d.Aside(ctx, browser("c"), ids[2])
	refused(t, err, portal.ErrNotFound, "what was late and not kept")
}

// What all have together is measured in no transaction of one, which would meet
// theirs on PostgreSQL: what is not committed is not seen.
func TestAnonymousMeasured(t *testing.T) {
	d := newDesk(t)
	id, err := d.Begin(ctx, browser("a"), "exempelby", "felanmalan")
	check(t, err)
	d.AnonymousBytes = 100_000
	check(t, d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := store.DraftOf(tx, id)
		check(t, err)
		large := store.DraftFile{ID: portal.FileID(portal.NewID()), Draft: id, Size: 100_000, Sealed: make([]byte, 100_000), Created: d.Now()}
		check(t, store.InsertDraftFile(tx, large))
		return d.room(ctx, row, 1000)
	}))
	row, err := store.DraftOf(store.Last(ctx, d.DB), id)
	check(t, err)
	refused(t, d.room(ctx, row, 1000), ErrBusy, "what is committed")
}

// A draft in which nothing was saved lives for an hour, and others for a day.
func TestAnonymousEmpty(t *testing.T) {
	d := newDesk(t)
	empty, err := d.Begin(ctx, browser("a"), "exempelby", "felanmalan")
	check(t, err)
	kept, err := d.Begin(ctx, browser("a"), "exempelby", "felanmalan")
	check(t, err)
	_, err = d.Save(ctx, browser("a"), kept, 1, "ett", form.Answers{"namn": text("mitt")}, false)
	check(t, err)
	mine := d.begin(d.one())
	d.later(time.Hour)
	if n, err := d.Expire(ctx); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	_, err = d.Open(ctx, browser("a"), empty)
	refused(t, err, portal.ErrNotFound, "the empty one")
	_, err = d.Open(ctx, browser("a"), kept)
	check(t, err)
	_, err = d.Open(ctx, d.one(), mine)
	check(t, err)
}

// What is bounded when nothing is said of it: an honest draft fits what the
// signing service takes, with its answers.
func TestDefaults(t *testing.T) {
	const takes = 25 << 20
	d := newDesk(t)
	if d.MaxBytes != 20<<20 || d.MaxBytes+2*maxBody > takes || d.AnonymousMax != 5000 || d.AnonymousBytes != 500e6 || d.AnonymousEmpty != time.Hour {
		t.Errorf("%d, %d, %d, %s", d.MaxBytes, d.AnonymousMax, d.AnonymousBytes, d.AnonymousEmpty)
	}
}
