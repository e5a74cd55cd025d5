package security

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPty is group F: whatever a client says about its window, the screen stays alive and small.
func TestPty(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	cases := table[struct {
		Size []struct{ Columns, Rows uint32 }
		Term []struct{ Name, Want string }
	}](t, "pty.toml")
	before, _ := s.memory(t)
	for _, c := range cases.Size {
		size := fmt.Sprintf("%dx%d", c.Columns, c.Rows)
		sc, err := openScreen(s.as(t, "1001"), "xterm-256color", c.Columns, c.Rows)
		must(t, err)
		alive := wait(10*time.Second, func() bool { return strings.Contains(sc.out.String(), "\x1b[2J") })
		checkThat(t, "F", "a terminal of "+size, alive, "the screen shows %q", sc.out.String())
		must(t, sc.resize(100, 30))
		time.Sleep(50 * time.Millisecond)
		must(t, sc.resize(c.Columns, c.Rows))
		time.Sleep(50 * time.Millisecond)
		took, alive := sc.responds(90, 28)
		checkThat(t, "F", "a window that becomes "+size, alive, "the screen is dead after %v", took)
		sc.client.Close()
	}
	for _, c := range cases.Term {
		sc, err := openScreen(s.as(t, "1002"), string(bytesOf(c.Name)), 80, 24)
		got := "refused"
		if err == nil {
			if got = "nothing"; wait(10*time.Second, func() bool { return len(sc.out.String()) > 100 }) {
				got = "screen"
			}
			sc.client.Close()
		}
		check(t, "F", "the terminal "+cut(fmt.Sprintf("%q", c.Name)), c.Want, got)
	}

	// A window that is dragged without end.
	n := 2000
	if *full {
		n = 10_000
	}
	sc := s.desk(t, "1003", 80, 24)
	for i := range uint32(n) {
		must(t, sc.resize(i*7919, i*104_729))
	}
	took, alive := sc.responds(95, 33)
	checkThat(t, "F", fmt.Sprintf("%d sizes at once", n), alive && took < 3*time.Second, "alive: %v, after %v", alive, took)
	sc.client.Close()

	_, highest := s.memory(t)
	measure(t, "memory under hostile windows, MB", highest)
	checkThat(t, "F", "memory", highest-before < 100, "it grew from %.0f to %.0f MB", before, highest)
}
