package audit

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

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

// bench is a database with a sequencer whose time stands until it is moved.
type bench struct {
	*testing.T
	db     *sqldb.DB
	seq    *Sequencer
	now    time.Time
	public map[string]crypto.PublicKey
	signer Signer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	p := sqldb.Place{Dir: t.TempDir()}
	if strings.HasPrefix(t.Name(), "TestPostgres/") {
		p = sqldb.Place{DSN: sqldbtest.DSN(t)}
	}
	db := sqldbtest.Open(t, p, "a", Tables())
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	b := &bench{T: t, db: db, now: time.Now().UTC().Truncate(time.Millisecond),
		public: map[string]crypto.PublicKey{"key 1": public}, signer: Signer{"key 1", private}}
	b.seq = b.sequencer()
	return b
}

// TestPostgres runs the tests of this package once more, over PostgreSQL.
func TestPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"chain": TestChain, "insert refuses": TestInsertRefuses, "chain written anew": TestChainWrittenAnew, "kept head": TestKeptHead, "rows without head": TestRowsWithoutHead,
		"head removed": TestHeadRemoved, "late rows": TestLateRows, "many faults": TestManyFaults, "sign refuses": TestSignRefuses, "lease": TestLease, "together": TestTogether, "state": TestState,
	} {
		t.Run(name, test)
	}
}

func (b *bench) sequencer() *Sequencer {
	b.Helper()
	s, err := NewSequencer(Sequencer{DB: b.db, Now: func() time.Time { return b.now }, Signer: func() (Signer, error) { return b.signer, nil }})
	check(b, err)
	return s
}

// add writes n acts, each with something of its own in every field.
func (b *bench) add(n int) {
	b.Helper()
	check(b, b.db.Write(ctx, func(tx *sqldb.Tx) error {
		for i := range n {
			x := fmt.Sprint(i)
			if err := Insert(tx, Event{Type(OrderStarted), b.now, "client " + x, "provider " + x, "instance " + x, "order " + x,
				"login " + x, "person " + x, "reason " + x}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *bench) sequence() { b.Helper(); check(b, b.seq.Sequence(ctx)) }
func (b *bench) sign()     { b.Helper(); check(b, b.seq.Sign(ctx)) }

func (b *bench) verify(kept ...Head) Report {
	b.Helper()
	r, err := Verify(ctx, b.db, b.now, b.public, kept...)
	check(b, err)
	return r
}

// exec does what somebody with the database in hand may do.
func (b *bench) exec(query string, args ...any) {
	b.Helper()
	check(b, b.db.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			b.Errorf("%s changed nothing", query)
		}
		return err
	}))
}

func (b *bench) count(query string) (n int) {
	b.Helper()
	check(b, b.db.Row(ctx, query).Scan(&n))
	return n
}

func TestChain(t *testing.T) {
	b := newBench(t)
	if r := b.verify(); !r.OK() || r.Rows != 0 || r.Heads != 0 {
		t.Errorf("empty: %+v", r)
	}
	b.add(3)
	if r := b.verify(); !r.OK() || r.Rows != 0 || r.Waiting != 3 {
		t.Errorf("waiting: %+v", r)
	}
	b.sequence()
	if r := b.verify(); !r.OK() || r.Rows != 3 || r.Waiting != 0 || r.Unsigned != 3 {
		t.Errorf("sequenced: %+v", r)
	}
	b.sign()
	b.sign() // the same head again: nothing to do
	b.now = b.now.Add(time.Hour)
	b.add(2*sequenceBatch + 1)
	b.sequence()
	r := b.verify()
	if !r.OK() || r.Rows != 2*sequenceBatch+4 || r.Heads != 1 || r.Last.Position != 3 || r.Unsigned != 2*sequenceBatch+1 {
		t.Errorf("more: %+v", r)
	}
	b.sign()
	if r := b.verify(); !r.OK() || r.Heads != 2 || r.Unsigned != 0 || r.Last.Position != r.Rows {
		t.Errorf("signed: %+v", r)
	}
	if n := b.count(`SELECT count(*) FROM audit_waiting`); n != 0 {
		t.Errorf("%d rows wait", n)
	}
	// The order in which they were written is kept.
	if n := b.count(`SELECT count(*) FROM audit_chain WHERE position > 3 AND client <> 'client ' || (position - 4)`); n != 0 {
		t.Errorf("%d rows are out of order", n)
	}
}

func TestInsertRefuses(t *testing.T) {
	b := newBench(t)
	for _, e := range []Event{{}, {Type: OrderStarted}, {At: b.now}} {
		if b.db.Write(ctx, func(tx *sqldb.Tx) error { return Insert(tx, e) }) == nil {
			t.Errorf("took %+v", e)
		}
	}
}

// Whatever is done to the tables, it shows. Each case starts from ten rows with
// a head at 4 and at 8.
func TestTampering(t *testing.T) {
	columns := map[string]string{
		"type": "'order.failed'", "at": "at + 1", "client": "'x'", "provider": "'x'", "instance": "'x'", "order_id": "'x'",
		"login": "'x'", "person": "'x'", "reason": "'x'", "hash": "CAST(zeroblob(32) AS BLOB)",
	}
	type tampering struct {
		name string
		sql  []string
		says string
	}
	var cases []tampering
	for column, value := range columns {
		for _, at := range []int{1, 5, 10} {
			cases = append(cases, tampering{fmt.Sprint(column, " of row ", at),
				[]string{fmt.Sprintf(`UPDATE audit_chain SET %s = %s WHERE position = %d`, column, value, at)}, fmt.Sprintf("row %d: it was altered", at)})
		}
	}
	cases = append(cases,
		tampering{"text moved from one field to the next", []string{`UPDATE audit_chain SET client = 'client', provider = ' 0' || provider WHERE position = 5`}, "row 5: it was altered"},
		tampering{"first row gone", []string{`DELETE FROM audit_chain WHERE position = 1`}, "row 2: rows 1 to 1 before it are missing"},
		tampering{"rows in the middle gone", []string{`DELETE FROM audit_chain WHERE position IN (5, 6)`}, "row 7: rows 5 to 6 before it are missing"},
		tampering{"row in the middle gone, the others moved up", []string{`DELETE FROM audit_chain WHERE position = 5`,
			`UPDATE audit_chain SET position = -position WHERE position > 5`, `UPDATE audit_chain SET position = -position - 1 WHERE position < 0`}, "row 5: it was altered"},
		tampering{"rows at the end gone", []string{`DELETE FROM audit_chain WHERE position > 6`}, "row 8: its head was signed, but the chain ends at row 6"},
		tampering{"all rows gone", []string{`DELETE FROM audit_chain`}, "row 8: its head was signed, but the chain ends at row 0"},
		tampering{"rows exchanged", []string{`UPDATE audit_chain SET position = 0 WHERE position = 2`, `UPDATE audit_chain SET position = 2 WHERE position = 7`,
			`UPDATE audit_chain SET position = 7 WHERE position = 0`}, "row 2: it was altered"},
		tampering{"a row put in", []string{`INSERT INTO audit_chain SELECT 11, hash, type, at, client, provider, instance, order_id, login, person, reason FROM audit_chain WHERE position = 10`}, "row 11: it was altered"},
		tampering{"a head of another hash", []string{`UPDATE audit_heads SET hash = (SELECT hash FROM audit_chain WHERE position = 7) WHERE position = 8`}, "row 8: the signature of its head is false"},
		tampering{"a head of another time", []string{`UPDATE audit_heads SET at = at + 1 WHERE position = 8`}, "row 8: the signature of its head is false"},
		tampering{"a head of another row", []string{`UPDATE audit_heads SET position = 7 WHERE position = 8`}, "row 7: the signature of its head is false"},
		tampering{"a head without signature", []string{`UPDATE audit_heads SET signature = X'' WHERE position = 4`}, "row 4: the signature of its head is false"},
		tampering{"a head by another key", []string{`UPDATE audit_heads SET kid = 'key 2' WHERE position = 4`}, "row 4: its head is signed by a key that is not known: key 2"},
	)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			for _, n := range []int{4, 4, 2} {
				b.add(n)
				b.sequence()
				if n == 4 {
					b.sign()
				}
				b.now = b.now.Add(time.Minute)
			}
			if r := b.verify(); !r.OK() {
				t.Fatalf("before: %v", r.Faults)
			}
			for _, q := range c.sql {
				b.exec(q)
			}
			r := b.verify()
			for _, f := range r.Faults {
				if strings.HasPrefix(f.String(), c.says) {
					return
				}
			}
			t.Errorf("found %v, want %s", r.Faults, c.says)
		})
	}
}

// Somebody who can compute hashes writes the whole rest of the chain anew: the
// signed heads show it.
func TestChainWrittenAnew(t *testing.T) {
	b := newBench(t)
	b.add(6)
	b.sequence()
	b.sign()
	b.exec(`UPDATE audit_chain SET reason = 'another' WHERE position = 3`)
	hash := genesis()
	rows, err := readChain(ctx, b.db, 0)
	check(t, err)
	for _, row := range rows {
		hash = link(hash, row.position, row.event)
		b.exec(`UPDATE audit_chain SET hash = $1 WHERE position = $2`, hash, row.position)
	}
	r := b.verify()
	if len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0].String(), "row 6: it is another than the one whose head was signed at") {
		t.Errorf("found %v", r.Faults)
	}
}

// Rows and heads removed together show by a head that was kept elsewhere.
func TestKeptHead(t *testing.T) {
	b := newBench(t)
	b.add(3)
	b.sequence()
	b.sign()
	b.now = b.now.Add(time.Minute)
	b.add(3)
	b.sequence()
	b.sign()
	kept := b.verify().Last
	if r := b.verify(kept); !r.OK() {
		t.Fatalf("before: %v", r.Faults)
	}
	b.exec(`DELETE FROM audit_chain WHERE position > 3`)
	b.exec(`DELETE FROM audit_heads WHERE position > 3`)
	if r := b.verify(); !r.OK() {
		t.Errorf("shows without the kept head: %v", r.Faults)
	}
	if r := b.verify(kept); r.OK() {
		t.Error("does not show with the kept head")
	}
	forged := kept
	forged.Hash = bytes.Repeat([]byte{1}, 32)
	if r := b.verify(forged); r.OK() {
		t.Error("a kept head with a false signature passed")
	}
}

// Heads are signed hourly and when a node stops. Rows that none covers for much
// longer are what is left when heads were removed.
func TestRowsWithoutHead(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  []string
		says string
	}{
		{"heads and rows", []string{`DELETE FROM audit_heads`, `DELETE FROM audit_chain WHERE position > 2`}, "row 1: it is older than 2h0m0s, and no head is signed at all"},
		{"heads", []string{`DELETE FROM audit_heads`}, "row 1: it is older than 2h0m0s, and no head is signed at all"},
		{"the last head", []string{`DELETE FROM audit_heads WHERE position > 4`}, "row 5: it is older than 2h0m0s, and no signed head covers it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			for range 2 {
				b.add(4)
				b.sequence()
				b.sign()
				b.now = b.now.Add(time.Hour)
			}
			b.now = b.now.Add(time.Hour + time.Millisecond)
			b.add(1) // not yet signed, nor is it time
			b.sequence()
			if r := b.verify(); !r.OK() {
				t.Fatalf("before: %v", r.Faults)
			}
			for _, q := range tt.cut {
				b.exec(q)
			}
			if r := b.verify(); len(r.Faults) != 1 || r.Faults[0].String() != tt.says {
				t.Errorf("found %v, want %s", r.Faults, tt.says)
			}
		})
	}
	b := newBench(t)
	b.add(1)
	b.sequence()
	b.now = b.now.Add(2 * time.Hour)
	if r := b.verify(); !r.OK() {
		t.Errorf("at two hours: %v", r.Faults)
	}
	b.now = b.now.Add(time.Millisecond)
	if r := b.verify(); r.OK() {
		t.Error("after two hours a row without a head is nothing")
	}
}

// A head that was kept and is not here any more was removed.
func TestHeadRemoved(t *testing.T) {
	b := newBench(t)
	for range 2 {
		b.add(3)
		b.sequence()
		b.sign()
	}
	kept := b.verify().Last
	b.exec(`DELETE FROM audit_heads WHERE position > 3`)
	r := b.verify(kept)
	if len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0].String(), "row 6: its head, which was kept, is not here any more") {
		t.Errorf("found %v", r.Faults)
	}
}

func TestHeadText(t *testing.T) {
	b := newBench(t)
	b.add(3)
	b.sequence()
	b.sign()
	h := b.verify().Last
	got, err := ParseHead(h.String())
	if err != nil || got.String() != h.String() {
		t.Fatalf("%s became %s: %v", h, got, err)
	}
	if r := b.verify(got); !r.OK() {
		t.Errorf("as text: %v", r.Faults)
	}
	hash := strings.Repeat("ab", 32)
	for _, s := range []string{
		"", "3", h.String() + ":", ":" + h.String(), h.String() + "=", "0:1:" + hash + ":k:AA", "-1:1:" + hash + ":k:AA", "+1:1:" + hash + ":k:AA",
		"1:x:" + hash + ":k:AA", "1:1:" + hash[2:] + ":k:AA", "1:1:" + hash + "::AA", "1:1:" + hash + ":k:", "1:1:" + hash + ":k:!!",
		"99999999999999999999:1:" + hash + ":k:AA",
	} {
		if got, err := ParseHead(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

// What is read is written again alike.
func FuzzParseHead(f *testing.F) {
	f.Add("3:1767225600000:" + strings.Repeat("ab", 32) + ":key 1:AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHead(s)
		if err != nil {
			return
		}
		if again, err := ParseHead(h.String()); err != nil || !bytes.Equal(again.text(), h.text()) || !bytes.Equal(again.Signature, h.Signature) {
			t.Errorf("%q is read as %s: %v", s, h, err)
		}
	})
}

func TestLateRows(t *testing.T) {
	b := newBench(t)
	b.add(2)
	b.now = b.now.Add(60 * time.Second)
	b.add(1)
	if r := b.verify(); !r.OK() || r.Waiting != 3 {
		t.Errorf("at 60 s: %+v", r)
	}
	b.now = b.now.Add(time.Millisecond)
	r := b.verify()
	if r.OK() || !strings.HasPrefix(r.Faults[0].String(), "2 rows older than") {
		t.Errorf("after 60 s: %+v", r)
	}
	b.sequence()
	if r := b.verify(); !r.OK() {
		t.Errorf("sequenced: %v", r.Faults)
	}
}

func TestManyFaults(t *testing.T) {
	b := newBench(t)
	b.add(maxFaults + 20)
	b.sequence()
	b.exec(`UPDATE audit_chain SET reason = 'x'`)
	if r := b.verify(); len(r.Faults) != maxFaults || r.More != 20 || r.OK() {
		t.Errorf("%d faults and %d more", len(r.Faults), r.More)
	}
}

// A sequencer does not sign a chain that is shorter than it was.
func TestSignRefuses(t *testing.T) {
	b := newBench(t)
	b.add(3)
	b.sequence()
	b.sign()
	b.exec(`DELETE FROM audit_chain WHERE position = 3`)
	if err := b.seq.Sign(ctx); err == nil || !strings.Contains(err.Error(), "removed") {
		t.Errorf("got %v", err)
	}
	no := errors.New("no key")
	b.seq.Signer = func() (Signer, error) { return Signer{}, no }
	if err := b.seq.Sign(ctx); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}

// One of several sequencers works; when it falls silent another takes over.
func TestLease(t *testing.T) {
	b := newBench(t)
	other := b.sequencer()
	b.add(1)
	b.sequence()
	b.add(1)
	check(t, other.Sequence(ctx))
	check(t, other.Sign(ctx))
	if n := b.count(`SELECT count(*) FROM audit_chain`); n != 1 || b.count(`SELECT count(*) FROM audit_heads`) != 0 {
		t.Errorf("the other worked: %d rows", n)
	}
	b.now = b.now.Add(leaseFor)
	check(t, other.Sequence(ctx))
	if n := b.count(`SELECT count(*) FROM audit_chain`); n != 2 {
		t.Errorf("the other did not take over: %d rows", n)
	}
	b.add(1)
	b.sequence()
	if n := b.count(`SELECT count(*) FROM audit_chain`); n != 2 {
		t.Errorf("the first worked without the lease: %d rows", n)
	}
	check(t, other.release(ctx))
	b.sequence()
	if r := b.verify(); !r.OK() || r.Rows != 3 {
		t.Errorf("at the end: %+v", r)
	}
}

// Writers and several sequencers at the same time, with leases that end all the
// time: no row is lost, none has two places.
func TestTogether(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	now := b.now
	tick := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(leaseFor / 3)
		return now
	}
	var writers, sequencers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		s := b.sequencer()
		s.Now = tick
		sequencers.Go(func() {
			for {
				if err := errors.Join(s.Sequence(ctx), s.Sign(ctx)); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 4 {
		writers.Go(func() {
			for range 50 {
				if err := b.db.Write(ctx, func(tx *sqldb.Tx) error {
					return Insert(tx, Event{Type: OrderStarted, At: b.now}, Event{Type: OrderFailed, At: b.now})
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	sequencers.Wait()
	b.now = now.Add(leaseFor)
	b.sequence()
	b.sign() // hours may have passed by their clocks
	if r := b.verify(); !r.OK() || r.Rows != 400 || r.Waiting != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRun(t *testing.T) {
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, err := NewSequencer(Sequencer{DB: b.db, Signer: func() (Signer, error) { return b.signer, nil }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		check(t, err)
		running, stop := context.WithCancel(ctx)
		over := make(chan error)
		go func() { over <- s.Run(running) }()
		synctest.Wait()
		b.now = time.Now()
		heads := func() int { return b.count(`SELECT count(*) FROM audit_heads`) }
		b.add(2)
		time.Sleep(s.Interval + time.Millisecond)
		synctest.Wait()
		if r := b.verify(); !r.OK() || r.Rows != 2 || heads() != 1 {
			t.Errorf("after a second: %+v, %d heads", r, heads())
		}
		b.add(1)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if heads() != 1 {
			t.Errorf("%d heads within the hour", heads())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if r := b.verify(); !r.OK() || r.Unsigned != 0 || heads() != 2 {
			t.Errorf("after an hour: %+v, %d heads", r, heads())
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if heads() != 2 {
			t.Errorf("%d heads, though nothing happened", heads())
		}
		b.add(5)
		stop()
		check(t, <-over)
		if r := b.verify(); !r.OK() || r.Rows != 8 || r.Unsigned != 0 || r.Waiting != 0 {
			t.Errorf("at the end: %+v", r)
		}
		if b.count(`SELECT until FROM audit_sequencer`) != 0 {
			t.Error("the lease was kept")
		}
		if !strings.Contains(log.String(), b.verify().Last.String()) {
			t.Errorf("the log lacks the head as it can be compared:\n%s", log.String())
		}
		if got := strings.Count(log.String(), "audit head signed"); got != 3 {
			t.Errorf("%d heads in the log:\n%s", got, log.String())
		}
	})
}

func TestNewSequencer(t *testing.T) {
	if _, err := NewSequencer(Sequencer{}); err == nil {
		t.Error("made from nothing")
	}
}

// A text moved from one field to the next is another row.
func TestLinkTellsFieldsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 20, -1).Draw(t, "text")
		fields := func(cut int) Event {
			return Event{Type: OrderStarted, Order: text[:cut], Login: text[cut:]}
		}
		at := rapid.IntRange(0, len(text))
		a, b := at.Draw(t, "a"), at.Draw(t, "b")
		if (a == b) != bytes.Equal(link(genesis(), 1, fields(a)), link(genesis(), 1, fields(b))) {
			t.Fatalf("%q cut at %d and %d", text, a, b)
		}
	})
}

func TestKeys(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	for _, key := range []crypto.Signer{p256, ed} {
		sig, err := sign(key, []byte("text"))
		check(t, err)
		if !verify(key.Public(), []byte("text"), sig) {
			t.Errorf("%T: a good signature is refused", key)
		}
		if verify(key.Public(), []byte("other"), sig) || verify(key.Public(), []byte("text"), nil) {
			t.Errorf("%T: a false signature is taken", key)
		}
	}
	for _, key := range []crypto.PublicKey{nil, "x", ed25519.PublicKey{1}} {
		if verify(key, []byte("text"), make([]byte, 64)) {
			t.Errorf("%v verifies", key)
		}
	}
}
