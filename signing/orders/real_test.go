package orders_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/kit/outbox"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/evidence"
	"sigill/signing/orders"
	"sigill/signing/receipt"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// TestRealReceipt runs orders by the clock with the real outbox, evidence of a
// simulated BankID, the real seal and the real verifier: what is released, a
// stranger believes.
func TestRealReceipt(t *testing.T) {
	sim := testidp.Start(t)
	m, err := sim.Material()
	if err != nil {
		t.Fatal(err)
	}
	kit := verifytest.New(t, verifytest.Simulator{
		URL: m.BankIDURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, SignatureRoot: m.SignatureRoot, RPCertificate: m.RPCertificate, RPKey: m.RPKey,
		Scan: sim.Scan, Open: sim.Open,
		Approve: func(order, number string) error {
			_, err := sim.Approve(order, number)
			return err
		},
	})
	b := newBench(t)
	b.now = time.Now()
	verifier := kit.Verifier()
	queue := &outbox.Queue{}
	b.config.Receipts, b.config.Sealer, b.config.Proofs = kit.Receipts, kit.Sealer, evidence.New(kit.Trust)
	b.config.Believe = func(said receipt.Signature, by personnummer.Number, e providers.Evidence, digest [32]byte) error {
		return verifier.Believe(said, by, e, digest, time.Now())
	}
	b.config.Now, b.config.Poll, b.config.Wake = time.Now, 10*time.Millisecond, func() { queue.Wake() }
	b.config.Verify = func(_ context.Context, file []byte) error {
		if r := verifier.Verify(file, time.Now()); r.Verdict != verify.Valid {
			said, _ := json.Marshal(r)
			t.Errorf("not valid: %s", said)
			return errors.New(r.Code)
		}
		return nil
	}
	b.again()
	if queue, err = outbox.New(outbox.Config{DB: b.db, Handlers: b.service.Handlers(), Poll: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { _ = queue.Run(running) })
	group.Go(func() { _ = b.service.Run(running) })
	defer group.Wait()
	defer stop()

	people := sim.People()
	for name, change := range map[string]func(*signing.Wish){
		"two, Swedish": func(*signing.Wish) {},
		"sequential":   func(w *signing.Wish) { w.Sequence, w.Language = signing.Sequential, "en" },
		"nobody":       func(w *signing.Wish) { w.Signatories = nil },
		"odd texts": func(w *signing.Wish) {
			w.Title, w.Message = `# *Stjärna* + 1 \ 2 <b> "x" 🙂`, "rad 1\n\n  - rad 2 | x\n"
		},
		"after changes": func(w *signing.Wish) { w.Reference = "change" },
	} {
		w := wish()
		w.Signatories = []signing.WishedSignatory{
			{Number: people[0].Number, Name: people[0].Name(), Email: "one@example.se", Invite: signing.InviteEmail},
			{Number: people[1].Number, Name: people[1].Name(), Email: "two@example.se", Invite: signing.InviteCode},
		}
		w.Documents = append(w.Documents, signing.Document{Name: "Text", Kind: signing.KindText, Text: "En text\n\tmed flera rader – och tecken €"})
		change(&w)
		o := b.create(w)
		if w.Reference == "change" {
			// A renamed client changes nothing that is signed already.
			b.rename("kommun", "Nya kommunen")
			if o, err = b.service.Change(ctx, "kommun", o.ID, w.Documents[:2]); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range o.Signatories {
			g := orders.Guest{Number: s.Number, Provider: providers.MBankID, Level: providers.LevelUncertified3, AuthTime: time.Now()}
			eid, err := b.service.Sign(ctx, "kommun", o.ID, s.N, g, orders.Start{Digest: o.Digest, Provider: providers.MBankID, Mode: providers.ModeOther, Browser: "x", Language: []string{"sv", "en"}[s.N%2]})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			settled := b.proof(eid)
			p := kit.Prove(t, verifytest.Ask{Number: s.Number.Digits(), Text: settled.Request.Text, Markup: settled.Request.Markup, Binding: settled.Request.Binding})
			settled.Order.Created = p.Started
			settled.Done = &providers.Done{Identity: p.Identity, Evidence: p.Evidence}
			b.settle(settled)
		}
		var file []byte
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if file, err = b.service.Receipt(ctx, "kommun", o.ID); !errors.Is(err, broker.ErrNotFound) || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			t.Fatalf("%s: no receipt: %v\n%s", name, err, b.log.String())
		}
		r := verifier.Verify(file, time.Now().AddDate(5, 0, 0))
		if r.Verdict != verify.Valid || len(r.Signatures) != len(o.Signatories) {
			t.Errorf("%s: years later %s, %d signatures", name, r.Verdict, len(r.Signatures))
		}
		proofs, err := b.service.Evidence(ctx, "kommun", o.ID)
		if err != nil || len(proofs) != 1+3*len(o.Signatories) || proofs[0].Name != receipt.KvittensName {
			t.Errorf("%s: %d proofs, %v", name, len(proofs), err)
		}
	}
}
