package portal

import (
	"sigill/broker/kit/keys"
	"sigill/providers/personnummer"
)

// Keys are where the portal's keys come from: broker/kit/keys.Ring of its own
// database, and of nobody else's.
type Keys interface {
	Box(purpose string) (*keys.Box, error)
	Index(purpose string) (func([]byte) []byte, error)
	Digest(purpose string) (func([]byte) string, error)
}

// Vault gives each tenant its box and each group its index of persons.
type Vault struct{ keys Keys }

// NewVault makes one.
func NewVault(k Keys) Vault { return Vault{k} }

// Tenant seals what belongs to a tenant: cases, and the keys of drafts. Contexts
// are made by Context.
func (v Vault) Tenant(id TenantID) (*keys.Box, error) { return v.keys.Box("tenant " + string(id)) }

// Sessions seals logins.
func (v Vault) Sessions() (*keys.Box, error) { return v.keys.Box("portal session") }

// Profiles seals what people of a group said about being told.
func (v Vault) Profiles(g GroupID) (*keys.Box, error) { return v.keys.Box("profile " + string(g)) }

// Person gives the key of a person in a group.
func (v Vault) Person(g GroupID, n personnummer.Number) (PersonKey, error) {
	index, err := v.keys.Digest("person " + string(g))
	if err != nil {
		return "", err
	}
	return PersonKey(index([]byte(n.Digits()))), nil
}

// Child gives what a visitor chooses a child by: the same for this visitor each
// time, and telling nothing.
func (v Vault) Child(visitor PersonKey, n personnummer.Number) (string, error) {
	index, err := v.keys.Digest("child")
	if err != nil {
		return "", err
	}
	return index(Context(string(visitor), n.Digits()))[:32], nil
}

// Audit names a person in the audit.
func (v Vault) Audit(n personnummer.Number) (string, error) {
	digest, err := v.keys.Digest("audit person")
	if err != nil {
		return "", err
	}
	return digest([]byte(n.Digits())), nil
}

// AuditName names an officer in the audit.
func (v Vault) AuditName(o Officer) (string, error) {
	digest, err := v.keys.Digest("audit officer")
	if err != nil {
		return "", err
	}
	return digest([]byte(string(o.Tenant) + "\x00" + o.Subject)), nil
}

// Secret gives the secret that the signing service signs a tenant's webhooks
// with: derived, so that it lies nowhere.
func (v Vault) Secret(id TenantID) ([]byte, error) {
	index, err := v.keys.Index("webhook")
	if err != nil {
		return nil, err
	}
	return index([]byte(id)), nil
}

// Context binds sealed bytes to where they belong: parts cannot run into each
// other.
func Context(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, byte(len(p)>>8), byte(len(p)))
		b = append(b, p...)
	}
	return b
}
