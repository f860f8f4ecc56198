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
	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/portal"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *sqldb.DB {
	t.Helper()
	return sqldbtest.Open(t, sqldb.Place{Dir: dir}, "portal", Tables()...)
}

// fill makes PostgreSQL know of more than a few rows: it reads small tables as a
// whole.
var fill = []string{
	`INSERT INTO drafts (id, tenant, service, version, owner, anonymous, state, revision, written, order_id, attempt, returned, created, changed, expires, looked, sealkey)
		SELECT 'd' || n, 't' || n % 3, 's', 'v', 'p' || n % 1000, n % 50 = 0, CASE WHEN n % 20 = 0 THEN 'waiting' WHEN n % 100 = 1 THEN 'sending' ELSE 'open' END,
			1, 1, CASE WHEN n % 20 = 0 THEN 'o' || n ELSE '' END, CASE WHEN n % 20 = 0 THEN 'a' || n ELSE '' END, '', n, n, n, n, 'key'
		FROM generate_series(1, 10000) AS n`,
	`INSERT INTO draft_bodies (draft, sealed) SELECT id, 'body' FROM drafts`,
	`INSERT INTO draft_asides (draft, base, saved, sealed) SELECT id, 1, 1, 'body' FROM drafts WHERE anonymous`,
	`INSERT INTO draft_files (draft, id, size, created, sealed) SELECT id, 'f', 1, 1, 'body' FROM drafts`,
	`INSERT INTO draft_asked (draft, person, order_id, tenant, sealed) SELECT id, owner, order_id, tenant, 'title' FROM drafts WHERE state = 'waiting'`,
	`INSERT INTO cases (id, number, tenant, service, version, officers, state, arrived, changed, closed, erase, order_id, anonymous)
		SELECT 'c' || n, 'n' || n, 't' || n % 3, 's', 'v', 'g' || n % 4, CASE WHEN n % 10 = 0 THEN 'arrived' ELSE 'closed' END, n, n,
			CASE WHEN n % 10 <> 0 THEN n END, CASE WHEN n % 10 <> 0 THEN n END, 'o' || n, FALSE
		FROM generate_series(1, 20000) AS n`,
	`INSERT INTO case_bodies (case_id, sealed) SELECT id, 'body' FROM cases`,
	`INSERT INTO case_people (case_id, person, owner, tenant, over, changed) SELECT id, 'p' || changed % 1000, TRUE, tenant, state = 'closed', changed FROM cases`,
	`INSERT INTO case_messages (id, case_id, n, at, author, body) SELECT 'm' || id, id, 1, changed, 'officer', 'body' FROM cases`,
	`INSERT INTO profiles (grp, person, seen, body) SELECT 'g', 'p' || n, n, 'body' FROM generate_series(1, 5000) AS n`,
	`INSERT INTO sessions (id, kind, tenant, grp, body, created, seen, expires) SELECT 's' || n, 'citizen', 't', 'g', 'body', n, n, n FROM generate_series(1, 5000) AS n`,
	`ANALYZE drafts, draft_bodies, draft_asides, draft_files, draft_asked, cases, case_bodies, case_people, case_messages, profiles, sessions`,
}

// Lists are read from an index, in its order, however many rows there are.
func TestPlans(t *testing.T) {
	type query struct {
		query            string
		sqlite, postgres []string
		sorts            bool // some rows, at most as many as a page has of each source
	}
	first := func(q string, _ []any) string { return q }
	queries := map[string]query{
		"draft":    {query: draftQuery + `WHERE d.id = $1`, sqlite: []string{"SEARCH d USING INDEX"}, postgres: []string{"drafts_pkey", "draft_bodies_pkey", "draft_outgoing_pkey"}},
		"by order": {query: draftQuery + draftByOrder, sqlite: []string{"drafts_order"}, postgres: []string{"drafts_order"}},
		"attempt":  {query: draftQuery + draftByAttempt, sqlite: []string{"drafts_attempt"}, postgres: []string{"drafts_attempt"}},
		"owned": {query: fmt.Sprintf(draftsOwnedQuery, "($1, $2)", "($3, $4)"), sorts: true,
			sqlite: []string{"drafts_owner (owner=? AND tenant=?)"}, postgres: []string{"drafts_owner"}},
		"waiting":   {query: draftsWaitingQuery, sqlite: []string{"drafts_waiting (looked<?)"}, postgres: []string{"Index Scan using drafts_waiting"}},
		"sending":   {query: draftsSendingQuery, sqlite: []string{"drafts_sending (looked<?)"}, postgres: []string{"Index Scan using drafts_sending"}},
		"expired":   {query: draftsExpiredQuery, sqlite: []string{"drafts_expires (expires<?)"}, postgres: []string{"Index Scan using drafts_expires"}},
		"anonymous": {query: anonymousQuery, sqlite: []string{"drafts_anonymous (anonymous=?)"}, postgres: []string{"drafts_anonymous"}},
		"their size": {query: anonymousSizeQuery, sqlite: []string{"drafts_anonymous (anonymous=?)", "SEARCH b USING", "SEARCH a USING", "SEARCH f USING"},
			postgres: []string{"drafts_anonymous", "draft_bodies_pkey", "draft_asides_pkey", "draft_files_pkey"}},
		"asked": {query: askedQuery([]portal.PersonKey{"a"}, []portal.TenantID{"t"}), sorts: true,
			sqlite: []string{"draft_asked_person"}, postgres: []string{"draft_asked_person"}},
		"mine": {query: first(casesOfQuery([]portal.PersonKey{"a", "b"}, []portal.TenantID{"s", "t"}, false, Page{})), sorts: true,
			sqlite: []string{"SEARCH case_people USING COVERING INDEX case_people_newest (person=? AND tenant=? AND over=? AND (changed,case_id)<(?,?))",
				"SEARCH c USING INDEX", "case_messages_unread"},
			postgres: []string{"Index Only Scan Backward using case_people_newest", "cases_pkey", "case_messages_unread"}},
		"officers'": {query: first(casesForQuery("t", []string{"g", "h"}, portal.CaseStates(), Page{})), sorts: true,
			sqlite:   []string{"SEARCH cases USING COVERING INDEX cases_officers (tenant=? AND officers=? AND state=? AND (changed,id)<(?,?))", "SEARCH c USING INDEX"},
			postgres: []string{"Index Only Scan Backward using cases_officers", "cases_pkey"}},
		"erase":    {query: casesToEraseQuery, sqlite: []string{"cases_erase (erase<?)"}, postgres: []string{"Index Scan using cases_erase"}},
		"order":    {query: caseQuery + caseByOrder, sqlite: []string{"cases_order"}, postgres: []string{"cases_order"}},
		"sessions": {query: sessionsEndedQuery, sqlite: []string{"sessions_seen", "sessions_expires"}, postgres: []string{"sessions_seen", "sessions_expires"}},
		"forget": {query: forgetQuery, sqlite: []string{"profiles_seen", "drafts_owner", "case_people_newest"},
			postgres: []string{"profiles_seen", "drafts_owner", "case_people_newest"}},
	}
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		db := sqldbtest.Open(t, p, "portal", Tables()...)
		if p.Engine() == sqldb.PostgreSQL {
			for _, statement := range fill {
				sqldbtest.Exec(t, db, statement)
			}
		}
		for name, c := range queries {
			plan := sqldbtest.Plan(t, db, c.query)
			for _, want := range map[sqldb.Engine][]string{sqldb.SQLite: c.sqlite, sqldb.PostgreSQL: c.postgres}[p.Engine()] {
				if !strings.Contains(plan, want) {
					t.Errorf("%s: no %q in\n%s", name, want, plan)
				}
			}
			for _, line := range strings.Split(plan, "\n") {
				// What is read whole are the pages that were put together.
				if strings.HasPrefix(line, "SCAN") && !strings.HasPrefix(line, "SCAN s") && line != "SCAN u" && line != "SCAN p" || strings.Contains(line, "Seq Scan") ||
					(strings.Contains(line, "TEMP B-TREE") || strings.Contains(line, "Sort")) && !c.sorts {
					t.Errorf("%s reads or sorts everything:\n%s", name, plan)
				}
			}
		}
	})
}

// Nothing that lives in the file holds what was erased, and of a draft's key not
// even before the file is made smaller. Nothing here is sealed, so that it could
// be found.
func TestErasedOnDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "portal.db")
	db := open(t, dir)
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
			db := open(b, b.TempDir())
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
