package orders

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"sigill/broker/kit/keys"
	"sigill/signing"
)

// head is what Row.Head holds, under the client's key.
type head struct {
	Order signing.Order `json:"order"`
	// Asker is who asks, as it stands in every text that is signed. It is the
	// order's own: a client that changes its name changes nothing that was signed.
	Asker string `json:"asker"`
	// Files tells of each document the revision that brought its file; zero: it is
	// no file.
	Files []int `json:"files,omitempty"`
	// Counter counts messages and webhooks, so that each has its own name.
	Counter int `json:"counter"`
	// Newest is the counter of the newest invitation or reminder to somebody by a
	// channel ("2/email"): older ones are not sent any more.
	Newest map[string]int `json:"newest,omitempty"`
	// Sent is when what its client did had a signatory written to, in the last day.
	Sent map[int][]time.Time `json:"sent,omitempty"`
	// Sealing is since when the receipt is being made.
	Sealing time.Time `json:"sealing,omitzero"`
	// Seen is in which login a signatory read which revision.
	Seen map[int]seen `json:"seen,omitempty"`
	// Narrowed: the client named no e-IDs, and those of the Order are all that can
	// show its text.
	Narrowed bool `json:"narrowed,omitempty"`
}

type seen struct {
	Login    time.Time `json:"login"`
	Revision int       `json:"revision"`
}

// boxOf is the client's key.
func (s *Service) boxOf(client string) (*keys.Box, error) {
	return s.Keys.Box("signing client " + client)
}

// place says where sealed bytes belong. No part of it can hold a NUL.
func place(client, id, part string, revision int) []byte {
	return []byte("sigill signing 1\x00" + client + "\x00" + id + "\x00" + part + "\x00" + strconv.Itoa(revision))
}

// The names of parts.
const (
	partHead    = "head"
	partKey     = "key"
	partBody    = "body"
	partReceipt = "receipt"
	partRecord  = "kvittens"
)

func partFile(i int) string     { return "file/" + strconv.Itoa(i) } // from 1
func partEvidence(n int) string { return "evidence/" + strconv.Itoa(n) }

// sealHead seals a head for the version that the row will have, so that no older
// head can be put into its place.
func (s *Service) sealHead(row *Row, h head, version int64) error {
	plain, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("order %s: %w", row.ID, err)
	}
	box, err := s.boxOf(row.Client)
	if err != nil {
		return err
	}
	row.Head = box.Seal(plain, place(row.Client, row.ID, partHead, int(version)))
	return nil
}

func (s *Service) openHead(row Row) (head, error) {
	var h head
	box, err := s.boxOf(row.Client)
	if err != nil {
		return h, err
	}
	plain, err := box.Open(row.Head, place(row.Client, row.ID, partHead, int(row.Version)))
	if err == nil {
		err = json.Unmarshal(plain, &h)
	}
	if err != nil {
		return head{}, fmt.Errorf("order %s: %w", row.ID, err)
	}
	if h.Order.ID != row.ID || h.Order.Client != row.Client || h.Order.State != row.State {
		return head{}, fmt.Errorf("order %s: its row is not its own", row.ID)
	}
	return h, nil
}

// sealForClient and openForClient are for what lies under the client's key.
func (s *Service) sealForClient(row Row, part string, plain []byte) ([]byte, error) {
	box, err := s.boxOf(row.Client)
	if err != nil {
		return nil, err
	}
	return box.Seal(plain, place(row.Client, row.ID, part, 0)), nil
}

func (s *Service) openForClient(row Row, part string, sealed []byte) ([]byte, error) {
	box, err := s.boxOf(row.Client)
	if err != nil {
		return nil, err
	}
	return box.Open(sealed, place(row.Client, row.ID, part, 0))
}
