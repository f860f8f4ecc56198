package audit

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"sigill/broker/kit/sqldb"
)

// Report is what Verify found.
type Report struct {
	Rows     int64 // in the chain
	Waiting  int64 // without a place so far
	Heads    int   // signed heads
	Last     Head  // the latest of them; zero when there is none
	Unsigned int64 // rows after it: nothing yet proves that none of them is missing
	Kept     int   // heads kept elsewhere that were compared
	Furthest int64 // the row of the last of them
	Faults   []Fault
	// More is how many faults were found beyond those listed.
	More int
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// Fault is something that is not as the sequencer left it. Position is the row
// where it shows, zero where it is no row.
type Fault struct {
	Position int64
	Problem  string
}

func (f Fault) String() string {
	if f.Position == 0 {
		return f.Problem
	}
	return fmt.Sprintf("row %d: %s", f.Position, f.Problem)
}

const (
	maxFaults   = 100
	verifyBatch = 1000
	// tooOld is when a row must have got its place.
	tooOld = 60 * time.Second
	// unsignedFor is when a head must have been signed over a row: they are signed
	// hourly, and when a node stops.
	unsignedFor = 2 * time.Hour
)

// Verify computes the whole chain again and checks every signed head with the
// public keys, by kid. The error is that of a database that cannot be read; what
// is wrong with the audit stands in the report.
//
// A database alone cannot show that its last rows were removed together with
// the heads over them, less than two hours' worth of it at least. Heads that
// were kept elsewhere show it: give them as kept.
func Verify(ctx context.Context, db *sqldb.DB, now time.Time, public map[string]crypto.PublicKey, kept ...Head) (Report, error) {
	var r Report
	// Heads first: rows that come meanwhile are only more than they say.
	heads, err := readHeads(ctx, db)
	if err != nil {
		return r, err
	}
	r.Heads = len(heads)
	if len(heads) > 0 {
		r.Last = heads[len(heads)-1]
	}
	at := map[int64][]Head{}
	for i, h := range slices.Concat(heads, kept) {
		key, ok := public[h.KID]
		switch {
		case !ok:
			r.fault(h.Position, "its head is signed by a key that is not known: "+h.KID)
		case !verify(key, h.text(), h.Signature):
			r.fault(h.Position, "the signature of its head is false")
		default:
			at[h.Position] = append(at[h.Position], h)
			if i < len(heads) {
				break
			}
			r.Kept++
			r.Furthest = max(r.Furthest, h.Position)
			if !slices.ContainsFunc(heads, func(o Head) bool { return bytes.Equal(o.text(), h.text()) }) {
				r.fault(h.Position, "its head, which was kept, is not here any more")
			}
		}
	}

	position, hash, known := int64(0), genesis(), true
	uncovered := false
	for {
		batch, err := readChain(ctx, db, position)
		if err != nil {
			return r, err
		}
		for _, row := range batch {
			if row.position != position+1 {
				r.fault(row.position, fmt.Sprintf("rows %d to %d before it are missing", position+1, row.position-1))
				known = false
			}
			if known && !bytes.Equal(row.hash, link(hash, row.position, row.event)) {
				r.fault(row.position, "it was altered, or the one before it")
			}
			position, hash, known = row.position, row.hash, true
			if !uncovered && position > r.Last.Position && row.event.At.Before(now.Add(-unsignedFor)) {
				uncovered = true
				without := "no signed head covers it"
				if len(heads) == 0 {
					without = "no head is signed at all"
				}
				r.fault(position, fmt.Sprintf("it is older than %s, and %s", unsignedFor, without))
			}
			for _, h := range at[position] {
				if !bytes.Equal(h.Hash, hash) {
					r.fault(position, "it is another than the one whose head was signed at "+h.At.UTC().Format(time.RFC3339))
				}
			}
			delete(at, position)
			r.Rows++
		}
		if len(batch) < verifyBatch {
			break
		}
	}
	var furthest int64
	for p := range at {
		if p > position {
			furthest = max(furthest, p)
		}
	}
	if furthest > 0 {
		r.fault(furthest, fmt.Sprintf("its head was signed, but the chain ends at row %d", position))
	}
	r.Unsigned = max(0, position-r.Last.Position)

	var late int64
	if err := db.Row(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN at < $1 THEN 1 ELSE 0 END), 0) FROM audit_waiting`,
		now.Add(-tooOld).UnixMilli()).Scan(&r.Waiting, &late); err != nil {
		return r, fmt.Errorf("audit: read waiting rows: %w", err)
	}
	if late > 0 {
		r.fault(0, fmt.Sprintf("%d rows older than %s have no place in the chain", late, tooOld))
	}
	return r, nil
}

func (r *Report) fault(position int64, problem string) {
	if len(r.Faults) == maxFaults {
		r.More++
		return
	}
	r.Faults = append(r.Faults, Fault{position, problem})
}

func readHeads(ctx context.Context, db *sqldb.DB) ([]Head, error) {
	rows, err := db.Rows(ctx, `SELECT position, at, hash, kid, signature FROM audit_heads ORDER BY position, at`)
	if err != nil {
		return nil, fmt.Errorf("audit: read heads: %w", err)
	}
	defer rows.Close()
	var list []Head
	for rows.Next() {
		var h Head
		if err := rows.Scan(&h.Position, sqldb.IntoTime(&h.At), &h.Hash, &h.KID, &h.Signature); err != nil {
			return nil, fmt.Errorf("audit: read heads: %w", err)
		}
		list = append(list, h)
	}
	return list, rows.Err()
}

type chainRow struct {
	position int64
	hash     []byte
	event    Event
}

func readChain(ctx context.Context, db *sqldb.DB, after int64) ([]chainRow, error) {
	rows, err := db.Rows(ctx, `SELECT position, hash, `+eventColumns+` FROM audit_chain WHERE position > $1 ORDER BY position LIMIT $2`,
		after, verifyBatch)
	if err != nil {
		return nil, fmt.Errorf("audit: read chain: %w", err)
	}
	defer rows.Close()
	var list []chainRow
	for rows.Next() {
		var row chainRow
		if err := rows.Scan(append([]any{&row.position, &row.hash}, row.event.into()...)...); err != nil {
			return nil, fmt.Errorf("audit: read chain: %w", err)
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// sign signs with an Ed25519 key, or with ECDSA over SHA-256.
func sign(key crypto.Signer, text []byte) ([]byte, error) {
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return key.Sign(rand.Reader, text, crypto.Hash(0))
	}
	sum := sha256.Sum256(text)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

func verify(key crypto.PublicKey, text, signature []byte) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize && ed25519.Verify(k, text, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(text)
		return ecdsa.VerifyASN1(k, sum[:], signature)
	}
	return false
}
