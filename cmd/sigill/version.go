package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

func version(_ context.Context, c *call) error {
	if err := c.parse(0); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "sigill %s %s %s/%s\n", release(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// release names what this program was built of.
func release() string {
	v := "development"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && v == "development" {
				v = s.Value
			}
		}
	}
	return v
}
