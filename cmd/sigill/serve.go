package main

import (
	"context"
	"log/slog"
	"os"

	"sigill/broker/kit/config"
	"sigill/broker/kit/page"
	"sigill/cmd/node"
)

// serve runs the node until the context ends. The log is JSON on standard
// error, one line an event.
func serve(ctx context.Context, c *call) error {
	if err := c.parse(0); err != nil {
		return err
	}
	settings, err := c.load()
	if err != nil {
		return err
	}
	n, err := node.New(ctx, node.Config{Settings: settings, Log: newLog(settings)})
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

func newLog(settings config.Config) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: levels[settings.LogLevel]}) // else info
	return slog.New(page.LogHandler(handler))
}
