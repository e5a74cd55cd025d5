package server

import (
	"net"
	"sync"
	"time"
)

// places bound how many are inside: in total, and of one name. Who finds no place may wait a little; how many wait is
// bounded too.
type places struct {
	total   int
	each    int
	waiting int

	mu    sync.Mutex
	taken int
	of    map[string]int
	line  int
	freed chan struct{} // closed and made anew whenever a place becomes free
}

func newPlaces(total, each, waiting int) *places {
	return &places{total: total, each: each, waiting: waiting, of: map[string]int{}, freed: make(chan struct{})}
}

// take takes a place, waiting at most so long. The place is given back by leave, which may be called more than once.
func (p *places) take(name string, patience time.Duration) (leave func(), ok bool) {
	if p.try(name) {
		return sync.OnceFunc(func() { p.leave(name) }), true
	}
	if patience <= 0 || !p.queue() {
		return nil, false
	}
	defer p.unqueue()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		freed := p.freed
		p.mu.Unlock()
		if p.try(name) {
			return sync.OnceFunc(func() { p.leave(name) }), true
		}
		select {
		case <-freed:
		case <-timeout.C:
			return nil, false
		}
	}
}

func (p *places) try(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.total || p.of[name] >= p.each {
		return false
	}
	p.taken++
	p.of[name]++
	return true
}

func (p *places) leave(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.of[name]--; p.of[name] == 0 {
		delete(p.of, name)
	}
	if p.line > 0 {
		close(p.freed)
		p.freed = make(chan struct{})
	}
}

func (p *places) queue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line >= p.waiting {
		return false
	}
	p.line++
	return true
}

func (p *places) unqueue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line--
}

// count tells how many are inside.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// An origin is where a client is.
type origin struct {
	address string // as it is, without port
	source  string // what counts as one client: see sourceOf
}

func originOf(remote string) origin {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	return origin{address: host, source: sourceText(remote)}
}

// sourceOf is the network address of a client without its port. An IPv6 client counts by its /64: it has 2^64 addresses
// to itself.
func sourceOf(addr net.Addr) string {
	if addr == nil {
		return "unknown"
	}
	return sourceText(addr.String())
}

func sourceText(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	if ip.IsLoopback() {
		return host
	}
	return (&net.IPNet{IP: ip.Mask(net.CIDRMask(64, 128)), Mask: net.CIDRMask(64, 128)}).String()
}
