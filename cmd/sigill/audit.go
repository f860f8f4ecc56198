package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigill/cmd/node"
)

// auditVerify computes the audit's chain again. It writes nothing.
func auditVerify(ctx context.Context, c *call) error {
	if err := c.parse(0); err != nil {
		return err
	}
	v, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	return report(ctx, c, v)
}

func report(ctx context.Context, c *call, v *node.Vault) error {
	r, err := v.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	for _, f := range r.Faults {
		fmt.Fprintln(c.out, f)
	}
	if r.More > 0 {
		fmt.Fprintf(c.out, "and %s more\n", count(r.More, "fault"))
	}
	signed := "no head is signed yet"
	if r.Heads > 0 {
		signed = fmt.Sprintf("%s, the last on %s at row %d (key %s)", count(r.Heads, "signed head"), r.Last.At.Local().Format(time.DateTime), r.Last.Position, r.Last.KID)
	}
	fmt.Fprintf(c.out, "%s in the chain, %d waiting, %d after the last head; %s\n", count(int(r.Rows), "row"), r.Waiting, r.Unsigned, signed)
	if !r.OK() {
		return errors.New("the audit is not as it was written")
	}
	fmt.Fprintln(c.out, "The audit is whole.")
	return nil
}
