package security

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// secretCase is a row of auth.toml.
type secretCase struct{ Name, User, Secret, Method, Want string }

// TestAuth is group A: one message for every wrong proof, and the identity is that of the proof which counted.
func TestAuth(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); authentication(t, newSite(t, "sqlite")) })
	if *full {
		t.Run("rqlite", func(t *testing.T) { t.Parallel(); authentication(t, newSite(t, "rqlite")) })
	}
}

func authentication(t *testing.T, s *site) {
	cases := table[struct{ Secret []secretCase }](t, "auth.toml")
	var banners sync.Map
	together(5, 2*len(cases.Secret), func(i int) {
		c := cases.Secret[i/2]
		method := []string{"password", "keyboard"}[i%2]
		if c.Method != "" && c.Method != method {
			return
		}
		secret, banner := s.fill(c.Secret), ""
		auth := ssh.Password(secret)
		if method == "keyboard" {
			auth = ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = secret
				}
				return answers, nil
			})
		}
		client, err := s.dialConfig(newSource(), &ssh.ClientConfig{
			User: s.fill(c.User), Auth: []ssh.AuthMethod{auth}, BannerCallback: func(text string) error { banner += text; return nil },
		})
		if check(t, "A", c.Name+", "+method, c.Want, s.who(client, err)) && c.Want == "refused" {
			banners.Store(banner, c.Name)
		}
	})
	said := 0
	banners.Range(func(banner, name any) bool { said++; t.Logf("%s: %q", name, banner); return true })
	check(t, "A", "texts with which people are refused", "1", strconv.Itoa(said))

	proofs(t, s)
	disabled(t, s)
	methods(t, s)
	sessionOfNobody(t, s)
}

// together does n things, a few at a time.
func together(atOnce, n int, do func(i int)) {
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			do(i)
		})
	}
	all.Wait()
}

var placeholder = regexp.MustCompile(`\{(upper:|cut:|)(password|pin|key|long):([^}]+)\}`)

// fill puts what the plant handed out in the place of its names.
func (s *site) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		m := placeholder.FindStringSubmatch(found)
		value := ""
		switch m[2] {
		case "password":
			value = s.person(m[3]).Password
		case "pin":
			value = s.person(m[3]).PIN
		case "key":
			value = s.key(m[3])
		case "long":
			n, err := strconv.Atoi(m[3])
			if err != nil {
				panic(err)
			}
			value = strings.Repeat("x", n)
		}
		switch m[1] {
		case "upper:":
			value = strings.ToUpper(value)
		case "cut:":
			value = value[:len(value)-1]
		}
		return value
	})
}

// An impostor shows one public key and signs with another, or with nothing.
type impostor struct {
	shown ssh.PublicKey
	ssh.Signer
}

func (i impostor) PublicKey() ssh.PublicKey { return i.shown }

// A rubbish signer shows a public key and signs with zeros.
type rubbish struct{ shown ssh.PublicKey }

func (r rubbish) PublicKey() ssh.PublicKey { return r.shown }

func (r rubbish) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	return &ssh.Signature{Format: r.shown.Type(), Blob: make([]byte, 64)}, nil
}

// proofs is about keys: only what has signed counts.
func proofs(t *testing.T, s *site) {
	own, lead, admin := keyFile(t, s.person("1001").File), keyFile(t, s.person("2001").File), keyFile(t, s.person("9001").File)
	station, stranger := keyFile(t, s.station("KIOSK-TURN")), newKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weakSigner, err := ssh.NewSignerFromKey(weak)
	must(t, err)
	wrong := ssh.Password("some-wrong-secret-text")
	certify := func(of, by ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
		c := &ssh.Certificate{Key: of.PublicKey(), CertType: ssh.UserCert, KeyId: "9001", ValidPrincipals: []string{"9001", "1001"}, ValidBefore: ssh.CertTimeInfinity}
		if change != nil {
			change(c)
		}
		must(t, c.SignCert(rand.Reader, by))
		signer, err := ssh.NewCertSigner(c, of)
		must(t, err)
		return signer
	}
	keys := func(k ...ssh.Signer) ssh.AuthMethod { return ssh.PublicKeys(k...) }
	answers := func(n int) ssh.AuthMethod {
		return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			if len(questions) == 0 {
				return nil, nil
			}
			all := make([]string, n)
			for i := range all {
				all[i] = s.person("1007").Password
			}
			return all, nil
		})
	}
	cases := []struct {
		name, user string
		auth       []ssh.AuthMethod
		want       string
	}{
		{"own key", "1001", []ssh.AuthMethod{keys(own)}, "as 1001"},
		{"own key under somebody else's badge", "9001", []ssh.AuthMethod{keys(own)}, "as 1001"},
		{"own key under no badge", "", []ssh.AuthMethod{keys(own)}, "as 1001"},
		{"own key under an unknown badge", "nobody", []ssh.AuthMethod{keys(own)}, "as 1001"},
		{"a station's key", "kiosk", []ssh.AuthMethod{keys(station)}, "as a station"},
		{"a station's key under an administrator's badge", "9001", []ssh.AuthMethod{keys(station)}, "as a station"},
		{"unknown key", "1001", []ssh.AuthMethod{keys(stranger)}, "refused"},
		{"unknown key under an administrator's badge", "9001", []ssh.AuthMethod{keys(stranger)}, "refused"},
		{"an administrator's key shown, signed with one's own", "9001", []ssh.AuthMethod{keys(impostor{admin.PublicKey(), own})}, "refused"},
		{"an administrator's key shown, signed with a stranger's", "9001", []ssh.AuthMethod{keys(impostor{admin.PublicKey(), stranger})}, "refused"},
		{"an administrator's key shown, signed with zeros", "9001", []ssh.AuthMethod{keys(rubbish{admin.PublicKey()})}, "refused"},
		{"unknown key, then one's own", "9001", []ssh.AuthMethod{keys(stranger, own)}, "as 1001"},
		{"two of one's keys, the first shown only", "2001", []ssh.AuthMethod{keys(impostor{lead.PublicKey(), own}, own)}, "as 1001 or refused"},
		{"unknown key, then a wrong password", "1007", []ssh.AuthMethod{keys(stranger), wrong}, "refused"},
		{"unknown key, then an empty keyboard-interactive answer", "9001", []ssh.AuthMethod{keys(stranger), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				return make([]string, len(questions)), nil
			})}, "refused"},
		{"unknown key, then the right password", "1001", []ssh.AuthMethod{keys(stranger), ssh.Password(s.person("1001").Password)}, "as 1001"},
		{"an administrator's key that does not sign, then an operator's password", "1001",
			[]ssh.AuthMethod{keys(impostor{admin.PublicKey(), stranger}), ssh.Password(s.person("1001").Password)}, "as 1001 or refused"},
		{"no method at all", "9001", nil, "refused"},
		{"keyboard-interactive without an answer", "1007", []ssh.AuthMethod{answers(0)}, "refused"},
		{"keyboard-interactive with two answers", "1007", []ssh.AuthMethod{answers(2)}, "refused"},
		{"RSA of 2,048 bits", "1001", []ssh.AuthMethod{keys(weakSigner)}, "refused"},
		{"RSA of 16,384 bits", "1001", []ssh.AuthMethod{keys(rubbish{hugeKey(t)})}, "refused"},
		{"certificate by a stranger for an administrator", "9001", []ssh.AuthMethod{keys(certify(stranger, newKey(t), nil))}, "refused"},
		{"certificate by an administrator's own key", "9001", []ssh.AuthMethod{keys(certify(stranger, admin, nil))}, "refused"},
		{"certificate of one's own key", "9001", []ssh.AuthMethod{keys(certify(own, admin, nil))}, "refused"},
		{"certificate with another source address, then a wrong password", "1007", []ssh.AuthMethod{keys(certify(own, own, func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "192.0.2.1/32"}
		})), wrong}, "refused"},
	}
	together(8, len(cases), func(i int) {
		c := cases[i]
		client, err := s.dial(newSource(), c.user, c.auth...)
		got := s.who(client, err)
		if err != nil && c.want == "refused" && strings.HasPrefix(got, "refused") {
			got = "refused" // the client itself may have found the answer to its rubbish odd
		}
		check(t, "A", c.name, c.want, got)
	})

	// OpenSSH offers a public key that it cannot sign with, is told that it might, and then signs with another.
	public := filepath.Join(t.TempDir(), "admin.pub")
	must(t, os.WriteFile(public, ssh.MarshalAuthorizedKey(admin.PublicKey()), 0o600))
	out, err := s.openSSH(t, "9001", []string{"-i", public, "-i", s.person("1001").File, "-o", "BatchMode=yes"}, "me", "--json").Output()
	got := "refused"
	if err == nil && strings.Contains(string(out), `"name":"`+s.person("1001").Name+`"`) {
		got = "as 1001"
	}
	check(t, "A", "an administrator's key offered but not proven, then one's own (CVE-2024-45337)", "as 1001", got)
}

// hugeKey is a public key that takes long to check.
func hugeKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 16384))
	must(t, err)
	n.SetBit(n, 16383, 1).SetBit(n, 0, 1)
	key, err := ssh.NewPublicKey(&rsa.PublicKey{N: n, E: 65537})
	must(t, err)
	return key
}

// openSSH prepares OpenSSH's client.
func (s *site) openSSH(t testing.TB, user string, options []string, words ...string) *exec.Cmd {
	t.Helper()
	host, port, _ := strings.Cut(s.known.SSH, ":")
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte("["+host+"]:"+port+" "+s.known.HostKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := append([]string{"-F", "none", "-p", port, "-b", newSource().String(), "-o", "UserKnownHostsFile=" + known, "-o", "StrictHostKeyChecking=yes",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "ConnectTimeout=20", "-l", user}, options...)
	cmd := exec.Command("ssh", append(append(all, host), words...)...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=", "TERM=xterm-256color")
	kill := time.AfterFunc(60*time.Second, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	t.Cleanup(func() { kill.Stop() })
	return cmd
}

// disabled is about somebody who has left: no way in remains.
func disabled(t *testing.T, s *site) {
	p := s.person("5002")
	key := keyFile(t, p.File)
	ways := map[string]ssh.AuthMethod{"password": ssh.Password(p.Password), "own key": ssh.PublicKeys(key)}
	for _, step := range []struct{ line, want string }{
		{"", "as 5002"},
		{"person disable 5002 reason='left the company'", "refused"},
		{"person enable 5002 reason='came back'", "as 5002"},
	} {
		if step.line != "" {
			s.mustRun(t, "9001", step.line, nil)
		}
		for way, auth := range ways {
			client, err := s.dial(newSource(), "5002", auth)
			check(t, "A", strings.TrimSpace(way+" "+step.line), step.want, s.who(client, err))
		}
	}
}

// methods tells what ways there are to prove oneself: none that leans on another machine's word.
func methods(t *testing.T, s *site) {
	said, _ := s.openSSH(t, "9001", []string{"-v", "-o", "PreferredAuthentications=none"}, "me").CombinedOutput()
	found := regexp.MustCompile(`Authentications that can continue: (\S+)`).FindStringSubmatch(string(said))
	if found == nil {
		t.Fatalf("OpenSSH does not say which methods there are:\n%s", said)
	}
	for _, method := range []string{"gssapi-with-mic", "gssapi-keyex", "hostbased", "none"} {
		checkThat(t, "A", method+" is no way in", !strings.Contains(found[1], method), "the methods are %s", found[1])
	}
	for _, method := range []string{"publickey", "password", "keyboard-interactive"} {
		checkThat(t, "A", method+" is a way in", strings.Contains(found[1], method), "the methods are %s", found[1])
	}
	banner := regexp.MustCompile(`remote software version (\S+)`).FindStringSubmatch(string(said))
	checkThat(t, "A", "the version string tells no version", banner != nil && !strings.ContainsAny(banner[1], "0123456789"), "it is %v", banner)
}

// sessionOfNobody: who has not finished the handshake can open nothing, and one connection stops after three failures.
func sessionOfNobody(t *testing.T, s *site) {
	tries := 0
	_, err := s.dial(newSource(), "3003", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		tries++
		return "some-wrong-secret-text", nil
	}), 10))
	checkThat(t, "A", "tries on one connection", err != nil && tries <= 3, "%d tries, then %v", tries, err)
	for _, path := range []string{"/v1/me", "/v1/orders"} {
		a := s.caller(t).call(s.person("9001").Password, "GET", path, "")
		check(t, "A", "an administrator's password as an API key, "+path, "401 unauthenticated", a.outcome())
	}
}
