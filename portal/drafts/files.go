package drafts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"sigill/broker/kit/sqldb"
	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// What a field of type file allows that does not say.
const (
	maxFileBytes = 10 << 20
	maxFiles     = 5
)

// Attach adds a file to a field of type file. Its type is that of its content;
// of pictures everything but the picture is taken away. The error is *BadFile,
// *Conflict, ErrLocked or ErrBusy.
func (d *Drafts) Attach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field, name string, content io.Reader) (portal.Draft, error) {
	row, k, err := d.enter(ctx, v, id, "attach")
	if err != nil {
		return portal.Draft{}, err
	}
	if row.State != portal.Open {
		return portal.Draft{}, ErrLocked
	}
	s, err := d.Service(ctx, row.Version)
	if err != nil {
		return portal.Draft{}, fmt.Errorf("draft %s: its version: %w", id, err)
	}
	f, ok := fileField(s, field)
	if !ok {
		return portal.Draft{}, portal.ErrNotFound
	}
	most := f.MaxBytes
	if most <= 0 {
		most = maxFileBytes
	}
	raw, err := io.ReadAll(io.LimitReader(content, most+1))
	switch {
	case err != nil:
		return portal.Draft{}, fmt.Errorf("draft %s: read a file: %w", id, err)
	case len(raw) == 0:
		return portal.Draft{}, &BadFile{Why: FileEmpty}
	case int64(len(raw)) > most:
		return portal.Draft{}, &BadFile{Why: FileLarge, Max: size(most)}
	}
	file, plain, err := accept(f, name, raw)
	if err != nil {
		return portal.Draft{}, err
	}
	file.ID, file.Size = portal.NewID(), int64(len(plain))
	sum := sha256.Sum256(plain)
	file.SHA256 = hex.EncodeToString(sum[:])
	sealed := k.box.Seal(plain, k.fileContext(portal.FileID(file.ID)))

	return d.change(ctx, v, id, "attach", func(tx *sqldb.Tx, _ *form.Service, _ draftKey, row store.Draft, b *body) (bool, error) {
		if revision != row.Revision {
			return false, &Conflict{Base: revision, Now: row.Revision}
		}
		a := b.Answers[field]
		many := f.MaxFiles
		if many <= 0 {
			many = maxFiles
		}
		if len(a.Files) >= many {
			return false, &BadFile{Why: FileMany, Max: fmt.Sprint(many)}
		}
		file := file
		total, names := file.Size, map[string]bool{}
		for _, other := range b.Answers {
			for _, f := range other.Files {
				total += f.Size
				names[f.Name] = true
			}
		}
		if total > d.MaxBytes {
			return false, &BadFile{Why: FileTotal, Max: size(d.MaxBytes)}
		}
		if err := d.room(ctx, row, len(sealed)); err != nil {
			return false, err
		}
		file.Name = unused(file.Name, names)
		a.Files = append(slices.Clone(a.Files), file)
		b.Answers[field] = a
		return true, store.InsertDraftFile(tx, store.DraftFile{
			ID: portal.FileID(file.ID), Draft: id, Size: int64(len(sealed)), Sealed: sealed, Created: d.Now()})
	})
}

// Detach removes one.
func (d *Drafts) Detach(ctx context.Context, v portal.Visitor, id portal.DraftID, revision int, field string, file portal.FileID) (portal.Draft, error) {
	return d.change(ctx, v, id, "detach", func(tx *sqldb.Tx, _ *form.Service, _ draftKey, row store.Draft, b *body) (bool, error) {
		if revision != row.Revision {
			return false, &Conflict{Base: revision, Now: row.Revision}
		}
		a := b.Answers[field]
		i := slices.IndexFunc(a.Files, func(f form.File) bool { return f.ID == string(file) })
		if i < 0 {
			return false, portal.ErrNotFound
		}
		a.Files = slices.Delete(slices.Clone(a.Files), i, i+1)
		b.Answers[field] = a
		return true, store.DeleteDraftFile(tx, id, file)
	})
}

// File gives a file's content.
func (d *Drafts) File(ctx context.Context, v portal.Visitor, id portal.DraftID, file portal.FileID) (form.File, []byte, error) {
	row, k, err := d.enter(ctx, v, id, "read a file")
	if err != nil {
		return form.File{}, nil, err
	}
	b, err := k.openBody(row)
	if err != nil {
		return form.File{}, nil, err
	}
	for _, a := range b.Answers {
		for _, f := range a.Files {
			if f.ID != string(file) {
				continue
			}
			sealed, err := store.DraftFileOf(store.Last(ctx, d.DB), id, file)
			if err != nil {
				return form.File{}, nil, wrap(err)
			}
			plain, err := k.openFile(sealed)
			return f, plain, err
		}
	}
	return form.File{}, nil, portal.ErrNotFound
}

func fileField(s *form.Service, id string) (*form.Field, bool) {
	for _, step := range s.Steps {
		for _, f := range step.Fields {
			if f.ID == id && f.Type == form.TypeFile {
				return f, true
			}
		}
	}
	return nil, false
}
