// Package pades seals a PDF with an organisation's key and verifies such seals:
// PAdES baseline level B-B (ETSI EN 319 142-1), in the byte profile of
// signing/pdf. It owns the revision that carries the seal, its CMS (RFC 5652,
// EN 319 122-1) and the rules by which a seal is believed. It does not own what
// is on the pages (signing/receipt) and keeps no keys: a key is a crypto.Signer.
//
// Sealing and verifying share one description of the sealing revision and one
// of the CMS. The verifier reads the few values that differ from seal to seal,
// builds revision and CMS again from them, and compares every byte. What is not
// exactly what Seal writes is refused, so that nothing can hide beside it.
//
// The rules are numbered: 1 the file, 2 what the revisions may contain, 3 the
// ByteRange, 4 the CMS, 5 the chain and who the sealer is. A file has exactly
// two revisions, the unsealed file and the seal. Timestamps and long-term
// validation will be later revisions with rules of their own; until then any
// later revision is refused.
package pades

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigill/signing/pdf"
)

// Info is what a seal says of itself besides its time.
type Info struct {
	Name   string // who seals; may be empty
	Reason string // why; may be empty
}

// statement is the part of a seal that differs from one to the next.
type statement struct {
	Info
	at        time.Time
	byteRange [4]int
	contents  []byte // the CMS, then zeros
}

// unsealed is a file that has no seal yet, and where one goes in it.
type unsealed struct {
	file    *pdf.File
	root    pdf.Ref
	catalog pdf.Dict
	first   pdf.Ref // the first page
	page    pdf.Dict
}

// newUnsealed looks at a file of one revision.
func newUnsealed(file *pdf.File) (*unsealed, error) {
	u := &unsealed{file: file, root: file.Revisions[0].Trailer.Root}
	var ok bool
	if u.catalog, ok = file.Dict(0, u.root); !ok || u.catalog["Type"] != pdf.Name("Catalog") {
		return nil, errors.New("there is no catalog")
	}
	for _, key := range []pdf.Name{"AcroForm", "Perms", "DSS"} {
		if u.catalog[key] != nil {
			return nil, fmt.Errorf("the catalog has %s already", key)
		}
	}
	for number, o := range file.Revisions[0].Objects {
		if dict, ok := o.Object.(pdf.Dict); ok && (dict["ByteRange"] != nil || dict["FT"] != nil) {
			return nil, fmt.Errorf("object %d is a seal or a form field", number)
		}
	}

	// The first page is the first leaf of the page tree.
	u.first, ok = u.catalog["Pages"].(pdf.Ref)
	for range pdf.DefaultLimits().Depth {
		if !ok {
			break
		}
		if u.page, ok = file.Dict(0, u.first); !ok {
			break
		}
		if u.page["Type"] == pdf.Name("Page") {
			if annots := u.page["Annots"]; annots != nil {
				if _, ok := annots.(pdf.Array); !ok {
					return nil, errors.New("the annotations of page 1 are not in its dictionary")
				}
			}
			return u, nil
		}
		kids, _ := u.page["Kids"].(pdf.Array)
		if ok = len(kids) > 0; ok {
			u.first, ok = kids[0].(pdf.Ref)
		}
	}
	return nil, errors.New("there is no page")
}

// revision writes the revision that seals the file, and says where in the whole
// file the value of its Contents stands.
//
// DocMDP with P 1 forbids every change; ISO 32000-2 (12.8.2.2) exempts what
// long-term validation adds. The widget has no area, and is printed and locked,
// which PDF/A wants of one without an appearance.
func (u *unsealed) revision(s statement) (revision []byte, contents [2]int, err error) {
	sig := pdf.Dict{
		"Type": pdf.Name("Sig"), "Filter": pdf.Name("Adobe.PPKLite"), "SubFilter": pdf.Name("ETSI.CAdES.detached"),
		"M":        pdf.Date(s.at),
		"Contents": pdf.String(s.contents),
		"Reference": pdf.Array{pdf.Dict{
			"Type": pdf.Name("SigRef"), "TransformMethod": pdf.Name("DocMDP"),
			"TransformParams": pdf.Dict{"Type": pdf.Name("TransformParams"), "P": pdf.Int(1), "V": pdf.Name("1.2")},
		}},
	}
	var byteRange pdf.Array
	for _, n := range s.byteRange {
		byteRange = append(byteRange, pdf.Int(n))
	}
	sig["ByteRange"] = byteRange
	if s.Name != "" {
		sig["Name"] = pdf.Text(s.Name)
	}
	if s.Reason != "" {
		sig["Reason"] = pdf.Text(s.Reason)
	}

	w := u.file.Update()
	seal, widget := w.Reserve(), w.Reserve()
	w.Put(seal, sig)
	var ok bool
	if contents[0], contents[1], ok = w.ValueSpan(seal, "Contents"); !ok {
		return nil, contents, errors.New("pades: the seal's dictionary cannot be written")
	}
	w.Put(widget, pdf.Dict{
		"Type": pdf.Name("Annot"), "Subtype": pdf.Name("Widget"), "FT": pdf.Name("Sig"),
		"T": pdf.Text("Sigill"), "V": seal, "P": u.first,
		"Rect": pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Int(0), pdf.Int(0)}, "F": pdf.Int(132),
	})

	page := maps.Clone(u.page)
	annots, _ := page["Annots"].(pdf.Array)
	page["Annots"] = append(slices.Clone(annots), widget)
	w.Put(u.first, page)

	catalog := maps.Clone(u.catalog)
	catalog["AcroForm"] = pdf.Dict{"Fields": pdf.Array{widget}, "SigFlags": pdf.Int(3)}
	catalog["Perms"] = pdf.Dict{"DocMDP": seal}
	w.Put(u.root, catalog)

	// ISO 32000-2 (14.4): the second identifier changes with an update.
	id := u.file.Revisions[0].Trailer.ID[1]
	changed := sha256.Sum256([]byte(id + pdf.Date(s.at)))
	revision, err = w.Finish(pdf.Trailer{ID: [2]pdf.String{1: pdf.String(changed[:16])}})
	return revision, contents, err
}
