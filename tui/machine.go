package tui

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// windows are the stretches of time that a machine's timeline can show.
var windows = []time.Duration{8 * time.Hour, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// machineFacts is all that is read of one machine at once.
type machineFacts struct {
	from, to  time.Time
	intervals []mes.Interval // oldest first
	totals    *mes.MachineTotals
	tile      *mes.MachineTile // as the board shows it; nil when it is not on it
}

// machine shows one machine: what it did lately, and what it has counted.
type machine struct {
	a      *App
	code   mes.ID
	window int // of windows
	read   question[machineFacts]
	facts  machineFacts
	list   widget.List
}

func newMachine(a *App, code mes.ID) *machine { return &machine{a: a, code: code} }

func (m *machine) Title() string              { return m.a.say("title.machine", string(m.code)) }
func (m *machine) Ready() bool                { return m.read.settled() }
func (m *machine) Concerns(topic string) bool { return topic == "machine:"+string(m.code) }
func (m *machine) Load() tea.Cmd              { return m.read.ask(m.a, m.reader(), m.take) }

func (m *machine) reader() func(context.Context, *mes.App, mes.Actor) (machineFacts, error) {
	code, to := m.code, m.a.now
	f := machineFacts{from: to.Add(-windows[m.window]), to: to}
	return func(ctx context.Context, app *mes.App, actor mes.Actor) (machineFacts, error) {
		var err error
		if f.intervals, err = app.Timeline(ctx, actor, code, f.from, f.to); err != nil {
			return f, err
		}
		if f.totals, err = app.MachineTotals(ctx, actor, code); err != nil {
			return f, err
		}
		tiles, err := app.Board(ctx, actor, "")
		for i := range tiles {
			if tiles[i].Machine == code {
				f.tile = &tiles[i]
			}
		}
		return f, err
	}
}

func (m *machine) take(f machineFacts) {
	m.facts, m.list.Len = f, len(f.intervals)
	m.list.Move(0)
}

func (m *machine) Actions() []Action {
	a := m.a
	list := []Action{on("t", a.say("key.window"), func() tea.Cmd {
		m.window = (m.window + 1) % len(windows)
		return m.read.askAnew(a, m.reader(), m.take)
	})}
	list = append(list, a.moves(&m.list)...)
	return append(list, on("f5", a.say("key.refresh"), m.Load), on("f3 esc", a.say("key.back"), a.back))
}

func (m *machine) Draw(r area) Frame {
	a := m.a
	if m.facts.totals == nil {
		if m.read.known {
			return a.empty(r, a.say("machine.gone"))
		}
		return a.reading(r)
	}
	f := Frame{Note: a.say("machine.note", span(windows[m.window]))}
	now := mes.MachineTile{State: mes.MachineUnknown}
	if m.facts.tile != nil {
		now = *m.facts.tile
	}
	l := lookOf(machineLooks, now.State)
	since := "-"
	if !now.Since.IsZero() {
		since = span(a.now.Sub(now.Since))
	}
	indent := "  "
	if r.narrow() {
		indent = ""
	} else {
		f.Lines = append(f.Lines, widget.Blank)
	}
	head := []widget.Span{{Text: indent}, {Text: " " + l.glyph + " " + a.say(l.key) + " ", Tone: l.tone.Badge()}, {Text: " " + since, Tone: widget.Strong}}
	if !r.narrow() && now.Name != "" {
		head = append(head, widget.Span{Text: "   " + now.Name, Tone: widget.Dim})
	}
	f.Lines = append(f.Lines, widget.Of(head...))
	for _, why := range []string{now.Reason, now.Alarm} {
		if why != "" {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: indent + why, Tone: widget.Warning}))
		}
	}
	if !r.narrow() {
		f.Lines = append(f.Lines, widget.Blank)
	}
	f.Lines = append(f.Lines, m.bar(r.width-2*len(indent), indent), m.scale(r.width-2*len(indent), indent))
	f.Lines = append(f.Lines, m.counters(r, indent)...)
	if !r.narrow() {
		f.Lines = append(f.Lines, widget.Blank)
	}
	return m.intervals(f, r)
}

// bar draws the timeline: a cell for each part of the window, with the glyph of the state that it was in longest.
func (m *machine) bar(width int, indent string) widget.Line {
	line := widget.Of(widget.Span{Text: indent})
	total := m.facts.to.Sub(m.facts.from)
	for x := range max(width, 1) {
		from := m.facts.from.Add(total * time.Duration(x) / time.Duration(width))
		to := m.facts.from.Add(total * time.Duration(x+1) / time.Duration(width))
		best, most := mes.MachineUnknown, time.Duration(0)
		for _, i := range m.facts.intervals {
			end := i.To
			if end.IsZero() {
				end = m.facts.to
			}
			begin := i.From
			if begin.Before(from) {
				begin = from
			}
			if end.After(to) {
				end = to
			}
			if d := end.Sub(begin); d > most {
				best, most = i.State, d
			}
		}
		l := lookOf(machineLooks, best)
		tone := l.tone.Badge()
		if best == mes.MachineUnknown {
			tone = widget.Dim // nothing is known: nothing is filled
		}
		line.Spans = append(line.Spans, widget.Span{Text: l.glyph, Tone: tone})
	}
	return line
}

// scale says from when to when the bar goes.
func (m *machine) scale(width int, indent string) widget.Line {
	left := widget.Of(widget.Span{Text: indent + m.a.moment(m.facts.from), Tone: widget.Dim})
	return widget.Spread(left, widget.Of(widget.Span{Text: m.a.moment(m.facts.to), Tone: widget.Dim}), width+len(indent))
}

// counters writes what was counted, and what else is stored.
func (m *machine) counters(r area, indent string) []widget.Line {
	a, t := m.a, m.facts.totals
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Counters)) {
		parts = append(parts, name+" "+count(t.Counters[name]))
	}
	if len(parts) == 0 {
		parts = []string{a.say("machine.no_counters")}
	}
	if !r.narrow() {
		parts = append(parts, a.say("machine.stored", count(t.States), count(t.Samples), count(t.Alarms)))
	}
	var lines []widget.Line
	for _, l := range widget.Wrap(strings.Join(parts, " · "), r.width-2*len(indent), 3) {
		lines = append(lines, widget.Of(widget.Span{Text: indent + l, Tone: widget.Plain}))
	}
	return lines
}

// intervals lists what the machine did, the newest first.
func (m *machine) intervals(f Frame, r area) Frame {
	a, n := m.a, len(m.facts.intervals)
	room := r.height - len(f.Lines)
	if n == 0 || room < 2 {
		return f
	}
	if r.narrow() {
		from, to := m.list.Window(room)
		for i := from; i < to; i++ {
			in := &m.facts.intervals[n-1-i]
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: widget.Left(a.moment(in.From), 6), Tone: widget.Dim},
				a.short(lookOf(machineLooks, in.State)), widget.Span{Text: " " + span(m.length(in))}))
		}
		return f
	}
	t := widget.Table{Columns: []widget.Column{
		{Title: a.say("col.from"), Width: 12}, {Title: a.say("col.state"), Width: 10}, {Title: a.say("col.length"), Width: 8, Right: true},
		{Title: a.say("col.reason"), Width: 6, Flex: true},
	}}
	for i := range n {
		in := &m.facts.intervals[n-1-i]
		why := in.Reason
		if in.Raw != "" && in.Raw != why {
			why = strings.TrimSpace(why + " (" + in.Raw + ")")
		}
		t.Rows = append(t.Rows, []widget.Span{{Text: a.moment(in.From), Tone: widget.Dim}, a.state(lookOf(machineLooks, in.State)), {Text: span(m.length(in))}, {Text: why, Tone: widget.Dim}})
	}
	f.Lines = append(f.Lines, tableLines(&t, &m.list, r.width, room)...)
	return f
}

func (m *machine) length(in *mes.Interval) time.Duration {
	if in.To.IsZero() {
		return m.a.now.Sub(in.From)
	}
	return in.To.Sub(in.From)
}
