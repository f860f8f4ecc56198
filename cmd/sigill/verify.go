package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sigill/signing/receipt"
	"sigill/signing/trust"
	"sigill/signing/verify"
)

const verifyHelp = `
Verifies a receipt offline: its seal, that its pages say what is sealed, and every
e-ID signature in it. No database and no network is needed.

  --trust FILE   what to believe: the trust file of the installation that sealed it
  --json         the report for machines
  --full         personal numbers in full
  --lang sv|en   the language of the report (default: that of the terminal)

The exit code is 0 for a valid receipt, 1 for one that is not valid or of which that
cannot be decided, 2 for a file that cannot be read as one.
`

// maxReceipt is larger than any receipt that is made.
const maxReceipt = 110 << 20

// verifyReceipt verifies one file.
func verifyReceipt(_ context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "")
	full := c.flags.Bool("full", false, "")
	trustFile := c.flags.String("trust", "", "")
	lang := c.flags.String("lang", terminalLanguage(), "")
	if err := c.parse(1); err != nil {
		return err
	}
	if *lang != "sv" && *lang != "en" {
		return errMisuse{"--lang is sv or en"}
	}
	var believed trust.Trust
	if *trustFile != "" {
		data, err := os.ReadFile(*trustFile)
		if err != nil {
			return err
		}
		if believed, err = trust.Parse(data); err != nil {
			return err
		}
	}
	file, err := readReceipt(c.args[0])
	if err != nil {
		return unreadable{err}
	}
	receipts, err := receipt.New()
	if err != nil {
		return err
	}
	report := verify.New(believed, receipts).Verify(file, time.Now())
	if *full {
		report.Full()
	}
	if *asJSON {
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.out, verify.In(*lang).Print(report))
	}
	switch report.Verdict {
	case verify.Valid:
		return nil
	case verify.Unreadable:
		return unreadable{}
	}
	return errSaid
}

func readReceipt(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReceipt+1))
	if err == nil && len(b) > maxReceipt {
		err = errors.New("the file is too large for a receipt")
	}
	return b, err
}

// terminalLanguage is what the terminal speaks, as far as it says.
func terminalLanguage() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "sv") {
				return "sv"
			}
			return "en"
		}
	}
	return "en"
}

// errSaid ends a command with code 1 when everything has been said.
var errSaid = errors.New("said")

// unreadable ends a command with code 2: the file is not one to judge.
type unreadable struct{ err error }

func (u unreadable) Error() string {
	if u.err == nil {
		return ""
	}
	return u.err.Error()
}
