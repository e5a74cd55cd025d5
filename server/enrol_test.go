package server

import (
	"context"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/mes"
)

// admin signs an administrator in, and gives them as they act.
func (p *plant) admin() mes.Actor {
	p.t.Helper()
	p.person("9009", mes.Grant{Role: mes.Admin})
	id := p.idOf("9009")
	return mes.Actor{Kind: mes.ByPerson, ID: id, Person: id, Name: "Admin", Session: "test", Source: "127.0.0.1", Grants: []mes.Grant{{Role: mes.Admin}}}
}

// A station brings its key with a one-time code, over the real client, and signs in with it.
func TestStationEnrolsItself(t *testing.T) {
	p := newPlant(t)
	code, err := p.server.ssh.desk.InviteStation(context.Background(), p.admin(), "K1")
	p.must(err)
	file, key := p.sshKey("", "")
	enrol := func(answer string) (string, error) {
		cmd := p.sshCommand("enrol", []string{"-i", file, "-o", "PreferredAuthentications=publickey,keyboard-interactive", "-o", "NumberOfPasswordPrompts=1"})
		p.password(cmd, answer)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := enrol("0000-0000-0000"); err == nil {
		t.Fatalf("a wrong code: %s", out)
	}
	if e := p.entries(1)[0]; e.Command != "sign.fail" || !strings.Contains(string(e.Detail), "wrong one-time code of a station") || e.Key != mes.ID(key.Fingerprint()) {
		t.Errorf("the refusal: %+v", e)
	}
	out, err := enrol(strings.ToLower(code))
	if err != nil || !strings.Contains(out, "is now the key of K1") {
		t.Fatalf("%v: %s", err, out)
	}
	if e := p.entries(1)[0]; e.Command != "station.join" || e.View != mes.ChangeLog || strings.Contains(string(e.Detail), code) {
		t.Errorf("the entry: %+v", e)
	}
	client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	screen := open(t, client, 80, 24)
	if v := <-p.visits; v.Station == nil || v.Station.ID != "K1" || v.Person != nil {
		t.Errorf("the visit: %+v", v)
	}
	// The code is good for one key.
	file, _ = p.sshKey("", "")
	if out, err := enrol(code); err == nil {
		t.Errorf("a second key by the same code: %s", out)
	}
	// One command takes the station out of use, its live session too.
	p.waitFor("the screen is there", func() bool { return strings.Contains(screen.out.String(), "size") })
	began := time.Now()
	p.do(&mes.RetireStation{Station: "K1", Reason: "stolen"})
	_ = screen.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("the session lived on for %v", took)
	}
	if words := screen.out.String(); !strings.Contains(words, farewells[endStation]) && !strings.Contains(words, farewells[endKey]) {
		t.Errorf("the last words: %q", words)
	}
	if _, err := p.dial("kiosk", gossh.PublicKeys(key.Signer())); err == nil {
		t.Error("the key of a retired station opened the door")
	}
}

// Guessing codes is bounded, an invitation runs out, and only an unknown key that has signed may try.
func TestInvitationsAreGuarded(t *testing.T) {
	p := newPlant(t)
	admin := p.admin()
	code, err := p.server.ssh.desk.InviteStation(context.Background(), admin, "K1")
	p.must(err)
	if _, err := p.dial("enrol", (&asked{answers: []string{code}}).method()); err == nil {
		t.Error("a code without a key enrolled something")
	}
	_, own := p.sshKey("1001", "")
	a := &asked{answers: []string{code}}
	client, err := p.dial("enrol", gossh.PublicKeys(own.Signer()), a.method())
	p.must(err)
	client.Close()
	if len(a.questions) > 0 {
		t.Error("a known key was asked for a code")
	}
	d := atOnce(p.server)
	_, stranger := p.sshKey("", "")
	public := stranger.Signer().PublicKey()
	for range 100 {
		if _, err := d.byInvitation(context.Background(), "10.1.1.1", public, "0000-0000-0000"); mes.ErrorCode(err) != mes.Unauthenticated {
			t.Fatal(err)
		}
	}
	if n := p.failures(); n > sourceFailures+1 {
		t.Errorf("%d codes were checked", n)
	}
	if _, err := d.byInvitation(context.Background(), "10.1.1.1", public, code); err == nil {
		t.Error("the right code of a blocked source was taken")
	}
	p.ahead.Store(int64(mes.InvitationFor + time.Second))
	if _, err := d.byInvitation(context.Background(), "10.1.1.2", public, code); err == nil {
		t.Error("a code that ran out was taken")
	}
}

// Stations and keys are bound to networks: elsewhere they are as unknown.
func TestNetworksAtTheDoor(t *testing.T) {
	p := newPlant(t)
	_, key := p.sshKey("", "K1")
	enter := func() error {
		client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
		if err == nil {
			client.Close()
		}
		return err
	}
	p.must(enter())
	p.do(&mes.EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Networks: []string{"10.9.0.0/16"}})
	_, unknown := p.sshKey("", "")
	_, want := p.dial("kiosk", gossh.PublicKeys(unknown.Signer()))
	if err := enter(); err == nil || want == nil || err.Error() != want.Error() {
		t.Errorf("a station in another network: %v; an unknown key: %v", err, want)
	}
	if e := p.entries(1)[0]; e.Outcome != mes.NotDone || !strings.Contains(e.Message, "network") {
		t.Errorf("the ledger does not say why: %+v", e)
	}
	p.do(&mes.EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Networks: []string{"127.0.0.0/8"}})
	client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	screen := open(t, client, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(screen.out.String(), "size") })
	p.do(&mes.EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Networks: []string{"10.9.0.0/16"}})
	_ = screen.Wait()
	if !strings.Contains(screen.out.String(), farewells[endStation]) {
		t.Errorf("the last words: %q", screen.out.String())
	}
}
