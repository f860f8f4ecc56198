package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sigill/broker"
	"sigill/broker/kit/audit"
	"sigill/broker/kit/config"
	"sigill/cmd/node"
)

// clientAdd takes all clients of a file or none. With --replace they take the
// place of those that were added under their ids before.
func clientAdd(ctx context.Context, c *call) error {
	replace := c.flags.Bool("replace", false, "")
	if err := c.parse(1); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	rules := settings.ClientRules()
	rules.Bare = true
	list, warnings, err := config.LoadClients(c.args[0], rules)
	for _, w := range warnings {
		fmt.Fprintln(c.err, "warning:", w)
	}
	if err != nil {
		return explain(err, c.args[0])
	}
	secrets := map[string]string{}
	events := make([]audit.Event, len(list))
	for i := range list {
		if slices.ContainsFunc(settings.Clients, func(o broker.Client) bool { return o.ID == list[i].ID }) {
			return fmt.Errorf("the configuration has a client %s already", list[i].ID)
		}
		if len(list[i].SecretHash) == 0 && len(list[i].JWKS) == 0 {
			secret := broker.NewSecret()
			sum := sha256.Sum256([]byte(secret))
			list[i].SecretHash, secrets[list[i].ID] = sum[:], secret
		}
		events[i] = audit.Event{Type: audit.ClientAdded, At: time.Now(), Client: list[i].ID}
		if *replace {
			events[i].Reason = "replace"
		}
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	put := v.Store.AddClients
	if *replace {
		put = v.Store.ReplaceClients
	}
	if err := put(ctx, list, events...); errors.Is(err, broker.ErrConflict) {
		return fmt.Errorf("%s; nothing was changed (--replace puts the new in the place of the old)", taken(ctx, v, list))
	} else if err != nil {
		return err
	}
	// A secret that was shown is a secret that works.
	for _, client := range list {
		fmt.Fprintf(c.out, "Client %s is added.\n", client.ID)
		if secret := secrets[client.ID]; secret != "" {
			fmt.Fprintf(c.out, "Its secret, shown this once: %s\n", secret)
		}
	}
	return v.Settle(ctx)
}

// taken names the clients that were there already.
func taken(ctx context.Context, v *node.Vault, list []broker.Client) string {
	var ids []string
	for _, client := range list {
		if _, err := v.Store.Client(ctx, client.ID); err == nil {
			ids = append(ids, client.ID)
		}
	}
	return "added before: " + strings.Join(ids, ", ")
}

func clientList(ctx context.Context, c *call) error {
	if err := c.parse(0); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	added, err := v.Store.Clients(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tPROFILE\tAUTHENTICATION\tFROM")
	for _, row := range []struct {
		from string
		list []broker.Client
	}{{"configuration", settings.Clients}, {"added", added}} {
		for _, client := range row.list {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", client.ID, client.Name, client.Profile, client.AuthMethod, row.from)
		}
	}
	return table.Flush()
}

func clientRemove(ctx context.Context, c *call) error {
	return c.with(ctx, 1, func(v *node.Vault) error {
		id := c.args[0]
		err := v.Store.RemoveClient(ctx, id, audit.Event{Type: audit.ClientRemoved, At: time.Now(), Client: id})
		if errors.Is(err, broker.ErrNotFound) {
			return fmt.Errorf("no client %s was added (those of the configuration are removed there)", id)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Client %s is removed. Its tokens live on for a few minutes at most.\n", id)
		return nil
	})
}
