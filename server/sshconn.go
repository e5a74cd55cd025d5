package server

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// An sshConn is a network connection of the SSH door. Until its client has proven who it is, it must hurry; after that,
// it must take what is written to it.
type sshConn struct {
	net.Conn
	source  string
	address string        // of the client, without port
	stall   time.Duration // for one write
	place   *stranger     // among those who have not proven who they are

	here context.Context // ends when the client is gone
	gone context.CancelFunc

	heard atomic.Int64 // Unix nanoseconds of the last byte read
	spoke atomic.Int64 // and of the last byte written

	mu    sync.Mutex
	asked time.Time // deadline that the SSH library wants
	hurry time.Time // and the one before a proven identity; zero afterwards
}

func newSSHConn(conn net.Conn, stall time.Duration) *sshConn {
	c := &sshConn{Conn: conn, source: sourceOf(conn.RemoteAddr()), address: addressOf(conn.RemoteAddr()), stall: stall}
	c.here, c.gone = context.WithCancel(context.Background())
	c.heard.Store(time.Now().UnixNano())
	return c
}

// addressOf is the network address of a client as it is, without its port.
func addressOf(addr net.Addr) string {
	if addr == nil {
		return "unknown"
	}
	if host, _, err := net.SplitHostPort(addr.String()); err == nil {
		return host
	}
	return addr.String()
}

// hurryUntil sets the time by which the next step must be done; zero is no hurry.
func (c *sshConn) hurryUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurry = t
	_ = c.apply()
}

// SetDeadline is what the SSH library asks for. It concerns reads; each write has a deadline of its own.
func (c *sshConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = t
	return c.apply()
}

func (c *sshConn) apply() error {
	t := c.asked
	if !c.hurry.IsZero() && (t.IsZero() || c.hurry.Before(t)) {
		t = c.hurry
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	if err != nil {
		c.gone()
	}
	return n, err
}

func (c *sshConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.spoke.Store(time.Now().UnixNano())
	return n, err
}

func (c *sshConn) Close() error {
	c.place.leave()
	c.gone()
	return c.Conn.Close()
}

// lastWord tells when the last byte went either way. Who waits for our answer is not silent: on a busy machine it is we
// who are slow.
func (c *sshConn) lastWord() time.Time { return time.Unix(0, max(c.heard.Load(), c.spoke.Load())) }

// silence tells how long nothing was heard.
func (c *sshConn) silence() time.Duration { return time.Since(time.Unix(0, c.heard.Load())) }
