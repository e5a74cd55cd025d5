package tui

import (
	"context"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
)

// A driver runs a model without a program: every command is carried out at once, and time passes when the test says so.
type driver struct {
	t      testing.TB
	f      *floor
	a      *App
	timers []timer
	quit   bool
	outs   []string  // how stays ended
	slow   bool      // commands are kept instead of carried out, as if the store took long
	kept   []tea.Cmd // what was kept
}

type timer struct {
	in  time.Duration
	msg tea.Msg
}

// drive opens a session of a terminal.
func (f *floor) drive(s Session) *driver {
	f.t.Helper()
	d := &driver{t: f.t, f: f}
	s.SignOut = func(_ context.Context, actor mes.Actor, how string) { d.outs = append(d.outs, actor.Name+": "+how) }
	d.a = New(s).(*App)
	d.a.after = func(in time.Duration, m tea.Msg) tea.Cmd { // time runs while the store is slow
		d.timers = append(d.timers, timer{in, m})
		return nil
	}
	d.run(d.a.Init())
	return d
}

func (d *driver) send(m tea.Msg) {
	_, cmd := d.a.Update(m)
	d.run(cmd)
}

// run carries out a command and everything that follows from it.
func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	if d.slow {
		d.kept = append(d.kept, cmd)
		return
	}
	msg := cmd()
	switch m := msg.(type) {
	case nil:
	case tea.QuitMsg:
		d.quit = true
	default:
		if parts := commandsIn(m); parts != nil {
			for _, part := range parts {
				d.run(part)
			}
			return
		}
		d.send(m)
	}
}

// commandsIn are the commands of a batch or sequence.
func commandsIn(m tea.Msg) []tea.Cmd {
	v := reflect.ValueOf(m)
	if v.Kind() != reflect.Slice || v.Type().Elem() != reflect.TypeFor[tea.Cmd]() {
		return nil
	}
	parts := make([]tea.Cmd, v.Len())
	for i := range parts {
		parts[i] = v.Index(i).Interface().(tea.Cmd)
	}
	return parts
}

// answer carries out what was kept while the store was slow.
func (d *driver) answer() {
	d.slow = false
	kept := d.kept
	d.kept = nil
	for _, cmd := range kept {
		d.run(cmd)
	}
}

// fire lets timers up to a length of time run out, and those that are due at once after them.
func (d *driver) fire(upTo time.Duration) {
	for again := true; again; upTo = 0 {
		due := d.timers
		d.timers, again = nil, false
		for _, t := range due {
			if t.in <= upTo {
				d.send(t.msg)
				again = true
			} else {
				d.timers = append(d.timers, t)
			}
		}
	}
}

var keyCodes = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"backspace": {Code: tea.KeyBackspace}, "space": {Code: tea.KeySpace, Text: " "}, "f1": {Code: tea.KeyF1}, "f2": {Code: tea.KeyF2},
	"f3": {Code: tea.KeyF3}, "f4": {Code: tea.KeyF4}, "f5": {Code: tea.KeyF5}, "f6": {Code: tea.KeyF6}, "f7": {Code: tea.KeyF7},
	"f10": {Code: tea.KeyF10}, "f12": {Code: tea.KeyF12},
}

func keyOf(name string) tea.KeyPressMsg {
	if k, ok := keyCodes[name]; ok {
		return k
	}
	if c, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(c[0]), Mod: tea.ModCtrl}
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: name}
}

// press gives keys as a person does, slowly.
func (d *driver) press(names ...string) *driver {
	for _, n := range names {
		d.send(keyOf(n))
		d.fire(scanGap)
	}
	return d
}

// write types a text, slowly.
func (d *driver) write(text string) *driver {
	for _, r := range text {
		d.press(map[bool]string{true: "space", false: string(r)}[r == ' '])
	}
	return d
}

// scan gives a code as a scanner does: at once, with its suffix.
func (d *driver) scan(code string, suffix ...string) *driver {
	for _, r := range code {
		d.send(keyOf(string(r)))
	}
	for _, s := range suffix {
		d.send(keyOf(s))
	}
	d.fire(scanGap)
	return d
}

// signIn gives a badge and its PIN.
func (d *driver) signIn(badge string) *driver {
	return d.write(badge).press("enter").write("24" + badge).press("enter")
}

var ansiCodes = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// view is what is seen, without colours.
func (d *driver) view() string { return ansiCodes.ReplaceAllString(d.a.View().Content, "") }

// sees ends the test when one of the texts is not on the screen.
func (d *driver) sees(texts ...string) *driver {
	d.t.Helper()
	v := d.view()
	for _, s := range texts {
		if !strings.Contains(v, s) {
			d.t.Fatalf("%q is not on the screen:\n%s", s, v)
		}
	}
	return d
}

// misses ends the test when one of the texts is on the screen.
func (d *driver) misses(texts ...string) *driver {
	d.t.Helper()
	v := d.view()
	for _, s := range texts {
		if strings.Contains(v, s) {
			d.t.Fatalf("%q is on the screen:\n%s", s, v)
		}
	}
	return d
}

// resize changes the window.
func (d *driver) resize(cols, rows int) *driver {
	d.send(tea.WindowSizeMsg{Width: cols, Height: rows})
	return d
}
