package judges

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A wire is the network between a node and a server that it needs: it can be
// cut in the ways in which networks are.
type wire struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	way   wireWay
	turn  chan struct{} // closed when way changes
	delay time.Duration
	open  map[net.Conn]struct{}
}

type wireWay int

const (
	wirePasses wireWay = iota
	// wireSwallows: nothing comes through, and nobody is told. What was sent comes
	// through when the wire is mended, as packets that are sent again do.
	wireSwallows
	// wireResets: every connection is refused and broken.
	wireResets
)

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to, turn: make(chan struct{}), open: map[net.Conn]struct{}{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() {
		l.Close()
		w.becomes(wireResets)
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

// becomes changes how the wire is.
func (w *wire) becomes(way wireWay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.way = way
	close(w.turn)
	w.turn = make(chan struct{})
	if way == wireResets {
		for c := range w.open {
			reset(c)
		}
	}
}

// leads has the wire end at another server from now on; what was open is broken.
func (w *wire) leads(to string) {
	w.mu.Lock()
	w.to = to
	w.mu.Unlock()
	w.becomes(wireResets)
	w.becomes(wirePasses)
}

// slow makes everything take longer by d, in each direction.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// passes waits until the wire passes; false when it resets.
func (w *wire) passes() bool {
	for {
		w.mu.Lock()
		way, turn := w.way, w.turn
		w.mu.Unlock()
		switch way {
		case wirePasses:
			return true
		case wireResets:
			return false
		}
		<-turn
	}
}

func (w *wire) note(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c] = struct{}{}
}

func (w *wire) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
}

// reset closes a connection as a firewall does that has forgotten it.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

func (w *wire) carry(from *net.TCPConn) {
	defer reset(from)
	w.note(from)
	defer w.forget(from)
	if !w.passes() {
		return
	}
	w.mu.Lock()
	at := w.to
	w.mu.Unlock()
	to, err := net.DialTimeout("tcp", at, 5*time.Second)
	if err != nil {
		return
	}
	defer reset(to)
	w.note(to)
	defer w.forget(to)
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			w.copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// parcel is what came at a time.
type parcel struct {
	bytes []byte
	came  time.Time
}

func (w *wire) copy(from, to net.Conn) {
	way := make(chan parcel, 1024)
	defer close(way)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for p := range way {
			w.mu.Lock()
			delay := w.delay
			w.mu.Unlock()
			time.Sleep(time.Until(p.came.Add(delay)))
			if !w.passes() {
				return
			}
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
		}
	}()
	for {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		if n > 0 {
			select {
			case way <- parcel{b[:n], time.Now()}:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}
