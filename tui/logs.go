package tui

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// logViews are the logs, one after the other.
var logViews = []struct {
	key  string
	view mes.View
}{{"logs.activity", mes.ActivityLog}, {"logs.transaction", mes.TransactionLog}, {"logs.change", mes.ChangeLog}, {"logs.all", ""}}

// A logRow is an entry of the ledger with the names of the people in it.
type logRow struct {
	mes.Entry
	people map[mes.ID]mes.Who
}

// A logFilter is what somebody wants to see of the logs, as they said it.
type logFilter struct {
	person, about, command string
	from, to               time.Time
}

// logs shows what was done and what was refused: who, where, when, what, how it went.
type logs struct {
	pager[logRow]
	view   int // of logViews
	filter logFilter
}

func newLogs(a *App) *logs {
	l := &logs{pager: pager[logRow]{a: a}}
	l.aim()
	return l
}

func (l *logs) Title() string { return l.a.say("title.logs") }

// aim makes the pager read what is wanted now.
func (l *logs) aim() {
	want, view := l.filter, logViews[l.view].view
	l.fetch = func(ctx context.Context, app *mes.App, actor mes.Actor, page mes.Page) ([]logRow, string, error) {
		f := mes.LedgerFilter{View: view, Command: strings.ReplaceAll(want.command, " ", "."), From: want.from, To: want.to, Page: page}
		var err error
		if f.Actor, err = principalOf(ctx, app, actor, want.person); err != nil {
			return nil, "", err
		}
		if f.Subject, err = subjectOf(ctx, app, actor, want.about); err != nil {
			return nil, "", err
		}
		return readLog(ctx, app, actor, f)
	}
}

// readLog reads entries, and the names of the people in them.
func readLog(ctx context.Context, app *mes.App, actor mes.Actor, f mes.LedgerFilter) ([]logRow, string, error) {
	entries, next, err := app.Ledger(ctx, actor, f)
	if err != nil {
		return nil, "", err
	}
	var refs []mes.ID
	for i := range entries {
		refs = append(refs, entries[i].Person)
		if kind, ref, _ := strings.Cut(entries[i].Subject, "/"); kind == "person" {
			refs = append(refs, mes.ID(ref))
		}
	}
	slices.Sort(refs)
	people, err := app.Who(ctx, actor, slices.Compact(refs)...)
	rows := make([]logRow, len(entries))
	for i := range entries {
		rows[i] = logRow{entries[i], people}
	}
	return rows, next, err
}

// principalOf finds whom somebody means by a badge. What is no badge is an id: of a machine, a program, a station.
func principalOf(ctx context.Context, app *mes.App, actor mes.Actor, said string) (mes.ID, error) {
	if said == "" {
		return "", nil
	}
	people, err := app.Who(ctx, actor, mes.ID(said))
	if who, ok := people[mes.ID(said)]; ok {
		return who.ID, err
	}
	return mes.ID(said), err
}

// subjectOf finds what somebody means by words like "order 1001", "machine M7" or "person 7001"; one word alone is an
// order. What has a slash is meant as the ledger writes it.
func subjectOf(ctx context.Context, app *mes.App, actor mes.Actor, said string) (string, error) {
	kind, ref, two := strings.Cut(said, " ")
	if !two {
		kind, ref = "order", said
	}
	switch {
	case said == "" || strings.Contains(said, "/"):
		return said, nil
	case kind == "order":
		o, err := app.Order(ctx, actor, mes.ID(ref))
		if err != nil {
			return "", err
		}
		return "work_order/" + string(o.Order.ID), nil
	case kind == "person":
		id, err := principalOf(ctx, app, actor, ref)
		return "person/" + string(id), err
	case kind == "key":
		kind = "api_key"
	}
	return kind + "/" + ref, nil
}

func (l *logs) Actions() []Action {
	a := l.a
	list := []Action{on("enter", a.say("key.open"), l.open), on("/", a.say("key.filter"), l.ask),
		on("f", a.say("key.next_log"), func() tea.Cmd { return l.choose(1) }),
		quietly("F", a.say("key.log_before"), func() tea.Cmd { return l.choose(len(logViews) - 1) })}
	if row := l.row(); row != nil {
		list = append(list,
			quietly("p", a.say("key.only_person"), func() tea.Cmd { return l.only(func(f *logFilter) { f.person = string(row.Actor) }) }),
			quietly("s", a.say("key.only_about"), func() tea.Cmd { return l.only(func(f *logFilter) { f.about = row.Subject }) }),
			quietly("c", a.say("key.only_command"), func() tea.Cmd { return l.only(func(f *logFilter) { f.command = row.Command }) }))
	}
	list = append(list, l.moves()...)
	return append(list, on("f3 esc", a.say("key.back"), l.back))
}

func (l *logs) choose(by int) tea.Cmd {
	l.view = (l.view + by) % len(logViews)
	l.aim()
	return l.again()
}

func (l *logs) only(change func(*logFilter)) tea.Cmd {
	change(&l.filter)
	l.aim()
	return l.again()
}

// back leaves the filter first, then the screen.
func (l *logs) back() tea.Cmd {
	if l.filter == (logFilter{}) {
		return l.a.back()
	}
	return l.only(func(f *logFilter) { *f = logFilter{} })
}

func (l *logs) open() tea.Cmd {
	if row := l.row(); row != nil {
		return l.a.open(newEntry(l.a, row))
	}
	return nil
}

// ask opens the filter.
func (l *logs) ask() tea.Cmd {
	a := l.a
	var commands []string
	for i := range mes.Commands {
		commands = append(commands, strings.ReplaceAll(mes.Commands[i].Name, ".", " "))
	}
	text := func(name, label, value string) *widget.Field {
		f := &widget.Field{Name: name, Label: label, Kind: widget.Text, Max: 80}
		f.Preset(value)
		return f
	}
	s := &slip{title: a.say("title.log_filter"), send: a.say("key.show"), about: []string{a.say("logs.filter_about")}, form: widget.Form{Fields: []*widget.Field{
		text("person", a.say("field.who"), l.filter.person), text("about", a.say("field.about"), l.filter.about), text("command", a.say("field.command"), l.filter.command),
		text("from", a.say("field.from"), a.writeTime(l.filter.from)), text("to", a.say("field.to"), a.writeTime(l.filter.to)),
	}}}
	s.form.Field("command").Known = commands
	s.act = func() tea.Cmd {
		from, ok := a.readTime(s.form.Value("from"))
		to, okTo := a.readTime(s.form.Value("to"))
		if !ok || !okTo {
			a.tell(widget.Warning, "say.time")
			s.form.FocusOn(map[bool]string{true: "to", false: "from"}[ok])
			return nil
		}
		l.filter = logFilter{s.form.Value("person"), s.form.Value("about"), s.form.Value("command"), from, to}
		l.aim()
		l.before, l.after, l.list.Cursor, l.read.known = nil, "", 0, false
		return a.shut()
	}
	return a.slip(s)
}

// timeForms are how a moment may be written in a filter: a day begins at midnight, a time of day is today's.
var timeForms = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// readTime reads a moment as people at this terminal write it; empty is none.
func (a *App) readTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, s, a.s.Zone); err == nil {
			return t, true
		}
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", a.now.In(a.s.Zone).Format(time.DateOnly)+" "+s, a.s.Zone); err == nil {
		return t, true
	}
	return time.Time{}, false
}

func (a *App) writeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(a.s.Zone).Format("2006-01-02 15:04:05")
}

// instant writes when something was, to the second: the time of today, the day as well otherwise.
func (a *App) instant(t time.Time) string {
	t, now := t.In(a.s.Zone), a.now.In(a.s.Zone)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("06-01-02 15:04:05")
}

func (l *logs) Draw(r area) Frame {
	a := l.a
	notes := []string{a.say(logViews[l.view].key)}
	for _, said := range []string{l.filter.person, l.filter.about, l.filter.command} {
		if said != "" {
			notes = append(notes, "/"+said)
		}
	}
	if !l.filter.from.IsZero() || !l.filter.to.IsZero() {
		notes = append(notes, a.say("logs.span", a.writeTime(l.filter.from), a.writeTime(l.filter.to)))
	}
	if where := l.where(); where != "" {
		notes = append(notes, where)
	}
	f := Frame{Note: strings.Join(notes, " · ")}
	switch {
	case !l.read.known:
		f.Lines = a.reading(r).Lines
	case len(l.page.rows) == 0:
		f.Lines = a.empty(r, l.none(l.filter != (logFilter{}))).Lines
	case r.narrow():
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: widget.Cut(f.Note, r.width), Tone: widget.Dim}))
		from, to := l.list.Window((r.height - 1) / 2)
		for i := from; i < to; i++ {
			row, lit := &l.page.rows[i], i == l.list.Cursor
			f.Lines = append(f.Lines, a.markLine(lit, widget.Span{Text: command(row.Command), Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  " + row.At.In(a.s.Zone).Format("15:04") + " "}, a.outcomeMark(&row.Entry), {Text: " " + row.who(a), Tone: widget.Dim}}})
		}
	default:
		t := l.table(r)
		f.Lines = tableLines(&t, &l.list, r.width, r.height)
	}
	return f
}

func (l *logs) table(r area) widget.Table {
	a := l.a
	when := 0
	for i := range l.page.rows {
		when = max(when, len(a.instant(l.page.rows[i].At)))
	}
	t := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.when"), Width: when}, {Title: a.say("col.who"), Width: 16}, {Title: a.say("col.did"), Width: 17}, {Title: a.say("col.result"), Width: 9},
		{Title: a.say("col.about"), Width: 8, Flex: true},
	}}
	if r.width < 80 {
		t.Columns = []widget.Column{{Title: a.say("col.when"), Width: 5}, {Title: "", Width: 1}, {Title: a.say("col.did"), Width: 12, Flex: true}, {Title: a.say("col.who"), Width: 12}}
	}
	if r.class == wall {
		t.Columns = append(t.Columns, widget.Column{Title: a.say("col.where"), Width: 20})
	}
	for i := range l.page.rows {
		row := &l.page.rows[i]
		if r.width < 80 {
			t.Rows = append(t.Rows, []widget.Span{{Text: row.At.In(a.s.Zone).Format("15:04"), Tone: widget.Dim}, a.outcomeMark(&row.Entry),
				{Text: command(row.Command), Tone: widget.Strong}, {Text: row.who(a)}})
			continue
		}
		cells := []widget.Span{{Text: a.instant(row.At), Tone: widget.Dim}, {Text: row.who(a)}, {Text: command(row.Command), Tone: widget.Strong},
			a.outcomeWord(&row.Entry), {Text: row.about(a)}}
		if r.class == wall {
			cells = append(cells, widget.Span{Text: row.where(), Tone: widget.Dim})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// command writes the name of a command as it is typed.
func command(name string) string { return strings.ReplaceAll(name, ".", " ") }

// outcomeMark says by a sign how a command went.
func (a *App) outcomeMark(e *mes.Entry) widget.Span {
	if e.Outcome == mes.NotDone {
		return widget.Span{Text: "✕", Tone: widget.Fault}
	}
	return widget.Span{Text: "✓", Tone: widget.Normal}
}

// outcomeWord says it by a sign and a word.
func (a *App) outcomeWord(e *mes.Entry) widget.Span {
	s := a.outcomeMark(e)
	if e.Outcome == mes.NotDone {
		s.Text += " " + a.say("entry.refused")
		return s
	}
	s.Text += " " + a.say("entry.done")
	return s
}

// who names who did it: a person, or what acted by itself.
func (r *logRow) who(a *App) string {
	switch {
	case r.Person != "":
		return r.name(r.Person)
	case r.Kind == mes.BySystem:
		return a.say("who.gemba")
	}
	return string(r.Actor)
}

// name gives a person's name, or what is known of them.
func (r *logRow) name(id mes.ID) string {
	if who, ok := r.people[id]; ok {
		return who.Name
	}
	return string(id)
}

// where says at which station it was, and from which address.
func (r *logRow) where() string {
	return strings.Trim(string(r.Station)+", "+r.Source, ", ")
}

// subjectWords are what the ledger's kinds of subjects are called.
var subjectWords = map[string]string{
	"work_order": "subject.order", "person": "subject.person", "station": "subject.station", "machine": "subject.machine", "equipment": "subject.equipment",
	"product": "subject.product", "revision": "subject.revision", "api_key": "subject.api_key", "ssh_key": "subject.ssh_key", "instruction": "subject.instruction",
}

// about says what it was about, by the name that people use.
func (r *logRow) about(a *App) string {
	kind, ref, found := strings.Cut(r.Subject, "/")
	if !found {
		return ref + kind
	}
	switch kind {
	case "person":
		ref = r.name(mes.ID(ref))
	case "work_order":
		ref = r.number(ref)
	}
	if key, ok := subjectWords[kind]; ok {
		return a.say(key, ref)
	}
	return kind + " " + ref
}

// number finds the number of an order, and the operation, in what the command said or gave.
func (r *logRow) number(id string) string {
	var d struct {
		Result struct {
			Number    string `json:"number"`
			Operation int    `json:"operation"`
		} `json:"result"`
		Given struct {
			Order  string `json:"order"`
			Number string `json:"number"`
		} `json:"given"`
	}
	if json.Unmarshal(r.Detail, &d) != nil {
		return id
	}
	for _, number := range []string{d.Result.Number, d.Given.Number, d.Given.Order} {
		if number == "" || number == id {
			continue
		}
		if d.Result.Operation > 0 {
			number += "/" + itoa(d.Result.Operation)
		}
		return number
	}
	return id
}
