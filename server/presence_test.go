package server

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// lastEnd is how the newest sign-out in the ledger says that a stay ended.
func (p *plant) lastEnd() string {
	for _, e := range p.entries(5) {
		if e.Command == "sign.out" {
			_, end, _ := strings.Cut(string(e.Detail), `"end":"`)
			end, _, _ = strings.Cut(end, `"`)
			return end
		}
	}
	return ""
}

// Whatever takes away what lets a session be here ends it within a second, and says why, on the screen and in the
// ledger.
func TestChangesReachLiveSessions(t *testing.T) {
	p := newPlant(t)
	hash, err := p.hasher.Hash(context.Background(), "nuka-pero-lisa-dova", keys.Ordinary)
	p.must(err)
	_, key := p.sshKey("1001", "")
	enable := &mes.EnablePerson{Person: "1001", Reason: "back"}
	for how, c := range map[string]struct{ change, undo mes.Command }{
		endGrants:   {&mes.GrantRole{Person: "1001", Role: mes.Viewer, Reason: "to look"}, &mes.UngrantRole{Person: "1001", Role: mes.Viewer, Reason: "enough"}},
		endDisabled: {&mes.DisablePerson{Person: "1001", Reason: "left"}, enable},
		endSecret:   {&mes.SetCredential{Person: "1001", Kind: mes.Password, Hash: mes.Secret(hash)}, nil},
	} {
		client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
		p.must(err)
		s := open(t, client, 80, 24)
		p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
		began := time.Now()
		p.do(c.change)
		_ = s.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: the session lived on for %v", how, took)
		}
		if !strings.Contains(s.out.String(), farewells[how]) {
			t.Errorf("%s: the last words: %q", how, s.out.String())
		}
		p.waitFor("the ledger says why", func() bool { return p.lastEnd() == how })
		client.Close()
		if c.undo != nil {
			p.do(c.undo)
		}
	}
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	s := open(t, client, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	p.do(&mes.RevokeKey{Key: mes.ID(key.Fingerprint())})
	_ = s.Wait()
	if !strings.Contains(s.out.String(), farewells[endKey]) {
		t.Errorf("the last words: %q", s.out.String())
	}
}

// What another node did counts as soon as its topics come through the feed.
func TestChangesOfAnotherNodeReachLiveSessions(t *testing.T) {
	p := newPlant(t)
	_, s := p.terminal(t, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	var topics []string
	other := mes.NewApp(p.store, p.now, func() mes.ID { return "of-another-node" }, func(t ...string) { topics = append(topics, t...) })
	_, err := other.Do(context.Background(), setup, "", &mes.DisablePerson{Person: "1001", Reason: "left"})
	p.must(err)
	p.feed.Publish(topics...)
	_ = s.Wait()
	if !strings.Contains(s.out.String(), farewells[endDisabled]) {
		t.Errorf("the last words: %q", s.out.String())
	}
}

// A pulled cable is a sign-out: nobody says goodbye, and the connection looks as if it were there.
func TestPulledCable(t *testing.T) {
	const silence = 2 * time.Second
	p := newPlant(t, func(o *Options) { o.Limits.Silence = silence })
	var pulled atomic.Bool
	cable, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	defer cable.Close()
	go func() {
		for {
			near, err := cable.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", p.server.SSHAddr())
			if err != nil {
				near.Close()
				return
			}
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					buf := make([]byte, 4096)
					for {
						n, err := way[0].Read(buf)
						if err != nil {
							return
						}
						if !pulled.Load() {
							_, _ = way[1].Write(buf[:n])
						}
					}
				}()
			}
			t.Cleanup(func() { near.Close(); far.Close() })
		}
	}()
	_, key := p.sshKey("1001", "")
	client, err := gossh.Dial("tcp", cable.Addr().String(), &gossh.ClientConfig{
		User: "1001", Auth: []gossh.AuthMethod{gossh.PublicKeys(key.Signer())}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
	})
	p.must(err)
	defer client.Close()
	s := open(t, client, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	time.Sleep(2 * silence) // a quiet client that answers stays
	p.must(s.WindowChange(30, 90))
	p.waitFor("the session lives", func() bool { return strings.Contains(s.out.String(), "90x30") })
	pulled.Store(true)
	began := time.Now()
	p.waitFor("the sign-out is recorded", func() bool { return p.lastEnd() == endLost })
	if took := time.Since(began); took > silence+300*time.Millisecond {
		t.Errorf("the cable was missed after %v, not within %v", took, silence)
	}
}

// At a station: somebody else, the same person again, and how each stay ended.
func TestTakeoverAtAStation(t *testing.T) {
	p := newPlant(t)
	_, key := p.sshKey("", "K1")
	client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	open(t, client, 80, 24)
	v := <-p.visits
	ctx := context.Background()
	enter := func(badge string) mes.Actor {
		actor, _, err := v.SignIn(ctx, badge, operatorPIN)
		p.must(err)
		return actor
	}
	first := enter("1001")
	if again := enter("1001"); again.Session == first.Session || p.lastEnd() != endBack {
		t.Errorf("the same person again: %q", p.lastEnd())
	}
	lead := enter("2001")
	if p.lastEnd() != endOther {
		t.Errorf("somebody else: %q", p.lastEnd())
	}
	v.SignOut(ctx, first, endLeft) // of a stay that is over
	v.SignOut(ctx, lead, "idle")
	if p.lastEnd() != "idle" {
		t.Errorf("idle: %q", p.lastEnd())
	}
	open := 0
	for _, e := range p.entries(20) {
		switch e.Command {
		case "sign.in":
			open++
		case "sign.out":
			open--
		}
	}
	if open != 0 {
		t.Errorf("%d stays are open", open)
	}
}

// A person who signs in at one station more than they may loses the oldest.
func TestTakeoverOfAPerson(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.SessionsOf = 1 })
	p.do(&mes.EnrolStation{Code: "K2", Name: "Kiosk 2", Line: "L1"})
	var screens []*terminal
	for _, station := range []mes.ID{"K1", "K2"} {
		_, key := p.sshKey("", station)
		client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
		p.must(err)
		defer client.Close()
		screens = append(screens, open(t, client, 80, 24))
		v := <-p.visits
		if _, _, err := v.SignIn(context.Background(), "1001", operatorPIN); err != nil {
			t.Fatal(err)
		}
	}
	_ = screens[0].Wait()
	if !strings.Contains(screens[0].out.String(), farewells[endTaken]) {
		t.Errorf("the last words: %q", screens[0].out.String())
	}
	p.must(screens[1].WindowChange(30, 90))
	p.waitFor("the newest session lives", func() bool { return strings.Contains(screens[1].out.String(), "90x30") })
}

// A client that closes its writing half is gone.
func TestHalfClosedConnection(t *testing.T) {
	p := newPlant(t)
	conn, err := net.Dial("tcp", p.server.SSHAddr())
	p.must(err)
	_, key := p.sshKey("1001", "")
	c, chans, reqs, err := gossh.NewClientConn(conn, p.server.SSHAddr(), &gossh.ClientConfig{
		User: "1001", Auth: []gossh.AuthMethod{gossh.PublicKeys(key.Signer())}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
	})
	p.must(err)
	client := gossh.NewClient(c, chans, reqs)
	defer client.Close()
	s := open(t, client, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	p.must(conn.(*net.TCPConn).CloseWrite())
	p.waitFor("the sign-out is recorded", func() bool { return p.lastEnd() == endLost })
	_, _ = io.Copy(io.Discard, conn)
}

// Who replaces a secret of their own goes on where they did it; their other sessions end.
func TestReplacingASecretKeepsTheSession(t *testing.T) {
	p := newPlant(t)
	_, here := p.terminal(t, 80, 24)
	v := <-p.visits
	_, elsewhere := p.terminal(t, 80, 24)
	p.waitFor("the screens are there", func() bool {
		return strings.Contains(here.out.String(), "size") && strings.Contains(elsewhere.out.String(), "size")
	})
	p.must(v.Desk.Replace(context.Background(), v.Actor, mes.Password, operatorPassword, "velo-ranu-goda-timi"))
	_ = elsewhere.Wait()
	if !strings.Contains(elsewhere.out.String(), farewells[endSecret]) {
		t.Errorf("the last words elsewhere: %q", elsewhere.out.String())
	}
	p.must(here.WindowChange(30, 90))
	p.waitFor("the session lives", func() bool { return strings.Contains(here.out.String(), "90x30") })
}

// Wrong secrets at a desk wait for their answer, and keep nobody else's revocation waiting.
func TestSlowDeskDoesNotDelayRevocations(t *testing.T) {
	p := newPlant(t)
	_, _ = p.terminal(t, 80, 24)
	v := <-p.visits
	wrong := make(chan error)
	go func() {
		for range 2 {
			wrong <- v.Desk.Replace(context.Background(), v.Actor, mes.Password, "some-wrong-secret", "velo-ranu-goda-timi")
		}
	}()
	if err := <-wrong; mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a wrong password at the desk: %v", err)
	}
	_, key := p.sshKey("2001", "")
	client, err := p.dial("2001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	s := open(t, client, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	p.feed.Publish("person:" + string(p.idOf("1001"))) // looks at the session whose desk is busy
	began := time.Now()
	p.do(&mes.DisablePerson{Person: "2001", Reason: "left"})
	_ = s.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("the revocation took %v", took)
	}
	<-wrong
}

// A one-time PIN at a station is replaced first, and the desk does nothing else before.
func TestOneTimePINAtAStation(t *testing.T) {
	p := newPlant(t)
	p.person("9001", mes.Grant{Role: mes.Admin})
	ctx := context.Background()
	once, err := p.server.ssh.desk.Reset(ctx, p.admin(), "9001", mes.PIN, "new here")
	p.must(err)
	_, key := p.sshKey("", "K1")
	client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	open(t, client, 80, 24)
	v := <-p.visits
	if secret, codes := v.Owes(); secret != "" || codes {
		t.Errorf("nobody owes %q, %v", secret, codes)
	}
	actor, _, err := v.SignIn(ctx, "9001", once)
	p.must(err)
	if secret, _ := v.Owes(); secret != mes.PIN {
		t.Errorf("owes %q", secret)
	}
	if _, err := v.Desk.Reset(ctx, actor, "1001", mes.Password, "why not"); mes.ErrorCode(err) != mes.Denied || !strings.Contains(err.Error(), "replace it first") {
		t.Errorf("the desk before: %v", err)
	}
	p.must(v.Desk.Replace(ctx, actor, mes.PIN, once, "582719"))
	if secret, _ := v.Owes(); secret != "" {
		t.Errorf("still owes %q", secret)
	}
	if _, err := v.Desk.Reset(ctx, actor, "1001", mes.Password, "forgot it"); err != nil {
		t.Errorf("the desk afterwards: %v", err)
	}
}
