package node

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigill/broker/flow"
)

// systemd hears that we are ready, that we live, and that we stop.
func TestSupervisor(t *testing.T) {
	dir, err := os.MkdirTemp("", "sd") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{filepath.Join(dir, "s"), "@" + filepath.Base(dir)} {
		heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer heard.Close()
		hear := func() string {
			b := make([]byte, 100)
			if err := heard.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := heard.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[:n])
		}
		env := map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}
		s := newSupervisor(func(key string) string { return env[key] }, slog.New(slog.DiscardHandler))
		s.tell("READY=1")
		if got := hear(); got != "READY=1" {
			t.Errorf("heard %q", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.watch(ctx) }()
		if got := hear(); got != "WATCHDOG=1" {
			t.Errorf("heard %q", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Where there is no systemd, or it does not listen, nothing comes of it.
func TestSupervisorAbsent(t *testing.T) {
	var log bytes.Buffer
	for _, env := range []map[string]string{
		{}, {"WATCHDOG_USEC": "1000"}, {"NOTIFY_SOCKET": "/nowhere/at/all"},
		{"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "x"},
	} {
		log.Reset()
		s := newSupervisor(func(key string) string { return env[key] }, slog.New(slog.NewTextHandler(&log, nil)))
		s.tell("READY=1")
		if err := s.watch(t.Context()); err != nil { // it returns at once
			t.Error(err)
		}
		if told := log.Len() > 0; told != (env["NOTIFY_SOCKET"] != "") {
			t.Errorf("%v: logged %q", env, log.String())
		}
	}
}

// The units are what systemd takes, but for the program, which is not there.
func TestUnits(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for _, name := range []string{"sigill.service", "sigill-backup.service", "sigill-backup.timer"} {
		text, err := os.ReadFile(deployed(name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/sigill"), []byte("/bin/true"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program, "verify", "--man=no", filepath.Join(dir, name)).CombinedOutput()
		if err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Stopping takes less time than the unit gives, with the longest drain that its
// comment speaks of.
func TestUnitLeavesTime(t *testing.T) {
	text, err := os.ReadFile(deployed("sigill.service"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nTimeoutStopSec=")
	line, _, _ := strings.Cut(rest, "\n")
	seconds, err := strconv.Atoi(line)
	if need := 15*time.Second + grace + settling(flow.Limits{}); err != nil || time.Duration(seconds)*time.Second < need {
		t.Errorf("TimeoutStopSec=%q, and stopping may take %s", line, need)
	}
}
