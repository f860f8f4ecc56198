package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"sigill/cmd/node"
)

const providerHelp = `
Connects to the issuer of what is named (an instance, an e-ID, or all) as
a login would, and asks for nothing: looks at the connection and its certificates,
ours, metadata and keys, and the clock. Ends with 1 when anything does not work.
--wait says how long to wait for all of it (30s).
`

// soonDays is how long before its end something is marked that somebody must renew.
const soonDays = 60

// providerTest tries configured e-IDs without a login.
func providerTest(ctx context.Context, c *call) error {
	wait := c.flags.Duration("wait", 30*time.Second, "")
	if err := c.parse(1); err != nil {
		return err
	}
	name := c.args[0]
	if name == "all" {
		name = ""
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	trials, err := node.Try(ctx, settings, name)
	if err != nil {
		return err
	}
	bad := false
	for i, t := range trials {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		ids := make([]string, len(t.Offers))
		for i, id := range t.Offers {
			ids[i] = string(id)
		}
		fmt.Fprintf(c.out, "%s (%s: %s)\n", t.Instance, t.Kind, strings.Join(ids, ", "))
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		for _, f := range t.Findings {
			mark := "ok"
			switch {
			case f.Bad:
				mark = "WRONG"
			case !f.Renews && !f.Ends.IsZero() && time.Until(f.Ends) < soonDays*24*time.Hour:
				mark = "soon"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", mark, f.What, strings.ReplaceAll(f.Said, "\n", "; "))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		bad = bad || t.Bad()
	}
	if bad {
		return errSaid
	}
	return nil
}
