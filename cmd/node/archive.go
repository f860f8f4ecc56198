package node

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/signing/pades"
	signstore "sigill/signing/store"
	"sigill/signing/trust"
)

// archive is what the signing room keeps, opened: its own database, with its own
// keys and its own chain of audit.
type archive struct {
	db        *sqldb.DB
	store     *signstore.Store
	ring      *keys.Ring
	sequencer *audit.Sequencer
}

// archiveFile is the archive's database in the data folder.
const archiveFile = "signing.db"

func hasArchive(data string) bool {
	_, err := os.Stat(filepath.Join(data, archiveFile))
	return err == nil
}

func openArchive(ctx context.Context, data string, masters []keys.Master, now func() time.Time, log *slog.Logger) (a *archive, err error) {
	a = &archive{}
	if a.db, err = sqldb.Open(ctx, filepath.Join(data, archiveFile), sqldb.Durable); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
			a = nil
		}
	}()
	if err := a.db.Migrate(ctx, now(), signstore.Tables()...); err != nil {
		return a, fmt.Errorf("signing: %w", err)
	}
	a.store = signstore.New(a.db)
	a.store.Now = now
	if a.ring, err = keys.Open(ctx, a.db, masters, now); err != nil {
		return a, err
	}
	a.ring.Log = log
	a.sequencer, err = audit.NewSequencer(audit.Sequencer{DB: a.db, Signer: a.ring.AuditSigner, Now: now, Log: log})
	return a, err
}

func (a *archive) close() error { return a.db.Close() }

// loadSeal reads what receipts are sealed with.
func loadSeal(s config.Seal) (*pades.Sealer, []*x509.Certificate, error) {
	text, err := os.ReadFile(s.CertificateFile)
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("seal: %s: certificate %d cannot be read", s.CertificateFile, len(chain)+1)
		}
		chain = append(chain, c)
	}
	if text, err = os.ReadFile(s.KeyFile); err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, fmt.Errorf("seal: %s holds no key in PEM", s.KeyFile)
	}
	private, err := parsePrivate(block)
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %s: the key cannot be read", s.KeyFile)
	}
	sealer, err := pades.New(private, chain)
	return sealer, chain, err
}

func parsePrivate(block *pem.Block) (crypto.Signer, error) {
	var private any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("it does not sign")
	}
	return signer, nil
}

// loadTrust is what this installation believes and publishes: its trust file, or
// without one BankID's production roots and the root that its own seal carries.
func loadTrust(file string, chain []*x509.Certificate) (t trust.Trust, published []byte, sum string, err error) {
	if file != "" {
		if published, err = os.ReadFile(file); err == nil {
			t, err = trust.Parse(published)
		}
	} else {
		top := chain[len(chain)-1]
		if top.CheckSignatureFrom(top) != nil {
			return t, nil, "", errors.New("signing: the seal's chain does not reach its root; name a trust_file that has it")
		}
		t.Seal.Roots = []*x509.Certificate{top}
		published, err = trust.Write(t)
	}
	if err != nil {
		return t, nil, "", fmt.Errorf("signing: trust file: %w", err)
	}
	digest := sha256.Sum256(published)
	return t, published, hex.EncodeToString(digest[:]), nil
}

// checkSeal tries what receipts are sealed with, and that those who believe what
// we publish would believe them.
func checkSeal(s config.Signing, now time.Time) error {
	sealer, chain, err := loadSeal(s.Seal)
	if err != nil {
		return err
	}
	if ends := chain[0].NotAfter; ends.Before(now) {
		return fmt.Errorf("seal: its certificate ended on %s", ends.Format(time.DateOnly))
	}
	t, _, _, err := loadTrust(s.TrustFile, chain)
	if err != nil {
		return err
	}
	pool, above := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Seal.Roots {
		pool.AddCert(c)
	}
	for _, c := range chain[1:] {
		above.AddCert(c)
	}
	if _, err := sealer.Certificate().Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: above, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return fmt.Errorf("seal: its certificate leads to no root of the trust file: nobody could verify our receipts: %w", err)
	}
	return nil
}
