package orders

import (
	"fmt"

	"sigill/broker/flow"
	"sigill/broker/kit/keys"
	"sigill/signing"
)

// What is to be signed lies under the order's own key, which lies under the
// client's. It is unwrapped here and nowhere else, and only before a witness;
// access_test.go lists who brings one.

// orderKey is an order's own key, unwrapped: it opens and seals the body, the
// files and the evidence of this one order.
type orderKey struct {
	box        keys.Loose
	client, id string
}

func (k orderKey) seal(part string, revision int, plain []byte) []byte {
	return k.box.Seal(plain, place(k.client, k.id, part, revision))
}

func (k orderKey) open(part string, revision int, sealed []byte) ([]byte, error) {
	plain, err := k.box.Open(sealed, place(k.client, k.id, part, revision))
	if err != nil {
		return nil, fmt.Errorf("order %s: %s: %w", k.id, part, err)
	}
	return plain, nil
}

// A witness says on whose behalf an order's key is unwrapped, and vouches that
// it may be.
type witness interface{ vouch(o *signing.Order) bool }

type (
	// owner is the client that changes its open order.
	owner struct{ client string }
	// signatory is a person who has logged in and whose turn it is, or was.
	signatory struct {
		n     int
		guest Guest
	}
	// signature is a verified one of a signatory's.
	signature struct {
		n       int
		settled flow.Settled
	}
	// sealing is the making of the receipt, when everybody has signed.
	sealing struct{}
)

func (w owner) vouch(o *signing.Order) bool {
	return o.State == signing.Open && w.client != "" && w.client == o.Client
}

func (w signatory) vouch(o *signing.Order) bool {
	s, ok := o.Signatory(w.n)
	return ok && !o.State.Over() && o.Turn(w.n) && !s.Number.IsZero() && s.Number == w.guest.Number
}

func (w signature) vouch(o *signing.Order) bool {
	s, ok := o.Signatory(w.n)
	return ok && o.State == signing.Open && s.Active() && !s.Number.IsZero() && verified(w.settled, *s)
}

func (w sealing) vouch(o *signing.Order) bool { return o.State == signing.Sealing }

// newKey makes the key of a new order and what of it is stored.
func (s *Service) newKey(row *Row) (orderKey, error) {
	secret := keys.NewLoose()
	box, err := keys.OpenLoose(secret)
	if err != nil {
		return orderKey{}, err
	}
	row.Key, err = s.sealForClient(*row, partKey, secret)
	return orderKey{box, row.Client, row.ID}, err
}

// unwrap opens an order's own key before a witness.
func (s *Service) unwrap(row Row, o *signing.Order, w witness) (orderKey, error) {
	if o.ID != row.ID || o.Client != row.Client || !w.vouch(o) {
		return orderKey{}, fmt.Errorf("order %s: %T may not open it", row.ID, w)
	}
	secret, err := s.openForClient(row, partKey, row.Key)
	if err != nil {
		return orderKey{}, fmt.Errorf("order %s: its key: %w", row.ID, err)
	}
	box, err := keys.OpenLoose(secret)
	return orderKey{box, row.Client, row.ID}, err
}
