package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gemba/mes"
)

// callerPatience is how long a new connection may wait for a place.
const callerPatience = 2 * time.Second

// tlsHandshake is the first byte of every TLS connection.
const tlsHandshake = 22

var errTooManyCallers = mes.Faultf(mes.Busy, "too many connections are open from your address; close some, or send more requests through one")

// callers are the connections of the API. Until a good key has come through one, its client is a stranger, and may lose
// its place to another: so connections that are slow on purpose keep nobody out who has a key.
type callers struct {
	strangers *strangers
	guests    *places     // who has shown a good key
	ended     atomic.Bool // nobody new is let in any more
}

func newCallers(l Limits) *callers {
	return &callers{
		strangers: newStrangers(l.Connections, l.ConnectionsFrom, l.Connections),
		guests:    newPlaces(l.Connections, l.ConnectionsFrom, 0),
	}
}

// dismiss closes the connections of all strangers, and of those who come late: a connection that was accepted and has not
// begun would keep a server that goes down waiting.
func (c *callers) dismiss() {
	c.ended.Store(true)
	c.strangers.mu.Lock()
	defer c.strangers.mu.Unlock()
	for one := range c.strangers.opening.in {
		one.evict()
	}
}

// count tells how many connections are open.
func (c *callers) count() int { return c.strangers.count() + c.guests.count() }

// A callerListener makes callers of connections.
type callerListener struct {
	net.Listener
	callers *callers
}

func (l callerListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &caller{Conn: conn, of: l.callers, source: sourceOf(conn.RemoteAddr())}
	c.heard.Store(time.Now().UnixNano())
	return c, nil
}

// A caller is one connection.
type caller struct {
	net.Conn
	of     *callers
	source string
	heard  atomic.Int64 // Unix nanoseconds of the last byte read
	begin  sync.Once
	spoke  bool // a byte was read; by one goroutine at a time, as net.Conn is read

	mu     sync.Mutex
	place  *stranger // among the strangers
	leave  func()    // gives the place among the guests back; nil before there is one
	closed bool
}

// Read waits for a place first, and then reads from TLS clients only: to others there is nothing to say.
func (c *caller) Read(p []byte) (int, error) {
	c.begin.Do(c.enter)
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
		if !c.spoke && p[0] != tlsHandshake {
			_ = c.Close()
			return 0, io.EOF
		}
		c.spoke = true
	}
	return n, err
}

// enter takes a place among the strangers. Without one the connection ends here.
func (c *caller) enter() {
	heard := func() time.Time { return time.Unix(0, c.heard.Load()) }
	evict := func() { _ = c.Conn.Close() }
	place, ok := c.of.strangers.enter(c.source, heard, evict, callerPatience)
	c.mu.Lock()
	c.place = place
	closed := c.closed
	c.mu.Unlock()
	switch {
	case !ok:
		_ = c.Conn.Close()
	case closed:
		place.leave()
	case c.of.ended.Load():
		evict()
	}
}

// known makes a guest of the stranger, who has shown a good key. Not ok is: too many guests.
func (c *caller) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leave != nil || c.closed {
		return true
	}
	leave, ok := c.of.guests.take(c.source, 0)
	if !ok {
		return false
	}
	c.leave = leave
	c.place.leave()
	return true
}

func (c *caller) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if c.place != nil {
			c.place.leave()
		}
		if c.leave != nil {
			c.leave()
		}
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// connectionKey is where the connection is in the context of a request.
type connectionKey struct{}

func withCaller(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

func callerOf(r *http.Request) *caller { return r.Context().Value(connectionKey{}).(*caller) }
