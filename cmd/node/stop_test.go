package node

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"sigill/broker/flow"
)

// Somebody who sends a request slowly is not waited for longer than browsers
// are, and makes no stop unclean.
func TestStopIsNotHeldUp(t *testing.T) {
	c, l := settings(t)
	n, err := New(t.Context(), Config{Settings: c, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	n.grace = 300 * time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	ready := "http://" + n.AdminAddr().String() + "/readyz"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	if status, _, _ := send(t, client, "GET", ready, ""); status != 200 {
		t.Errorf("readyz: %d", status)
	}
	slow, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // it is being read from now on
	began := time.Now()
	stop()
	time.Sleep(50 * time.Millisecond)
	// Whoever decides where to send people hears of it at once.
	if status, _, _ := send(t, client, "GET", ready, ""); status != 503 {
		t.Errorf("readyz while stopping: %d", status)
	}
	select {
	case err := <-ended:
		if took := time.Since(began); err != nil || took < n.grace {
			t.Errorf("stopped after %s: %v", took, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not stop")
	}
}

// What runs in the background has its time after browsers have had theirs, and
// more of it than a call to an issuer may take.
func TestStopLeavesTimeForCalls(t *testing.T) {
	for _, tt := range []struct {
		limits flow.Limits
		least  time.Duration
	}{{flow.Limits{}, 17 * time.Second}, {flow.Limits{Call: time.Minute}, 62 * time.Second}} {
		if got := settling(tt.limits); got < tt.least {
			t.Errorf("%v leaves %s, want %s", tt.limits, got, tt.least)
		}
	}
}
