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
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sigill/providers"
	"sigill/signing/pdf"
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
cannot be decided, 2 for a file that is none, or when nothing could be verified.
`

// maxReceipt is what the verifier reads, and so more than any receipt that is
// made: beside attached files of receipt.MaxSize there are pages.
func maxReceipt() int64 { return int64(pdf.DefaultLimits().FileSize) }

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
			return unreadable{err}
		}
		if believed, err = trust.Parse(data); err != nil {
			return unreadable{err}
		}
	}
	file, err := readReceipt(c.args[0])
	if err != nil {
		return unreadable{err}
	}
	receipts, err := receipt.New()
	if err != nil {
		return unreadable{err}
	}
	report := verify.New(believed, receipts).Verify(file, time.Now())
	if *full {
		report.Full()
	}
	if *asJSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return unreadable{err}
		}
		fmt.Fprintf(c.out, "%s\n", visible(text))
	} else {
		fmt.Fprint(c.out, verify.In(*lang).Print(report))
		if report.Verdict == verify.Indeterminate && *trustFile == "" {
			fmt.Fprintln(c.out, providers.Text{
				SV: "Ingen förtroendefil angavs. Utgivaren lägger ut sin; ange den med --trust FIL.",
				EN: "No trust file was given. The issuer publishes its own; give it with --trust FILE.",
			}.In(*lang))
		}
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
	tooLarge := fmt.Errorf("%s is too large for a receipt", name)
	if info, err := f.Stat(); err == nil && info.Size() > maxReceipt() {
		return nil, tooLarge
	}
	b, err := io.ReadAll(io.LimitReader(f, maxReceipt()+1))
	if err == nil && int64(len(b)) > maxReceipt() {
		err = tooLarge
	}
	return b, err
}

// visible writes whatever steers a terminal or cannot be seen as JSON can say it
// otherwise.
func visible(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			out = utf8.AppendRune(out, r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		}
	}
	return out
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

// unreadable ends a command with code 2: there was nothing to judge.
type unreadable struct{ err error }

func (u unreadable) Error() string {
	if u.err == nil {
		return ""
	}
	return u.err.Error()
}
