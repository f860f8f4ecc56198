package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/sqldb"
)

// SigningKey signs. The key may one day live in hardware.
type SigningKey struct {
	KID, Alg string
	Key      crypto.Signer
}

// PublicKey verifies what it signed.
type PublicKey struct {
	KID, Alg string
	Key      crypto.PublicKey
}

// Signer gives the active key that signs tokens with RS256 or ES256, making it
// at first use. Ask for each algorithm at start, so that all are published
// before the first token is signed.
func (r *Ring) Signer(alg string) (SigningKey, error) {
	if alg != RS256 && alg != ES256 {
		return SigningKey{}, fmt.Errorf("keys: no tokens are signed with %q", alg)
	}
	return r.signer(slot{purposeTokens, alg})
}

// AuditSigner gives the key that signs the audit's heads.
func (r *Ring) AuditSigner() (audit.Signer, error) {
	k, err := r.signer(slot{purposeAudit, EdDSA})
	return audit.Signer{KID: k.KID, Key: k.Key}, err
}

func (r *Ring) signer(s slot) (SigningKey, error) {
	k, err := r.activeKey(s)
	if err != nil {
		return SigningKey{}, err
	}
	if !r.published(k) && s.purpose == purposeTokens {
		// It went on in the place of one that cannot be opened here, for too long.
		return SigningKey{}, r.errUnopened(k.Info)
	}
	return SigningKey{k.ID, k.Kind, k.signer}, nil
}

// published says whether a key is one that others may verify our tokens with: one
// not yet used, the active one, or a retired one until what it signed has expired.
func (r *Ring) published(k *key) bool {
	return k.Purpose == purposeTokens && k.signer != nil &&
		!(k.State == Retired && !r.now().Before(k.Retired.Add(r.Overlap)))
}

// Published are the keys that others may verify our tokens with, oldest first.
func (r *Ring) Published() []PublicKey {
	var list []PublicKey
	for _, k := range r.loaded.Load().all {
		if r.published(k) {
			list = append(list, PublicKey{k.ID, k.Kind, k.signer.Public()})
		}
	}
	return list
}

// Find gives the published key of a name, also one that another process has made
// just now.
func (r *Ring) Find(kid string) (PublicKey, bool) {
	find := func() *key {
		if k := r.loaded.Load().byID[kid]; k != nil && r.published(k) {
			return k
		}
		return nil
	}
	k := find()
	if k == nil && r.loaded.Load().byID[kid] == nil && len(kid) == thumbprintSize {
		k, _ = r.look(find) // a database that does not answer is a key that is not there
	}
	if k == nil {
		return PublicKey{}, false
	}
	return PublicKey{k.ID, k.Kind, k.signer.Public()}, true
}

// AuditKeys are the public keys, by kid, that have ever signed the audit's heads.
func (r *Ring) AuditKeys() map[string]crypto.PublicKey {
	public := map[string]crypto.PublicKey{}
	for _, k := range r.loaded.Load().all {
		if k.Purpose == purposeAudit && k.signer != nil {
			public[k.ID] = k.signer.Public()
		}
	}
	return public
}

// RotateSigning brings in a new key for tokens. It is published at once and used
// from Lead later (by whoever runs Maintain then). While one waits, it does
// nothing.
func (r *Ring) RotateSigning(ctx context.Context, alg string) error {
	if _, err := r.Signer(alg); err != nil {
		return err
	}
	if err := r.Refresh(ctx); err != nil {
		return err
	}
	s := slot{purposeTokens, alg}
	if r.next(s) != nil {
		return nil
	}
	next, err := r.make(s, Next)
	if err != nil {
		return err
	}
	if err := r.db.Write(ctx, func(tx *sqldb.Tx) error { return r.insert(tx, next) }); err != nil {
		return fmt.Errorf("keys: rotate %s: %w", alg, err)
	}
	return r.Refresh(ctx)
}

// ActivateSigning uses the next key at once, bringing one in if none waits: for
// the day when the active one may be in wrong hands. Clients that cache our keys
// may refuse its tokens until they ask again.
func (r *Ring) ActivateSigning(ctx context.Context, alg string) error {
	if err := r.RotateSigning(ctx, alg); err != nil {
		return err
	}
	next := r.next(slot{purposeTokens, alg})
	if next == nil {
		return nil // another process has activated it this moment
	}
	err := r.db.Write(ctx, func(tx *sqldb.Tx) error { return r.replace(tx, next.Info) })
	if err != nil && !errors.Is(err, errFirst) {
		return fmt.Errorf("keys: activate %s: %w", alg, err)
	}
	return r.Refresh(ctx)
}

func (r *Ring) next(s slot) *key {
	for _, k := range r.loaded.Load().all {
		if k.State == Next && k.Purpose == s.purpose && k.Kind == s.kind {
			return k
		}
	}
	return nil
}
