// Package widget draws the parts that screens are made of: lines of toned text, tables, forms, dialogs and big letters.
//
// A widget knows nothing of the floor. It takes text that may have come from anywhere and makes it safe and exactly as
// wide as it may be, in one place: [Painter.Paint].
package widget

import (
	"strings"

	"charm.land/lipgloss/v2"

	"gemba/mes/plain"
)

// A Tone says what a piece of text is for; the theme says how that looks.
type Tone int

const (
	Plain   Tone = iota
	Dim          // labels, what is not in the foreground
	Strong       // what the eye should find first
	Bar          // header line
	BarDim       // less important part of the header line
	Key          // a key in the key bar
	Input        // where text is typed
	Focus        // where text is being typed
	Normal       // green: as it should be
	Warning      // yellow: abnormal
	Fault        // red: fault
	Act          // blue: somebody must act
	Neutral      // white: a state that asks for nothing
	NormalBadge
	WarningBadge
	FaultBadge
	ActBadge
	NeutralBadge
	Ink   // white on black, for what a camera reads
	Tones // how many there are
)

// Badge gives the tone of a state as a filled block.
func (t Tone) Badge() Tone {
	if t >= Normal && t <= Neutral {
		return t - Normal + NormalBadge
	}
	return t
}

// A Span is a piece of text in one tone.
type Span struct {
	Text string
	Tone Tone
}

// A Line of a screen. Lit marks the line that the keys act on.
type Line struct {
	Spans []Span
	Lit   bool
}

// Of makes a line.
func Of(spans ...Span) Line { return Line{Spans: spans} }

// Say makes a line of one plain text.
func Say(s string) Line { return Of(Span{s, Plain}) }

// Blank is an empty line.
var Blank = Line{}

// Width of a text in cells, after it was made safe.
func Width(s string) int { return cells(Clean(s)) }

// cells is the width of a safe text.
func cells(s string) int {
	if plainASCII(s) {
		return len(s)
	}
	return lipgloss.Width(s)
}

// plainASCII tells whether every byte of a text is a character that is seen, one cell wide.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Width of the line in cells.
func (l Line) Width() int {
	n := 0
	for _, s := range l.Spans {
		n += Width(s.Text)
	}
	return n
}

// Clean makes text from outside safe to show: what would move the cursor, change colours, reorder, hide or pile up text is
// written as an escape that is seen. Every text passes here on its way to a terminal, whoever wrote it.
func Clean(s string) string { return plain.Text(s) }

// Ellipsis ends a text that was cut.
const Ellipsis = "…"

// Cut shortens a text to a width in cells; a cut one ends with an ellipsis.
func Cut(s string, width int) string {
	s = Clean(s)
	if width <= 0 {
		return ""
	}
	if cells(s) <= width {
		return s
	}
	return head(s, width-1) + Ellipsis
}

// Head is as much of a text as fits into a width.
func Head(s string, width int) string { return head(Clean(s), width) }

// head is as much of a safe text as fits into a width.
func head(s string, width int) string {
	if plainASCII(s) {
		return s[:max(min(width, len(s)), 0)]
	}
	end := 0
	for i, r := range s {
		next := i + len(string(r))
		if cells(s[:next]) > width {
			break
		}
		end = next
	}
	return s[:end]
}

// Left puts a text at the left of a column.
func Left(s string, width int) string {
	s = Cut(s, width)
	return s + strings.Repeat(" ", max(width-cells(s), 0))
}

// Right puts a text at the right of a column.
func Right(s string, width int) string {
	s = Cut(s, width)
	return strings.Repeat(" ", max(width-cells(s), 0)) + s
}

// Wrap breaks a text at spaces into lines of a width, at most n of them; the last one is cut if more is left.
func Wrap(s string, width, n int) []string {
	words := strings.Fields(Clean(s))
	var lines []string
	for len(words) > 0 && width > 0 {
		if len(lines) == n-1 {
			return append(lines, Cut(strings.Join(words, " "), width))
		}
		line := words[0]
		words = words[1:]
		for cells(line) > width {
			first := head(line, width)
			if first == "" {
				return append(lines, Cut(line, width))
			}
			lines = append(lines, first)
			line = line[len(first):]
			if len(lines) == n-1 {
				return append(lines, Cut(strings.Join(append([]string{line}, words...), " "), width))
			}
		}
		for len(words) > 0 && cells(line+" "+words[0]) <= width {
			line += " " + words[0]
			words = words[1:]
		}
		lines = append(lines, line)
	}
	return lines
}

// Spread puts one line at the left and another at the right of a width. When both do not fit, the left one is cut.
func Spread(left, right Line, width int) Line {
	room := width - right.Width()
	if room < 0 {
		return right
	}
	out := left.Clip(room)
	out.Spans = append(out.Spans, Span{strings.Repeat(" ", max(room-out.Width(), 0)), gapTone(left)})
	out.Spans = append(out.Spans, right.Spans...)
	return out
}

func gapTone(l Line) Tone {
	if len(l.Spans) > 0 && (l.Spans[0].Tone == Bar || l.Spans[0].Tone == BarDim) {
		return Bar
	}
	return Plain
}

// Clip cuts a line to a width.
func (l Line) Clip(width int) Line {
	out := Line{Lit: l.Lit}
	for _, s := range l.Spans {
		text := Clean(s.Text)
		w := cells(text)
		if w > width {
			out.Spans = append(out.Spans, Span{Cut(text, width), s.Tone})
			return out
		}
		out.Spans = append(out.Spans, Span{text, s.Tone})
		width -= w
	}
	return out
}
