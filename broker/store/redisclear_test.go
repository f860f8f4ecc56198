package store

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// served answers each connection to an address of this machine.
func served(t *testing.T, address string, serve func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	check(t, err)
	return port
}

// A sentinel beside us, which is spoken to in the clear, names a master that is
// not: nothing is sent there. The master's address stands for any but this
// machine's own, and is answered here all the same.
func TestRedisMasterInTheClear(t *testing.T) {
	heard := make(chan string, 100)
	const host = "0.0.0.0"
	port := served(t, "127.0.0.1:0", func(conn net.Conn) {
		heard <- "a connection"
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	})
	sentinel := served(t, "127.0.0.1:0", func(conn net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			switch said := string(buf[:n]); {
			case strings.Contains(said, "get-master-addr-by-name"):
				fmt.Fprintf(conn, "*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
			case strings.Contains(said, "sentinels"):
				fmt.Fprint(conn, "*0\r\n")
			case strings.Contains(said, "hello"):
				fmt.Fprint(conn, "-ERR unknown command\r\n")
			default:
				fmt.Fprint(conn, strings.Repeat("+OK\r\n", strings.Count(said, "*")))
			}
		}
	})
	r := openRedis(t, RedisConfig{Addresses: []string{"127.0.0.1:" + sentinel}, SentinelMaster: "m", Username: "sigill", Password: "own-secret"})
	r.patience = 100 * time.Millisecond
	err := r.Put(ctx, "k", "a", []byte("v"), time.Now().Add(time.Minute))
	if !errors.Is(err, errInTheClear) || !strings.Contains(err.Error(), net.JoinHostPort(host, port)) || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
	for len(heard) > 0 {
		t.Errorf("the master heard %q", <-heard)
	}
}

func TestRedisInTheClear(t *testing.T) {
	port := served(t, "127.0.0.1:0", func(net.Conn) {})
	for host, may := range map[string]bool{
		"127.0.0.1": true, "localhost": true, "::ffff:127.0.0.1": true,
		"0.0.0.0": false, "::ffff:0.0.0.0": false,
	} {
		conn, err := RedisConfig{}.dial(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			conn.Close()
		}
		if may != (err == nil) || !may && !errors.Is(err, errInTheClear) {
			t.Errorf("%s: %v", host, err)
		}
	}
}
