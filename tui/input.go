package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

const (
	scanGap  = 35 * time.Millisecond // longest between two characters of a scan
	scanLen  = 4                     // shortest scan
	maxTyped = 256                   // keys kept while an answer is awaited
	maxPaste = 4096                  // bytes
)

// A burst is text that comes faster than people type: a scanner. Where single letters are keys it is gathered before it
// is understood, so that a code is never taken for the letters in it.
type burst struct {
	text   string // gathered where letters are keys
	field  string // what went into a field instead
	number int    // of the newest character
	alive  bool   // the last character came just now
	shut   bool   // the rest of the burst is swallowed: its beginning was refused
}

// burstMsg comes when nothing followed a character for the longest gap of a scan.
type burstMsg struct{ number int }

// key takes one key press.
func (a *App) key(m tea.KeyPressMsg) tea.Cmd {
	name := m.String()
	a.lastKey = a.now
	if !a.burst.alive && (a.errand == nil || a.errand.tries == 0) {
		unsent := a.status.key == "say.unsent" && (name == "esc" || name == "f3")
		if !unsent {
			a.status = status{}
		}
	}
	switch {
	case name == "ctrl+l":
		return tea.ClearScreen
	case name == "f12":
		return a.lock()
	case a.help != nil:
		return a.help.key(name)
	case a.waiting():
		return a.keep(m, name)
	}
	return a.give(m)
}

// waiting tells whether keys have to wait for an answer.
func (a *App) waiting() bool { return a.errand != nil || !a.top().Ready() }

// keep holds a key until the answer is there. Going back gives up waiting. Enter once more for what was just sent is
// impatience and no key, and nothing is kept while the store does not answer.
func (a *App) keep(m tea.KeyPressMsg, name string) tea.Cmd {
	if name == "esc" || name == "f3" {
		if a.errand != nil {
			a.giveUp()
			return nil
		}
		a.typed = nil
		return a.back()
	}
	impatient := a.errand != nil && (a.errand.tries > 0 || name == "enter" && len(a.typed) == 0)
	if !impatient && len(a.typed) < maxTyped {
		a.typed = append(a.typed, m)
	}
	return nil
}

// replay gives the kept keys to the screen that the answer led to, until it has to wait again.
func (a *App) replay() tea.Cmd {
	var cmds []tea.Cmd
	for len(a.typed) > 0 && !a.waiting() {
		m := a.typed[0]
		a.typed = a.typed[1:]
		cmds = append(cmds, a.give(m))
	}
	return tea.Batch(cmds...)
}

// give hands a key to the field that has the focus, or to the actions. Where letters are keys they are gathered first.
func (a *App) give(m tea.KeyPressMsg) tea.Cmd {
	if t, ok := typingOn(a.top()); ok {
		return a.typing(t, m, m.String())
	}
	if m.Text != "" && m.Text != " " {
		a.burst.text += m.Text
		return a.startBurst()
	}
	return a.flush(m)
}

// typing gives a key to the field that has the focus.
func (a *App) typing(t typist, m tea.KeyPressMsg, name string) tea.Cmd {
	if m.Text != "" {
		after := a.startBurst()
		a.burst.field += m.Text
		return tea.Batch(after, t.Type(m.Text))
	}
	if s, ok := t.(scanTaker); ok && a.burst.alive && len(a.burst.field) >= scanLen && (name == "enter" || name == "tab") {
		code := a.burst.field
		a.burst.field = ""
		return s.Scan(code)
	}
	if a.burst.alive && a.burst.shut && (name == "enter" || name == "tab") {
		return nil // the end of a scan that was refused
	}
	if cmd, taken := t.Edit(name); taken {
		return cmd
	}
	return a.press(name)
}

// refuse says why a field did not take what came, and swallows what follows at the pace of a scanner.
func (a *App) refuse(why widget.Refusal) tea.Cmd {
	a.burst.shut = true
	switch why {
	case widget.NotDigits:
		a.tell(widget.Fault, "say.not_digits")
	case widget.TooManyFor:
		a.tell(widget.Fault, "say.barcode")
	case widget.TooLong:
		a.tell(widget.Fault, "say.too_long")
	case widget.Unprintable:
		a.tell(widget.Fault, "say.unprintable")
	}
	return nil
}

// startBurst waits for what may follow a character.
func (a *App) startBurst() tea.Cmd {
	if !a.burst.alive {
		a.burst.shut, a.burst.field = false, ""
	}
	a.burst.number++
	a.burst.alive = true
	return a.after(scanGap, burstMsg{a.burst.number})
}

// burstOver takes gathered characters for what they are once nothing follows: a scan without an end, or keys.
func (a *App) burstOver(m burstMsg) tea.Cmd {
	if m.number != a.burst.number {
		return nil
	}
	a.burst.alive, a.burst.shut = false, false
	return a.understand()
}

// flush ends gathering with a key that is not text.
func (a *App) flush(m tea.KeyPressMsg) tea.Cmd {
	if m.String() == "enter" && len(a.burst.text) >= scanLen {
		return a.understand()
	}
	first := a.understand()
	if a.waiting() {
		return tea.Batch(first, a.keep(m, m.String()))
	}
	if t, ok := typingOn(a.top()); ok {
		return tea.Batch(first, a.typing(t, m, m.String()))
	}
	return tea.Batch(first, a.press(m.String()))
}

// understand takes what was gathered as a scan or, when it is short, as keys that somebody pressed.
func (a *App) understand() tea.Cmd {
	text := a.burst.text
	a.burst.text = ""
	if len(text) >= scanLen {
		return a.scanned(text)
	}
	var cmds []tea.Cmd
	for _, r := range text {
		if a.waiting() {
			a.typed = append(a.typed, tea.KeyPressMsg{Code: r, Text: string(r)})
		} else if t, ok := typingOn(a.top()); ok {
			cmds = append(cmds, t.Type(string(r)))
		} else {
			cmds = append(cmds, a.press(string(r)))
		}
	}
	return tea.Batch(cmds...)
}

// press does what a key says on the screen that is seen.
func (a *App) press(name string) tea.Cmd {
	if a.person == nil || a.locked {
		if act, ok := find(name, a.top().Actions()); ok {
			return act.Do()
		}
		return nil
	}
	if act, ok := find(name, a.top().Actions(), a.everywhere()); ok {
		return act.Do()
	}
	return nil
}

// paste takes a paste, or a scan from a terminal that pastes it.
func (a *App) paste(text string) tea.Cmd {
	a.lastKey = a.now
	a.status = status{}
	switch {
	case len(text) > maxPaste:
		a.tell(widget.Fault, "say.paste_long")
		return nil
	case a.help != nil:
		return nil
	case a.waiting():
		a.tell(widget.Warning, "say.paste_wait")
		return nil
	}
	if t, ok := typingOn(a.top()); ok {
		if s, ok := t.(scanTaker); ok {
			return s.Scan(text)
		}
		return t.Type(text)
	}
	return a.scanned(text)
}
