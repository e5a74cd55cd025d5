package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"gemba/keys"
	"gemba/storage/rqlitetest"
)

// The scripts in testdata/script drive the real program: a gemba process of their own, real OpenSSH clients, the API
// over real TLS, real terminals in tmux. Their verbs:
//
//	gemba …                     the program, in the foreground
//	plant [OPTION…]             starts `gemba serve --demo` in $WORK/data and waits for its doors; OPTION rqlite gives
//	                            it a database of three nodes, OPTION real leaves --demo out; $OUTPUT is what it prints
//	plant stop | plant kill     stops it with SIGTERM, or kills it with -9
//	ssh WHO WORD…               a verb over ssh, as the person with that badge or as the station with that code
//	api KEY METHOD PATH [BODY]  a call with the key of that name ("-" for none); prints status and body; ID=… before it
//	                            all gives the Idempotency-Key
//	key NAME                    writes the key of that name to $WORK/NAME.key
//	status N                    the exit status of the last gemba or ssh
//	sql TEXT                    runs sqlite3 on the embedded store
//	terminal WHO ROWSxCOLS      opens a terminal and connects from it, with WHO's key, or without any when WHO is
//	                            password:BADGE; type, expect, lacks, picture then act on it
//	type KEYS…                  tmux key names and texts; pin:BADGE is that person's PIN, code:SECRET a one-time
//	                            code; what stands behind slow: is typed as people do, not in one go as scanners do
//	expect TEXT                 waits until the terminal shows it
//	lacks TEXT                  fails when the terminal shows it
//	picture FILE                writes what the terminal shows
//	capture NAME PATTERN [FILE] puts what the group finds in the last output, in a file or in "terminal" into a variable
//	edit FILE OLD NEW           replaces text in a file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values["plant"] = &testPlant{work: env.WorkDir}
			env.Setenv("HOME", env.WorkDir)
			env.Defer(func() { env.Values["plant"].(*testPlant).close() })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gemba": gembaVerb, "plant": plantVerb, "ssh": sshVerb, "api": apiVerb, "key": keyVerb, "sql": sqlVerb,
			"terminal": terminalVerb, "type": typeVerb, "expect": expectVerb, "lacks": lacksVerb, "picture": pictureVerb,
			"edit": editVerb, "capture": captureVerb, "status": statusVerb,
		},
	})
}

// gembaProgram builds the program once; a test must not hide a mistake in main.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gemba-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	gembaProgram = filepath.Join(dir, "gemba")
	build := exec.Command("go", "build", "-o", gembaProgram, ".")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	status := 1
	if err := build.Run(); err == nil {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

var gembaProgram string

// A testPlant is the gemba of one script.
type testPlant struct {
	work     string
	process  *exec.Cmd
	ended    chan error
	cluster  *rqlitetest.Cluster
	real     bool   // without the demonstration
	starts   int    // of a real plant
	terminal string // tmux socket
}

// opened finds the doors in what a server prints.
var opened = regexp.MustCompile(`(?m)^gemba is open: SSH on (\S+), API on (\S+) `)

func (p *testPlant) output() string { return filepath.Join(p.work, "gemba.log") }

// found tells where the doors of a real plant are; nobody's credentials but the node's own are in files.
func (p *testPlant) found() (*demoCredentials, error) {
	text, err := os.ReadFile(p.output())
	if err != nil {
		return nil, err
	}
	all := opened.FindAllStringSubmatch(string(text), -1)
	if len(all) < p.starts {
		return nil, os.ErrNotExist
	}
	key, err := keys.LoadOrCreateHostKey(filepath.Join(p.data(), "ssh_host_ed25519_key"))
	if err != nil {
		return nil, err
	}
	last := all[len(all)-1]
	return &demoCredentials{SSH: last[1], API: last[2], CAFile: filepath.Join(p.data(), "tls", "ca.pem"), HostKey: key.AuthorizedKey()}, nil
}

func (p *testPlant) data() string { return filepath.Join(p.work, "data") }

func (p *testPlant) credentials() (*demoCredentials, error) {
	if p.real {
		return p.found()
	}
	text, err := os.ReadFile(filepath.Join(p.data(), "demo-credentials.json"))
	if err != nil {
		return nil, err
	}
	var c demoCredentials
	return &c, json.Unmarshal(text, &c)
}

func (p *testPlant) start(options []string) error {
	args := []string{"serve", "--data", p.data(), "--ssh", "127.0.0.1:0", "--api", "127.0.0.1:0"}
	if p.real = slices.Contains(options, "real"); p.real {
		p.starts++
	} else {
		args = append(args, "--demo")
	}
	for _, o := range options {
		if o == "real" {
			continue
		}
		if o != "rqlite" {
			args = append(args, o)
			continue
		}
		if p.cluster == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
			defer cancel()
			var err error
			if p.cluster, err = rqlitetest.New(ctx, filepath.Join(p.work, "rqlite"), 3); err != nil {
				return err
			}
		}
		ca, cert, key := p.cluster.Files()
		args = append(args, "--store", p.cluster.Store(), "--store-ca", ca, "--store-cert", cert, "--store-key", key)
	}
	log, err := os.OpenFile(p.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(p.data(), "demo-credentials.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p.process = exec.Command(gembaProgram, args...)
	p.process.Stdout, p.process.Stderr = log, log
	p.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.process.Start(); err != nil {
		return err
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait(); log.Close() }(p.process, p.ended)
	for range 600 {
		if _, err := p.credentials(); err == nil {
			return nil
		}
		select {
		case err := <-p.ended:
			text, _ := os.ReadFile(p.output())
			p.process = nil
			return fmt.Errorf("gemba ended at once: %v\n%s", err, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("gemba did not open its doors in 30 s")
}

func (p *testPlant) end(s syscall.Signal) error {
	if p.process == nil {
		return nil
	}
	p.process.Process.Signal(s)
	defer func() { p.process = nil }()
	select {
	case err := <-p.ended:
		if s == syscall.SIGKILL {
			return nil
		}
		return err
	case <-time.After(15 * time.Second):
		p.process.Process.Kill()
		return errors.New("gemba did not stop in 15 s")
	}
}

func (p *testPlant) close() {
	if p.terminal != "" {
		exec.Command("tmux", "-S", p.terminal, "kill-server").Run()
	}
	p.end(syscall.SIGKILL)
	if p.cluster != nil {
		p.cluster.Close()
	}
}

func plantOf(ts *testscript.TestScript) *testPlant { return ts.Value("plant").(*testPlant) }

func gembaVerb(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(gembaProgram, args...)
	setStatus(ts, err)
	finish(ts, neg, err)
}

// setStatus keeps the exit status of the last program for the verb status.
func setStatus(ts *testscript.TestScript, err error) {
	var exit *exec.ExitError
	status := 0
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	}
	ts.Setenv("STATUS", strconv.Itoa(status))
}

// statusVerb compares the exit status of the last gemba or ssh: status 2.
func statusVerb(ts *testscript.TestScript, _ bool, args []string) {
	if got := ts.Getenv("STATUS"); got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

func plantVerb(ts *testscript.TestScript, neg bool, args []string) {
	p := plantOf(ts)
	var err error
	switch {
	case len(args) == 1 && args[0] == "stop":
		err = p.end(syscall.SIGTERM)
	case len(args) == 1 && args[0] == "kill":
		err = p.end(syscall.SIGKILL)
	default:
		err = p.start(args)
	}
	if err == nil && p.process != nil {
		var c *demoCredentials
		if c, err = p.credentials(); err == nil {
			ts.Setenv("API", c.API)
			ts.Setenv("DATA", p.data())
			ts.Setenv("OUTPUT", p.output())
		}
		if p.cluster != nil {
			ca, cert, key := p.cluster.Files()
			ts.Setenv("STORE", p.cluster.Store())
			ts.Setenv("STORE_CA", ca)
			ts.Setenv("STORE_CERT", cert)
			ts.Setenv("STORE_KEY", key)
		}
	}
	finish(ts, neg, err)
}

// sshArgs are the words that connect as a person or a station.
func (p *testPlant) sshArgs(who string) ([]string, error) {
	c, err := p.credentials()
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(c.SSH, ":")
	known := filepath.Join(p.work, "known_hosts")
	if err := os.WriteFile(known, []byte(fmt.Sprintf("[%s]:%s %s\n", host, port, c.HostKey)), 0o600); err != nil {
		return nil, err
	}
	words := []string{"-F", "/dev/null", "-p", port, "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + known, "-o", "LogLevel=ERROR"}
	if badge, ok := strings.CutPrefix(who, "password:"); ok {
		return append(words, "-o", "PubkeyAuthentication=no", badge+"@"+host), nil
	}
	file := ""
	for _, person := range c.People {
		if person.Badge == who {
			file = person.PrivateKeyFile
		}
	}
	for _, s := range c.Stations {
		if s.Code == who {
			file = s.PrivateKeyFile
		}
	}
	if file == "" {
		return nil, fmt.Errorf("nobody is called %s", who)
	}
	return append(words, "-i", file, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", who+"@"+host), nil
}

func sshVerb(ts *testscript.TestScript, neg bool, args []string) {
	words, err := plantOf(ts).sshArgs(args[0])
	ts.Check(err)
	for _, word := range args[1:] {
		words = append(words, "'"+word+"'")
	}
	err = ts.Exec("ssh", words...)
	setStatus(ts, err)
	finish(ts, neg, err)
}

func apiVerb(ts *testscript.TestScript, neg bool, args []string) {
	id := ""
	if strings.HasPrefix(args[0], "ID=") {
		id, args = args[0][3:], args[1:]
	}
	c, err := plantOf(ts).credentials()
	ts.Check(err)
	config, err := keys.ClientConfig(c.CAFile)
	ts.Check(err)
	status, body, err := callAPI(config, c, id, args)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", status, body)
	if ok := status/100 == 2; ok == neg {
		ts.Fatalf("status %d: %s", status, body)
	}
}

func callAPI(config *tls.Config, c *demoCredentials, id string, args []string) (int, string, error) {
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(args[3])
	}
	req, err := http.NewRequest(args[1], c.API+args[2], body)
	if err != nil {
		return 0, "", err
	}
	if args[0] != "-" {
		req.Header.Set("Authorization", "Bearer "+c.key(args[0]))
	}
	if id != "" {
		req.Header.Set("Idempotency-Key", id)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(bytes.TrimSpace(text)), err
}

func keyVerb(ts *testscript.TestScript, _ bool, args []string) {
	c, err := plantOf(ts).credentials()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), []byte(c.key(args[0])+"\n"), 0o600))
}

func sqlVerb(ts *testscript.TestScript, neg bool, args []string) {
	finish(ts, neg, ts.Exec("sqlite3", filepath.Join(plantOf(ts).data(), "gemba.db"), strings.Join(args, " ")))
}

// editVerb replaces text in a file: edit FILE OLD NEW.
func editVerb(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !bytes.Contains(text, []byte(args[1])) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Replace(text, []byte(args[1]), []byte(args[2]), 1), 0o600))
}

func finish(ts *testscript.TestScript, neg bool, err error) {
	switch {
	case err != nil && !neg:
		log, _ := os.ReadFile(plantOf(ts).output())
		if len(log) > 3000 {
			log = log[len(log)-3000:]
		}
		ts.Fatalf("%v\n%s", err, log)
	case err == nil && neg:
		ts.Fatalf("it succeeded and should not have")
	}
}

// tmux runs a command of the script's own tmux server.
func (p *testPlant) tmux(args ...string) (string, error) {
	out, err := exec.Command("tmux", append([]string{"-S", p.terminal, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("tmux %s: %w: %s", args[0], err, out)
	}
	return string(out), err
}

func terminalVerb(ts *testscript.TestScript, _ bool, args []string) {
	p := plantOf(ts)
	words, err := p.sshArgs(args[0])
	ts.Check(err)
	if p.terminal != "" {
		p.tmux("kill-server")
	}
	dir, err := os.MkdirTemp("", "gt") // a socket's path must be short
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	p.terminal = filepath.Join(dir, "s")
	rows, columns, _ := strings.Cut(args[1], "x")
	start := append([]string{"new-session", "-d", "-x", columns, "-y", rows, "env", "TERM=xterm-256color", "LANG=C.UTF-8", "ssh", "-tt"}, words...)
	_, err = p.tmux(start...)
	ts.Check(err)
	_, err = p.tmux("set-option", "-g", "status", "off")
	ts.Check(err)
	_, err = p.tmux("resize-window", "-x", columns, "-y", rows)
	ts.Check(err)
}

func typeVerb(ts *testscript.TestScript, _ bool, args []string) {
	p := plantOf(ts)
	for _, word := range args {
		if badge, ok := strings.CutPrefix(word, "pin:"); ok {
			c, err := p.credentials()
			ts.Check(err)
			for _, person := range c.People {
				if person.Badge == badge {
					word = person.PIN
				}
			}
		}
		if secret, ok := strings.CutPrefix(word, "code:"); ok {
			code, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), time.Now())
			ts.Check(err)
			word = code
		}
		words := []string{word}
		if text, ok := strings.CutPrefix(word, "slow:"); ok {
			words = strings.Split(text, "")
		}
		for _, word := range words {
			_, err := p.tmux("send-keys", word)
			ts.Check(err)
			time.Sleep(150 * time.Millisecond) // slower than a scanner, or it would be taken for one, also on a busy machine
		}
	}
}

func (p *testPlant) screen() string {
	out, _ := p.tmux("capture-pane", "-p")
	return out
}

func expectVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use lacks")
	}
	p, want := plantOf(ts), strings.Join(args, " ")
	for range 200 {
		if strings.Contains(p.screen(), want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("the terminal does not show %q:\n%s", want, p.screen())
}

func lacksVerb(ts *testscript.TestScript, _ bool, args []string) {
	if screen := plantOf(ts).screen(); strings.Contains(screen, strings.Join(args, " ")) {
		ts.Fatalf("the terminal shows %q:\n%s", strings.Join(args, " "), screen)
	}
}

func pictureVerb(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(plantOf(ts).screen()), 0o644))
}

// captureVerb puts what a pattern's group finds in the last output, in a file or on the terminal into a variable.
func captureVerb(ts *testscript.TestScript, _ bool, args []string) {
	text := ""
	switch {
	case len(args) < 3:
		text = ts.ReadFile("stdout")
	case args[2] == "terminal":
		text = plantOf(ts).screen()
	default:
		text = ts.ReadFile(args[2])
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(text)
	if found == nil {
		ts.Fatalf("%s is not in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}
