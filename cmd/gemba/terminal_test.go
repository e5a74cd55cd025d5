package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// A drain takes what a terminal is sent and remembers whether a text was among it.
type drain struct {
	mu   sync.Mutex
	seen strings.Builder
}

func (d *drain) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen.Len() < 1<<20 {
		d.seen.Write(p)
	}
	return len(p), nil
}

func (d *drain) has(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Contains(d.seen.String(), text)
}

// dial opens a connection of a person of the demonstration plant, by their own key.
func (p *testPlant) dial(t *testing.T, badge string) *gossh.Client {
	t.Helper()
	c, err := p.credentials()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.data(), "demo-keys", "person-"+badge))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, _, _, _, err := gossh.ParseAuthorizedKey([]byte(c.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	client, err := gossh.Dial("tcp", c.SSH, &gossh.ClientConfig{
		User: badge, Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)}, HostKeyCallback: gossh.FixedHostKey(hostKey), Timeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// told gives what a verb answers on a connection of its own.
func (p *testPlant) told(t *testing.T, badge, verb string) string {
	t.Helper()
	client := p.dial(t, badge)
	defer client.Close()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.CombinedOutput(verb)
	if err != nil {
		t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	return string(out)
}

// memory is how much of it the plant's process holds, in MB.
func (p *testPlant) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kB int
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatal(err)
	}
	return kB / 1024
}

// TestTerminal_floods: what no keyboard sends comes over SSH into a screen where keys release and cancel orders. Nothing
// is done by it, the others notice nothing, and it costs no memory.
func TestTerminal_floods(t *testing.T) {
	p := &testPlant{work: t.TempDir()}
	t.Cleanup(p.close)
	if err := p.start(nil); err != nil {
		t.Fatal(err)
	}
	const lead = "2001"
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	noise := make([]byte, 64<<10)
	for i, random := 0, rand.New(rand.NewPCG(7, 11)); i < len(noise); i++ {
		noise[i] = byte(random.UintN(128)) | 0x80 // letters alone may be keys; these are none
	}
	orders := p.told(t, lead, "order list --json")
	for name, flood := range map[string]string{
		"every byte":                   "\x00" + string(all) + string(all),
		"paste of 10 MB":               "\x1b[200~" + strings.Repeat("order cancel 1004 reason=x\r", 10<<20/27) + "\x1b[201~",
		"paste without end":            "\x1b[200~" + strings.Repeat("x\r", 1<<20),
		"string without end":           "\x1b]0;" + strings.Repeat("r\r", 1<<20),
		"control sequence without end": "\x1b[" + strings.Repeat("1;", 1<<20),
		"paste that ends itself":       "\x00\x1b[200~abc\x1b[201~r\rx\r\x1b[201~x\r",
		"noise":                        "\x00" + string(noise),
	} {
		t.Run(name, func(t *testing.T) {
			screen := p.terminal24x80(t, lead, flood)
			started := time.Now()
			if after := p.told(t, lead, "order list --json"); after != orders {
				t.Errorf("the orders are not as they were:\n%s", after)
			}
			if wait := time.Since(started); wait > 5*time.Second {
				t.Errorf("another connection waited %v", wait)
			}
			if mb := p.memory(t); mb > 300 {
				t.Errorf("the server holds %d MB", mb)
			}
			if !screen.has("Orders") {
				t.Error("the screen was never drawn")
			}
		})
	}
	log, err := os.ReadFile(filepath.Join(p.data(), "gemba.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "panic") || strings.Contains(string(log), "screen failed") {
		t.Errorf("something failed:\n%s", log)
	}
}

// terminal24x80 types a flood into a terminal of a person, as much of it as the server takes in two seconds.
func (p *testPlant) terminal24x80(t *testing.T, badge, flood string) *drain {
	t.Helper()
	client := p.dial(t, badge)
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	screen := &drain{}
	s.Stdout = screen
	keyboard, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm-256color", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !screen.has("Orders"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the screen does not come")
		}
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(keyboard, strings.NewReader(flood))
		sent <- err
	}()
	select {
	case <-sent:
	case <-time.After(2 * time.Second):
	}
	time.Sleep(300 * time.Millisecond)
	return screen
}
