package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// queue is what can be worked on at this work centre, most urgent first.
type queue struct {
	a     *App
	read  question[queueRows]
	items []mes.QueueItem
	mine  map[mes.ID]bool // operations that who is signed in has an open session on
	list  widget.List
}

type queueRows struct {
	items []mes.QueueItem
	mine  map[mes.ID]bool
}

func newQueue(a *App) *queue { return &queue{a: a} }

func (q *queue) Title() string { return q.a.say("title.queue") }
func (q *queue) Ready() bool   { return q.read.settled() }

func (q *queue) Concerns(topic string) bool {
	kind, id, _ := strings.Cut(topic, ":")
	return kind == "line" && (q.a.line() == "" || mes.ID(id) == q.a.line())
}

func (q *queue) Load() tea.Cmd {
	line := q.a.line()
	return q.read.ask(q.a, func(ctx context.Context, app *mes.App, actor mes.Actor) (queueRows, error) {
		items, err := app.Queue(ctx, actor, mes.QueueFilter{Line: line, Limit: 500})
		if err != nil || actor.Person == "" {
			return queueRows{items: items}, err
		}
		open, err := app.OpenSessions(ctx, actor, actor.Person)
		rows := queueRows{items, map[mes.ID]bool{}}
		for i := range open {
			rows.mine[open[i].Operation] = true
		}
		return rows, err
	}, q.take)
}

// take shows what was read. The cursor begins on one's own work, and stays on its operation wherever that is later.
func (q *queue) take(rows queueRows) {
	var on mes.ID
	if q.list.Cursor < len(q.items) {
		on = q.items[q.list.Cursor].Operation
	}
	first := q.items == nil
	q.items, q.mine, q.list.Len = rows.items, rows.mine, len(rows.items)
	for i := range q.items {
		if id := q.items[i].Operation; id == on || first && on == "" && q.mine[id] {
			on = id
			q.list.Cursor = i
		}
	}
	q.list.Move(0)
}

func (q *queue) Actions() []Action {
	list := []Action{on("enter", q.a.say("key.open"), q.open)}
	list = append(list, q.a.moves(&q.list)...)
	return append(list,
		on("o", q.a.say("key.orders"), func() tea.Cmd { return q.a.goTo(newOrders(q.a)) }),
		on("b", q.a.say("key.board"), func() tea.Cmd { return q.a.goTo(newBoard(q.a)) }),
		on("L f12", q.a.say("key.lock"), q.a.lock),
	)
}

func (q *queue) open() tea.Cmd {
	if len(q.items) == 0 {
		return nil
	}
	i := q.items[q.list.Cursor]
	return q.a.open(newJob(q.a, i.Order, i.Seq))
}

func (q *queue) Draw(r area) Frame {
	f := Frame{Note: q.a.say("queue.note", len(q.items))}
	if line := q.a.line(); line != "" {
		f.Note = string(line) + " · " + f.Note
	}
	if !q.read.known {
		return q.a.reading(r)
	}
	if len(q.items) == 0 {
		return q.a.empty(r, q.a.say("queue.empty"))
	}
	if r.narrow() {
		from, to := q.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			it, lit := q.items[i], i == q.list.Cursor
			f.Lines = append(f.Lines, q.a.markLine(lit, widget.Span{Text: it.Number + "/" + itoa(it.Seq), Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  "}, q.a.short(itemLook(&it)),
					{Text: fitted(it.Available, 6) + " " + q.name(&it)}}})
		}
		return f
	}
	t := q.table(r)
	f.Lines = append(f.Lines, tableLines(&t, &q.list, r.width, r.height)...)
	return f
}

// itemLook is the state that concerns who looks for work: what stops the order stops its operations.
func itemLook(it *mes.QueueItem) look {
	switch it.OrderIs {
	case mes.OrderHeld, mes.OrderPaused:
		return lookOf(orderLooks, it.OrderIs)
	}
	return lookOf(opLooks, it.State)
}

// name of an operation; one's own work says so.
func (q *queue) name(it *mes.QueueItem) string {
	if q.mine[it.Operation] {
		return q.a.say("queue.mine", it.Name)
	}
	return it.Name
}

func (q *queue) table(r area) widget.Table {
	t := widget.Table{Columns: []widget.Column{
		{Title: q.a.say("col.priority"), Width: 2}, {Title: q.a.say("col.job"), Width: 16}, {Title: q.a.say("col.state"), Width: 9},
		{Title: q.a.say("col.available"), Width: 6, Right: true}, {Title: q.a.say("col.operation"), Width: 12, Flex: true},
		{Title: q.a.say("col.product"), Width: 10}, {Title: q.a.say("col.due"), Width: 10},
	}}
	if r.class == wall {
		t.Columns[1].Width, t.Columns[5].Width = 20, 16
	}
	if r.width < 80 {
		t.Columns = []widget.Column{t.Columns[1], t.Columns[2], t.Columns[3], {Title: t.Columns[4].Title, Width: 8, Flex: true}, t.Columns[6]}
	}
	for i := range q.items {
		it := &q.items[i]
		due := widget.Span{Text: q.a.day(it.Due), Tone: widget.Plain}
		if !it.Due.IsZero() && it.Due.Before(q.a.now) {
			due = widget.Span{Text: due.Text[min(5, len(due.Text)):] + " " + q.a.say("queue.late"), Tone: widget.Warning}
		}
		cells := []widget.Span{
			{Text: "P" + itoa(it.Priority), Tone: widget.Dim}, {Text: it.Number + "/" + itoa(it.Seq), Tone: widget.Strong},
			q.a.state(itemLook(it)), {Text: count(it.Available), Tone: widget.Plain}, {Text: q.name(it), Tone: widget.Plain},
			{Text: string(it.Product), Tone: widget.Dim}, due,
		}
		if r.width < 80 {
			cells = []widget.Span{cells[1], cells[2], cells[3], cells[4], due}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// tableLines draws a table's head and the part of it that is in view.
func tableLines(t *widget.Table, l *widget.List, width, height int) []widget.Line {
	lines := []widget.Line{t.Head(width)}
	l.Len = len(t.Rows)
	from, to := l.Window(height - 1)
	for i := from; i < to; i++ {
		lines = append(lines, t.Line(i, width, i == l.Cursor))
	}
	return lines
}

// moves are the keys that go through a list.
func (a *App) moves(l *widget.List) []Action {
	step := func(keys, label string, by func() int) Action {
		return quietly(keys, label, func() tea.Cmd { l.Move(by()); return nil })
	}
	return []Action{
		step("down", a.say("key.down"), func() int { return 1 }), step("up", a.say("key.up"), func() int { return -1 }),
		step("pgdown f7", a.say("key.page_down"), l.Page), step("pgup f6", a.say("key.page_up"), func() int { return -l.Page() }),
		step("home", a.say("key.first"), func() int { return -l.Len }), step("end", a.say("key.last"), func() int { return l.Len }),
	}
}

// markLine is a line of a narrow list.
func (a *App) markLine(lit bool, spans ...widget.Span) widget.Line {
	mark := widget.Span{Text: "  ", Tone: widget.Plain}
	if lit {
		mark = widget.Span{Text: "▌ ", Tone: widget.Act}
	}
	return widget.Line{Lit: lit, Spans: append([]widget.Span{mark}, spans...)}
}

// reading stands where nothing has been read yet.
func (a *App) reading(r area) Frame { return a.empty(r, a.say("view.reading")) }

// empty says why there is nothing to see.
func (a *App) empty(r area, why string) Frame {
	f := Frame{Lines: []widget.Line{widget.Blank}}
	for _, l := range widget.Wrap(why, r.width-2, 3) {
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " " + l, Tone: widget.Dim}))
	}
	return f
}
