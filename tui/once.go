package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// once shows a secret that is shown to nobody again. A key takes it away for good: from the screen, which is drawn anew,
// and from here. So does locking the screen.
type once struct {
	a      *App
	title  string
	about  string   // whose it is and what it is for
	secret string   // empty when it was taken away
	next   []string // what to do with it
	line   string   // a command line to type elsewhere, word by word as it stands; may be empty
}

// once opens a secret.
func (a *App) once(o *once) tea.Cmd {
	o.a = a
	return a.open(o)
}

// forget takes away all screens that show a secret.
func (a *App) forget() {
	a.stack = slices.DeleteFunc(a.stack, func(s Screen) bool {
		switch s.(type) {
		case *once, *enrolment:
			return true
		}
		return false
	})
}

func (o *once) Title() string        { return o.title }
func (o *once) Load() tea.Cmd        { return nil }
func (o *once) Ready() bool          { return true }
func (o *once) Concerns(string) bool { return false }

// Typing keeps letters and scans from being keys: only who says so loses sight of the secret.
func (o *once) Typing() bool        { return true }
func (o *once) Draft() bool         { return false }
func (o *once) Type(string) tea.Cmd { return nil }

func (o *once) Edit(key string) (tea.Cmd, bool) {
	switch key {
	case "enter", "esc", "f3", "f1":
		return nil, false
	}
	return nil, true
}

func (o *once) Actions() []Action {
	return []Action{on("enter esc f3", o.a.say("key.noted"), o.noted)}
}

// noted takes the secret away and draws the window anew, so that nothing of it stays in the terminal's memory of it.
func (o *once) noted() tea.Cmd {
	o.secret = ""
	return tea.Sequence(o.a.shut(), tea.ClearScreen)
}

func (o *once) Draw(r area) Frame {
	indent := "  "
	if r.narrow() || r.class == strip {
		indent = ""
	}
	width := r.width - 2*len(indent)
	var f Frame
	say := func(text string, tone widget.Tone) {
		for _, l := range widget.Wrap(text, width, 4) {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: indent + l, Tone: tone}))
		}
	}
	whole := func(text string, tone widget.Tone) {
		for _, l := range pieces(text, width) {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: indent + l, Tone: tone}))
		}
	}
	space := func() {
		if len(indent) > 0 {
			f.Lines = append(f.Lines, widget.Blank)
		}
	}
	space()
	say(o.about, widget.Plain)
	space()
	if big := widget.Big(o.secret, o.a.ascii); r.class >= term && digits(o.secret) && widget.Width(big[0]) <= width {
		for _, l := range big {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: indent + l, Tone: widget.Act}))
		}
		space()
	}
	whole(o.secret, widget.Strong)
	space()
	if o.line != "" {
		say(o.a.say("once.type"), widget.Dim)
		whole(o.line, widget.Strong)
		space()
	}
	for _, n := range o.next {
		say(n, widget.Dim)
	}
	say(o.a.say("once.only"), widget.Warning)
	return f
}

// digits tells whether a text is of digits alone: of the big letters some look alike.
func digits(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// pieces breaks a text that is copied as it stands: at spaces if it can be, anywhere if not. Nothing is left out.
func pieces(text string, width int) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		line = widget.Clean(line)
		for width > 0 && widget.Width(line) > width {
			first := widget.Head(line, width)
			if first == "" {
				return append(out, widget.Cut(line, width)) // not even one of its characters has room
			}
			if space := strings.LastIndex(first, " "); space > 0 && line[len(first)] != ' ' {
				first = line[:space]
			}
			out = append(out, first)
			line = strings.TrimPrefix(line[len(first):], " ")
		}
		out = append(out, line)
	}
	return out
}
