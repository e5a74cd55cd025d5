package server

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

func TestStrangersMakeRoom(t *testing.T) {
	s := newStrangers(3, 2, 10)
	long := time.Now().Add(-time.Minute)
	var evicted atomic.Int64
	silent := func() time.Time { return long }
	evict := func() { evicted.Add(1) }
	for range 2 {
		if _, ok := s.enter("a", silent, evict, 0); !ok {
			t.Fatal("no place for the first")
		}
	}
	if _, ok := s.enter("a", silent, evict, 0); !ok || evicted.Load() != 1 || s.count() != 2 {
		t.Errorf("a source's own silent stranger did not make room: %v, %d evicted, %d there", ok, evicted.Load(), s.count())
	}
	b, ok := s.enter("b", silent, func() { t.Error("the source with one connection had to make room") }, 0)
	if !ok || evicted.Load() != 1 {
		t.Error("there was a place left for another source")
	}
	if _, ok := s.enter("c", time.Now, evict, 0); !ok || evicted.Load() != 2 {
		t.Error("the source with most connections did not make room")
	}
	b.agreed()
	if s.count() != 3 {
		t.Errorf("%d are there", s.count())
	}
	b.leave()
	b.leave()
	if s.count() != 2 {
		t.Errorf("%d are there after one left twice", s.count())
	}
}

// Who is at work is not sent away; the newcomer waits, and gets the first place that becomes free.
func TestStrangersAtWorkStay(t *testing.T) {
	s := newStrangers(2, 2, 10)
	var evicted atomic.Int64
	first, _ := s.enter("a", time.Now, func() { evicted.Add(1) }, 0)
	s.enter("a", time.Now, func() { evicted.Add(1) }, 0)
	if _, ok := s.enter("b", time.Now, func() {}, 20*time.Millisecond); ok || evicted.Load() != 0 {
		t.Errorf("somebody at work was sent away")
	}
	came := make(chan bool)
	go func() {
		_, ok := s.enter("b", time.Now, func() {}, 5*time.Second)
		came <- ok
	}()
	time.Sleep(20 * time.Millisecond)
	first.leave()
	if !<-came {
		t.Error("a free place was not given to who waited")
	}
}

// Three thousand connections that say nothing, and some hundred that agree on keys and then say nothing, do not keep a
// good client waiting.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.Strangers, o.Limits.StrangersFrom = 60, 5 })
	_, key := p.sshKey("1001", "")
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range 3000 {
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(i%50))}}
		if i%10 == 0 {
			from.LocalAddr = nil // and from where the good client is
		}
		c, err := from.Dial("tcp", p.server.SSHAddr())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for i := range 100 { // these go further
		c, err := net.Dial("tcp", p.server.SSHAddr())
		p.must(err)
		conns = append(conns, c)
		go func() {
			_, _, _, _ = gossh.NewClientConn(c, "", &gossh.ClientConfig{
				User: "1001", HostKeyCallback: gossh.InsecureIgnoreHostKey(),
				Auth: []gossh.AuthMethod{gossh.PasswordCallback(func() (string, error) { time.Sleep(20 * time.Second); return "x", nil })},
			})
		}()
		if i%10 == 9 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	for range 3 {
		began := time.Now()
		client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
		p.must(err)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a good client waited %v", took)
		}
		client.Close()
	}
}

// Who waits for our answer is not silent: it is our turn to speak.
func TestWhoWaitsForUsIsNotSilent(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	c := newSSHConn(ours, time.Second)
	long := time.Now().Add(-time.Minute)
	c.heard.Store(long.UnixNano())
	if !c.lastWord().Equal(time.Unix(0, long.UnixNano())) {
		t.Errorf("the last word was %v", c.lastWord())
	}
	if _, err := c.Write([]byte("SSH-2.0-gemba\r\n")); err != nil {
		t.Fatal(err)
	}
	if time.Since(c.lastWord()) > 10*time.Second || c.silence() < 50*time.Second {
		t.Errorf("the last word was %v ago, the silence %v", time.Since(c.lastWord()), c.silence())
	}
}
