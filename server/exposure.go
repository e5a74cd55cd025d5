package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gemba/mes"
)

// privateNetworks are let in unless the site names its own: this machine, and what is routed on no public network.
var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fc00::/7"),
}

// CheckAddress refuses an address to listen where strangers are, everywhere at once or on a public address, unless this
// very address is among those acknowledged.
func CheckAddress(address string, acknowledged ...string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address; write host:port, like 127.0.0.1:2222", address)
	}
	if host == "localhost" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%q is not an IP address; write the address of the network card that faces the plant, like 192.168.1.10:2222", host)
	}
	switch ip = ip.Unmap().WithZone(""); {
	case ip.IsLoopback(), ip.IsPrivate(), ip.IsLinkLocalUnicast(), slices.Contains(acknowledged, address):
		return nil
	case ip.IsUnspecified():
		return fmt.Errorf("%s would listen on every network; write the address of the network card that faces the plant, like 192.168.1.10:2222", address)
	}
	return fmt.Errorf("%s is a public address; gemba listens on loopback and private addresses only", address)
}

// A porter stands before both doors and closes connections from where nobody should come before they get a single byte.
// It counts every one, and has some of them written down: one a minute from a source, and a few a minute of all.
type porter struct {
	allow []netip.Prefix
	app   *mes.App
	log   *slog.Logger
	each  *buckets
	all   *buckets
	count atomic.Int64

	notes chan note
	stop  func() // ends the writing; what is not written by then is in the count only
}

// A note is a connection that will be written down.
type note struct {
	door, source string
	count        int64
}

// How much is written down of connections that were turned away.
const (
	notesOfSource = 1.0 / 60 // a second
	notesOfAll    = 1.0 / 2  // a second
	notesAtOnce   = 60
)

func newPorter(o Options) *porter {
	p := &porter{
		allow: o.Allow, app: o.App, log: o.Log, each: newBuckets(notesOfSource, 1, o.Now), all: newBuckets(notesOfAll, notesAtOnce, o.Now),
		notes: make(chan note, notesAtOnce),
	}
	if len(p.allow) == 0 {
		p.allow = privateNetworks
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() { p.write(done) })
	p.stop = sync.OnceFunc(func() { close(done); ended.Wait() })
	return p
}

// lets tells whether a client may come in from its address.
func (p *porter) lets(remote net.Addr) bool {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return false
	}
	ip := at.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.allow, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// turnAway closes a connection without a word: it is reset, as if nobody listened.
func (p *porter) turnAway(door string, conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	source, count := sourceOf(conn.RemoteAddr()), p.count.Add(1)
	if ok, _ := p.each.take(source); !ok {
		return
	}
	if ok, _ := p.all.take(""); !ok {
		return
	}
	select {
	case p.notes <- note{door, source, count}:
	default: // the ledger is slow; the next one tells the count
	}
}

// write writes down what was turned away, one after the other: nobody who connects waits for it.
func (p *porter) write(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case n := <-p.notes:
			p.log.Warn("a connection from a network that is not let in was closed", "door", n.door, "source", n.source, "count", n.count)
			ctx, cancel := context.WithTimeout(context.Background(), recordTime)
			door := mes.Actor{Kind: mes.BySystem, ID: "door", Name: n.door + " door", Source: n.source, Grants: []mes.Grant{{Role: mes.Kiosk}}}
			fault := mes.Faultf(mes.Denied, "connection from a network that is not let in (%d turned away since the doors opened)", n.count)
			if err := p.app.Refuse(ctx, door, "door.connect", "door/"+n.door, fault); err != nil && mes.ErrorCode(err) != mes.Denied {
				p.log.Error("a refused connection was not recorded", "door", n.door, "source", n.source, "error", err)
			}
			cancel()
		}
	}
}

// A watchedListener lets the porter look at every connection first.
type watchedListener struct {
	net.Listener
	porter *porter
	door   string
}

func (l watchedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.porter.lets(conn.RemoteAddr()) {
			return conn, nil
		}
		l.porter.turnAway(l.door, conn)
	}
}

// publicAgain is how often the ledger is told of a door that listens where strangers are.
const publicAgain = 24 * time.Hour

// publicDoors gives the doors that listen where strangers are, by name.
func (o Options) publicDoors() map[string]string {
	public := map[string]string{}
	for name, address := range map[string]string{"SSH": o.SSHAddr, "API": o.APIAddr} {
		if CheckAddress(address) != nil {
			public[name] = address
		}
	}
	return public
}

// sayPublic has the ledger say which doors listen where strangers are. It fails when one of them is not recorded.
func (o Options) sayPublic(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	for name, address := range o.publicDoors() {
		o.Log.Warn("a door listens where strangers are, as the configuration acknowledges", "door", name, "address", address)
		door := mes.Actor{Kind: mes.BySystem, ID: "door", Name: name + " door", Grants: []mes.Grant{{Role: mes.Kiosk}}}
		_, err := o.App.Do(ctx, door, "", &mes.RaiseAlert{
			What: "public_listener", Subject: "door/" + name,
			Text: fmt.Sprintf("the %s door listens on %s, where strangers are, as the configuration acknowledges", name, address),
		})
		if err != nil {
			return fmt.Errorf("record that the %s door listens on the public address %s: %w", name, address, err)
		}
	}
	return nil
}

// keepSayingPublic repeats it every so often until the context ends.
func (o Options) keepSayingPublic(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := o.sayPublic(ctx); err != nil && ctx.Err() == nil {
			o.Log.Error("an alert was not recorded", "what", "public_listener", "error", err)
		}
	}
}
