package orders

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"sigill/providers"
	"sigill/signing"
)

// sealBody seals what is to be signed, as of the order's revision.
func (k orderKey) sealBody(revision int, b signing.Body) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", k.id, err)
	}
	return k.seal(partBody, revision, plain), nil
}

// openBody opens it, and holds it against the digest that everybody signs.
func (k orderKey) openBody(row Row, o *signing.Order) (signing.Body, error) {
	var b signing.Body
	plain, err := k.open(partBody, o.Revision, row.Body)
	if err == nil {
		err = json.Unmarshal(plain, &b)
	}
	if err != nil {
		return signing.Body{}, fmt.Errorf("order %s: body: %w", row.ID, err)
	}
	if _, digest, err := b.Manifest.Encode(); err != nil || digest != o.Digest || len(b.Documents) != len(b.Manifest.Documents) {
		return signing.Body{}, fmt.Errorf("order %s: the manifest is not the one of the order", row.ID)
	}
	return b, nil
}

// file reads the bytes of document i (from 0), and holds them against the
// manifest.
func (s *Service) file(ctx context.Context, k orderKey, h head, b signing.Body, i int) (signing.Document, error) {
	d := b.Documents[i]
	if d.Kind == signing.KindFile {
		if i >= len(h.Files) || h.Files[i] == 0 {
			return signing.Document{}, fmt.Errorf("order %s: document %d has no file", k.id, i+1)
		}
		sealed, err := s.Store.Part(ctx, k.id, partFile(i+1))
		if err != nil {
			return signing.Document{}, fmt.Errorf("order %s: document %d: %w", k.id, i+1, err)
		}
		if d.File, err = k.open(partFile(i+1), h.Files[i], sealed); err != nil {
			return signing.Document{}, err
		}
	}
	plain, err := d.Bytes()
	if err != nil {
		return signing.Document{}, err
	}
	if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != b.Manifest.Documents[i].SHA256 {
		return signing.Document{}, fmt.Errorf("order %s: document %d is not the one of the manifest", k.id, i+1)
	}
	return d, nil
}

// sealFiles gives the parts of documents that are files, removes what earlier
// documents left, and notes which revision brought them.
func (k orderKey) sealFiles(h *head, documents []signing.Document) []Part {
	var parts []Part
	files := make([]int, len(documents))
	for i, d := range documents {
		if d.Kind == signing.KindFile {
			files[i] = h.Order.Revision
			parts = append(parts, Part{partFile(i + 1), k.seal(partFile(i+1), h.Order.Revision, d.File)})
		}
	}
	for i, revision := range h.Files {
		if revision != 0 && (i >= len(files) || files[i] == 0) {
			parts = append(parts, Part{Name: partFile(i + 1)})
		}
	}
	h.Files = files
	return parts
}

// sealEvidence seals a signatory's evidence, as of the revision that was signed.
func (k orderKey) sealEvidence(n, revision int, e providers.Evidence) Part {
	return Part{partEvidence(n), k.seal(partEvidence(n), revision, encodeEvidence(e))}
}

// encodeEvidence keeps evidence byte for byte: its type, a line break, and itself.
func encodeEvidence(e providers.Evidence) []byte {
	return append([]byte(e.MediaType+"\n"), e.Bytes...)
}

func decodeEvidence(plain []byte) (providers.Evidence, error) {
	media, rest, found := bytes.Cut(plain, []byte("\n"))
	if !found {
		return providers.Evidence{}, fmt.Errorf("evidence of another form")
	}
	return providers.Evidence{MediaType: string(media), Bytes: rest}, nil
}
