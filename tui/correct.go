package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// correct lists the reports of an operation that stand, for one of them to be taken back and replaced: one's own, and
// those of others for who leads the work there.
type correct struct {
	a       *App
	order   mes.ID
	op      mes.ID
	read    question[*mes.OrderDetail]
	detail  *mes.OrderDetail
	reports []mes.Report // of this operation, that stand and may be corrected, newest first
	list    widget.List
}

func newCorrect(a *App, order, op mes.ID) *correct { return &correct{a: a, order: order, op: op} }

func (c *correct) Title() string { return c.a.say("title.correct") }
func (c *correct) Ready() bool   { return c.read.settled() }
func (c *correct) Concerns(topic string) bool {
	return topic == "work_order:"+string(c.order)
}

func (c *correct) Load() tea.Cmd {
	order := c.order
	return c.read.ask(c.a, func(ctx context.Context, app *mes.App, actor mes.Actor) (*mes.OrderDetail, error) {
		return app.Order(ctx, actor, order)
	}, c.take)
}

func (c *correct) take(d *mes.OrderDetail) {
	c.detail, c.reports = d, nil
	for _, r := range d.Reports {
		mine := r.Person == c.a.actor.Person || c.a.actor.May(mes.LeadWork, r.Place())
		if mine && r.Operation == c.op && r.Corrects == "" && !corrected(d.Reports, r.ID) {
			c.reports = append(c.reports, r)
		}
	}
	c.list.Len = len(c.reports)
	c.list.Move(0)
}

func (c *correct) Actions() []Action {
	list := []Action{on("enter", c.a.say("key.correct"), c.open)}
	list = append(list, c.a.moves(&c.list)...)
	return append(list, on("f3 esc", c.a.say("key.back"), c.a.back))
}

// open asks for the right quantity, kind and reason.
func (c *correct) open() tea.Cmd {
	if len(c.reports) == 0 {
		return nil
	}
	a, wrong := c.a, c.reports[c.list.Cursor]
	kinds := []widget.Option{}
	for _, k := range []mes.ReportKind{mes.GoodPieces, mes.ScrapPieces, mes.ReworkPieces, mes.ReviewPieces} {
		kinds = append(kinds, widget.Option{Value: string(k), Label: a.say("qty." + string(k))})
	}
	s := &slip{
		title: a.say("title.correct_one"), send: a.say("key.correct"),
		about: []string{a.say("correct.about", count(wrong.Quantity), strings.ToLower(a.say("qty."+string(wrong.Kind))), a.moment(wrong.RecordedAt))},
		form: widget.Form{Fields: []*widget.Field{
			{Name: "quantity", Label: a.say("field.right_quantity"), Kind: widget.Quantity, Max: max(quantityDigits, len(itoa(int(wrong.Quantity)))), Needed: true, Unit: c.detail.Order.Unit},
			{Name: "kind", Label: a.say("field.kind"), Kind: widget.Choice, Options: kinds},
			{Name: "why", Label: a.say("field.reason_of"), Kind: widget.Text, Max: 80, Known: usedReasons(c.detail.Reports)},
			{Name: "reason", Label: a.say("field.what_was_wrong"), Kind: widget.Text, Max: 200, Needed: true},
		}},
		build: func(f *widget.Form) mes.Command {
			c := &mes.CorrectReport{Report: wrong.ID, Reason: f.Value("reason"), Quantity: f.Number("quantity")}
			if c.Quantity > 0 { // nothing takes the place of a report that should not have been
				c.Instead, c.Why = f.Value("kind"), f.Value("why")
			}
			return c
		},
	}
	s.form.Field("kind").Preset(string(wrong.Kind))
	s.form.Field("why").Preset(wrong.Reason)
	s.done = func(r mes.Receipt) {
		a.tell(widget.Normal, "say.corrected", count(wrong.Quantity), count(s.form.Number("quantity")), r.Writer, r.N)
	}
	return a.slip(s)
}

func (c *correct) Draw(r area) Frame {
	if !c.read.known {
		return c.a.reading(r)
	}
	if len(c.reports) == 0 {
		return c.a.empty(r, c.a.say("correct.none"))
	}
	f := Frame{Note: c.a.say("correct.note", len(c.reports))}
	if r.narrow() {
		from, to := c.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			rep, lit := &c.reports[i], i == c.list.Cursor
			f.Lines = append(f.Lines, c.a.markLine(lit, widget.Span{Text: count(rep.Quantity) + " " + c.a.say("qty."+string(rep.Kind)), Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  " + c.a.moment(rep.RecordedAt) + " " + rep.Reason, Tone: widget.Dim}}})
		}
		return f
	}
	t := widget.Table{Columns: []widget.Column{
		{Title: c.a.say("col.when"), Width: 12}, {Title: c.a.say("col.quantity"), Width: 9, Right: true}, {Title: c.a.say("col.kind"), Width: 8},
		{Title: c.a.say("col.who"), Width: 8}, {Title: c.a.say("col.reason"), Width: 8, Flex: true},
	}}
	for i := range c.reports {
		rep := &c.reports[i]
		t.Rows = append(t.Rows, []widget.Span{{Text: c.a.moment(rep.RecordedAt)}, {Text: count(rep.Quantity), Tone: widget.Strong},
			{Text: c.a.say("qty." + string(rep.Kind))}, {Text: c.a.who(rep.Person), Tone: widget.Dim}, {Text: rep.Reason}})
	}
	f.Lines = tableLines(&t, &c.list, r.width, r.height)
	return f
}

// who says whether something was done by who is signed in.
func (a *App) who(person mes.ID) string {
	if person == a.actor.Person {
		return a.say("who.you")
	}
	return a.say("who.other")
}
