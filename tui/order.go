package tui

import (
	"context"
	"encoding/json"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// order is one work order with its operations, holds and reports, and a key for what may be done with it now.
type order struct {
	a      *App
	id     mes.ID
	read   question[*mes.OrderDetail]
	detail *mes.OrderDetail
	list   widget.List // of operations
}

func newOrder(a *App, id mes.ID) *order { return &order{a: a, id: id} }

func (o *order) Title() string {
	if o.detail == nil {
		return o.a.say("title.order", "")
	}
	return o.a.say("title.order", o.detail.Order.Number)
}
func (o *order) Ready() bool                { return o.read.settled() }
func (o *order) Concerns(topic string) bool { return topic == "work_order:"+string(o.id) }

func (o *order) Load() tea.Cmd {
	id := o.id
	return o.read.ask(o.a, func(ctx context.Context, app *mes.App, actor mes.Actor) (*mes.OrderDetail, error) {
		return app.Order(ctx, actor, id)
	}, func(d *mes.OrderDetail) {
		o.detail, o.id = d, d.Order.ID
		o.list.Len = len(d.Operations)
		o.list.Move(0)
	})
}

// Actions are what the order's state and the actor's grants allow.
func (o *order) Actions() []Action {
	a := o.a
	back := on("f3 esc", a.say("key.back"), a.back)
	if o.detail == nil {
		return []Action{back}
	}
	ord := &o.detail.Order
	may := func(v mes.Verb) bool { return a.actor.May(v, ord.Place()) }
	is := func(states ...mes.OrderState) bool {
		for _, s := range states {
			if ord.State == s {
				return true
			}
		}
		return false
	}
	var list []Action
	add := func(when bool, v mes.Verb, keys, label string, do func() tea.Cmd) {
		if when && may(v) {
			list = append(list, on(keys, label, do))
		}
	}
	if len(o.detail.Operations) > 0 {
		list = append(list, on("enter", a.say("key.open_operation"), o.open))
	}
	plan, lead := mes.PlanOrders, mes.LeadWork
	openStates := is(mes.OrderDraft, mes.OrderReleased, mes.OrderInProgress, mes.OrderPaused, mes.OrderHeld)
	release := "r"
	if len(list) == 0 {
		release = "enter r"
	}
	add(is(mes.OrderDraft), plan, release, a.say("key.release"), o.plain("title.release", &mes.ReleaseOrder{Order: o.id}))
	add(is(mes.OrderInProgress), lead, "c", a.say("key.complete"), o.complete)
	add(is(mes.OrderCompleted), lead, "e", a.say("key.close"), o.plain("title.close", &mes.CloseOrder{Order: o.id}))
	add(is(mes.OrderInProgress), lead, "p", a.say("key.pause"), o.reasoned("title.pause", func(why string) mes.Command { return &mes.PauseOrder{Order: o.id, Reason: why} }))
	add(is(mes.OrderPaused), lead, "p", a.say("key.resume"), o.plain("title.resume", &mes.ResumeOrder{Order: o.id}))
	add(o.holdable(), mes.HoldOrders, "h", a.say("key.hold"), o.hold)
	add(o.unholdable(), mes.HoldOrders, "u", a.say("key.unhold"), o.unhold)
	add(is(mes.OrderDraft, mes.OrderReleased, mes.OrderInProgress, mes.OrderPaused), plan, "t", a.say("key.split"), o.split)
	add(openStates, plan, "i", a.say("key.priority"), o.priority)
	add(is(mes.OrderReleased), plan, "w", a.say("key.unrelease"), o.plain("title.unrelease", &mes.UnreleaseOrder{Order: o.id}))
	add(is(mes.OrderCompleted), mes.Supervise, "n", a.say("key.reopen"), o.reasoned("title.reopen", func(why string) mes.Command { return &mes.ReopenOrder{Order: o.id, Reason: why} }))
	add(openStates && !o.reported(), plan, "x", a.say("key.cancel"), o.reasoned("title.cancel", func(why string) mes.Command { return &mes.CancelOrder{Order: o.id, Reason: why} }))
	list = append(list, a.moves(&o.list)...)
	return append(list, back)
}

func (o *order) reported() bool {
	for i := range o.detail.Operations {
		if o.detail.Operations[i].Reports > 0 {
			return true
		}
	}
	return false
}

// selected is the operation that the keys act on, nil while there is none.
func (o *order) selected() *mes.Operation {
	if o.list.Cursor >= len(o.detail.Operations) {
		return nil
	}
	return &o.detail.Operations[o.list.Cursor]
}

func (o *order) holdable() bool {
	switch o.detail.Order.State {
	case mes.OrderReleased, mes.OrderInProgress, mes.OrderPaused:
		return true
	}
	return false
}

// unholdable tells whether the order or the selected operation is held by a role of the actor.
func (o *order) unholdable() bool {
	if o.detail.Order.State == mes.OrderHeld {
		return o.a.actor.Has(o.detail.Order.Hold.Owner)
	}
	op := o.selected()
	return op != nil && op.State == mes.OpHeld && o.a.actor.Has(op.Hold.Owner)
}

func (o *order) open() tea.Cmd {
	op := o.selected()
	if op == nil {
		return nil
	}
	return o.a.open(newJob(o.a, o.id, op.Seq))
}

// facts are what a form about the order says above its fields.
func (o *order) facts() []string {
	ord := &o.detail.Order
	return []string{o.a.say("order.facts", ord.Number, count(ord.Ordered), ord.Unit, string(ord.Product))}
}

func (o *order) slip(title string, build func(f *widget.Form) mes.Command, fields ...*widget.Field) tea.Cmd {
	a := o.a
	return a.slip(&slip{title: a.say(title), send: a.say("key.do_it"), about: o.facts(), form: widget.Form{Fields: fields}, build: build,
		done: func(r mes.Receipt) {
			var gave struct {
				Number string         `json:"number"`
				State  mes.OrderState `json:"state"`
				Split  string         `json:"split_number"`
			}
			if json.Unmarshal(r.Result, &gave) == nil && gave.Split != "" {
				a.tell(widget.Normal, "say.split", gave.Number, gave.Split)
				return
			}
			a.tell(widget.Normal, "say.order_is", gave.Number, strings.ToLower(a.say(stateKey(gave.State))))
		}})
}

// stateKey is the catalogue key of an order's or an operation's state.
func stateKey(s mes.OrderState) string {
	if l, ok := orderLooks[s]; ok {
		return l.key
	}
	return lookOf(opLooks, mes.OpState(s)).key
}

// plain asks once and does it: Enter does, Esc goes back.
func (o *order) plain(title string, c mes.Command) func() tea.Cmd {
	return func() tea.Cmd { return o.slip(title, func(*widget.Form) mes.Command { return c }) }
}

// reasoned asks why and does it.
func (o *order) reasoned(title string, build func(why string) mes.Command) func() tea.Cmd {
	return func() tea.Cmd {
		return o.slip(title, func(f *widget.Form) mes.Command { return build(f.Value("reason")) }, o.a.reasonField(true))
	}
}

// complete asks for a reason when fewer are good than were ordered.
func (o *order) complete() tea.Cmd {
	ord := &o.detail.Order
	good := int64(0)
	if n := len(o.detail.Operations); n > 0 {
		good = o.detail.Operations[n-1].Good
	}
	short := good < ord.Ordered-ord.Ordered*int64(ord.Tolerance)/100
	fields := []*widget.Field{}
	if short {
		fields = append(fields, o.a.reasonField(true))
		fields[0].Label = o.a.say("field.short_reason")
	}
	return o.slip("title.complete_order", func(f *widget.Form) mes.Command {
		return &mes.CompleteOrder{Order: o.id, ShortReason: f.Value("reason")}
	}, fields...)
}

func (o *order) hold() tea.Cmd {
	a := o.a
	var types, owners []widget.Option
	for _, t := range mes.HoldTypes {
		types = append(types, widget.Option{Value: string(t), Label: a.say("hold." + string(t))})
	}
	for _, r := range []mes.Role{mes.Quality, mes.Maintenance, mes.Lead} {
		owners = append(owners, widget.Option{Value: string(r), Label: a.say("role." + string(r))})
	}
	what := []widget.Option{{Value: "", Label: a.say("hold.whole")}}
	for i := range o.detail.Operations {
		if op := &o.detail.Operations[i]; op.State == mes.OpReady || op.State == mes.OpRunning || op.State == mes.OpPaused {
			what = append(what, widget.Option{Value: itoa(op.Seq), Label: itoa(op.Seq) + " " + op.Name})
		}
	}
	return o.slip("title.hold", func(f *widget.Form) mes.Command {
		return &mes.HoldOrder{Order: o.id, Operation: f.Value("what"), Type: mes.HoldType(f.Value("type")), Reason: f.Value("reason"), Owner: mes.Role(f.Value("owner"))}
	}, a.reasonField(true), &widget.Field{Name: "type", Label: a.say("field.hold_type"), Kind: widget.Choice, Options: types},
		&widget.Field{Name: "owner", Label: a.say("field.owner"), Kind: widget.Choice, Options: owners},
		&widget.Field{Name: "what", Label: a.say("field.what"), Kind: widget.Choice, Options: what})
}

func (o *order) unhold() tea.Cmd {
	operation := ""
	if op := o.selected(); o.detail.Order.State != mes.OrderHeld && op != nil {
		operation = itoa(op.Seq)
	}
	return o.slip("title.unhold", func(f *widget.Form) mes.Command {
		return &mes.UnholdOrder{Order: o.id, Operation: operation, Note: f.Value("note")}
	}, &widget.Field{Name: "note", Label: o.a.say("field.note"), Kind: widget.Text, Max: 200})
}

func (o *order) split() tea.Cmd {
	return o.slip("title.split", func(f *widget.Form) mes.Command {
		return &mes.SplitOrder{Order: o.id, Quantity: f.Number("quantity"), Number: f.Value("number")}
	}, &widget.Field{Name: "quantity", Label: o.a.say("field.split_off"), Kind: widget.Quantity, Max: quantityDigits, Needed: true, Unit: o.detail.Order.Unit},
		&widget.Field{Name: "number", Label: o.a.say("field.number"), Kind: widget.Text, Max: 40})
}

func (o *order) priority() tea.Cmd {
	f := &widget.Field{Name: "priority", Label: o.a.say("field.priority"), Kind: widget.Quantity, Max: 1, Needed: true}
	f.Preset(itoa(o.detail.Order.Priority))
	return o.slip("title.priority", func(f *widget.Form) mes.Command {
		return &mes.ReprioritiseOrder{Order: o.id, Priority: int(f.Number("priority"))}
	}, f)
}

func (o *order) Draw(r area) Frame {
	if o.detail == nil {
		if o.read.known {
			return o.a.empty(r, o.a.say("order.gone"))
		}
		return o.a.reading(r)
	}
	a, ord := o.a, &o.detail.Order
	l := lookOf(orderLooks, ord.State)
	f := Frame{Note: a.say("order.note", ord.Priority, a.day(ord.Due))}
	if r.narrow() {
		ordered := fitted(ord.Ordered, max(r.width-widget.Width(string(ord.Product))-1, 0))
		ordered = " " + strings.TrimSpace(ordered)
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: widget.Cut(string(ord.Product), r.width-len(ordered)) + ordered, Tone: widget.Plain}),
			widget.Of(widget.Span{Text: widget.Left(" "+l.glyph+" "+a.say(l.key), r.width), Tone: l.tone.Badge()}))
	} else {
		state := widget.Span{Text: " " + l.glyph + " " + a.say(l.key) + " ", Tone: l.tone.Badge()}
		if r.class != strip {
			f.Lines = append(f.Lines, widget.Blank)
		}
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  "}, state,
			widget.Span{Text: "   " + a.say("order.line", count(ord.Ordered), ord.Unit, string(ord.Product), string(ord.Revision)), Tone: widget.Plain}))
	}
	if why := o.why(); why != "" {
		room := r.height - len(f.Lines) - 2*len(o.detail.Operations) // the operations are seen as well
		for _, part := range widget.Wrap(why, r.width-2, max(room, 2)) {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  " + part, Tone: widget.Warning}))
		}
	}
	if !r.narrow() && r.height > 8 {
		f.Lines = append(f.Lines, widget.Blank)
	}
	f.Lines = append(f.Lines, o.operations(r, r.height-len(f.Lines))...)
	if room := r.height - len(f.Lines) - 2; room > 0 && !r.narrow() && len(o.detail.Reports) > 0 {
		f.Lines = append(f.Lines, widget.Blank, widget.Of(widget.Span{Text: "  " + a.say("job.recent"), Tone: widget.Dim}))
		for i := range o.detail.Reports[:min(room, len(o.detail.Reports))] {
			rep := &o.detail.Reports[i]
			spans := append([]widget.Span{{Text: "  " + widget.Right(itoa(rep.Seq), 3) + "  ", Tone: widget.Dim}},
				a.reportSpans(rep, corrected(o.detail.Reports, rep.ID))...)
			f.Lines = append(f.Lines, widget.Of(spans...))
		}
	}
	return f
}

// why tells of a hold, or how the order ended.
func (o *order) why() string {
	a, ord := o.a, &o.detail.Order
	switch {
	case ord.State == mes.OrderHeld:
		return a.say("job.held", string(ord.Hold.Type), string(ord.Hold.Owner), ord.Hold.Reason)
	case ord.State == mes.OrderCompleted || ord.State == mes.OrderClosed:
		words := a.say("order.made", count(ord.Good), count(ord.Short), count(ord.Over))
		if ord.ShortReason != "" {
			words += " (" + ord.ShortReason + ")"
		}
		return words
	case ord.State == mes.OrderCancelled:
		return ord.ShortReason
	case len(o.detail.Operations) == 0:
		return a.say("order.no_operations")
	}
	if op := o.selected(); op != nil && op.State == mes.OpHeld {
		return itoa(op.Seq) + ": " + a.say("job.held", string(op.Hold.Type), string(op.Hold.Owner), op.Hold.Reason)
	}
	return ""
}

func (o *order) operations(r area, height int) []widget.Line {
	a, ops := o.a, o.detail.Operations
	if len(ops) == 0 {
		return nil
	}
	if r.narrow() {
		var lines []widget.Line
		from, to := o.list.Window(height / 2)
		for i := from; i < to; i++ {
			lit := i == o.list.Cursor
			lines = append(lines, a.markLine(lit, widget.Span{Text: itoa(ops[i].Seq) + " ", Tone: widget.Strong}, widget.Span{Text: ops[i].Name, Tone: widget.Strong}),
				widget.Line{Lit: lit, Spans: []widget.Span{{Text: "  "}, a.short(lookOf(opLooks, ops[i].State)), {Text: fitted(ops[i].Good, 6)}}})
		}
		return lines
	}
	t := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.step"), Width: 4}, {Title: a.say("col.operation"), Width: 12, Flex: true}, {Title: a.say("col.state"), Width: 11},
		{Title: a.say("col.good"), Width: 7, Right: true}, {Title: a.say("col.scrap"), Width: 6, Right: true},
		{Title: a.say("col.available"), Width: 6, Right: true}, {Title: a.say("col.line"), Width: 10},
	}}
	if r.width < 80 {
		t.Columns = []widget.Column{t.Columns[0], {Title: t.Columns[1].Title, Width: 8, Flex: true}, {Title: t.Columns[2].Title, Width: shortState},
			{Title: t.Columns[3].Title, Width: 6, Right: true}, t.Columns[5]}
	}
	for i := range ops {
		op := &ops[i]
		scrap := widget.Span{Text: count(op.Scrap)}
		if op.Scrap > 0 {
			scrap.Tone = widget.Fault
		}
		if r.width < 80 {
			t.Rows = append(t.Rows, []widget.Span{{Text: itoa(op.Seq), Tone: widget.Strong}, {Text: op.Name}, a.short(lookOf(opLooks, op.State)),
				{Text: count(op.Good)}, {Text: count(o.detail.Available[i])}})
			continue
		}
		t.Rows = append(t.Rows, []widget.Span{{Text: itoa(op.Seq), Tone: widget.Strong}, {Text: op.Name}, a.state(lookOf(opLooks, op.State)),
			{Text: count(op.Good)}, scrap, {Text: count(o.detail.Available[i])}, {Text: string(op.Line), Tone: widget.Dim}})
	}
	limit := height
	if len(ops)+6 < height {
		limit = len(ops) + 1
	}
	return tableLines(&t, &o.list, r.width, limit)
}
