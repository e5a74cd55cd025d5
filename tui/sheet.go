package tui

import (
	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// A fact is one thing that a sheet says: what it is about, and what there is to say. Without a label it is a heading.
type fact struct {
	label, text string
	tone        widget.Tone
}

// A sheet is something that was, in full, to be read and scrolled through.
type sheet struct {
	a     *App
	title string
	note  string
	facts []fact
	list  widget.List // its cursor is the first line in view
}

func (s *sheet) Title() string        { return s.title }
func (s *sheet) Load() tea.Cmd        { return nil }
func (s *sheet) Ready() bool          { return true }
func (s *sheet) Concerns(string) bool { return false }

func (s *sheet) Actions() []Action {
	return append([]Action{on("f3 esc", s.a.say("key.back"), s.a.back), on("pgdown f7", s.a.say("key.more"), func() tea.Cmd { s.list.Move(s.list.Page()); return nil })},
		s.a.moves(&s.list)...)
}

func (s *sheet) Draw(r area) Frame {
	label := 0
	for _, f := range s.facts {
		label = max(label, min(widget.Width(f.label), r.width/3))
	}
	var lines []widget.Line
	for i, f := range s.facts {
		switch {
		case f.label == "":
			if i > 0 && r.class != strip {
				lines = append(lines, widget.Blank)
			}
			for _, l := range widget.Wrap(f.text, r.width-1, 3) {
				lines = append(lines, widget.Of(widget.Span{Text: " " + l, Tone: widget.Strong}))
			}
		case r.narrow():
			lines = append(lines, widget.Of(widget.Span{Text: widget.Cut(f.label, r.width), Tone: widget.Dim}))
			for _, l := range widget.Wrap(f.text, r.width-1, mostLines) {
				lines = append(lines, widget.Of(widget.Span{Text: " " + l, Tone: f.tone}))
			}
		default:
			name := widget.Left(f.label, label)
			for _, l := range widget.Wrap(f.text, r.width-label-5, mostLines) {
				lines = append(lines, widget.Of(widget.Span{Text: "  " + name + "  ", Tone: widget.Dim}, widget.Span{Text: l, Tone: f.tone}))
				name = widget.Left("", label)
			}
		}
	}
	s.list.Window(r.height) // notes how long a page is
	s.list.Len = max(len(lines)-r.height, 0) + 1
	s.list.Move(0)
	return Frame{Lines: lines[s.list.Cursor:min(s.list.Cursor+r.height, len(lines))], Note: s.note}
}

// mostLines bounds how much of one text is shown.
const mostLines = 40
