package security

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// An attacker's SSH connection. The host key is checked, as everybody should.
func (s *site) dial(source net.IP, user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	return s.dialConfig(source, &ssh.ClientConfig{User: user, Auth: auth})
}

// dialConfig is dial with more to say. Config needs no host key.
func (s *site) dialConfig(source net.IP, config *ssh.ClientConfig) (*ssh.Client, error) {
	conn, err := dialFrom(source, s.known.SSH)
	if err != nil {
		return nil, err
	}
	return s.over(conn, config)
}

// over speaks SSH over an open connection, and gives up after half a minute.
func (s *site) over(conn net.Conn, config *ssh.ClientConfig) (*ssh.Client, error) {
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.known.HostKey))
	if err != nil {
		return nil, err
	}
	config.HostKeyCallback = ssh.FixedHostKey(host)
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	c, channels, requests, err := ssh.NewClientConn(conn, s.known.SSH, config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// keyFile reads a private key.
func keyFile(t testing.TB, file string) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// newKey makes a key that nobody has seen.
func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// as signs a person in with their own key.
func (s *site) as(t testing.TB, badge string) *ssh.Client {
	t.Helper()
	client, err := s.dial(newSource(), badge, ssh.PublicKeys(keyFile(t, s.person(badge).File)))
	if err != nil {
		t.Fatalf("%s cannot sign in with their own key: %v", badge, err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// kiosk connects as a station.
func (s *site) kiosk(t testing.TB, code string) *ssh.Client {
	t.Helper()
	client, err := s.dial(newSource(), "kiosk", ssh.PublicKeys(keyFile(t, s.station(code))))
	if err != nil {
		t.Fatalf("the station %s cannot connect: %v", code, err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// A result is what a command over SSH gave.
type result struct {
	out, errs string
	status    int // -1: the server said none
}

// command runs a command line on a connection of its own, with a text as its standard input.
func command(client *ssh.Client, line, input string) (result, error) {
	session, err := client.NewSession()
	if err != nil {
		return result{}, err
	}
	defer session.Close()
	var out, errs bytes.Buffer
	session.Stdout, session.Stderr, session.Stdin = &out, &errs, strings.NewReader(input)
	done := make(chan error, 1)
	go func() { done <- session.Run(line) }()
	select {
	case err = <-done:
	case <-time.After(30 * time.Second):
		client.Close()
		return result{}, errors.New("the command did not end in 30 s")
	}
	r := result{out: out.String(), errs: errs.String()}
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		r.status = exit.ExitStatus()
	case errors.As(err, &missing):
		r.status = -1
	default:
		return r, err
	}
	return r, nil
}

// run is a command line of a person, over a new connection.
func (s *site) run(t testing.TB, badge, line string) result {
	t.Helper()
	return s.runWith(t, badge, line, "")
}

func (s *site) runWith(t testing.TB, badge, line, input string) result {
	t.Helper()
	client := s.as(t, badge)
	defer client.Close()
	r, err := command(client, line, input)
	if err != nil {
		t.Fatalf("%s: %s: %v", badge, line, err)
	}
	return r
}

// must run is run of what has to succeed; its JSON goes into a value unless that is nil.
func (s *site) mustRun(t testing.TB, badge, line string, into any) {
	t.Helper()
	s.mustRunWith(t, badge, line, "", into)
}

func (s *site) mustRunWith(t testing.TB, badge, line, input string, into any) {
	t.Helper()
	r := s.runWith(t, badge, line, input)
	if r.status != 0 {
		t.Fatalf("%s: %s: status %d: %s", badge, line, r.status, r.errs)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(r.out), into); err != nil {
			t.Fatalf("%s: %s: %v: %.300s", badge, line, err, r.out)
		}
	}
}

// who tells as whom a connection is let in: "as ID", "as station ID", or "refused" when it was not.
func (s *site) who(client *ssh.Client, err error) string {
	if err != nil {
		return refusal(err)
	}
	defer client.Close()
	r, err := command(client, "me show --json", "")
	var me struct{ Name, Kind string }
	switch {
	case err != nil:
		return "let in, but: " + err.Error()
	case r.status == 4 && strings.Contains(r.errs, "station"):
		return "as a station"
	case r.status != 0 || json.Unmarshal([]byte(r.out), &me) != nil:
		return "let in, but: " + r.errs
	}
	for _, p := range s.known.People {
		if p.Name == me.Name {
			return "as " + p.Badge
		}
	}
	return "as " + me.Name
}

// refusal names how a handshake ended without anybody being let in.
func refusal(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "unable to authenticate"):
		return "refused"
	case errors.Is(err, io.EOF), strings.Contains(text, "EOF"), strings.Contains(text, "connection reset"), strings.Contains(text, "broken pipe"),
		strings.Contains(text, "disconnect"), strings.Contains(text, "too many authentication failures"):
		return "refused"
	default:
		return "refused, but: " + text
	}
}

// A screen is a session with a terminal.
type screen struct {
	*ssh.Session
	client *ssh.Client
	in     io.WriteCloser
	out    *buffer
	ended  chan struct{}
}

// A buffer keeps what a terminal was sent.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	seen int // bytes that came before the last mark
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// mark forgets what came so far, for fresh.
func (b *buffer) mark() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = b.b.Len()
}

// fresh is what came since the last mark.
func (b *buffer) fresh() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.b.Bytes()[b.seen:])
}

// openScreen asks for a terminal of a size and a shell.
func openScreen(client *ssh.Client, term string, columns, rows uint32) (*screen, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	s := &screen{Session: session, client: client, out: &buffer{}, ended: make(chan struct{})}
	session.Stdout, session.Stderr = s.out, s.out
	if s.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	request := ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{term, columns, rows, 0, 0, "\x00"})
	if ok, err := session.SendRequest("pty-req", true, request); err != nil || !ok {
		return nil, errors.Join(errors.New("no terminal was given"), err)
	}
	if err := session.Shell(); err != nil {
		return nil, err
	}
	go func() { _ = session.Wait(); close(s.ended) }()
	return s, nil
}

// resize says a new size of the window.
func (s *screen) resize(columns, rows uint32) error {
	_, err := s.SendRequest("window-change", false, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{columns, rows, 0, 0}))
	return err
}

// shows waits until the terminal was sent a text, at most so long.
func (s *screen) shows(text string, most time.Duration) bool {
	return wait(most, func() bool { return strings.Contains(s.out.String(), text) })
}

// gone waits until the session has ended, at most so long.
func (s *screen) gone(most time.Duration) bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(most):
		return false
	}
}

// responds tells whether the screen is alive: it draws anew when its window changes. The time that takes comes with it.
func (s *screen) responds(columns, rows uint32) (time.Duration, bool) {
	s.out.mark()
	began := time.Now()
	if s.resize(columns, rows) != nil {
		return 0, false
	}
	ok := wait(5*time.Second, func() bool { return strings.Contains(s.out.fresh(), "\x1b[2J") || len(s.out.fresh()) > 40 })
	return time.Since(began), ok
}

// send types bytes.
func (s *screen) send(text string) error {
	_, err := io.WriteString(s.in, text)
	return err
}

// keys types texts as slowly as a person does: what comes faster is taken for a scanner.
func (s *screen) keys(texts ...string) {
	for _, text := range texts {
		for _, key := range splitKeys(text) {
			_ = s.send(key)
			time.Sleep(45 * time.Millisecond)
		}
	}
}

// splitKeys gives the keys of a text: characters one by one, and an escape sequence as one.
func splitKeys(text string) []string {
	if strings.HasPrefix(text, "\x1b") {
		return []string{text}
	}
	return strings.Split(text, "")
}

// wait waits until something holds, at most so long.
func wait(most time.Duration, holds func() bool) bool {
	for deadline := time.Now().Add(most); ; time.Sleep(10 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// desk opens the screen of a person's own connection.
func (s *site) desk(t testing.TB, badge string, columns, rows uint32) *screen {
	t.Helper()
	sc, err := openScreen(s.as(t, badge), "xterm-256color", columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	if !wait(10*time.Second, func() bool { return len(sc.out.String()) > 200 }) {
		t.Fatalf("%s sees no screen: %q", badge, sc.out.String())
	}
	return sc
}
