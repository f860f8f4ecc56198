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
	"time"

	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/signing/pades"
	"sigill/signing/pdf"
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

// archiveName is the archive's database.
const archiveName = "signing"

func openArchive(ctx context.Context, at sqldb.Place, masters []keys.Master, now func() time.Time, log *slog.Logger) (a *archive, err error) {
	a = &archive{}
	if a.db, err = at.Open(ctx, archiveName, sqldb.Durable); err != nil {
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

// checkReceipts tries what receipts are made of: whoever believes what we publish
// must believe our seal and the signatures of every e-ID that is configured.
// Otherwise each order would wait, signed by all, for a receipt that is never
// released.
func checkReceipts(s config.Config, now time.Time) error {
	sealer, chain, err := loadSeal(s.Signing.Seal)
	if err != nil {
		return err
	}
	t, _, _, err := loadTrust(s.Signing.TrustFile, chain)
	if err != nil {
		return err
	}
	faults := []error{checkSeal(sealer, chain, t, now)}
	for _, p := range s.Providers {
		faults = append(faults, checkProofs(p, t))
	}
	return errors.Join(faults...)
}

// checkSeal says whether those who believe what we publish would believe our
// seal.
func checkSeal(sealer *pades.Sealer, chain []*x509.Certificate, t trust.Trust, now time.Time) error {
	if ends := chain[0].NotAfter; ends.Before(now) {
		return fmt.Errorf("seal: its certificate ended on %s", ends.Format(time.DateOnly))
	}
	sealed, err := trial(sealer, now)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	believed := pades.Trust{Roots: t.Seal.Roots, Organisation: t.Seal.Organisation, OrgIdentifier: t.Seal.OrgIdentifier}
	if _, err := pades.Verify(sealed, believed, now); err != nil {
		return fmt.Errorf("seal: nobody who believes the trust file would believe our receipts: %w", err)
	}
	return nil
}

// trial seals an empty page.
func trial(sealer *pades.Sealer, now time.Time) ([]byte, error) {
	w := pdf.NewWriter()
	root, pages, page := w.Reserve(), w.Reserve(), w.Reserve()
	w.Put(root, pdf.Dict{"Type": pdf.Name("Catalog"), "Pages": pages})
	w.Put(pages, pdf.Dict{"Type": pdf.Name("Pages"), "Kids": pdf.Array{page}, "Count": pdf.Int(1)})
	w.Put(page, pdf.Dict{"Type": pdf.Name("Page"), "Parent": pages})
	id := pdf.String("an empty page of ours")
	file, err := w.Finish(pdf.Trailer{Root: root, ID: [2]pdf.String{id, id}})
	if err != nil {
		return nil, err
	}
	return sealer.Seal(file, now, pades.Info{})
}
