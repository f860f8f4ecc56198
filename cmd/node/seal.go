package node

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"sigill/broker/kit/config"
	"sigill/signing/pades"
	"sigill/signing/trust"
)

// seal is what receipts are sealed with, as its files have it.
type seal struct {
	*renewal
	files   config.Seal
	current atomic.Pointer[pades.Sealer]
}

func openSeal(s config.Seal, now func() time.Time, log *slog.Logger) (*seal, []*x509.Certificate, error) {
	it := &seal{files: s, renewal: newRenewal(whatSeal, now, log, s.CertificateFile, s.KeyFile)}
	sealer, chain, err := loadSeal(s)
	it.current.Store(sealer)
	return it, chain, err
}

// follow begins to follow the files. A renewed seal must be believed by those who
// believe what was published at the start, whose digest stands in the receipts,
// and be of the same organisation, whose name stands on the pages that it seals.
// Without a trust file its root is what is published, so a restart must come to the
// same.
func (s *seal) follow(leaf *x509.Certificate, believed trust.Trust, trustFile, sum string) {
	s.begin(leaf, func() (*x509.Certificate, func(), error) {
		next, chain, err := loadSeal(s.files)
		if err != nil {
			return nil, nil, err
		}
		if next.Organisation() != s.Organisation() {
			return nil, nil, errors.New("seal: the certificate names another organisation: restart to take it")
		}
		if err := checkSeal(next, chain, believed, s.now()); err != nil {
			return nil, nil, err
		}
		if trustFile == "" {
			switch _, _, again, err := loadTrust("", chain); {
			case err != nil:
				return nil, nil, err
			case again != sum:
				return nil, nil, errors.New("seal: another trust file would be published with it: name a trust_file that has both roots, and restart")
			}
		}
		return chain[0], func() { s.current.Store(next) }, nil
	})
}

// Seal is of orders.Sealer.
func (s *seal) Seal(file []byte, at time.Time, info pades.Info) ([]byte, error) {
	return s.current.Load().Seal(file, at, info)
}

// Organisation is of orders.Sealer. It never changes.
func (s *seal) Organisation() string { return s.current.Load().Organisation() }
