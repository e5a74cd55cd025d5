package server

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	gossh "golang.org/x/crypto/ssh"

	"gemba/mes"
)

// codes gives a person one-time codes and tells their secret.
func (p *plant) codes(badge mes.ID) (secret string) {
	p.t.Helper()
	desk := p.server.ssh.desk
	actor := mes.Actor{Kind: mes.ByPerson, ID: p.idOf(badge), Person: p.idOf(badge), Session: "test", Source: "127.0.0.1"}
	secret, _, err := desk.BeginTOTP(context.Background(), actor)
	p.must(err)
	p.must(desk.ConfirmTOTP(context.Background(), actor, secret, p.code(secret, 0)))
	p.ahead.Add(int64(31 * time.Second)) // the code of the set-up is used up
	return secret
}

// code is what the app shows, some steps from now.
func (p *plant) code(secret string, steps int) string {
	p.t.Helper()
	code, err := totp.GenerateCode(secret, p.now().Add(time.Duration(steps)*30*time.Second))
	p.must(err)
	return code
}

// asked answers the questions of a server in order, and keeps them.
type asked struct {
	answers   []string
	questions []string
}

func (a *asked) method() gossh.AuthMethod {
	return gossh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		var given []string
		for _, q := range questions {
			a.questions = append(a.questions, q)
			if len(a.answers) == 0 {
				return nil, fmt.Errorf("no answer to %q", q)
			}
			given, a.answers = append(given, a.answers[0]), a.answers[1:]
		}
		return given, nil
	})
}

// me runs the verb me on a connection, and gives the method of the newest sign-in.
func (p *plant) me(client *gossh.Client) (me mes.Actor, method string) {
	p.t.Helper()
	defer client.Close()
	s, err := client.NewSession()
	p.must(err)
	out, err := s.Output("me --json")
	p.must(err)
	p.must(json.Unmarshal(out, &me))
	in, err := p.store.SignIn(context.Background(), mes.Fresh, me.Session)
	p.must(err)
	return me, in.Method
}

func TestCodeAfterThePassword(t *testing.T) {
	p := newPlant(t)
	secret := p.codes("2001")

	a := &asked{answers: []string{operatorPassword, p.code(secret, 0)}}
	client, err := p.dial("2001", a.method())
	p.must(err)
	if me, method := p.me(client); me.Name != "Person 2001" || method != byPassword+andCode || strings.Join(a.questions, "") != "Password: One-time code: " {
		t.Errorf("%s, %q, asked %q", me.Name, method, a.questions)
	}
	// The same code does not count twice, the next one does; and the method password is as good as the other.
	used := p.code(secret, 0)
	if _, err := p.dial("2001", (&asked{answers: []string{operatorPassword, used}}).method()); err == nil {
		t.Error("a code was taken twice")
	}
	client, err = p.dial("2001", gossh.Password(operatorPassword), (&asked{answers: []string{p.code(secret, 1)}}).method())
	p.must(err)
	if _, method := p.me(client); method != byPassword+andCode {
		t.Errorf("the method is %q", method)
	}
	// Half of a proof is none.
	if _, err := p.dial("2001", gossh.Password(operatorPassword)); err == nil {
		t.Error("the password alone opened the door")
	}
	if _, err := p.dial("2001", (&asked{answers: []string{"some-wrong-secret", p.code(secret, 2)}}).method()); err == nil {
		t.Error("the code alone opened the door")
	}
}

// Who knows the password may guess no more codes than passwords.
func TestCodesCannotBeGuessed(t *testing.T) {
	p := newPlant(t)
	secret := p.codes("2001")
	d := atOnce(p.server)
	person, err := p.store.Person(context.Background(), mes.Fresh, "2001")
	p.must(err)
	door := doorActor("10.1.1.1", "")
	for i := range 5 {
		p.must(guess(d, "10.1.1.1", "2001", operatorPassword))
		if _, err := d.byCode(context.Background(), door, person, fmt.Sprintf("%06d", i)); mes.ErrorCode(err) != mes.Unauthenticated {
			t.Fatal(i, err)
		}
	}
	if _, err := d.byCode(context.Background(), door, person, p.code(secret, 0)); err == nil {
		t.Error("the right code after five wrong ones opened the door")
	}
	if err := guess(atOnce(p.open()), "10.1.1.1", "2001", operatorPassword); err == nil {
		t.Error("the lock does not hold on another node")
	}
	// Whoever holds the person's own key is not kept out by what strangers do.
	for i := range 20 {
		_ = guess(d, fmt.Sprint("10.2.2.", i), "2001", "some-wrong-secret")
	}
	if _, err := d.byCode(context.Background(), doorActor("10.5.5.5", "SHA256:own"), person, p.code(secret, 0)); err != nil {
		t.Errorf("with the own key: %v", err)
	}
}

// An administrator's own key is asked for a code besides; anybody else's is not.
func TestCodeAfterTheOwnKey(t *testing.T) {
	p := newPlant(t)
	p.person("9001", mes.Grant{Role: mes.Admin})
	for _, badge := range []mes.ID{"2001", "9001"} {
		secret := p.codes(badge)
		_, key := p.sshKey(badge, "")
		client, err := p.dial(string(badge), gossh.PublicKeys(key.Signer()))
		if admin := badge == "9001"; (err != nil) != admin {
			t.Errorf("%s with the key alone: %v", badge, err)
		}
		if err == nil {
			client.Close()
			continue
		}
		a := &asked{answers: []string{p.code(secret, 0)}}
		client, err = p.dial(string(badge), gossh.PublicKeys(key.Signer()), a.method())
		p.must(err)
		if me, method := p.me(client); me.Name != "Person 9001" || me.Key != mes.ID(key.Fingerprint()) || method != byOwnKey+andCode {
			t.Errorf("%+v by %q", me, method)
		}
	}
}

// With the option, who manages access sets up codes before anything else: over a command line too.
func TestCodesMustBeSetUp(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.RequireTOTP = true })
	p.person("9001", mes.Grant{Role: mes.Admin})
	file, _ := p.sshKey("9001", "")
	_, errs, status := p.ssh("9001", file, "person", "list")
	if status != mes.ExitDenied || !strings.Contains(errs, "codes set") {
		t.Errorf("before: %d %q", status, errs)
	}
	lead, _ := p.sshKey("2001", "")
	if _, errs, status := p.ssh("2001", lead, "me"); status != 0 {
		t.Errorf("a lead needs none: %d %s", status, errs)
	}
	_, key := p.sshKey("9001", "")
	client, err := p.dial("9001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	open(t, client, 80, 24)
	if replace, enrol := (<-p.visits).Owes(); !enrol || replace != "" {
		t.Errorf("the visit: must enrol %v, must replace %q", enrol, replace)
	}

	cmd := p.sshCommand("9001", []string{"-i", file, "-o", "BatchMode=yes"}, "codes", "set", "--json")
	in, err := cmd.StdinPipe()
	p.must(err)
	shown := &lockedBuffer{}
	cmd.Stderr = shown
	p.must(cmd.Start())
	p.waitFor("the secret is shown", func() bool { return strings.Contains(shown.String(), "otpauth://totp/gemba:9001?secret=") })
	_, secret, _ := strings.Cut(shown.String(), "secret=")
	secret, _, _ = strings.Cut(secret, "&")
	_, err = in.Write([]byte(p.code(secret, 0) + "\n"))
	p.must(err)
	p.must(cmd.Wait())
	p.ahead.Add(int64(31 * time.Second))
	if _, _, status := p.ssh("9001", file, "person", "list"); status != 255 {
		t.Errorf("the key alone afterwards: %d", status)
	}
	ask := filepath.Join(p.dir, "ask-code")
	p.must(os.WriteFile(ask, []byte("#!/bin/sh\necho '"+p.code(secret, 0)+"'\n"), 0o700))
	cmd = p.sshCommand("9001", []string{"-i", file, "-o", "PreferredAuthentications=publickey,keyboard-interactive"}, "person", "list")
	cmd.Env = append(cmd.Env, "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Person 9001") {
		t.Errorf("with the code: %v %s", err, out)
	}
	if text := p.log.String(); strings.Contains(text, secret) {
		t.Error("the secret is in the log")
	}
}
