package drafts

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// calls lists who calls a method of that name in a folder, as "file function",
// with the type of its last argument where that is a literal; and who takes it as
// a value.
func calls(t *testing.T, dir, method string) (got []string) {
	t.Helper()
	set := token.NewFileSet()
	check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && strings.Trim(e.Name(), ".") != "" {
			return fs.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), method) {
			return err
		}
		parsed, err := parser.ParseFile(set, path, source, 0)
		if err != nil {
			return nil // somebody is writing it
		}
		name, err := filepath.Rel(dir, path)
		check(t, err)
		for _, d := range parsed.Decls {
			in := "?"
			if fn, ok := d.(*ast.FuncDecl); ok {
				in = fn.Name.Name
			}
			called := map[ast.Node]bool{}
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == method {
						called[s] = true
						witness := ""
						if lit, ok := n.Args[len(n.Args)-1].(*ast.CompositeLit); ok {
							witness = " " + lit.Type.(*ast.Ident).Name
						}
						got = append(got, filepath.ToSlash(name)+" "+in+witness)
					}
				case *ast.SelectorExpr:
					if n.Sel.Name == method && !called[n] {
						got = append(got, filepath.ToSlash(name)+" "+in+" as a value")
					}
				}
				return true
			})
		}
		return nil
	}))
	slices.Sort(got)
	return got
}

// TestWhoUnwraps lists everybody who opens a draft's own key, and with which
// witness. Whoever is added must be thought about.
func TestWhoUnwraps(t *testing.T) {
	if diff := cmp.Diff([]string{
		"access.go enter owner",       // everything that its owner does
		"locked.go Arrival arrival",   // what was locked becomes a case
		"locked.go LockedBytes again", // what was locked goes out once more
	}, calls(t, ".", "unwrap")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"access.go newKey", "access.go unwrap"}, calls(t, ".", "OpenLoose")); diff != "" {
		t.Error(diff)
	}
}

// TestWhoOpensWithoutTheOwner lists everybody in the program who uses the
// exception. Whoever only writes to people needs Told, and nothing more.
func TestWhoOpensWithoutTheOwner(t *testing.T) {
	var got []string
	for _, method := range []string{"Arrival", "LockedBytes"} {
		for _, dir := range []string{"..", "../../cmd"} {
			got = append(got, calls(t, dir, method)...)
		}
	}
	if diff := cmp.Diff([]string{
		"sending/arrive.go arrive", // the seal was verified
		"sending/look.go handOver", // it was locked, and no order of it noted
	}, got); diff != "" {
		t.Error(diff)
	}
}

// TestStrangers: a draft does not exist but for its owner, whatever one wants of
// it.
func TestStrangers(t *testing.T) {
	d := newDesk(t)
	mine := d.one()
	id := d.begin(mine)
	_, err := d.Attach(ctx, mine, id, 1, "bilagor", "a.png", picture("png"))
	check(t, err)
	g, err := d.Save(ctx, mine, id, 2, "ett", form.Answers{"namn": text("mine")}, true)
	check(t, err)
	file := portal.FileID(g.Answers["bilagor"].Files[0].ID)
	_, err = d.Save(ctx, mine, id, 1, "tva", form.Answers{"text": text("late")}, true)
	if !errors.As(err, new(*Conflict)) {
		t.Fatal(err)
	}

	acts := map[string]func(v portal.Visitor, id portal.DraftID) error{
		"open": func(v portal.Visitor, id portal.DraftID) error { _, err := d.Open(ctx, v, id); return err },
		"save": func(v portal.Visitor, id portal.DraftID) error {
			_, err := d.Save(ctx, v, id, 3, "ett", form.Answers{"namn": text("theirs")}, true)
			return err
		},
		"late": func(v portal.Visitor, id portal.DraftID) error {
			_, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("theirs")}, true)
			return err
		},
		"aside":  func(v portal.Visitor, id portal.DraftID) error { _, err := d.Aside(ctx, v, id); return err },
		"settle": func(v portal.Visitor, id portal.DraftID) error { _, err := d.Settle(ctx, v, id, 3, true); return err },
		"attach": func(v portal.Visitor, id portal.DraftID) error {
			_, err := d.Attach(ctx, v, id, 3, "bilagor", "b.png", picture("png"))
			return err
		},
		"detach": func(v portal.Visitor, id portal.DraftID) error {
			_, err := d.Detach(ctx, v, id, 3, "bilagor", file)
			return err
		},
		"file":   func(v portal.Visitor, id portal.DraftID) error { _, _, err := d.File(ctx, v, id, file); return err },
		"remove": func(v portal.Visitor, id portal.DraftID) error { return d.Remove(ctx, v, id) },
		"lock": func(v portal.Visitor, id portal.DraftID) error {
			return d.Lock(ctx, v, id, 3, "attempt", Outgoing{Revision: 3})
		},
		"locked": func(v portal.Visitor, id portal.DraftID) error { _, _, err := d.Locked(ctx, v, id); return err },
	}
	two := d.two()
	elsewhere := mine
	elsewhere.Group, elsewhere.Tenant = "grannar", "bada"
	nobody := portal.Visitor{Group: "ensam", Tenant: "exempelby"}
	browser := nobody
	browser.Browser = string(mine.Key) // a cookie that says so
	changed := mine
	changed.Key = mine.Key[:len(mine.Key)-1] + "g"
	for who, c := range map[string]struct {
		v     portal.Visitor
		known bool // who it was
	}{
		"another person": {two, true}, "in another group": {elsewhere, true}, "not logged in": {nobody, false},
		"a browser": {browser, false}, "almost": {changed, true},
	} {
		for what, act := range acts {
			before := len(d.events())
			if err := act(c.v, id); err != portal.ErrNotFound {
				t.Errorf("%s, %s: %v", who, what, err)
			}
			now := d.events()
			if len(now) != before+1 {
				t.Errorf("%s, %s: audit %q", who, what, now[before:])
			}
			for _, e := range now[before:] {
				if !strings.HasPrefix(e, "draft.refused ") || strings.HasSuffix(e, " by somebody") != c.known {
					t.Errorf("%s, %s: audit %q", who, what, e)
				}
			}
			// Nor is there anything to be told from that it is there.
			if err := act(c.v, portal.DraftID(portal.NewID())); err != portal.ErrNotFound {
				t.Errorf("%s, %s, of none: %v", who, what, err)
			}
		}
		if list, err := d.List(ctx, c.v); err != nil || len(list) != 0 {
			t.Errorf("%s lists %d, %v", who, len(list), err)
		}
	}
	again, err := d.Open(ctx, mine, id)
	check(t, err)
	if diff := cmp.Diff(g, again); diff != "" {
		t.Error(diff)
	}

	// The same person, by the number that it had before.
	later := two
	later.Previous = mine.Key
	if _, err := d.Open(ctx, later, id); err != nil {
		t.Error(err)
	}
	if list, err := d.List(ctx, later); err != nil || len(list) != 1 {
		t.Errorf("lists %d, %v", len(list), err)
	}
}

func TestBrowsers(t *testing.T) {
	d := newDesk(t)
	v := portal.Visitor{Group: "ensam", Tenant: "exempelby", Browser: "one"}
	id, err := d.Begin(ctx, v, "exempelby", "felanmalan")
	check(t, err)
	g, err := d.Open(ctx, v, id)
	check(t, err)
	if !g.Anonymous || !g.Expires.Equal(d.now.Add(time.Hour)) {
		t.Errorf("%+v", g.DraftHead)
	}
	for who, other := range map[string]portal.Visitor{
		"another browser": {Group: "ensam", Tenant: "exempelby", Browser: "two"},
		"none":            {Group: "ensam", Tenant: "exempelby"},
		"another group":   {Group: "grannar", Tenant: "bada", Browser: "one"},
		"a person":        {Group: "ensam", Tenant: "exempelby", Key: "one", Number: d.one().Number},
	} {
		if _, err := d.Open(ctx, other, id); err != portal.ErrNotFound {
			t.Errorf("%s: %v", who, err)
		}
	}
	if list, err := d.List(ctx, v); err != nil || len(list) != 0 {
		t.Errorf("nobody's list has %d, %v", len(list), err)
	}
	for what, c := range map[string]struct {
		v       portal.Visitor
		tenant  portal.TenantID
		service portal.ServiceID
	}{
		"not logged in": {v, "exempelby", "bygglov"}, "no name": {portal.Visitor{Group: "ensam", Tenant: "exempelby"}, "exempelby", "felanmalan"},
		"not offered": {d.one(), "exempelby", "none"}, "in another group": {d.one(), "annanby", "bygglov"},
	} {
		if _, err := d.Begin(ctx, c.v, c.tenant, c.service); err != portal.ErrNotFound {
			t.Errorf("begun %s: %v", what, err)
		}
	}
}

// TestAltered: whoever can write to the database can destroy a draft, but not
// make it another, nor put something older or another's into its place (P-50).
func TestAltered(t *testing.T) {
	set := func(statement string) func(*testing.T, *desk, []portal.DraftID) {
		return func(t *testing.T, d *desk, ids []portal.DraftID) {
			statement := strings.ReplaceAll(statement, "{two}", "'"+string(d.two().Key)+"'")
			for i, id := range ids {
				statement = strings.ReplaceAll(statement, fmt.Sprintf("{%d}", i), "'"+string(id)+"'")
			}
			check(t, d.DB.Write(ctx, func(tx *sqldb.Tx) error {
				n, err := tx.Exec(statement)
				if err == nil && n == 0 {
					t.Error("nothing was altered")
				}
				return err
			}))
		}
	}
	for name, alter := range map[string]func(*testing.T, *desk, []portal.DraftID){
		"body of another":   set(`UPDATE draft_bodies SET sealed = (SELECT sealed FROM draft_bodies WHERE draft = {1}) WHERE draft = {0}`),
		"key of another":    set(`UPDATE drafts SET sealkey = (SELECT sealkey FROM drafts WHERE id = {1}) WHERE id = {0}`),
		"a bit of the body": set(`UPDATE draft_bodies SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE draft = {0}`),
		"a shorter body":    set(`UPDATE draft_bodies SET sealed = x'02' WHERE draft = {0}`),
		"written":           set(`UPDATE drafts SET written = written - 1 WHERE id = {0}`),
		"tenant":            set(`UPDATE drafts SET tenant = 'annanby' WHERE id = {0}`),
		"owner":             set(`UPDATE drafts SET owner = {two} WHERE id = {0}`),
		"anonymous":         set(`UPDATE drafts SET anonymous = TRUE, owner = 'browser' WHERE id = {0}`),
		"file of its own": set(`UPDATE draft_files SET sealed = (SELECT sealed FROM draft_files AS o WHERE o.draft = {0} AND o.id <> draft_files.id)
			WHERE draft = {0} AND size = (SELECT max(size) FROM draft_files WHERE draft = {0})`),
		"file of another":     set(`UPDATE draft_files SET sealed = (SELECT sealed FROM draft_files WHERE draft = {1} LIMIT 1) WHERE draft = {0}`),
		"aside of another":    set(`UPDATE draft_asides SET sealed = (SELECT sealed FROM draft_asides WHERE draft = {1}) WHERE draft = {0}`),
		"base of what's late": set(`UPDATE draft_asides SET base = base + 1 WHERE draft = {0}`),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			v := d.one()
			var ids []portal.DraftID
			var file portal.FileID
			for range 2 {
				id := d.begin(v)
				ids = append(ids, id)
				_, err := d.Attach(ctx, v, id, 1, "bilagor", "a.pdf", picture("pdf"))
				check(t, err)
				g, err := d.Attach(ctx, v, id, 2, "bilagor", "a.png", picture("png"))
				check(t, err)
				if len(ids) == 1 {
					file = portal.FileID(g.Answers["bilagor"].Files[1].ID)
				}
				if _, err := d.Save(ctx, v, id, 1, "ett", form.Answers{"namn": text("late")}, true); !errors.As(err, new(*Conflict)) {
					t.Fatal(err)
				}
			}
			reads := func(v portal.Visitor) (out []error) {
				_, err := d.Open(ctx, v, ids[0])
				out = append(out, err)
				_, err = d.Aside(ctx, v, ids[0])
				out = append(out, err)
				_, _, err = d.File(ctx, v, ids[0], file)
				return append(out, err)
			}
			for _, err := range reads(v) {
				check(t, err)
			}
			alter(t, d, ids)
			failed := false
			for _, v := range []portal.Visitor{v, d.two(), {Group: "ensam", Browser: "browser"}, {Group: "grannar", Key: v.Key, Number: v.Number}} {
				mine := errors.Join(reads(v)...)
				failed = failed || mine != nil && !errors.Is(mine, portal.ErrNotFound)
				if v.Key != d.one().Key || v.Group != "ensam" {
					for _, err := range reads(v) {
						if err == nil {
							t.Error("somebody else reads it")
						}
					}
				}
			}
			if !failed {
				t.Error("nobody noticed")
			}
		})
	}
}

// TestAgainWitness: only what is on its way is handed over.
func TestAgainWitness(t *testing.T) {
	locked := store.Draft{DraftHead: portal.DraftHead{State: portal.Sending}, Attempt: "a", Outgoing: []byte("x")}
	for what, c := range map[string]struct {
		change func(*store.Draft)
		want   bool
	}{
		"locked":     {func(*store.Draft) {}, true},
		"open":       {func(r *store.Draft) { r.State = portal.Open }, false},
		"waiting":    {func(r *store.Draft) { r.State = portal.Waiting }, false},
		"has order":  {func(r *store.Draft) { r.Order = "o" }, false},
		"no attempt": {func(r *store.Draft) { r.Attempt = "" }, false},
		"no bytes":   {func(r *store.Draft) { r.Outgoing = nil }, false},
	} {
		row := locked
		c.change(&row)
		if got := (again{}).vouch(row); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

// TestArrivalWitness: what is open has not arrived.
func TestArrivalWitness(t *testing.T) {
	for _, c := range []struct {
		row  store.Draft
		want bool
	}{
		{store.Draft{DraftHead: portal.DraftHead{State: portal.Open}, Outgoing: []byte("x")}, false},
		{store.Draft{DraftHead: portal.DraftHead{State: portal.Waiting}}, false},
		{store.Draft{DraftHead: portal.DraftHead{State: portal.Waiting}, Outgoing: []byte("x")}, true},
		{store.Draft{DraftHead: portal.DraftHead{State: portal.Sending}, Outgoing: []byte("x")}, true},
	} {
		if got := (arrival{}).vouch(c.row); got != c.want {
			t.Errorf("%+v: %t", c.row, got)
		}
	}
}
