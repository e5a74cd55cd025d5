package tui

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// screenBytes is where a program draws.
type screenBytes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screenBytes) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screenBytes) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.buf.String(), text)
}

// TestProgram runs a session as the server does: a real program, keys as bytes, time as it passes.
func TestProgram(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	s := f.session("KIOSK-1", "", 80, 24)
	feed := make(lines, 1)
	s.Feed, s.Context = feed, t.Context()
	in, keys := io.Pipe()
	out := &screenBytes{}
	p := tea.NewProgram(New(s), tea.WithContext(t.Context()), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(),
		tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithWindowSize(80, 24))
	ended := make(chan error, 1)
	go func() { _, err := p.Run(); ended <- err }()
	step := func(bytes, until string) {
		t.Helper()
		time.Sleep(3 * scanGap) // what follows at once is no key of its own
		if _, err := io.WriteString(keys, bytes); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); !out.has(until); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q did not come on the screen", until)
			}
		}
	}
	step("7001\r247001\r", "Welcome")
	step("\r", "nobody works")
	step("s", "Started")
	step("\x03\x02\x1d", "Started") // ETX ends nothing
	step("r", "pcs available")
	step("5\r", "press Enter") // as fast as a scanner
	step("\r", "Booked")
	if op := f.detail("1001").Operations[1]; op.Good != 5 {
		t.Errorf("%d good, want 5", op.Good)
	}
	feed <- []string{"line:LATHES"}
	close(feed)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the end of the feed did not end the program")
	}
	_ = keys.Close()
}
