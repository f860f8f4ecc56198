package receipt

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"sigill/signing"
)

// This file writes a Kvittens, a manifest and a content just as
// signing.Canonical does; a test holds them together. Making a receipt needs it
// three times, and Canonical's way over maps would be a fifth of the whole work.

// encoder writes canonical JSON (RFC 8785). The names of members are written in
// their order, which is that of the bytes here.
type encoder struct {
	out []byte
	bad bool // some text was not UTF-8
}

func (e *encoder) raw(s string) { e.out = append(e.out, s...) }

func (e *encoder) int(n int) { e.out = strconv.AppendInt(e.out, int64(n), 10) }

func (e *encoder) time(t time.Time) {
	e.out = append(t.UTC().AppendFormat(append(e.out, '"'), time.RFC3339Nano), '"')
}

func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		e.bad = true
	}
	e.out = append(e.out, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			e.out = append(e.out, '\\', c)
		case c >= ' ':
			e.out = append(e.out, c)
		default:
			switch c {
			case '\b':
				c = 'b'
			case '\t':
				c = 't'
			case '\n':
				c = 'n'
			case '\f':
				c = 'f'
			case '\r':
				c = 'r'
			default:
				const digits = "0123456789abcdef"
				e.out = append(e.out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
				continue
			}
			e.out = append(e.out, '\\', c)
		}
	}
	e.out = append(e.out, '"')
}

// list writes a list as package json does: null where there is none.
func list[T any](e *encoder, items []T, write func(*T)) {
	if items == nil {
		e.raw("null")
		return
	}
	e.raw("[")
	for i := range items {
		if i > 0 {
			e.raw(",")
		}
		write(&items[i])
	}
	e.raw("]")
}

func (e *encoder) kvittens(k *Kvittens) {
	e.raw(`{"attachments":`)
	list(e, k.Attachments, e.attachment)
	e.raw(`,"client_name":`)
	e.text(k.ClientName)
	e.raw(`,"completed_at":`)
	e.time(k.CompletedAt)
	e.raw(`,"created":`)
	e.time(k.Created)
	e.raw(`,"documents":`)
	list(e, k.Documents, e.document)
	e.raw(`,"language":`)
	e.text(k.Language)
	e.raw(`,"layout":`)
	e.text(k.Layout)
	e.raw(`,"manifest":`)
	e.out = append(e.out, k.Manifest...)
	e.raw(`,"manifest_sha256":`)
	e.text(k.ManifestSHA256)
	e.raw(`,"number_key":`)
	if k.NumberKey == nil {
		e.raw("null")
	} else {
		e.raw(`"`)
		e.out = base64.StdEncoding.AppendEncode(e.out, k.NumberKey)
		e.raw(`"`)
	}
	e.raw(`,"sealed_by":`)
	e.text(k.SealedBy)
	e.raw(`,"signatures":`)
	list(e, k.Signatures, e.signature)
	e.raw(`,"trust_sha256":`)
	e.text(k.TrustSHA256)
	e.raw(`,"verify_url":`)
	e.text(k.VerifyURL)
	e.raw("}")
}

func (e *encoder) attachment(a *Attachment) {
	e.raw(`{"name":`)
	e.text(a.Name)
	e.raw(`,"relationship":`)
	e.text(a.Relationship)
	e.raw(`,"sha256":`)
	e.text(a.SHA256)
	e.raw(`,"size":`)
	e.int(a.Size)
	e.raw(`,"type":`)
	e.text(a.Type)
	e.raw("}")
}

func (e *encoder) document(d *Document) {
	sep := "{"
	if d.Attachment != "" {
		e.raw(sep + `"attachment":`)
		e.text(d.Attachment)
		sep = ","
	}
	if len(d.Content) > 0 {
		e.raw(sep)
		e.raw(`"content":`)
		e.content(d.Content)
		sep = ","
	}
	if d.Text != nil {
		e.raw(sep)
		e.raw(`"text":`)
		e.text(*d.Text)
		sep = ","
	}
	if sep == "{" {
		e.raw(sep)
	}
	e.raw("}")
}

func (e *encoder) content(c signing.Content) {
	list(e, c, func(b *signing.Block) {
		sep := "{"
		if b.Heading != "" {
			e.raw(`{"heading":`)
			e.text(b.Heading)
			sep = ","
		}
		if len(b.Rows) > 0 {
			e.raw(sep)
			e.raw(`"rows":`)
			list(e, b.Rows, func(r *signing.Row) {
				e.raw(`{"label":`)
				e.text(r.Label)
				e.raw(`,"value":`)
				e.text(r.Value)
				e.raw("}")
			})
			sep = ","
		}
		if b.Text != "" {
			e.raw(sep)
			e.raw(`"text":`)
			e.text(b.Text)
			sep = ","
		}
		if sep == "{" {
			e.raw(sep)
		}
		e.raw("}")
	})
}

func (e *encoder) signature(s *Signature) {
	e.raw(`{"at":`)
	e.time(s.At)
	e.raw(`,"eid_order":`)
	e.text(s.EIDOrder)
	e.raw(`,"evidence":`)
	e.text(s.Evidence)
	e.raw(`,"evidence_parts":`)
	list(e, s.Parts, func(p *string) { e.text(*p) })
	e.raw(`,"evidence_type":`)
	e.text(s.EvidenceType)
	e.raw(`,"level":`)
	e.text(s.Level)
	e.raw(`,"markup":`)
	e.text(s.Markup)
	e.raw(`,"masked":`)
	e.text(s.Masked)
	e.raw(`,"name":`)
	e.text(s.Name)
	e.raw(`,"policy":`)
	e.text(s.Policy)
	e.raw(`,"provider":`)
	e.text(s.Provider)
	e.raw(`,"provider_name":`)
	e.text(s.ProviderName)
	e.raw(`,"signatory":`)
	e.int(s.Signatory)
	e.raw(`,"started":`)
	e.time(s.Started)
	e.raw(`,"text":`)
	e.text(s.Text)
	e.raw(`,"transaction":`)
	e.text(s.Transaction)
	e.raw("}")
}

func (e *encoder) manifest(m *signing.Manifest) {
	e.raw(`{"client":`)
	e.text(m.Client)
	e.raw(`,"documents":`)
	list(e, m.Documents, func(d *signing.ManifestDocument) {
		e.raw(`{"kind":`)
		e.text(string(d.Kind))
		e.raw(`,"name":`)
		e.text(d.Name)
		e.raw(`,"sha256":`)
		e.text(d.SHA256)
		e.raw(`,"size":`)
		e.int(d.Size)
		e.raw(`,"type":`)
		e.text(d.Type)
		e.raw("}")
	})
	e.raw(`,"format":`)
	e.text(m.Format)
	e.raw(`,"issuer":`)
	e.text(m.Issuer)
	e.raw(`,"message":`)
	e.text(m.Message)
	e.raw(`,"order":`)
	e.text(m.Order)
	e.raw(`,"reference":`)
	e.text(m.Reference)
	e.raw(`,"revision":`)
	e.int(m.Revision)
	e.raw(`,"sequence":`)
	e.text(string(m.Sequence))
	e.raw(`,"signatories":`)
	list(e, m.Signatories, func(s *signing.ManifestSignatory) {
		e.raw(`{"group":`)
		e.int(s.Group)
		e.raw(`,"n":`)
		e.int(s.N)
		e.raw(`,"number":`)
		e.text(s.Number)
		e.raw("}")
	})
	e.raw(`,"title":`)
	e.text(m.Title)
	e.raw("}")
}
