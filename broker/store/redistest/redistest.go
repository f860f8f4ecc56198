// Package redistest gives tests a real Redis server, sentinels or a cluster.
//
// It owns starting, killing and bringing back of processes on loopback, in
// temporary folders. It knows nothing of what is stored there. Only tests import
// it.
package redistest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is one redis-server process, and what it left behind.
type Server struct {
	Addr string
	Dir  string

	t    testing.TB
	args []string
	run  *process
}

// Start starts a server with an append-only file. What is given in settings
// replaces that or comes on top, as on the command line: "--requirepass", "x".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	program(t, "redis-server")
	s := &Server{Addr: freeAddress(t), Dir: t.TempDir(), t: t, args: settings}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// program skips a test without its program, except where everything must be
// there.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Start brings a server back that was killed or stopped, with what lies in its
// folder, at the same address.
func (s *Server) Start() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{
		"--bind", host, "--port", port, "--dir", s.Dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
	}, s.args...)
	s.run = start(s.t, filepath.Join(s.Dir, "log"), "redis-server", args...)
	s.await()
}

// await waits until the server answers, with whatever.
func (s *Server) await() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			conn.SetDeadline(time.Now().Add(time.Second))
			fmt.Fprint(conn, "PING\r\n")
			var b [64]byte
			n, _ := conn.Read(b[:])
			conn.Close()
			if n > 0 && !strings.HasPrefix(string(b[:n]), "-LOADING") {
				return
			}
		}
		if time.Now().After(end) || s.run.over() {
			log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
			s.t.Fatalf("redis-server does not start: %s", log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Kill ends the server as a lost power line would end the process: at once.
func (s *Server) Kill() {
	if s.run != nil {
		s.run.kill()
	}
}

// Stop ends the server in good order.
func (s *Server) Stop() {
	s.t.Helper()
	c := s.Client()
	defer c.Close()
	_ = c.Shutdown(context.Background()).Err() // answers by closing the connection
	select {
	case <-s.run.done:
	case <-time.After(10 * time.Second):
		s.t.Fatal("redis-server does not stop")
	}
}

// Pause lets the server hang: connections stay open and nothing is answered,
// until Continue.
func (s *Server) Pause() { s.run.signal("STOP") }

// Continue ends a Pause.
func (s *Server) Continue() { s.run.signal("CONT") }

// Snapshot remembers the data as it is now; calling the result brings the
// server back with it, as a replica takes over that had not heard of more.
func (s *Server) Snapshot() (restore func()) {
	s.t.Helper()
	kept := s.t.TempDir()
	s.copyData(s.Dir, kept)
	return func() {
		s.t.Helper()
		s.Kill()
		if err := os.RemoveAll(filepath.Join(s.Dir, "appendonlydir")); err != nil {
			s.t.Fatal(err)
		}
		s.copyData(kept, s.Dir)
		s.Start()
	}
}

// Empty brings the server back without any data.
func (s *Server) Empty() {
	s.t.Helper()
	s.Kill()
	if err := os.RemoveAll(filepath.Join(s.Dir, "appendonlydir")); err != nil {
		s.t.Fatal(err)
	}
	s.Start()
}

func (s *Server) copyData(from, to string) {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(to, "appendonlydir"), os.DirFS(filepath.Join(from, "appendonlydir"))); err != nil {
		s.t.Fatal(err)
	}
}

// Client is for the test's own eyes.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2, Password: s.setting("--requirepass")})
}

// setting is what the server was started with.
func (s *Server) setting(name string) string {
	if i := slices.Index(s.args, name); i >= 0 && i+1 < len(s.args) {
		return s.args[i+1]
	}
	return ""
}

func hasLine(text, line string) bool {
	return slices.Contains(strings.Split(strings.ReplaceAll(text, "\r", ""), "\n"), line)
}

// process is a program that cannot outlive the test: a shell waits on a pipe
// that closes with the test's process, however that ends, and kills it then.
type process struct {
	pipe io.Closer
	pid  int
	done chan struct{}
}

const guard = `"$@" >>"$GUARD_LOG" 2>&1 </dev/null 3<&- & child=$!
echo $child >"$GUARD_LOG.pid"
( read -r _ <&3; kill -9 $child ) 2>/dev/null &
watch=$!
exec 3<&-
wait $child
kill -9 $watch 2>/dev/null`

func start(t testing.TB, log, name string, args ...string) *process {
	t.Helper()
	path := program(t, name)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(log + ".pid")
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", path}, args...)...)
	cmd.Env = append(os.Environ(), "GUARD_LOG="+log)
	cmd.ExtraFiles = []*os.File{out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	p := &process{pipe: in, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		in.Close()
		close(p.done)
	}()
	for end := time.Now().Add(10 * time.Second); p.pid == 0; time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(log + ".pid")
		if strings.HasSuffix(string(b), "\n") {
			p.pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		if time.Now().After(end) {
			in.Close()
			t.Fatalf("%s does not start", name)
		}
	}
	return p
}

func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill closes the pipe, and waits until the program has gone.
func (p *process) kill() {
	p.pipe.Close()
	<-p.done
}

func (p *process) signal(name string) {
	if !p.over() {
		_ = exec.Command("kill", "-"+name, strconv.Itoa(p.pid)).Run()
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
