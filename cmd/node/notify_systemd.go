package node

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// supervisor is systemd, where it started us and wants to be told how we are
// (sd_notify(3), Type=notify): one datagram each time. The zero value is nobody.
type supervisor struct {
	socket string        // its address; with @ first: in the abstract namespace
	every  time.Duration // how often it wants a sign of life; 0: never
	log    *slog.Logger
}

func newSupervisor(env func(string) string, log *slog.Logger) supervisor {
	s := supervisor{socket: env("NOTIFY_SOCKET"), log: log}
	if of := env("WATCHDOG_PID"); of == "" || of == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
			s.every = time.Duration(us) * time.Microsecond / 2
		}
	}
	return s
}

// tell sends a state. Nobody waits for it, and a fault harms nothing here.
func (s supervisor) tell(state string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		s.log.Warn("the supervisor was not told", "state", state, "error", err)
	}
}

// watch gives signs of life until ctx ends.
func (s supervisor) watch(ctx context.Context) error {
	if s.socket == "" || s.every <= 0 {
		return nil
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.tell("WATCHDOG=1")
		}
	}
}
