package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/design"
	"sigill/broker/kit/keys"
	"sigill/portal/catalogue"
)

// Check tries everything that a node does with its settings before it serves,
// without opening the data folder or the network.
func Check(ctx context.Context, s config.Config) error {
	var faults []error
	if _, err := keys.LoadMasters(s.MasterKeyFiles()...); err != nil {
		faults = append(faults, err)
	}
	now := time.Now
	eids, err := openProviders(ctx, s.Providers, lookOf(s, now))
	if err != nil {
		faults = append(faults, err)
	}
	if s.TLS.CertificateFile != "" {
		if _, err := tls.LoadX509KeyPair(s.TLS.CertificateFile, s.TLS.KeyFile); err != nil {
			faults = append(faults, fmt.Errorf("tls: %w", err))
		}
	}
	for _, e := range endings(s, eids, now()) {
		if e.days(now()) < 0 && e.what != whatSeal && !e.fine { // checkReceipts says it of the seal
			faults = append(faults, errors.New(e.warning(now())))
		}
	}
	if s.Signing != nil {
		quiet := slog.New(slog.DiscardHandler)
		_, mail := mailer(s, nil, quiet, now)
		_, texts := texter(s, nil, quiet)
		faults = append(faults, checkReceipts(s, now()), checkKept(s, eids), mail, texts)
	}
	if s.Portal != nil {
		faults = append(faults, checkPortal(ctx, s, eids, now))
	}
	if _, err := design.New(folder(s.Logos)); err != nil {
		faults = append(faults, fmt.Errorf("logos: %w", err))
	}
	return errors.Join(faults...)
}

// checkKept looks at what issuers say of themselves, as far as there is a copy. A
// node starts all the same: it may change any day, and not all e-IDs with it.
func checkKept(s config.Config, e *eids) error {
	_, chain, err := loadSeal(s.Signing.Seal)
	if err != nil {
		return nil // checkReceipts says it
	}
	believed, _, _, err := loadTrust(s.Signing.TrustFile, chain)
	if err != nil {
		return nil
	}
	return e.checkEntries(believed)
}

// lookOf is a workshop in which nothing is written and nobody asked.
func lookOf(s config.Config, now func() time.Time) workshop {
	w := workshopOf(s, unused{}, now, slog.New(slog.DiscardHandler))
	w.offline = true
	if _, err := os.Stat(filepath.Join(s.Data, "metadata")); err != nil {
		w.data = ""
	}
	return w
}

// Warnings tell what ends soon that the installation lives by. What cannot be
// read, or has ended, is Check's.
func Warnings(s config.Config, now time.Time) []string {
	// What cannot be opened is Check's.
	eids, _ := openProviders(context.Background(), s.Providers, lookOf(s, func() time.Time { return now }))
	var list []string
	for _, e := range endings(s, eids, now) {
		if warning := e.warning(now); warning != "" && e.days(now) >= 0 {
			list = append(list, warning)
		}
	}
	return list
}

// checkPortal reads tenants and e-services as the portal will, and the secrets
// that it is given.
func checkPortal(ctx context.Context, s config.Config, e *eids, now func() time.Time) error {
	t := &townhall{settings: s, eids: e}
	_, register := t.register()
	_, _, staff := t.staff()
	c, err := catalogue.Open(ctx, catalogue.Config{
		Tenants: s.Portal.Tenants, Services: s.Portal.Services, Providers: knownEIDs(t.configured()), Configured: t.configured(),
		Now: now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return errors.Join(register, staff, err)
	}
	return errors.Join(append([]error{register, staff}, c.Faults()...)...)
}
