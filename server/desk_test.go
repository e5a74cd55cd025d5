package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// signedIn gives a person as they act when they are signed in.
func (p *plant) signedIn(badge mes.ID) mes.Actor {
	p.t.Helper()
	person, err := p.store.Person(context.Background(), mes.Fresh, badge)
	p.must(err)
	return mes.Actor{
		Kind: mes.ByPerson, ID: person.ID, Person: person.ID, Name: person.Name, Session: "test", Source: "10.7.7.7", Grants: person.Grants,
	}
}

// leaks tells whether a secret is anywhere but with its owner: in the ledger or the log.
func (p *plant) leaks(secret string) bool {
	p.t.Helper()
	for _, e := range p.entries(1000) {
		if strings.Contains(string(e.Detail)+e.Message, secret) {
			return true
		}
	}
	return strings.Contains(p.log.String(), secret)
}

// From a reset to a password of one's own: shown once, good for one use and a quarter of an hour.
func TestResetAndReplace(t *testing.T) {
	p := newPlant(t)
	d, desk, ctx := atOnce(p.server), p.server.ssh.desk, context.Background()
	admin := p.admin()
	for range 5 {
		_ = guess(d, "10.1.1.1", "1001", "forgotten-forgotten")
	}
	once, err := desk.Reset(ctx, admin, "1001", mes.Password, "forgot it")
	p.must(err)
	if err := guess(d, "10.1.1.1", "1001", operatorPassword); err == nil {
		t.Error("the old password still opens the door")
	}
	p.waitFor("the lock is gone", func() bool { return len(d.lockout.held()) <= 2 })
	e, err := d.bySecret(ctx, doorActor("10.1.1.1", ""), "1001", mes.Password, once)
	p.must(err)
	if e.owes.secret != mes.Password || e.owes.codes {
		t.Errorf("owes %+v", e.owes)
	}
	own := p.signedIn("1001")
	for what, c := range map[string]struct {
		current, secret, says string
		code                  mes.Code
	}{
		"a wrong one": {"not-the-one-time", "velo-ranu-goda-timi", notRightText, mes.Denied},
		"a short one": {once, "short", "at least 15", mes.Invalid},
		"the name":    {once, "person1001person1001", "", mes.Invalid},
		"the same":    {once, once, "had this password before", mes.Invalid},
		"the old one": {once, operatorPassword, "had this password before", mes.Invalid},
	} {
		err := desk.Replace(ctx, own, mes.Password, c.current, c.secret)
		if mes.ErrorCode(err) != c.code || !strings.Contains(mes.ErrorMessage(err), c.says) || strings.Contains(mes.ErrorMessage(err), c.secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := desk.Replace(ctx, own, mes.TOTP, once, "velo-ranu-goda-timi"); mes.ErrorCode(err) != mes.Invalid {
		t.Errorf("another kind: %v", err)
	}
	p.must(desk.Replace(ctx, own, mes.Password, once, "velo-ranu-goda-timi"))
	p.must(guess(d, "10.1.1.1", "1001", "velo-ranu-goda-timi"))
	if err := desk.Replace(ctx, own, mes.Password, "velo-ranu-goda-timi", operatorPassword); mes.ErrorCode(err) != mes.Invalid {
		t.Errorf("an earlier password was taken again: %v", err)
	}
	for _, secret := range []string{once, "velo-ranu-goda-timi", "not-the-one-time"} {
		if p.leaks(secret) {
			t.Errorf("%q is in the ledger or the log", secret)
		}
	}
	late, err := desk.Reset(ctx, admin, "1001", mes.Password, "again")
	p.must(err)
	p.ahead.Store(int64(mes.OneTimeFor + time.Second))
	if err := guess(d, "10.1.1.1", "1001", late); err == nil {
		t.Error("a one-time password that ran out opens the door")
	}
}

// Wrong secrets at the desk count like wrong sign-ins, and strangers keep nobody from it.
func TestDeskIsNoOracle(t *testing.T) {
	p := newPlant(t)
	d, ctx := atOnce(p.server), context.Background()
	desk := p.server.ssh.desk
	for i := range 30 {
		_ = guess(d, "10.2.2."+string(rune('a'+i)), "2001", "some-wrong-secret")
	}
	own := p.signedIn("2001")
	proven, err := desk.Prove(ctx, own, operatorPassword)
	p.must(err)
	if proven.Proof == nil || proven.Proof.Method != byPassword || own.Proof != nil {
		t.Errorf("the proof: %+v", proven.Proof)
	}
	if _, err := desk.Prove(ctx, own, operatorPIN); err == nil {
		t.Error("a PIN is proof without a station")
	}
	atStation := own
	atStation.Station = "K1"
	if proven, err := desk.Prove(ctx, atStation, operatorPIN); err != nil || proven.Proof.Method != byBadgePIN {
		t.Errorf("a PIN at the station: %+v, %v", proven.Proof, err)
	}
	before := p.failures()
	for range 20 {
		if _, err := desk.Prove(ctx, own, "some-wrong-secret"); mes.ErrorCode(err) != mes.Denied {
			t.Fatal(err)
		}
	}
	if n := p.failures() - before; n > 5 {
		t.Errorf("%d guesses of somebody who is signed in were checked", n)
	}
	if _, err := desk.Prove(ctx, own, operatorPassword); err == nil {
		t.Error("the desk is not locked after wrong secrets")
	}
	machine := mes.Actor{Kind: mes.ByProgram, ID: "key", Key: "key", Grants: []mes.Grant{{Role: mes.Admin}}}
	if _, err := desk.Prove(ctx, machine, operatorPassword); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a key proved itself: %v", err)
	}
	if err := desk.Replace(ctx, machine, mes.Password, operatorPassword, "velo-ranu-goda-timi"); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a key replaced a password: %v", err)
	}
}

// Who may not have a secret gets none, and it is noted; what is made is given once and stored as a hash.
func TestDeskGivesSecretsToWhoMayHaveThem(t *testing.T) {
	p := newPlant(t)
	desk, ctx := p.server.ssh.desk, context.Background()
	admin, operator := p.admin(), p.signedIn("1001")
	feeder := mes.IssueKey{Name: "lathe", Kind: mes.ByMachine, Principal: "M1", Grants: []mes.Grant{{Role: mes.Feeder, Machine: "M1"}}, Networks: []string{"127.0.0.0/8"}}
	for what, ask := range map[string]func(mes.Actor) (string, error){
		"secret.reset":   func(a mes.Actor) (string, error) { return desk.Reset(ctx, a, "2001", mes.Password, "why") },
		"secret.reset ":  func(a mes.Actor) (string, error) { return desk.Reset(ctx, a, "2001", mes.PIN, "why") },
		"key.issue":      func(a mes.Actor) (string, error) { return desk.IssueKey(ctx, a, feeder) },
		"station.invite": func(a mes.Actor) (string, error) { return desk.InviteStation(ctx, a, "K1") },
	} {
		if secret, err := ask(operator); secret != "" || mes.ErrorCode(err) != mes.Denied {
			t.Errorf("%s for an operator: %v", what, err)
		}
		if e := p.entries(1)[0]; e.Outcome != mes.NotDone || e.Command != strings.TrimSpace(what) || e.Person != operator.Person {
			t.Errorf("%s: the refusal is not noted: %+v", what, e)
		}
		secret, err := ask(admin)
		if err != nil || len(secret) < 6 || p.leaks(secret) {
			t.Errorf("%s: %d characters, %v", what, len(secret), err)
		}
	}
	key, err := desk.IssueKey(ctx, admin, feeder)
	p.must(err)
	if a := p.call(p.client(), key, "POST", "/v1/machines/M1/count", `{"value":5}`); a.status != 200 {
		t.Errorf("the key: %d %s", a.status, a.body)
	}
	if _, err := desk.IssueKey(ctx, admin, mes.IssueKey{Name: "x", Kind: "robot"}); mes.ErrorCode(err) != mes.Invalid {
		t.Errorf("a kind that there is not: %v", err)
	}
	own, err := keys.NewSSHKey("my laptop")
	p.must(err)
	fingerprint, err := desk.AddKey(ctx, operator, own.AuthorizedKey(), "", "")
	p.must(err)
	if k, err := p.store.SSHKey(ctx, mes.Fresh, mes.ID(fingerprint)); err != nil || k.Person != operator.Person || !strings.HasSuffix(k.PublicKey, " my laptop") {
		t.Errorf("%+v %v", k, err)
	}
	p.must(desk.RevokeKey(ctx, operator, mes.ID(fingerprint)))
	for _, line := range []string{"", "ssh-rsa AAAA", own.AuthorizedKey() + "\n" + own.AuthorizedKey(), `command="sh" ` + own.AuthorizedKey()} {
		if _, err := desk.AddKey(ctx, operator, line, "", ""); mes.ErrorCode(err) != mes.Invalid {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := desk.AddKey(ctx, operator, own.AuthorizedKey(), "K1", ""); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("an operator added a station's key: %v", err)
	}
}
