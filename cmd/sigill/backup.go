package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/cmd/node"
)

const backupHelp = `
Copies every database into DIR, which must be empty or not there, while nodes run.
All copies are of one moment. manifest.json tells of which release and time they
are, how many rows each table has, and the SHA-256 of each file; without it the
backup is not whole. Every file of DIR belongs together: copy all of them away.

The master key is not in it, nor are the configuration and the files that it names
(seal, certificates, tenants, e-services). Keep them too, the master key where no
backup is: either alone can be read by nobody, both together by whoever has them.

Sessions are left out: after a restore everybody logs in again.
`

const restoreHelp = `
Puts a backup into the empty data folder of this configuration, once its files were
compared with the manifest and every key in them opens with the master key. Then it
verifies the audit. Start nodes afterwards.

What happened after the backup is not there. What that means, and what is to be done,
stands in cmd/sigill/decisions/0001-backups.md.
`

// manifest says what a backup is.
type manifest struct {
	Format    int          `json:"format"`
	Release   string       `json:"release"`
	Issuer    string       `json:"issuer"`
	Time      time.Time    `json:"time"`
	Databases []sqldb.Kept `json:"databases"`
}

const (
	manifestFile   = "manifest.json"
	manifestFormat = 1
	manifestMax    = 1 << 20
)

func backup(ctx context.Context, c *call) error {
	if err := c.parse(1); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	if settings.Store.Postgres != nil {
		return fmt.Errorf("%s", dumpWords(settings))
	}
	rooms, err := lastingRooms(ctx, settings)
	if err != nil {
		return err
	}
	place, err := settings.Place()
	if err != nil {
		return err
	}
	folder := c.args[0]
	if err := makeFolder(folder); err != nil {
		return err
	}
	if there, err := os.ReadDir(folder); err != nil {
		return err
	} else if len(there) > 0 {
		return fmt.Errorf("%s is not empty: a backup has a folder of its own", folder)
	}
	m := manifest{Format: manifestFormat, Release: release(), Issuer: settings.Issuer, Time: time.Now().UTC().Truncate(time.Second)}
	if m.Databases, err = place.Backup(ctx, folder, parts(rooms)); err != nil {
		return err
	}
	if err := m.write(folder); err != nil {
		return err
	}
	m.print(c)
	fmt.Fprintf(c.out, "The backup is whole. The master key is not in it: keep %s where this backup is not.\n", settings.MasterKeyFiles()[0])
	return nil
}

func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return nil
}

func (m manifest) print(c *call) {
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tBYTES\tROWS\tSHA-256")
	for _, k := range m.Databases {
		rows := int64(0)
		for _, n := range k.Rows {
			rows += n
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", k.File, k.Bytes, rows, k.SHA256)
	}
	table.Flush()
}

// write is the last step of a backup: whoever has a manifest has all of it.
func (m manifest) write(folder string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(folder, manifestFile)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readManifest reads what a folder says that it holds. Nothing in it is believed
// that matters: names are among those of rooms, digests are computed again.
func readManifest(folder string, rooms []string) (manifest, error) {
	var m manifest
	f, err := os.Open(filepath.Join(folder, manifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("%s has no %s: it is no backup, or one that was not finished", folder, manifestFile)
	}
	if err != nil {
		return m, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, manifestMax+1))
	if err != nil {
		return m, err
	}
	return parseManifest(text, rooms)
}

func parseManifest(text []byte, rooms []string) (m manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&m); err != nil || len(text) > manifestMax {
		return m, fmt.Errorf("%s cannot be read", manifestFile)
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("%s has format %d, and this release reads %d", manifestFile, m.Format, manifestFormat)
	}
	seen := map[string]bool{}
	for _, k := range m.Databases {
		if !slices.Contains(rooms, k.Name) || seen[k.Name] || k.File != k.Name+".db" {
			return m, fmt.Errorf("%s names a database that this release does not know, or one twice", manifestFile)
		}
		seen[k.Name] = true
	}
	if !seen["broker"] {
		return m, fmt.Errorf("%s names no database of the broker", manifestFile)
	}
	return m, nil
}

func restore(ctx context.Context, c *call) error {
	if err := c.parse(1); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	if settings.Store.Postgres != nil {
		return errors.New(restoreWords)
	}
	rooms := slices.DeleteFunc(node.AllRooms(settings), func(r node.Room) bool { return !r.Lasting })
	names := make([]string, len(rooms))
	for i, r := range rooms {
		names[i] = r.Name
	}
	m, err := readManifest(c.args[0], names)
	if err != nil {
		return err
	}
	if m.Issuer != settings.Issuer {
		return fmt.Errorf("the backup is of another installation: its issuer is %q", m.Issuer)
	}
	masters, err := keys.LoadMasters(settings.MasterKeyFiles()...)
	if err != nil {
		return err
	}
	if err := makeFolder(settings.Data); err != nil {
		return err
	}
	letGo, err := flow.Alone(settings.Data)
	if errors.Is(err, flow.ErrNotAlone) {
		return fmt.Errorf("a node runs in %s: stop it first", settings.Data)
	}
	if err != nil {
		return err
	}
	defer letGo()
	place, err := settings.Place()
	if err != nil {
		return err
	}
	if err := place.Restore(ctx, c.args[0], m.Databases, func(ctx context.Context, name string, db *sqldb.DB) error {
		return usable(ctx, rooms[slices.Index(names, name)], db, masters, false)
	}); err != nil {
		return err
	}
	m.print(c)
	fmt.Fprintf(c.out, "Restored as it was on %s, by release %s. Nobody is logged in.\n\n", m.Time.Local().Format(time.DateTime), m.Release)
	if err := settled(ctx, c, audit.Event{Type: audit.DataRestored, At: time.Now(), Reason: m.Time.Format(time.RFC3339)}); err != nil {
		return err
	}
	fmt.Fprint(c.out, "\n"+afterRestore)
	return nil
}

const afterRestore = `What happened after the backup is not there. Before nodes start, think of:
  - a signing key that was withdrawn since is in use again: sigill keys rotate --now ALG
  - a client, or a secret of one, that was removed since works again: sigill client list
  - what was erased on request since is there again: erase it again
  - case numbers that were given since are given again: look through what was sent
`

// dumpWords say how PostgreSQL is kept.
func dumpWords(s config.Config) string {
	prefix := s.Store.Postgres.Prefix
	var schemas []string
	for _, name := range []string{"broker", "signing", "portal"} {
		schemas = append(schemas, "--schema="+prefix+name)
	}
	return fmt.Sprintf(`the rows are in PostgreSQL, which has means of its own. While nodes run:

  pg_dump --format=custom --no-owner %s \
    --exclude-table-data=%sportal.sessions --exclude-table-data=%sportal.held \
    --file=FILE --dbname=DATABASE

(the password in ~/.pgpass or in PGPASSWORD, where nobody else sees it), pg_basebackup with an archive of the log. Each is of one moment for all rooms. The master key is in neither: keep it where these are not.`,
		strings.Join(schemas, " "), prefix, prefix)
}

const restoreWords = `the rows are in PostgreSQL. Into a new, empty database:

  pg_restore --single-transaction --exit-on-error --no-owner --dbname=DATABASE FILE

empty Redis, then sigill audit verify, and start nodes. After pg_basebackup empty the
tables sessions and held of the portal's schema too: who was logged in then would be again`
