package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// progress tells a person who waits what takes so long: making the simulators'
// keys, once for each user. Everything else stays in the log.
type progress struct{ out io.Writer }

func (progress) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (p progress) Handle(_ context.Context, r slog.Record) error {
	var done, of int64
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "done" && a.Value.Kind() == slog.KindInt64:
			done = a.Value.Int64()
		case a.Key == "of" && a.Value.Kind() == slog.KindInt64:
			of = a.Value.Int64()
		}
		return true
	})
	if of == 0 {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "Making keys for the simulated e-IDs, once: %d of %d\n", done, of)
	return err
}

func (p progress) WithAttrs([]slog.Attr) slog.Handler { return p }
func (p progress) WithGroup(string) slog.Handler      { return p }
