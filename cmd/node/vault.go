package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	kitclock "sigill/broker/kit/clock"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/outbox"
	"sigill/broker/kit/sqldb"
	"sigill/broker/oidc"
	"sigill/broker/store"
)

// Vault is what an installation keeps, opened: its rows and its keys. The
// commands that keep the installation need no more; a node may be running
// beside them.
type Vault struct {
	Store *store.Store
	Ring  *keys.Ring
	// Short hides what it keeps: neither keys nor values reach the disk readable.
	Short broker.Short

	short     shelf
	sequencer *audit.Sequencer
	archive   *archive // of the signing room; nil: there is none
	hall      *hall    // of the portal; nil: there is none
	now       func() time.Time
}

// shelf is a short-lived store and its upkeep: embedded, or Redis.
type shelf interface {
	broker.Short
	Run(context.Context) error
	Close() error
}

// OpenVault opens what an installation keeps, making it at the first start.
func OpenVault(ctx context.Context, s config.Config, now func() time.Time, log *slog.Logger) (v *Vault, err error) {
	masters, err := keys.LoadMasters(s.MasterKeyFiles()...)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	v = &Vault{now: now}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
			v = nil
		}
	}()
	place, err := s.Place()
	if err != nil {
		return v, err
	}
	at := store.Config{Place: place, Now: now, Log: log}
	if v.Store, err = store.Open(ctx, at); err != nil {
		return v, err
	}
	if v.short, err = openShelf(ctx, s.Store.Redis, at); err != nil {
		return v, err
	}
	if v.Ring, err = keys.Open(ctx, v.Store.DB(), masters, now); err != nil {
		return v, err
	}
	v.Ring.Log = log
	secrets, err := v.Ring.Box("client")
	if err != nil {
		return v, err
	}
	v.Store.SealClients(secrets)
	// What was kept stays kept, also where the room is configured away.
	kept, err := place.Has(ctx, archiveName)
	if err != nil {
		return v, err
	}
	if s.Signing != nil || kept {
		if v.archive, err = openArchive(ctx, place, masters, now, log); err != nil {
			return v, err
		}
	}
	if kept, err = place.Has(ctx, hallName); err != nil {
		return v, err
	}
	if s.Portal != nil || kept {
		if v.hall, err = openHall(ctx, place, masters, now, log); err != nil {
			return v, err
		}
	}
	box, err := v.Ring.Box("short")
	if err != nil {
		return v, err
	}
	v.Short = store.Sealed(v.short, box)
	v.sequencer, err = audit.NewSequencer(audit.Sequencer{
		DB: v.Store.DB(), Signer: v.Ring.AuditSigner, Now: now, Log: log,
	})
	v.followMasters(s.MasterKeyFiles())
	return v, err
}

// OpenBeside opens what an installation keeps for an act beside its nodes, which
// goes by the time that they go by; own is this machine's.
func OpenBeside(ctx context.Context, s config.Config, own func() time.Time, log *slog.Logger) (*Vault, error) {
	common := kitclock.New(kitclock.Config{Local: own, Log: log})
	v, err := OpenVault(ctx, s, common.Now, log)
	if err != nil {
		return nil, err
	}
	common.Source = kitclock.Of(v.Store.DB())
	if err := common.Measure(ctx); err != nil && !errors.Is(err, kitclock.ErrSlow) {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

func openShelf(ctx context.Context, r *config.Redis, at store.Config) (shelf, error) {
	if r == nil {
		short, err := store.OpenShort(ctx, at)
		if err != nil {
			return nil, err
		}
		return short, nil
	}
	c := store.RedisConfig{
		Addresses: r.Addresses, SentinelMaster: r.SentinelMaster, Cluster: r.Cluster, Username: r.Username,
		Database: r.Database, Prefix: r.Prefix, Now: at.Now, Log: at.Log,
	}
	var err error
	if c.TLS, err = r.Encryption(); err != nil {
		return nil, err
	}
	for _, secret := range []struct {
		file string
		into *string
	}{{r.PasswordFile, &c.Password}, {r.SentinelPasswordFile, &c.SentinelPassword}} {
		if secret.file == "" {
			continue
		}
		if *secret.into, err = config.ReadSecret(secret.file); err != nil {
			return nil, fmt.Errorf("store.redis: %w", err)
		}
	}
	redis, err := store.OpenRedis(ctx, c)
	if err != nil {
		return nil, err
	}
	return redis, nil
}

// Now is the time that the vault goes by.
func (v *Vault) Now() time.Time { return v.now() }

// erasesBy says by which time what is over is erased.
func (v *Vault) erasesBy(past func() time.Time) {
	v.Store.Past = past
	for _, ring := range v.Rings() {
		ring.Past = past
	}
}

// Close gives the databases back.
func (v *Vault) Close() error {
	var errs []error
	if v.hall != nil {
		errs = append(errs, v.hall.close())
	}
	if v.archive != nil {
		errs = append(errs, v.archive.close())
	}
	if v.short != nil {
		errs = append(errs, v.short.Close())
	}
	if v.Store != nil {
		errs = append(errs, v.Store.Close())
	}
	return errors.Join(errs...)
}

// runs are the vault's own duties while a node runs.
func (v *Vault) runs() []func(context.Context) error {
	runs := []func(context.Context) error{v.Store.Run, v.short.Run, v.Ring.Run, v.sequencer.Run}
	if v.archive != nil {
		runs = append(runs, v.archive.ring.Run, v.archive.sequencer.Run)
	}
	if v.hall != nil {
		runs = append(runs, v.hall.ring.Run, v.hall.sequencer.Run)
	}
	return runs
}

// Outboxes are what is to be done for signing orders, and for drafts and cases,
// to look at and to try again; none: there is no such room.
func (v *Vault) Outboxes() ([]*outbox.Queue, error) {
	var all []*outbox.Queue
	for _, c := range v.chains()[1:] { // the broker has none
		q, err := outbox.New(outbox.Config{DB: c.db, Now: v.now})
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// Settle gives the acts of a command their place in the audit's chains and signs
// their heads, unless a node is running, which does so.
func (v *Vault) Settle(ctx context.Context) error {
	ended, end := context.WithCancel(ctx)
	end()
	for _, c := range v.chains() {
		if _, err := c.ring.AuditSigner(); err != nil { // making it is an act too
			return err
		}
		if err := c.sequencer.Run(ended); err != nil { // no more than what it does when it ends
			return err
		}
	}
	return nil
}

// chain is one database's audit.
type chain struct {
	name      string
	db        *sqldb.DB
	ring      *keys.Ring
	sequencer *audit.Sequencer
}

func (v *Vault) chains() []chain {
	all := []chain{{"broker", v.Store.DB(), v.Ring, v.sequencer}}
	if v.archive != nil {
		all = append(all, chain{"signing", v.archive.db, v.archive.ring, v.archive.sequencer})
	}
	if v.hall != nil {
		all = append(all, chain{"portal", v.hall.db, v.hall.ring, v.hall.sequencer})
	}
	return all
}

// Rings are the keys of every room, with the broker's first.
func (v *Vault) Rings() []*keys.Ring {
	var rings []*keys.Ring
	for _, c := range v.chains() {
		rings = append(rings, c.ring)
	}
	return rings
}

// ChainReport is what was found of one room's audit.
type ChainReport struct {
	Room string
	audit.Report
}

// VerifyAudit checks the chain of every room and its signed heads, and those
// that were kept elsewhere: each counts for the room whose key signed it.
func (v *Vault) VerifyAudit(ctx context.Context, kept ...audit.Head) ([]ChainReport, error) {
	chains := v.chains()
	theirs := make([][]audit.Head, len(chains))
	for _, h := range kept {
		room := slices.IndexFunc(chains, func(c chain) bool { _, mine := c.ring.AuditKeys()[h.KID]; return mine })
		theirs[max(room, 0)] = append(theirs[max(room, 0)], h) // nobody's: a fault of the first
	}
	var reports []ChainReport
	for i, c := range chains {
		r, err := audit.Verify(ctx, c.db, v.now(), c.ring.AuditKeys(), theirs[i]...)
		if err != nil {
			return nil, err
		}
		reports = append(reports, ChainReport{c.name, r})
	}
	return reports, nil
}

// publish makes the signing keys at the first start, so that all are published
// before the first token is signed.
func (v *Vault) publish() error {
	for _, alg := range []string{keys.ES256, keys.RS256} {
		if _, err := v.Ring.Signer(alg); err != nil {
			return err
		}
	}
	return nil
}

// tokenKeys are the ring's keys as the OpenID room knows them.
type tokenKeys struct{ ring *keys.Ring }

func (k tokenKeys) Signer(alg string) (oidc.SigningKey, error) {
	s, err := k.ring.Signer(alg)
	return oidc.SigningKey(s), err
}

func (k tokenKeys) Find(kid string) (oidc.PublicKey, bool) {
	p, ok := k.ring.Find(kid)
	return oidc.PublicKey(p), ok
}

func (k tokenKeys) Published() []oidc.PublicKey {
	published := k.ring.Published()
	list := make([]oidc.PublicKey, len(published))
	for i, p := range published {
		list[i] = oidc.PublicKey(p)
	}
	return list
}
