package orders_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/keys"
	"sigill/signing/orders"
)

// noting is a Keys that notes which boxes are asked for.
type noting struct {
	orders.Keys
	asked []string
}

func (n *noting) Box(purpose string) (*keys.Box, error) {
	n.asked = append(n.asked, purpose)
	return n.Keys.Box(purpose)
}

// TestStrangersCostTheSame: to the wrong person what is there and what is not
// take the same work of keys.
func TestStrangersCostTheSame(t *testing.T) {
	b := newBench(t)
	ring := &noting{Keys: b.config.Keys}
	b.config.Keys = ring
	b.again()
	o := b.create(wish())
	b.workAll()
	g := b.guest(alien)
	for name, ask := range map[string]func(id, token string) error{
		"link":    func(_, token string) error { _, _, err := b.service.ByToken(ctx, "kommun", token, g); return err },
		"visit":   func(id, _ string) error { _, err := b.service.Visit(ctx, "kommun", id, 1, g); return err },
		"glance":  func(id, _ string) error { _, err := b.service.Glance(ctx, "kommun", id, 1, g); return err },
		"file":    func(id, _ string) error { _, err := b.service.File(ctx, "kommun", id, 1, g, 1); return err },
		"receipt": func(id, _ string) error { _, err := b.service.ReceiptFor(ctx, "kommun", id, 1, g); return err },
		"outcome": func(id, _ string) error { _, err := b.service.Outcome(ctx, "kommun", id, 1, g, "x"); return err },
	} {
		ring.asked = nil
		yes := ask(o.ID, link(b.mails[0].Message.Text))
		there := slices.Clone(ring.asked)
		ring.asked = nil
		no := ask(broker.NewID(), broker.NewSecret())
		if !errors.Is(yes, broker.ErrNotFound) || yes.Error() != no.Error() {
			t.Errorf("%s: %v, %v", name, yes, no)
		}
		if len(there) == 0 || !slices.Equal(there, ring.asked) {
			t.Errorf("%s: keys of %v where there is an order, of %v where there is none", name, there, ring.asked)
		}
	}
}

// TestNoKeysForNobody: whoever makes up clients makes no keys.
func TestNoKeysForNobody(t *testing.T) {
	b := newBench(t)
	ring := &noting{Keys: b.config.Keys}
	b.config.Keys = ring
	b.again()
	if _, _, err := b.service.ByToken(ctx, "nobody", broker.NewSecret(), b.guest(alien)); !errors.Is(err, broker.ErrNotFound) || len(ring.asked) != 0 {
		t.Errorf("%v, keys of %v", err, ring.asked)
	}
}

// TestStrangersAreNotedSoMuch: what a person comes to that is not theirs is noted,
// but does not fill the audit, whether it is there or not.
func TestStrangersAreNotedSoMuch(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.workAll()
	token := link(b.mails[0].Message.Text)
	noted := func() (n int) {
		b.ok(b.db.Row(ctx, `SELECT count(*) FROM audit_waiting WHERE type = 'signing.invitation_refused'`).Scan(&n))
		return n
	}
	press := func(digits string) {
		for i := range 40 {
			for _, token := range []string{token, fmt.Sprint("guess", i)} {
				if _, _, err := b.service.ByToken(ctx, "kommun", token, b.guest(digits)); !errors.Is(err, broker.ErrNotFound) {
					t.Fatal(err)
				}
			}
			if _, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(digits)); !errors.Is(err, broker.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
	press(alien)
	first := noted()
	press(three)
	second := noted()
	b.wait(time.Hour)
	press(alien)
	if third := noted(); first != 50 || second != 100 || third != 150 {
		t.Errorf("noted %d, %d, %d", first, second, third)
	}
	// The right person comes in as before.
	if _, _, err := b.service.ByToken(ctx, "kommun", token, b.guest(two)); err != nil {
		t.Error(err)
	}
}
