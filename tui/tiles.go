package tui

import (
	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A tile of the wall board is so wide at least, and so high with the line below it.
const tileWidth, tileHeight = 28, 6

// tileColumns is how many tiles stand side by side, 0 when they do not all fit and a table is better.
func (b *board) tileColumns(r area) int {
	if r.class != wall {
		return 0
	}
	columns := r.width / tileWidth
	if rows := (len(b.tiles) + columns - 1) / columns; rows*tileHeight >= r.height {
		return 0
	}
	return columns
}

// wall draws the machines as tiles: state in a block of its colour, which machine, on what, how many.
func (b *board) wall(r area, columns int) []widget.Line {
	width := r.width / columns
	var lines []widget.Line
	for from := 0; from < len(b.tiles); from += columns {
		row := make([]widget.Line, tileHeight)
		for i := from; i < min(from+columns, len(b.tiles)); i++ {
			for y, l := range b.tile(&b.tiles[i], width-2, i == b.list.Cursor) {
				row[y].Spans = append(row[y].Spans, widget.Span{Text: " "})
				row[y].Spans = append(row[y].Spans, l.Spans...)
				row[y].Spans = append(row[y].Spans, widget.Span{Text: " "})
			}
		}
		lines = append(lines, row...)
	}
	return lines
}

// tile is one machine in tileHeight-1 lines of a width.
func (b *board) tile(m *mes.MachineTile, width int, lit bool) []widget.Line {
	a, l := b.a, lookOf(machineLooks, m.State)
	since := b.since(m)
	mark := "  "
	if lit {
		mark = "▌ "
	}
	job, total := "-", fitted(m.Total, 9)
	if m.Order != "" {
		job = m.Order + "/" + itoa(m.Seq)
	}
	note := widget.Span{Text: widget.Left("  "+m.Reason, width), Tone: widget.Dim}
	if m.Alarm != "" {
		note = widget.Span{Text: widget.Left("  ! "+m.Alarm, width), Tone: widget.Warning}
	}
	return []widget.Line{
		widget.Of(widget.Span{Text: widget.Left(" "+l.glyph+" "+a.say(l.key), width-widget.Width(since)-1) + since + " ", Tone: l.tone.Badge()}),
		widget.Of(widget.Span{Text: mark, Tone: widget.Act}, widget.Span{Text: widget.Left(string(m.Machine), 13), Tone: widget.Strong},
			widget.Span{Text: widget.Left(m.Name, width-15), Tone: widget.Dim}),
		widget.Of(widget.Span{Text: widget.Left("  "+job, width-len(total))}, widget.Span{Text: total, Tone: widget.Strong}),
		widget.Of(note),
	}
}

// sideways moves among tiles.
func (b *board) sideways() []Action {
	by := func(n int) func() tea.Cmd {
		return func() tea.Cmd { b.list.Move(n); return nil }
	}
	return []Action{quietly("right", b.a.say("key.next"), by(1)), quietly("left", b.a.say("key.previous"), by(-1))}
}
