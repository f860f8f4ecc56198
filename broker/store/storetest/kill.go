package storetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/sqldb"
	"sigill/broker/kit/sqldb/sqldbtest"
)

// killFolder and killDSN tell a copy of the test binary that it is the one to be
// killed, and where it writes.
const (
	killFolder = "SIGILL_KILL_FOLDER"
	killDSN    = "SIGILL_KILL_DSN"
)

// Kill runs write in a process of its own, kills that with SIGKILL in the middle
// of its work, and hands everything that it had acknowledged to verify: once over
// each engine. It must be called at the top level of a test, with nothing before
// it.
//
// write goes on for ever, from many goroutines if it likes, and calls acked with
// one line for each write that the store has acknowledged. The place has a folder
// also where the databases are not in it.
func Kill(t *testing.T, write func(p sqldb.Place, acked func(line string)) error, verify func(t *testing.T, p sqldb.Place, acked []string)) {
	if dir := os.Getenv(killFolder); dir != "" {
		out := make(chan string)
		go func() {
			for line := range out {
				// One write for each line: a pipe takes it whole or not at all.
				os.Stdout.WriteString("acked " + line + "\n")
			}
		}()
		err := write(sqldb.Place{Dir: dir, DSN: os.Getenv(killDSN)}, func(line string) { out <- line })
		fmt.Fprintln(os.Stderr, "the writer stopped:", err)
		os.Exit(3)
	}
	test := t.Name()
	sqldbtest.Engines(t, func(t *testing.T, p sqldb.Place) {
		p.Dir = t.TempDir()
		kill(t, test, p, verify)
	})
}

func kill(t *testing.T, test string, p sqldb.Place, verify func(t *testing.T, p sqldb.Place, acked []string)) {
	times := 3
	if rounds() > 100 {
		times = 50
	}
	var all []string
	for n := range times {
		cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(test, "/", "$/^")+"$")
		cmd.Env = append(os.Environ(), killFolder+"="+p.Dir, killDSN+"="+p.DSN)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		pipe, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		lines := bufio.NewScanner(pipe)
		// Work has begun when the first line is here.
		if lines.Scan() {
			all = append(all, strings.TrimPrefix(lines.Text(), "acked "))
		}
		end := time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
		for lines.Scan() {
			if line, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				all = append(all, line)
			}
		}
		end.Stop()
		io.Copy(io.Discard, pipe)
		cmd.Wait()
		if cmd.ProcessState.Exited() {
			t.Fatalf("the writer was not killed but ended: %s\n%s", cmd.ProcessState, stderr.Bytes())
		}
		if len(all) <= n {
			t.Fatalf("the writer acknowledged nothing: %s", stderr.Bytes())
		}
		sqldbtest.Quiet(t, p) // a server may still be committing what it was told to
		verify(t, p, all)
	}
	t.Logf("%d kills, %d acknowledged writes", times, len(all))
}
