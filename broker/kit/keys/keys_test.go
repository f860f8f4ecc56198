package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Millisecond)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func database(t testing.TB) *sqldb.DB {
	t.Helper()
	p := sqldb.Place{Dir: t.TempDir()}
	if strings.HasPrefix(t.Name(), "TestPostgres/") {
		p = sqldb.Place{DSN: sqldbtest.DSN(t)}
	}
	return sqldbtest.Open(t, p, "a", audit.Tables(), Tables())
}

// TestPostgres runs the tests of this package once more, over PostgreSQL.
func TestPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"box": TestBox, "index": TestIndex, "signer": TestSigner, "rotate signing": TestRotateSigning, "box rotation": TestBoxRotation,
		"rewrap master": TestRewrapMaster, "two rings": TestTwoRings, "races": TestRaces,
	} {
		t.Run(name, test)
	}
}

func master(t testing.TB) Master {
	t.Helper()
	file := filepath.Join(t.TempDir(), "master")
	check(t, NewMaster(file))
	m, err := LoadMaster(file)
	check(t, err)
	return m
}

func openRing(t testing.TB, db *sqldb.DB, c *clock, masters ...Master) *Ring {
	t.Helper()
	r, err := Open(ctx, db, masters, c.Now)
	check(t, err)
	return r
}

// acts lists the audited acts upon keys.
func acts(t testing.TB, db *sqldb.DB) []string {
	t.Helper()
	rows, err := db.Rows(ctx, `SELECT type, reason FROM audit_waiting ORDER BY id`)
	check(t, err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var typ, reason string
		check(t, rows.Scan(&typ, &reason))
		list = append(list, typ+" "+reason)
	}
	return list
}

func TestMasterFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "master")
	check(t, NewMaster(file))
	info, err := os.Stat(file)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %s", info.Mode())
	}
	if NewMaster(file) == nil {
		t.Error("a master key was replaced")
	}
	first, err := LoadMaster(file)
	check(t, err)
	again, err := LoadMaster(file)
	check(t, err)
	if first.id != again.id || first.id == master(t).id {
		t.Errorf("names %s, %s", first.id, again.id)
	}
	text, err := os.ReadFile(file)
	check(t, err)
	if strings.Contains(string(text), first.id) {
		t.Error("the name shows the key")
	}
	for name, text := range map[string]string{
		"empty":     "",
		"short":     base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"long":      base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"hex":       strings.Repeat("ab", 32),
		"two":       string(text) + string(text),
		"no base64": strings.Repeat("?", 44),
		"huge":      strings.Repeat("A", 1<<20),
		"not canon": strings.Repeat("A", 42) + "B=", // bits that say nothing are set
	} {
		bad := filepath.Join(dir, "bad")
		check(t, os.WriteFile(bad, []byte(text), 0o600))
		if _, err := LoadMasters(file, bad); err == nil {
			t.Errorf("%s: taken", name)
		} else if text != "" && strings.Contains(err.Error(), text[:min(len(text), 20)]) {
			t.Errorf("%s: the error shows what is in the file: %v", name, err)
		}
	}
	if _, err := LoadMasters(filepath.Join(dir, "missing")); err == nil {
		t.Error("read a file that is not there")
	}
	if _, err := Open(ctx, database(t), nil, nil); err == nil {
		t.Error("opened without a master key")
	}
}

func TestBox(t *testing.T) {
	db, c := database(t), newClock()
	r := openRing(t, db, c, master(t))
	box, err := r.Box("orders")
	check(t, err)
	other, err := r.Box("sessions")
	check(t, err)
	for _, plain := range [][]byte{nil, {}, []byte("a"), bytes.Repeat([]byte("x"), 100_000)} {
		sealed := box.Seal(plain, []byte("order 1"))
		if len(plain) > 1 && bytes.Contains(sealed, plain) {
			t.Fatal("sealed in plain")
		}
		if bytes.Equal(sealed, box.Seal(plain, []byte("order 1"))) {
			t.Error("the same twice")
		}
		got, err := box.Open(sealed, []byte("order 1"))
		check(t, err)
		if !bytes.Equal(got, plain) {
			t.Errorf("%d bytes became %d", len(plain), len(got))
		}
		if _, err := box.Open(sealed, []byte("order 2")); err == nil {
			t.Error("opened in another place")
		}
		if _, err := other.Open(sealed, []byte("order 1")); err == nil {
			t.Error("opened with another purpose")
		}
	}
	sealed := box.Seal([]byte("plain"), nil)
	for i := range sealed {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(sealed)
			bad[i] ^= bit
			if _, err := box.Open(bad, nil); err == nil {
				t.Errorf("opened with byte %d altered", i)
			}
		}
		if _, err := box.Open(sealed[:i], nil); err == nil {
			t.Errorf("opened the first %d bytes", i)
		}
	}
	if _, err := box.Open(append(bytes.Clone(sealed), 0), nil); err == nil {
		t.Error("opened with a byte more")
	}
	if got := acts(t, db); !slices.Equal(got, []string{"key.created orders box", "key.created sessions box"}) {
		t.Errorf("audited: %v", got)
	}
}

func FuzzBoxOpen(f *testing.F) {
	r := openRing(f, database(f), newClock(), master(f))
	box, err := r.Box("orders")
	check(f, err)
	f.Add([]byte{}, []byte{})
	f.Add(box.Seal([]byte("x"), []byte("right")), []byte("wrong"))
	f.Fuzz(func(t *testing.T, sealed, context []byte) {
		if plain, err := box.Open(sealed, context); err == nil {
			t.Errorf("opened %q", plain)
		}
	})
}

func TestIndex(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	index, err := openRing(t, db, c, m).Index("person")
	check(t, err)
	first := index([]byte("a"))
	if len(first) != 32 || bytes.Equal(first, index([]byte("b"))) {
		t.Errorf("index %x", first)
	}
	if plain := sha256.Sum256([]byte("a")); bytes.Equal(first, plain[:]) {
		t.Error("the index has no key")
	}
	r := openRing(t, db, c, m)
	r.BoxAge = time.Hour
	c.advance(1000 * time.Hour)
	check(t, r.Maintain(ctx))
	again, err := r.Index("person")
	check(t, err)
	if !bytes.Equal(first, again([]byte("a"))) {
		t.Error("the index changed")
	}
	digest, err := r.Digest("person")
	check(t, err)
	if got := digest([]byte("a")); got != hex.EncodeToString(first) {
		t.Errorf("digest %s", got)
	}
	other, err := r.Index("audit person")
	check(t, err)
	if bytes.Equal(first, other([]byte("a"))) {
		t.Error("two purposes have one index")
	}
}

func TestSigner(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	r := openRing(t, db, c, m)
	sum := sha256.Sum256([]byte("text"))
	for _, alg := range []string{RS256, ES256} {
		k, err := r.Signer(alg)
		check(t, err)
		sig, err := k.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
		check(t, err)
		ok := false
		switch p := k.Key.Public().(type) {
		case *rsa.PublicKey:
			ok = alg == RS256 && p.N.BitLen() == 2048 && rsa.VerifyPKCS1v15(p, crypto.SHA256, sum[:], sig) == nil
		case *ecdsa.PublicKey:
			ok = alg == ES256 && ecdsa.VerifyASN1(p, sum[:], sig)
		}
		if !ok || k.Alg != alg {
			t.Errorf("%s: a %T for %s", alg, k.Key, k.Alg)
		}
		again, err := openRing(t, db, c, m).Signer(alg)
		check(t, err)
		if again.KID != k.KID {
			t.Errorf("%s: another key after a restart", alg)
		}
	}
	for _, alg := range []string{"", "none", "HS256", EdDSA, "box", "index"} {
		if _, err := r.Signer(alg); err == nil {
			t.Errorf("signs with %q", alg)
		}
		if err := r.RotateSigning(ctx, alg); err == nil {
			t.Errorf("rotated %q", alg)
		}
	}
	a, err := r.AuditSigner()
	check(t, err)
	if _, ok := a.Key.Public().(ed25519.PublicKey); !ok {
		t.Errorf("the audit is signed with %T", a.Key)
	}
	if public := r.AuditKeys(); len(public) != 1 || public[a.KID] == nil {
		t.Errorf("audit keys %v", public)
	}
	if n := len(r.Published()); n != 2 {
		t.Errorf("%d keys are published", n)
	}
}

// The examples of RFC 7638, section 3.1, and RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		check(t, err)
		return b
	}
	n := raw("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
		"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI" +
		"SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	for _, c := range []struct {
		key  crypto.PublicKey
		want string
	}{
		{&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{ed25519.PublicKey(raw("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		got, err := thumbprint(c.key)
		check(t, err)
		if got != c.want {
			t.Errorf("%T: %s", c.key, got)
		}
	}
	if _, err := thumbprint("something else"); err == nil {
		t.Error("named what is no key")
	}
}

// states tells which states the token keys of an algorithm are in, oldest first.
func states(r *Ring, alg string) string {
	var list []string
	for _, k := range r.List() {
		if k.Purpose == purposeTokens && k.Kind == alg {
			list = append(list, string(k.State))
		}
	}
	return strings.Join(list, " ")
}

func published(r *Ring) (kids []string) {
	for _, k := range r.Published() {
		kids = append(kids, k.KID)
	}
	return kids
}

func TestRotateSigning(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	r := openRing(t, db, c, m)
	r.Lead, r.Overlap = time.Hour, 3*time.Hour
	signs := func() string {
		t.Helper()
		k, err := r.Signer(ES256)
		check(t, err)
		if !slices.Contains(published(r), k.KID) {
			t.Error("signs with a key that is not published")
		}
		return k.KID
	}
	want := func(what string, s string, publishes int) {
		t.Helper()
		check(t, r.Maintain(ctx))
		if got := states(r, ES256); got != s {
			t.Errorf("%s: %s, want %s", what, got, s)
		}
		if got := published(r); len(got) != publishes {
			t.Errorf("%s: %d are published, want %d", what, len(got), publishes)
		}
	}

	first := signs()
	want("at first", "active", 1)
	c.advance(time.Minute)
	check(t, r.RotateSigning(ctx, ES256))
	want("rotated", "active next", 2)
	next := published(r)[1]
	check(t, r.RotateSigning(ctx, ES256))
	want("rotated again", "active next", 2)
	c.advance(time.Hour - time.Millisecond)
	want("just before its time", "active next", 2)
	if signs() != first {
		t.Error("the next key signs too early")
	}
	c.advance(time.Millisecond)
	want("in its time", "retired active", 2)
	if signs() != next {
		t.Error("the next key does not sign")
	}
	c.advance(3*time.Hour - time.Millisecond)
	want("just before its end", "retired active", 2)
	c.advance(time.Millisecond)
	if got := published(r); len(got) != 1 {
		t.Error("published after its time, since nobody has withdrawn it yet")
	}
	want("at its end", "withdrawn active", 1)
	check(t, r.Maintain(ctx))

	// Its secret is gone, its name stays.
	var wrapped []byte
	check(t, db.Row(ctx, `SELECT wrapped FROM keys WHERE id = $1`, first).Scan(&wrapped))
	if wrapped != nil {
		t.Error("the secret of a withdrawn key is still there")
	}
	r = openRing(t, db, c, m)
	r.Lead, r.Overlap = time.Hour, 3*time.Hour
	want("after a restart", "withdrawn active", 1)

	// In a hurry.
	check(t, r.ActivateSigning(ctx, ES256))
	want("in a hurry", "withdrawn retired active", 2)
	if k := signs(); k == next {
		t.Error("the old key signs")
	}
	if got, want := acts(t, db), []string{"key.created token ES256", "key.created token ES256", "key.rotated token ES256",
		"key.retired token ES256", "key.created token ES256", "key.rotated token ES256"}; !slices.Equal(got, want) {
		t.Errorf("audited: %v", got)
	}
	for _, k := range r.List() {
		if (k.Activated.IsZero()) || (k.State != Active) == k.Retired.IsZero() || (k.State == Withdrawn) == k.Withdrawn.IsZero() {
			t.Errorf("times of %+v", k)
		}
	}
}

func TestBoxRotation(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	r := openRing(t, db, c, m)
	r.BoxAge = time.Hour
	box, err := r.Box("orders")
	check(t, err)
	old := box.Seal([]byte("old"), nil)
	c.advance(time.Hour - time.Millisecond)
	check(t, r.Maintain(ctx))
	if same := box.Seal(nil, nil); !bytes.Equal(same[:headSize], old[:headSize]) {
		t.Error("a new key too early")
	}
	c.advance(time.Millisecond)
	check(t, r.Maintain(ctx))
	fresh := box.Seal([]byte("new"), nil)
	if bytes.Equal(fresh[:headSize], old[:headSize]) {
		t.Error("no new key")
	}
	c.advance(10 * time.Minute)
	check(t, r.Maintain(ctx))
	if again := box.Seal(nil, nil); !bytes.Equal(fresh[:headSize], again[:headSize]) {
		t.Error("a new key again")
	}
	for range 2 {
		for sealed, want := range map[string]string{string(old): "old", string(fresh): "new"} {
			got, err := box.Open([]byte(sealed), nil)
			check(t, err)
			if string(got) != want {
				t.Errorf("opened %q, want %q", got, want)
			}
		}
		box, err = openRing(t, db, c, m).Box("orders")
		check(t, err)
	}
}

func TestRewrapMaster(t *testing.T) {
	db, c := database(t), newClock()
	oldMaster, newMaster := master(t), master(t)
	r := openRing(t, db, c, oldMaster)
	box, err := r.Box("orders")
	check(t, err)
	index, err := r.Index("person")
	check(t, err)
	signer, err := r.Signer(ES256)
	check(t, err)
	sealed, found := box.Seal([]byte("plain"), nil), index([]byte("a"))

	// Without the master key that they lie under nothing starts.
	if _, err := Open(ctx, db, []Master{newMaster}, c.Now); err == nil || !strings.Contains(err.Error(), oldMaster.id) {
		t.Fatalf("opened with a wrong master key: %v", err)
	}
	same := func(r *Ring) {
		t.Helper()
		box, err := r.Box("orders")
		check(t, err)
		plain, err := box.Open(sealed, nil)
		check(t, err)
		if string(plain) != "plain" {
			t.Errorf("opened %q", plain)
		}
		index, err := r.Index("person")
		check(t, err)
		if !bytes.Equal(found, index([]byte("a"))) {
			t.Error("the index changed")
		}
		s, err := r.Signer(ES256)
		check(t, err)
		if s.KID != signer.KID {
			t.Error("the signing key changed")
		}
	}
	both := openRing(t, db, c, newMaster, oldMaster)
	same(both)
	check(t, both.RewrapMaster(ctx))
	same(both)
	same(openRing(t, db, c, newMaster))
	for _, k := range both.List() {
		if k.Master != newMaster.id {
			t.Errorf("%s lies under %s", k.ID, k.Master)
		}
	}
	if _, err := Open(ctx, db, []Master{oldMaster}, c.Now); err == nil {
		t.Error("the old master key still opens")
	}
	before := len(acts(t, db))
	check(t, both.RewrapMaster(ctx))
	if got := acts(t, db); len(got) != before || got[len(got)-1] != "key.rotated master wrap" {
		t.Errorf("audited: %v", got)
	}
}

// A row that was altered, or exchanged for another, does not open.
func TestAlteredRows(t *testing.T) {
	for _, c := range []struct{ name, sql string }{
		{"bit of the secret", `UPDATE keys SET wrapped = CAST(substr(wrapped, 1, 20) || X'00' || substr(wrapped, 22) AS BLOB) WHERE kind = 'box' AND purpose = 'a'`},
		{"no secret", `UPDATE keys SET wrapped = X'' WHERE purpose = 'a'`},
		{"other purpose", `UPDATE keys SET purpose = 'c' WHERE purpose = 'a'`},
		{"other kind", `UPDATE keys SET kind = 'index' WHERE purpose = 'a'`},
		{"exchanged", `UPDATE keys SET wrapped = (SELECT wrapped FROM keys AS o WHERE o.purpose <> keys.purpose AND o.kind = 'box') WHERE kind = 'box'`},
		{"other name", `UPDATE keys SET id = 'x' WHERE kind = 'ES256'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, clock, m := database(t), newClock(), master(t)
			r := openRing(t, db, clock, m)
			for _, p := range []string{"a", "b"} {
				_, err := r.Box(p)
				check(t, err)
			}
			_, err := r.Signer(ES256)
			check(t, err)
			openRing(t, db, clock, m)
			check(t, db.Write(ctx, func(tx *sqldb.Tx) error {
				n, err := tx.Exec(c.sql)
				if n == 0 {
					t.Error("nothing was altered")
				}
				return err
			}))
			if _, err := Open(ctx, db, []Master{m}, clock.Now); err == nil {
				t.Error("opened")
			}
		})
	}
}

// Two processes share a database: each sees what the other makes.
func TestTwoRings(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	a, b := openRing(t, db, c, m), openRing(t, db, c, m)
	boxA, err := a.Box("orders")
	check(t, err)
	boxB, err := b.Box("orders")
	check(t, err)
	if _, err := boxB.Open(boxA.Seal([]byte("x"), nil), nil); err != nil {
		t.Error(err)
	}
	// One rotates; the other has not looked yet, and opens all the same.
	a.BoxAge = time.Hour
	c.advance(time.Hour)
	check(t, a.Maintain(ctx))
	if _, err := boxB.Open(boxA.Seal([]byte("x"), nil), nil); err != nil {
		t.Errorf("sealed with a key that the other has just made: %v", err)
	}
	check(t, a.RotateSigning(ctx, ES256))
	check(t, b.Refresh(ctx))
	if !slices.Equal(published(a), published(b)) || len(published(a)) != 2 {
		t.Errorf("published %v and %v", published(a), published(b))
	}
}

// Rings that begin, rotate and promote at the same moment agree on one key.
func TestRaces(t *testing.T) {
	db, c, m := database(t), newClock(), master(t)
	var rings []*Ring
	for range 6 {
		r := openRing(t, db, c, m)
		r.BoxAge, r.Lead, r.Overlap = time.Hour, time.Hour, time.Hour
		rings = append(rings, r)
	}
	all := func(what string, act func(*Ring) error) {
		t.Helper()
		var group sync.WaitGroup
		for _, r := range rings {
			group.Go(func() {
				if err := act(r); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		group.Wait()
	}
	one := func(what string) {
		t.Helper()
		kids := map[string]bool{}
		for _, r := range rings {
			check(t, r.Refresh(ctx))
			k, err := r.Signer(ES256)
			check(t, err)
			kids[k.KID] = true
		}
		if len(kids) != 1 {
			t.Errorf("%s: %d active keys", what, len(kids))
		}
	}
	all("make", func(r *Ring) error { _, err := r.Signer(ES256); return err })
	all("make", func(r *Ring) error { _, err := r.Box("orders"); return err })
	one("made")
	for n := range 3 {
		all("rotate", func(r *Ring) error { return r.RotateSigning(ctx, ES256) })
		c.advance(time.Hour)
		all("maintain", func(r *Ring) error { return r.Maintain(ctx) })
		one(fmt.Sprint("rotated ", n))
	}
	all("activate", func(r *Ring) error { return r.ActivateSigning(ctx, ES256) })
	one("activated")
	counts := map[string]int{}
	for _, a := range acts(t, db) {
		counts[a]++
	}
	created, rotated := counts["key.created token ES256"], counts["key.rotated token ES256"]
	if created != rotated+1 || rotated < 4 || rotated > 3+len(rings) {
		t.Errorf("%d made, %d rotated", created, rotated)
	}
	if counts["key.created orders box"] != counts["key.rotated orders box"]+1 || counts["key.rotated orders box"] != 3 {
		t.Errorf("acts %v", counts)
	}
}

func TestRun(t *testing.T) {
	db, m := database(t), master(t)
	synctest.Test(t, func(t *testing.T) {
		a, err := Open(ctx, db, []Master{m}, time.Now)
		check(t, err)
		b, err := Open(ctx, db, []Master{m}, time.Now)
		check(t, err)
		running, stop := context.WithCancel(ctx)
		over := make(chan error)
		go func() { over <- b.Run(running) }()
		_, err = a.Signer(ES256)
		check(t, err)
		if n := len(b.Published()); n != 0 {
			t.Errorf("%d keys before it looked", n)
		}
		time.Sleep(b.Poll + time.Millisecond)
		synctest.Wait()
		if n := len(b.Published()); n != 1 {
			t.Errorf("%d keys after it looked", n)
		}
		stop()
		check(t, <-over)
	})
}

func BenchmarkSeal(b *testing.B) {
	r := openRing(b, database(b), newClock(), master(b))
	box, err := r.Box("orders")
	check(b, err)
	plain := make([]byte, 2000)
	for b.Loop() {
		if _, err := box.Open(box.Seal(plain, []byte("order 1")), []byte("order 1")); err != nil {
			b.Fatal(err)
		}
	}
}
