package orders_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
	"sigill/signing/receipt"
)

// TestTwoSign is the life of an order, from the wish to the receipt.
func TestTwoSign(t *testing.T) {
	b := newBench(t)
	o := b.create(wish())
	b.workAll()
	if len(b.mails) != 1 || len(b.sms) != 1 || b.mails[0].To != "two@example.se" || b.sms[0].To != "+46701740605" || b.mails[0].From != "Exempelby kommun" {
		t.Fatalf("written: %+v %+v", b.mails, b.sms)
	}
	mailToken, smsToken := link(b.mails[0].Message.Text), link(b.sms[0].Text)
	if mailToken == "" || smsToken == "" || mailToken == smsToken {
		t.Fatalf("tokens %q %q", mailToken, smsToken)
	}
	for _, token := range []string{mailToken, smsToken, mailToken} {
		if id, n, err := b.service.ByToken(ctx, "kommun", token, b.guest(two)); err != nil || id != o.ID || n != 2 {
			t.Fatalf("by token: %s %d %v", id, n, err)
		}
	}
	// Everybody else learns the same: nothing.
	for name, try := range map[string]func() error{
		"another person": func() error { _, _, err := b.service.ByToken(ctx, "kommun", mailToken, b.guest(one)); return err },
		"an alien":       func() error { _, _, err := b.service.ByToken(ctx, "kommun", mailToken, b.guest(alien)); return err },
		"another client": func() error { _, _, err := b.service.ByToken(ctx, "other", mailToken, b.guest(two)); return err },
		"a guess": func() error {
			_, _, err := b.service.ByToken(ctx, "kommun", broker.NewSecret(), b.guest(two))
			return err
		},
		"nobody":        func() error { _, _, err := b.service.ByToken(ctx, "kommun", mailToken, orders.Guest{}); return err },
		"visit":         func() error { _, err := b.service.Visit(ctx, "kommun", o.ID, 1, b.guest(two)); return err },
		"visit 0":       func() error { _, err := b.service.Visit(ctx, "kommun", o.ID, 0, b.guest(two)); return err },
		"visit 3":       func() error { _, err := b.service.Visit(ctx, "kommun", o.ID, 3, b.guest(two)); return err },
		"no order":      func() error { _, err := b.service.Visit(ctx, "kommun", broker.NewID(), 2, b.guest(two)); return err },
		"a file":        func() error { _, err := b.service.File(ctx, "kommun", o.ID, 2, b.guest(alien), 1); return err },
		"a receipt":     func() error { _, err := b.service.ReceiptFor(ctx, "kommun", o.ID, 2, b.guest(two)); return err },
		"other's order": func() error { _, err := b.service.Order(ctx, "other", o.ID); return err },
		"other cancels": func() error { _, err := b.service.Cancel(ctx, "other", o.ID); return err },
		"other deletes": func() error { return b.service.Delete(ctx, "other", o.ID) },
		"declining": func() error {
			return b.service.Decline(ctx, "kommun", o.ID, 2, b.guest(one), "")
		},
		"signing": func() error {
			_, err := b.service.Sign(ctx, "kommun", o.ID, 2, b.guest(one), orders.Start{Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x"})
			return err
		},
	} {
		if err := try(); err == nil || err.Error() != broker.ErrNotFound.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}

	telia := b.guest(two)
	telia.Provider = providers.Telia // which the client does not offer
	_, err := b.service.Visit(ctx, "kommun", o.ID, 2, telia)
	b.is(err, orders.ErrLevel)
	v, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two))
	b.ok(err)
	if v.N != 2 || v.Asker != "Exempelby kommun" || len(v.Body.Documents) != 2 || v.Body.Documents[0].Content[1].Rows[0].Value != "Testbarn Hemlig" {
		t.Errorf("visit: %+v", v)
	}
	if other := v.Order.Signatories[0]; other.Name != "Testperson Ett" || !other.Number.IsZero() || other.Email != "" || v.Order.Callback != "" || v.Body.NumberKey != nil {
		t.Errorf("the other signatory is shown with too much: %+v", other)
	}
	if got := b.order(o.ID).Signatories[1].State; got != signing.Opened {
		t.Errorf("opened it is %s", got)
	}
	d, err := b.service.File(ctx, "kommun", o.ID, 2, b.guest(two), 1)
	if b.ok(err); string(d.File) != "%PDF-hemlig bilaga" {
		t.Errorf("file %q", d.File)
	}
	if visits, err := b.service.Awaiting(ctx, "kommun", b.guest(two)); err != nil || len(visits) != 1 || visits[0].N != 2 || visits[0].Order.ID != o.ID {
		t.Errorf("awaiting: %v %v", visits, err)
	}
	if visits, err := b.service.Awaiting(ctx, "other", b.guest(two)); err != nil || len(visits) != 0 {
		t.Errorf("awaiting at another client: %v %v", visits, err)
	}

	eid := b.sign(o, 1, one)
	f := b.begun[eid]
	if !f.Locked || f.Owner != orders.Owner || f.Ref != o.ID+"/1" || f.Request.Number != number(t, one) || f.Instance != "kommunens" || f.Kind != providers.KindSign ||
		string(f.Request.Binding) != string(signing.Binding(o.Digest)) || !strings.Contains(f.Request.Text, "Exempelby kommun") || f.Request.Markup != providers.SimpleMarkdownV1 {
		t.Errorf("begun: %+v", f)
	}
	b.settle(b.proof(eid))
	b.state(o.ID, signing.Open)
	if out, err := b.service.Outcome(ctx, "kommun", o.ID, 1, b.guest(one), eid); err != nil || out != orders.OutcomeSigned {
		t.Errorf("outcome %q %v", out, err)
	}
	if _, err := b.service.Outcome(ctx, "kommun", o.ID, 2, b.guest(two), eid); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("another's e-ID order: %v", err)
	}
	if _, err := b.service.Receipt(ctx, "kommun", o.ID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a receipt before its time: %v", err)
	}
	b.wait(time.Hour)
	second := b.sign(o, 2, two)
	last := b.clock()
	b.settle(b.proof(second))
	b.settle(b.proof(second))
	b.state(o.ID, signing.Sealing)
	var ways int
	if b.ok(b.db.Row(ctx, `SELECT count(*) FROM invitations`).Scan(&ways)); ways != 0 {
		t.Errorf("%d ways in to what is signed", ways)
	}
	b.wait(time.Minute)
	b.workAll()
	b.state(o.ID, signing.Completed)

	done := b.order(o.ID)
	if !done.CompletedAt.Equal(last.Truncate(time.Second)) || !done.EndedAt.Equal(b.clock()) {
		t.Errorf("completed at %s, ended at %s", done.CompletedAt, done.EndedAt)
	}
	file, err := b.service.Receipt(ctx, "kommun", o.ID)
	b.ok(err)
	mine, err := b.service.ReceiptFor(ctx, "kommun", o.ID, 1, b.guest(one))
	if b.ok(err); !bytes.Equal(file, mine) || b.sealed != 1 {
		t.Errorf("%d seals, receipts of %d and %d bytes", b.sealed, len(file), len(mine))
	}
	evidence, err := b.service.Evidence(ctx, "kommun", o.ID)
	b.ok(err)
	names := []string{}
	for _, p := range evidence {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"kvittens.json", "signatur-1.json", "signatur-1.xml", "signatur-2.json", "signatur-2.xml"}, names); diff != "" {
		t.Error(diff)
	}
	var k receipt.Kvittens
	b.ok(json.Unmarshal(evidence[0].Bytes, &k))
	if len(k.Signatures) != 2 || k.Signatures[1].Masked != "19910410-****" || k.Signatures[0].EIDOrder != string(eid) || k.ClientName != "Exempelby kommun" || string(evidence[3].Bytes) != `{"by":"`+string(second)+`"}` {
		t.Errorf("kvittens %+v", k.Signatures)
	}
	if !bytes.Contains(file, []byte(`signatur-2.json`)) {
		t.Error("the evidence is not attached")
	}

	w, err := writer()
	b.ok(err)
	base, _, _ := bytes.Cut(file, []byte("% 1 "))
	inside, _, err := w.Check(base)
	b.ok(err)
	canonical, err := signing.Canonical(inside)
	if b.ok(err); !bytes.Equal(canonical, evidence[0].Bytes) {
		t.Errorf("kvittens.json is not the one in the receipt:\n%s\n%s", canonical, evidence[0].Bytes)
	}

	if v, err = b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two)); err != nil || v.Body.Documents != nil {
		t.Errorf("a visit afterwards: %v, %d documents", err, len(v.Body.Documents))
	}
	if _, err := b.service.File(ctx, "kommun", o.ID, 2, b.guest(two), 1); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("a file afterwards: %v", err)
	}
	for _, token := range []string{mailToken, smsToken} {
		if _, _, err := b.service.ByToken(ctx, "kommun", token, b.guest(two)); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("a token after its time: %v", err)
		}
	}
	row, err := b.store.Order(ctx, "kommun", o.ID)
	if b.ok(err); row.Key != nil || row.Body != nil {
		t.Error("the order's own key is still there")
	}
	if _, err := b.store.Part(ctx, o.ID, "file/2"); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("its files are still there: %v", err)
	}
	if diff := cmp.Diff([]string{"signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed"}, b.news()); diff != "" {
		t.Errorf("webhooks:\n%s", diff)
	}
	if len(b.mails) != 2 || !strings.Contains(b.mails[1].Message.Text, orders.SignPath("kommun", o.ID, 2)) {
		t.Errorf("%d mails", len(b.mails))
	}
	want := []string{"order_created", "invitation_refused *", "invitation_refused *", "invitation_refused *", "invitation_refused *", "invitation_refused *", "order_opened *", "read documents *", "read document 2 *",
		"signature_begun *", "order_signed *", "signature_begun *", "order_signed *", "order_completed", "read receipt", "read receipt *", "read evidence", "read order *"}
	got := slices.DeleteFunc(b.events(o.ID), func(s string) bool { return s == "invitation_refused" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit:\n%s", diff)
	}

	// Erased, and nothing is left.
	b.ok(b.service.Delete(ctx, "kommun", o.ID))
	b.is(b.service.Delete(ctx, "kommun", o.ID), broker.ErrNotFound)
	for table, column := range map[string]string{"orders": "id", "bodies": "order_id", "parts": "order_id", "persons": "order_id", "invitations": "order_id", "attempts": "order_id", "outbox": "ref", "requests": "order_id"} {
		var n int
		b.ok(b.db.Row(ctx, `SELECT count(*) FROM `+table+` WHERE `+column+` = $1`, o.ID).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	if got := b.events(o.ID); got[len(got)-1] != "order_erased client" {
		t.Errorf("audit ends with %s", got[len(got)-1])
	}
}

// TestAtRest: what lies on the disk, while an order is open and afterwards, tells
// nothing, nor do logs.
func TestAtRest(t *testing.T) {
	b := newBench(t)
	b.fail["mail"], b.fail["sms"] = errors.New("down"), errors.New("down")
	o := b.create(wish())
	b.work()
	b.fail = map[string]error{}
	for _, e := range b.store.all {
		if bytes.Contains(e.Payload, []byte("example.se")) || bytes.Contains(e.Payload, []byte("token")) {
			t.Errorf("outbox entry %s is not sealed: %s", e.ID, e.Payload)
		}
	}
	scan := func(when string) {
		t.Helper()
		b.ok(b.db.Close())
		for _, suffix := range []string{"", "-wal"} {
			disk, err := os.ReadFile(b.file + suffix)
			if err != nil && suffix == "" {
				t.Fatal(err)
			}
			for _, secret := range []string{"Hemlig", "hemlig", "Testperson", "two@example", "46701740605", one, two, "F-17", "Bilaga", "app.example.se", o.Title} {
				if bytes.Contains(disk, []byte(secret)) {
					t.Errorf("%s: %q can be read on the disk", when, secret)
				}
			}
		}
	}
	_, err := b.service.Visit(ctx, "kommun", o.ID, 2, b.guest(two))
	b.ok(err)
	b.settle(b.proof(b.sign(o, 1, one)))
	b.settle(b.proof(b.sign(o, 2, two)))
	b.workAll()
	b.state(o.ID, signing.Completed)
	for _, secret := range []string{"Hemlig", "Testperson", "example.se/hook", one, two, o.Title} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("%q in the log", secret)
		}
	}
	scan("at the end")
}

func TestIdempotency(t *testing.T) {
	b := newBench(t)
	c := b.clients["kommun"]
	first, replayed, err := b.service.Create(ctx, c, wish(), "key", [32]byte{1})
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	// So much later that nobody could ask for that deadline any more, and by a
	// client that may not name that address any more.
	b.wait(45 * 24 * time.Hour)
	other := c
	other.CallbackOrigins = nil
	again, replayed, err := b.service.Create(ctx, other, wish(), "key", [32]byte{1})
	if err != nil || !replayed || again.ID != first.ID {
		t.Errorf("the same again: %v %v %v", again.ID, replayed, err)
	}
	if _, _, err := b.service.Create(ctx, c, wish(), "key", [32]byte{2}); !errors.Is(err, orders.ErrMismatch) {
		t.Errorf("another body: %v", err)
	}
	w := wish()
	w.Callback, w.ReturnURL = "", ""
	if o, replayed, err := b.service.Create(ctx, b.clients["other"], w, "key", [32]byte{1}); err != nil || replayed || o.ID == first.ID {
		t.Errorf("another client: %v %v", replayed, err)
	}
	if len(b.store.all) != 4 {
		t.Errorf("%d messages, two orders with two each", len(b.store.all))
	}
	a, _, err := b.service.Create(ctx, c, wish(), "", [32]byte{})
	b.ok(err)
	z, _, err := b.service.Create(ctx, c, wish(), "", [32]byte{})
	if b.ok(err); a.ID == z.ID {
		t.Error("without a key, one order for two requests")
	}
}
