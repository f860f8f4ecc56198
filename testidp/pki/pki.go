// Package pki makes the certificate hierarchies of the simulated e-IDs.
// TEST ONLY: the private keys of every authority lie in a cache folder.
//
// It owns keys, certificates and their cache; it does not know orders or
// signatures. Profiles follow bankid.md sections 1 (transport, relying
// party), 7.1 (authorities and persons) and 9.1 (OCSP responders), with the
// test policies and with names that begin with "Simulator".
package pki

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Config says where keys are kept.
type Config struct {
	// Dir is the cache folder. Empty means sigill/testidp under the user's
	// cache folder.
	Dir string
	// Now is the clock that decides whether cached certificates still serve.
	Now func() time.Time
	// Log gets progress while keys are made, which takes some seconds the
	// first time.
	Log *slog.Logger
}

// profile counts the changes of what certificates look like; a new number
// makes everybody start with an empty cache.
const profile = 1

// A hierarchy maps the names of authorities to their certificates and keys.
type hierarchy map[string]*entity

// A PKI is a complete set of hierarchies. It is safe for concurrent use.
type PKI struct {
	cache cache
	epoch time.Time // when the set was made; all certificates but the responders' are dated from it
	begun time.Time // when it was opened
	home  hierarchy
	log   *slog.Logger

	mu     sync.Mutex
	leaves map[LeafSpec]*leafSlot

	foreignOnce sync.Once
	foreignSet  hierarchy
	foreignErr  error
}

type leafSlot struct {
	mu   sync.Mutex
	leaf *Leaf
}

// Open loads the set of this year and makes it if need be. Two processes that
// open the same folder at once get the same keys.
func Open(ctx context.Context, c Config) (*PKI, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("pki: no cache folder: %w", err)
		}
		c.Dir = filepath.Join(base, "sigill", "testidp")
	}
	// One folder a year: whatever it holds was made this year and is dated for
	// nearly two at least, so nothing in it can be near its end.
	dir := filepath.Join(c.Dir, fmt.Sprintf("pki-%d-%d", profile, c.Now().UTC().Year()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: cache: %w", err)
	}
	p := &PKI{cache: cache{dir}, begun: c.Now(), log: c.Log, leaves: map[LeafSpec]*leafSlot{}}
	var err error
	if p.home, err = p.load(ctx, "authorities", c.Now(), homeNames()); err != nil {
		return nil, err
	}
	p.epoch = p.home[signatureRoot].cert.NotBefore.AddDate(1, 0, 0)
	return p, nil
}

func homeNames() []string {
	names := []string{tlsRoot, tlsServer, rpCA, strangerKey}
	return append(names, foreignNames()...)
}

// foreignNames are the members of the signature hierarchy, which exists twice.
func foreignNames() []string {
	names := []string{signatureRoot, bankCA}
	for _, k := range Kinds() {
		names = append(names, customerCA(k), responderName(k))
	}
	return names
}

// load reads a hierarchy or makes it.
func (p *PKI) load(ctx context.Context, file string, now time.Time, names []string) (hierarchy, error) {
	h, err := p.cache.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		release, err := p.cache.lock(ctx, file)
		if err != nil {
			return nil, err
		}
		defer release()
		if h, err = p.cache.read(file); errors.Is(err, fs.ErrNotExist) {
			if h, err = p.generate(names, now); err != nil {
				return nil, err
			}
			h, err = p.cache.publish(file, h)
		}
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	for _, name := range names {
		if h[name] == nil {
			return nil, fmt.Errorf("pki: cache file %s lacks %s; remove the folder", file, name)
		}
	}
	// Responders live for half a year, too short for the cache.
	return h, renewResponders(h, p.begun)
}

// generate makes all keys of a hierarchy in parallel and then its certificates.
func (p *PKI) generate(names []string, now time.Time) (hierarchy, error) {
	p.log.Info("making simulator keys, once for this user", "keys", len(names))
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		keys  = map[string]*rsa.PrivateKey{}
		fails []error
	)
	for _, name := range names {
		wg.Go(func() {
			bits := 4096
			if name == tlsServer || name == strangerKey || strings.HasPrefix(name, "ocsp-") {
				bits = 2048
			}
			key, err := rsa.GenerateKey(rand.Reader, bits)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				fails = append(fails, err)
				return
			}
			keys[name] = key
			p.log.Info("simulator key made", "name", name, "bits", bits, "done", len(keys), "of", len(names))
		})
	}
	wg.Wait()
	if err := errors.Join(fails...); err != nil {
		return nil, fmt.Errorf("pki: keys: %w", err)
	}
	return certify(names, keys, now)
}

// certify issues the certificates of a hierarchy, issuers first.
func certify(names []string, keys map[string]*rsa.PrivateKey, now time.Time) (hierarchy, error) {
	epoch := now.UTC().Truncate(time.Second)
	h := hierarchy{}
	add := func(name string, e *entity, err error) error {
		if err != nil {
			return fmt.Errorf("pki: %s: %w", name, err)
		}
		h[name] = e
		return nil
	}
	for _, name := range []string{tlsRoot, rpCA, signatureRoot, bankCA, customerCA(File), customerCA(Card), customerCA(Mobile)} {
		if keys[name] == nil {
			continue
		}
		var issuer *entity
		switch name {
		case bankCA:
			issuer = h[signatureRoot]
		case customerCA(File), customerCA(Card), customerCA(Mobile):
			issuer = h[bankCA]
		}
		e, err := issueCA(name, keys[name], issuer, epoch)
		if err := add(name, e, err); err != nil {
			return nil, err
		}
	}
	for _, k := range Kinds() {
		e, err := issueResponder(k, keys[responderName(k)], h[customerCA(k)], epoch, true)
		if err := add(responderName(k), e, err); err != nil {
			return nil, err
		}
	}
	if key := keys[tlsServer]; key != nil {
		e, err := issueServer(key, h[tlsRoot], epoch)
		if err := add(tlsServer, e, err); err != nil {
			return nil, err
		}
	}
	if key := keys[strangerKey]; key != nil {
		// Only its key is used; the certificate is there because the cache
		// keeps pairs.
		e, err := issueRelyingParty("Simulator Stranger", key, h[rpCA], epoch)
		if err := add(strangerKey, e, err); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// renewResponders gives the OCSP responders certificates of today.
func renewResponders(h hierarchy, now time.Time) error {
	for _, k := range Kinds() {
		e, err := issueResponder(k, h[responderName(k)].key, h[customerCA(k)], now, true)
		if err != nil {
			return err
		}
		h[responderName(k)] = e
	}
	return nil
}

func issueServer(key *rsa.PrivateKey, ca *entity, epoch time.Time) (*entity, error) {
	policies, err := policyExtension(File.Policy())
	if err != nil {
		return nil, err
	}
	subject, err := encodeName([]attribute{country(), organization("Simulator"), commonName("localhost")})
	if err != nil {
		return nil, err
	}
	return issue(&x509.Certificate{
		SerialNumber:    newSerial(),
		RawSubject:      subject,
		NotBefore:       epoch.AddDate(0, -1, 0),
		NotAfter:        epoch.AddDate(2, 0, 0),
		KeyUsage:        x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:        []string{"localhost"},
		IPAddresses:     []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtraExtensions: []pkix.Extension{policies},
	}, &key.PublicKey, ca, key)
}

// foreign is a second signature hierarchy with the same names and other keys,
// made when a fault mode first asks for it.
func (p *PKI) foreign() (hierarchy, error) {
	p.foreignOnce.Do(func() {
		p.foreignSet, p.foreignErr = p.load(context.Background(), "foreign", p.epoch, foreignNames())
	})
	return p.foreignSet, p.foreignErr
}

// TLSRoot is the root of the server certificates.
func (p *PKI) TLSRoot() *x509.Certificate { return p.home[tlsRoot].cert }

// SignatureRoot is the root of persons' certificates and OCSP answers.
func (p *PKI) SignatureRoot() *x509.Certificate { return p.home[signatureRoot].cert }

// Server is the certificate for localhost.
func (p *PKI) Server() tls.Certificate {
	e := p.home[tlsServer]
	return tls.Certificate{Certificate: [][]byte{e.cert.Raw}, PrivateKey: e.key, Leaf: e.cert}
}

// RelyingParties is the pool that client certificates must chain to.
func (p *PKI) RelyingParties() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.home[rpCA].cert)
	return pool
}

// Stranger is a key that no certificate of a person holds: for a fault mode.
func (p *PKI) Stranger() *rsa.PrivateKey { return p.home[strangerKey].key }
