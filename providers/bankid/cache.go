package bankid

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// A Cache remembers which CA and responder certificates have been found to be
// signed by which issuer, so that the same few RSA-4096 signatures are not
// verified at each login. It holds no person's certificate and nothing about
// time or purpose: validity, key usage and names are checked anew each time.
// The zero value is ready for use; a nil Cache remembers nothing.
type Cache struct {
	Limit int // entries at most; default 256

	mu   sync.Mutex
	seen map[[sha256.Size]byte]struct{}
}

const defaultCacheLimit = 256

// signed checks that issuer signed child. Only call it for an issuer that is
// itself trusted, so that nobody else's certificates can fill the cache.
func (c *Cache) signed(child, issuer *x509.Certificate) error {
	if c == nil {
		return child.CheckSignatureFrom(issuer)
	}
	h := sha256.New()
	for _, cert := range []*x509.Certificate{child, issuer} {
		sum := sha256.Sum256(cert.Raw)
		h.Write(sum[:])
	}
	key := [sha256.Size]byte(h.Sum(nil))
	c.mu.Lock()
	_, ok := c.seen[key]
	c.mu.Unlock()
	if ok {
		return nil
	}
	if err := child.CheckSignatureFrom(issuer); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.Limit
	if limit <= 0 {
		limit = defaultCacheLimit
	}
	for old := range c.seen {
		if len(c.seen) < limit {
			break
		}
		delete(c.seen, old)
	}
	if c.seen == nil {
		c.seen = make(map[[sha256.Size]byte]struct{})
	}
	c.seen[key] = struct{}{}
	return nil
}
