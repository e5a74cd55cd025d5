package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// dialFrom signs in with a key, from a loopback address.
func (p *plant) dialFrom(source string, key *keys.SSHKey) (*gossh.Client, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", p.server.SSHAddr())
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := gossh.NewClientConn(conn, p.server.SSHAddr(), &gossh.ClientConfig{
		User: "1001", Auth: []gossh.AuthMethod{gossh.PublicKeys(key.Signer())}, HostKeyCallback: gossh.FixedHostKey(p.host.Signer().PublicKey()),
		HostKeyAlgorithms: []string{gossh.KeyAlgoED25519}, Timeout: 10 * time.Second,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return gossh.NewClient(c, channels, requests), nil
}

// A siege holds connections open that say little or nothing.
type siege struct {
	ctx     context.Context
	mu      sync.Mutex
	conns   []net.Conn
	running sync.WaitGroup
}

// open makes one connection from a source; talk goes on with it, if it is given, until the siege ends.
func (s *siege) open(source, to string, talk func(net.Conn)) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(s.ctx, "tcp", to)
	if err != nil {
		return // it was turned away, which is no harm to anybody else
	}
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	if talk != nil {
		s.running.Go(func() { talk(conn) })
	}
}

// trickle sends a text byte by byte.
func (s *siege) trickle(conn net.Conn, text string) {
	for i := range text {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (s *siege) end() {
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// 3,000 half-open SSH connections and 1,000 slow HTTPS connections keep nobody waiting for more than a second, whoever
// comes from elsewhere or from the same address, and cost little memory.
func TestSlowConnectionsKeepNobodyOut(t *testing.T) {
	p := newPlant(t)
	_, ssh := p.sshKey("1001", "")
	api := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	ctx, cancel := context.WithCancel(context.Background())
	s := &siege{ctx: ctx}
	defer func() { cancel(); s.end() }()
	source := func(i, of int) string { return fmt.Sprintf("127.66.0.%d", 1+i%of) }
	config, err := keys.ClientConfig(p.authority.File())
	p.must(err)
	config.ServerName = "127.0.0.1"
	const request = "GET /v1/me HTTP/1.1\r\nHost: plant\r\nX-Slow: yes"
	for i := range 1000 {
		switch from := source(i, 15); i % 4 {
		case 0, 1: // says nothing
			s.open(from, p.server.APIAddr(), nil)
		case 2: // begins a handshake, a byte at a time
			s.open(from, p.server.APIAddr(), func(c net.Conn) { s.trickle(c, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("x", 40)) })
		case 3: // sends its request a byte at a time
			s.open(from, p.server.APIAddr(), func(c net.Conn) {
				secured := tls.Client(c, config.Clone())
				if secured.HandshakeContext(ctx) == nil {
					s.trickle(secured, request)
				}
			})
		}
	}
	for i := range 3000 {
		talk := func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-slow\r\n")) }
		if i%2 == 0 {
			talk = nil
		}
		s.open(source(i, 30), p.server.SSHAddr(), talk)
	}
	for _, from := range []string{"127.0.0.1", "127.66.0.3"} {
		var https, terminals []time.Duration
		for range 3 {
			began := time.Now()
			if a := p.call(p.clientFrom(from), api, "GET", "/v1/me", ""); a.status != 200 {
				t.Errorf("an HTTPS client from %s: %d %s", from, a.status, a.body)
			}
			https = append(https, time.Since(began))
			began = time.Now()
			client, err := p.dialFrom(from, ssh)
			if err != nil {
				t.Errorf("an SSH client from %s: %v", from, err)
				continue
			}
			terminals = append(terminals, time.Since(began))
			p.must(client.Close())
		}
		// The middle one of three: what else the machine does is not the siege's work.
		for door, waits := range map[string][]time.Duration{"HTTPS": https, "SSH": terminals} {
			if slices.Sort(waits); len(waits) < 3 || waits[1] > slowdown*time.Second {
				t.Errorf("%s clients from %s waited %v", door, from, waits)
			}
		}
	}
	if mb := memoryMB(); mb > 300 {
		t.Errorf("the process takes %d MB, both sides of the siege included", mb)
	}
}

// memoryMB is what this process holds of the system's memory.
func memoryMB() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return (m.Sys - m.HeapReleased) >> 20
}

// Of those who hold a key, one source has so many connections; more are told so, and others are not touched.
func TestGuestsAreBounded(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.ConnectionsFrom = 2 })
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	first, second := p.clientFrom("127.0.0.3"), p.clientFrom("127.0.0.3")
	for range 2 {
		for _, c := range []*struct {
			name string
			at   func() apiAnswer
		}{{"first", func() apiAnswer { return p.call(first, key, "GET", "/v1/me", "") }}, {"second", func() apiAnswer { return p.call(second, key, "GET", "/v1/me", "") }}} {
			if a := c.at(); a.status != 200 {
				t.Fatalf("%s: %d %s", c.name, a.status, a.body)
			}
		}
	}
	if a := p.call(p.clientFrom("127.0.0.3"), key, "GET", "/v1/me", ""); a.status != 429 || a.json["code"] != "busy" {
		t.Errorf("a third connection: %d %s", a.status, a.body)
	}
	if a := p.call(p.clientFrom("127.0.0.4"), key, "GET", "/v1/me", ""); a.status != 200 {
		t.Errorf("a connection from elsewhere: %d %s", a.status, a.body)
	}
	first.CloseIdleConnections()
	p.waitFor("the place is free again", func() bool { return p.call(p.clientFrom("127.0.0.3"), key, "GET", "/v1/me", "").status == 200 })
}
