package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// board shows every machine: in which state, since when, on which order. It moves by itself.
type board struct {
	a     *App
	line  mes.ID // only this work centre; empty for all
	read  question[[]mes.MachineTile]
	tiles []mes.MachineTile
	list  widget.List

	columns int // of tiles that were drawn last, 0 for a table
}

func newBoard(a *App) *board { return &board{a: a, line: a.line()} }

func (b *board) Title() string { return b.a.say("title.board") }
func (b *board) Ready() bool   { return b.read.settled() }

func (b *board) Concerns(topic string) bool {
	return strings.HasPrefix(topic, "machine:") || strings.HasPrefix(topic, "work_order:")
}

func (b *board) reader() func(context.Context, *mes.App, mes.Actor) ([]mes.MachineTile, error) {
	line := b.line
	return func(ctx context.Context, app *mes.App, actor mes.Actor) ([]mes.MachineTile, error) {
		return app.Board(ctx, actor, line)
	}
}

func (b *board) Load() tea.Cmd { return b.read.ask(b.a, b.reader(), b.take) }

func (b *board) take(tiles []mes.MachineTile) {
	var on mes.ID
	if b.list.Cursor < len(b.tiles) {
		on = b.tiles[b.list.Cursor].Machine
	}
	b.tiles, b.list.Len = tiles, len(tiles)
	for i := range tiles {
		if tiles[i].Machine == on {
			b.list.Cursor = i
		}
	}
	b.list.Move(0)
}

func (b *board) Actions() []Action {
	a := b.a
	list := []Action{on("enter", a.say("key.open"), b.open)}
	for _, m := range a.moves(&b.list) {
		if columns := b.columns; columns > 0 && (m.Keys[0] == "down" || m.Keys[0] == "up") {
			by := map[string]int{"down": columns, "up": -columns}[m.Keys[0]]
			m.Do = func() tea.Cmd { b.list.Move(by); return nil }
		}
		list = append(list, m)
	}
	if b.columns > 0 {
		list = append(list, b.sideways()...)
	}
	if own := a.line(); own != "" {
		label := a.say("key.all_lines")
		if b.line == "" {
			label = a.say("key.own_line")
		}
		list = append(list, on("a", label, func() tea.Cmd {
			if b.line == "" {
				b.line = own
			} else {
				b.line = ""
			}
			return b.read.askAnew(a, b.reader(), b.take)
		}))
	}
	return append(list, on("o", a.say("key.orders"), func() tea.Cmd { return a.goTo(newOrders(a)) }), on("f3 esc", a.say("key.back"), a.back))
}

func (b *board) open() tea.Cmd {
	if len(b.tiles) == 0 {
		return nil
	}
	return b.a.open(newMachine(b.a, b.tiles[b.list.Cursor].Machine))
}

// since is how long a machine has been in its state; "-" when it never said.
func (b *board) since(t *mes.MachineTile) string {
	if t.Since.IsZero() {
		return "-"
	}
	return span(b.a.now.Sub(t.Since))
}

func (b *board) Draw(r area) Frame {
	a := b.a
	if !b.read.known {
		return a.reading(r)
	}
	if len(b.tiles) == 0 {
		return a.empty(r, a.say("board.empty"))
	}
	running, down := 0, 0
	for i := range b.tiles {
		switch b.tiles[i].State {
		case mes.MachineRunning:
			running++
		case mes.MachineDown:
			down++
		}
	}
	f := Frame{Note: a.say("board.note", len(b.tiles), running, down)}
	b.columns = 0
	if b.line != "" {
		f.Note = string(b.line) + " · " + f.Note
	}
	if r.narrow() {
		from, to := b.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			t, lit := &b.tiles[i], i == b.list.Cursor
			f.Lines = append(f.Lines, a.markLine(lit, widget.Span{Text: string(t.Machine), Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  "}, a.short(lookOf(machineLooks, t.State)), {Text: " " + b.since(t), Tone: widget.Dim}}})
		}
		return f
	}
	if b.columns = b.tileColumns(r); b.columns > 0 {
		f.Lines = append([]widget.Line{widget.Blank}, b.wall(r, b.columns)...)
		return f
	}
	t := b.table(r)
	f.Lines = tableLines(&t, &b.list, r.width, r.height)
	return f
}

func (b *board) table(r area) widget.Table {
	a := b.a
	t := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.machine"), Width: 10}, {Title: a.say("col.state"), Width: 9}, {Title: a.say("col.since"), Width: 8, Right: true},
		{Title: a.say("col.job"), Width: 16}, {Title: a.say("col.count"), Width: 8, Right: true}, {Title: a.say("col.why"), Width: 8, Flex: true},
	}}
	if r.width < 80 {
		t.Columns = []widget.Column{t.Columns[0], {Title: t.Columns[1].Title, Width: shortState}, t.Columns[2], {Title: t.Columns[3].Title, Width: 8, Flex: true}, t.Columns[4]}
	}
	if r.class == wall {
		t.Columns[0].Width, t.Columns[3].Width = 14, 20
		t.Columns = append(t.Columns, widget.Column{Title: a.say("col.name"), Width: 20}, widget.Column{Title: a.say("col.line"), Width: 10})
	}
	for i := range b.tiles {
		m := &b.tiles[i]
		job := ""
		if m.Order != "" {
			job = m.Order + "/" + itoa(m.Seq)
		}
		why := widget.Span{Text: m.Reason, Tone: widget.Dim}
		if m.Alarm != "" {
			why = widget.Span{Text: "! " + m.Alarm, Tone: widget.Warning}
		}
		cells := []widget.Span{{Text: string(m.Machine), Tone: widget.Strong}, a.state(lookOf(machineLooks, m.State)), {Text: b.since(m)},
			{Text: job}, {Text: count(m.Total)}, why}
		if r.width < 80 {
			cells[1] = a.short(lookOf(machineLooks, m.State))
		}
		if r.class == wall {
			cells = append(cells, widget.Span{Text: m.Name, Tone: widget.Dim}, widget.Span{Text: string(m.Line), Tone: widget.Dim})
		}
		t.Rows = append(t.Rows, cells[:len(t.Columns)])
	}
	return t
}
