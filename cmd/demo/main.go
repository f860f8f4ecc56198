// Command demo runs everything on this machine: a broker, a signing room, a
// portal with two municipalities, the simulated e-IDs and an example application. DEMO ONLY: the e-IDs prove nothing.
//
// It owns the example installation: its folder, its configuration file, its
// clients and their keys. The broker itself is the same node that cmd/sigill
// serves, and it reaches the simulators only by their network interfaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	data := flags.String("data", "", "the demo's `folder` (default: sigill/demo under your cache folder)")
	fresh := flags.Bool("fresh", false, "forget everything from earlier starts")
	clients := flags.String("clients", "", "`file` with a YAML list of further OpenID Connect clients")
	tenants := flags.String("tenants", "", "`folder` of tenants, instead of the two examples")
	services := flags.String("services", "", "`folder` of e-services, instead of the two examples")
	if err := flags.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: %q is not understood\n", flags.Arg(0))
		return 2
	}
	folder := *data
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo: no cache folder; give --data DIR:", err)
			return 1
		}
		folder = filepath.Join(cache, "sigill", "demo")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends at once.
	context.AfterFunc(ctx, stop)
	err := Run(ctx, Config{Data: folder, Fresh: *fresh, Clients: *clients, Tenants: *tenants, Services: *services, Out: os.Stdout, Err: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}
