package node

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/store"
)

func TestReplay(t *testing.T) {
	now := time.Now()
	short, err := store.OpenShort(t.Context(), store.Config{Place: sqldb.Place{Dir: t.TempDir()}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	one, other := &replay{short}, &replay{short} // two nodes
	until := now.Add(time.Minute)
	for i, tt := range []struct {
		at         *replay
		key, owner string
		want       bool
	}{
		{one, "assertion", "request 1", false},
		{other, "assertion", "request 1", false}, // the same again, after a crash
		{other, "assertion", "request 2", true},
		{one, "assertion", "request 2", true},
		{one, "another assertion", "request 2", false},
	} {
		if seen, err := tt.at.Seen(t.Context(), tt.key, tt.owner, until); seen != tt.want || err != nil {
			t.Errorf("%d: %v, %v", i, seen, err)
		}
	}
	// Of many that bring the same at once, at any node, one is the first.
	var first atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			seen, err := []*replay{one, other}[i%2].Seen(t.Context(), "brought by many", strconv.Itoa(i), until)
			if err != nil {
				t.Error(err)
			}
			if !seen {
				first.Add(1)
			}
		})
	}
	if all.Wait(); first.Load() != 1 {
		t.Errorf("%d were the first", first.Load())
	}
	now = until.Add(time.Second)
	if seen, err := one.Seen(t.Context(), "assertion", "request 3", now.Add(time.Minute)); seen || err != nil {
		t.Errorf("after its time: %v, %v", seen, err)
	}
	short.Close()
	if seen, err := one.Seen(t.Context(), "x", "y", until); err == nil || seen {
		t.Error("without a store nothing is new")
	}
}
