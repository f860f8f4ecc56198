package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"sigill/broker/kit/page"
	"sigill/signing"
	"sigill/signing/orders"
)

// document is one thing that is signed, as the review shows it.
type document struct {
	Name, Check, SHA256 string
	Lang                string // what it is written in, where that is not the page's language
	Text                string // plain text, shown as it is
	Blocks              []block
	Download, Kind      string // of a file
	Size                string
}

// block is a part of structured content.
type block struct {
	Heading string
	Text    string
	Rows    []signing.Row
}

// documents gives what the visitor is to sign. Names, sizes and digests are those
// of the manifest, which is what is signed.
func (w *Web) documents(lang string, s seat, v orders.Visit) []document {
	var out []document
	entries := v.Body.Manifest.Documents
	for i, d := range v.Body.Documents {
		if i >= len(entries) {
			break // cannot be: the manifest is made of the documents
		}
		e := entries[i]
		p := document{Name: e.Name, Check: signing.ShortDigest(e.SHA256), SHA256: e.SHA256, Lang: other(lang, v)}
		switch d.Kind {
		case signing.KindText:
			p.Text = d.Text
		case signing.KindContent:
			for _, b := range d.Content {
				p.Blocks = append(p.Blocks, block{b.Heading, b.Text, b.Rows})
			}
		default:
			p.Download = s.path() + "/documents/" + strconv.Itoa(i+1)
			p.Kind, p.Size = w.kind(lang, e.Type), size(lang, e.Size)
		}
		out = append(out, p)
	}
	return out
}

// other is the language that an order is written in, where it is not the page's:
// readers that speak must know.
func other(lang string, v orders.Visit) string {
	if v.Order.Language == lang {
		return ""
	}
	return v.Order.Language
}

// kind says in words what a file is.
func (w *Web) kind(lang, media string) string {
	switch media {
	case "application/pdf":
		return w.text(lang, "file.pdf")
	case "image/jpeg", "image/png":
		return w.text(lang, "file.image")
	}
	return w.text(lang, "file.other")
}

// size writes a number of bytes as people do.
func size(lang string, n int) string {
	comma := ","
	if lang == "en" {
		comma = "."
	}
	switch {
	case n < 1000:
		return strconv.Itoa(n) + " byte"
	case n < 1_000_000:
		return strconv.Itoa((n+500)/1000) + " kB"
	}
	whole, tenth, _ := strings.Cut(fmt.Sprintf("%.1f", float64(n)/1e6), ".")
	return whole + comma + tenth + " MB"
}

// lines are the paragraphs of a text.
func lines(s string) []string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// download gives a file that is to be signed to a signatory.
func (w *Web) download(rw http.ResponseWriter, r *http.Request) error {
	s, err := w.seat(r)
	if err != nil {
		return err
	}
	i, err := strconv.Atoi(r.PathValue("i"))
	if err != nil || strconv.Itoa(i) != r.PathValue("i") || i < 1 || i > 999 {
		return w.nowhere(rw, r)
	}
	var d signing.Document
	if s.known {
		d, err = w.Service.File(r.Context(), s.client.ID, s.order, s.n, s.guest, i-1)
	}
	if !s.known || err != nil {
		if done, err := w.barred(rw, r, s, err); done || err != nil {
			return err
		}
	}
	if d.Kind != signing.KindFile {
		return w.nowhere(rw, r) // it stands on the page itself
	}
	return page.Hand(rw, r, d.Name, d.Type, d.File)
}
