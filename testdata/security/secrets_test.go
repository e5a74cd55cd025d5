package security

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// handedOut are the files in which the demonstration gives everybody their secrets: they are there to be read.
var handedOut = []string{"demo-credentials.json", "demo-secrets.json", "demo-keys"}

// TestSecrets is group X: a password and a key are pushed through every way in and every wrong field, and are then in no
// file: not in the database, its journal, a log, the trace, a copy, nor in what a crash leaves behind.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	p := s.person("1001")
	canary := "canary-Zq7-" + neverIssued("x")[10:26] // nobody's password
	never := neverIssued("program")                   // nobody's key
	digits := "918273645500"                          // nobody's PIN
	secrets := map[string]string{
		"the right password": p.Password, "the right key": s.key("erp"), "a wrong password": canary, "a wrong key": never, "a wrong PIN": digits,
	}
	wrong := func(user, secret string) {
		if client, err := s.dial(newSource(), user, ssh.Password(secret)); err == nil {
			client.Close()
		}
	}
	c := s.caller(t)
	kiosk := func(badge, secret string) *screen {
		sc, err := openScreen(s.kiosk(t, "KIOSK-TURN"), "xterm-256color", 80, 24)
		must(t, err)
		if !sc.shows("Badge", 10*time.Second) {
			t.Fatalf("the kiosk does not ask for a badge: %q", sc.out.String())
		}
		sc.keys(badge, "\t", secret, "\r")
		return sc
	}
	shown := &strings.Builder{}
	paths := []struct {
		name string
		push func()
	}{
		{"the right password at the door", func() {
			client, err := s.dial(newSource(), "1001", ssh.Password(p.Password))
			check(t, "X", "the right password", "as 1001", s.who(client, err))
		}},
		{"a wrong password at the door", func() { wrong("1001", canary) }},
		{"a password for a user name", func() { wrong(canary, canary) }},
		{"the right password under the wrong badge", func() { wrong("1002", p.Password) }},
		{"a key for a password", func() { wrong("1001", s.key("erp")); wrong("1001", never) }},
		{"a password and a PIN at a station", func() {
			sc := kiosk("1001", p.PIN)
			checkThat(t, "X", "a badge and a PIN sign in", sc.shows(p.Name, 10*time.Second), "the screen: %q", sc.out.String())
			shown.WriteString(sc.out.String())
			sc.client.Close()
			sc = kiosk("1001", digits)
			time.Sleep(1500 * time.Millisecond)
			shown.WriteString(sc.out.String())
			sc.client.Close()
		}},
		{"a password in the field for the badge", func() {
			sc := kiosk(canary, digits)
			time.Sleep(1500 * time.Millisecond)
			sc.client.Close()
		}},
		{"a password scanned on a screen at work", func() {
			sc := s.desk(t, "1003", 80, 24)
			_ = sc.send(canary + "\r")
			_ = sc.send("\x1b[200~" + never + "\x1b[201~")
			time.Sleep(500 * time.Millisecond)
			sc.client.Close()
		}},
		{"a password for a verb", func() { s.run(t, "1003", canary); s.run(t, "1003", never+" x") }},
		{"a password for a variable and a terminal", func() {
			client := s.as(t, "1003")
			session, err := client.NewSession()
			must(t, err)
			_ = session.Setenv("LC_ALL", canary)
			_ = session.RequestPty(canary, 24, 80, nil)
			_ = session.Shell()
			time.Sleep(300 * time.Millisecond)
			client.Close()
		}},
		{"the right key, and a wrong one", func() {
			check(t, "X", "the right key", "200", c.call(s.key("erp"), "GET", "/v1/me", "").outcome())
			c.call(never, "GET", "/v1/me", "")
			c.call(canary, "GET", "/v1/me", "")
		}},
		{"a key and a password in an address", func() {
			for _, path := range []string{"/v1/orders?q=" + s.key("erp"), "/v1/" + never, "/v1/me?password=" + canary, "/v1/orders?api_key=" + never} {
				c.call(s.key("reporting"), "GET", path, "")
			}
		}},
		{"a password in Basic and in a cookie", func() {
			basic := base64.StdEncoding.EncodeToString([]byte("1001:" + p.Password))
			c.call("", "GET", "/v1/me", "", "Authorization: Basic "+basic, "Cookie: a="+never)
		}},
		{"a password in a body", func() {
			c.call(s.key("erp"), "POST", "/v1/products", `{"code":"X-1","name":"x","password":"`+canary+`"}`)
			c.call(s.key("erp"), "POST", "/v1/products", `{"code":"X-1","name":"x`)
			c.call(s.key("erp"), "POST", "/v1/products", `{"`+canary+`":1}`)
		}},
		{"a key in a header that nobody reads", func() {
			c.call(s.key("reporting"), "GET", "/v1/me", "", "User-Agent: "+never, "Referer: https://x/?key="+never, "X-Request-Id: "+canary)
		}},
	}
	for _, path := range paths {
		path.push()
	}
	time.Sleep(500 * time.Millisecond)
	copied := s.copyFiles(t)
	for name, secret := range secrets {
		for _, folder := range []string{s.dir, copied} {
			checkThat(t, "X", name+" while gemba runs", hits(t, folder, secret) == "", "it is in %s", hits(t, folder, secret))
		}
		checkThat(t, "X", name+" on a screen", !strings.Contains(shown.String(), secret), "it was shown")
	}
	checkThat(t, "X", "the PIN on a screen", !strings.Contains(shown.String(), p.PIN), "it was shown")

	// A crash while all of it may still be in memory.
	must(t, s.process.Signal(syscall.SIGABRT))
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("gemba does not even crash")
	}
	for name, secret := range secrets {
		checkThat(t, "X", name+" after a crash", hits(t, s.dir, secret) == "", "it is in %s", hits(t, s.dir, secret))
	}
	cores, err := filepath.Glob(filepath.Join(s.dir, "core*"))
	must(t, err)
	check(t, "X", "core files", "0", fmt.Sprint(len(cores)))
	must(t, os.Truncate(s.output(), 0)) // the crash was asked for
	must(t, s.start())
	owned(t, s)
}

// hits names a file below a folder that holds a secret, as it is or written in one of the ways that files write.
func hits(t *testing.T, folder, secret string) (where string) {
	t.Helper()
	ways := [][]byte{
		[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(secret))), []byte(hex.EncodeToString([]byte(secret))), []byte(url.QueryEscape(secret)),
		[]byte(strings.Join(strings.Split(secret, ""), "\x00")),
	}
	must(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		for _, name := range handedOut {
			if entry.Name() == name {
				if entry.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		for _, way := range ways {
			if bytes.Contains(text, way) {
				where = path
			}
		}
		return err
	}))
	return where
}

// owned: every file of the data folder is for its owner only, and gemba refuses to start on a secret that others may read.
func owned(t *testing.T, s *site) {
	must(t, filepath.WalkDir(s.data(), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if public := strings.HasSuffix(path, ".pub") || strings.HasSuffix(path, ".pem"); !public {
			checkThat(t, "X", "only its owner reads "+strings.TrimPrefix(path, s.dir), info.Mode().Perm()&0o077 == 0, "its mode is %v", info.Mode())
		}
		return nil
	}))
	for _, trouble := range s.stop() {
		t.Error(trouble)
	}
	for _, name := range []string{"pepper", "ssh_host_ed25519_key", "ledger.key", "tls/ca.key"} {
		file := filepath.Join(s.data(), name)
		must(t, os.Chmod(file, 0o644))
		said, err := exec.Command(program, "serve", "--data", s.data(), "--ssh", "127.0.0.1:0", "--api", "127.0.0.1:0", "--log", filepath.Join(s.dir, "log")).CombinedOutput()
		checkThat(t, "X", "a "+name+" that others can read", err != nil && strings.Contains(string(said), filepath.Base(name)), "gemba started: %s", said)
		must(t, os.Chmod(file, 0o600))
	}
}
