package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"sigill/broker/kit/config"
	"sigill/broker/kit/config/strict"
	"sigill/cmd/node"
)

// check reports everything at once, so that nobody has to ask eleven times.
func check(ctx context.Context, c *call) error {
	example := c.flags.Bool("example", false, "")
	if err := c.parse(0); err != nil {
		return err
	}
	if *example {
		fmt.Fprint(c.out, config.Example)
		return nil
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	for _, w := range node.Warnings(settings, time.Now()) {
		fmt.Fprintln(c.err, "warning:", w)
	}
	if err := node.Check(ctx, settings); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is fine: %s, %s, %s\n", c.config, settings.Issuer,
		count(len(settings.Providers), "provider"), count(len(settings.Clients), "client"))
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// load reads the configuration, with its warnings to people.
func (c *call) load() (config.Config, error) {
	settings, warnings, err := config.Load(c.config)
	for _, w := range warnings {
		fmt.Fprintln(c.err, "warning:", w)
	}
	return settings, explain(err, c.config)
}

// explain makes an error of a file fit for people.
func explain(err error, file string) error {
	var faults strict.Faults
	switch {
	case errors.As(err, &faults):
		return fmt.Errorf("%s is not right:\n%s", file, indent(faults.Error()))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s (sigill check --example prints one)", file)
	}
	return err
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
