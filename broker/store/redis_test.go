package store

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"sigill/broker"
	"sigill/broker/store/redistest"
	"sigill/broker/store/storetest"
)

var _ broker.Short = (*Redis)(nil)

func openRedis(t testing.TB, c RedisConfig) *Redis {
	t.Helper()
	r, err := OpenRedis(ctx, c)
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}

func TestShortOnRedis(t *testing.T) {
	server := redistest.Start(t)
	n := 0
	storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
		n++
		return openRedis(t, RedisConfig{Addresses: []string{server.Addr}, Prefix: string(rune('a'+n)) + ":", Now: c.Now})
	})
}

func TestShortOnMiniredis(t *testing.T) {
	storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
		return openRedis(t, RedisConfig{Addresses: []string{miniredis.RunT(t).Addr()}, Now: c.Now})
	})
}
