package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigill/broker"
	"sigill/broker/store/redistest"
)

// wrong is a server that answers every command but those of the handshake with
// the same bytes; nil closes the connection.
type wrong struct {
	addr string

	mu     sync.Mutex
	answer func(command []string) []byte
	asked  []string
}

func startWrong(t *testing.T) *wrong {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	w := &wrong{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	return w
}

func (w *wrong) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		if strings.EqualFold(command[0], "hello") {
			io.WriteString(conn, noHello)
			continue
		}
		w.mu.Lock()
		w.asked = append(w.asked, command[0])
		answer := w.answer
		w.mu.Unlock()
		b := answer(command)
		if b == nil {
			return
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
}

// noHello makes a client go on without.
const noHello = "-ERR unknown command\r\n"

// says makes the server give one answer, and forgets what it was asked.
func (w *wrong) says(answer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = nil
	w.answer = func([]string) []byte {
		if answer == "" {
			return nil
		}
		return []byte(answer)
	}
}

func (w *wrong) times(command string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.asked {
		if strings.EqualFold(c, command) {
			n++
		}
	}
	return n
}

func readCommand(in *bufio.Reader) ([]string, error) {
	size := func(mark byte) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil || line[0] != mark {
			return 0, errors.Join(err, errors.New("not a command"))
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := size('*')
	if err != nil || n < 1 || n > 100 {
		return nil, errors.Join(err, errors.New("no command"))
	}
	command := make([]string, n)
	for i := range command {
		length, err := size('$')
		if err != nil || length > 2<<20 {
			return nil, errors.Join(err, errors.New("no word"))
		}
		b := make([]byte, length+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		command[i] = string(b[:length])
	}
	return command, nil
}

// acts are the four, each as a function that gives its error alone.
func acts(r *Redis) map[string]func() error {
	later := time.Now().Add(time.Minute)
	return map[string]func() error{
		"put":  func() error { return r.Put(ctx, "code", "the-secret-key", []byte("the-secret-value"), later) },
		"get":  func() error { _, _, err := r.Get(ctx, "code", "the-secret-key"); return err },
		"take": func() error { _, err := r.Take(ctx, "code", "the-secret-key"); return err },
		"swap": func() error { return r.Swap(ctx, "code", "the-secret-key", 0, []byte("the-secret-value"), later) },
	}
}

// Whatever a server answers, nothing is honoured, and no error is mistaken for
// one of the contract or tells a secret.
func TestRedisAnswersWithErrors(t *testing.T) {
	w := startWrong(t)
	w.says("+PONG\r\n")
	r := openRedis(t, RedisConfig{Addresses: []string{w.addr}})
	r.patience = 50 * time.Millisecond
	for _, tt := range []struct {
		answer, told string
		waits        bool
	}{
		{"-READONLY You can't write against a read only replica.\r\n", "READONLY", true},
		{"-LOADING Redis is loading the dataset in memory\r\n", "LOADING", true},
		{"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "MASTERDOWN", true},
		{"-CLUSTERDOWN Hash slot not served\r\n", "CLUSTERDOWN", true},
		{"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n", "MISCONF", false},
		{"-NOAUTH Authentication required.\r\n", "NOAUTH", false},
		{"-NOPERM this user has no permissions to access the 'the-secret-key' key\r\n", "NOPERM", false},
		{"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM", false},
		{"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "WRONGTYPE", false},
		{"-MOVED 1 127.0.0.1:1\r\n", "MOVED", false},
		{"-ERR unknown command 'getdel', with args beginning with: 'the-secret-key'\r\n", "ERR", false},
		{"-the-secret-value\r\n", "ERR", false},
		{"?the-secret-value\r\n", "cannot be read", false},
		{"$-5\r\nthe-secret-value\r\n", "", false},
		{"*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n", "cannot be read", false},
		{"$16\r\nthe-secret-value\r\n", "", false},
		{"+the-secret-value\r\n", "", false},
		{":7\r\n", "", false},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "cannot be read", false},
		{"", "closed", false},
	} {
		for name, act := range acts(r) {
			t.Run(fmt.Sprintf("%.10q/%s", tt.answer, name), func(t *testing.T) {
				w.says(tt.answer)
				err := act()
				if err == nil || errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrConflict) {
					t.Fatalf("%v", err)
				}
				if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), tt.told) || !strings.Contains(err.Error(), "short store: "+name+" code") {
					t.Errorf("%v", err)
				}
				command := map[string]string{"put": "set", "get": "get", "take": "getdel", "swap": "eval"}[name]
				if n := w.times(command); tt.waits && n < 2 || !tt.waits && tt.answer != "" && n > 3 || (name == "take" || name == "put") && !tt.waits && n != 1 {
					t.Errorf("%s was sent %d times", command, n)
				}
			})
		}
	}
}

// lossy stands before a server and loses the answers to some commands, which the
// server has carried out.
func lossy(t *testing.T, server string) (addr string, lose func(command string, times int, and func())) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	var losing string
	var left int
	var then func()
	lost := func(command string) (bool, func()) {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 || !strings.EqualFold(command, losing) {
			return false, nil
		}
		left--
		return true, then
	}
	serve := func(conn net.Conn) {
		defer conn.Close()
		to, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer to.Close()
		in, out := bufio.NewReader(conn), bufio.NewReader(to)
		for {
			command, err := readCommand(in)
			if err != nil {
				return
			}
			if strings.EqualFold(command[0], "hello") {
				io.WriteString(conn, noHello)
				continue
			}
			fmt.Fprintf(to, "*%d\r\n", len(command))
			for _, word := range command {
				fmt.Fprintf(to, "$%d\r\n%s\r\n", len(word), word)
			}
			answer, err := out.ReadString('\n')
			if err != nil {
				return
			}
			if n, err := strconv.Atoi(strings.TrimSpace(answer[1:])); answer[0] == '$' && err == nil && n >= 0 {
				b := make([]byte, n+2)
				if _, err := io.ReadFull(out, b); err != nil {
					return
				}
				answer += string(b)
			}
			if gone, and := lost(command[0]); gone {
				if and != nil {
					and()
				}
				return
			}
			io.WriteString(conn, answer)
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String(), func(command string, times int, and func()) {
		mu.Lock()
		defer mu.Unlock()
		losing, left, then = command, times, and
	}
}

// What a lost answer leaves behind is told as it is.
func TestRedisLosesAnswers(t *testing.T) {
	server := redistest.Start(t)
	addr, lose := lossy(t, server.Addr)
	r, direct := openRedis(t, RedisConfig{Addresses: []string{addr}}), openRedis(t, RedisConfig{Addresses: []string{server.Addr}})
	later := time.Now().Add(time.Minute)
	value := func(key string) string {
		t.Helper()
		v, _, err := direct.Get(ctx, "k", key)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			t.Fatal(err)
		}
		return string(v)
	}
	uncertain := func(err error) {
		t.Helper()
		if err == nil || errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrConflict) {
			t.Errorf("a lost answer gives %v", err)
		}
	}

	t.Run("a Take is not sent again", func(t *testing.T) {
		check(t, direct.Put(ctx, "k", "take", []byte("one"), later))
		lose("getdel", 1, nil)
		_, err := r.Take(ctx, "k", "take")
		uncertain(err)
		if _, err := r.Take(ctx, "k", "take"); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("taken for nobody, and then by somebody: %v", err)
		}
	})
	t.Run("a Take does not take what is put back", func(t *testing.T) {
		check(t, direct.Put(ctx, "k", "back", []byte("one"), later))
		lose("getdel", 1, func() { check(t, direct.Put(ctx, "k", "back", []byte("two"), later)) })
		_, err := r.Take(ctx, "k", "back")
		uncertain(err)
		if got := value("back"); got != "two" {
			t.Errorf("%q is left", got)
		}
	})
	t.Run("a Put is not sent again over what came after it", func(t *testing.T) {
		lose("set", 1, func() { check(t, direct.Put(ctx, "k", "put", []byte("two"), later)) })
		uncertain(r.Put(ctx, "k", "put", []byte("one"), later))
		if got := value("put"); got != "two" {
			t.Errorf("%q is there", got)
		}
	})
	t.Run("a Swap knows its own", func(t *testing.T) {
		lose("eval", 1, nil)
		check(t, r.Swap(ctx, "k", "swap", 0, []byte("one"), later))
		_, version, err := r.Get(ctx, "k", "swap")
		check(t, err)
		lose("eval", 2, nil)
		check(t, r.Swap(ctx, "k", "swap", version, []byte("two"), later))
		if got := value("swap"); got != "two" {
			t.Errorf("%q is there", got)
		}
		lose("eval", 9, nil)
		uncertain(r.Swap(ctx, "k", "never", 0, []byte("one"), later))
		lose("", 0, nil)
	})
	t.Run("a Swap that another has followed", func(t *testing.T) {
		lose("eval", 1, func() {
			_, err := direct.Take(ctx, "k", "followed")
			check(t, err)
			check(t, direct.Swap(ctx, "k", "followed", 0, []byte("two"), later))
		})
		uncertain(r.Swap(ctx, "k", "followed", 0, []byte("one"), later))
		if got := value("followed"); got != "two" {
			t.Errorf("%q is there", got)
		}
	})
	t.Run("a Swap that lost is a conflict", func(t *testing.T) {
		check(t, direct.Put(ctx, "k", "lost", []byte("one"), later))
		if err := r.Swap(ctx, "k", "lost", 0, []byte("two"), later); !errors.Is(err, broker.ErrConflict) {
			t.Error(err)
		}
	})
	t.Run("a Get is sent again", func(t *testing.T) {
		check(t, direct.Put(ctx, "k", "get", []byte("one"), later))
		lose("get", 2, nil)
		got, _, err := r.Get(ctx, "k", "get")
		check(t, err)
		if string(got) != "one" {
			t.Errorf("got %q", got)
		}
	})
}

// A server that restarts is waited for a little, and all is there again.
func TestRedisRestarts(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, RedisConfig{Addresses: []string{server.Addr}})
	later := time.Now().Add(time.Hour)
	check(t, r.Put(ctx, "k", "a", []byte("one"), later))
	server.Kill()
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() {
			if err := r.Swap(ctx, "k", fmt.Sprint("made ", i), 0, []byte("x"), later); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	server.Start()
	waiting.Wait()
	if got, err := r.Take(ctx, "k", "a"); err != nil || string(got) != "one" {
		t.Errorf("after the restart %q, %v", got, err)
	}
	server.Kill()
	start := time.Now()
	if _, _, err := r.Get(ctx, "k", "made 0"); err == nil || errors.Is(err, broker.ErrNotFound) {
		t.Errorf("without a server: %v", err)
	}
	if took := time.Since(start); took > patience+time.Second {
		t.Errorf("a call without a server took %v", took)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	start = time.Now()
	if err := r.Put(short, "k", "b", nil, later); err == nil {
		t.Error("put without a server")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("a call with little time took %v", took)
	}
	server.Start()
	check(t, r.Put(ctx, "k", "b", nil, later))
}

// A server that hangs holds nobody for long, and its answer that comes late is
// nobody's.
func TestRedisHangs(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, RedisConfig{Addresses: []string{server.Addr}})
	later := time.Now().Add(time.Hour)
	for i := range 8 {
		check(t, r.Put(ctx, "k", fmt.Sprint(i), fmt.Append(nil, i), later))
	}
	server.Pause()
	var waiting sync.WaitGroup
	start := time.Now()
	for i := range 8 {
		waiting.Go(func() {
			if v, err := r.Take(ctx, "k", fmt.Sprint(i)); err == nil || errors.Is(err, broker.ErrNotFound) {
				t.Errorf("%q of a server that hangs, %v", v, err)
			}
		})
	}
	waiting.Wait()
	if took := time.Since(start); took > patience+2*answering {
		t.Errorf("took %v", took)
	}
	server.Continue()
	for i := range 8 {
		// Carried out or not, and never another's value.
		v, err := r.Take(ctx, "k", fmt.Sprint(i))
		if err != nil && !errors.Is(err, broker.ErrNotFound) || err == nil && string(v) != fmt.Sprint(i) {
			t.Errorf("%d: %q, %v", i, v, err)
		}
	}
}
