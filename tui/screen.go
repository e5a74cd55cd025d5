package tui

import (
	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// A Screen is one thing to look at and work with. Only the root is a Bubble Tea model; screens are plain values with
// methods that the root calls, one at a time. A screen does no I/O itself: it gives back commands that do.
type Screen interface {
	// Title is the screen's name for people.
	Title() string
	// Load reads what the screen shows. It is called when the screen comes up and when what it shows has changed.
	Load() tea.Cmd
	// Ready tells whether there is something to show. Until then keys are kept, and given to it afterwards.
	Ready() bool
	// Concerns tells whether a change on the floor ("machine:M7") may have changed what is shown.
	Concerns(topic string) bool
	// Actions is what the keys do now; the first one is what people most likely want.
	Actions() []Action
	// Draw fills an area, at most its height in lines. Like all of these it is called one at a time.
	Draw(a area) Frame
}

// A Frame is what a screen looks like now. The cursor, if any, is counted from the frame's corner.
type Frame struct {
	Lines  []widget.Line
	Note   string // beside the title: how many, which filter
	Cursor *tea.Position
}

// A typist is a screen that takes text.
type typist interface {
	// Typing tells whether text goes into a field now.
	Typing() bool
	// Type takes text that was typed, pasted or scanned.
	Type(text string) tea.Cmd
	// Edit takes another key; false leaves it to the actions.
	Edit(key string) (tea.Cmd, bool)
	// Draft tells whether something was typed that would be lost.
	Draft() bool
}

// A scanTaker is a typist that takes a scan as a whole, wherever its focus is.
type scanTaker interface {
	// Scan takes a code that was scanned or pasted, without what the device adds behind it. False leaves it to the field
	// that has the focus: what was scanned stands there already, what was pasted is given to it.
	Scan(code string) (tea.Cmd, bool)
}

// typingOn gives the screen as a typist if text goes into one of its fields now.
func typingOn(s Screen) (typist, bool) {
	t, ok := s.(typist)
	if !ok || !t.Typing() {
		return nil, false
	}
	return t, true
}
