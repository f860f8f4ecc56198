package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/signing"
	"sigill/signing/orders"
)

// Receivers that never answer, more of them than there are workers, keep nothing
// else waiting: neither seals nor invitations, nor a client who answers.
func TestDeadReceiversHoldUpNobody(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	db, err := sqldb.Open(ctx, filepath.Join(t.TempDir(), "a.db"), sqldb.CrashSafe)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx, time.Now(), outbox.Tables()); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 10)
	do := outbox.Handler{Do: func(ctx context.Context, e outbox.Entry) error {
		if e.Lane == "dead" || e.Lane == "dead too" {
			<-ctx.Done()
			return ctx.Err()
		}
		done <- e.ID
		return nil
	}}
	q, err := newQueues(db, "node", map[string]outbox.Handler{
		orders.KindSeal: do, orders.KindWebhook: do, string(signing.SendInvitation): do,
	}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, one := range q.all() {
		names[one.Node] = true
		one.Grace = time.Millisecond
	}
	if len(names) != 3 {
		t.Errorf("queues that take each other's work back at start: %v", names)
	}
	insert := func(list ...outbox.Entry) {
		if err := db.Write(ctx, func(tx *sqldb.Tx) error {
			for _, e := range list {
				e.Created = time.Now()
				if err := outbox.Insert(tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		insert(outbox.Entry{ID: fmt.Sprint("dead", i), Kind: orders.KindWebhook, Lane: []string{"dead", "dead too"}[i%2]})
	}
	over := make(chan error)
	for _, run := range q.works() {
		go func() { over <- run(ctx) }()
	}
	time.Sleep(100 * time.Millisecond) // they are all stuck in it
	insert(outbox.Entry{ID: "seal", Kind: orders.KindSeal}, outbox.Entry{ID: "invitation", Kind: string(signing.SendInvitation)},
		outbox.Entry{ID: "hook", Kind: orders.KindWebhook, Lane: "alive"})
	q.wake()
	got := map[string]bool{}
	for range 3 {
		select {
		case id := <-done:
			got[id] = true
		case <-time.After(20 * time.Second):
			t.Errorf("only %v were done", got)
		}
	}
	stop()
	for range q.works() {
		if err := <-over; err != nil {
			t.Error(err)
		}
	}
}
