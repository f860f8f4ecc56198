// Command sigill is the broker: it serves, and it keeps what an installation
// needs kept: configuration, keys, clients, audit.
//
// It owns the command line and its words. What runs is composed in cmd/node;
// what the files may say is kit/config's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	code := Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	ok     = 0
	failed = 1 // what was asked for was tried and did not work, or the answer is no
	misuse = 2 // what was asked for was not understood, or a receipt cannot be read
)

// errMisuse is an error of the command line; it is followed by the usage.
type errMisuse struct{ problem string }

func (e errMisuse) Error() string { return e.problem }

// A command is one row of the table.
type command struct {
	name    string // "keys rotate"
	args    string
	summary string
	run     func(context.Context, *call) error
}

// A call is one invocation of a command.
type call struct {
	flags  *flag.FlagSet
	args   []string // what is left after the flags
	out    io.Writer
	err    io.Writer
	config string // --config
}

func commands() []command {
	return []command{
		{"serve", "", "run until told to stop", serve},
		{"check", "", "report everything that is wrong with the configuration (--example prints one)", check},
		{"migrate", "[--check]", "bring the databases to this release, or tell what that would do", migrate},
		{"backup", "DIR", "copy the databases into an empty folder, while nodes run", backup},
		{"restore", "DIR", "put a backup into an empty data folder", restore},
		{"store copy", "TO.yaml", "copy all that lasts from SQLite to the PostgreSQL database of another configuration", storeCopy},
		{"keys list", "", "show the keys and since when they are used", keysList},
		{"keys rotate", "[--now] ALG", "bring in a new signing key for RS256 or ES256", keysRotate},
		{"keys new-master", "FILE", "make a master key in a new file", keysNewMaster},
		{"keys rewrap", "", "put all keys under the current master key, once every node has its file", keysRewrap},
		{"client add", "[--replace] FILE", "add the clients of a YAML file, all or none; prints a secret once where none is given", clientAdd},
		{"client list", "", "show the clients, configured and added", clientList},
		{"client secret", "[--overlap 7d | --retire] ID", "give a client that was added a new secret beside the one it has, or retire the one before", clientSecret},
		{"client remove", "ID", "remove a client that was added", clientRemove},
		{"provider test", "[--wait 30s] ID|INSTANCE|all", "try an e-ID without a login: TLS, certificates, metadata, clock; and say what is wrong", providerTest},
		{"outbox list", "[--all]", "show what signing orders still want done, and what went wrong", outboxList},
		{"outbox retry", "ID", "try an entry of the outbox anew, at once", outboxRetry},
		{"audit verify", "[--head HEAD|FILE]", "check the chain of the audit and its signed heads", auditVerify},
		{"verify", "FILE.pdf [--json] [--trust FILE] [--full]", "verify a receipt, offline: its seal and every e-ID signature in it", verifyReceipt},
		{"service check", "DIR|FILE...", "report everything that is wrong with definitions of e-services", serviceCheck},
		{"service test", "DIR|FILE...", "run the tests that stand in definitions of e-services", serviceTest},
		{"version", "", "show the version", version},
	}
}

// defaultConfig is where the configuration is unless --config says otherwise.
const defaultConfig = "sigill.yaml"

// Main runs one command and gives the exit code.
func Main(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(out)
		if len(args) == 0 {
			return misuse
		}
		return ok
	}
	c, rest, found := find(args)
	if !found {
		fmt.Fprintf(errs, "sigill: there is no command %q\n\n", strings.Join(args[:min(2, len(args))], " "))
		usage(errs)
		return misuse
	}
	in := &call{flags: flag.NewFlagSet(c.name, flag.ContinueOnError), out: out, err: errs}
	in.flags.SetOutput(io.Discard)
	in.flags.StringVar(&in.config, "config", defaultConfig, "")
	in.args = rest
	err := c.run(ctx, in)
	var wrong errMisuse
	var not unreadable
	switch {
	case err == nil:
		return ok
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(out, "usage: %s\n%s", c.line(), c.help())
		return ok
	case errors.Is(err, errSaid):
		return failed
	case errors.As(err, &not):
		if not.err != nil {
			fmt.Fprintf(errs, "sigill: %v\n", not.err)
		}
		return misuse
	case errors.As(err, &wrong):
		fmt.Fprintf(errs, "sigill: %s\nusage: %s\n", wrong.problem, c.line())
		return misuse
	}
	fmt.Fprintf(errs, "sigill: %v\n", err)
	return failed
}

// find takes the longest name that fits.
func find(args []string) (command, []string, bool) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c, args[len(words):], true
		}
	}
	return command{}, nil, false
}

func (c command) line() string {
	line := "sigill " + c.name
	if c.args != "" {
		line += " " + c.args
	}
	if !slices.Contains([]string{"version", "keys new-master", "verify", "service check", "service test"}, c.name) {
		line += " [--config FILE]"
	}
	return line
}

// help is what --help says besides.
func (c command) help() string {
	switch c.name {
	case "audit verify":
		return auditHelp
	case "backup":
		return backupHelp
	case "client secret":
		return secretHelp
	case "outbox list", "outbox retry":
		return outboxHelp
	case "keys rewrap":
		return rewrapHelp
	case "provider test":
		return providerHelp
	case "migrate":
		return migrateHelp
	case "restore":
		return restoreHelp
	case "store copy":
		return storeCopyHelp
	case "verify":
		return verifyHelp
	}
	return ""
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Sigill, a broker for Swedish e-IDs.\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  sigill %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	table.Flush()
	fmt.Fprintf(w, "\nThe configuration is %s unless --config FILE says otherwise.\n", defaultConfig)
}

// parse reads flags, wherever they stand among the arguments, and demands
// exactly n arguments.
func (c *call) parse(n int) error {
	var plain []string
	rest := c.args
	for {
		if err := c.flags.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return errMisuse{err.Error()}
		}
		rest = c.flags.Args()
		if len(rest) == 0 {
			break
		}
		plain, rest = append(plain, rest[0]), rest[1:]
	}
	switch {
	case len(plain) > n:
		return errMisuse{fmt.Sprintf("%q is too much", plain[n])}
	case len(plain) < n:
		return errMisuse{"something is missing"}
	}
	c.args = plain
	return nil
}
