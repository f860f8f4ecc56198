package cases

import (
	"encoding/json"
	"fmt"

	"sigill/portal"
	"sigill/portal/store"
)

// What lies sealed in a case's rows, under its tenant's box. These are made
// before a transaction begins, since a box may have to be made in one of its own.

// SealSubmission makes store.Case.Body.
func SealSubmission(v portal.Vault, h portal.CaseHead, s portal.Submission) ([]byte, error) {
	return seal(v, h, s, "case", string(h.ID))
}

// OpenSubmission reads it.
func OpenSubmission(v portal.Vault, c store.Case) (portal.Submission, error) {
	var s portal.Submission
	err := open(v, c.CaseHead, c.Body, &s, "case", string(c.ID))
	return s, err
}

// SealFile makes the row of a document of a case. The file's ID names it.
func SealFile(v portal.Vault, h portal.CaseHead, f portal.CaseFile, content []byte) (store.CaseFile, error) {
	meta, err := seal(v, h, f.File, "case file", string(h.ID), f.ID, string(f.Kind))
	if err != nil {
		return store.CaseFile{}, err
	}
	box, err := v.Tenant(h.Tenant)
	if err != nil {
		return store.CaseFile{}, fmt.Errorf("cases: %w", err)
	}
	return store.CaseFile{
		ID: portal.FileID(f.ID), Case: h.ID, Kind: f.Kind, Meta: meta,
		Sealed: box.Seal(content, where(h.Tenant, "case content", string(h.ID), f.ID)),
	}, nil
}

// openFile reads what a document is.
func openFile(v portal.Vault, h portal.CaseHead, row store.CaseFile) (portal.CaseFile, error) {
	f := portal.CaseFile{Kind: row.Kind}
	if err := open(v, h, row.Meta, &f.File, "case file", string(h.ID), string(row.ID), string(row.Kind)); err != nil {
		return portal.CaseFile{}, err
	}
	return f, nil
}

// openContent reads what stands in it.
func openContent(v portal.Vault, h portal.CaseHead, row store.CaseFile) ([]byte, error) {
	box, err := v.Tenant(h.Tenant)
	if err != nil {
		return nil, fmt.Errorf("cases: %w", err)
	}
	content, err := box.Open(row.Sealed, where(h.Tenant, "case content", string(h.ID), string(row.ID)))
	if err != nil {
		return nil, fmt.Errorf("cases: file of case %s: %w", h.ID, err)
	}
	return content, nil
}

// written is what a message says, and who wrote it.
type written struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

func sealMessage(v portal.Vault, h portal.CaseHead, id string, by portal.Role, w written) ([]byte, error) {
	return seal(v, h, w, "message", string(h.ID), id, string(by))
}

func openMessage(v portal.Vault, h portal.CaseHead, row store.Message) (portal.Message, error) {
	var w written
	if err := open(v, h, row.Body, &w, "message", string(h.ID), row.ID, string(row.By)); err != nil {
		return portal.Message{}, err
	}
	return portal.Message{ID: row.ID, At: row.At, By: row.By, Name: w.Name, Text: w.Text, Read: row.Read}, nil
}

// asking is what somebody is told whose signature is waited for.
type asking struct {
	Title string `json:"title"`
}

// SealAsked makes store.Asked.Sealed, of which nothing but the title is told.
func SealAsked(v portal.Vault, a store.Asked, title string) ([]byte, error) {
	return seal(v, portal.CaseHead{Tenant: a.Tenant}, asking{title}, "asked", string(a.Draft), a.Order, string(a.Person))
}

func openAsked(v portal.Vault, a store.Asked) (title string, err error) {
	var s asking
	err = open(v, portal.CaseHead{Tenant: a.Tenant}, a.Sealed, &s, "asked", string(a.Draft), a.Order, string(a.Person))
	return s.Title, err
}

// where says where sealed bytes belong.
func where(t portal.TenantID, kind string, parts ...string) []byte {
	return portal.Context(append([]string{kind, string(t)}, parts...)...)
}

func seal(v portal.Vault, h portal.CaseHead, what any, kind string, parts ...string) ([]byte, error) {
	box, err := v.Tenant(h.Tenant)
	if err != nil {
		return nil, fmt.Errorf("cases: seal %s: %w", kind, err)
	}
	plain, err := json.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("cases: seal %s: %w", kind, err)
	}
	return box.Seal(plain, where(h.Tenant, kind, parts...)), nil
}

func open(v portal.Vault, h portal.CaseHead, sealed []byte, into any, kind string, parts ...string) error {
	box, err := v.Tenant(h.Tenant)
	if err != nil {
		return fmt.Errorf("cases: open %s: %w", kind, err)
	}
	plain, err := box.Open(sealed, where(h.Tenant, kind, parts...))
	if err == nil {
		err = json.Unmarshal(plain, into)
	}
	if err != nil {
		return fmt.Errorf("cases: open %s: %w", kind, err)
	}
	return nil
}
