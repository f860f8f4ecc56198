package orders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/outbox"
	"sigill/providers"
	"sigill/signing"
	"sigill/signing/pades"
	"sigill/signing/receipt"
)

// sealing is seal that says what is in the way: people wait for it, and nothing
// but a person may be able to mend it.
func (s *Service) sealing(ctx context.Context, e outbox.Entry) error {
	err := s.seal(ctx, e)
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "orders: everybody has signed, but the receipt was not made; trying again", "order", e.Ref, "try", e.Attempts, "error", err)
	}
	return err
}

// seal makes the receipt of an order that everybody has signed, seals it, has it
// verified, and only then releases it: with the same transaction the order is
// completed and its own key is gone. It may be stopped anywhere and begun again,
// here or at another node: of any number of receipts one is stored.
func (s *Service) seal(ctx context.Context, e outbox.Entry) error {
	env, err := open(e)
	if err != nil {
		return err
	}
	a, err := s.load(ctx, env.Client, e.Ref)
	if isGone(err) || err == nil && a.Order.State != signing.Sealing {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := s.unwrap(a.row, &a.Order, sealing{})
	if err != nil {
		return err
	}
	made, err := s.make(ctx, a, k)
	if err != nil {
		return err
	}
	if err := s.Verify(ctx, made.file); err != nil {
		// Our own fault, in making it or in reading it. Nobody gets it.
		return fmt.Errorf("order %s: the sealed receipt does not pass the verifier: %w", e.Ref, err)
	}
	_, err = s.act(ctx, env.Client, e.Ref, func(a *act) error {
		if err := a.planned(a.Order.Complete(a.now)); err != nil {
			return err
		}
		for _, p := range made.plain {
			sealed, err := s.sealForClient(a.row, p.Name, p.Sealed)
			if err != nil {
				return err
			}
			a.change.Parts = append(a.change.Parts, Part{p.Name, sealed})
		}
		a.note(audit.SigningCompleted, nobody, "")
		return nil
	})
	if errors.Is(err, signing.ErrOver) || isGone(err) {
		return nil // another one was first
	}
	return err
}

// made is a sealed receipt, and what is kept of the order with it.
type made struct {
	file  []byte
	plain []Part // not sealed yet
}

func (s *Service) make(ctx context.Context, a *act, k orderKey) (made, error) {
	b, err := k.openBody(a.row, &a.Order)
	if err != nil {
		return made{}, err
	}
	for i := range b.Documents {
		if b.Documents[i], err = s.file(ctx, k, a.head, b, i); err != nil {
			return made{}, err
		}
	}
	record, files, err := s.record(a.head, b, a.Order.CompletedAt)
	if err != nil {
		return made{}, err
	}
	var out made
	for _, sig := range a.Order.Signatories {
		if !sig.Active() {
			continue
		}
		if sig.Signature == nil {
			return made{}, fmt.Errorf("order %s: signatory %d has not signed", a.row.ID, sig.N)
		}
		sealed, err := s.Store.Part(ctx, a.row.ID, partEvidence(sig.N))
		if err != nil {
			return made{}, fmt.Errorf("order %s: evidence of signatory %d: %w", a.row.ID, sig.N, err)
		}
		plain, err := k.open(partEvidence(sig.N), a.Order.Revision, sealed)
		if err != nil {
			return made{}, err
		}
		attached, e, err := s.proofs(plain, sig.N)
		if err != nil {
			return made{}, fmt.Errorf("order %s: %w", a.row.ID, err)
		}
		record.Signatures = append(record.Signatures, statement(sig, e, attached))
		files = append(files, attached...)
		out.plain = append(out.plain, Part{partEvidence(sig.N), plain})
	}
	unsealed, err := s.Receipts.Make(record, files)
	if err != nil {
		return made{}, fmt.Errorf("order %s: %w", a.row.ID, err)
	}
	if out.file, err = s.Sealer.Seal(unsealed, s.now(), pades.Info{}); err != nil {
		return made{}, fmt.Errorf("order %s: %w", a.row.ID, err)
	}
	// As it stands in the file, where drawing listed the attachments.
	for _, f := range files {
		sum := sha256.Sum256(f.Bytes)
		record.Attachments = append(record.Attachments, receipt.Attachment{
			Name: f.Name, Type: f.Type, Relationship: f.Relationship, Size: len(f.Bytes), SHA256: hex.EncodeToString(sum[:]),
		})
	}
	summary, err := signing.Canonical(record)
	if err != nil {
		return made{}, fmt.Errorf("order %s: %w", a.row.ID, err)
	}
	out.plain = append(out.plain, Part{partReceipt, out.file}, Part{partRecord, summary})
	return out, nil
}

// proofs gives a signatory's evidence as files to attach, the evidence itself
// first.
func (s *Service) proofs(plain []byte, n int) ([]receipt.File, providers.Evidence, error) {
	e, err := decodeEvidence(plain)
	if err != nil {
		return nil, e, err
	}
	files, err := s.attached(e, n)
	return files, e, err
}

func (s *Service) attached(e providers.Evidence, n int) ([]receipt.File, error) {
	parts, err := s.Proofs.Parts(e, n)
	if err != nil {
		return nil, err
	}
	return append([]receipt.File{s.Proofs.File(e, n)}, parts...), nil
}

// statement is what a receipt says of a signature. The attached files prove it.
func statement(sig signing.Signatory, e providers.Evidence, attached []receipt.File) receipt.Signature {
	v := sig.Signature
	parts := []string{}
	for _, f := range attached[1:] {
		parts = append(parts, f.Name)
	}
	return receipt.Signature{
		Signatory: sig.N, Name: v.Name, Masked: receipt.Mask(sig.Number), Provider: string(v.Provider), ProviderName: v.ProviderName,
		Level: receipt.LevelName(v.Level), Policy: v.Policy, Started: v.Started, At: v.At, Text: v.Text, Markup: string(v.Markup),
		EIDOrder: v.EIDOrder, Transaction: v.Transaction, Evidence: attached[0].Name, EvidenceType: e.MediaType, Parts: parts,
	}
}
