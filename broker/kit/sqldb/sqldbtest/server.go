package sqldbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server that a test may stop, kill and start.
type Server struct {
	dir  string
	port int
	uid  int  // whom it runs as; -1: as we do
	fast bool // nothing is flushed: it only survives kill -9 of itself
	tell func(word string)
}

// Start starts a server of the test's own. Its commits survive Kill.
func Start(t testing.TB) *Server {
	t.Helper()
	if Programs() == "" {
		Lacking(t, "PostgreSQL's programs")
	}
	dir, err := os.MkdirTemp("", "sigill-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		os.RemoveAll(dir)
	})
	return s
}

func now() time.Time { return time.Now() }

// nobody runs the server where we are root, which it refuses to be.
const nobody = 65534

func start(dir string, fast bool) (*Server, error) {
	s := &Server{dir: dir, uid: -1, fast: fast}
	if os.Getuid() == 0 {
		s.uid = nobody
		if err := os.Chown(dir, s.uid, s.uid); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err != nil {
		init := s.command("initdb", "-D", data, "-U", "sigill", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
		if out, err := init.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w: %s", err, out)
		}
	}
	return s, s.run()
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(Programs(), program), args...)
	s.as(c)
	return c
}

func (s *Server) as(c *exec.Cmd) {
	c.Dir = s.dir
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.uid >= 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)}
	}
}

// guard starts the server, and kills it and removes its files when its input
// ends: when we say so, or are no more.
const guard = `"$@" >log 2>&1 & server=$!
while read -r word; do
	case $word in
	kill) kill -KILL $(cat data/postmaster.pid | head -1) 2>/dev/null; kill -KILL $server 2>/dev/null; wait $server; exit 0;;
	stop) kill -INT $server; wait $server; exit 0;;
	esac
done
kill -QUIT $server 2>/dev/null; wait $server; cd /; rm -rf "$DIR"`

func (s *Server) run() error {
	args := []string{"-c", guard, "guard", filepath.Join(Programs(), "postgres"), "-D", filepath.Join(s.dir, "data"),
		"-c", "listen_addresses=127.0.0.1", "-p", fmt.Sprint(s.port), "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "max_wal_size=256MB", "-c", "autovacuum_naptime=20s"}
	if s.fast {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	c := exec.Command("/bin/sh", args...)
	s.as(c)
	c.Env = append(c.Env, "DIR="+s.dir)
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	s.tell = func(word string) {
		io.WriteString(in, word+"\n")
		c.Wait()
	}
	return s.answers()
}

// answers waits until the server does.
func (s *Server) answers() error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := s.do(context.Background(), "SELECT 1")
		if err == nil {
			return nil
		}
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		// What is left of one that was killed goes by itself, and is in the way until then.
		inTheWay := bytes.Contains(log, []byte("lock file")) || bytes.Contains(log, []byte("shared memory block"))
		if inTheWay || time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("postgres does not answer: %s", strings.TrimSpace(string(log))))
		}
		time.Sleep(30 * time.Millisecond)
	}
}

func (s *Server) do(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.at("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, statement)
	return err
}

// Address is where it listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(s.port)) }

func (s *Server) at(database string) string {
	return fmt.Sprintf("postgres://sigill@%s/%s?sslmode=disable", s.Address(), database)
}

// Kill ends the server as kill -9 does. Again starts it.
func (s *Server) Kill() { s.end("kill") }

// Stop ends the server as an operator does who does not wait for clients.
func (s *Server) Stop() { s.end("stop") }

func (s *Server) end(word string) {
	if s.tell != nil {
		s.tell(word)
		s.tell = nil
	}
}

// Again starts a server that was killed or stopped, with what it has.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	var err error
	for range 50 {
		if err = s.run(); err == nil {
			return
		}
		s.end("stop")
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}
