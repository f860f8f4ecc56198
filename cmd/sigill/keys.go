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
// node may be running beside us.
func (c *call) open(ctx context.Context) (*node.Vault, error) {
	settings, err := c.load()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return node.OpenVault(ctx, settings, time.Now, log)
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
		fmt.Fprintln(table, "PURPOSE\tKIND\tSTATE\tSINCE\tKEY\tMASTER")
		for _, ring := range v.Rings() {
			for _, k := range ring.List() {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", k.Purpose, k.Kind, k.State, day(since(k)), k.ID, k.Master)
			}
		}
		return table.Flush()
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

// keysRotate brings in a new key, which is published before it is used. With
// --now it is used at once: for the day when the old one may be in wrong hands.
func keysRotate(ctx context.Context, c *call) error {
	now := c.flags.Bool("now", false, "")
	return c.with(ctx, 1, func(v *node.Vault) error {
		alg := c.args[0]
		if alg != keys.RS256 && alg != keys.ES256 {
			return errMisuse{"ALG is RS256 or ES256"}
		}
		if *now {
			if err := v.Ring.ActivateSigning(ctx, alg); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "A new key for %s is in use.\n", alg)
			return nil
		}
		if err := v.Ring.RotateSigning(ctx, alg); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "A new key for %s is published. It is used from %s on.\n", alg, day(time.Now().Add(v.Ring.Lead)))
		return nil
	})
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
To replace the master key: name the new one in master_key_file and the old one in
previous_master_key_file, restart every node with the new configuration first,
then run this command. A node that still runs with the old configuration can read
no key any more that it has not read before.
`

func keysRewrap(ctx context.Context, c *call) error {
	return c.with(ctx, 0, func(v *node.Vault) error {
		for _, ring := range v.Rings() {
			if err := ring.RewrapMaster(ctx); err != nil {
				return err
			}
		}
		fmt.Fprintln(c.out, "All keys lie under the current master key. A node that was not restarted with the new configuration before must be now. The previous master key can be taken out of the configuration, and kept for old backups.")
		return nil
	})
}
