package judges

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"sigill/signing"
	"sigill/signing/pades"
	"sigill/signing/pades/padestest"
	"sigill/signing/pdf"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
	"sigill/testidp"
)

// What a receipt costs is told in signatures of the key that seals it, made in
// the same run. The aims are the issue's.
const (
	aimReceipt = 45      // P-256 signatures' worth, for a receipt of few pages
	aimAlloc   = 800_000 // bytes allocated, for the same
	aimRSA     = 65      // per cent of an RSA-3072 key's throughput, for the same
)

// BenchmarkReceipt makes and seals receipts of two pages (the seal alone), of three
// (one person's, the smallest that holds a proof) and of a hundred (two persons').
// The proofs are of a simulated BankID, and whole. Verification before release,
// which each receipt has to pass, stands apart.
func BenchmarkReceipt(b *testing.B) {
	judged(b)
	kit := receiptKit(b)
	rows := func(n int) signing.Content {
		var rows []signing.Row
		for i := range n {
			rows = append(rows, signing.Row{Label: fmt.Sprintf("Fråga nummer %d", i+1), Value: "Ett svar på en rad, som de flesta är"})
		}
		return signing.Content{{Heading: "Alla frågor"}, {Rows: rows}}
	}
	people := []string{"198006299252", "199104102380"} // of the published test series
	draft := func(signatories, n int) *verifytest.Draft {
		d := kit.NewDraft().Content(b, "Ansökan", rows(n))
		for _, number := range people[:signatories] {
			d.Signatory(b, number)
		}
		return d.Sign(b)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		b.Fatal(err)
	}
	keys := []struct {
		name string
		key  crypto.Signer
	}{{"P-256", padestest.NewKey(b, elliptic.P256())}, {"RSA-3072", rsaKey}}

	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { fmt.Fprintf(t, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	row("receipt", "file", "raw signature", "make", "seal", "make and seal", "signatures' worth", "of the key's throughput", "allocated", "aim", "met", "verification before release")
	for _, size := range []struct{ pages, signatories, rows int }{{2, 0, 18}, {3, 1, 6}, {100, 2, 2950}} {
		d := draft(size.signatories, size.rows)
		small := size.pages < 100
		for _, k := range keys {
			sealer, err := pades.New(k.key, kit.PKI.Issue(b, k.key, padestest.Leaf{}))
			if err != nil {
				b.Fatal(err)
			}
			d.Sealer = sealer
			file := d.Sealed(b)
			verifier := kit.Verifier()
			if r := verifier.Verify(file, time.Now()); r.Verdict != verify.Valid {
				b.Fatalf("not valid: %s", r.Code)
			}
			pages := pagesOf(b, file)
			if small && pages != size.pages || !small && (pages < 95 || pages > 110) {
				b.Errorf("a receipt of %d pages has %d", size.pages, pages)
			}
			m := measureReceipt(b, d, k.key, verifier, file)
			both := m.make + m.seal
			worth, share := float64(both)/float64(m.raw), 100*float64(m.raw)/float64(both)
			aim, met := "", ""
			verdict := func(ok bool) string {
				if ok {
					return "yes"
				}
				return "NO"
			}
			switch {
			case small && k.name == "P-256":
				aim, met = fmt.Sprintf("≤ %d, ≤ %.1f MB", aimReceipt, aimAlloc/1e6), verdict(worth <= aimReceipt && m.alloc <= aimAlloc)
				b.ReportMetric(worth, fmt.Sprintf("signatures/%d-pages", pages))
				b.ReportMetric(float64(m.alloc), fmt.Sprintf("B/%d-pages", pages))
			case small:
				aim, met = fmt.Sprintf("≥ %d %%", aimRSA), verdict(share >= aimRSA)
				b.ReportMetric(share, fmt.Sprintf("%%-of-RSA/%d-pages", pages))
			}
			round := func(d time.Duration) string { return d.Round(time.Microsecond).String() }
			row(fmt.Sprintf("%d pages, %s", pages, k.name), fmt.Sprintf("%d kB", len(file)/1000), round(m.raw), round(m.make), round(m.seal), round(both), fmt.Sprintf("%.1f", worth),
				fmt.Sprintf("%.0f %%", share), fmt.Sprintf("%.2f MB", float64(m.alloc)/1e6), aim, met, fmt.Sprintf("%s = %.1f", round(m.verify), float64(m.verify)/float64(m.raw)))
		}
	}
	t.Flush()
	fmt.Println("CPU of the process for one, garbage collection with it; the median of rounds that take turns.")
	b.ReportMetric(0, "ns/op")
}

type receiptCost struct {
	raw, make, seal, verify time.Duration
	alloc                   uint64 // of make and seal
}

// measureReceipt lets the parts take turns, so that each meets the same moments.
func measureReceipt(b *testing.B, d *verifytest.Draft, key crypto.Signer, verifier *verify.Verifier, file []byte) receiptCost {
	b.Helper()
	digest := sha256.Sum256(nil)
	unsealed := d.Unsealed(b)
	now := time.Now()
	parts := []struct {
		do   func()
		all  []time.Duration
		n    int
		size uint64
	}{
		{do: func() {
			if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}},
		{do: func() {
			if _, err := d.Kit.Receipts.Make(d.Kvittens, d.Files); err != nil {
				b.Fatal(err)
			}
		}},
		{do: func() {
			if _, err := d.Sealer.Seal(unsealed, now, pades.Info{}); err != nil {
				b.Fatal(err)
			}
		}},
		{do: func() { verifier.Verify(file, now) }},
	}
	const rounds, slice = 9, 120 * time.Millisecond
	for i := range parts { // how many fit into a slice
		p := &parts[i]
		p.do()
		began := processCPU(b)
		for p.n = 0; p.n < 3 || processCPU(b)-began < slice; p.n++ {
			p.do()
		}
	}
	for range rounds {
		for i := range parts {
			p := &parts[i]
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := processCPU(b)
			for range p.n {
				p.do()
			}
			p.all = append(p.all, (processCPU(b)-began)/time.Duration(p.n))
			runtime.ReadMemStats(&after)
			p.size = (after.TotalAlloc - before.TotalAlloc) / uint64(p.n)
		}
	}
	median := func(i int) time.Duration {
		slices.Sort(parts[i].all)
		return parts[i].all[rounds/2]
	}
	return receiptCost{raw: median(0), make: median(1), seal: median(2), verify: median(3), alloc: parts[1].size + parts[2].size}
}

// processCPU is user and system time of this process.
func processCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pagesOf counts the pages of a file.
func pagesOf(b *testing.B, file []byte) int {
	b.Helper()
	f, err := pdf.Parse(file, pdf.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, o := range f.Revisions[0].Objects { // the seal writes a page again
		if d, ok := o.Object.(pdf.Dict); ok && d["Type"] == pdf.Name("Page") {
			n++
		}
	}
	return n
}

// receiptKit makes receipts with proofs of a simulated BankID.
func receiptKit(b *testing.B) *verifytest.Kit {
	b.Helper()
	s := testidp.Start(b)
	m, err := s.Material()
	if err != nil {
		b.Fatal(err)
	}
	return verifytest.New(b, verifytest.Simulator{
		URL: m.BankIDURL, AppURL: m.AppURL, TLSRoot: m.TLSRoot, SignatureRoot: m.SignatureRoot, RPCertificate: m.RPCertificate, RPKey: m.RPKey,
		Scan: s.Scan, Open: s.Open, Approve: func(order, number string) error {
			_, err := s.Approve(order, number)
			return err
		},
	})
}
