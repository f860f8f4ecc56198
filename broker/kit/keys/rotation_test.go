package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// logged is a log that tests may read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// node is one of several that share a database: with a ring, a connection, and
// files of its own.
type node struct {
	*Ring
	log  *logged
	dir  string
	skew time.Duration
}

func (n *node) file() string { return filepath.Join(n.dir, "master.key") }

// replace does what people do at a node: the old file becomes the previous one.
func (n *node) replace(t testing.TB, with []byte) {
	t.Helper()
	check(t, os.Rename(n.file(), n.file()+".previous"))
	check(t, os.WriteFile(n.file(), with, 0o600))
}

// masterText gives what the file of a new master key holds.
func masterText(t testing.TB) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "master")
	check(t, NewMaster(file))
	text, err := os.ReadFile(file)
	check(t, err)
	return text
}

// nodes starts several with clocks that are apart by skew.
func nodes(t testing.TB, at sqldb.Place, c *clock, master []byte, skews ...time.Duration) []*node {
	t.Helper()
	var list []*node
	for _, skew := range skews {
		n := &node{log: &logged{}, dir: t.TempDir(), skew: skew}
		check(t, os.WriteFile(n.file(), master, 0o600))
		db := sqldbtest.Open(t, at, "keys", audit.Tables(), Tables())
		files := []string{n.file(), n.file() + ".previous"}
		masters, err := LoadMasters(files...)
		check(t, err)
		n.Ring, err = Open(ctx, db, masters, func() time.Time { return c.Now().Add(n.skew) })
		check(t, err)
		n.MasterFiles, n.Log = files, slog.New(slog.NewTextHandler(n.log, nil))
		list = append(list, n)
	}
	return list
}

// Nodes whose clocks are ten seconds apart rotate the key of tokens twice, one of
// them in a hurry. What any node signs, every node verifies at every moment until
// it expires, and so does whoever has fetched the keys from any node lately.
func TestTokensOfNodesApart(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, at sqldb.Place) {
		const (
			life  = 5 * time.Minute // of a token
			cache = 5 * time.Minute // of the keys, at whoever verifies tokens
		)
		c := newClock()
		all := nodes(t, at, c, masterText(t), -10*time.Second, 0, 10*time.Second)
		for _, n := range all {
			n.Lead, n.Overlap = 10*time.Minute, 10*time.Minute
			_, err := n.Signer(ES256)
			check(t, err)
		}
		type token struct {
			kid     string
			expires time.Time
		}
		tokens := map[token]bool{}
		used := map[string]bool{}
		var cached []string
		step := 5 * time.Second
		for second := time.Duration(0); second < 70*time.Minute; second += step {
			for i, n := range all { // polls at moments of their own
				if (second+time.Duration(i)*step)%(10*time.Second) == 0 {
					check(t, n.Maintain(ctx))
				}
			}
			switch second {
			case 5 * time.Minute:
				check(t, all[2].RotateSigning(ctx, ES256))
			case 35 * time.Minute:
				check(t, all[0].RotateSigning(ctx, ES256))
			}
			if second%cache == 0 {
				cached = published(all[int(second/cache)%len(all)].Ring)
			}
			for _, n := range all {
				k, err := n.Signer(ES256)
				check(t, err)
				sum := sha256.Sum256([]byte("token"))
				signature, err := k.Key.Sign(rand.Reader, sum[:], nil)
				check(t, err)
				if second%time.Minute == 0 {
					for _, other := range all {
						public, ok := other.Find(k.KID)
						if !ok || !ecdsa.VerifyASN1(public.Key.(*ecdsa.PublicKey), sum[:], signature) {
							t.Fatalf("after %s: what one node signed another does not verify", second)
						}
					}
				}
				used[k.KID] = true
				tokens[token{k.KID, c.Now().Add(life)}] = true
			}
			for k := range tokens {
				if !c.Now().Before(k.expires) {
					delete(tokens, k)
					continue
				}
				for i, n := range all {
					if !slices.Contains(published(n.Ring), k.kid) {
						t.Fatalf("after %s: node %d does not publish the key of a token that is valid", second, i)
					}
				}
				if !slices.Contains(cached, k.kid) {
					t.Fatalf("after %s: who has fetched the keys lately cannot verify a token", second)
				}
			}
			c.advance(step)
		}
		if len(used) != 3 {
			t.Errorf("%d keys were used", len(used))
		}
		// At once: the others have not looked, and find it all the same.
		check(t, all[0].ActivateSigning(ctx, ES256))
		k, err := all[0].Signer(ES256)
		check(t, err)
		for i, n := range all[1:] {
			if _, ok := n.Find(k.KID); !ok {
				t.Errorf("node %d does not find a key that was brought in just now", i+1)
			}
			if _, ok := n.Find(strings.Repeat("x", thumbprintSize)); ok {
				t.Error("found a key that nobody has made")
			}
		}
	})
}

// Of many who meet the same new key at the same moment nobody is refused, and
// those who send what nobody has sealed cost a few looks a second.
func TestManyMeetANewKey(t *testing.T) {
	c := newClock()
	at := sqldb.Place{Dir: t.TempDir()}
	all := nodes(t, at, c, masterText(t), 0, 0)
	a, b := all[0], all[1]
	a.BoxAge = time.Hour
	boxA, err := a.Box("orders")
	check(t, err)
	boxB, err := b.Box("orders")
	check(t, err)
	for range 5 {
		c.advance(time.Hour)
		check(t, a.Maintain(ctx))
		sealed := boxA.Seal([]byte("x"), nil)
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				if i%4 == 0 { // and somebody tries what nobody has sealed
					bad := bytes.Clone(sealed)
					bad[1+i%nameSize] ^= byte(i + 1)
					if _, err := boxB.Open(bad, nil); !errors.Is(err, errSealed) {
						t.Errorf("what nobody has sealed: %v", err)
					}
					return
				}
				if _, err := boxB.Open(sealed, nil); err != nil {
					t.Errorf("a value under a new key: %v", err)
				}
			})
		}
		group.Wait()
	}
	before := b.looks.Load()
	var group sync.WaitGroup
	began := time.Now()
	for range 100 {
		group.Go(func() {
			bad := make([]byte, 100)
			rand.Read(bad)
			bad[0] = boxVersion
			if _, err := boxB.Open(bad, nil); err == nil {
				t.Error("opened")
			}
		})
	}
	group.Wait()
	if looks := b.looks.Load() - before; looks > 3+int64(time.Since(began)/lookGap) {
		t.Errorf("%d looks in %s", looks, time.Since(began))
	}
}

// The master key is replaced at three nodes while they seal, open, sign and rotate:
// nothing fails at any moment.
func TestMasterIsReplacedUnderLoad(t *testing.T) {
	sqldbtest.Engines(t, func(t *testing.T, at sqldb.Place) {
		c := newClock()
		fresh := masterText(t)
		all := nodes(t, at, c, masterText(t), -10*time.Second, 0, 10*time.Second)
		oldID := (*all[0].masters.Load())[0].id
		var boxes []*Box
		for _, n := range all {
			n.BoxAge = time.Hour
			n.Lead, n.Overlap = 0, 24*time.Hour
			box, err := n.Box("orders")
			check(t, err)
			boxes = append(boxes, box)
			_, err = n.Signer(ES256)
			check(t, err)
		}
		maintain := func() {
			t.Helper()
			for _, n := range all {
				check(t, n.Maintain(ctx))
			}
		}
		running, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer stop()
		var did atomic.Int64
		for g := range 6 {
			group.Go(func() {
				for i := g; running.Err() == nil; i++ {
					plain := fmt.Append(nil, "text ", i)
					sealed := boxes[i%3].Seal(plain, []byte("here"))
					got, err := boxes[(i+g)%3].Open(sealed, []byte("here"))
					if err != nil || !bytes.Equal(got, plain) {
						t.Errorf("opened %q: %v", got, err)
						return
					}
					k, err := all[i%3].Signer(ES256)
					if err != nil {
						t.Error(err)
						return
					}
					if _, ok := all[(i+g)%3].Find(k.KID); !ok {
						t.Error("a key in use is not found")
						return
					}
					did.Add(1)
					time.Sleep(time.Millisecond)
				}
			})
		}
		more := func() { // until the others have done something in this state
			t.Helper()
			for target := did.Load() + 30; did.Load() < target && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
		}
		rotate := func() {
			t.Helper()
			c.advance(time.Hour)
			check(t, all[0].RotateSigning(ctx, ES256))
			maintain()
			more()
		}
		more()
		for _, n := range all { // node after node, with new keys in between
			n.replace(t, fresh)
			rotate()
			for _, k := range n.List() {
				if k.State != Withdrawn && k.Master != oldID {
					t.Fatal("a new key lies under the new master key before all nodes have it")
				}
			}
		}
		check(t, all[1].RewrapMaster(ctx))
		more()
		rotate()
		for _, n := range all {
			if n.Unheld() != 0 || n.Check() != nil {
				t.Errorf("%d keys are not held: %v", n.Unheld(), n.Check())
			}
			check(t, os.Remove(n.file()+".previous"))
			rotate()
		}
		stop()
		group.Wait()
		for _, n := range all {
			check(t, n.Refresh(ctx))
			if masters := *n.masters.Load(); len(masters) != 1 || masters[0].id == oldID {
				t.Error("the old master key is still in use")
			}
			for _, k := range n.List() {
				if k.State != Withdrawn && k.Master == oldID {
					t.Error("a key still lies under the old master key")
				}
			}
			if n.log.count("level=ERROR") != 0 {
				t.Error("complaints")
			}
			if got := n.log.count("were read anew"); got != 2 {
				t.Errorf("%d times read anew", got)
			}
		}
		// Who comes later needs the new one only.
		nodes(t, at, c, fresh, 0)
	})
}

// A node that lacks the new file goes on with what it has opened, fails alone for
// what it cannot open, says so once, and recovers when the file comes.
func TestNodeWithoutTheMaster(t *testing.T) {
	c := newClock()
	fresh := masterText(t)
	all := nodes(t, sqldb.Place{Dir: t.TempDir()}, c, masterText(t), 0, 0)
	a, b := all[0], all[1]
	for _, n := range all {
		n.BoxAge, n.Lead, n.Overlap = time.Hour, time.Minute, time.Hour
	}
	box := func(n *node, purpose string) *Box {
		t.Helper()
		box, err := n.Box(purpose)
		check(t, err)
		return box
	}
	boxA, boxB := box(a, "orders"), box(b, "orders")
	index, err := b.Index("person")
	check(t, err)
	found := index([]byte("a"))
	_, err = a.Signer(ES256)
	check(t, err)
	old := boxA.Seal([]byte("old"), nil)
	check(t, b.Refresh(ctx))

	a.replace(t, fresh)
	check(t, a.Refresh(ctx))
	check(t, a.RewrapMaster(ctx))
	for range 3 {
		check(t, b.Maintain(ctx))
	}
	// All that it has opened works, and it is fit to serve.
	if _, err := boxB.Open(old, nil); err != nil {
		t.Error(err)
	}
	if b.Unheld() != 3 || b.Check() != nil {
		t.Errorf("%d not held, %v", b.Unheld(), b.Check())
	}
	if n := b.log.count("whose file is not here"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if _, err := b.Box("another"); !errors.Is(err, ErrNoMaster) {
		t.Errorf("made a key that others could not open: %v", err)
	}

	// Keys that came under the new one.
	boxOther := box(a, "other")
	before, err := b.Signer(ES256)
	check(t, err)
	c.advance(time.Hour)
	check(t, a.RotateSigning(ctx, ES256))
	check(t, a.Maintain(ctx))
	c.advance(time.Minute)
	check(t, a.Maintain(ctx))
	check(t, b.Maintain(ctx))
	sealed := boxA.Seal([]byte("new"), nil)
	if _, err := boxB.Open(sealed, nil); !errors.Is(err, ErrNoMaster) {
		t.Errorf("opened without the master key: %v", err)
	}
	if _, err := b.Box("other"); !errors.Is(err, ErrNoMaster) {
		t.Errorf("a box whose key is closed: %v", err)
	}
	theirs := boxB.Seal([]byte("theirs"), nil)
	if _, err := boxA.Open(theirs, nil); err != nil {
		t.Errorf("what it seals others cannot open: %v", err)
	}
	if !bytes.Equal(index([]byte("a")), found) {
		t.Error("the index changed")
	}
	if k, err := b.Signer(ES256); err != nil || k.KID != before.KID {
		t.Errorf("does not sign with the key from before: %v", err)
	}
	if err := b.Check(); !errors.Is(err, ErrNoMaster) {
		t.Errorf("fit to serve: %v", err)
	}
	if n := b.log.count("whose file is not here"); n != 2 {
		t.Errorf("said %d times", n)
	}
	// What it signed would be refused from here on.
	c.advance(time.Hour)
	if _, err := b.Signer(ES256); !errors.Is(err, ErrNoMaster) {
		t.Errorf("signs with a key that nobody publishes: %v", err)
	}

	b.replace(t, fresh)
	if plain, err := boxB.Open(sealed, nil); err != nil || string(plain) != "new" {
		t.Errorf("the file has come: %q %v", plain, err)
	}
	if _, err := box(b, "other").Open(boxOther.Seal(nil, nil), nil); err != nil {
		t.Error(err)
	}
	if k, err := b.Signer(ES256); err != nil || k.KID == before.KID {
		t.Errorf("still signs with the key from before: %v", err)
	}
	if b.Unheld() != 0 || b.Check() != nil || b.log.count("can be opened again") != 1 {
		t.Errorf("%d not held, %v", b.Unheld(), b.Check())
	}
}

// A file that is gone, or half written, changes nothing and is complained of once.
func TestBrokenMasterFile(t *testing.T) {
	c := newClock()
	n := nodes(t, sqldb.Place{Dir: t.TempDir()}, c, masterText(t), 0)[0]
	_, err := n.Box("orders")
	check(t, err)
	text, err := os.ReadFile(n.file())
	check(t, err)
	for what, spoil := range map[string]func() error{
		"gone":         func() error { return os.Remove(n.file()) },
		"empty":        func() error { return os.WriteFile(n.file(), nil, 0o600) },
		"half":         func() error { return os.WriteFile(n.file(), text[:20], 0o600) },
		"the previous": func() error { return os.WriteFile(n.file()+".previous", text[:20], 0o600) },
		"a folder":     func() error { return errors.Join(os.Remove(n.file()), os.Mkdir(n.file(), 0o700)) },
	} {
		n.log.buf.Reset()
		check(t, spoil())
		for range 3 {
			check(t, n.Maintain(ctx))
		}
		if _, err := n.Box("orders"); err != nil || n.Unheld() != 0 {
			t.Errorf("%s: %v, %d not held", what, err, n.Unheld())
		}
		if _, err := n.Box("made while it was " + what); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if said := n.log.count("level=ERROR"); said != 1 {
			t.Errorf("%s: said %d times", what, said)
		}
		if n.log.count(string(bytes.TrimSpace(text[:20]))) != 0 {
			t.Errorf("%s: the log shows what is in the file", what)
		}
		os.Remove(n.file())
		check(t, os.WriteFile(n.file(), text, 0o600))
		os.Remove(n.file() + ".previous")
		check(t, n.Maintain(ctx))
	}
	// Another one altogether, by mistake: what was opened goes on, nothing new is made.
	check(t, os.WriteFile(n.file(), masterText(t), 0o600))
	check(t, n.Maintain(ctx))
	if _, err := n.Box("orders"); err != nil || n.Unheld() == 0 || n.Check() != nil {
		t.Errorf("%v, %d not held, %v", err, n.Unheld(), n.Check())
	}
	if _, err := n.Box("yet another"); !errors.Is(err, ErrNoMaster) {
		t.Errorf("a key under a master key that no other is under: %v", err)
	}
	_, err = Open(ctx, n.db, *n.masters.Load(), c.Now)
	if !errors.Is(err, ErrNoMaster) {
		t.Errorf("started without a key that it needs: %v", err)
	}
}

// A clock that is ahead alone erases no key.
func TestWithdrawnByTheTimeThatHasCome(t *testing.T) {
	c := newClock()
	n := nodes(t, sqldb.Place{Dir: t.TempDir()}, c, masterText(t), 0)[0]
	past := c.Now()
	n.Past = func() time.Time { return past }
	_, err := n.Signer(ES256)
	check(t, err)
	check(t, n.RotateSigning(ctx, ES256))
	check(t, n.ActivateSigning(ctx, ES256))
	c.advance(n.Overlap)
	for _, want := range []State{Retired, Withdrawn} {
		check(t, n.Maintain(ctx))
		var states []State
		for _, k := range n.List() {
			if k.Kind == ES256 {
				states = append(states, k.State)
			}
		}
		if !slices.Contains(states, want) {
			t.Errorf("%v, and none is %v", states, want)
		}
		past = c.Now()
	}
}
