package security

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestAccounts is the part of group A that is about getting in for the first time, and again: secrets for one use, new
// passwords, new stations, one-time codes.
func TestAccounts(t *testing.T) {
	t.Parallel()
	t.Run("codes", func(t *testing.T) { t.Parallel(); secondFactor(t, newSite(t, "sqlite", "--totp", "admins")) })
	t.Run("secrets", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, "sqlite")
		oneUse(t, s)
		newPasswords(t, s)
		enrolment(t, s)
	})
}

// codeAt is the one-time code of a secret at a time, as RFC 6238 has it.
func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(secret, "=")))
	must(t, err)
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000)
}

// answering gives the same answer to every question of the door.
func answering(answer func() string) ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range answers {
			answers[i] = answer()
		}
		return answers, nil
	})
}

// secondFactor: who manages access sets up one-time codes before anything else, and is asked for one from then on.
func secondFactor(t *testing.T, s *site) {
	key := ssh.PublicKeys(keyFile(t, s.person("9001").File))
	r := s.run(t, "9001", "person list")
	checkThat(t, "A", "an administrator without codes does nothing", r.status == 4 && r.out == "" && strings.Contains(r.errs, "codes"), "status %d: %s%s", r.status, r.out, r.errs)

	client, err := s.dial(newSource(), "9001", key)
	must(t, err)
	session, err := client.NewSession()
	must(t, err)
	in, err := session.StdinPipe()
	must(t, err)
	said, err := session.StderrPipe()
	must(t, err)
	must(t, session.Start("codes set"))
	secret := ""
	for lines := bufio.NewScanner(said); secret == "" && lines.Scan(); {
		if found := regexp.MustCompile(`\b([A-Z2-7]{26,64})\b`).FindStringSubmatch(lines.Text()); found != nil {
			secret = found[1]
		}
	}
	if secret == "" {
		t.Fatal("codes set shows no secret")
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	first := codeAt(t, secret, time.Now())
	_, _ = io.WriteString(in, first+"\n")
	must(t, session.Wait())
	client.Close()

	asked := func(code string) string {
		client, err := s.dial(newSource(), "9001", key, answering(func() string { return code }))
		return s.who(client, err)
	}
	check(t, "A", "a wrong one-time code", "refused", asked("000000"))
	check(t, "A", "no one-time code", "refused", asked(""))
	check(t, "A", "the code that set them up, again", "refused", asked(first))
	client, err = s.dial(newSource(), "9001", key)
	check(t, "A", "the key alone", "refused", s.who(client, err))
	client, err = s.dial(newSource(), "9001", ssh.Password(s.person("9001").Password))
	check(t, "A", "the password alone", "refused", s.who(client, err))
	next := codeAt(t, secret, time.Now().Add(30*time.Second)) // of the step after: clocks differ
	check(t, "A", "the right one-time code", "as 9001", asked(next))
	check(t, "A", "the same code a second time", "refused", asked(next))
	check(t, "A", "a code of five minutes ago", "refused", asked(codeAt(t, secret, time.Now().Add(-5*time.Minute))))
	check(t, "A", "a code of five minutes from now", "refused", asked(codeAt(t, secret, time.Now().Add(5*time.Minute))))
	client, err = s.dial(newSource(), "2001", ssh.PublicKeys(keyFile(t, s.person("2001").File)))
	check(t, "A", "somebody who manages nothing is asked for no code", "as 2001", s.who(client, err))
}

// refusedFirst tells whether somebody who owes something is told so, and gets nothing else.
func refusedFirst(r result) bool { return r.status == 4 && r.out == "" && r.errs != "" }

// oneUse: what an administrator hands out opens nothing but its own replacement, once.
func oneUse(t *testing.T, s *site) {
	old := s.person("1002").Password
	enter := func(password string) (*ssh.Client, error) { return s.dial(newSource(), "1002", ssh.Password(password)) }
	reset := func() string {
		var made struct{ Secret string }
		s.mustRun(t, "9001", "secret reset 1002 kind=password reason='forgotten' --json", &made)
		return made.Secret
	}
	first := reset()
	client, err := enter(old)
	check(t, "A", "the password before a reset", "refused", s.who(client, err))
	given := reset()
	client, err = enter(first)
	check(t, "A", "a secret for one use that another has taken the place of", "refused", s.who(client, err))
	for _, line := range []string{"me show", "order list", "job start 1003/10", "key add"} {
		client, err = enter(given)
		must(t, err)
		r, err := command(client, line, "")
		must(t, err)
		checkThat(t, "A", "with a secret for one use: "+line, refusedFirst(r), "status %d: %s%s", r.status, r.out, r.errs)
		client.Close()
	}
	replace := func(current, next string) result {
		client, err := enter(given)
		must(t, err)
		defer client.Close()
		r, err := command(client, "secret replace", current+"\n"+next+"\n")
		must(t, err)
		return r
	}
	r := replace("some-wrong-secret-text", "vole tundra kettle seven")
	checkThat(t, "A", "replaced without knowing it", r.status != 0, "status 0")
	for name, next := range map[string]string{"the same": given, "the one before": old, "a weak one": "tooshort-7q"} {
		r = replace(given, next)
		checkThat(t, "A", "replaced by "+name, r.status == 2 || r.status == 5, "status %d: %s", r.status, r.errs)
		checkThat(t, "A", "a refused password is not repeated", !strings.Contains(r.out+r.errs, next), "%s%s", r.out, r.errs)
	}
	r = replace(given, "vole tundra kettle seven")
	check(t, "A", "replaced by a good one", "0", fmt.Sprint(r.status))
	client, err = enter(given)
	check(t, "A", "a secret for one use, a second time", "refused", s.who(client, err))
	client, err = enter("vole tundra kettle seven")
	check(t, "A", "the new password", "as 1002", s.who(client, err))
	checkThat(t, "A", "neither is in the ledger", !strings.Contains(s.run(t, "5001", "ledger list limit=1000 --json").out, given), "one is")
}

// newPasswords is the table of what somebody may choose.
func newPasswords(t *testing.T, s *site) {
	p := s.person("1003")
	cases := table[struct{ Refused, Taken []string }](t, "password.toml")
	current := p.Password
	choose := func(text string) (string, result) {
		text = strings.NewReplacer("{name}", p.Name, "{badge}", p.Badge, "{old}", current).Replace(text)
		return text, s.runWith(t, p.Badge, "secret replace", current+"\n"+text+"\n")
	}
	for _, text := range append(cases.Refused, strings.Repeat("x9!vQ2#mL7$wP4&z", 9)) {
		chosen, r := choose(text)
		checkThat(t, "A", fmt.Sprintf("the password %.30q", text), r.status == 2 || r.status == 5, "status %d: %s", r.status, r.errs)
		checkThat(t, "A", fmt.Sprintf("the password %.30q is not repeated", text), len(chosen) < 6 || strings.TrimSpace(chosen) == "" || !strings.Contains(r.errs, chosen), "%s", r.errs)
	}
	for _, text := range cases.Taken {
		chosen, r := choose(text)
		if check(t, "A", fmt.Sprintf("the password %.30q", text), "0", fmt.Sprint(r.status)) {
			current = chosen
		}
	}
	client, err := s.dial(newSource(), p.Badge, ssh.Password(current))
	check(t, "A", "the last of them", "as 1003", s.who(client, err))
}

// enrolment: a new station brings its own key, with a code that is good once and for a while.
func enrolment(t *testing.T, s *site) {
	s.mustRun(t, "9001", "station enrol code=NEW-1 name='New kiosk' line=TURN", nil)
	invite := func() string {
		var made struct{ Code string }
		s.mustRun(t, "9001", "station invite NEW-1 --json", &made)
		return made.Code
	}
	bring := func(key ssh.Signer, user, code string) error {
		client, err := s.dial(newSource(), user, ssh.PublicKeys(key), answering(func() string { return code }))
		if err != nil {
			return err
		}
		defer client.Close()
		_, err = command(client, "", "")
		return err
	}
	stands := func(key ssh.Signer) string {
		client, err := s.dial(newSource(), "kiosk", ssh.PublicKeys(key))
		return s.who(client, err)
	}
	key, thief := newKey(t), newKey(t)
	first := invite()
	code := invite()
	for name, text := range map[string]string{"a wrong code": "AAAA-BBBB-CCCC", "no code": "", "a code that another has taken the place of": first} {
		_ = bring(thief, "enrol", text)
		check(t, "A", "a station with "+name, "refused", stands(thief))
	}
	_ = bring(thief, "kiosk", code)
	check(t, "A", "the right code, but not to enrol", "refused", stands(thief))
	_ = bring(key, "enrol", strings.ToLower(code))
	check(t, "A", "a station with the right code", "as a station", stands(key))
	_ = bring(thief, "enrol", code)
	check(t, "A", "the right code a second time", "refused", stands(thief))
	s.mustRun(t, "9001", "station retire NEW-1 reason='a test'", nil)
	check(t, "A", "the station after it was retired", "refused", retry(func() string { return stands(key) }, "refused"))
}
