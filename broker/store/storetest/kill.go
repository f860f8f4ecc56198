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
)

// killFolder tells a copy of the test binary that it is the one to be killed.
const killFolder = "SIGILL_KILL_FOLDER"

// Kill runs write in a process of its own, kills that with SIGKILL in the middle
// of its work, and hands everything that it had acknowledged to verify. It must
// be called at the top level of a test, with nothing before it.
//
// write goes on for ever, from many goroutines if it likes, and calls acked with
// one line for each write that the store has acknowledged. Files lie in dir.
func Kill(t *testing.T, write func(dir string, acked func(line string)) error, verify func(t *testing.T, dir string, acked []string)) {
	if dir := os.Getenv(killFolder); dir != "" {
		out := make(chan string)
		go func() {
			for line := range out {
				// One write for each line: a pipe takes it whole or not at all.
				os.Stdout.WriteString("acked " + line + "\n")
			}
		}()
		err := write(dir, func(line string) { out <- line })
		fmt.Fprintln(os.Stderr, "the writer stopped:", err)
		os.Exit(3)
	}
	times := 3
	if rounds() > 100 {
		times = 50
	}
	dir := t.TempDir()
	var all []string
	for n := range times {
		cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
		cmd.Env = append(os.Environ(), killFolder+"="+dir)
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
		kill := time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
		for lines.Scan() {
			if line, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				all = append(all, line)
			}
		}
		kill.Stop()
		io.Copy(io.Discard, pipe)
		cmd.Wait()
		if cmd.ProcessState.Exited() {
			t.Fatalf("the writer was not killed but ended: %s\n%s", cmd.ProcessState, stderr.Bytes())
		}
		if len(all) <= n {
			t.Fatalf("the writer acknowledged nothing: %s", stderr.Bytes())
		}
		verify(t, dir, all)
	}
	t.Logf("%d kills, %d acknowledged writes", times, len(all))
}
