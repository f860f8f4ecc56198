package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/cmd/node"
)

const outboxHelp = `
What signing orders want done outside the database: seal a document, send a
message, call a webhook. Each entry is tried again, ever more seldom, until it is
given up; then "sigill outbox retry ID" tries it anew, as it does at once with
one that waits. REF is the order. Done and dropped ones are shown with --all,
until they are removed after 30 days.
`

var errNoOutbox = errors.New("there is no signing room, so nothing is to be done")

// outboxList shows what is to be done, with what went wrong.
func outboxList(ctx context.Context, c *call) error {
	all := c.flags.Bool("all", false, "")
	return c.withOutbox(ctx, 0, func(q *outbox.Queue) error {
		table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tKIND\tREF\tSTATE\tTRIES\tNEXT\tERROR")
		var last int64
		for {
			list, err := q.List(ctx, outbox.Filter{After: last, Limit: 500})
			if err != nil {
				return err
			}
			for _, i := range list {
				last = i.Seq
				if *all || !slices.Contains([]outbox.State{outbox.Done, outbox.Dropped}, i.State) {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%q\n", i.ID, i.Kind, i.Ref, standing(i), i.Attempts, next(i), i.Error)
				}
			}
			if len(list) == 0 {
				return table.Flush()
			}
		}
	})
}

func standing(i outbox.Item) string {
	if i.UnderWay {
		return "under way"
	}
	return string(i.State)
}

// next is when something happens to an entry by itself.
func next(i outbox.Item) string {
	if i.State != outbox.Waiting && i.State != outbox.Failed {
		return "-"
	}
	return i.Next.Local().Format(time.DateTime)
}

func outboxRetry(ctx context.Context, c *call) error {
	return c.withOutbox(ctx, 1, func(q *outbox.Queue) error {
		id := c.args[0]
		err := q.Retry(ctx, id)
		if errors.Is(err, outbox.ErrNotPossible) {
			return fmt.Errorf("no entry %s waits or was given up", id)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Entry %s is tried anew as soon as a node runs.\n", id)
		return nil
	})
}

func (c *call) withOutbox(ctx context.Context, arguments int, act func(*outbox.Queue) error) error {
	return c.with(ctx, arguments, func(v *node.Vault) error {
		q, err := v.Outbox()
		if err != nil {
			return err
		}
		if q == nil {
			return errNoOutbox
		}
		return act(q)
	})
}
