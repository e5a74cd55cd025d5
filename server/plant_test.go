package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/keys"
	"gemba/mes"
	"gemba/storage"
)

// A plant is a server on a real store, with people, stations and keys, for tests to attack.
type plant struct {
	t         testing.TB
	dir       string
	store     *storage.Store
	app       *mes.App
	feed      *Feed
	pepper    *keys.Pepper
	hasher    *keys.Hasher
	host      *keys.SSHKey
	authority *keys.Authority
	server    *Server
	log       *lockedBuffer
	visits    chan Visit
	ids       atomic.Int64
	ahead     atomic.Int64 // nanoseconds that the plant's clock is ahead of the real one
}

// now is the plant's clock.
func (p *plant) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

// lockedBuffer is a log that a test can read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var setup = mes.System("setup", "test set-up")

const (
	operatorPassword = "rabo-tiku-mela-soni"
	operatorPIN      = "493027"
)

// newPlant opens a server on loopback with a fresh store. Changes to its options come last.
func newPlant(t testing.TB, change ...func(*Options)) *plant {
	t.Helper()
	ctx := context.Background()
	p := &plant{t: t, dir: t.TempDir(), feed: NewFeed(), log: &lockedBuffer{}, visits: make(chan Visit, 100)}
	var err error
	p.store, err = storage.Open(ctx, storage.Options{Store: "sqlite:" + filepath.Join(p.dir, "gemba.db"), Writer: "test", Now: p.now})
	p.must(err)
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	p.app = mes.NewApp(p.store, p.now, func() mes.ID { return mes.ID(fmt.Sprintf("id-%d-%d", time.Now().UnixMilli(), p.ids.Add(1))) }, p.feed.Publish)
	p.pepper, err = keys.NewPepper(bytes.Repeat([]byte{7}, 32))
	p.must(err)
	p.hasher = keys.NewHasher(p.pepper)
	p.host, err = keys.NewSSHKey("host")
	p.must(err)
	p.authority, err = keys.LoadAuthority(filepath.Join(p.dir, "tls"), nil, time.Now())
	p.must(err)

	p.do(&mes.DefineEquipment{Code: "S1", Name: "Site", Level: mes.Site, TimeZone: "Europe/Berlin"})
	p.do(&mes.DefineEquipment{Code: "L1", Name: "Line", Level: mes.WorkCentre, Parent: "S1"})
	p.do(&mes.DefineEquipment{Code: "M1", Name: "Lathe", Level: mes.WorkUnit, Parent: "L1", Capacity: 9})
	p.do(&mes.EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	p.person("1001", mes.Grant{Role: mes.Operator})
	p.person("2001", mes.Grant{Role: mes.Lead})

	p.server = p.open(change...)
	return p
}

// open opens the doors of a node on the plant's store. A second one is another node, or the same after a restart: it
// remembers nothing but what is stored.
func (p *plant) open(change ...func(*Options)) *Server {
	p.t.Helper()
	o := Options{
		App: p.app, Records: p.store, Hasher: p.hasher, Pepper: p.pepper, HostKey: p.host.Signer(), TLS: p.authority.ServerConfig(),
		SSHAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Feed: p.feed, Version: "test", Now: p.now,
		Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		NewModel: func(v Visit) tea.Model {
			p.visits <- v
			return &testScreen{visit: v}
		},
		Limits: Limits{SessionsOf: 4, StrangersFrom: 20},
	}
	for _, c := range change {
		c(&o)
	}
	server, err := Start(context.Background(), o)
	p.must(err)
	p.t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			p.t.Error(err)
		}
		if p.t.Failed() {
			p.t.Log(p.log.String())
		}
	})
	return server
}

func (p *plant) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
}

func (p *plant) do(c mes.Command) map[string]any {
	p.t.Helper()
	r, err := p.app.Do(context.Background(), setup, "", c)
	p.must(err)
	var given map[string]any
	p.must(json.Unmarshal(r.Result, &given))
	return given
}

// person registers somebody with a password and a PIN.
func (p *plant) person(badge mes.ID, grants ...mes.Grant) {
	p.t.Helper()
	p.do(&mes.RegisterPerson{Badge: badge, Name: "Person " + string(badge), Grants: grants})
	for kind, secret := range map[string]string{"password": operatorPassword, "pin": operatorPIN} {
		hash, err := p.hasher.Hash(context.Background(), secret, keys.Ordinary)
		p.must(err)
		p.do(&mes.SetCredential{Person: badge, Kind: kind, Hash: mes.Secret(hash)})
	}
}

// sshKey makes a key that belongs to a person or a station, and gives its file.
func (p *plant) sshKey(person, station mes.ID) (file string, key *keys.SSHKey) {
	p.t.Helper()
	key, err := keys.NewSSHKey("test")
	p.must(err)
	if person+station != "" {
		p.do(&mes.AddSSHKey{Fingerprint: mes.ID(key.Fingerprint()), PublicKey: key.AuthorizedKey(), Person: person, Station: station})
	}
	file = filepath.Join(p.dir, fmt.Sprintf("key-%d", p.ids.Add(1)))
	p.must(key.WriteFile(file))
	return file, key
}

// apiKey issues an API key.
func (p *plant) apiKey(kind keys.KeyKind, grants ...mes.Grant) keys.APIKey {
	p.t.Helper()
	key, err := keys.NewAPIKey(kind)
	p.must(err)
	c := &mes.IssueKey{ID: mes.ID(key.ID), Kind: mes.ActorKind(kind), Name: "test", Grants: grants, Hash: mes.Secret(p.pepper.Digest(key))}
	if kind == keys.PersonKey {
		c.Person, c.Grants = "2001", nil
	}
	p.do(c)
	return key
}

// client trusts the plant's authority.
func (p *plant) client() *http.Client {
	p.t.Helper()
	config, err := keys.ClientConfig(p.authority.File())
	p.must(err)
	transport := &http.Transport{TLSClientConfig: config}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// An apiAnswer is what came back.
type apiAnswer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

// call makes a request with a key; header holds "Name: value" lines.
func (p *plant) call(client *http.Client, key, method, path, body string, header ...string) apiAnswer {
	p.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, "https://"+p.server.APIAddr()+path, reader)
	p.must(err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	p.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	p.must(err)
	a := apiAnswer{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &a.json)
	return a
}

// ssh runs the real OpenSSH client with a key and gives what it printed and its exit status.
func (p *plant) ssh(user, file string, words ...string) (out, errs string, status int) {
	p.t.Helper()
	cmd := p.sshCommand(user, []string{"-i", file, "-o", "BatchMode=yes"}, words...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func (p *plant) sshCommand(user string, options []string, words ...string) *exec.Cmd {
	p.t.Helper()
	const client = "/usr/bin/ssh"
	if _, err := os.Stat(client); err != nil {
		p.t.Fatalf("the OpenSSH client is needed for this test: %v", err)
	}
	host, port, err := net.SplitHostPort(p.server.SSHAddr())
	p.must(err)
	known := filepath.Join(p.dir, "known_hosts")
	p.must(os.WriteFile(known, []byte(fmt.Sprintf("[%s]:%s %s\n", host, port, p.host.AuthorizedKey())), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	p.t.Cleanup(cancel)
	all := append([]string{"-F", "none", "-p", port, "-o", "UserKnownHostsFile=" + known, "-o", "StrictHostKeyChecking=yes",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR", "-l", user}, options...)
	all = append(append(all, host), words...)
	cmd := exec.CommandContext(ctx, client, all...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=", "TERM=xterm-256color")
	return cmd
}

// password makes the client answer every question with a secret.
func (p *plant) password(cmd *exec.Cmd, secret string) {
	p.t.Helper()
	file := filepath.Join(p.dir, fmt.Sprintf("askpass-%d", p.ids.Add(1)))
	p.must(os.WriteFile(file, []byte("#!/bin/sh\necho '"+secret+"'\n"), 0o700))
	cmd.Env = append(cmd.Env, "SSH_ASKPASS="+file, "SSH_ASKPASS_REQUIRE=force")
}

// entries gives the newest ledger entries.
func (p *plant) entries(n int) []mes.Entry {
	p.t.Helper()
	auditor := mes.Actor{Kind: mes.ByPerson, ID: "auditor", Grants: []mes.Grant{{Role: mes.Auditor}}}
	entries, _, err := p.app.Ledger(context.Background(), auditor, mes.LedgerFilter{Page: mes.Page{Limit: n}})
	p.must(err)
	return entries
}

// waitFor waits until something holds.
func (p *plant) waitFor(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	p.t.Fatalf("waited in vain until %s", what)
}

// testScreen shows its size and what was pasted, and quits on q.
type testScreen struct {
	visit  Visit
	width  int
	height int
	pasted string
	flood  int // frames of nothing but new letters
}

type floodMsg struct{}

func flooding() tea.Msg {
	time.Sleep(5 * time.Millisecond)
	return floodMsg{}
}

func (m *testScreen) Init() tea.Cmd { return nil }

func (m *testScreen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case floodMsg:
		m.flood++
		return m, flooding
	case tea.PasteMsg:
		m.pasted = fmt.Sprintf("pasted %d", len(msg.Content))
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q":
			return m, tea.Quit
		case "f":
			return m, flooding
		case "p":
			panic("a screen with a fault")
		case "c":
			return m, func() tea.Msg { panic("a command with a fault") }
		case "z":
			return m, tea.Suspend
		}
	}
	return m, nil
}

func (m *testScreen) View() tea.View {
	if m.flood > 0 {
		line := strings.Repeat(string(rune('a'+m.flood%26)), m.width) + "\n"
		return tea.NewView(strings.Repeat(line, m.height))
	}
	return tea.NewView(fmt.Sprintf("size %dx%d %s", m.width, m.height, m.pasted))
}

// knock opens a TCP connection to the SSH door and says nothing.
func (p *plant) knock() net.Conn {
	p.t.Helper()
	c, err := net.Dial("tcp", p.server.SSHAddr())
	p.must(err)
	p.t.Cleanup(func() { c.Close() })
	return c
}
