package drafts

import (
	"encoding/json"
	"fmt"
	"time"

	"sigill/portal"
	"sigill/portal/form"
	"sigill/portal/store"
)

// notes is what became known of a draft since it was locked. Whoever writes it
// is not the owner and cannot open the draft, so it lies under the tenant's key.
// What of the draft is needed to write to those concerned is put there when it
// is locked, so that nobody opens it for that.
type notes struct {
	Title     string         `json:"title,omitempty"`
	Lang      string         `json:"lang,omitempty"`
	Parties   []form.Party   `json:"parties,omitempty"`
	Contact   form.Contact   `json:"contact,omitzero"`
	Known     []portal.Party `json:"known,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	RefusedBy string         `json:"refused_by,omitempty"`
	Locked    time.Time      `json:"locked,omitzero"`
	Trouble   Trouble        `json:"trouble,omitzero"`
}

// Trouble is what stands in the way of a draft that waits.
type Trouble struct {
	// Missing is since when the signing service says that it has no such order.
	Missing time.Time `json:"missing,omitzero"`
	// Doubted is when it was last said that the seal of what came is not believed.
	Doubted time.Time `json:"doubted,omitzero"`
}

func notesContext(row store.Draft) []byte {
	return portal.Context("draft notes", string(row.Tenant), row.Owner, string(row.ID))
}

// sealNotes puts notes into a row. It may be called in a transaction: the
// tenant's key has been there since the draft was made.
func (d *Drafts) sealNotes(row *store.Draft, n notes) error {
	plain, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("draft %s: notes: %w", row.ID, err)
	}
	box, err := d.Vault.Tenant(row.Tenant)
	if err != nil {
		return fmt.Errorf("draft %s: notes: %w", row.ID, err)
	}
	row.Notes = box.Seal(plain, notesContext(*row))
	return nil
}

func (d *Drafts) openNotes(row store.Draft) (n notes, err error) {
	if len(row.Notes) == 0 {
		return notes{}, nil
	}
	box, err := d.Vault.Tenant(row.Tenant)
	if err != nil {
		return notes{}, fmt.Errorf("draft %s: notes: %w", row.ID, err)
	}
	plain, err := box.Open(row.Notes, notesContext(row))
	if err == nil {
		err = json.Unmarshal(plain, &n)
	}
	if err != nil {
		return notes{}, fmt.Errorf("draft %s: notes: %w", row.ID, err)
	}
	return n, nil
}
