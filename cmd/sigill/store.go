package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"sigill/broker/flow"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/broker/kit/keys"
	"sigill/broker/kit/sqldb"
	"sigill/cmd/node"
)

const storeCopyHelp = `
Copies all that lasts from the SQLite files of this configuration into the empty
PostgreSQL database of the configuration TO.yaml. Stop every node first. Both
configurations name the same master key file: keys are copied as they are sealed.

All is copied in one transaction, every row is read again and compared, and then
the audit is verified in its new place. When something stops it, nothing was copied,
and it can be run again. The files stay as they are; move them away when nodes run
with TO.yaml, so that none is started with them by mistake.

Sessions are not copied: whoever was logged in logs in again.
`

// storeCopy moves an installation from SQLite to PostgreSQL.
func storeCopy(ctx context.Context, c *call) error {
	if err := c.parse(1); err != nil {
		return err
	}
	from, err := c.load()
	if err != nil {
		return err
	}
	target := *c
	target.config = c.args[0]
	to, err := target.load()
	if err != nil {
		return err
	}
	switch {
	case from.Store.Postgres != nil:
		return fmt.Errorf("%s keeps its rows in PostgreSQL already", c.config)
	case to.Store.Postgres == nil:
		return fmt.Errorf("%s names no PostgreSQL database under store", target.config)
	case from.Issuer != to.Issuer:
		return fmt.Errorf("%s has another issuer", target.config)
	}
	letGo, err := flow.Alone(from.Data)
	if errors.Is(err, flow.ErrNotAlone) {
		return fmt.Errorf("a node runs in %s: stop it first, since what it writes from now on would be lost", from.Data)
	}
	if err != nil {
		return err
	}
	defer letGo()
	rooms, err := lastingRooms(ctx, from)
	if err != nil {
		return err
	}
	if err := ready(ctx, rooms, from, to); err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROOM\tTABLE\tROWS")
	here, err := from.Place()
	if err != nil {
		return err
	}
	there, err := to.Place()
	if err != nil {
		return err
	}
	err = here.CopyTo(ctx, there, parts(rooms), func(p sqldb.Copied) {
		fmt.Fprintf(c.err, "%s %s: %d rows\n", p.Database, p.Table, p.Rows)
		if p.Done {
			fmt.Fprintf(table, "%s\t%s\t%d\n", p.Database, p.Table, p.Rows)
		}
	})
	switch {
	case errors.Is(err, sqldb.ErrNotEmpty):
		return fmt.Errorf("%w; nothing was copied. Give a database, or a prefix under store.postgres, that nothing was written to", err)
	case errors.Is(err, sqldb.ErrUncertain):
		return fmt.Errorf("%w. Run it again: if it says that there are rows already, all was copied, and sigill audit verify --config %s tells so", err, target.config)
	case err != nil:
		return fmt.Errorf("%w; nothing was copied", err)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "Every row was read again and is the same. Sessions were not copied: whoever was logged in logs in again.")
	return settled(ctx, &target, audit.Event{Type: audit.DataCopied, At: time.Now()})
}

// lastingRooms are the databases that are copied.
func lastingRooms(ctx context.Context, s config.Config) ([]node.Room, error) {
	place, err := s.Place()
	if err != nil {
		return nil, err
	}
	rooms, err := node.Rooms(ctx, s)
	if err != nil {
		return nil, err
	}
	for i := len(rooms) - 1; i >= 0; i-- {
		there, err := place.Has(ctx, rooms[i].Name)
		if err != nil {
			return nil, err
		}
		if !there || !rooms[i].Lasting {
			rooms = slices.Delete(rooms, i, i+1)
		}
	}
	if len(rooms) == 0 {
		return nil, fmt.Errorf("there is no data in %s", s.Data)
	}
	return rooms, nil
}

func parts(rooms []node.Room) []sqldb.Part {
	list := make([]sqldb.Part, len(rooms))
	for i, r := range rooms {
		list[i] = r.Part
	}
	return list
}

// ready looks whether the source can be read with the target's master keys, and
// makes the target's tables.
func ready(ctx context.Context, rooms []node.Room, from, to config.Config) error {
	here, err := from.Place()
	if err != nil {
		return err
	}
	there, err := to.Place()
	if err != nil {
		return err
	}
	masters, err := keys.LoadMasters(to.MasterKeyFiles()...)
	if err != nil {
		return err
	}
	for _, r := range rooms {
		db, err := here.Open(ctx, r.Name, r.Durability)
		if err != nil {
			return err
		}
		if err := errors.Join(usable(ctx, r, db, masters, true), db.Close()); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if db, err = there.Open(ctx, r.Name, r.Durability); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if err := errors.Join(db.Migrate(ctx, time.Now(), r.Sets...), db.Close()); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// usable reports what keeps this release, with these master keys, from working
// with a database.
func usable(ctx context.Context, r node.Room, db *sqldb.DB, masters []keys.Master, current bool) error {
	pending, err := db.Pending(ctx, r.Sets...)
	switch {
	case errors.Is(err, sqldb.ErrNewer):
		return fmt.Errorf("a newer release of sigill has worked on this database, and this one refuses to: %w", err)
	case err != nil:
		return err
	case current && len(pending) > 0:
		return errors.New("it is of an older release: run sigill migrate first")
	}
	_, err = keys.Open(ctx, db, masters, time.Now)
	return err
}

// settled notes an act upon all data and verifies the audit where they are now.
func settled(ctx context.Context, c *call, e audit.Event) error {
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	if err := v.Store.Record(ctx, e); err != nil {
		return err
	}
	if err := v.Settle(ctx); err != nil {
		return err
	}
	return report(ctx, c, v, nil)
}
