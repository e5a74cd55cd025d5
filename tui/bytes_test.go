package tui

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// contexts are screens on which a key that slips through would do something.
var contexts = []string{"signin", "queue", "job_running", "order_draft", "hold", "palette"}

// control gives every form of a control sequence behind an introducer.
func controls(introducer string, params ...string) string {
	var b strings.Builder
	for _, p := range params {
		for final := byte(0x40); final <= 0x7e; final++ {
			if final == '~' && p == "200" {
				continue
			}
			b.WriteString(introducer + p + string(final))
		}
	}
	return b.String()
}

// floods are bytes that no keyboard sends so, each small enough to come in one read.
func floods() map[string]string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	noise := make([]byte, 3000)
	for i, random := 0, rand.New(rand.NewPCG(3, 5)); i < len(noise); i++ {
		noise[i] = byte(random.UintN(256))
	}
	return map[string]string{
		"every byte":             "\x00" + strings.Repeat(string(all), 4),
		"control sequences":      "\x00" + controls("\x1b[", "", "1", "1;5", "?25", ">0", "27;2;13", "99"),
		"8-bit controls":         "\x00" + controls("\x9b", "", "3", "1;2"),
		"single shifts":          "\x00" + controls("\x1bO", "") + controls("\x8f", "") + controls("\x1bO", "5"),
		"kitty keys":             "\x00" + strings.Repeat("\x1b[97;5u\x1b[13;2u\x1b[57441;1u\x1b[115:83;2:1;115u\x1b[27;5;99~", 30),
		"mouse and focus":        "\x00" + strings.Repeat("\x1b[<0;10;10M\x1b[<0;10;10m\x1b[M !!\x1b[I\x1b[O", 80),
		"answers":                "\x00" + strings.Repeat("\x1b[?1;2c\x1b[10;20R\x1b]11;rgb:ffff/0000/0000\a\x1bP1$r0m\x1b\\\x1b[?2026;1$y", 30),
		"unterminated strings":   "\x00\x1b]0;" + strings.Repeat("s\r", 500),
		"paste that ends itself": "\x00\x1b[200~abc\x1b[201~sc\rx\r\x1b[201~s\r",
		"paste with commands":    "\x00\x1b[200~:order cancel 1001 reason=x\r\n\x1b[201~",
		"paste without end":      "\x00\x1b[200~" + strings.Repeat("c\rx\r", 300),
		"enters":                 "\x00" + strings.Repeat("\r", 300) + strings.Repeat("\n", 300) + strings.Repeat("\t\r", 300),
		"noise":                  "\x00" + string(noise),
	}
}

// TestBytes: bytes go through the program that reads terminals. Whatever comes at once, nothing on the floor changes and
// nobody is signed out.
func TestBytes(t *testing.T) {
	for _, scene := range scenes {
		if !strings.Contains(" "+strings.Join(contexts, " ")+" ", " "+scene.name+" ") {
			continue
		}
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			f := newFloor(t)
			furnish(f)
			for name, flood := range floods() {
				d := f.drive(f.session(scene.station, scene.badge, 80, 24))
				scene.reach(d)
				before, person := f.entries(), d.a.person
				keyboard, ended := d.plug()
				if _, err := keyboard.Write([]byte(flood)); err != nil {
					t.Fatal(err)
				}
				ended()
				if f.entries() != before || d.a.person != person || d.a.farewell != "" || len(d.outs) > 0 {
					t.Fatalf("%s did something:\n%s", name, d.view())
				}
			}
		})
	}
}

// TestBytes_splitAndLarge: sequences that come in pieces, and more than anybody types, end nothing.
func TestBytes_splitAndLarge(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	d := f.drive(f.session("", "7300", 80, 24)) // who may only look
	keyboard, ended := d.plug()
	send := func(s string) {
		t.Helper()
		if _, err := keyboard.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range len(controls("\x1b[", "1;5", "")) {
		send(controls("\x1b[", "1;5", "")[i : i+1])
	}
	for _, piece := range []string{"\x1b", "[20", "0~", "half", "\x1b[2", "01", "~", "\xe2", "\x96", "\xb8", "\x1b]0;", "x", "\a"} {
		send(piece)
		time.Sleep(time.Millisecond)
	}
	chunk := strings.Repeat("x\x1b[A\x1bOP\xff", 100)
	for range 200 {
		send(chunk)
	}
	send("\x1b[200~" + strings.Repeat("y", 1<<20) + "\x1b[201~")
	ended()
	if d.a.farewell != "" || d.a.person == nil {
		t.Fatalf("the session ended:\n%s", d.view())
	}
	d.view()
}

// plug hands the driver's model to a real program, with time as it passes, and gives its keyboard. ended lets what was
// typed take effect and takes the model back.
func (d *driver) plug() (keyboard io.Writer, ended func()) {
	d.t.Helper()
	d.a.after = func(in time.Duration, m tea.Msg) tea.Cmd { return tea.Tick(in, func(time.Time) tea.Msg { return m }) }
	d.a.burst, d.timers = burst{}, nil
	in, out := io.Pipe()
	p := tea.NewProgram(d.a, tea.WithContext(d.t.Context()), tea.WithInput(in), tea.WithOutput(&bytes.Buffer{}), tea.WithoutSignalHandler(),
		tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithWindowSize(80, 24))
	done := make(chan error, 1)
	go func() { _, err := p.Run(); done <- err }()
	return out, func() {
		d.t.Helper()
		time.Sleep(5 * scanGap)
		p.Quit()
		select {
		case err := <-done:
			if err != nil {
				d.t.Fatal(fmt.Errorf("the program ended: %w", err))
			}
		case <-time.After(20 * time.Second):
			d.t.Fatal("the program does not end")
		}
		_ = out.Close()
	}
}
