package tui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

const (
	scanGap  = 35 * time.Millisecond // longest between two characters of a scan
	maxTyped = 256                   // strokes kept while an answer is awaited
	maxScan  = 512                   // characters of a scan; what is longer is none
	maxPaste = 4096                  // bytes
)

// A burst is keys that come faster than people press them: a scanner, or a barcode that was made to press keys. Where
// letters are keys its text is gathered before it is understood, and a key right behind another does nothing by itself
// but move: so whatever a barcode holds, it is looked up, or typed into a field, and never presses a button.
type burst struct {
	text   string // gathered where letters are keys
	led    bool   // another key came right before the text, or behind it
	field  string // what went into a field instead
	number int    // of the newest key
	alive  bool   // the last key came just now
	quick  bool   // the key that is being handled came right behind another
	shut   bool   // the rest of the burst is swallowed: its beginning was refused
}

// burstMsg comes when nothing followed a key for the longest gap of a scan. It comes twice: on a machine that is late, keys
// may stand in line behind the first, and come before the second.
type burstMsg struct {
	number int
	second bool
}

// A stroke is what somebody did at the keyboard: a key, or the code of a scan as a whole.
type stroke struct {
	key   tea.KeyPressMsg
	code  string // of a scan, "" for a key
	quick bool   // it came right behind another
}

// key takes one key press.
func (a *App) key(m tea.KeyPressMsg) tea.Cmd {
	name := m.String()
	a.lastKey = a.now
	after := a.beat()
	defer func() { a.burst.quick = false }()
	if !a.burst.quick {
		a.quiet(name)
	}
	switch {
	case name == "ctrl+l":
		return tea.Batch(after, tea.ClearScreen)
	case name == "f12" && !a.burst.quick:
		return tea.Batch(after, a.lock())
	case a.help != nil:
		return tea.Batch(after, a.help.key(name))
	}
	return tea.Batch(after, a.gather(m, name))
}

// quiet takes the message of the status line away, except what has to be read while something is under way.
func (a *App) quiet(name string) {
	trying := a.errand != nil && a.errand.tries > 0
	unsent := a.status.key == "say.unsent" && (name == "esc" || name == "f3")
	if checking := a.top() == Screen(a.signin) && a.signin.busy; !trying && !unsent && !checking {
		a.status = status{}
	}
}

// beat notes that a key came, and waits for what may follow it.
func (a *App) beat() tea.Cmd {
	b := &a.burst
	b.quick = b.alive
	if !b.alive {
		b.shut, b.field = false, ""
	}
	b.alive = true
	b.number++
	return a.after(scanGap, burstMsg{number: b.number})
}

// gather gives a key to the field that has the focus. Elsewhere text waits for what follows it: it may be a scan.
func (a *App) gather(m tea.KeyPressMsg, name string) tea.Cmd {
	b := &a.burst
	control := strings.HasPrefix(name, "ctrl+") && name != "ctrl+j"
	switch t, typing := typingOn(a.top()); {
	case b.text == "" && typing && !a.waiting():
		return a.typing(t, m, name)
	case b.text == "" && m.Text != "" && m.Text != " ":
		b.text, b.led = m.Text, b.quick
		return nil
	case b.text == "":
		return a.take(stroke{key: m, quick: b.quick})
	case m.Text != "" || control: // a space and GS inside a code are part of it
		if len(b.text) < maxScan {
			b.text += cmp.Or(m.Text, "\x1d")
		}
		return nil
	case name == "enter" || name == "tab" || name == "ctrl+j":
		return a.take(stroke{code: a.gathered(), quick: true})
	}
	b.led = true // one letter in the middle of a burst is no key either
	first := a.understand()
	return tea.Batch(first, a.take(stroke{key: m, quick: true}))
}

// gathered ends the gathering.
func (a *App) gathered() string {
	text := a.burst.text
	a.burst.text = ""
	return text
}

// burstOver takes gathered text for what it is once nothing follows.
func (a *App) burstOver(m burstMsg) tea.Cmd {
	switch {
	case m.number != a.burst.number:
		return nil
	case !m.second:
		return a.after(0, burstMsg{m.number, true})
	}
	a.burst.alive, a.burst.shut = false, false
	return a.understand()
}

// understand takes what was gathered: one character that came alone is a key, anything else a scan.
func (a *App) understand() tea.Cmd {
	led, text := a.burst.led, a.gathered()
	switch r := []rune(text); {
	case len(r) == 0, len(r) == 1 && led:
		return nil
	case len(r) == 1:
		return a.take(stroke{key: tea.KeyPressMsg{Code: r[0], Text: text}})
	}
	return a.take(stroke{code: text, quick: true})
}

// waiting tells whether strokes have to wait for an answer.
func (a *App) waiting() bool { return a.errand != nil || !a.top().Ready() }

// take hands a stroke on, or keeps it until the answer is there. Going back gives up waiting. Enter once more for what was
// just sent is impatience and no key, and nothing is kept while the store does not answer.
func (a *App) take(s stroke) tea.Cmd {
	if !a.waiting() {
		return a.give(s)
	}
	name := ""
	if s.code == "" {
		name = s.key.String()
	}
	if (name == "esc" || name == "f3") && !s.quick {
		if a.errand != nil {
			a.giveUp()
			return nil
		}
		a.typed = nil
		return a.back()
	}
	impatient := a.errand != nil && (a.errand.tries > 0 || name == "enter" && len(a.typed) == 0)
	if !impatient && len(a.typed) < maxTyped {
		a.typed = append(a.typed, s)
	}
	return nil
}

// replay gives the kept strokes to the screen that the answer led to, until it has to wait again.
func (a *App) replay() tea.Cmd {
	var cmds []tea.Cmd
	for len(a.typed) > 0 && !a.waiting() {
		s := a.typed[0]
		a.typed = a.typed[1:]
		cmds = append(cmds, a.give(s))
	}
	return tea.Batch(cmds...)
}

// give hands a stroke to the field that has the focus, or to the actions.
func (a *App) give(s stroke) tea.Cmd {
	before := a.burst.quick
	defer func() { a.burst.quick = before }()
	a.burst.quick = s.quick
	t, typing := typingOn(a.top())
	switch {
	case s.code != "" && typing:
		return a.scanInto(t, s.code)
	case s.code != "":
		return a.scanned(s.code)
	case typing && s.key.Text != "":
		return t.Type(s.key.Text)
	case typing:
		return a.typing(t, s.key, s.key.String())
	}
	return a.press(s.key.String())
}

// scanInto gives a scan to a field, with the Enter that its device adds.
func (a *App) scanInto(t typist, code string) tea.Cmd {
	if s, ok := t.(scanTaker); ok {
		if cmd, taken := s.Scan(code); taken {
			return cmd
		}
	}
	return t.Type(code + "\r")
}

// typing gives a key to the field that has the focus.
func (a *App) typing(t typist, m tea.KeyPressMsg, name string) tea.Cmd {
	b := &a.burst
	if m.Text != "" {
		b.field += m.Text
		return t.Type(m.Text)
	}
	if b.quick && (name == "enter" || name == "tab") {
		if b.shut {
			return nil // the end of a scan that was refused
		}
		code := b.field
		b.field = ""
		if s, ok := t.(scanTaker); ok && code != "" {
			if cmd, taken := s.Scan(code); taken {
				return cmd
			}
		}
	}
	if cmd, taken := t.Edit(name); taken {
		return cmd
	}
	return a.press(name)
}

// unhurried tells whether what is to be done was asked for by a key of its own. What came at the pace of a scanner, or in
// a paste, is shown first and waits for one.
func (a *App) unhurried() bool {
	if a.burst.quick {
		a.tell(widget.Warning, "say.confirm")
	}
	return !a.burst.quick
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

// movers are the keys that people hold down, and that change nothing but where one is and what stands in a field.
var movers = []string{"up", "down", "left", "right", "pgup", "pgdown", "home", "end", "tab", "shift+tab", "backspace", "delete"}

// press does what a key says on the screen that is seen. Right behind another it only moves.
func (a *App) press(name string) tea.Cmd {
	if a.burst.quick && !slices.Contains(movers, name) {
		return nil
	}
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
	a.burst.quick = true
	defer func() { a.burst.quick = false }()
	t, typing := typingOn(a.top())
	if !typing {
		return a.scanned(text)
	}
	if s, ok := t.(scanTaker); ok {
		if cmd, taken := s.Scan(strings.TrimRight(text, "\r\n\t")); taken {
			return cmd
		}
	}
	return t.Type(text)
}
