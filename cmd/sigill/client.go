package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	fmt.Fprintln(table, "ID\tNAME\tPROFILE\tAUTHENTICATION\tFROM\tPREVIOUS SECRET")
	for _, row := range []struct {
		from string
		list []broker.Client
	}{{"configuration", settings.Clients}, {"added", added}} {
		for _, client := range row.list {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", client.ID, client.Name, client.Profile, client.AuthMethod, row.from, previous(client))
		}
	}
	return table.Flush()
}

// previous tells how long a client's secret from before works.
func previous(c broker.Client) string {
	switch {
	case len(c.PreviousSecretHash) == 0:
		return "-"
	case c.PreviousSecretEnded(time.Now()):
		return "ended"
	case c.PreviousSecretUntil.IsZero():
		return "valid"
	}
	return "until " + day(c.PreviousSecretUntil)
}

const secretHelp = `
A client that was added gets a new secret, which is printed this once. The one
that it has works beside it for seven days, or as long as --overlap says: 12h, 14d,
or 0 when it may be in wrong hands. When the application uses the new one, retire
the one before: sigill client secret ID --retire. All nodes take both at once.

While a client has two secrets, nodes of a release before this one refuse it: first
bring all nodes to this release.

Clients of the configuration change over with secret_file and
previous_secret_file, and a restart of one node after the other.
`

// maxOverlap bounds how long two secrets work side by side.
const maxOverlap = 90 * 24 * time.Hour

// clientSecret gives a client that was added a new secret, or retires the one
// before.
func clientSecret(ctx context.Context, c *call) error {
	retire := c.flags.Bool("retire", false, "")
	overlap := c.flags.String("overlap", "7d", "")
	return c.with(ctx, 1, func(v *node.Vault) error {
		id := c.args[0]
		length, err := overlapOf(*overlap)
		if err != nil {
			return err
		}
		now := v.Now()
		secret, until := "", time.Time{}
		change, reason := retireSecret, "retired"
		if !*retire {
			secret, reason = broker.NewSecret(), "renewed"
			if length > 0 {
				until = now.Add(length)
			}
			change = func(client *broker.Client) error { return renewSecret(client, secret, until, now) }
		}
		err = v.Store.ChangeClient(ctx, id, change, audit.Event{Type: audit.ClientSecret, At: now, Client: id, Reason: reason})
		switch {
		case errors.Is(err, broker.ErrNotFound):
			return fmt.Errorf("no client %s was added (those of the configuration have secret_file and previous_secret_file)", id)
		case err != nil:
			return err
		case *retire:
			fmt.Fprintf(c.out, "The secret of client %s from before does not work any more.\n", id)
			return nil
		}
		fmt.Fprintf(c.out, "Client %s has a new secret, shown this once: %s\n", id, secret)
		if until.IsZero() {
			fmt.Fprintln(c.out, "The one before does not work any more.")
		} else {
			fmt.Fprintf(c.out, "The one before works until %s.\n", day(until))
		}
		return nil
	})
}

func retireSecret(c *broker.Client) error {
	if len(c.PreviousSecretHash) == 0 {
		return fmt.Errorf("client %s has one secret only", c.ID)
	}
	c.PreviousSecretHash, c.PreviousSecretUntil = nil, time.Time{}
	return nil
}

func renewSecret(c *broker.Client, secret string, until, now time.Time) error {
	switch {
	case len(c.SecretHash) == 0:
		return fmt.Errorf("client %s proves itself with keys and has no secret", c.ID)
	case !until.IsZero() && !c.PreviousSecretEnded(now):
		return fmt.Errorf("client %s has two secrets, the one from before until %s: retire it first (--retire)", c.ID, day(c.PreviousSecretUntil))
	}
	c.RenewSecret(secret, until)
	return nil
}

// overlapOf reads 7d, 12h or 0.
func overlapOf(text string) (time.Duration, error) {
	var length time.Duration
	days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
	if strings.HasSuffix(text, "d") && err == nil && days <= 1000 {
		length = time.Duration(days) * 24 * time.Hour
	} else if length, err = time.ParseDuration(text); err != nil {
		return 0, errMisuse{"--overlap is a time such as 7d, 12h or 0"}
	}
	if length < 0 || length > maxOverlap {
		return 0, errMisuse{"--overlap is at most 90d"}
	}
	return length, nil
}

func clientRemove(ctx context.Context, c *call) error {
	return c.with(ctx, 1, func(v *node.Vault) error {
		id := c.args[0]
		err := v.Store.RemoveClient(ctx, id, audit.Event{Type: audit.ClientRemoved, At: v.Now(), Client: id})
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
