package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sigill/broker"
)

// Redis is the short-lived store (broker.Short) on a Redis or Valkey server of
// version 6.2 or later, for many nodes. Each call is one command on one key, so
// that it is one step for the server and works in a cluster.
//
// A record is a string: version, expiry, value. Whether it has expired is
// decided by this node's clock, like in the embedded store; the server removes
// it a little later, by its own. The time to live is told in relative terms, so
// that a server whose clock is wrong does not forget what is still in use.
//
// What a lost connection may have done is never guessed: see attempt.
type Redis struct {
	client redis.UniversalClient
	prefix string
	now    func() time.Time
	log    *slog.Logger
	// patience is how long a command waits for a server that is away, as long as
	// nothing can have been done: it starts again, or another takes over.
	patience time.Duration
	watching time.Duration // how often Run asks whether the server is there
}

const (
	// header is a version in 16 hexadecimal digits, and an expiry in 16 decimal
	// ones: milliseconds since 1970.
	header = 32
	// lingers is how much longer than its life the server keeps a record, for
	// clocks that differ between nodes.
	lingers = time.Minute
)

// OpenRedis makes the store. A server that cannot be reached is no error but
// logged: whatever is asked of the store fails until it can be. An error means
// that the configuration cannot be right.
func OpenRedis(ctx context.Context, c RedisConfig) (*Redis, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("short store: %w", err)
	}
	r := &Redis{client: c.client(), prefix: c.Prefix, now: c.Now, log: c.Log, patience: patience, watching: 2 * time.Second}
	if err := r.Ping(ctx); err != nil {
		c.Log.WarnContext(ctx, "redis does not answer", "error", err)
	}
	return r, nil
}

// Close ends all connections.
func (r *Redis) Close() error { return r.client.Close() }

// Ping reports whether the server answers: every master of a cluster.
func (r *Redis) Ping(ctx context.Context) error {
	err := r.each(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
	if err != nil {
		return fmt.Errorf("short store: %w", plain(err))
	}
	return nil
}

// Put writes a record; see broker.Short.
func (r *Redis) Put(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	name, err := r.name(kind, key, value)
	if err != nil {
		return err
	}
	record, life := seal(value, expires), r.life(expires)
	cmd, err := r.attempt(ctx, onlyOnce, func() redis.Cmder {
		return redis.NewStatusCmd(ctx, "set", name, record, "px", life)
	})
	if err == nil && cmd.(*redis.StatusCmd).Val() != "OK" {
		err = errUnreadable
	}
	return wrap("put", kind, err)
}

// Get reads a record; see broker.Short.
func (r *Redis) Get(ctx context.Context, kind, key string) ([]byte, int64, error) {
	name, err := r.name(kind, key, nil)
	if err != nil {
		return nil, 0, err
	}
	cmd, err := r.attempt(ctx, repeatable, func() redis.Cmder { return redis.NewStringCmd(ctx, "get", name) })
	if err != nil {
		return nil, 0, wrap("get", kind, err)
	}
	return r.read("get", kind, cmd)
}

// Take reads and removes a record; see broker.Short. When the answer was lost
// nobody knows whether the record is gone: the error says so, and no one else
// can have got it by this call.
func (r *Redis) Take(ctx context.Context, kind, key string) ([]byte, error) {
	name, err := r.name(kind, key, nil)
	if err != nil {
		return nil, err
	}
	cmd, err := r.attempt(ctx, onlyOnce, func() redis.Cmder { return redis.NewStringCmd(ctx, "getdel", name) })
	if err != nil {
		return nil, wrap("take", kind, err)
	}
	value, _, err := r.read("take", kind, cmd)
	return value, err
}

// swapping writes ARGV[3] if the record in KEYS[1] has version ARGV[1] at the
// time ARGV[2]; all zeros mean that there is none. It gives 2 when this very
// write has been done before.
const swapping = `
local was = redis.call('GETRANGE', KEYS[1], 0, 31)
local version = '0000000000000000'
if was ~= '' then
	if string.sub(was, 1, 16) == string.sub(ARGV[3], 1, 16) then return 2 end
	if tonumber(string.sub(was, 17, 32)) > tonumber(ARGV[2]) then version = string.sub(was, 1, 16) end
end
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1`

// Swap writes a record if nobody else has; see broker.Short. It may be sent
// again when an answer was lost: the version that it writes is its own, so the
// script knows whether it has been there. Should another have written since, it
// is unknown who was first, and the answer an error rather than ErrConflict.
func (r *Redis) Swap(ctx context.Context, kind, key string, version int64, value []byte, expires time.Time) error {
	name, err := r.name(kind, key, value)
	if err != nil {
		return err
	}
	record, life, was := seal(value, expires), r.life(expires), fmt.Sprintf("%016x", uint64(version))
	sent := 0
	cmd, err := r.attempt(ctx, repeatable, func() redis.Cmder {
		sent++
		return redis.NewIntCmd(ctx, "eval", swapping, 1, name, was, r.now().UnixMilli(), record, life)
	})
	if err != nil {
		return wrap("swap", kind, err)
	}
	switch done := cmd.(*redis.IntCmd).Val(); {
	case done == 1 || done == 2:
		return nil
	case done == 0 && sent == 1:
		return broker.ErrConflict
	case done == 0:
		return wrap("swap", kind, errUncertain)
	}
	return wrap("swap", kind, errUnreadable)
}

// name is the key on the server. Kinds have no colon, so that no two pairs share
// a name.
func (r *Redis) name(kind, key string, value []byte) (string, error) {
	if strings.Contains(kind, ":") {
		return "", fmt.Errorf("short store: a kind named %q", kind)
	}
	return r.prefix + kind + ":" + key, checkShort(kind, key, value)
}

// life is how long the server keeps a record.
func (r *Redis) life(expires time.Time) int64 {
	return max(expires.UnixMilli()-r.now().UnixMilli(), 0) + lingers.Milliseconds()
}

// seal puts a new version and the expiry before the value.
func seal(value []byte, expires time.Time) []byte {
	b := make([]byte, 0, header+len(value))
	b = fmt.Appendf(b, "%016x%016d", uint64(newVersion()), max(expires.UnixMilli(), 0))
	return append(b, value...)
}

// read opens the record that a command brought.
func (r *Redis) read(act, kind string, cmd redis.Cmder) ([]byte, int64, error) {
	if cmd.Err() != nil {
		return nil, 0, broker.ErrNotFound
	}
	b, _ := cmd.(*redis.StringCmd).Bytes()
	if len(b) < header {
		return nil, 0, wrap(act, kind, errUnreadable)
	}
	version, err1 := strconv.ParseUint(string(b[:16]), 16, 64)
	expires, err2 := strconv.ParseInt(string(b[16:header]), 10, 64)
	if err1 != nil || err2 != nil || version == 0 {
		return nil, 0, wrap(act, kind, errUnreadable)
	}
	if expires <= r.now().UnixMilli() {
		return nil, 0, broker.ErrNotFound
	}
	return b[header:], int64(version), nil
}

// each asks every master.
func (r *Redis) each(ctx context.Context, ask func(context.Context, *redis.Client) error) error {
	switch c := r.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, ask)
	case *redis.Client:
		return ask(ctx, c)
	}
	return errors.ErrUnsupported
}
