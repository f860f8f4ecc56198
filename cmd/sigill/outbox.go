package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"sigill/broker/kit/outbox"
	"sigill/cmd/node"
)

const outboxHelp = `
What signing orders and cases want done outside the database: seal a document,
send a message, call a webhook. Each entry is tried again, ever more seldom, until it is
given up; then "sigill outbox retry ID" tries it anew, as it does at once with
one that waits. REF is the order, the
draft or the case. Done and dropped ones are shown with --all,
until they are removed after 30 days.
`

var errNoOutbox = errors.New("there is no signing room, so nothing is to be done")

// outboxList shows what is to be done, with what went wrong.
func outboxList(ctx context.Context, c *call) error {
	all := c.flags.Bool("all", false, "")
	return c.withOutbox(ctx, 0, func(queues []*outbox.Queue) error {
		table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tKIND\tREF\tSTATE\tTRIES\tNEXT\tERROR")
		for _, q := range queues {
			if err := listEntries(ctx, table, q, *all); err != nil {
				return err
			}
		}
		return table.Flush()
	})
}

func listEntries(ctx context.Context, to io.Writer, q *outbox.Queue, all bool) error {
	var last int64
	for {
		list, err := q.List(ctx, outbox.Filter{After: last, Limit: 500})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, i := range list {
			last = i.Seq
			if all || !slices.Contains([]outbox.State{outbox.Done, outbox.Dropped}, i.State) {
				fmt.Fprintf(to, "%s\t%s\t%s\t%s\t%d\t%s\t%q\n", i.ID, i.Kind, i.Ref, standing(i), i.Attempts, next(i), i.Error)
			}
		}
	}
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
	return c.withOutbox(ctx, 1, func(queues []*outbox.Queue) error {
		id := c.args[0]
		for _, q := range queues {
			err := q.Retry(ctx, id)
			if errors.Is(err, outbox.ErrNotPossible) {
				continue
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "Entry %s is tried anew as soon as a node runs.\n", id)
			return nil
		}
		return fmt.Errorf("no entry %s waits or was given up", id)
	})
}

func (c *call) withOutbox(ctx context.Context, arguments int, act func([]*outbox.Queue) error) error {
	return c.with(ctx, arguments, func(v *node.Vault) error {
		queues, err := v.Outboxes()
		if err != nil {
			return err
		}
		if len(queues) == 0 {
			return errNoOutbox
		}
		return act(queues)
	})
}
