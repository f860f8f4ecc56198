package flow

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"sigill/broker"
	"sigill/providers"
)

// record is what an order's Sealed holds. State and Evidence, thousands of bytes
// that only their provider understands, lie behind the rest as they are: put
// into JSON they would be read through at each turn for nothing. Where Evidence
// will be lies the form of Back until then.
type record struct {
	Request  providers.Request   `json:"request"`
	Answered bool                `json:"answered,omitempty"` // State, or Back, holds the issuer's final answer, not yet verified
	Away     *away               `json:"away,omitempty"`     // the browser is on its way to the issuer's site, or there
	Back     *back               `json:"back,omitempty"`     // what it brought back, until the provider has taken it in
	Came     *came               `json:"came,omitempty"`     // the form that counts, to the end of the order
	Failed   *providers.Failed   `json:"failed,omitempty"`
	Identity *providers.Identity `json:"identity,omitempty"`
	Media    string              `json:"media,omitempty"` // of Evidence

	State    providers.State `json:"-"`
	Evidence []byte          `json:"-"`
}

// done is the proof of an order that has one.
func (r record) done() *providers.Done {
	return &providers.Done{Identity: *r.Identity, Evidence: providers.Evidence{MediaType: r.Media, Bytes: r.Evidence}}
}

// marshal writes three parts, the first two behind their lengths.
func (r record) marshal() ([]byte, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(head)+len(r.State)+len(r.Evidence)+2*binary.MaxVarintLen64)
	out = appendPart(appendPart(out, head), r.State)
	if r.Back != nil {
		return append(out, flat(r.Back.Form)...), nil
	}
	return append(out, r.Evidence...), nil
}

func appendPart[T ~string | ~[]byte](out []byte, part T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(part))), part...)
}

func cutPart(b []byte) (part, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, errors.New("a record of another form")
	}
	end := used + int(n)
	return b[used:end:end], b[end:], nil
}

// unmarshal reads what marshal wrote. The parts stay where they are in plain.
func (r *record) unmarshal(plain []byte) error {
	var parts [2][]byte
	for i := range parts {
		var err error
		if parts[i], plain, err = cutPart(plain); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(parts[0], r); err != nil {
		return err
	}
	r.State, r.Evidence = nil, nil
	if len(parts[1]) > 0 {
		r.State = providers.State(parts[1])
	}
	if r.Back != nil {
		form, err := unflat(plain)
		r.Back.Form = form
		return err
	}
	if len(plain) > 0 {
		r.Evidence = plain
	}
	return nil
}

func (e *Engine) seal(o *broker.Order, r record) error {
	plain, err := r.marshal()
	if err != nil {
		return fmt.Errorf("order %s: %w", o.ID, err)
	}
	o.Sealed = e.Box.Seal(plain, []byte("order "+o.ID))
	return nil
}

func (e *Engine) open(o broker.Order) (record, error) {
	var r record
	plain, err := e.Box.Open(o.Sealed, []byte("order "+o.ID))
	if err != nil {
		return r, fmt.Errorf("order %s: %w", o.ID, err)
	}
	if err := r.unmarshal(plain); err != nil {
		return r, fmt.Errorf("order %s: %w", o.ID, err)
	}
	return r, nil
}
