package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// clientFrom trusts the plant's authority and connects from a loopback address of its own.
func (p *plant) clientFrom(source string) *http.Client {
	p.t.Helper()
	config, err := keys.ClientConfig(p.authority.File())
	p.must(err)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	transport := &http.Transport{TLSClientConfig: config, DialContext: dialer.DialContext}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// entriesOf gives the newest entries of a command.
func (p *plant) entriesOf(command string) []mes.Entry {
	p.t.Helper()
	var found []mes.Entry
	for _, e := range p.entries(1000) {
		if e.Command == command {
			found = append(found, e)
		}
	}
	return found
}

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Who comes from elsewhere gets not one byte, is counted, and is written down once a minute.
func TestSourcesThatAreNotLetIn(t *testing.T) {
	time0 := &clock{at: time.Now()}
	p := newPlant(t, func(o *Options) {
		o.Allow, o.Now = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("127.0.1.0/24")}, time0.now
	})
	knock := func(from, to string) {
		t.Helper()
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
		conn, err := dialer.Dial("tcp", to)
		if errors.Is(err, syscall.ECONNRESET) {
			return // it was closed before the client knew that it was open
		}
		p.must(err)
		defer conn.Close()
		p.must(conn.SetReadDeadline(time.Now().Add(5 * time.Second)))
		got, err := io.ReadAll(conn)
		if len(got) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("from %s came %q, %v", from, got, err)
		}
	}
	const times = 50
	for range times {
		for _, from := range []string{"127.0.0.2", "127.0.2.1"} {
			knock(from, p.server.SSHAddr())
			knock(from, p.server.APIAddr())
		}
	}
	counted := func(n int64) { // a client may see the reset before the server has counted it
		t.Helper()
		p.waitFor(fmt.Sprint(n, " are counted"), func() bool { return int64(p.server.TurnedAway()) == n })
	}
	counted(4 * times)
	p.waitFor("both sources are written down", func() bool { return len(p.entriesOf("door.connect")) == 2 })
	time0.move(59 * time.Second)
	knock("127.0.0.2", p.server.SSHAddr())
	counted(4*times + 1)
	time0.move(2 * time.Second)
	knock("127.0.2.1", p.server.APIAddr())
	p.waitFor("one is written down again", func() bool { return len(p.entriesOf("door.connect")) == 3 })
	e := p.entriesOf("door.connect")[0]
	if e.Source != "127.0.2.1" || e.Subject != "door/API" || e.View != mes.ActivityLog || e.Outcome != mes.NotDone || !strings.Contains(e.Message, "202 turned away") {
		t.Errorf("the entry: %+v", e)
	}
	if a := p.call(p.clientFrom("127.0.1.9"), "", "GET", "/v1/me", ""); a.status != 401 {
		t.Errorf("from a network that is let in: %d", a.status)
	}
	health := p.call(p.clientFrom("127.0.0.1"), p.apiKey(keys.ProgramKey).Reveal(), "GET", "/v1/health", "")
	if health.json["turned_away"] != float64(4*times+2) || health.json["api_connections"] == float64(0) {
		t.Errorf("the health: %s", health.body)
	}
	_, key := p.sshKey("1001", "")
	client, err := p.dialFrom("127.0.0.1", key)
	p.must(err)
	p.must(client.Close())
}

// By default, who is let in comes from this machine or a private network.
func TestSourcesByDefault(t *testing.T) {
	p := newPorter(Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	defer p.stop()
	for address, want := range map[string]bool{
		"127.0.0.1:5": true, "127.9.9.9:5": true, "[::1]:5": true, "10.1.2.3:5": true, "172.16.0.1:5": true, "172.31.255.255:5": true, "192.168.1.1:5": true,
		"169.254.1.1:5": true, "[fe80::1%eth0]:5": true, "[fd12::1]:5": true, "[::ffff:10.1.2.3]:5": true, "8.8.8.8:5": false, "172.32.0.1:5": false,
		"192.169.0.1:5": false, "100.64.0.1:5": false, "[2001:db8::1]:5": false, "[::ffff:8.8.8.8]:5": false, "[::]:5": false, "0.0.0.0:5": false,
	} {
		at, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if p.lets(at) != want {
			t.Errorf("%s is let in: %v", address, !want)
		}
	}
	if p.lets(&net.UnixAddr{Name: "/tmp/x"}) {
		t.Error("who has no address is let in")
	}
}

// A fakeConn comes from an address.
type fakeConn struct {
	net.Conn
	from net.TCPAddr
}

func (c fakeConn) RemoteAddr() net.Addr { return &c.from }
func (c fakeConn) Close() error         { return nil }

// A flood from everywhere is counted to the last one, and neither memory nor the ledger grows with it.
func TestFloodFromEverywhere(t *testing.T) {
	plant := newPlant(t)
	at := &clock{at: time.Now()}
	p := newPorter(Options{App: plant.app, Log: slog.New(slog.DiscardHandler), Now: at.now})
	defer p.stop()
	const many = 50_000
	for i := range many {
		p.turnAway("SSH", fakeConn{from: net.TCPAddr{IP: net.IPv4(8, byte(i>>16), byte(i>>8), byte(i)), Port: 5}})
	}
	if n := p.count.Load(); n != many {
		t.Errorf("%d were counted", n)
	}
	if n := len(p.each.left); n > bucketsSize {
		t.Errorf("%d sources are remembered", n)
	}
	plant.waitFor("some are written down", func() bool { return len(plant.entriesOf("door.connect")) > 0 })
	if n := len(plant.entriesOf("door.connect")); n > notesAtOnce {
		t.Errorf("%d entries were written", n)
	}
}

func TestAcknowledgedAddresses(t *testing.T) {
	for _, c := range []struct {
		address      string
		acknowledged []string
		ok           bool
	}{
		{"8.8.8.8:22", nil, false}, {"8.8.8.8:22", []string{"8.8.8.8:22"}, true}, {"8.8.8.8:22", []string{"1.1.1.1:22", "8.8.8.8:22"}, true},
		{"8.8.8.8:22", []string{"8.8.8.8"}, false}, {"8.8.8.8:22", []string{"8.8.8.8:23"}, false}, {"8.8.8.8:22", []string{""}, false},
		{"0.0.0.0:22", []string{"0.0.0.0:22"}, true}, {"[::]:22", []string{"[::]:22"}, true}, {"[::]:22", []string{"0.0.0.0:22"}, false},
		{":22", []string{":22"}, false}, {"example.org:22", []string{"example.org:22"}, false}, {"10.0.0.1:22", nil, true},
	} {
		if err := CheckAddress(c.address, c.acknowledged...); (err == nil) != c.ok {
			t.Errorf("%s with %v: %v", c.address, c.acknowledged, err)
		}
	}
}

// A door that listens where strangers are is in the ledger before it opens, and again and again.
func TestPublicDoorIsInTheLedger(t *testing.T) {
	const public = "192.0.2.1:2222" // for documentation: no machine has it, so it cannot really open
	var o Options
	p := newPlant(t, func(given *Options) { o = *given })
	o.APIAddr = public
	if _, err := Start(context.Background(), o); err == nil || !strings.Contains(err.Error(), "public address") {
		t.Errorf("not acknowledged: %v", err)
	}
	if n := len(p.entriesOf("alert.raise")); n != 0 {
		t.Errorf("%d alerts about a door that stays closed", n)
	}
	o.PublicAck = []string{public}
	if _, err := Start(context.Background(), o); err == nil || !strings.Contains(err.Error(), "open the API door") {
		t.Errorf("acknowledged: %v", err)
	}
	alerts := p.entriesOf("alert.raise")
	if len(alerts) != 1 || alerts[0].Subject != "door/API" || !strings.Contains(string(alerts[0].Detail), "public_listener") || !strings.Contains(string(alerts[0].Detail), public) {
		t.Fatalf("the alerts: %+v", alerts)
	}
	o.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { o.keepSayingPublic(ctx, 20*time.Millisecond) })
	p.waitFor("it is said again", func() bool { return len(p.entriesOf("alert.raise")) >= 3 })
	cancel()
	ended.Wait()
	o.APIAddr, o.SSHAddr = "127.0.0.1:0", "10.0.0.1:22"
	if doors := o.publicDoors(); len(doors) != 0 {
		t.Errorf("these are public: %v", doors)
	}
}

// Who does not speak TLS hears nothing.
func TestPlainHTTPHearsNothing(t *testing.T) {
	p := newPlant(t)
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x00", "SSH-2.0-x\r\n"} {
		conn, err := net.Dial("tcp", p.server.APIAddr())
		p.must(err)
		defer conn.Close()
		p.must(conn.SetDeadline(time.Now().Add(5 * time.Second)))
		_, err = fmt.Fprint(conn, text)
		p.must(err)
		if got, err := io.ReadAll(conn); len(got) > 0 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("to %q came %q, %v", text, got, err)
		}
	}
}
