package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"sigill/testidp"
	"sigill/testidp/freja"
	"sigill/testidp/oidc"
)

// The folders of what the e-IDs other than BankID need, below DATA.
const (
	frejaFolder = "freja"
	samlFolder  = "saml"
	oidcFolder  = "oidc"
)

// Of each of our two SAML service providers, and of the OpenID client.
const (
	loginSP, signSP = "login", "signing"
	oidcKey         = "client.key"
)

// The e-ID behind OpenID Connect: the simulator asks for its client's keys at the
// address of this instance.
const (
	eidInstance = "oidc"
	eidID       = "test-eid"
)

// eids are the simulated issuers besides BankID.
type eids struct {
	freja  freja.Material
	idp    string // entityID of the SAML identity provider, and where its metadata is
	issuer string // of the OpenID Provider
}

// makeEIDs makes what the e-IDs besides BankID need.
func makeEIDs(data string, tenants map[string]string, s *testidp.Server, at addresses, now time.Time) (eids, error) {
	e := eids{idp: s.SAML(testidp.Telia).EntityID(), issuer: s.OIDCIssuer()}
	s.OIDCClient(oidc.Client{ID: oidc.DefaultClientID, Name: "Sigill Demo", JWKS: at.Issuer + "/eid/" + eidInstance + "/jwks"})
	if err := makeKeys(data, now); err != nil {
		return e, err
	}
	federation := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.SAML(testidp.Telia).FederationCertificate().Raw})
	if err := replaceFile(filepath.Join(data, samlFolder, testidp.FederationFile), federation); err != nil {
		return e, err
	}
	var err error
	if e.freja, err = s.FrejaMaterial(); err != nil {
		return e, err
	}
	if err := e.freja.WriteFiles(filepath.Join(data, frejaFolder)); err != nil {
		return e, err
	}
	for id, name := range tenants {
		m, err := s.FrejaMaterialFor(name)
		if err != nil {
			return e, err
		}
		if err := m.WriteFiles(filepath.Join(data, frejaFolder, id)); err != nil {
			return e, err
		}
	}
	return e, nil
}

// makeKeys makes the keys that issuers know us by, where there are none yet.
func makeKeys(data string, now time.Time) error {
	var group errgroup.Group
	for _, sp := range []string{loginSP, signSP} {
		group.Go(func() error { return makeSP(filepath.Join(data, samlFolder), sp, now) })
	}
	group.Go(func() error {
		file := filepath.Join(data, oidcFolder, oidcKey)
		if _, err := os.Stat(file); err == nil || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		return writeKey(file, key)
	})
	return group.Wait()
}

// makeSP makes the key of a service provider, with a certificate that only carries
// it.
func makeSP(dir, name string, now time.Time) error {
	certificate := filepath.Join(dir, name+".pem")
	if _, err := os.Stat(certificate); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Sigill Demo " + name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, name+".key"), key); err != nil {
		return err
	}
	return replaceFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func writeKey(file string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
