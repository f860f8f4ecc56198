package metadata

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"sigill/providers"
)

// maxClock is how far our clock and the publisher's may differ: answers are valid
// for a minute or so.
const maxClock = 30 * time.Second

// Check fetches the metadata anew, and says what is there, without using it.
func (s *Source) Check(ctx context.Context) []providers.Finding {
	if s.config.File != "" {
		err := s.readFile()
		if err != nil {
			return []providers.Finding{{What: s.what("metadata"), Said: err.Error(), Bad: true}}
		}
		return s.describe(s.edition().set)
	}
	res, raw, err := s.get(ctx, copied{})
	if err != nil {
		return []providers.Finding{{What: s.what("metadata"), Said: err.Error(), Bad: true}}
	}
	var out []providers.Finding
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		end := res.TLS.PeerCertificates[0].NotAfter
		out = append(out, providers.Finding{What: s.what("TLS certificate"), Said: "believed, until " + day(end), Ends: end})
	}
	at := s.config.Now()
	if theirs, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		f := providers.Finding{What: s.what("clock"), Said: "as ours"}
		if off := at.Sub(theirs).Abs(); off > maxClock {
			f.Said, f.Bad = fmt.Sprintf("ours and the publisher's differ by %s; set the clock by NTP", off.Round(time.Second)), true
		}
		out = append(out, f)
	}
	d, err := Parse(raw, s.config.trust(), at)
	if err != nil {
		return append(out, providers.Finding{What: s.what("metadata"), Said: err.Error(), Bad: true})
	}
	return append(out, s.describe(d)...)
}

// describe says what is in a document.
func (s *Source) describe(d *Set) []providers.Finding {
	signed := "signed"
	if s.config.Unsigned {
		signed = "unsigned, as configured"
	}
	out := []providers.Finding{{
		What: s.what("metadata"), Ends: d.ValidUntil, Renews: s.config.URL != "",
		Said: fmt.Sprintf("%s, %d identity providers, %s", signed, d.Len(), until(d.ValidUntil)),
	}}
	id := s.config.EntityID
	if id == "" {
		return out
	}
	f := providers.Finding{What: "identity provider " + id, Renews: s.config.URL != ""}
	idp, err := d.IdP(id)
	if err != nil {
		f.Said, f.Bad = err.Error(), true
		return append(out, f)
	}
	f.Ends = idp.ValidUntil
	f.Said = fmt.Sprintf("%d keys for signing, %d for encryption, %d ways in, %s",
		len(idp.SigningCertificates), len(idp.EncryptionCertificates), len(idp.SSO), until(idp.ValidUntil))
	return append(out, f)
}

// Dates is when what is used now will end.
func (s *Source) Dates() []providers.Finding {
	e := s.edition()
	if e == nil {
		return []providers.Finding{{What: s.what("metadata"), Said: ErrNone.Error(), Bad: true}}
	}
	end := s.ends(e)
	f := providers.Finding{What: s.what("metadata"), Said: until(end), Ends: end, Renews: s.config.URL != ""}
	if over(end, s.config.Now()) {
		f.Said, f.Bad = "ended "+day(end), true
	}
	return []providers.Finding{f}
}

func (s *Source) what(thing string) string {
	if s.config.Name == "" {
		return thing
	}
	return thing + " of " + s.config.Name
}

func until(t time.Time) string {
	if t.IsZero() {
		return "without an end"
	}
	return "until " + day(t)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
