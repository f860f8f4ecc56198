package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run says once in the log when the server has gone, and once when it is back,
// until ctx ends, and what there is to warn of whenever the server is met. There
// is nothing to clean: the server forgets by itself.
func (r *Redis) Run(ctx context.Context) error {
	tick := time.NewTicker(r.watching)
	defer tick.Stop()
	for gone, met := false, false; ; {
		err := r.Ping(ctx)
		if err == nil && (!met || gone) {
			for _, w := range r.Warnings(ctx) {
				r.log.WarnContext(ctx, w)
			}
			met = true
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !gone:
			r.log.ErrorContext(ctx, "redis has gone; what needs it fails until it is back", "error", err)
		case err == nil && gone:
			r.log.InfoContext(ctx, "redis is back")
		}
		gone = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Warnings tells what is wrong with the way the servers are run. What a server
// does not tell, as hosted ones often do not, is not warned of.
func (r *Redis) Warnings(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, 2*answering)
	defer cancel()
	var mu sync.Mutex
	var list []string
	_ = r.each(ctx, func(ctx context.Context, c *redis.Client) error {
		told := information(c.Info(ctx).Val())
		mu.Lock()
		defer mu.Unlock()
		list = append(list, faults(told)...)
		return nil
	})
	slices.Sort(list)
	return slices.Compact(list)
}

// information reads what INFO answers.
func information(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[k] = v
		}
	}
	return m
}

func faults(told map[string]string) (list []string) {
	if v := told["redis_version"]; v != "" && old(v) {
		list = append(list, "redis is older than 6.2 and lacks commands that are needed")
	}
	if p := told["maxmemory_policy"]; p != "" && p != "noeviction" {
		list = append(list, "redis may throw away what is in use when its memory is full: set maxmemory-policy noeviction")
	}
	if told["aof_enabled"] == "0" {
		list = append(list, "redis forgets sessions and logins under way when it restarts: set appendonly yes")
	}
	if s := told["aof_last_write_status"]; s != "" && s != "ok" {
		list = append(list, "redis cannot write its append-only file")
	}
	return list
}

// old reports whether a version comes before 6.2, the first that has GETDEL.
func old(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a < 6 || a == 6 && b < 2)
}
