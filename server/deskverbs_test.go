package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// sshWith runs the real client with standard input.
func (p *plant) sshWith(user, file, stdin string, words ...string) (out, errs string, status int) {
	p.t.Helper()
	cmd := p.sshCommand(user, []string{"-i", file, "-o", "BatchMode=yes"}, words...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// field reads one field of a JSON document.
func field(t *testing.T, document, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		t.Fatalf("%v: %q", err, document)
	}
	text, _ := fields[name].(string)
	return text
}

// An administrator makes secrets by command line; whoever gets one replaces it before anything else.
func TestDeskVerbs(t *testing.T) {
	p := newPlant(t)
	p.person("9001", mes.Grant{Role: mes.Admin})
	file, _ := p.sshKey("9001", "")
	admin := func(stdin string, words ...string) (string, string, int) {
		return p.sshWith("9001", file, stdin, words...)
	}

	out, errs, status := admin("", "secret reset 1001 kind=password 'reason=forgot it' --json")
	once := field(t, out, "secret")
	if status != 0 || keys.CheckPassword(once) != nil || p.leaks(once) {
		t.Fatalf("secret reset: %d %s %s", status, out, errs)
	}
	cmd := func(stdin string, words ...string) (string, error) {
		c := p.sshCommand("1001", []string{"-o", "PreferredAuthentications=password"}, words...)
		p.password(c, once)
		c.Stdin = strings.NewReader(stdin)
		text, err := c.CombinedOutput()
		return string(text), err
	}
	if out, err := cmd("", "order", "list"); err == nil || !strings.Contains(out, "replace it first") {
		t.Errorf("a verb before the password was replaced: %v %s", err, out)
	}
	if out, err := cmd(once+"\nvelo-ranu-goda-timi\n", "secret", "replace"); err != nil {
		t.Fatalf("secret replace: %v %s", err, out)
	}
	once = "velo-ranu-goda-timi"
	if out, err := cmd("", "order", "list"); err != nil {
		t.Errorf("with the new password: %v %s", err, out)
	}

	out, errs, status = admin("", "key issue name=lathe kind=machine principal=M1 role=feeder machine=M1 network=127.0.0.0/8 days=30 --json")
	key := field(t, out, "key")
	if status != 0 || p.leaks(key) {
		t.Fatalf("key issue: %d %s %s", status, out, errs)
	}
	if a := p.call(p.client(), key, "POST", "/v1/machines/M1/count", `{"value":5}`); a.status != 200 {
		t.Errorf("the key: %d %s", a.status, a.body)
	}
	if out, errs, status = admin("", "station invite K1"); status != 0 || !strings.Contains(out, "code") {
		t.Errorf("station invite: %d %s %s", status, out, errs)
	}
	station, err := keys.NewSSHKey("kiosk")
	p.must(err)
	if out, errs, status = admin(station.AuthorizedKey()+"\n", "key add station=K1"); status != 0 || !strings.Contains(out, station.Fingerprint()) {
		t.Errorf("key add: %d %s %s", status, out, errs)
	}
	client, err := p.dial("kiosk", gossh.PublicKeys(station.Signer()))
	p.must(err)
	client.Close()
	own, err := keys.NewSSHKey("laptop")
	p.must(err)
	if out, errs, status = admin(own.AuthorizedKey(), "key add --json"); status != 0 || field(t, out, "fingerprint") != own.Fingerprint() {
		t.Errorf("key add, own: %d %s %s", status, out, errs)
	}
	if out, errs, status = admin("", "key drop "+own.Fingerprint()); status != 0 {
		t.Errorf("key drop: %d %s %s", status, out, errs)
	}
	p.codes("2001")
	if out, errs, status = admin("", "secret remove 2001 kind=totp reason=lost"); status != 0 {
		t.Errorf("secret remove: %d %s %s", status, out, errs)
	}
	for _, test := range []struct {
		stdin, words string
		status       int
		errs         string
	}{
		{"", "secret reset", mes.ExitUsage, "say the person: secret reset PERSON kind=… reason=…"},
		{"", "secret reset 1001 kind=totp reason=x", mes.ExitUsage, ""},
		{"", "secret reset nobody kind=pin reason=x", mes.ExitNotFound, "nobody"},
		{"", "secret reset 1001 pin why and more", mes.ExitUsage, "too much"},
		{"", "secret reset 1001 kind=pin kind=pin reason=x", mes.ExitUsage, "said twice"},
		{"", "secret reset 1001 kind=pin reason=x colour=red", mes.ExitUsage, "no \"colour\""},
		{"", "secret reset 1001 kind=pin reason=x --id=1", mes.ExitUsage, "--id"},
		{"", "key issue name=x kind=machine line=L1", mes.ExitUsage, "say the role"},
		{"", "key issue name=x kind=machine role=feeder days=ten", mes.ExitUsage, "whole number"},
		{"", "key add", mes.ExitUsage, "a line is missing"},
		{strings.Repeat("x", longestLine+10), "key add", mes.ExitUsage, "at most"},
		{"hello\n", "key add", mes.ExitUsage, "not an SSH public key"},
		{"wrong\nvelo-ranu-goda-tima\n", "secret replace", mes.ExitDenied, "not right"},
		{"", "secret rest 1001", mes.ExitUsage, "did you mean secret reset"},
	} {
		out, errs, status := admin(test.stdin, test.words)
		if status != test.status || !strings.Contains(errs, test.errs) || out != "" {
			t.Errorf("%s: %d %q %q", test.words, status, out, errs)
		}
	}
	if out, _, status := admin("", "help secret reset"); status != 0 || !strings.Contains(out, "secret reset PERSON kind=… reason=…") || !strings.Contains(out, "needed") {
		t.Errorf("help: %d %s", status, out)
	}
	if out, _, _ := admin("", "help key"); !strings.Contains(out, "key issue") || !strings.Contains(out, "key revoke") {
		t.Errorf("help key: %s", out)
	}
}

// On a terminal the questions are shown and the answers are not.
func TestReplaceOnATerminal(t *testing.T) {
	p := newPlant(t)
	_, key := p.sshKey("1001", "")
	client, err := p.dial("1001", gossh.PublicKeys(key.Signer()))
	p.must(err)
	defer client.Close()
	s, err := client.NewSession()
	p.must(err)
	shown := &lockedBuffer{}
	s.Stdout, s.Stderr = shown, shown
	in, err := s.StdinPipe()
	p.must(err)
	p.must(s.RequestPty("xterm", 24, 80, nil))
	p.must(s.Start("secret replace kind=pin"))
	for _, step := range [][2]string{{"The PIN you have: ", operatorPIN + "\r"}, {"The new PIN: ", "5827\x7f\x7f\x7f\x7f582719\r"}, {"The new PIN again: ", "582719\r"}} {
		p.waitFor(step[0], func() bool { return strings.Contains(shown.String(), step[0]) })
		_, err = in.Write([]byte(step[1]))
		p.must(err)
	}
	p.must(s.Wait())
	if text := shown.String(); strings.Contains(text, "582719") || strings.Contains(text, operatorPIN) || !strings.Contains(text, "secret.replace") {
		t.Errorf("the terminal shows %q", text)
	}
	station, err := p.store.Station(context.Background(), mes.Local, "K1")
	p.must(err)
	if _, err := p.server.ssh.doorman.bySecret(context.Background(), stationActor(station, "10.1.1.1", "key"), "1001", mes.PIN, "582719"); err != nil {
		t.Errorf("the new PIN: %v", err)
	}
}

// A command over a connection that was opened for it carries a signature; an API key cannot sign.
func TestCommandLineIsProofForASignature(t *testing.T) {
	p := newPlant(t)
	p.do(&mes.DefineProduct{Code: "P1", Name: "Valve", Family: "valves"})
	p.person("6001", mes.Grant{Role: mes.Engineer})
	p.person("6002", mes.Grant{Role: mes.Approver})
	engineer, _ := p.sshKey("6001", "")
	approver, _ := p.sshKey("6002", "")
	for _, words := range []string{
		`revision draft P1/A 'routing=[{"seq":10,"code":"TURN","name":"Turn","line":"L1"}]'`,
		"revision submit P1/A",
	} {
		if _, errs, status := p.ssh("6001", engineer, words); status != 0 {
			t.Fatalf("%s: %d %s", words, status, errs)
		}
	}
	id := p.idOf("6002")
	unproven := mes.Actor{Kind: mes.ByPerson, ID: id, Person: id, Session: "test", Grants: []mes.Grant{{Role: mes.Approver}}}
	if _, err := p.app.Do(context.Background(), unproven, "", &mes.ReleaseRevision{Product: "P1", Rev: "A"}); mes.ErrorCode(err) != mes.Unsigned {
		t.Errorf("a release without a proof: %v", err)
	}
	if out, errs, status := p.ssh("6002", approver, "revision release P1/A"); status != 0 || !strings.Contains(out, "signature") {
		t.Errorf("release: %d %s %s", status, out, errs)
	}
}
