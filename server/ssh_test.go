package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/mes"
)

// dial opens an SSH connection with Go's client, which can do what OpenSSH's would not.
func (p *plant) dial(user string, auth ...gossh.AuthMethod) (*gossh.Client, error) {
	return gossh.Dial("tcp", p.server.SSHAddr(), &gossh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: gossh.FixedHostKey(p.host.Signer().PublicKey()), Timeout: 10 * time.Second,
	})
}

func TestPersonWithOwnKey(t *testing.T) {
	p := newPlant(t)
	file, key := p.sshKey("1001", "")
	out, errs, status := p.ssh("1001", file, "me", "--json")
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	var me mes.Actor
	if err := json.Unmarshal([]byte(out), &me); err != nil {
		t.Fatal(err, out)
	}
	if me.Kind != mes.ByPerson || me.Name != "Person 1001" || me.Key != mes.ID(key.Fingerprint()) || me.Session == "" || me.Source != "127.0.0.1" {
		t.Errorf("who: %+v", me)
	}
	p.waitFor("the sign-out is recorded", func() bool { return p.entries(1)[0].Command == "sign.out" })
	signIn := p.entries(2)[1]
	if signIn.Command != "sign.in" || signIn.Outcome != mes.Done || signIn.Key != me.Key {
		t.Errorf("sign-in entry: %+v", signIn)
	}
}

// The user name is a claim; the key that signed is the proof.
func TestOtherBadgeChangesNothing(t *testing.T) {
	p := newPlant(t)
	file, _ := p.sshKey("1001", "")
	out, errs, status := p.ssh("2001", file, "me", "--json")
	if status != 0 || !strings.Contains(out, `"name":"Person 1001"`) {
		t.Fatalf("status %d: %s %s", status, out, errs)
	}
}

// A known public key is offered but cannot sign; the identity is that of the key that then does.
func TestOfferedKeyIsNotProof(t *testing.T) {
	p := newPlant(t)
	_, lead := p.sshKey("2001", "")
	own, _ := p.sshKey("1001", "")
	public := filepath.Join(p.dir, "lead.pub")
	p.must(os.WriteFile(public, []byte(lead.AuthorizedKey()+"\n"), 0o600))
	cmd := p.sshCommand("2001", []string{"-i", public, "-i", own, "-v", "-o", "LogLevel=DEBUG1", "-o", "BatchMode=yes"}, "me", "--json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatal(err, errs.String())
	}
	if !strings.Contains(errs.String(), "Server accepts key: "+public) {
		t.Fatalf("the key was not offered first: %s", errs.String())
	}
	if !strings.Contains(out.String(), `"name":"Person 1001"`) {
		t.Errorf("an offered key counted: %s", out.String())
	}
}

// A signature that another key made is none.
func TestForeignSignature(t *testing.T) {
	p := newPlant(t)
	_, lead := p.sshKey("2001", "")
	_, own := p.sshKey("1001", "")
	if _, err := p.dial("2001", gossh.PublicKeys(impostor{lead.Signer().PublicKey(), own.Signer()})); err == nil {
		t.Error("a key that did not sign was let in")
	}
}

// An impostor shows one public key and signs with another.
type impostor struct {
	shown gossh.PublicKey
	gossh.Signer
}

func (i impostor) PublicKey() gossh.PublicKey { return i.shown }

func TestUnknownKeyAndRevokedKey(t *testing.T) {
	p := newPlant(t)
	stranger, _ := p.sshKey("", "")
	if _, _, status := p.ssh("1001", stranger, "me"); status != 255 {
		t.Errorf("an unknown key: status %d", status)
	}
	if e := p.entries(1)[0]; e.Command != "sign.in" || e.Outcome != mes.NotDone || !strings.HasPrefix(e.Subject, "ssh_key/SHA256:") {
		t.Errorf("the refusal is not in the ledger: %+v", e)
	}
	file, key := p.sshKey("1001", "")
	if _, errs, status := p.ssh("1001", file, "me"); status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	p.do(&mes.RevokeKey{Key: mes.ID(key.Fingerprint())})
	if _, _, status := p.ssh("1001", file, "me"); status != 255 {
		t.Errorf("a revoked key: status %d", status)
	}
}

func TestPassword(t *testing.T) {
	p := newPlant(t)
	for _, method := range []string{"password", "keyboard-interactive"} {
		cmd := p.sshCommand("1001", []string{"-o", "PreferredAuthentications=" + method}, "me", "--json")
		p.password(cmd, operatorPassword)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), `"name":"Person 1001"`) {
			t.Errorf("%s: %v %s", method, err, out)
		}
	}
	cmd := p.sshCommand("1001", []string{"-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1"}, "me")
	p.password(cmd, "wrong-wrong-wrong")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a wrong password: %s", out)
	}
	e := p.entries(1)[0]
	if e.Command != "sign.fail" || !strings.Contains(string(e.Detail), "wrong password") || e.Source != "127.0.0.1" {
		t.Errorf("the refusal: %+v", e)
	}
	// A PIN is no password: it is only good at a station.
	if _, err := p.dial("2001", gossh.Password(operatorPIN)); err == nil {
		t.Error("a PIN opened the door")
	}
	if strings.Contains(p.log.String(), operatorPassword) || strings.Contains(p.log.String(), "wrong-wrong") || strings.Contains(p.log.String(), operatorPIN) {
		t.Error("a secret is in the log")
	}
}

// Unknown badge, wrong password, disabled person: the same words, and the same wait.
func TestOneAnswerToEveryWrongSecret(t *testing.T) {
	p := newPlant(t)
	p.person("3001", mes.Grant{Role: mes.Operator})
	p.do(&mes.DisablePerson{Person: "3001", Reason: "left"})
	took := map[string]time.Duration{}
	texts := map[string]bool{}
	for badge, secret := range map[string]string{"nobody": "some-wrong-secret", "1001": "some-wrong-secret", "3001": operatorPassword} {
		began := time.Now()
		_, err := p.dial(badge, gossh.Password(secret))
		took[badge] = time.Since(began)
		if err == nil {
			t.Fatalf("%s was let in", badge)
		}
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("the answers differ: %v", texts)
	}
	for badge, d := range took {
		if d < 900*time.Millisecond || d > 2500*time.Millisecond {
			t.Errorf("%s: answered after %v, not after about a second", badge, d)
		}
	}
}

func TestStationOpensOnlyTheSignInScreen(t *testing.T) {
	p := newPlant(t)
	file, key := p.sshKey("", "K1")
	out, errs, status := p.ssh("kiosk", file, "order", "list")
	if status != mes.ExitDenied || out != "" || !strings.Contains(errs, "Sign in first") {
		t.Errorf("status %d: %q %q", status, out, errs)
	}
	client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	screen := open(t, client, 80, 24)
	v := <-p.visits
	if v.Station == nil || v.Person != nil || v.Actor.Kind != mes.ByStation || v.Actor.ID != "K1" || v.Actor.May(mes.WorkJobs, mes.Place{}) {
		t.Fatalf("the visit: %+v", v)
	}
	ctx := context.Background()
	if _, _, err := v.SignIn(ctx, "1001", "000000"); mes.ErrorCode(err) != mes.Unauthenticated {
		t.Errorf("a wrong PIN: %v", err)
	}
	actor, person, err := v.SignIn(ctx, "1001", operatorPIN)
	if err != nil {
		t.Fatal(err)
	}
	if person.Badge != "1001" || actor.Person != person.ID || actor.Station != "K1" || actor.Session == "" || !actor.Has(mes.Operator) {
		t.Errorf("who signed in: %+v", actor)
	}
	v.SignOut(ctx, actor, "signed out")
	if e := p.entries(1)[0]; e.Command != "sign.out" || e.Station != "K1" {
		t.Errorf("the sign-out: %+v", e)
	}
	if _, _, err := v.SignIn(ctx, "2001", operatorPassword); err != nil {
		t.Errorf("a password at the station: %v", err)
	}
	screen.Close()
	client.Close()
	p.waitFor("the lost connection is a sign-out", func() bool {
		e := p.entries(1)[0]
		return e.Command == "sign.out" && strings.Contains(string(e.Detail), endLost)
	})
}

// A terminal is a session with a screen.
type terminal struct {
	*gossh.Session
	in  io.WriteCloser
	out *lockedBuffer
}

func open(t *testing.T, client *gossh.Client, columns, rows int) *terminal {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{Session: session, out: &lockedBuffer{}}
	session.Stdout = s.out
	if s.in, err = session.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm-256color", rows, columns, gossh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *plant) terminal(t *testing.T, columns, rows int) (*gossh.Client, *terminal) {
	t.Helper()
	_, key := p.sshKey("1001", "")
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, open(t, client, columns, rows)
}

func TestWindowIsClamped(t *testing.T) {
	p := newPlant(t)
	_, s := p.terminal(t, 2_000_000_000, 2_000_000_000)
	p.waitFor("the first size is clamped", func() bool { return strings.Contains(s.out.String(), "size 400x200") })
	if v := <-p.visits; v.Width != maxColumns || v.Height != maxRows {
		t.Errorf("the visit says %dx%d", v.Width, v.Height)
	}
	p.must(s.WindowChange(0, 0))
	p.waitFor("a size that is not said is a classic terminal", func() bool { return strings.Contains(s.out.String(), "80x24") })
	for range 200 {
		p.must(s.WindowChange(1<<30, 1<<30))
	}
	p.must(s.WindowChange(33, 44))
	p.waitFor("the newest size arrives", func() bool { return strings.Contains(s.out.String(), "44x33") })
	_, _ = s.in.Write([]byte("q"))
	if err := s.Wait(); err != nil {
		t.Errorf("quitting: %v", err)
	}
}

func TestOneSessionChannel(t *testing.T) {
	p := newPlant(t)
	client, s := p.terminal(t, 80, 24)
	if _, err := client.NewSession(); err == nil {
		t.Error("a second session was opened")
	}
	if _, _, err := client.OpenChannel("direct-tcpip", nil); err == nil {
		t.Error("a forwarding channel was opened")
	}
	if ok, _, _ := client.SendRequest("tcpip-forward", true, gossh.Marshal(struct {
		Addr string
		Port uint32
	}{"127.0.0.1", 0})); ok {
		t.Error("a port was forwarded")
	}
	for name, payload := range map[string][]byte{
		"auth-agent-req@openssh.com": nil, "x11-req": []byte("x"), "subsystem": gossh.Marshal(struct{ Name string }{"sftp"}), "break": nil,
	} {
		if ok, _ := s.SendRequest(name, true, payload); ok {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestEnvironmentIsSmall(t *testing.T) {
	p := newPlant(t)
	_, key := p.sshKey("1001", "")
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	s, err := client.NewSession()
	p.must(err)
	for name, value := range map[string]string{"LD_PRELOAD": "x", "SSH_TTY": "x", "LANG": strings.Repeat("x", 500), "LC_x": "y", "COLORTERM": "a\x1bb"} {
		if err := s.Setenv(name, value); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for name, value := range map[string]string{"LANG": "de_DE.UTF-8", "LC_TIME": "C", "COLORTERM": "truecolor", "NO_COLOR": "1"} {
		if err := s.Setenv(name, value); err != nil {
			t.Errorf("%s was refused", name)
		}
	}
	p.must(s.RequestPty("xterm", 24, 80, nil))
	p.must(s.Shell())
	if v := <-p.visits; len(v.Env) != 4 || v.Term != "xterm" {
		t.Errorf("environment %q, terminal %q", v.Env, v.Term)
	}
}

// Whoever opens more screens than they may, having proven who they are, loses the oldest; a cable may have been pulled
// there. What is no screen is bounded too.
func TestSessionsAreCounted(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.SessionsOf = 2 })
	_, oldest := p.terminal(t, 80, 24)
	p.waitFor("the first screen is there", func() bool { return strings.Contains(oldest.out.String(), "size") })
	_, second := p.terminal(t, 80, 24)
	p.waitFor("the second screen is there", func() bool { return strings.Contains(second.out.String(), "size") })
	_, third := p.terminal(t, 80, 24)
	p.waitFor("the third screen is there", func() bool { return strings.Contains(third.out.String(), "size") })
	_ = oldest.Wait()
	if !strings.Contains(oldest.out.String(), farewells[endTaken]) {
		t.Errorf("the last words: %q", oldest.out.String())
	}
	p.waitFor("the takeover is in the ledger", func() bool {
		e := p.entries(1)[0]
		return e.Command == "sign.out" && strings.Contains(string(e.Detail), endTaken)
	})
	p.must(second.WindowChange(30, 90))
	p.waitFor("the second screen lives", func() bool { return strings.Contains(second.out.String(), "90x30") })

	_, key := p.sshKey("1001", "")
	for range commandsBeside {
		client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
		p.must(err)
		defer client.Close()
		_, err = client.NewSession()
		p.must(err)
	}
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	var refused *gossh.OpenChannelError
	if _, err := client.NewSession(); !errors.As(err, &refused) || refused.Reason != gossh.ResourceShortage {
		t.Errorf("one session too many: %v", err)
	}
}

func TestStrangersMustHurry(t *testing.T) {
	p := newPlant(t, func(o *Options) {
		o.Limits.Handshake, o.Limits.StrangersFrom, o.Limits.OpenSession = 400*time.Millisecond, 3, 400*time.Millisecond
	})
	var conns []io.ReadCloser
	for range 3 {
		conns = append(conns, p.knock())
	}
	began := time.Now()
	for _, c := range conns {
		_, _ = io.Copy(io.Discard, c)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("half-open handshakes stayed %v", took)
	}
	p.waitFor("all places are free", func() bool { return p.server.ssh.strangers.count() == 0 })
	_, key := p.sshKey("1001", "")
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	began = time.Now()
	_ = client.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a connection without a session stayed %v", took)
	}
}

func TestFaultsEndOneSession(t *testing.T) {
	p := newPlant(t)
	_, quiet := p.terminal(t, 80, 24)
	for _, key := range []string{"p", "c"} {
		_, s := p.terminal(t, 80, 24)
		p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
		_, _ = s.in.Write([]byte(key))
		var exit *gossh.ExitError
		if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != mes.ExitFailed {
			t.Errorf("after %q: %v", key, err)
		}
	}
	p.must(quiet.WindowChange(30, 90))
	p.waitFor("the other session lives", func() bool { return strings.Contains(quiet.out.String(), "90x30") })
	_, _ = quiet.in.Write([]byte("z"))
	p.must(quiet.WindowChange(31, 91))
	p.waitFor("suspend does nothing", func() bool { return strings.Contains(quiet.out.String(), "91x31") })
}

func TestPasteIsBounded(t *testing.T) {
	p := newPlant(t)
	_, s := p.terminal(t, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	_, _ = s.in.Write(append(append(append([]byte{}, pasteStart...), bytes.Repeat([]byte("x"), 4000)...), pasteEnd...))
	p.waitFor("a paste arrives", func() bool { return strings.Contains(s.out.String(), "pasted 4000") })
	_, _ = s.in.Write(append(append(append([]byte{}, pasteStart...), bytes.Repeat([]byte("x"), 30000)...), pasteEnd...))
	p.waitFor("a long paste comes out empty", func() bool {
		return strings.Contains(s.out.String(), "pasted 0") || strings.HasSuffix(strings.TrimSpace(s.out.String()), "0")
	})
}

func TestAccessEndsTheSession(t *testing.T) {
	p := newPlant(t)
	_, s := p.terminal(t, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	p.do(&mes.RegisterPerson{Badge: "1001", Name: "Person 1001", Disabled: true, Grants: []mes.Grant{{Role: mes.Operator}}})
	_ = s.Wait()
	if !strings.Contains(s.out.String(), farewells[endDisabled]) {
		t.Errorf("the last words: %q", s.out.String())
	}
}

func TestShutdownSaysGoodbye(t *testing.T) {
	p := newPlant(t)
	_, s := p.terminal(t, 80, 24)
	p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
	began := time.Now()
	p.must(p.server.Shutdown(context.Background()))
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	if !strings.Contains(s.out.String(), farewells[endShutdown]) {
		t.Errorf("the last words: %q", s.out.String())
	}
	if e := p.entries(1)[0]; e.Command != "sign.out" || !strings.Contains(string(e.Detail), endShutdown) {
		t.Errorf("the last entry: %+v", e)
	}
	if _, err := p.dial("1001", gossh.Password(operatorPassword)); err == nil {
		t.Error("the door is still open")
	}
}

func TestWeakAlgorithmsAreNotOffered(t *testing.T) {
	p := newPlant(t)
	for name, config := range map[string]gossh.Config{
		"key exchange": {KeyExchanges: []string{"diffie-hellman-group14-sha1", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"}},
		"cipher":       {Ciphers: []string{"aes128-ctr", "aes256-ctr", "aes128-cbc"}},
		"mac":          {Ciphers: []string{"aes128-ctr"}, MACs: []string{"hmac-sha1", "hmac-sha2-256"}},
	} {
		_, err := gossh.Dial("tcp", p.server.SSHAddr(), &gossh.ClientConfig{
			Config: config, User: "1001", Auth: []gossh.AuthMethod{gossh.Password(operatorPassword)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		})
		if err == nil || !strings.Contains(err.Error(), "no common algorithm") {
			t.Errorf("%s: %v", name, err)
		}
	}
	client, err := p.dial("1001", gossh.Password(operatorPassword))
	p.must(err)
	defer client.Close()
	if v := string(client.ServerVersion()); v != "SSH-2.0-gemba" {
		t.Errorf("version %q", v)
	}
}

// Nothing of a session stays behind: not when the person leaves, not when the cable is pulled, not when the client
// stops reading.
func TestSessionsLeaveNothingBehind(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.SessionsOf = 50 })
	before := runtime.NumGoroutine()
	_, key := p.sshKey("1001", "")
	for i := range 12 {
		client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
		p.must(err)
		s := open(t, client, 80, 24)
		p.waitFor("the screen is there", func() bool { return strings.Contains(s.out.String(), "size") })
		switch i % 3 {
		case 0:
			_, _ = s.in.Write([]byte("q"))
			_ = s.Wait()
		case 1:
			_ = s.Close()
		}
		client.Close()
	}
	p.waitFor("all sessions are gone", func() bool { return p.server.ssh.sessions.count() == 0 })
	p.waitFor("all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+3 })
	if n := p.feed.subscribers(); n != 2 {
		t.Errorf("%d mailboxes are open, 2 should be", n)
	}
}

// A client that stops reading stops its own session and no other; the shutdown does not wait for it.
func TestFrozenClient(t *testing.T) {
	p := newPlant(t)
	_, key := p.sshKey("1001", "")
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	s, err := client.NewSession()
	p.must(err)
	_, err = s.StdoutPipe() // never read
	p.must(err)
	in, err := s.StdinPipe()
	p.must(err)
	p.must(s.RequestPty("xterm", 200, 400, nil))
	p.must(s.Shell())
	_, err = in.Write([]byte("f"))
	p.must(err)
	time.Sleep(4 * time.Second) // until the client's window is full
	_, other := p.terminal(t, 80, 24)
	p.waitFor("another session works", func() bool { return strings.Contains(other.out.String(), "size") })
	began := time.Now()
	p.must(p.server.Shutdown(context.Background()))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
}
