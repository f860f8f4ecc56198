package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/cmd/node"
)

const migrateHelp = `
Brings the databases to what this release needs, and prints what was done. It may
be run while nodes of the release before are running: migrations only add. A node
does the same when it starts; run it apart when an index on a large table takes
its time.

  --check   only print what is to be done; the exit code is 1 when something is
`

// migrate brings every database forward, or tells what that would do.
func migrate(ctx context.Context, c *call) error {
	check := c.flags.Bool("check", false, "")
	if err := c.parse(0); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	place, err := settings.Place()
	if err != nil {
		return err
	}
	rooms, err := node.Rooms(ctx, settings)
	if err != nil {
		return err
	}
	if !*check && place.Engine() == sqldb.SQLite {
		if err := makeFolder(settings.Data); err != nil {
			return err
		}
	}
	pending := 0
	for _, r := range rooms {
		names, err := migrateRoom(ctx, place, r, *check)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		for _, name := range names {
			fmt.Fprintf(c.out, "%s: %s\n", r.Name, name)
		}
		pending += len(names)
	}
	switch {
	case pending == 0:
		fmt.Fprintln(c.out, "Every database is as this release needs it.")
	case *check:
		fmt.Fprintln(c.err, "sigill: not done yet; sigill migrate does it, and so does a node when it starts")
		return errSaid
	default:
		fmt.Fprintf(c.out, "%s done.\n", count(pending, "migration"))
	}
	return nil
}

// migrateRoom gives what was done in a database, or is to be done.
func migrateRoom(ctx context.Context, place sqldb.Place, r node.Room, check bool) ([]string, error) {
	if check {
		there, err := place.Has(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		if !there {
			return []string{"it is not there yet and will be made"}, nil
		}
	}
	db, err := place.Open(ctx, r.Name, r.Durability)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	names, err := db.Pending(ctx, r.Sets...)
	if err == nil && !check {
		err = db.Migrate(ctx, time.Now(), r.Sets...)
	}
	if errors.Is(err, sqldb.ErrNewer) {
		return nil, fmt.Errorf("a newer release of sigill has worked on this database, and this one refuses to: %w", err)
	}
	return names, err
}
