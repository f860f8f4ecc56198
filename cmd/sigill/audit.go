package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"sigill/broker/kit/audit"
	"sigill/cmd/node"
)

const auditHelp = `
The chain of the audit is computed again, and the heads that were signed over it
are checked. Heads are signed hourly and when a node stops; rows that none covers
after two hours are a fault (also after a crash, until a node runs again).

Whoever can write to the database can remove its last rows together with the
heads over them. Only a head that is kept elsewhere shows that. The log has each
one as "audit head signed", and this command prints the last: send the log, or
that line, to where the database's administrators cannot write, and compare:

  sigill audit verify --head HEAD    as it was printed
  sigill audit verify --head FILE    one on each line
`

// auditVerify computes the audit's chain again. It writes nothing.
func auditVerify(ctx context.Context, c *call) error {
	head := c.flags.String("head", "", "")
	if err := c.parse(0); err != nil {
		return err
	}
	kept, err := keptHeads(*head)
	if err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	return report(ctx, c, v, kept)
}

// keptHeads reads heads from a file, one on each line, or one as it is.
func keptHeads(s string) ([]audit.Head, error) {
	if s == "" {
		return nil, nil
	}
	if h, err := audit.ParseHead(s); err == nil {
		return []audit.Head{h}, nil
	}
	text, err := os.ReadFile(s)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q is neither a head (position:milliseconds:hash:kid:signature) nor a file", s)
	}
	if err != nil {
		return nil, err
	}
	var kept []audit.Head
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		h, err := audit.ParseHead(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", s, i+1, err)
		}
		kept = append(kept, h)
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("%s holds no head", s)
	}
	return kept, nil
}

func report(ctx context.Context, c *call, v *node.Vault, kept []audit.Head) error {
	reports, err := v.VerifyAudit(ctx, kept...)
	if err != nil {
		return err
	}
	whole := true
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintf(c.out, "\nThe room %s, with a chain of its own:\n", r.Room)
		}
		whole = tell(c, r.Report) && whole
	}
	if !whole {
		return errors.New("the audit is not as it was written")
	}
	return nil
}

// tell prints what was found of one chain, and reports whether it is whole.
func tell(c *call, r audit.Report) bool {
	for _, f := range r.Faults {
		fmt.Fprintln(c.out, f)
	}
	if r.More > 0 {
		fmt.Fprintf(c.out, "and %s more\n", count(r.More, "fault"))
	}
	signed := "no head is signed yet"
	if r.Heads > 0 {
		signed = fmt.Sprintf("%s, the last on %s at row %d", count(r.Heads, "signed head"), r.Last.At.Local().Format(time.DateTime), r.Last.Position)
	}
	fmt.Fprintf(c.out, "%s in the chain, %d waiting, %d after the last head; %s\n", count(int(r.Rows), "row"), r.Waiting, r.Unsigned, signed)
	if r.Heads > 0 {
		fmt.Fprintf(c.out, "Last head, to keep elsewhere: %s\n", r.Last)
	}
	if !r.OK() {
		return false
	}
	if r.Kept == 0 {
		fmt.Fprintf(c.out, "The audit is whole up to row %d as far as this database can tell; give --head to compare with a head kept elsewhere.\n", r.Rows)
		return true
	}
	fmt.Fprintf(c.out, "The audit is whole: up to row %d by %s kept elsewhere, and from there to row %d as far as this database can tell.\n",
		r.Furthest, count(r.Kept, "head"), r.Rows)
	return true
}
