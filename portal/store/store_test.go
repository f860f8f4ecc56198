package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, file string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(ctx, file, sqldb.CrashSafe)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	check(t, db.Migrate(ctx, time.Now(), Tables()...))
	return db
}

// Lists are read from an index, in its order, however many rows there are.
func TestPlans(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "portal.db"))
	type query struct {
		query string
		args  []any
		want  []string
		sorts bool // some rows, at most as many as a page has of each source
	}
	paged := func(q string, args []any) query { return query{query: q, args: args, sorts: true} }
	mine := paged(casesOfQuery([]portal.PersonKey{"a", "b"}, []portal.TenantID{"s", "t"}, false, Page{}))
	mine.want = []string{"SEARCH case_people USING COVERING INDEX case_people_newest (person=? AND tenant=? AND over=? AND (changed,case_id)<(?,?))",
		"SEARCH c USING INDEX", "case_messages_unread"}
	officers := paged(casesForQuery("t", []string{"g", "h"}, portal.CaseStates(), Page{}))
	officers.want = []string{"SEARCH cases USING COVERING INDEX cases_officers (tenant=? AND officers=? AND state=? AND (changed,id)<(?,?))", "SEARCH c USING INDEX"}
	for name, c := range map[string]query{
		"draft":      {query: draftQuery + `WHERE d.id = $1`, args: []any{"a"}, want: []string{"SEARCH d USING INDEX"}},
		"by order":   {query: draftQuery + draftByOrder, args: []any{"a"}, want: []string{"drafts_order"}},
		"attempt":    {query: draftQuery + draftByAttempt, args: []any{"a"}, want: []string{"drafts_attempt"}},
		"owned":      {query: fmt.Sprintf(draftsOwnedQuery, "($1, $2)", "($3, $4)"), args: []any{"a", "b", "c", "d"}, want: []string{"drafts_owner (owner=? AND tenant=?)"}, sorts: true},
		"waiting":    {query: draftsWaitingQuery, args: []any{1, 1}, want: []string{"drafts_waiting (looked<?)"}},
		"sending":    {query: draftsSendingQuery, args: []any{1, 1}, want: []string{"drafts_sending (looked<?)"}},
		"expired":    {query: draftsExpiredQuery, args: []any{1, 1}, want: []string{"drafts_expires (expires<?)"}},
		"anonymous":  {query: anonymousQuery, want: []string{"drafts_anonymous (anonymous=?)"}},
		"their size": {query: anonymousSizeQuery, want: []string{"drafts_anonymous (anonymous=?)", "SEARCH b USING", "SEARCH a USING", "SEARCH f USING"}},
		"asked":      {query: askedQuery([]portal.PersonKey{"a"}, []portal.TenantID{"t"}), args: []any{"a", "t"}, want: []string{"draft_asked_person"}, sorts: true},
		"mine":       mine,
		"officers'":  officers,
		"erase":      {query: casesToEraseQuery, args: []any{1, 1}, want: []string{"cases_erase (erase<?)"}},
		"order":      {query: caseQuery + caseByOrder, args: []any{"a"}, want: []string{"cases_order"}},
		"sessions":   {query: sessionsEndedQuery, args: []any{1, 1, 1}, want: []string{"sessions_seen", "sessions_expires"}},
		"forget":     {query: forgetQuery, args: []any{1}, want: []string{"profiles_seen", "drafts_owner", "case_people_newest"}},
	} {
		rows, err := db.Rows(ctx, `EXPLAIN QUERY PLAN `+c.query, c.args...)
		check(t, err)
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			check(t, rows.Scan(&id, &parent, &unused, &detail))
			plan = append(plan, detail)
		}
		rows.Close()
		whole := strings.Join(plan, "\n")
		for _, want := range c.want {
			if !strings.Contains(whole, want) {
				t.Errorf("%s: no %q in\n%s", name, want, whole)
			}
		}
		for _, line := range plan {
			// What is read whole are the pages that were put together.
			if strings.HasPrefix(line, "SCAN") && !strings.HasPrefix(line, "SCAN s") && line != "SCAN u" && line != "SCAN p" || strings.Contains(line, "TEMP B-TREE") && !c.sorts {
				t.Errorf("%s reads or sorts everything:\n%s", name, whole)
			}
		}
	}
}

// Nothing that lives in the file holds what was erased, and of a draft's key not
// even before the file is made smaller. Nothing here is sealed, so that it could
// be found.
func TestErasedOnDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portal.db")
	db := open(t, file)
	now := time.Now()
	secrets := []string{"planted key", "planted body", "planted outgoing", "planted notes", "planted file", "planted aside", "planted asked", "planted owner",
		"planted payload", "planted case", "planted person", "planted meta", "planted content", "planted message"}
	large := func(s string) []byte { return bytes.Repeat([]byte(s), 10_000) }
	check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, err := range []error{
			InsertDraft(tx, Draft{DraftHead: portal.DraftHead{ID: "d", Tenant: "t", State: portal.Waiting, Created: now, Changed: now, Expires: now},
				Owner: secrets[7], Key: []byte(secrets[0]), Body: large(secrets[1]), Outgoing: large(secrets[2]), Notes: []byte(secrets[3])}),
			InsertDraftFile(tx, DraftFile{ID: "f", Draft: "d", Sealed: large(secrets[4]), Created: now}),
			PutAside(tx, Aside{Draft: "d", Body: []byte(secrets[5]), Saved: now}),
			InsertAsked(tx, Asked{Draft: "d", Person: "p", Tenant: "t", Sealed: []byte(secrets[6])}),
			outbox.Insert(tx, outbox.Entry{ID: "x", Kind: "k", Ref: "d", Payload: []byte(secrets[8]), Created: now}),
			InsertCase(tx, Case{CaseHead: portal.CaseHead{ID: "c", Number: "n", Tenant: "t", State: portal.Arrived, Arrived: now, Changed: now}, Body: large(secrets[9])}),
			InsertPerson(tx, CasePerson{Case: "c", Person: portal.PersonKey(secrets[10])}),
			InsertCaseFile(tx, CaseFile{ID: "f", Case: "c", Meta: []byte(secrets[11]), Sealed: large(secrets[12])}),
			InsertMessage(tx, Message{ID: "m", Case: "c", At: now, Body: []byte(secrets[13])}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	found := func() (out []string) {
		t.Helper()
		files, err := filepath.Glob(file + "*")
		check(t, err)
		for _, secret := range secrets {
			for _, f := range files {
				data, err := os.ReadFile(f)
				check(t, err)
				if bytes.Contains(data, []byte(secret)) {
					out = append(out, secret)
					break
				}
			}
		}
		return out
	}
	run := func(statement string) {
		t.Helper()
		other, err := sql.Open("sqlite", file)
		check(t, err)
		defer other.Close()
		_, err = other.Exec(statement)
		check(t, err)
	}
	run(`PRAGMA wal_checkpoint(TRUNCATE)`)
	if got := found(); len(got) != len(secrets) {
		t.Fatalf("the search finds only %q", got)
	}
	check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := DeleteDraft(tx, "d"); err != nil {
			return err
		}
		return DeleteCase(tx, "c")
	}))
	run(`PRAGMA wal_checkpoint(TRUNCATE)`)
	for _, s := range found() {
		if s == "planted key" {
			t.Error("a draft's key is still on the disk")
		}
	}
	run(`VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`)
	if got := found(); len(got) > 0 {
		t.Errorf("after their erasure there is still: %q", got)
	}
}

// BenchmarkMine: a person's page costs the same beside many other people's
// cases, and beside many that are closed.
func BenchmarkMine(b *testing.B) {
	for _, others := range []int{1_000, 30_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			db := open(b, filepath.Join(b.TempDir(), "portal.db"))
			now := time.Now()
			for from := 0; from < others; from += 1000 {
				check(b, db.Write(ctx, func(tx *sqldb.Tx) error {
					for i := from; i < from+1000; i++ {
						id := portal.CaseID(portal.NewID())
						c := Case{CaseHead: portal.CaseHead{ID: id, Number: string(id), Tenant: "t", Group: "g", State: portal.Arrived, Arrived: now,
							Changed: now.Add(-time.Duration(i) * time.Minute)}, Body: make([]byte, 500)}
						if err := InsertCase(tx, c); err != nil {
							return err
						}
						person := portal.PersonKey(portal.NewID())
						if i%(others/1000) == 0 {
							person = "me"
						}
						if err := InsertPerson(tx, CasePerson{Case: id, Person: person, Owner: true}); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			r := Last(ctx, db)
			for b.Loop() {
				list, err := CasesOf(r, []portal.PersonKey{"me"}, []portal.TenantID{"t"}, false, Page{Before: time.UnixMilli(math.MaxInt32), Limit: 50})
				check(b, err)
				_ = list
				list, err = CasesOf(r, []portal.PersonKey{"me"}, []portal.TenantID{"t"}, false, Page{})
				check(b, err)
				if len(list) != 50 {
					b.Fatal(len(list))
				}
			}
		})
	}
}
