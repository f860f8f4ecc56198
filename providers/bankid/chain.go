package bankid

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

const minRSA = 2048

// verifyChain checks that the certificates, leaf first and each signed by the
// next, end at one of the pinned roots, and that all were valid at the time.
// The issuer's policies do not nest, so there is no policy processing here. A
// root in the message is worth nothing: it must be signed by a pinned one.
//
// The walk goes from the root down, so that a signature is only verified (and
// remembered) with the key of somebody trusted.
func verifyChain(certs, roots []*x509.Certificate, at time.Time, cache *Cache) error {
	if len(certs) < 2 {
		return errors.New("no certificate of the leaf's issuer")
	}
	root, err := rootOf(certs[len(certs)-1], roots, cache)
	if err != nil {
		return err
	}
	if err := checkCA(root, at); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	issuer, below := root, len(certs)-1 // below: CAs under the issuer
	for i := len(certs) - 1; i >= 0; i-- {
		c := certs[i]
		if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
			return fmt.Errorf("certificate %d has another issuer", i)
		}
		if limit := issuer.MaxPathLen; (limit > 0 || issuer.MaxPathLenZero) && below > limit {
			return fmt.Errorf("too many CAs above certificate %d", i)
		}
		if i == 0 {
			// A person's certificate is never remembered.
			err = c.CheckSignatureFrom(issuer)
		} else {
			err = cache.signed(c, issuer)
		}
		if err != nil {
			return fmt.Errorf("certificate %d is not signed by its issuer: %w", i, err)
		}
		if i > 0 {
			err = checkCA(c, at)
		} else {
			err = errors.Join(validAt(c, at), onlyKnownCritical(c))
		}
		if err != nil {
			return fmt.Errorf("certificate %d: %w", i, err)
		}
		issuer, below = c, below-1
	}
	return nil
}

// rootOf finds the pinned root that issued the certificate, by name; its
// signature is checked by the caller.
func rootOf(c *x509.Certificate, roots []*x509.Certificate, cache *Cache) (*x509.Certificate, error) {
	for _, r := range roots {
		if r != nil && bytes.Equal(r.RawSubject, c.RawIssuer) {
			if len(roots) > 1 && cache.signed(c, r) != nil {
				continue // a root that was renewed under its name
			}
			return r, nil
		}
	}
	return nil, ErrNoRoot
}

// ErrNoRoot is why a chain is refused that ends at nobody we know. Elsewhere it
// may be believed.
var ErrNoRoot = errors.New("does not end at a pinned root")

func checkCA(c *x509.Certificate, at time.Time) error {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return errors.New("not a CA")
	case c.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("must not sign certificates")
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 30}) {
			return errors.New("has name constraints, which are not understood here")
		}
	}
	return errors.Join(rsaKey(c), validAt(c, at), onlyKnownCritical(c))
}

func validAt(c *x509.Certificate, at time.Time) error {
	if at.Before(c.NotBefore) || at.After(c.NotAfter) {
		return errors.New("was not valid at the time")
	}
	return nil
}

func rsaKey(c *x509.Certificate) error {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minRSA {
		return fmt.Errorf("not an RSA key of at least %d bits", minRSA)
	}
	return nil
}

// onlyKnownCritical refuses certificates that demand what is not done here.
func onlyKnownCritical(c *x509.Certificate) error {
	for _, e := range c.Extensions {
		if !e.Critical {
			continue
		}
		switch {
		case e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 15}), // key usage
			e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}), // basic constraints
			e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 32}), // certificate policies
			e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}): // extended key usage
		default:
			return fmt.Errorf("unknown critical extension %v", e.Id)
		}
	}
	return nil
}
