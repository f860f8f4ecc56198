package judges

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sigill/broker/kit/sqldb/sqldbtest"
	"sigill/broker/store/redistest"
)

// A backing is where an installation keeps its rows, with the servers that are
// needed for that. Their CPU counts as the installation's.
type backing struct {
	name     string
	postgres string // connection string; empty: SQLite
	redis    string // address; empty: what expires by itself lies in the database
	pids     []int  // of the servers; of PostgreSQL the first process
}

// backings are the four ways, each with servers of its own. PostgreSQL flushes
// what it commits, as an installation's would.
func sqliteBacking() backing { return backing{name: "SQLite"} }

func (k backing) withPostgres(b *testing.B) backing {
	b.Helper()
	k.postgres = sqldbtest.Start(b).DSN(b)
	k.name = "PostgreSQL"
	c, err := pgx.Connect(b.Context(), k.postgres)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(b.Context())
	var one int
	if err := c.QueryRow(b.Context(), `SELECT pg_backend_pid()`).Scan(&one); err != nil {
		b.Fatal(err)
	}
	p, err := readProcess(one)
	if err != nil {
		b.Fatal(err)
	}
	k.pids = append(k.pids, p.parent)
	return k
}

func (k backing) withRedis(b *testing.B) backing {
	b.Helper()
	s := redistest.Start(b)
	k.redis, k.name = s.Addr, k.name+" + Redis"
	c := s.Client()
	defer c.Close()
	text, err := c.Info(b.Context(), "server").Result()
	if err != nil {
		b.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "process_id:")
	text, _, _ = strings.Cut(text, "\r")
	pid, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	k.pids = append(k.pids, pid)
	return k
}

// fragment is the part of a configuration that says so. The secret lies in dir.
func (k backing) fragment(t testing.TB, dir string) string {
	t.Helper()
	if k.postgres == "" && k.redis == "" {
		return ""
	}
	text := "store:\n"
	if k.postgres != "" {
		file := filepath.Join(dir, "dsn")
		if err := os.WriteFile(file, []byte(k.postgres), 0o600); err != nil {
			t.Fatal(err)
		}
		text += "  postgres: {dsn_file: " + file + "}\n"
	}
	if k.redis != "" {
		text += fmt.Sprintf("  redis: {addresses: [%q]}\n", k.redis)
	}
	return text
}

// cpu is what the servers have used, their children included.
func (k backing) cpu(t testing.TB) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range k.pids {
		used, err := familyCPU(pid)
		if err != nil {
			t.Fatal(err)
		}
		sum += used
	}
	return sum
}

// proc is what the kernel says of a process.
type proc struct {
	parent      int
	own, waited time.Duration // CPU of it, and of its children that have ended
}

func readProcess(pid int) (proc, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, err
	}
	// The second field is the name, in parentheses, and may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n }
	ticks := func(n int) time.Duration { return time.Duration(n) * 10 * time.Millisecond } // USER_HZ is 100 on Linux
	return proc{number(1), ticks(number(11) + number(12)), ticks(number(13) + number(14))}, nil
}

// familyCPU is what a process and its children have used.
func familyCPU(pid int) (time.Duration, error) {
	head, err := readProcess(pid)
	if err != nil {
		return 0, err
	}
	sum := head.own + head.waited
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		child, _ := strconv.Atoi(filepath.Base(dir))
		if p, err := readProcess(child); err == nil && p.parent == pid {
			sum += p.own
		}
	}
	return sum, nil
}

// A tap counts what a program says to PostgreSQL.
type tap struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	texts    map[string]int // how often each statement ran
	turns    atomic.Int64   // times that an answer was waited for
}

// tapped puts a tap before a PostgreSQL server.
func (k backing) tapped(t testing.TB) (backing, *tap) {
	t.Helper()
	u, err := url.Parse(k.postgres)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &tap{listener: l, to: u.Host, texts: map[string]int{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go x.carry(c)
		}
	}()
	u.Host = l.Addr().String()
	k.postgres = u.String()
	return k, x
}

func (x *tap) carry(c net.Conn) {
	defer c.Close()
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", x.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(c, server)
		c.Close()
	}()
	prepared, bound := map[string]string{}, ""
	head := make([]byte, 5)
	for first := true; ; first = false {
		at := head
		if first { // the startup message has no type
			at = head[1:]
		}
		if _, err := io.ReadFull(c, at); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		if !first {
			text := func(b []byte) (string, []byte) {
				s, rest, _ := strings.Cut(string(b), "\x00")
				return s, []byte(rest)
			}
			switch head[0] {
			case 'P':
				name, rest := text(body)
				prepared[name], _ = text(rest)
			case 'B':
				_, rest := text(body)
				name, _ := text(rest)
				bound = prepared[name]
			case 'E':
				x.note(bound)
			case 'Q':
				query, _ := text(body)
				x.note(query)
				x.turns.Add(1)
			case 'S':
				x.turns.Add(1)
			}
		}
		if _, err := server.Write(append(append([]byte{}, at...), body...)); err != nil {
			return
		}
	}
}

func (x *tap) note(statement string) {
	statement = strings.Join(strings.Fields(statement), " ")
	if len(statement) > 70 {
		statement = statement[:70]
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.texts[statement]++
}

// said gives what was said since the last time, and forgets it.
func (x *tap) said() (statements map[string]int, turns int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	statements, x.texts = x.texts, map[string]int{}
	return statements, int(x.turns.Swap(0))
}
