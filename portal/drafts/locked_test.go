package drafts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// locked makes a draft with a file and locks it.
func (d *desk) locked(v portal.Visitor) (portal.DraftID, Outgoing) {
	d.t.Helper()
	id := d.begin(v)
	_, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("a name")}, true)
	check(d.t, err)
	g, err := d.Attach(ctx, v, id, 2, "bilagor", "a.png", picture("png"))
	check(d.t, err)
	out := Outgoing{
		Revision: 3, Body: []byte("{\x00 large \xff}"), Title: "Bygglov", Lang: "sv", Answers: g.Answers, Blocks: []form.Block{{Heading: "Ett"}},
		Files: g.Answers["bilagor"].Files, Parties: []form.Party{{ID: "s", Name: "Testperson Ett", Applicant: true}, {ID: "m", Name: "Testperson Två"}},
		Contact: form.Contact{Email: "ett@example.se"}, Notice: "v1", Digests: []string{"d1", "d2"},
	}
	check(d.t, d.Lock(ctx, v, id, 3, "attempt of "+string(id), out))
	return id, out
}

func (d *desk) row(id portal.DraftID) store.Draft {
	d.t.Helper()
	row, err := store.DraftOf(store.Last(ctx, d.DB), id)
	check(d.t, err)
	return row
}

func (d *desk) back(id portal.DraftID, why portal.Returned, by, reason string) error {
	row := d.row(id)
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error { return d.Return(tx, row, why, by, reason) })
}

func TestLock(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id, out := d.locked(v)
	row, got, err := d.Locked(ctx, v, id)
	check(t, err)
	if diff := cmp.Diff(out, got); diff != "" {
		t.Error(diff)
	}
	if row.State != portal.Sending || row.Revision != 3 || row.Attempt != "attempt of "+string(id) || !row.Looked.Equal(d.now) {
		t.Errorf("%+v", row.DraftHead)
	}
	if row.Owner != string(v.Key) {
		t.Error("another's")
	}
	told, err := d.Told(row)
	check(t, err)
	if diff := cmp.Diff(Outgoing{Revision: 3, Title: out.Title, Lang: out.Lang, Parties: out.Parties, Contact: out.Contact, Locked: d.now}, told); diff != "" {
		t.Error(diff)
	}
	for what, err := range map[string]error{
		"save":   second(d.Save(ctx, v, id, 3, "ett", form.Answers{"namn": text("changed")}, true)),
		"late":   second(d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("changed")}, true)),
		"attach": second(d.Attach(ctx, v, id, 3, "bilagor", "b.png", picture("png"))),
		"detach": second(d.Detach(ctx, v, id, 3, "bilagor", portal.FileID(out.Files[0].ID))),
		"settle": second(d.Settle(ctx, v, id, 3, true)),
		"remove": d.Remove(ctx, v, id),
		"lock":   d.Lock(ctx, v, id, 3, "another", out),
	} {
		refused(t, err, ErrLocked, what)
	}
	g, err := d.Open(ctx, v, id)
	check(t, err)
	if g.State != portal.Sending || g.Answers["namn"].Text != "a name" {
		t.Errorf("%+v", g)
	}
	if _, content, err := d.File(ctx, v, id, portal.FileID(out.Files[0].ID)); err != nil || !bytes.Equal(content, encoded("png")) {
		t.Errorf("its file: %v", err)
	}
	if d.onDisk("a name") || d.onDisk("Testperson") || d.onDisk("example.se") || d.onDisk("large") {
		t.Error("something of what was locked is on the disk")
	}
	if diff := cmp.Diff([]string{"draft.locked by somebody"}, d.events()); diff != "" {
		t.Error(diff)
	}

	open := d.begin(v)
	conflicts(t, d.Lock(ctx, v, open, 2, "x", Outgoing{Revision: 2}), 2, 1)
	for what, err := range map[string]error{
		"no attempt": d.Lock(ctx, v, open, 1, "", Outgoing{Revision: 1}), "another revision": d.Lock(ctx, v, open, 1, "x", Outgoing{}),
		"an attempt that is another's": d.Lock(ctx, v, open, 1, row.Attempt, Outgoing{Revision: 1}),
	} {
		if err == nil {
			t.Errorf("locked with %s", what)
		}
	}
	d.without("INSERT ON audit_waiting", func() {
		if d.Lock(ctx, v, open, 1, "x", Outgoing{Revision: 1}) == nil {
			t.Error("locked without a trace")
		}
	})
	if g, err := d.Open(ctx, v, open); err != nil || g.State != portal.Open {
		t.Errorf("%+v, %v", g.DraftHead, err)
	}
	_, _, err = d.Locked(ctx, v, open)
	refused(t, err, portal.ErrNotFound, "what went out of an open draft")
	_, err = d.Told(d.row(open))
	refused(t, err, portal.ErrNotFound, "what may be told of an open draft")
}

func TestPlacedAndHeard(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id, out := d.locked(v)
	known := []portal.Party{{Party: out.Parties[0], N: 1, Key: v.Key, State: portal.PartyInvited}, {Party: out.Parties[1], N: 2, Key: "two", State: portal.PartyWaiting}}
	asked := []store.Asked{{Person: "two", Sealed: []byte("title")}}
	refused(t, d.Heard(ctx, id, known, nil), store.ErrStale, "heard before it waits")
	d.later(time.Minute)
	b, err := d.LockedBytes(ctx, d.row(id))
	if err != nil || !bytes.Equal(b, out.Body) || len(b) == 0 {
		t.Errorf("the bytes to hand over once more: %v", err)
	}
	moved := d.row(id)
	moved.Attempt = "another"
	_, err = d.LockedBytes(ctx, moved)
	refused(t, err, store.ErrStale, "handed over as it was before")
	check(t, d.Placed(ctx, id, "order", known, nil))
	_, err = d.LockedBytes(ctx, d.row(id))
	refused(t, err, portal.ErrNotFound, "handed over when it waits")
	before := d.row(id)
	check(t, d.Placed(ctx, id, "order", known, asked))
	if diff := cmp.Diff(before, d.row(id)); diff != "" {
		t.Error("placed again:", diff)
	}
	refused(t, d.Placed(ctx, id, "another", known, nil), store.ErrStale, "placed as another")
	refused(t, d.Placed(ctx, portal.DraftID(portal.NewID()), "order", known, nil), portal.ErrNotFound, "placed when it is gone")
	find := func() int {
		t.Helper()
		list, err := store.AskedOf(store.Last(ctx, d.DB), []portal.PersonKey{"two"}, []portal.TenantID{"exempelby"})
		check(t, err)
		for _, a := range list {
			if a.Draft != id || a.Order != "order" {
				t.Errorf("asked: %+v", a)
			}
		}
		return len(list)
	}
	row, got, err := d.Locked(ctx, v, id)
	check(t, err)
	if row.State != portal.Waiting || row.Order != "order" || !row.Looked.Equal(d.now) || find() != 0 {
		t.Errorf("%+v, %d asked", row, find())
	}
	out.Known = known
	if diff := cmp.Diff(out, got); diff != "" {
		t.Error(diff)
	}

	news := []portal.Party{known[0], known[1]}
	news[0].State, news[0].Signed = portal.PartySigned, d.now
	check(t, d.Heard(ctx, id, news, asked))
	if find() != 1 {
		t.Error("whoever has not signed is not asked")
	}
	before = d.row(id)
	check(t, d.Heard(ctx, id, news, asked))
	if diff := cmp.Diff(before, d.row(id)); diff != "" {
		t.Error("heard again:", diff)
	}
	news = []portal.Party{news[0], news[1]}
	news[1].State = portal.PartySigned
	check(t, d.Heard(ctx, id, news, asked))
	if find() != 0 {
		t.Error("whoever has signed is asked")
	}
	g, err := d.Open(ctx, v, id)
	check(t, err)
	if diff := cmp.Diff(news, g.Parties); diff != "" {
		t.Error(diff)
	}
	if told, err := d.Told(d.row(id)); err != nil || told.Title != out.Title || !cmp.Equal(told.Known, news) {
		t.Errorf("told %+v, %v", told, err)
	}
	// What became known of one draft is not believed of another.
	other, _ := d.locked(v)
	check(t, d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE drafts SET notes = (SELECT notes FROM drafts WHERE id = $1) WHERE id = $2`, string(id), string(other))
		return err
	}))
	if _, err := d.Told(d.row(other)); err == nil {
		t.Error("another draft's notes are believed")
	}
	if d.onDisk("Testperson") {
		t.Error("a party's name is on the disk")
	}
}

func TestReturn(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id, out := d.locked(v)
	check(t, d.Placed(ctx, id, "order", []portal.Party{{Party: out.Parties[1], N: 2, Key: "two"}}, []store.Asked{{Person: "two", Sealed: []byte("title")}}))
	d.later(10 * 24 * time.Hour)
	was := d.row(id)
	check(t, d.back(id, portal.ReturnedRefused, "Testperson Två", "Jag håller inte med"))
	refused(t, d.back(id, portal.ReturnedRefused, "", ""), store.ErrStale, "returned twice")
	if err := d.DB.Write(ctx, func(tx *sqldb.Tx) error { return d.Return(tx, was, portal.ReturnedExpired, "", "") }); err == nil {
		t.Error("returned as it was before")
	}
	g, err := d.Open(ctx, v, id)
	check(t, err)
	if g.State != portal.Open || g.Revision != 4 || g.Returned != portal.ReturnedRefused || g.RefusedBy != "Testperson Två" || g.Reason != "Jag håller inte med" ||
		g.Order != "" || g.Parties != nil || !g.Changed.Equal(d.now) || !g.Expires.Equal(d.now.Add(30*24*time.Hour)) || g.Answers["namn"].Text != "a name" {
		t.Errorf("%+v", g)
	}
	row := d.row(id)
	if row.Attempt != "" || row.Outgoing != nil {
		t.Error("what was locked is still there")
	}
	if list, err := store.AskedOf(store.Last(ctx, d.DB), []portal.PersonKey{"two"}, []portal.TenantID{"exempelby"}); err != nil || len(list) != 0 {
		t.Errorf("%d are asked, %v", len(list), err)
	}
	// With its files, to be changed and sent again.
	if _, content, err := d.File(ctx, v, id, portal.FileID(out.Files[0].ID)); err != nil || !bytes.Equal(content, encoded("png")) {
		t.Errorf("its file: %v", err)
	}
	_, err = d.Save(ctx, v, id, 3, "ett", form.Answers{"namn": text("from a window of before")}, true)
	conflicts(t, err, 3, 4)
	_, err = d.Settle(ctx, v, id, 4, false)
	check(t, err)
	g, err = d.Save(ctx, v, id, 5, "ett", form.Answers{"namn": text("changed")}, true)
	check(t, err)
	if g.Returned != portal.ReturnedRefused || g.Reason == "" {
		t.Error("why it came back is forgotten")
	}
	check(t, d.Lock(ctx, v, id, 6, "second attempt", Outgoing{Revision: 6}))
	g, err = d.Open(ctx, v, id)
	check(t, err)
	if g.Returned != "" || g.Reason != "" || g.RefusedBy != "" {
		t.Errorf("why it came back the last time is told: %+v", g)
	}
	// It never went out.
	check(t, d.back(id, "", "", ""))
	g, err = d.Open(ctx, v, id)
	check(t, err)
	if g.State != portal.Open || g.Returned != "" || g.Revision != 7 {
		t.Errorf("%+v", g.DraftHead)
	}
}

func TestArrival(t *testing.T) {
	d := newDesk(t)
	v := d.one()
	id, out := d.locked(v)
	unsent, err := d.Begin(ctx, v, v.Tenant, "bygglov")
	check(t, err)
	_, _, err = d.Arrival(ctx, d.row(unsent))
	refused(t, err, store.ErrStale, "of an open draft")
	sending := d.row(id)
	check(t, d.Placed(ctx, id, "order", nil, nil))
	_, _, err = d.Arrival(ctx, sending)
	refused(t, err, store.ErrStale, "as it was before")
	row := d.row(id)
	light := row
	light.Outgoing, light.Body = nil, nil // of a list
	for _, row := range []store.Draft{row, light} {
		got, files, err := d.Arrival(ctx, row)
		check(t, err)
		if diff := cmp.Diff(out, got); diff != "" {
			t.Error(diff)
		}
		if len(files) != 1 || !bytes.Equal(files[portal.FileID(out.Files[0].ID)], encoded("png")) {
			t.Errorf("%d files", len(files))
		}
	}
	check(t, d.back(id, portal.ReturnedExpired, "", ""))
	check(t, d.Lock(ctx, v, id, 4, "again", Outgoing{Revision: 4}))
	check(t, d.Placed(ctx, id, "another order", nil, nil))
	_, _, err = d.Arrival(ctx, row)
	refused(t, err, store.ErrStale, "as it was locked the time before")
	_, _, err = d.Arrival(ctx, store.Draft{DraftHead: portal.DraftHead{ID: "none"}})
	refused(t, err, portal.ErrNotFound, "of none")

	for name, statement := range map[string]string{
		"body":           `UPDATE draft_bodies SET sealed = x'0200000000000000000000000000000000000000000000000000000000000000'`,
		"outgoing":       `UPDATE draft_outgoing SET sealed = substr(sealed, 1, length(sealed) - 1)`,
		"file":           `UPDATE draft_files SET sealed = substr(sealed, 1, length(sealed) - 1)`,
		"no file":        `DELETE FROM draft_files`,
		"notes":          `UPDATE drafts SET notes = x'00' WHERE state = 'waiting'`,
		"key":            `UPDATE drafts SET sealkey = x'00' WHERE state = 'waiting'`,
		"nothing locked": `DELETE FROM draft_outgoing`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			v := d.one()
			id, _ := d.locked(v)
			check(t, d.Placed(ctx, id, "order", nil, nil))
			check(t, d.DB.Write(ctx, func(tx *sqldb.Tx) error {
				n, err := tx.Exec(statement)
				if n == 0 {
					t.Error("nothing was altered")
				}
				return err
			}))
			out, files, err := d.Arrival(ctx, d.row(id))
			if err == nil || files != nil || out.Body != nil {
				t.Errorf("it arrived: %v", err)
			}
		})
	}
}
