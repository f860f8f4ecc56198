package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigill/broker/kit/config"
	"sigill/providers"
	"sigill/providers/saml"
	"sigill/providers/saml/metadata"
)

// metadataAtStart is how long a node that starts waits for an identity provider's
// metadata that it has no copy of. Without it the e-ID says that it is not there.
const metadataAtStart = 5 * time.Second

func openSAML(ctx context.Context, c config.Provider, w workshop) (map[providers.ID]providers.Provider, []*renewal, error) {
	s := c.SAML
	source, err := openMetadata(ctx, c, w)
	if err != nil {
		return nil, nil, err
	}
	made := saml.Config{
		ID: c.Offers[0], Instance: c.Name, Title: c.Title, Help: c.Help, IdP: s.IdP, Binding: saml.Binding(s.Binding),
		About: saml.About{
			Name: s.Organisation.DisplayName, Description: s.Organisation.Description, Organization: s.Organisation.Name, OrganizationURL: both(s.Organisation.URL),
			Logo:     saml.Logo{URL: s.Organisation.Logo.URL, Width: s.Organisation.Logo.Width, Height: s.Organisation.Logo.Height},
			Contacts: []saml.Contact{{Kind: "technical", Company: s.Organisation.Name.SV, Email: s.Organisation.TechnicalContact}},
		},
		Request: s.RequestLevels, AskNoLevel: s.NoLevels, Levels: s.AcceptLevels, Approved: c.Approved,
		NameID: s.NameID, AllowSSO: !s.ForceAuthn, CoordNumbers: s.CoordNumbers, MappedBy: s.MappedNumbers,
		PrincipalSelection: saml.Setting(s.Extensions.PrincipalSelection), UserMessage: saml.Setting(s.Extensions.UserMessage),
		EncryptSignMessage: s.Extensions.EncryptSignMessage, IDPList: s.IDPList, RequesterID: s.Requester,
		AllowUnencrypted: s.Unencrypted, Ciphers: s.Ciphers, Skew: s.Skew, MaxAge: s.MaxAge,
		Source: source, Replay: w.replay, Clock: w.now, Log: w.log,
	}
	made.Attributes = samlAttributes(s)
	if made.Login, err = samlParty(s.Login, s.Categories, w.address(c.Name, "metadata"), w.address(c.Name, providers.BackPath)); err != nil {
		return nil, nil, fmt.Errorf("login: %w", err)
	}
	if s.Signing.Configured() {
		if made.Sign, err = samlParty(s.Signing, s.Categories, w.address(c.Name, "sign/metadata"), w.address(c.Name, providers.SignBackPath)); err != nil {
			return nil, nil, fmt.Errorf("signing: %w", err)
		}
	}
	p, err := saml.New(made)
	if err != nil {
		return nil, nil, err
	}
	return map[providers.ID]providers.Provider{c.Offers[0]: p}, nil, nil
}

func both(s string) providers.Text { return providers.Text{SV: s, EN: s} }

func openMetadata(ctx context.Context, c config.Provider, w workshop) (*metadata.Source, error) {
	m := c.SAML.Metadata
	made := metadata.Config{
		Name: c.Name, File: m.File, URL: m.URL, Unsigned: m.Unsigned, EntityID: c.SAML.IdP, Refresh: m.Refresh, MaxStale: m.MaxStale, Now: w.now, Log: w.log,
	}
	if m.File != "" {
		made.Refresh, made.MaxStale = 0, 0
	}
	var err error
	if m.SignedByFile != "" {
		if made.Certificates, err = readCertificates(m.SignedByFile); err != nil {
			return nil, err
		}
	}
	if m.TLSRootFile != "" {
		roots, err := readCertificates(m.TLSRootFile)
		if err != nil {
			return nil, err
		}
		made.Roots = x509.NewCertPool()
		for _, r := range roots {
			made.Roots.AddCert(r)
		}
	}
	if m.URL != "" && w.data != "" {
		folder := filepath.Join(w.data, "metadata")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		made.CacheFile = filepath.Join(folder, c.Name+".xml")
	}
	ctx, cancel := context.WithTimeout(ctx, metadataAtStart)
	defer cancel()
	if w.offline {
		cancel() // what there is no copy of is then missing, and nobody is asked
	}
	source, err := metadata.Open(ctx, made)
	if err != nil && source != nil && !w.offline {
		// One e-ID that is not there stops no other, as when an address does not
		// answer; the file is looked at again each minute.
		w.log.ErrorContext(ctx, "metadata cannot be used; nobody logs in with this e-ID", "instance", c.Name, "file", m.File, "error", err)
		return source, nil
	}
	if err != nil {
		return nil, fmt.Errorf("metadata from %s%s: %w", m.File, m.URL, err)
	}
	return source, nil
}

// samlAttributes is a preset with what the configuration says otherwise.
func samlAttributes(s config.SAML) saml.Attributes {
	a := saml.SwedenConnect()
	if s.Attributes == "cgi" {
		a = saml.CGIClassic()
	}
	for claim, names := range s.Names {
		a.Names[saml.Claim(claim)] = names
	}
	return a
}

func samlParty(c config.SAMLParty, categories []string, entityID, acs string) (saml.SP, error) {
	if c.EntityID != "" {
		entityID = c.EntityID
	}
	sp := saml.SP{EntityID: entityID, ACS: acs, Categories: categories}
	key, err := samlKey(c.CertificateFile, c.KeyFile)
	if err != nil {
		return sp, err
	}
	sp.Signing, sp.Decrypt = key, []saml.Key{key}
	if c.PreviousCertificateFile != "" {
		before, err := samlKey(c.PreviousCertificateFile, c.PreviousKeyFile)
		if err != nil {
			return sp, err
		}
		sp.Decrypt = append(sp.Decrypt, before)
	}
	return sp, nil
}

func samlKey(certificate, key string) (saml.Key, error) {
	c, err := os.ReadFile(certificate)
	if err != nil {
		return saml.Key{}, err
	}
	k, err := os.ReadFile(key)
	if err != nil {
		return saml.Key{}, err
	}
	loaded, err := saml.LoadKey(c, k)
	if err != nil {
		return loaded, fmt.Errorf("%s with %s: %w", certificate, key, err)
	}
	return loaded, nil
}
