package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisConfig says where a Redis is. Only Addresses must be given.
type RedisConfig struct {
	Addresses      []string // host:port: of the server, of the sentinels, or of some nodes of the cluster
	SentinelMaster string   // the name under which sentinels know the master
	Cluster        bool

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	TLS                                *tls.Config // nil: none, and then only on this machine
	Database                           int         // not in a cluster
	Prefix                             string      // before every key

	Now func() time.Time
	Log *slog.Logger
}

func (c RedisConfig) withDefaults() (RedisConfig, error) {
	switch {
	case len(c.Addresses) == 0:
		return c, errors.New("redis: no address given")
	case c.Cluster && c.SentinelMaster != "":
		return c, errors.New("redis: both a cluster and sentinels")
	case c.Cluster && c.Database != 0:
		return c, errors.New("redis: a cluster has no databases")
	case len(c.Addresses) > 1 && !c.Cluster && c.SentinelMaster == "":
		return c, errors.New("redis: several addresses, but neither a cluster nor sentinels")
	case strings.ContainsAny(c.Prefix, "{}"):
		return c, errors.New("redis: braces in the prefix would put all keys on one node")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

const (
	connecting = 2 * time.Second
	answering  = 2 * time.Second
	poolSize   = 32 // for each server
)

// client always asks masters: a replica may not have heard yet of what was
// taken. Nothing is repeated by the library, which cannot know what may be.
func (c RedisConfig) client() redis.UniversalClient {
	// The library has one log for the whole process, on standard error. What it
	// tells is in errors as well.
	redis.SetLogger(silence{})
	o := &redis.UniversalOptions{
		Addrs: c.Addresses, MasterName: c.SentinelMaster, DB: c.Database,
		Username: c.Username, Password: c.Password,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		Dialer:   c.dial,
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:               -1, DialerRetries: 1,
		DialTimeout: connecting, ReadTimeout: answering, WriteTimeout: answering, ContextTimeoutEnabled: true,
		PoolSize: poolSize, PoolTimeout: answering, PipelinePoolSize: -1,
		ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize:  8 << 10, WriteBufferSize: 8 << 10,
	}
	switch {
	case c.Cluster:
		cluster := o.Cluster()
		cluster.DisableRoutingPolicies = true // one key each: the slot decides
		client := redis.NewClusterClient(cluster)
		client.OnNewNode(func(node *redis.Client) { node.AddHook(unconnected{}) })
		return client
	case c.SentinelMaster != "":
		client := redis.NewFailoverClient(o.Failover())
		client.AddHook(unconnected{})
		return client
	}
	client := redis.NewClient(o.Simple())
	client.AddHook(unconnected{})
	return client
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func (c RedisConfig) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: connecting}
	if c.TLS == nil {
		d.Control = inTheClear
		return d.DialContext(ctx, network, address)
	}
	conn, err := (&tls.Dialer{NetDialer: d, Config: c.TLS}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if secure, ok := conn.(*tls.Conn); ok {
		if raw, ok := secure.NetConn().(syscall.Conn); ok {
			return probed{secure, raw}, nil
		}
	}
	return conn, nil
}

var errInTheClear = errors.New("without TLS only servers on this machine are spoken to")

// inTheClear lets a connection go no further than this machine: the password and
// the records go over it for all to read. Sentinels and clusters name servers that
// no configuration did, so it is asked of each, before anything is sent there, and
// of the address that a name turned out to be.
func inTheClear(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return errInTheClear
	}
	return nil
}

// probed lets the pool see that an idle connection has been closed, which it
// looks for in the socket. A server of this protocol says nothing unasked, so
// whatever has come there unread is the end, under TLS too. Without this, after a
// restart every connection in the pool would cost one call.
type probed struct {
	*tls.Conn
	raw syscall.Conn
}

func (p probed) SyscallConn() (syscall.RawConn, error) { return p.raw.SyscallConn() }

// unconnected marks what went wrong before there was a connection, when nothing
// can have been done yet.
type unconnected struct{}

func (unconnected) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

func (unconnected) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (unconnected) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

type dialError struct{ cause error }

func (e *dialError) Error() string { return "no connection: " + e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

var (
	errUnreadable = errors.New("an answer that cannot be read")
	errUncertain  = errors.New("an answer was lost, and the record has changed since")
)

// How a command may be repeated when its answer was lost.
const (
	onlyOnce   = false // doing it twice is not the same as once
	repeatable = true
)

const (
	patience = 3 * time.Second
	pause    = 20 * time.Millisecond // the first; each is twice the one before
	maxPause = 500 * time.Millisecond
	// maxSent bounds how often a command is sent whose answers are lost.
	maxSent = 3
)

// attempt runs a command until it is answered. "No such key" is an answer, left
// in the command; so are errors, which are given back without a word that might
// quote a key or value.
//
// A command is sent again when it cannot have been carried out: there was no
// connection, or the server says that it does not take commands now. When the
// connection was lost on the way, it may have been: then only what may be done
// twice (repeatable) is sent again, the rest fails.
func (r *Redis) attempt(ctx context.Context, repeat bool, build func() redis.Cmder) (redis.Cmder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience+answering)
	defer cancel()
	wait, sent := pause, 0
	for start := time.Now(); ; {
		cmd := build()
		_ = r.client.Process(ctx, single{cmd})
		err := cmd.Err()
		if err == nil || err == redis.Nil { // only as such: a sentinel's may be wrapped in a fault
			return cmd, nil
		}
		if refused := unsent(err); !refused {
			sent++
			if !repeat || answered(err) || sent >= maxSent {
				return nil, plain(err)
			}
		}
		if time.Since(start)+wait > r.patience {
			return nil, plain(err)
		}
		if cluster, ok := r.client.(*redis.ClusterClient); ok {
			cluster.ReloadState(ctx)
		}
		select {
		case <-ctx.Done():
			return nil, plain(err)
		case <-time.After(wait):
		}
		wait = min(2*wait, maxPause)
	}
}

// single keeps a cluster's client from sending a command again by itself. What
// the server redirects was not carried out, and is sent on.
type single struct{ redis.Cmder }

func (single) NoRetry() bool { return true }

// unsent reports whether nothing can have been done.
func unsent(err error) bool {
	var dial *dialError
	return errors.As(err, &dial) ||
		slices.Contains([]string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"}, code(err))
}

// answered reports whether a server has said no.
func answered(err error) bool { return code(err) != "" }

// code is the first word of an error that the server gave: "NOAUTH".
func code(err error) string {
	var said redis.Error
	if !errors.As(err, &said) {
		return ""
	}
	word, _, _ := strings.Cut(said.Error(), " ")
	if len(word) > 16 || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "ERR"
	}
	return word
}

// plain keeps of an error what cannot quote a key or a value.
func plain(err error) error {
	var dial *dialError
	var network net.Error
	switch c := code(err); {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dial):
		if c != "" { // a sentinel's
			return fmt.Errorf("no connection: a sentinel answers %s", c)
		}
		return dial
	case c != "":
		return fmt.Errorf("the server answers %s", c)
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return redis.ErrPoolTimeout
	case errors.Is(err, redis.ErrClosed):
		return redis.ErrClosed
	case errors.As(err, &network):
		return err
	}
	return errUnreadable
}
