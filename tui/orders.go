package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// orderPage is how many orders are read at a time.
const orderPage = 100

// orderSets are the states that the list shows, one after the other.
var orderSets = []struct {
	key    string
	states []mes.OrderState
}{
	{"orders.open", []mes.OrderState{mes.OrderDraft, mes.OrderReleased, mes.OrderInProgress, mes.OrderPaused, mes.OrderHeld}},
	{"orders.all", nil},
	{"state.draft", []mes.OrderState{mes.OrderDraft}},
	{"state.released", []mes.OrderState{mes.OrderReleased}},
	{"state.in_progress", []mes.OrderState{mes.OrderInProgress}},
	{"orders.stopped", []mes.OrderState{mes.OrderPaused, mes.OrderHeld}},
	{"state.completed", []mes.OrderState{mes.OrderCompleted}},
	{"orders.over", []mes.OrderState{mes.OrderClosed, mes.OrderCancelled}},
}

type orderRows struct {
	rows []mes.OrderSummary
	next string
}

// orders lists work orders by urgency, a page at a time.
type orders struct {
	a      *App
	read   question[orderRows]
	page   orderRows
	list   widget.List
	set    int      // of orderSets
	before []string // cursors of the pages before this one
	after  string   // cursor of this page
	search widget.Form
	asking bool // the search field has the focus
}

func newOrders(a *App) *orders {
	return &orders{a: a, search: widget.Form{Fields: []*widget.Field{{Name: "search", Label: a.say("field.search"), Kind: widget.Text, Max: 40}}}}
}

func (o *orders) Title() string { return o.a.say("title.orders") }
func (o *orders) Ready() bool   { return o.read.settled() }
func (o *orders) Draft() bool   { return false }
func (o *orders) Typing() bool  { return o.asking }

func (o *orders) Concerns(topic string) bool { return strings.HasPrefix(topic, "work_order:") }

func (o *orders) filter() mes.OrderFilter {
	return mes.OrderFilter{State: orderSets[o.set].states, Search: o.search.Value("search"), Page: mes.Page{After: o.after, Limit: orderPage}}
}

func (o *orders) reader() func(context.Context, *mes.App, mes.Actor) (orderRows, error) {
	f := o.filter()
	return func(ctx context.Context, app *mes.App, actor mes.Actor) (orderRows, error) {
		rows, next, err := app.Orders(ctx, actor, f)
		return orderRows{rows, next}, err
	}
}

func (o *orders) Load() tea.Cmd { return o.read.ask(o.a, o.reader(), o.take) }

// look reads another part of the list.
func (o *orders) look() tea.Cmd {
	o.read.known = false
	return o.read.askAnew(o.a, o.reader(), o.take)
}

func (o *orders) take(p orderRows) {
	var on mes.ID
	if o.list.Cursor < len(o.page.rows) {
		on = o.page.rows[o.list.Cursor].ID
	}
	o.page, o.list.Len = p, len(p.rows)
	for i := range p.rows {
		if p.rows[i].ID == on {
			o.list.Cursor = i
		}
	}
	o.list.Move(0)
}

func (o *orders) Actions() []Action {
	a := o.a
	list := []Action{on("enter", a.say("key.open"), o.open)}
	for _, m := range a.moves(&o.list) {
		switch m.Keys[0] {
		case "pgdown":
			m.Do = o.pageDown
		case "pgup":
			m.Do = o.pageUp
		}
		list = append(list, m)
	}
	list = append(list,
		on("/", a.say("key.search"), func() tea.Cmd { o.asking = true; return nil }),
		on("f", a.say("key.filter"), func() tea.Cmd { return o.choose((o.set + 1) % len(orderSets)) }),
		quietly("F", a.say("key.filter_back"), func() tea.Cmd { return o.choose((o.set + len(orderSets) - 1) % len(orderSets)) }),
		on("b", a.say("key.board"), func() tea.Cmd { return a.goTo(newBoard(a)) }),
		quietly("f3 esc", a.say("key.back"), o.back))
	return list
}

// choose shows another set of states.
func (o *orders) choose(set int) tea.Cmd {
	o.set, o.before, o.after = set, nil, ""
	return o.look()
}

// back leaves the search first, then the screen.
func (o *orders) back() tea.Cmd {
	if o.search.Value("search") == "" {
		return o.a.back()
	}
	o.search.Focused().Edit("f2")
	o.before, o.after = nil, ""
	return o.look()
}

func (o *orders) pageDown() tea.Cmd {
	if o.list.Cursor < o.list.Len-1 || o.page.next == "" {
		o.list.Move(o.list.Page())
		return nil
	}
	o.before = append(o.before, o.after)
	o.after, o.list.Cursor = o.page.next, 0
	return o.look()
}

func (o *orders) pageUp() tea.Cmd {
	if o.list.Cursor > 0 || len(o.before) == 0 {
		o.list.Move(-o.list.Page())
		return nil
	}
	o.after = o.before[len(o.before)-1]
	o.before = o.before[:len(o.before)-1]
	return o.look()
}

func (o *orders) open() tea.Cmd {
	if len(o.page.rows) == 0 {
		return nil
	}
	return o.a.open(newOrder(o.a, o.page.rows[o.list.Cursor].ID))
}

func (o *orders) Type(text string) tea.Cmd { return o.searched(o.search.Type(text)) }

func (o *orders) Edit(key string) (tea.Cmd, bool) {
	if key == "esc" || key == "f3" {
		o.asking = false
		return o.back(), true
	}
	out := o.search.Key(key)
	return o.searched(out), out != widget.Ignored
}

func (o *orders) searched(out widget.Outcome) tea.Cmd {
	switch out {
	case widget.Send:
		o.asking, o.before, o.after = false, nil, ""
		return o.look()
	case widget.Refused:
		return o.a.refuse(o.search.Focused().Refused())
	}
	return nil
}

func (o *orders) Draw(r area) Frame {
	note := o.a.say(orderSets[o.set].key)
	if s := o.search.Value("search"); s != "" {
		note += " · /" + s
	}
	if len(o.before) > 0 || o.page.next != "" {
		note += " · " + o.a.say("orders.page", len(o.before)+1)
		if o.page.next != "" {
			note += "+"
		}
	}
	f := Frame{Note: note}
	if o.asking {
		lines, x, y := o.search.Lines(r.width, 1)
		f.Lines, f.Cursor = lines, &tea.Position{X: x, Y: y}
		r.height--
	}
	switch {
	case !o.read.known:
		f.Lines = append(f.Lines, o.a.reading(r).Lines...)
	case len(o.page.rows) == 0:
		f.Lines = append(f.Lines, o.a.empty(r, o.a.say("orders.empty", note)).Lines...)
	case r.narrow():
		from, to := o.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			row, lit := &o.page.rows[i], i == o.list.Cursor
			f.Lines = append(f.Lines, o.a.markLine(lit, widget.Span{Text: row.Number, Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  "}, o.a.short(lookOf(orderLooks, row.State)),
					{Text: " " + made(row, r.width-8)}}})
		}
	default:
		t := o.table(r)
		f.Lines = append(f.Lines, tableLines(&t, &o.list, r.width, r.height)...)
	}
	return f
}

// made says how many are good of how many were ordered, within a width if the digits fit.
func made(row *mes.OrderSummary, width int) string {
	s := count(row.Good) + "/" + count(row.Ordered)
	if len(s) > width {
		s = fitted(row.Good, 0) + "/" + fitted(row.Ordered, 0)
	}
	return s
}

func (o *orders) table(r area) widget.Table {
	a := o.a
	t := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.priority"), Width: 2}, {Title: a.say("col.order"), Width: 14}, {Title: a.say("col.state"), Width: 13},
		{Title: a.say("col.good"), Width: 7, Right: true}, {Title: a.say("col.ordered"), Width: 7, Right: true},
		{Title: a.say("col.product"), Width: 8, Flex: true}, {Title: a.say("col.due"), Width: 10},
	}}
	if r.width < 80 {
		t.Columns = []widget.Column{t.Columns[1], {Title: a.say("col.state"), Width: shortState}, {Title: a.say("col.made"), Width: 11, Right: true},
			{Title: a.say("col.product"), Width: 8, Flex: true}, t.Columns[6]}
	}
	if r.class == wall {
		t.Columns[1].Width = 20
		t.Columns = append(t.Columns, widget.Column{Title: a.say("col.steps"), Width: 6, Right: true}, widget.Column{Title: a.say("col.line"), Width: 10})
	}
	for i := range o.page.rows {
		row := &o.page.rows[i]
		cells := []widget.Span{{Text: "P" + itoa(row.Priority), Tone: widget.Dim}, {Text: row.Number, Tone: widget.Strong},
			a.state(lookOf(orderLooks, row.State)), {Text: count(row.Good)}, {Text: count(row.Ordered)},
			{Text: string(row.Product), Tone: widget.Dim}, {Text: a.day(row.Due)}}
		if r.width < 80 {
			cells = []widget.Span{cells[1], a.short(lookOf(orderLooks, row.State)), {Text: count(row.Good) + "/" + count(row.Ordered)}, cells[5], cells[6]}
		}
		if r.class == wall {
			cells = append(cells, widget.Span{Text: itoa(row.OpsDone) + "/" + itoa(row.Ops)}, widget.Span{Text: string(row.Line), Tone: widget.Dim})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
