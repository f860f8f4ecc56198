package testidp

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigill/testidp/freja"
	"sigill/testidp/phone"
)

// Material is what a relying party must be given to use the simulated BankID.
// All members but the URLs are PEM.
type Material struct {
	BankIDURL     string // ends with a slash
	AppURL        string // where app links point; takes ?autostarttoken=
	DisplayName   string // the name in the client certificate
	TLSRoot       []byte // the root of BankIDURL's certificate
	SignatureRoot []byte // the root of persons' certificates and OCSP answers
	RPCertificate []byte // the client certificate and its issuer
	RPKey         []byte // PKCS #8
}

// Material returns the material of the default relying party.
func (s *Server) Material() (Material, error) { return s.MaterialFor(DefaultRelyingParty) }

// MaterialFor returns the material of a relying party with a display name of
// its own; the certificate is made when it is first asked for.
func (s *Server) MaterialFor(display string) (Material, error) {
	chain, key, err := s.pki.RelyingParty(display)
	if err != nil {
		return Material{}, err
	}
	return s.material(display, chain, key)
}

// Renewed returns the material of the default relying party with another
// certificate of the same names. Orders that it made with the one before are
// collected with that one alone.
func (s *Server) Renewed() (Material, error) {
	chain, key, err := s.pki.RenewRelyingParty(DefaultRelyingParty)
	if err != nil {
		return Material{}, err
	}
	return s.material(DefaultRelyingParty, chain, key)
}

func (s *Server) material(display string, chain []*x509.Certificate, key *rsa.PrivateKey) (Material, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Material{}, fmt.Errorf("testidp: %w", err)
	}
	return Material{
		BankIDURL:     s.BankIDURL(),
		AppURL:        s.URL() + phone.AppPath,
		DisplayName:   display,
		TLSRoot:       certificates(s.pki.TLSRoot()),
		SignatureRoot: certificates(s.pki.SignatureRoot()),
		RPCertificate: certificates(chain...),
		RPKey:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}, nil
}

// FrejaMaterial is what the default relying party must be given to use the
// simulated Freja.
func (s *Server) FrejaMaterial() (freja.Material, error) {
	return s.FrejaMaterialFor(DefaultRelyingParty)
}

// FrejaMaterialFor is the same for a relying party with a name of its own.
func (s *Server) FrejaMaterialFor(display string) (freja.Material, error) {
	return s.freja.Material(s.FrejaURL(), display)
}

// FrejaRenewed returns the material of the default relying party with another
// certificate.
func (s *Server) FrejaRenewed() (freja.Material, error) {
	return s.freja.Renewed(s.FrejaURL(), DefaultRelyingParty)
}

func certificates(list ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range list {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

// The names of the files that WriteFiles makes.
const (
	TLSRootFile       = "bankid-tls-root.pem"
	SignatureRootFile = "bankid-signature-root.pem"
	RPCertificateFile = "bankid-rp.pem"
	RPKeyFile         = "bankid-rp.key"
)

// WriteFiles puts the material into a folder, for a relying party in another
// process.
func (m Material) WriteFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("testidp: %w", err)
	}
	for name, data := range map[string][]byte{
		TLSRootFile: m.TLSRoot, SignatureRootFile: m.SignatureRoot, RPCertificateFile: m.RPCertificate, RPKeyFile: m.RPKey,
	} {
		if err := writeFile(filepath.Join(dir, name), data); err != nil {
			return fmt.Errorf("testidp: %w", err)
		}
	}
	return nil
}

// FederationFile is the file with the certificate that signs the SAML IdP's
// metadata and feed.
const FederationFile = "saml-federation.pem"

// WriteFiles puts everything that the default relying party needs of all e-IDs
// into a folder.
func (s *Server) WriteFiles(dir string) error {
	bankID, err := s.Material()
	if err != nil {
		return err
	}
	freja, err := s.FrejaMaterial()
	if err != nil {
		return err
	}
	if err := errors.Join(bankID.WriteFiles(dir), freja.WriteFiles(dir)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, FederationFile), certificates(s.telia.FederationCertificate())); err != nil {
		return fmt.Errorf("testidp: %w", err)
	}
	return nil
}

// writeFile replaces a file in one step, so that nobody reads half of it.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
