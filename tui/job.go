package tui

import (
	"context"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// job is the operator's screen: one operation of one order, in large, and a key for each thing that can be done now.
type job struct {
	a      *App
	order  mes.ID
	seq    int
	read   question[*mes.OrderDetail]
	detail *mes.OrderDetail
}

func newJob(a *App, order mes.ID, seq int) *job { return &job{a: a, order: order, seq: seq} }

func (j *job) Title() string { return j.a.say("title.job") }
func (j *job) Ready() bool   { return j.read.settled() }

func (j *job) Concerns(topic string) bool {
	id, ok := strings.CutPrefix(topic, "work_order:")
	return ok && j.detail != nil && mes.ID(id) == j.detail.Order.ID
}

func (j *job) Load() tea.Cmd {
	return j.read.ask(j.a, j.reader(), func(d *mes.OrderDetail) { j.detail = d })
}

func (j *job) reader() func(context.Context, *mes.App, mes.Actor) (*mes.OrderDetail, error) {
	order := j.order
	return func(ctx context.Context, app *mes.App, actor mes.Actor) (*mes.OrderDetail, error) {
		return app.Order(ctx, actor, order)
	}
}

// operation gives the operation and what can still be reported on it; nil as long as it is not known.
func (j *job) operation() (op *mes.Operation, available int64) {
	if j.detail == nil {
		return nil, 0
	}
	for i := range j.detail.Operations {
		if j.detail.Operations[i].Seq == j.seq {
			return &j.detail.Operations[i], j.detail.Available[i]
		}
	}
	return nil, 0
}

// own is the open session of who is signed in on this operation, nil if none.
func (j *job) own() *mes.Session {
	op, _ := j.operation()
	if op == nil {
		return nil
	}
	for i := range j.detail.Sessions {
		s := &j.detail.Sessions[i]
		if s.Operation == op.ID && s.Person == j.a.actor.Person && s.State != mes.SessionStopped {
			return s
		}
	}
	return nil
}

// step is the routing of the operation.
func (j *job) step() mes.RoutingOperation {
	for _, r := range j.detail.Order.Snapshot.Routing {
		if r.Seq == j.seq {
			return r
		}
	}
	return mes.RoutingOperation{}
}

// Actions are what the operation's state and the actor's grants allow. Enter is the obvious next one.
func (j *job) Actions() []Action {
	op, available := j.operation()
	if op == nil {
		return []Action{on("f3 esc", j.a.say("key.back"), j.a.back)}
	}
	start := on("s", j.a.say("key.start"), func() tea.Cmd { return j.start(mes.RunWork) })
	setup := on("u", j.a.say("key.setup"), func() tea.Cmd { return j.start(mes.SetupWork) })
	rework := on("w", j.a.say("key.rework"), func() tea.Cmd { return j.start(mes.ReworkWork) })
	pause := on("p", j.a.say("key.pause"), j.pause)
	resume := on("p", j.a.say("key.resume"), j.resume)
	report := on("r", j.a.say("key.report"), func() tea.Cmd { return j.a.slip(newReport(j)) })
	complete := on("c", j.a.say("key.complete"), func() tea.Cmd { return j.a.slip(newCompletion(j)) })
	stop := on("x", j.a.say("key.stop"), j.stop)

	var list []Action
	mine := j.own()
	works := j.a.actor.May(mes.WorkJobs, op.Place())
	state := j.detail.Order.State
	live := state == mes.OrderReleased || state == mes.OrderInProgress
	open := op.State == mes.OpReady || op.State == mes.OpRunning || op.State == mes.OpPaused
	switch {
	case !works || !live:
	case mine == nil && open:
		list = append(list, start, setup)
		if op.Rework > op.Reworked {
			list = append(list, rework)
		}
		switch {
		case op.State == mes.OpReady:
		case j.over(op, available):
			list = append([]Action{complete}, list...)
		default:
			list = append(list, complete)
		}
	case mine == nil && op.State == mes.OpWaiting:
		list = append(list, setup)
	case mine != nil && mine.State == mes.SessionPaused && open:
		list = append(list, resume, report, stop, complete)
	case mine != nil && open && j.over(op, available) && mine.Kind != mes.ReworkWork:
		list = append(list, complete, pause, report, stop)
	case mine != nil && open && available <= 0 && mine.Kind != mes.ReworkWork:
		list = append(list, pause, report, complete, stop)
	case mine != nil && open:
		list = append(list, report, pause, complete, stop)
	case mine != nil:
		list = append(list, stop)
	}
	if len(list) > 0 {
		first := list[0]
		list[0].Quiet = true
		list = append([]Action{on("enter", first.Label, first.Do)}, list...)
	}
	if works && op.Reports > 0 && (live || state == mes.OrderPaused) {
		list = append(list, on("e", j.a.say("key.correct"), func() tea.Cmd { return j.a.open(newCorrect(j.a, j.detail.Order.ID, op.ID)) }))
	}
	if i := j.step().Instruction; i != "" && works && live {
		list = append(list, on("i", j.a.say("key.instruction"), func() tea.Cmd { return j.confirm(i) }))
	}
	if op.Optional && live && (op.State == mes.OpWaiting || op.State == mes.OpReady) && j.a.actor.May(mes.LeadWork, op.Place()) {
		list = append(list, on("k", j.a.say("key.skip"), j.skip))
	}
	return append(list, on("f3 esc", j.a.say("key.back"), j.a.back),
		quietly("d", j.a.say("key.order"), func() tea.Cmd { return j.a.open(newOrder(j.a, j.detail.Order.ID)) }))
}

// over tells whether nothing is left to do: all that was ordered is good, or all that came in is used and nothing more
// can come.
func (j *job) over(op *mes.Operation, available int64) bool {
	for i := range j.detail.Operations {
		if p := &j.detail.Operations[i]; p.Seq < op.Seq && p.State != mes.OpCompleted && p.State != mes.OpSkipped {
			return false
		}
	}
	return op.Good >= j.detail.Order.Ordered || available <= 0 && op.Reports > 0
}

// book sends a command of this job under a new id and reads the job again.
func (j *job) book(c mes.Command, told string) tea.Cmd {
	return j.a.do(j.a.s.App.NewID(), c, func(mes.Receipt) tea.Cmd {
		j.a.tell(widget.Normal, told, string(j.number()))
		return j.Load()
	})
}

// number is how people call the operation: 1001/20.
func (j *job) number() string { return j.detail.Order.Number + "/" + itoa(j.seq) }

func (j *job) start(kind mes.SessionKind) tea.Cmd {
	c := &mes.StartJob{Order: j.detail.Order.ID, Operation: itoa(j.seq), Kind: kind}
	if st := j.a.s.Station; st != nil {
		c.Machine = st.Machine
	}
	return j.book(c, "say.started")
}

func (j *job) pause() tea.Cmd {
	return j.book(&mes.PauseJob{Order: j.detail.Order.ID, Operation: itoa(j.seq), Session: j.own().ID}, "say.paused")
}

func (j *job) resume() tea.Cmd {
	return j.book(&mes.ResumeJob{Order: j.detail.Order.ID, Operation: itoa(j.seq), Session: j.own().ID}, "say.resumed")
}

func (j *job) stop() tea.Cmd {
	return j.book(&mes.StopJob{Order: j.detail.Order.ID, Operation: itoa(j.seq), Session: j.own().ID}, "say.stopped")
}

func (j *job) confirm(instruction string) tea.Cmd {
	return j.a.slip(&slip{
		title: j.a.say("title.instruction"), send: j.a.say("key.confirm"),
		about: []string{j.a.say("job.instruction", instruction)},
		build: func(*widget.Form) mes.Command { return &mes.ConfirmInstruction{Instruction: instruction} },
		done:  func(mes.Receipt) { j.a.tell(widget.Normal, "say.confirmed", instruction) },
	})
}

func (j *job) skip() tea.Cmd {
	order, seq, number := j.detail.Order.ID, itoa(j.seq), j.number()
	return j.a.slip(&slip{
		title: j.a.say("title.skip"), send: j.a.say("key.skip"),
		form: widget.Form{Fields: []*widget.Field{j.a.reasonField(true)}},
		build: func(f *widget.Form) mes.Command {
			return &mes.SkipJob{Order: order, Operation: seq, Reason: f.Value("reason")}
		},
		done: func(mes.Receipt) { j.a.tell(widget.Normal, "say.skipped", number) },
	})
}

// newCompletion asks once before an operation is over for good, and for a reason when pieces are left.
func newCompletion(j *job) *slip {
	op, left := j.operation()
	o := &j.detail.Order
	least := o.Ordered - o.Ordered*int64(o.Tolerance)/100
	short := left > 0 && op.Good < least
	about := []string{j.a.say("complete.about", j.number(), count(op.Good), count(op.Scrap))}
	if short {
		about = append(about, j.a.say("complete.short", count(left), o.Unit))
	}
	s := &slip{
		title: j.a.say("title.complete"), send: j.a.say("key.complete"), about: about,
		build: func(f *widget.Form) mes.Command {
			return &mes.CompleteJob{Order: o.ID, Operation: itoa(j.seq), Reason: f.Value("reason")}
		},
		done: func(mes.Receipt) { j.a.tell(widget.Normal, "say.completed", j.number()) },
	}
	if short {
		s.form = widget.Form{Fields: []*widget.Field{j.a.reasonField(true)}}
	}
	return s
}

func (j *job) Draw(r area) Frame {
	op, available := j.operation()
	if op == nil {
		if j.read.known {
			return j.a.empty(r, j.a.say("job.gone"))
		}
		return j.a.reading(r)
	}
	switch {
	case r.class == hand:
		return Frame{Lines: j.small(op, available, r)}
	case r.class == strip:
		return Frame{Lines: j.strip(op, available, r)}
	}
	return Frame{Lines: j.large(op, available, r), Note: j.orderNote()}
}

// shownState is the state that concerns who looks: a hold or pause of the order stands over that of the operation.
func (j *job) shownState(op *mes.Operation) look {
	switch o := &j.detail.Order; o.State {
	case mes.OrderReleased, mes.OrderInProgress:
		return lookOf(opLooks, op.State)
	default:
		return lookOf(orderLooks, o.State)
	}
}

func (j *job) orderNote() string {
	o := &j.detail.Order
	return j.a.say("job.order_note", o.Number, strings.ToLower(j.a.say(lookOf(orderLooks, o.State).key)), j.a.day(o.Due), o.Priority)
}

// sessionText says what the own session does and how long it has been going.
func (j *job) sessionText() widget.Span {
	s := j.own()
	op, _ := j.operation()
	switch {
	case s == nil && op.Running > 0:
		return widget.Span{Text: j.a.say("job.others", op.Running), Tone: widget.Dim}
	case s == nil:
		return widget.Span{Text: j.a.say("job.no_session"), Tone: widget.Dim}
	case s.State == mes.SessionPaused:
		return widget.Span{Text: j.a.say("job.session_paused", clock(s.Worked(j.a.now))), Tone: widget.Warning}
	}
	return widget.Span{Text: j.a.say("job.session", j.a.say("kind."+string(s.Kind)), clock(s.Worked(j.a.now))), Tone: widget.Normal}
}

// why explains a hold.
func (j *job) why(op *mes.Operation) string {
	h := j.detail.Order.Hold
	if op.State == mes.OpHeld {
		h = op.Hold
	}
	if h.Type == "" || op.State != mes.OpHeld && j.detail.Order.State != mes.OrderHeld {
		return ""
	}
	return j.a.say("job.held", string(h.Type), string(h.Owner), h.Reason)
}

type figure struct {
	label string
	value int64
	tone  widget.Tone
}

func (j *job) figures(op *mes.Operation, available int64) []figure {
	list := []figure{
		{j.a.say("qty.good"), op.Good, widget.Normal}, {j.a.say("qty.scrap"), op.Scrap, widget.Plain},
		{j.a.say("qty.available"), available, widget.Strong}, {j.a.say("qty.ordered"), j.detail.Order.Ordered, widget.Plain},
	}
	if op.Scrap > 0 {
		list[1].tone = widget.Fault
	}
	if op.Rework > op.Reworked {
		list = append(list, figure{j.a.say("qty.rework"), op.Rework - op.Reworked, widget.Warning})
	}
	if op.Review > 0 {
		list = append(list, figure{j.a.say("qty.review"), op.Review, widget.Warning})
	}
	return list
}

func (j *job) small(op *mes.Operation, available int64, r area) []widget.Line {
	l := j.shownState(op)
	lines := []widget.Line{
		widget.Of(widget.Span{Text: j.number(), Tone: widget.Strong}),
		widget.Of(widget.Span{Text: op.Name, Tone: widget.Plain}),
		widget.Of(widget.Span{Text: string(j.detail.Order.Product), Tone: widget.Dim}),
		widget.Of(widget.Span{Text: widget.Left(" "+l.glyph+" "+j.a.say(l.key), r.width), Tone: l.tone.Badge()}),
	}
	if s := j.own(); s != nil {
		lines = append(lines, widget.Spread(widget.Of(widget.Span{Text: j.a.say("job.session_short"), Tone: widget.Dim}),
			widget.Of(widget.Span{Text: clock(s.Worked(j.a.now)), Tone: widget.Strong}), r.width))
	}
	for _, g := range j.figures(op, available) {
		lines = append(lines, widget.Spread(widget.Of(widget.Span{Text: g.label, Tone: widget.Dim}),
			widget.Of(widget.Span{Text: count(g.value), Tone: widget.Strong}), r.width))
	}
	for _, part := range widget.Wrap(j.why(op), r.width, max(r.height-len(lines), 1)) {
		lines = append(lines, widget.Of(widget.Span{Text: part, Tone: widget.Warning}))
	}
	return lines
}

func (j *job) strip(op *mes.Operation, available int64, r area) []widget.Line {
	lines := []widget.Line{widget.Spread(widget.Of(widget.Span{Text: j.number() + " ", Tone: widget.Strong}, widget.Span{Text: op.Name, Tone: widget.Plain}),
		widget.Of(widget.Span{Text: " "}, j.a.state(j.shownState(op))), r.width), widget.Of(j.sessionText())}
	if why := j.why(op); why != "" {
		lines = append(lines, widget.Of(widget.Span{Text: why, Tone: widget.Warning}))
	}
	return append(lines, pairs(j.figures(op, available), "", r.width)...)
}

// pairs writes quantities two a line, each behind its label; one a line where two do not fit.
func pairs(figures []figure, indent string, width int) []widget.Line {
	var lines []widget.Line
	wide, each := 7, 2
	for _, g := range figures {
		wide = max(wide, len(count(g.value)))
		if len(indent)+23+2*len(itoa(int(g.value))) > width {
			each = 1
		}
	}
	wide = max(min(wide, (width-len(indent)-23)/2), 7)
	for i, g := range figures {
		if i%each == 0 {
			lines = append(lines, widget.Of(widget.Span{Text: indent}))
		}
		l := &lines[len(lines)-1]
		if i%each == 1 {
			l.Spans = append(l.Spans, widget.Span{Text: "   "})
		}
		l.Spans = append(l.Spans, widget.Span{Text: widget.Left(g.label, 10), Tone: widget.Dim}, widget.Span{Text: fitted(g.value, wide), Tone: widget.Strong})
	}
	return lines
}

func (j *job) large(op *mes.Operation, available int64, r area) []widget.Line {
	l := j.shownState(op)
	o := &j.detail.Order
	indent := func(spans ...widget.Span) widget.Line {
		return widget.Of(append([]widget.Span{{Text: "  "}}, spans...)...)
	}
	lines := []widget.Line{widget.Blank,
		widget.Spread(indent(widget.Span{Text: j.number(), Tone: widget.Strong}, widget.Span{Text: "  " + op.Name, Tone: widget.Strong}),
			widget.Of(widget.Span{Text: string(o.Product) + "  ", Tone: widget.Dim}), r.width), widget.Blank,
	}
	word := j.a.say(l.key)
	big := widget.Big(word, j.a.ascii)
	if widget.Width(big[0])+6 <= r.width {
		for _, row := range big {
			lines = append(lines, indent(widget.Span{Text: row, Tone: l.tone}))
		}
		lines = append(lines, widget.Blank)
	}
	badge, session := widget.Span{Text: " " + l.glyph + " " + word + " ", Tone: l.tone.Badge()}, j.sessionText()
	if row := indent(badge, widget.Span{Text: "   "}, session); row.Width() <= r.width {
		lines = append(lines, row, widget.Blank)
	} else {
		lines = append(lines, indent(badge), indent(session), widget.Blank)
	}
	for _, part := range widget.Wrap(j.why(op), r.width-4, 2) {
		lines = append(lines, indent(widget.Span{Text: part, Tone: widget.Warning}))
	}
	if why := j.why(op); why != "" {
		lines = append(lines, widget.Blank)
	}
	lines = append(lines, j.figureLines(op, available, r)...)
	lines = append(lines, widget.Blank)
	recent := j.recent(op)
	if room := r.height - len(lines) - 1; len(recent) > 0 && room > 0 {
		lines = append(lines, indent(widget.Span{Text: j.a.say("job.recent"), Tone: widget.Dim}))
		for _, rep := range recent[:min(len(recent), room)] {
			lines = append(lines, indent(rep...))
		}
	}
	return lines
}

// figureLines writes the quantities: side by side where there is room, in digits for a distance on a wall.
func (j *job) figureLines(op *mes.Operation, available int64, r area) []widget.Line {
	figures := j.figures(op, available)
	if r.width < 60 {
		return pairs(figures, "  ", r.width)
	}
	each := min((r.width-4)/len(figures), 18)
	big := r.class == wall
	for _, g := range figures {
		if len(count(g.value)) >= each {
			return pairs(figures, "  ", r.width)
		}
		big = big && widget.Width(widget.Big(strconv.FormatInt(g.value, 10), j.a.ascii)[0]) <= each
	}
	labels, values := []widget.Span{{Text: "  "}}, []widget.Span{{Text: "  "}}
	for _, g := range figures {
		labels = append(labels, widget.Span{Text: widget.Left(strings.ToUpper(g.label), each), Tone: widget.Dim})
		values = append(values, widget.Span{Text: widget.Left(count(g.value), each), Tone: g.tone})
	}
	lines := []widget.Line{{Spans: labels}}
	if big {
		return append(lines, bigFigures(figures, each, j.a.ascii)...)
	}
	return append(lines, widget.Line{Spans: values})
}

// bigFigures writes quantities in digits that are read from a distance.
func bigFigures(figures []figure, each int, ascii bool) []widget.Line {
	var rows []widget.Line
	for _, g := range figures {
		for y, row := range widget.Big(strconv.FormatInt(g.value, 10), ascii) {
			if y == len(rows) {
				rows = append(rows, widget.Of(widget.Span{Text: "  "}))
			}
			rows[y].Spans = append(rows[y].Spans, widget.Span{Text: widget.Left(row, each), Tone: g.tone})
		}
	}
	return rows
}

// recent are the newest reports of the operation, a line each.
func (j *job) recent(op *mes.Operation) [][]widget.Span {
	var out [][]widget.Span
	for i := range j.detail.Reports {
		if rep := &j.detail.Reports[i]; rep.Operation == op.ID {
			out = append(out, j.a.reportSpans(rep, corrected(j.detail.Reports, rep.ID)))
		}
	}
	return out
}

// corrected tells whether a report was taken back.
func corrected(reports []mes.Report, id mes.ID) bool {
	for i := range reports {
		if reports[i].Corrects == id {
			return true
		}
	}
	return false
}

// reportSpans writes a report in columns: when, how many of what, why, and whether it was taken back.
func (a *App) reportSpans(r *mes.Report, undone bool) []widget.Span {
	sign, tone := "+", widget.Plain
	note := r.Reason
	switch {
	case r.Corrects != "":
		sign, tone, note = "-", widget.Dim, a.say("report.takes_back", r.Reason)
	case undone:
		tone, note = widget.Dim, a.say("report.taken_back")+" "+r.Reason
	}
	return []widget.Span{
		{Text: widget.Left(a.moment(r.RecordedAt), 13), Tone: widget.Dim}, {Text: widget.Right(sign+count(r.Quantity), max(8, len(sign+count(r.Quantity)))), Tone: tone},
		{Text: "  " + widget.Left(a.say("qty."+string(r.Kind)), 8), Tone: tone}, {Text: note, Tone: widget.Dim},
	}
}
