package main

import (
	"context"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/keys"
	"sigill/cmd/node"
)

// open reads the configuration and opens what it keeps, without serving. A
// node may be running beside us. Like nodes, we go by the database's time.
func (c *call) open(ctx context.Context) (*node.Vault, error) {
	settings, err := c.load()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return node.OpenBeside(ctx, settings, time.Now, log)
}

// with opens the vault for one act and closes it.
func (c *call) with(ctx context.Context, arguments int, act func(*node.Vault) error) error {
	if err := c.parse(arguments); err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err = act(v); err == nil {
		err = v.Settle(ctx)
	}
	if cerr := v.Close(); err == nil {
		err = cerr
	}
	return err
}

func keysList(ctx context.Context, c *call) error {
	return c.with(ctx, 0, func(v *node.Vault) error {
		table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "PURPOSE\tKIND\tSTATE\tSINCE\tDAYS\tKEY\tMASTER")
		now := v.Now()
		for _, ring := range v.Rings() {
			for _, k := range ring.List() {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", k.Purpose, k.Kind, k.State, day(since(k)), int(now.Sub(since(k)).Hours()/24), k.ID, k.Master)
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, alg := range node.OldTokenKeys(v, now) {
			fmt.Fprintf(c.out, "The key for %s is more than a year old: sigill keys rotate %s\n", alg, alg)
		}
		return nil
	})
}

// since is when a key came into the state that it is in.
func since(k keys.Info) time.Time {
	switch k.State {
	case keys.Active:
		return k.Activated
	case keys.Retired:
		return k.Retired
	case keys.Withdrawn:
		return k.Withdrawn
	}
	return k.Created
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// spreading is how long every node takes to publish a key that one has brought in,
// with time to spare for one that is slow.
const spreading = 15 * time.Second

// keysRotate brings in a new key, which is published before it is used. With
// --now it is used as soon as every node publishes it: for the day when the old
// one may be in wrong hands.
func keysRotate(ctx context.Context, c *call) error {
	now := c.flags.Bool("now", false, "")
	return c.with(ctx, 1, func(v *node.Vault) error {
		alg := c.args[0]
		if alg != keys.RS256 && alg != keys.ES256 {
			return errMisuse{"ALG is RS256 or ES256"}
		}
		if err := v.Ring.RotateSigning(ctx, alg); err != nil {
			return err
		}
		if !*now {
			fmt.Fprintf(c.out, "A new key for %s is published. It is used from %s on.\n", alg, day(v.Now().Add(v.Ring.Lead)))
			return nil
		}
		if wait := nextSince(v.Ring, alg).Add(spreading).Sub(v.Now()); wait > 0 {
			fmt.Fprintf(c.out, "A new key for %s is published. It is used in %s, when all nodes publish it.\n", alg, wait.Round(time.Second))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
		}
		if err := v.Ring.ActivateSigning(ctx, alg); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "A new key for %s is in use.\n", alg)
		return nil
	})
}

// nextSince is since when the key that waits is published.
func nextSince(ring *keys.Ring, alg string) time.Time {
	for _, k := range ring.List() {
		if k.State == keys.Next && k.Kind == alg {
			return k.Created
		}
	}
	return time.Time{}
}

func keysNewMaster(_ context.Context, c *call) error {
	if err := c.parse(1); err != nil {
		return err
	}
	if err := keys.NewMaster(c.args[0]); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s holds a new master key. Keep a copy where no copy of the data is.\n", c.args[0])
	return nil
}

const rewrapHelp = `
To replace the master key without a pause:

  1. sigill keys new-master master.new
  2. at every node, name the old file as the previous one, and put the new one in
     its place: mv master.key master.key.previous; mv master.new master.key
     (previous_master_key_file may name another place). Nodes look every 10 s;
     the log says that the files were read anew.
  3. sigill keys rewrap
  4. when sigill_keys_without_master is 0 at every node, remove the previous file
     from every node, and keep one copy of it for old backups.

Until step 3 every key lies under the old master key, new ones too. A node that
lacks the new file after it goes on with the keys that it has opened, says so in
its log and in that metric, and could not start again before the file is there.
`

func keysRewrap(ctx context.Context, c *call) error {
	return c.with(ctx, 0, func(v *node.Vault) error {
		for _, ring := range v.Rings() {
			if err := ring.RewrapMaster(ctx); err != nil {
				return err
			}
		}
		fmt.Fprintln(c.out, "All keys lie under the current master key. When sigill_keys_without_master is 0 at every node, the previous one's file can be removed there, and kept for old backups.")
		return nil
	})
}
