package orders_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sigill/providers"
	"sigill/signing"
	"sigill/signing/orders"
	"sigill/signing/receipt"
)

// many are as many people as an order may have.
var many = strings.Fields(`195506842391 195811642395 196102732382 196208832383 196608182942 197101902398 197503892387 198006299252 198011882399 198101199282
	198107039276 198206822390 198405299291 198410039278 198509129881 198706872382 198806192392 198904252387 199002232388 199003142396`)

// moreProofs is evidence in as many files, and as large, as an e-ID's may be.
type moreProofs struct{ proofs }

func (moreProofs) Parts(_ providers.Evidence, n int) ([]receipt.File, error) {
	return []receipt.File{
		{Name: fmt.Sprintf("signatur-%d.xml", n), Type: "application/xml", Relationship: "Source", Bytes: bytes.Repeat([]byte("x"), 60<<10)},
		{Name: fmt.Sprintf("signatur-%d-ocsp.der", n), Type: "application/ocsp-response", Relationship: "Supplement", Bytes: bytes.Repeat([]byte("x"), 20<<10)},
	}, nil
}

// TestTrial: whatever is taken in and signed by everybody can be sealed, also
// right below each of a receipt's limits.
func TestTrial(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("draws receipts of a thousand pages, by one goroutine; make test runs it by itself")
	}
	lines := func(n int) []signing.Document {
		return []signing.Document{{Name: "A", Kind: signing.KindText, Text: strings.TrimSuffix(strings.Repeat("x\n", n), "\n")}}
	}
	rows := func(n int) []signing.Document {
		var c signing.Content
		for range n {
			c = append(c, signing.Block{Rows: []signing.Row{{Label: "x", Value: "y"}}})
		}
		return []signing.Document{{Name: "A", Kind: signing.KindContent, Content: c}}
	}
	quotes := func(n int) (list []signing.Document) {
		for ; n > 0; n -= min(n, 1<<20) {
			list = append(list, signing.Document{Name: fmt.Sprint("D", len(list)), Kind: signing.KindText, Text: strings.Repeat("’", min(n, 1<<20))})
		}
		return list
	}
	files := func(n int) (list []signing.Document) {
		for ; n > 0; n -= min(n, 30<<20) {
			list = append(list, signing.Document{Name: fmt.Sprint("D", len(list)), Kind: signing.KindFile, Type: "application/pdf",
				File: append([]byte("%PDF-"), bytes.Repeat([]byte("x"), max(min(n, 30<<20)-5, 0))...)})
		}
		return list
	}
	for name, c := range map[string]struct {
		documents func(n int) []signing.Document
		message   string
		low, high int // low can be asked for, high cannot
		near      int // how near the limit is looked for
		less      []int
	}{
		"pages":                 {lines, "", 44_000, 46_000, 8, []int{0, 24, 48}},
		"pages, a long message": {lines, strings.TrimSpace(strings.Repeat("a\n", 499)), 24_000, 25_000, 8, []int{0, 24, 48}},
		"rows":                  {rows, "", 4990, 5001, 8, []int{0}},
		"kvittens":              {quotes, "", 5_569_000, 5_572_000, 500, []int{0}},
		"bytes":                 {files, "", 95<<20 - 4000, 95<<20 + 4000, 8000, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.infos, b.config.Proofs = b.infos[:2], moreProofs{}
			b.config.Limits = signing.Limits{File: 100 << 20, Order: 100 << 20}
			b.again()
			w, err := writer()
			b.ok(err)
			wish := func(n int) signing.Wish {
				w := signing.Wish{Title: "Stor", Message: c.message, Documents: c.documents(n)}
				for i, p := range many {
					w.Signatories = append(w.Signatories, signing.WishedSignatory{Number: p, Name: fmt.Sprint("Testperson ", i), Invite: signing.InviteNone})
				}
				return w
			}
			low, high := c.low, c.high
			if _, _, err := b.service.Create(ctx, b.clients["kommun"], wish(high), "", [32]byte{}); err == nil {
				t.Fatalf("%d is taken", high)
			}
			for high-low > c.near {
				middle := (low + high) / 2
				if _, _, err := b.service.Create(ctx, b.clients["kommun"], wish(middle), "", [32]byte{}); err == nil {
					low = middle
				} else if faults(t, err); true {
					high = middle
				}
			}
			t.Logf("%d is taken, %d is not", low, high)
			for _, less := range c.less {
				o := b.create(wish(low - less))
				for i, p := range many {
					proof := b.proof(b.sign(o, i+1, p))
					proof.Done.Identity.Name = strings.Repeat("Långnamnsson ", 15)
					proof.Done.Identity.Transaction = "131daac9-16c6-4618-beb0-365768f37288"
					proof.Done.Identity.Policy = "1.2.752.78.1.5"
					proof.Done.Evidence.Bytes = append([]byte(proof.Order.ID), bytes.Repeat([]byte("x"), 60<<10)...)
					b.settle(proof)
				}
				b.workAll()
				b.state(o.ID, signing.Completed)
				file, err := b.service.Receipt(ctx, "kommun", o.ID)
				b.ok(err)
				base, _, _ := bytes.Cut(file, fmt.Appendf(nil, "%% %d ", b.sealed))
				if _, _, err := w.Check(base); err != nil {
					t.Errorf("%d less than the limit: it cannot be read: %v", less, err)
				}
			}
		})
	}
}

// TestLimitsFit: an installation that takes more than a receipt holds does not
// start.
func TestLimitsFit(t *testing.T) {
	b := newBench(t)
	b.config.Limits.Order = receipt.MaxSize + 1
	if _, err := orders.New(b.config); err == nil {
		t.Error("started")
	}
}
