package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

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

// onRedis gives three nodes; each call has keys of its own.
func onRedis(c RedisConfig) func(*testing.T, *storetest.Clock) broker.Short {
	n := 0
	return func(t *testing.T, clock *storetest.Clock) broker.Short {
		n++
		own := c
		own.Prefix, own.Now = fmt.Sprintf("test%d:", n), clock.Now
		s := &inTurn{}
		for range 3 {
			s.stores = append(s.stores, openRedis(t, own))
		}
		return s
	}
}

func TestShortOnRedis(t *testing.T) {
	storetest.Short(t, onRedis(RedisConfig{Addresses: []string{redistest.Start(t).Addr}}))
}

func TestShortOnCluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	c := RedisConfig{Addresses: cluster.Addresses()[:2], Cluster: true}
	storetest.Short(t, onRedis(c))
	t.Run("a master is lost", func(t *testing.T) { failOver(t, c, cluster.Masters[0], cluster.Replica) })
}

func TestShortOnSentinel(t *testing.T) {
	w := redistest.StartWatched(t)
	c := RedisConfig{Addresses: []string{w.Sentinel}, SentinelMaster: redistest.MasterName}
	storetest.Short(t, onRedis(c))
	t.Run("the master is lost", func(t *testing.T) { failOver(t, c, w.Servers[0], w.Servers[1]) })
}

// Without a server program too, and sealed as it is in use.
func TestShortOnMiniredis(t *testing.T) {
	box := openBox(t, open(t, t.TempDir(), nil))
	storetest.Short(t, func(t *testing.T, c *storetest.Clock) broker.Short {
		return Sealed(openRedis(t, RedisConfig{Addresses: []string{miniredis.RunT(t).Addr()}, Now: c.Now}), box)
	})
}

// failOver loses a master. Its replica takes over, and calls wait or fail plainly
// until it has.
func failOver(t *testing.T, c RedisConfig, master, replica *redistest.Server) {
	r := openRedis(t, c)
	const keys = 30
	later := time.Now().Add(time.Hour)
	for i := range keys {
		check(t, r.Put(ctx, "code", fmt.Sprint(i), fmt.Append(nil, i), later))
	}
	redistest.Follow(t, replica, master)
	master.Kill()
	var taken [keys]int
	for i := range keys {
		for end := time.Now().Add(20 * time.Second); ; {
			v, err := r.Take(ctx, "code", fmt.Sprint(i))
			if err == nil {
				taken[i]++
				if string(v) != fmt.Sprint(i) {
					t.Errorf("took %q for %d", v, i)
				}
			}
			if errors.Is(err, broker.ErrNotFound) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("not healed: %v", err)
			}
		}
	}
	for i, n := range taken {
		if n != 1 {
			t.Errorf("%d was taken %d times", i, n)
		}
	}
	check(t, r.Ping(ctx))
}

func TestRedisConfig(t *testing.T) {
	for name, c := range map[string]RedisConfig{
		"no address":             {},
		"cluster and sentinels":  {Addresses: []string{"127.0.0.1:1"}, Cluster: true, SentinelMaster: "x"},
		"database in a cluster":  {Addresses: []string{"127.0.0.1:1"}, Cluster: true, Database: 1},
		"two servers":            {Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"}},
		"a prefix with one slot": {Addresses: []string{"127.0.0.1:1"}, Prefix: "{a}"},
	} {
		if r, err := OpenRedis(ctx, c); err == nil {
			r.Close()
			t.Errorf("%s is taken", name)
		}
	}
}

// A password, a name, a database and a prefix: and nobody gets in without.
func TestRedisAccount(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "admin-secret")
	admin := server.Client()
	defer admin.Close()
	check(t, admin.Do(ctx, "acl", "setuser", "sigill", "on", ">own-secret", "~sigill:*", "+get", "+set", "+getdel", "+eval", "+getrange",
		"+ping", "+select", "+info", "+hello", "+auth").Err())
	c := RedisConfig{Addresses: []string{server.Addr}, Username: "sigill", Password: "own-secret", Database: 3, Prefix: "sigill:"}
	later := time.Now().Add(time.Minute)
	r := openRedis(t, c)
	check(t, r.Ping(ctx))
	check(t, r.Put(ctx, "k", "a", []byte("one"), later))
	check(t, r.Swap(ctx, "k", "b", 0, []byte("two"), later))
	if v, err := r.Take(ctx, "k", "a"); err != nil || string(v) != "one" {
		t.Errorf("%q, %v", v, err)
	}
	check(t, admin.Do(ctx, "select", 3).Err())
	if keys, err := admin.Do(ctx, "keys", "*").StringSlice(); err != nil || len(keys) != 1 || keys[0] != "sigill:k:b" {
		t.Errorf("keys: %q, %v", keys, err)
	}
	for name, wrong := range map[string]RedisConfig{
		"no password":    {Addresses: c.Addresses, Prefix: c.Prefix},
		"wrong password": {Addresses: c.Addresses, Prefix: c.Prefix, Username: "sigill", Password: "other-secret"},
		"another prefix": {Addresses: c.Addresses, Prefix: "other:", Username: "sigill", Password: "own-secret"},
	} {
		err := openRedis(t, wrong).Put(ctx, "k", "a", nil, later)
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "the server answers ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Records leave the server by its own clock, a while after they have expired.
func TestRedisForgets(t *testing.T) {
	server := miniredis.RunT(t)
	clock := storetest.NewClock()
	r := openRedis(t, RedisConfig{Addresses: []string{server.Addr()}, Now: clock.Now})
	check(t, r.Put(ctx, "k", "a", nil, clock.Now().Add(time.Minute)))
	check(t, r.Swap(ctx, "k", "b", 0, nil, clock.Now().Add(time.Minute)))
	check(t, r.Put(ctx, "k", "past", nil, clock.Now().Add(-time.Hour)))
	// A server that is ahead of us keeps them as long as we honour them.
	server.FastForward(time.Minute + lingers - time.Second)
	for _, key := range []string{"a", "b"} {
		_, _, err := r.Get(ctx, "k", key)
		check(t, err)
	}
	if server.Exists("k:past") {
		t.Error("what had expired is still there")
	}
	server.FastForward(time.Second)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
}

func TestRedisRunTells(t *testing.T) {
	server := miniredis.RunT(t)
	text := &told{}
	r := openRedis(t, RedisConfig{Addresses: []string{server.Addr()}, Log: slog.New(slog.NewTextHandler(text, nil))})
	run, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	r.watching = 5 * time.Millisecond
	done.Go(func() { check(t, r.Run(run)) })
	wait := func(word string) {
		for end := time.Now().Add(10 * time.Second); !strings.Contains(text.String(), word) && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // it says no more than that
	}
	wait("")
	server.SetError("LOADING Redis is loading the dataset in memory")
	wait("gone")
	server.SetError("")
	wait("redis is back")
	stop()
	done.Wait()
	if gone, back := strings.Count(text.String(), "gone"), strings.Count(text.String(), "redis is back"); gone != 1 || back != 1 || !strings.Contains(text.String(), "LOADING") {
		t.Errorf("the log says %d times that it has gone and %d times that it is back:\n%s", gone, back, text)
	}
}

// told is a log that may be read while it is written.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRedisWarnings(t *testing.T) {
	warned := func(r *Redis) string { return strings.Join(r.Warnings(ctx), "\n") }
	good := redistest.Start(t)
	if w := warned(openRedis(t, RedisConfig{Addresses: []string{good.Addr}})); w != "" {
		t.Errorf("of a good server: %s", w)
	}
	bad := redistest.Start(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
	var text strings.Builder
	r := openRedis(t, RedisConfig{Addresses: []string{bad.Addr}, Log: slog.New(slog.NewTextHandler(&text, nil))})
	run, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	r.watching = time.Millisecond
	check(t, r.Run(run))
	if strings.Count(text.String(), "noeviction") != 1 {
		t.Errorf("the log:\n%s", &text)
	}
	if w := warned(openRedis(t, RedisConfig{Addresses: []string{bad.Addr}})); !strings.Contains(w, "noeviction") || !strings.Contains(w, "appendonly yes") {
		t.Errorf("of a bad server: %q", w)
	}
	silent := startWrong(t)
	silent.says("-ERR unknown command\r\n")
	if w := warned(openRedis(t, RedisConfig{Addresses: []string{silent.addr}})); w != "" {
		t.Errorf("of one that tells nothing: %s", w)
	}
	for told, want := range map[string]string{
		"redis_version:6.0.16": "6.2", "redis_version:6.2.0": "", "redis_version:7.0.15\r\nx": "", "redis_version:10.1": "", "redis_version:?": "",
		"aof_last_write_status:err": "cannot write", "": "", ":": "",
	} {
		got := strings.Join(faults(information(told)), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q", told, got)
		}
	}
}

// Over TLS, with a certificate of our own.
func TestRedisOverTLS(t *testing.T) {
	server := redistest.Start(t)
	ours, roots := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ours}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert})
	check(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() // when the server closes
				to, err := net.Dial("tcp", server.Addr)
				if err != nil {
					return
				}
				defer to.Close()
				go io.Copy(to, conn)
				io.Copy(conn, to)
			}()
		}
	}()
	addresses := []string{l.Addr().String()}
	r := openRedis(t, RedisConfig{Addresses: addresses, TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}}})
	check(t, r.Put(ctx, "k", "a", []byte("one"), time.Now().Add(time.Minute)))
	if v, err := r.Take(ctx, "k", "a"); err != nil || string(v) != "one" {
		t.Errorf("%q, %v", v, err)
	}
	// A pool full of connections that a restart has closed costs no call.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { check(t, r.Put(ctx, "k", fmt.Sprint(i), nil, time.Now().Add(time.Minute))) })
	}
	all.Wait()
	server.Kill()
	server.Start()
	time.Sleep(50 * time.Millisecond)
	for i := range 20 {
		_, err := r.Take(ctx, "k", fmt.Sprint(i))
		check(t, err)
	}
	for name, c := range map[string]*tls.Config{
		"an unknown authority":    {Certificates: []tls.Certificate{ours}},
		"another name":            {RootCAs: roots, Certificates: []tls.Certificate{ours}, ServerName: "other.example"},
		"without our certificate": {RootCAs: roots},
	} {
		r := openRedis(t, RedisConfig{Addresses: addresses, TLS: c})
		r.patience = 0
		if err := r.Put(ctx, "k", "b", nil, time.Now().Add(time.Minute)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	check(t, err)
	parsed, err := x509.ParseCertificate(der)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// Whatever lies under a key, it is a record that was written here or an error.
func FuzzRedisRecord(f *testing.F) {
	f.Add(string(seal([]byte("value"), time.Now().Add(time.Hour))))
	f.Add("")
	f.Add(strings.Repeat("0", header))
	f.Add("ffffffffffffffff9999999999999999")
	f.Add("00000000000000019999999999999999")
	f.Add("-000000000000001+999999999999999x")
	r := &Redis{now: time.Now}
	f.Fuzz(func(t *testing.T, text string) {
		cmd := redis.NewStringCmd(ctx, "get", "k")
		cmd.SetVal(text)
		value, version, err := r.read("get", "k", cmd)
		if err == nil && (version == 0 || string(value) != text[header:]) {
			t.Errorf("%q was read as %q, version %d", text, value, version)
		}
		if err != nil && (value != nil || version != 0) {
			t.Errorf("%q gives something with an error", text)
		}
	})
}
