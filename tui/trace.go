package tui

import (
	"context"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// trace shows the requests that came to the API: when, what for, how it went, who it was, how long it took.
type trace struct {
	pager[mes.Call]
	filter mes.TraceFilter
}

func newTrace(a *App) *trace {
	t := &trace{pager: pager[mes.Call]{a: a}}
	t.aim()
	return t
}

func (t *trace) Title() string { return t.a.say("title.trace") }

// aim makes the pager read what is wanted now.
func (t *trace) aim() {
	want := t.filter
	t.fetch = func(ctx context.Context, app *mes.App, actor mes.Actor, page mes.Page) ([]mes.Call, string, error) {
		want := want
		want.Page = page
		return app.Calls(ctx, actor, want)
	}
}

func (t *trace) Actions() []Action {
	a := t.a
	list := []Action{on("enter", a.say("key.open"), t.open), on("/", a.say("key.filter"), t.ask)}
	if row := t.row(); row != nil {
		list = append(list,
			quietly("k", a.say("key.only_key"), func() tea.Cmd { return t.only(func(f *mes.TraceFilter) { f.Key = row.Key }) }),
			quietly("r", a.say("key.only_route"), func() tea.Cmd { return t.only(func(f *mes.TraceFilter) { f.Route = row.Route }) }),
			quietly("s", a.say("key.only_status"), func() tea.Cmd { return t.only(func(f *mes.TraceFilter) { f.Status = row.Status }) }))
	}
	list = append(list, t.moves()...)
	return append(list, on("f3 esc", a.say("key.back"), t.back))
}

func (t *trace) only(change func(*mes.TraceFilter)) tea.Cmd {
	change(&t.filter)
	t.aim()
	return t.again()
}

// back leaves the filter first, then the screen.
func (t *trace) back() tea.Cmd {
	if t.filter == (mes.TraceFilter{}) {
		return t.a.back()
	}
	return t.only(func(f *mes.TraceFilter) { *f = mes.TraceFilter{} })
}

// ask opens the filter.
func (t *trace) ask() tea.Cmd {
	a := t.a
	text := func(name, label, value string, most int) *widget.Field {
		f := &widget.Field{Name: name, Label: label, Kind: widget.Text, Max: most}
		f.Preset(value)
		return f
	}
	status := &widget.Field{Name: "status", Label: a.say("field.status"), Kind: widget.Quantity, Max: 3}
	if t.filter.Status > 0 {
		status.Preset(itoa(t.filter.Status))
	}
	s := &slip{title: a.say("title.trace_filter"), send: a.say("key.show"), about: []string{a.say("trace.filter_about")}, form: widget.Form{Fields: []*widget.Field{
		text("id", a.say("field.request"), t.filter.ID, 80), text("key", a.say("field.key"), string(t.filter.Key), 20), status,
		text("route", a.say("field.route"), t.filter.Route, 80), text("source", a.say("field.source"), t.filter.Source, 60),
	}}}
	s.act = func() tea.Cmd {
		f := &s.form
		t.filter = mes.TraceFilter{ID: f.Value("id"), Key: mes.ID(f.Value("key")), Status: int(f.Number("status")), Route: f.Value("route"), Source: f.Value("source")}
		t.aim()
		t.before, t.after, t.list.Cursor, t.read.known = nil, "", 0, false
		return a.shut()
	}
	return a.slip(s)
}

// open shows one request in full.
func (t *trace) open() tea.Cmd {
	c := t.row()
	if c == nil {
		return nil
	}
	a := t.a
	s := &sheet{a: a, title: a.say("title.call"), note: c.ID}
	add := func(key, text string) {
		if text != "" {
			s.facts = append(s.facts, fact{a.say(key), text, widget.Plain})
		}
	}
	add("entry.when", c.At.In(a.s.Zone).Format("2006-01-02 15:04:05.000 MST"))
	add("trace.request", c.ID)
	add("trace.route", c.Route)
	status := a.callStatus(c)
	s.facts = append(s.facts, fact{a.say("trace.status"), status.Text, status.Tone})
	add("trace.reason", c.Reason)
	add("trace.took", a.say("trace.ms", milliseconds(c.MS)))
	add("trace.bytes", a.say("trace.in_out", count(c.In), count(c.Out)))
	add("entry.key", string(c.Key))
	add("trace.principal", string(c.Principal))
	add("trace.source", c.Source)
	return a.open(s)
}

// callStatus writes a status by its number and a sign.
func (a *App) callStatus(c *mes.Call) widget.Span {
	switch {
	case c.Status >= 500:
		return widget.Span{Text: "! " + itoa(c.Status), Tone: widget.Fault}
	case c.Status >= 400:
		return widget.Span{Text: "✕ " + itoa(c.Status), Tone: widget.Warning}
	}
	return widget.Span{Text: "✓ " + itoa(c.Status), Tone: widget.Normal}
}

func milliseconds(ms float64) string { return strconv.FormatFloat(ms, 'f', 1, 64) }

func (t *trace) Draw(r area) Frame {
	a, w := t.a, t.filter
	var notes []string
	for _, said := range []string{w.ID, string(w.Key), w.Route, w.Source} {
		if said != "" {
			notes = append(notes, "/"+said)
		}
	}
	if w.Status > 0 {
		notes = append(notes, "/"+itoa(w.Status))
	}
	if where := t.where(); where != "" {
		notes = append(notes, where)
	}
	f := Frame{Note: strings.Join(notes, " · ")}
	switch {
	case !t.read.known:
		f.Lines = a.reading(r).Lines
	case len(t.page.rows) == 0:
		f.Lines = a.empty(r, t.none(t.filter != (mes.TraceFilter{}))).Lines
	case r.narrow():
		from, to := t.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			c, lit := &t.page.rows[i], i == t.list.Cursor
			f.Lines = append(f.Lines, a.markLine(lit, widget.Span{Text: c.Route, Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  " + c.At.In(a.s.Zone).Format("15:04") + " "}, a.callStatus(c), {Text: " " + string(c.Principal), Tone: widget.Dim}}})
		}
	default:
		table := t.table(r)
		f.Lines = tableLines(&table, &t.list, r.width, r.height)
	}
	return f
}

func (t *trace) table(r area) widget.Table {
	a := t.a
	when := 0
	for i := range t.page.rows {
		when = max(when, len(a.instant(t.page.rows[i].At)))
	}
	table := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.when"), Width: when}, {Title: a.say("col.status"), Width: 6}, {Title: a.say("col.route"), Width: 12, Flex: true},
		{Title: a.say("col.ms"), Width: 7, Right: true}, {Title: a.say("col.who"), Width: 12},
	}}
	if r.width < 80 {
		table.Columns = []widget.Column{{Title: a.say("col.when"), Width: 8}, table.Columns[1], table.Columns[2], table.Columns[3]}
	}
	if r.class == wall {
		table.Columns = append(table.Columns, widget.Column{Title: a.say("col.source"), Width: 15}, widget.Column{Title: a.say("col.reason"), Width: 24})
	}
	for i := range t.page.rows {
		c := &t.page.rows[i]
		cells := []widget.Span{{Text: a.instant(c.At), Tone: widget.Dim}, a.callStatus(c), {Text: c.Route, Tone: widget.Strong}, {Text: milliseconds(c.MS)}, {Text: string(c.Principal)}}
		if r.width < 80 {
			cells[0].Text = c.At.In(a.s.Zone).Format("15:04:05")
			cells = cells[:4]
		}
		if r.class == wall {
			cells = append(cells, widget.Span{Text: c.Source, Tone: widget.Dim}, widget.Span{Text: c.Reason, Tone: widget.Dim})
		}
		table.Rows = append(table.Rows, cells)
	}
	return table
}
