package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"sigill/broker"
	"sigill/broker/kit/config"
	"sigill/cmd/node"
)

// clientAdd takes all clients of a file or none.
func clientAdd(ctx context.Context, c *call) error {
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
	for i := range list {
		if slices.ContainsFunc(settings.Clients, func(o broker.Client) bool { return o.ID == list[i].ID }) {
			return fmt.Errorf("the configuration has a client %s already", list[i].ID)
		}
		if len(list[i].SecretHash) == 0 && len(list[i].JWKS) == 0 {
			secret := broker.NewSecret()
			sum := sha256.Sum256([]byte(secret))
			list[i].SecretHash, secrets[list[i].ID] = sum[:], secret
		}
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	for _, client := range list {
		_, err := v.Store.Client(ctx, client.ID)
		if err == nil {
			return fmt.Errorf("a client %s was added before (sigill client remove %s); nothing was changed", client.ID, client.ID)
		}
		if !errors.Is(err, broker.ErrNotFound) {
			return err
		}
	}
	for _, client := range list {
		if err := v.Store.AddClient(ctx, client); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Client %s is added.\n", client.ID)
		if secret := secrets[client.ID]; secret != "" {
			fmt.Fprintf(c.out, "Its secret, shown this once: %s\n", secret)
		}
	}
	return v.Settle(ctx)
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
		err := v.Store.RemoveClient(ctx, id)
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
