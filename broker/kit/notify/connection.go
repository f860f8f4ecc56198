package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// maxAnswers is how much a relay may say in one session.
const maxAnswers = 1 << 20

// connection is the one that a session runs over.
type connection struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil {
		c.conn.Close()
	}
}

func (c *connection) dial(ctx context.Context, address string, mode TLSMode, config *tls.Config) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.conn = conn
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); mode == NoTLS && (!ok || !a.IP.IsLoopback()) {
		return nil, errors.New("without TLS only to this machine itself")
	}
	bounded := &boundedConn{conn, io.LimitReader(conn, maxAnswers)}
	if mode == TLS {
		return tls.Client(bounded, config), nil // shakes hands at the first read
	}
	return bounded, nil
}

// boundedConn reads no more than it may.
type boundedConn struct {
	net.Conn
	bounded io.Reader
}

func (c *boundedConn) Read(p []byte) (int, error) { return c.bounded.Read(p) }
