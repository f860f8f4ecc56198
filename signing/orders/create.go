package orders

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/receipt"
)

// Create opens an order. The same key with the same body again gives the same
// order; with another body it is ErrMismatch. Without a key each request makes
// an order.
func (s *Service) Create(ctx context.Context, c broker.Client, w signing.Wish, key string, body [32]byte) (o signing.Order, replayed bool, err error) {
	now := s.now()
	numberKey := make([]byte, 32)
	rand.Read(numberKey)
	request := Request{Client: c.ID, Body: body[:], Made: now}
	if key == "" {
		request.Key = digest("none " + broker.NewSecret())
	} else {
		request.Key = digest(key)
		// Before anything is checked: what could be asked for then may be past now.
		earlier, err := s.Store.Requested(ctx, request)
		if err != nil || earlier != "" {
			return s.replay(ctx, c, earlier, err)
		}
	}
	o, b, err := signing.New(w, signing.Origin{
		ID: broker.NewID(), Client: c.ID, Issuer: s.Issuer, NumberKey: numberKey,
		URL: func(u string) string { return s.addressProblem(c, u) },
	}, s.Limits, now)
	if err != nil {
		return signing.Order{}, false, err
	}
	a := &act{s: s, now: now, fresh: true, row: Row{ID: o.ID, Client: c.ID, Created: now}, head: head{Order: o, Asker: asker(c)}}
	var faults []signing.Fault
	for i, sig := range o.Signatories {
		field := fmt.Sprintf("signatories[%d].", i)
		faults = append(append(faults, s.channelFaults(field, sig)...), barred(field, c, sig, o.Deadline)...)
	}
	if len(faults) > 0 {
		return signing.Order{}, false, &signing.Invalid{Faults: faults}
	}
	if err := s.mayAsk(c, &a.head, b); err != nil {
		return signing.Order{}, false, err
	}

	k, err := s.newKey(&a.row)
	if err != nil {
		return signing.Order{}, false, err
	}
	a.change.Parts = k.sealFiles(&a.head, b.Documents)
	if a.row.Body, err = k.sealBody(a.Order.Revision, b); err != nil {
		return signing.Order{}, false, err
	}
	a.rebound = true
	a.change.Persons = s.persons(&a.Order)
	a.effects = a.Order.Begin(now)
	a.note(audit.SigningCreated, personnummer.Number{}, "")
	change, err := a.finish()
	if err != nil {
		return signing.Order{}, false, err
	}
	earlier, err := s.Store.Create(ctx, change, request)
	if err != nil || earlier != "" {
		return s.replay(ctx, c, earlier, err)
	}
	s.Wake()
	return a.Order, false, nil
}

// replay answers a request that was made before.
func (s *Service) replay(ctx context.Context, c broker.Client, earlier string, err error) (signing.Order, bool, error) {
	if errors.Is(err, broker.ErrConflict) {
		return signing.Order{}, false, ErrMismatch
	}
	if err != nil {
		return signing.Order{}, false, err
	}
	o, err := s.Order(ctx, c.ID, earlier)
	return o, true, err
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// asker is who asks, as the e-ID's app shows it.
func asker(c broker.Client) string {
	if c.AskingBody != "" {
		return c.AskingBody
	}
	return c.Name
}

// signers are the e-IDs that may sign an order of a client.
func (s *Service) signers(c broker.Client, allowed []providers.ID) []providers.Info {
	var list []providers.Info
	for _, info := range s.Offers(c) {
		if len(allowed) > 0 && !slices.Contains(allowed, info.ID) {
			continue
		}
		p, ok := s.Provider(info.ID, info.Instance)
		if !ok {
			continue
		}
		// Some connections of a kind that signs are for logins alone.
		if _, ok := p.(providers.Signer); ok && info.TextLimit > 0 {
			list = append(list, info)
		}
	}
	return list
}

// text is what the app of an e-ID shows, and its format. An e-ID without room for
// data that is not shown has the whole digest in the text (invariant I2).
func text(asker string, b signing.Body, digest [32]byte, lang string, info providers.Info) (string, providers.Markup) {
	markup := providers.Plain
	if info.Markdown {
		markup = providers.SimpleMarkdownV1
	}
	whole := info.NonVisible < len(signing.Binding(digest))
	return signing.VisibleText(asker, b.Manifest, digest, lang, markup, whole), markup
}

// mayAsk checks what the rules of signing cannot know: that what is signed fits
// into the e-IDs that may be used, and that a receipt can be made of it. The
// documents have the bytes of their files. A client that names no e-IDs wants its
// text signed and not each of them offered: those that cannot show it are left out
// of the order until its text is changed, and only when none is left is it a fault.
func (s *Service) mayAsk(c broker.Client, h *head, b signing.Body) error {
	o := &h.Order
	if len(o.Signatories) == 0 {
		return s.trial(*h, b, "")
	}
	if h.Narrowed {
		o.Providers, h.Narrowed = nil, false
	}
	named := len(o.Providers) > 0
	infos := s.signers(c, o.Providers)
	var faults []signing.Fault
	for i, id := range o.Providers {
		if !id.Known() && !slices.ContainsFunc(s.Offers(c), func(info providers.Info) bool { return info.ID == id }) {
			faults = append(faults, signing.Fault{Field: fmt.Sprintf("allowedProviders[%d]", i), Problem: "is unknown"})
		}
	}
	if len(infos) == 0 && len(faults) == 0 {
		faults = append(faults, signing.Fault{Field: "allowedProviders", Problem: "leaves no e-ID that this client offers and that can sign"})
	}
	longest := ""
	var tooLong []signing.Fault
	var unfit []providers.ID
	for _, info := range infos {
		f, shown := textFault(h.Asker, b, o.Digest, info)
		if len(f) > 0 {
			tooLong, unfit = append(tooLong, f...), append(unfit, info.ID)
		} else if len(shown) > len(longest) {
			longest = shown
		}
	}
	if named || len(unfit) == len(infos) {
		faults = append(faults, tooLong...)
	} else if len(unfit) > 0 {
		h.Narrowed = true
		for _, info := range s.Offers(c) { // also those for logins alone
			if !slices.Contains(unfit, info.ID) {
				o.Providers = append(o.Providers, info.ID)
			}
		}
	}
	if len(faults) > 0 {
		return &signing.Invalid{Faults: faults}
	}
	return s.trial(*h, b, longest)
}

// channelFaults says when a person is to be written to in a way that this
// installation has not.
func (s *Service) channelFaults(field string, sig signing.Signatory) []signing.Fault {
	var faults []signing.Fault
	for _, ch := range sig.Channels() {
		if ch == signing.Email && s.Mail == nil {
			faults = append(faults, signing.Fault{Field: field + "email", Problem: "cannot be used: this installation sends no e-mail"})
		}
		if ch == signing.SMS && s.SMS == nil {
			faults = append(faults, signing.Fault{Field: field + "phone", Problem: "cannot be used: this installation sends no text messages"})
		}
	}
	return faults
}

// barred says when a person cannot log in at the client, as long as the order is
// open, and so never sign.
func barred(field string, c broker.Client, sig signing.Signatory, deadline time.Time) []signing.Fault {
	switch {
	case c.NoCoordination && sig.Number.Coordination():
		return []signing.Fault{{Field: field + "pnr", Problem: "is a coordination number, and this client lets nobody with one log in"}}
	case c.MinAge > 0 && sig.Number.Age(deadline) < c.MinAge:
		return []signing.Fault{{Field: field + "pnr", Problem: fmt.Sprintf("is of a person who is under %d until the deadline, and so may not log in at this client", c.MinAge)}}
	}
	return nil
}

// textFault holds the visible text against an e-ID's limit, in both languages,
// since the person chooses.
func textFault(asker string, b signing.Body, digest [32]byte, info providers.Info) (faults []signing.Fault, longest string) {
	for _, lang := range []string{"sv", "en"} {
		if t, _ := text(asker, b, digest, lang, info); len(t) > len(longest) {
			longest = t
		}
	}
	if len(longest) <= info.TextLimit {
		return nil, longest
	}
	field := "documents"
	if short := b; b.Manifest.Message != "" {
		short.Manifest.Message = ""
		if f, _ := textFault(asker, short, digest, info); f == nil {
			field = "message"
		}
	}
	return []signing.Fault{{Field: field, Problem: fmt.Sprintf("make a text of %d bytes to sign; %s shows at most %d", len(longest), info.ID.Name(), info.TextLimit)}}, longest
}

// What a signature may take in a receipt at most: longer names, and more files,
// than any e-ID gives, and a page to spare, since neighbours that stand elsewhere
// break pages elsewhere.
const (
	longestName  = 200
	largestProof = 64 << 10 // bytes of the evidence, and of each of its parts
	mostParts    = 3
	sparePage    = 60 // lines
)

// trial draws a receipt that is larger than the real one can become, so that no
// order ends in one that cannot be made.
func (s *Service) trial(h head, b signing.Body, shown string) error {
	k, files, err := s.record(h, b, h.Order.Created)
	if err != nil {
		return err
	}
	proof := make([]byte, largestProof)
	for _, sig := range h.Order.Signatories {
		if !sig.Active() {
			continue
		}
		wide := func(n int) string { return strings.Repeat("W", n) }
		v := receipt.Signature{
			Signatory: sig.N, Name: wide(longestName), Masked: receipt.Mask(sig.Number), Provider: wide(20), ProviderName: wide(40),
			Level: receipt.LevelName(providers.LevelUncertified3), Policy: wide(100), Started: h.Order.Created, At: h.Order.Created,
			Text: shown + strings.Repeat("\n"+wide(10), sparePage), Markup: string(providers.SimpleMarkdownV1),
			EIDOrder: wide(40), Transaction: wide(100), EvidenceType: "application/" + wide(60), Parts: []string{},
		}
		for i := range 1 + mostParts {
			f := receipt.File{Name: fmt.Sprintf("signatur-%d-%d-%s", sig.N, i, wide(20)), Type: v.EvidenceType, Relationship: "Supplement", Bytes: proof}
			if files = append(files, f); i == 0 {
				v.Evidence = f.Name
			} else {
				v.Parts = append(v.Parts, f.Name)
			}
		}
		k.Signatures = append(k.Signatures, v)
	}
	_, err = s.Receipts.Make(k, files)
	var large *receipt.TooLarge
	if errors.As(err, &large) {
		return &signing.Invalid{Faults: []signing.Fault{{Field: "documents", Problem: fmt.Sprintf("would make a receipt of more than %d %s", large.Limit, large.What)}}}
	}
	if err != nil {
		return fmt.Errorf("order %s: a receipt cannot be made: %w", h.Order.ID, err)
	}
	return nil
}

// record makes what the pages of a receipt say, without its signatures, and the
// files that are documents.
func (s *Service) record(h head, b signing.Body, completed time.Time) (receipt.Kvittens, []receipt.File, error) {
	canonical, digest, err := b.Manifest.Encode()
	if err != nil {
		return receipt.Kvittens{}, nil, fmt.Errorf("order %s: %w", h.Order.ID, err)
	}
	k := receipt.Kvittens{
		Layout: receipt.Layout, Manifest: canonical, ManifestSHA256: hex.EncodeToString(digest[:]),
		ClientName: h.Asker, Language: h.Order.Language, Created: h.Order.Created, CompletedAt: completed.UTC().Truncate(time.Second),
		SealedBy: s.Sealer.Organisation(), VerifyURL: s.VerifyURL, TrustSHA256: s.TrustSHA256,
	}
	if len(b.Manifest.Signatories) > 0 {
		k.NumberKey = b.NumberKey
	}
	var files []receipt.File
	for i, d := range b.Documents {
		out := receipt.Document{}
		switch d.Kind {
		case signing.KindText:
			out.Text = &d.Text
		case signing.KindContent:
			out.Content = d.Content
		default:
			out.Attachment = fmt.Sprintf("handling-%d%s", i+1, suffix(d.Type))
			files = append(files, receipt.File{Name: out.Attachment, Type: d.Type, Relationship: "Source", Bytes: d.File})
		}
		k.Documents = append(k.Documents, out)
	}
	return k, files, nil
}

func suffix(media string) string {
	switch media {
	case "application/pdf":
		return ".pdf"
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	}
	return ".bin"
}
