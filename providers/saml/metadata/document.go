package metadata

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"sigill/providers/xmlsec"
)

// What bounds a document, and one entity in it.
const (
	maxDocument = 64 << 20
	maxEntity   = 1 << 20
)

// Error is the error of metadata that was refused. Check is one short word for the
// log.
type Error struct {
	Check string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("metadata refused at %s: %v", e.Check, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

func refuse(check, format string, args ...any) error {
	return &Error{Check: check, Err: fmt.Errorf(format, args...)}
}

// Trust is who is believed about metadata.
type Trust struct {
	// Certificates hold the keys of which one must have signed the document.
	Certificates []*x509.Certificate
	// Unsigned believes a document without a signature. Only with no Certificates.
	Unsigned bool
	// Single believes only a document of one entity.
	Single bool
}

// Set is what was read from one piece of metadata.
type Set struct {
	// ValidUntil is when the whole document ends; zero if it does not say.
	ValidUntil time.Time

	idps     map[string]*IdP
	unusable map[string]error // why an identity provider is not among them
}

// Len is how many identity providers can be used.
func (d *Set) Len() int { return len(d.idps) }

// IdP is the identity provider with the entityID. An error says why there is none,
// or why what stands there is of no use.
func (d *Set) IdP(entityID string) (*IdP, error) {
	if idp := d.idps[entityID]; idp != nil {
		return idp, nil
	}
	if err := d.unusable[entityID]; err != nil {
		return nil, fmt.Errorf("metadata of %q: %w", entityID, err)
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, entityID)
}

// Parse reads a document, of one entity or of many, as it is at that time. Of a
// signed document nothing is read but what the signature covers.
func Parse(raw []byte, trust Trust, at time.Time) (*Set, error) {
	root, err := xmlsec.ParseMetadata(raw, maxDocument)
	if err != nil {
		return nil, err
	}
	single := xmlsec.Is(root, nsMD, "EntityDescriptor")
	switch {
	case !single && !xmlsec.Is(root, nsMD, "EntitiesDescriptor"):
		return nil, refuse("root", "neither EntityDescriptor nor EntitiesDescriptor")
	case trust.Single && !single:
		return nil, refuse("root", "more than one entity where one was expected")
	}
	body := root
	if !trust.Unsigned || len(trust.Certificates) > 0 {
		if body, err = xmlsec.Verify(root, trust.Certificates); err != nil {
			return nil, err
		}
	}
	d := &Set{idps: map[string]*IdP{}, unusable: map[string]error{}}
	if d.ValidUntil, err = validUntil(body, time.Time{}); err != nil {
		return nil, err
	}
	if d.ValidUntil.IsZero() && !single {
		return nil, refuse("valid-until", "a document of many entities does not say how long it holds")
	}
	if over(d.ValidUntil, at) {
		return nil, refuse("valid-until", "held until %s", d.ValidUntil.Format(time.RFC3339))
	}
	r := reader{set: d, trust: trust, at: at, seen: map[string]bool{}}
	if single {
		return d, r.entity(body, d.ValidUntil, func() []byte { return raw })
	}
	return d, r.entities(body, d.ValidUntil)
}

// Entry reads the metadata of one entity that was kept, without asking whether it
// still holds. OwnSignature says whether one of the certificates signed it; if not,
// nobody but the keeper vouches for it.
func Entry(raw []byte, certificates []*x509.Certificate) (IdP, error) {
	root, err := xmlsec.ParseMetadata(raw, maxEntity)
	if err != nil {
		return IdP{}, err
	}
	if !xmlsec.Is(root, nsMD, "EntityDescriptor") {
		return IdP{}, refuse("root", "not an EntityDescriptor")
	}
	body, own := root, false
	if xmlsec.Signed(root) && len(certificates) > 0 {
		if signed, err := xmlsec.Verify(root, certificates); err == nil {
			body, own = signed, true
		}
	}
	until, err := validUntil(body, time.Time{})
	if err != nil {
		return IdP{}, err
	}
	idp, err := readIdP(body, until)
	if err != nil {
		return IdP{}, err
	}
	if idp == nil {
		return IdP{}, refuse("role", "not an identity provider")
	}
	idp.Raw, idp.OwnSignature = raw, own
	return *idp, nil
}

// reader walks a document whose signature was checked.
type reader struct {
	set   *Set
	trust Trust
	at    time.Time
	seen  map[string]bool
}

// entities reads what lies in one EntitiesDescriptor. How long it holds, all in it
// holds at most.
func (r *reader) entities(group *etree.Element, until time.Time) error {
	for _, el := range group.ChildElements() {
		switch {
		case xmlsec.Is(el, nsMD, "EntitiesDescriptor"):
			inner, err := validUntil(el, until)
			if err != nil {
				return err
			}
			if err := r.entities(el, inner); err != nil {
				return err
			}
		case xmlsec.Is(el, nsMD, "EntityDescriptor"):
			if err := r.entity(el, until, func() []byte { return xmlsec.Bytes(xmlsec.Detach(el)) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// entity reads one entity. What is wrong with one does not take the others along,
// but that one is there twice does: nobody could tell which is meant.
func (r *reader) entity(el *etree.Element, until time.Time, raw func() []byte) error {
	id := xmlsec.Attr(el, "entityID")
	if id == "" || len(id) > maxEntityID {
		return refuse("entity-id", "an entity without a name, or with one too long")
	}
	if r.seen[id] {
		return refuse("entity-twice", "%q is there twice", id)
	}
	r.seen[id] = true

	idp, err := r.idp(el, until, raw)
	switch {
	case err != nil:
		r.set.unusable[id] = err
	case idp != nil:
		r.set.idps[id] = idp
	}
	return nil
}

func (r *reader) idp(el *etree.Element, until time.Time, raw func() []byte) (*IdP, error) {
	until, err := validUntil(el, until)
	if err != nil {
		return nil, err
	}
	idp, err := readIdP(el, until)
	if err != nil || idp == nil {
		return nil, err
	}
	if over(idp.ValidUntil, r.at) {
		return nil, refuse("valid-until", "held until %s", idp.ValidUntil.Format(time.RFC3339))
	}
	if idp.Raw = raw(); len(idp.Raw) > maxEntity {
		return nil, refuse("size", "one entity of %d bytes, at most %d are read", len(idp.Raw), maxEntity)
	}
	idp.OwnSignature = ownSignature(idp.Raw, r.trust.Certificates)
	return idp, nil
}

// ownSignature reports whether an entity's XML verifies all by itself.
func ownSignature(raw []byte, certificates []*x509.Certificate) bool {
	root, err := xmlsec.ParseMetadata(raw, maxEntity)
	if err != nil || !xmlsec.Signed(root) || len(certificates) == 0 {
		return false
	}
	_, err = xmlsec.Verify(root, certificates)
	return err == nil
}

// validUntil is when an element ends: what it says, or what lies around it if that
// ends before. Zero is never.
func validUntil(el *etree.Element, around time.Time) (time.Time, error) {
	said := xmlsec.Attr(el, "validUntil")
	if said == "" {
		return around, nil
	}
	t, err := time.Parse(time.RFC3339, said)
	if err != nil {
		return time.Time{}, refuse("valid-until", "validUntil is not a time with a zone")
	}
	if !around.IsZero() && around.Before(t) {
		return around, nil
	}
	return t.UTC(), nil
}

func over(end, at time.Time) bool { return !end.IsZero() && !at.Before(end) }
