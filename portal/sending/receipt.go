package sending

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/cases"
	"sigill/portal/form"
	"sigill/portal/signclient"
	"sigill/portal/store"
)

// receiptKind is the outbox's name for making an arrival receipt.
const receiptKind = "receipt"

// Handlers are what the outbox does for it: the arrival receipt.
func (d *Desk) Handlers() map[string]outbox.Handler {
	return map[string]outbox.Handler{
		receiptKind: {
			Do:    d.receipt,
			Retry: outbox.Schedule{First: 2 * time.Second, Longest: 10 * time.Minute, Age: 365 * 24 * time.Hour},
		},
		forgetKind: {
			Do:    d.forgotten,
			Retry: outbox.Schedule{First: time.Minute, Longest: time.Hour, Age: 365 * 24 * time.Hour},
		},
	}
}

// errSealing says that the receipt is not ready yet.
var errSealing = errors.New("sending: the arrival receipt is being sealed")

// receipt has the arrival receipt of a case sealed, and puts it into the case.
// Whatever was done of it before is done again to the same effect.
func (d *Desk) receipt(ctx context.Context, e outbox.Entry) error {
	id := portal.CaseID(e.Ref)
	c, err := store.CaseOf(store.Last(ctx, d.DB), id)
	if errors.Is(err, store.ErrNone) {
		return nil // erased meanwhile
	}
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	t, ok := d.Tenant(c.Tenant)
	if !ok {
		return errNoTenant
	}
	s, err := cases.OpenSubmission(d.Vault, c)
	if err != nil {
		return err
	}
	w := attest(t, c, s)
	body, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	// Named by what it says too: a tenant that has changed its name meanwhile gets
	// another one, not a refusal.
	attempt := "receipt-" + string(id) + "-" + digest(body)[:16]
	o, err := d.Signer.Create(ctx, c.Tenant, attempt, body)
	var p *signclient.Problem
	if errors.As(err, &p) && p.Status == 404 {
		// An earlier try has made it, and erased it where it was made.
		if there, err := d.hasReceipt(ctx, id); err != nil || there {
			return err
		}
	}
	if err != nil {
		return err
	}
	if o, err = d.sealedOrder(ctx, c.Tenant, o); err != nil {
		return err
	}
	if there, err := d.hasReceipt(ctx, id); err != nil {
		return err
	} else if !there {
		if err := d.keepReceipt(ctx, t, c, s, w, o); err != nil {
			return err
		}
	}
	if err := d.Editor.Delete(ctx, c.Tenant, o.ID); err != nil && !(errors.As(err, &p) && p.Status == 404) {
		return err
	}
	return nil
}

// sealedOrder waits a moment for a seal, which takes no longer as a rule.
func (d *Desk) sealedOrder(ctx context.Context, t portal.TenantID, o signclient.Order) (signclient.Order, error) {
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		switch o.State {
		case signclient.Completed:
			return o, nil
		case signclient.Sealing, signclient.Open:
		default:
			return o, fmt.Errorf("sending: the order of an arrival receipt is %s", o.State)
		}
		if pause > 2*time.Second {
			return o, errSealing
		}
		select {
		case <-ctx.Done():
			return o, ctx.Err()
		case <-time.After(pause):
		}
		var err error
		if o, err = d.Signer.Order(ctx, t, o.ID); err != nil {
			return o, err
		}
	}
}

func (d *Desk) hasReceipt(ctx context.Context, id portal.CaseID) (bool, error) {
	files, err := store.CaseFiles(store.Last(ctx, d.DB), id)
	if err != nil {
		return false, fmt.Errorf("sending: %w", err)
	}
	for _, f := range files {
		if f.Kind == portal.ReceiptPDF {
			return true, nil
		}
	}
	return false, nil
}

// keepReceipt verifies a sealed receipt like anything else that the signing
// service delivers, and stores it.
func (d *Desk) keepReceipt(ctx context.Context, t portal.Tenant, c store.Case, s portal.Submission, w signclient.Wish, o signclient.Order) error {
	pdf, err := d.Signer.Document(ctx, c.Tenant, o.ID)
	if err != nil {
		return err
	}
	r, err := d.Verifier.Verify(ctx, pdf)
	if err != nil {
		return fmt.Errorf("sending: the arrival receipt was not verified: %w", err)
	}
	sum, err := ContentDigest(w.Documents[0].Content)
	if err != nil {
		return err
	}
	if !r.Valid || r.Order != o.ID || r.Client != t.Client() || len(r.Signed) != 0 || len(r.Documents) != 1 || !strings.EqualFold(r.Documents[0].SHA256, sum) {
		return fmt.Errorf("sending: the arrival receipt is not believed: %q", r.Code)
	}
	file, err := cases.SealFile(d.Vault, c.CaseHead, made(c.ID, portal.ReceiptPDF, s.Lang, pdf), pdf)
	if err != nil {
		return err
	}
	var body []byte
	if s.PDF == "" { // nothing was signed: the receipt is the sealed document
		s.PDF = digest(pdf)
		if body, err = cases.SealSubmission(d.Vault, c.CaseHead, s); err != nil {
			return err
		}
	}
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := store.CaseOf(tx, c.ID); err != nil {
			return err
		}
		if err := store.InsertCaseFile(tx, file); err != nil || body == nil {
			return err
		}
		return store.SetBody(tx, c.ID, body)
	})
	if errors.Is(err, store.ErrTwice) || errors.Is(err, store.ErrNone) {
		return nil // somebody else was first, or it was erased
	}
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// attest makes the order of a receipt: the same bytes for the same case.
func attest(t portal.Tenant, c store.Case, s portal.Submission) signclient.Wish {
	words := wordsIn(s.Lang)
	signed := len(s.Parties) > 0
	rows := []form.Row{
		{Label: words.number, Value: c.Number}, {Label: words.arrived, Value: moment(c.Arrived)},
		{Label: words.tenant, Value: t.Name.In(s.Lang)}, {Label: words.service, Value: s.Title},
	}
	if signed {
		rows = append(rows, form.Row{Label: words.document, Value: s.PDF})
		for _, p := range s.Parties {
			rows = append(rows, form.Row{Label: words.signed, Value: p.Name + ", " + moment(p.Signed)})
		}
	}
	content := []form.Block{{Heading: words.title}, {Text: words.intro}, {Rows: rows}}
	if !signed {
		content = append(append(content, form.Block{Heading: words.answers}), s.Blocks...)
	}
	return signclient.Wish{
		Title: clip(line(words.title+" "+c.Number), maxTitle), Reference: c.Number, Language: s.Lang,
		Documents: []signclient.Document{{Name: clip(line(words.title+" "+c.Number), maxName), Content: Tidy(content)}}, Signatories: []signclient.Signatory{},
	}
}
