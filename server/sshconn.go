package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// An sshConn is a network connection of the SSH door. Until its client has proven who it is, it must hurry; after that,
// it must take what is written to it.
type sshConn struct {
	net.Conn
	source string
	stall  time.Duration // for one write
	leave  func()        // gives the place among the strangers back

	heard atomic.Int64 // Unix nanoseconds of the last byte read

	mu    sync.Mutex
	asked time.Time // deadline that the SSH library wants
	hurry time.Time // and the one before a proven identity; zero afterwards
}

// hurryUntil sets the time by which the next step must be done; zero is no hurry.
func (c *sshConn) hurryUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurry = t
	c.apply()
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
	return n, err
}

func (c *sshConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *sshConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// silence tells how long nothing was heard.
func (c *sshConn) silence() time.Duration {
	return time.Since(time.Unix(0, c.heard.Load()))
}
