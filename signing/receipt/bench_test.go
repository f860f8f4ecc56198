package receipt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigill/signing"
)

// hundredPages is an order that fills about a hundred pages.
func hundredPages(t testing.TB) *order {
	var rows []signing.Row
	for i := range 2950 {
		rows = append(rows, signing.Row{Label: fmt.Sprintf("Fråga nummer %d", i+1), Value: "Ett svar på en rad, som de flesta är"})
	}
	return newOrder().
		content(t, "Enkät", signing.Content{{Heading: "Alla frågor"}, {Rows: rows}}).
		signed("Testperson Ett").signed("Testperson Två")
}

// threePages is the smallest order that has everything.
func threePages(t testing.TB) *order {
	return newOrder().
		text(t, "Villkor", strings.Repeat("Avgiften följer kommunens taxa och betalas tolv månader om året. ", 5)).
		signed("Testperson Ett")
}

// Speed stands beside that of a raw P-256 signature in the same moments, since
// one can only be compared with the other.
func BenchmarkMake(b *testing.B) {
	w := newWriter(b)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	for name, o := range map[string]*order{"3pages": threePages(b), "4pages": preschool(b), "100pages": hundredPages(b)} {
		b.Run(name, func(b *testing.B) {
			k, files := o.kvittens(b)
			base := made(b, w, o)
			b.ReportAllocs()
			var making, raw time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := w.Make(k, files); err != nil {
					b.Fatal(err)
				}
				making += time.Since(start)
				b.StopTimer()
				start = time.Now()
				for range 10 {
					if _, err := ecdsa.SignASN1(rand.Reader, key, digest); err != nil {
						b.Fatal(err)
					}
				}
				raw += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(making)/float64(raw)*10, "signatures/op")
			b.ReportMetric(float64(len(base)), "file-bytes")
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	w := newWriter(b)
	for name, o := range map[string]*order{"3pages": threePages(b), "100pages": hundredPages(b)} {
		b.Run(name, func(b *testing.B) {
			base := made(b, w, o)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := w.Check(base); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newWriter(b)
	}
}
