package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A picker lists what a field may hold, to be searched and taken from.
type picker struct {
	roster[widget.Option]
	title string
	into  *widget.Field
}

// pick opens a picker for a field. The options are read when it opens.
func (a *App) pick(into *widget.Field, options func(ctx context.Context, app *mes.App, actor mes.Actor) ([]widget.Option, error)) tea.Cmd {
	p := &picker{title: a.say("title.pick", into.Label), into: into}
	p.roster = roster[widget.Option]{a: a, fetch: options,
		id: func(o *widget.Option) mes.ID { return mes.ID(o.Value) }, words: func(o *widget.Option) string { return o.Value + " " + o.Label }}
	return a.open(p)
}

func (p *picker) Title() string { return p.title }

func (p *picker) Actions() []Action {
	return append([]Action{on("enter", p.a.say("key.take"), p.take)}, p.through()...)
}

// take puts the option into the field and goes back to the form.
func (p *picker) take() tea.Cmd {
	o := p.selected()
	if o == nil {
		return nil
	}
	p.into.Edit("f2")
	p.into.Insert(o.Value)
	return p.a.shut()
}

func (p *picker) Draw(r area) Frame {
	return p.draw(r, p.a.say("pick.none"), func(_ area, rows []*widget.Option) widget.Table {
		t := widget.Table{Columns: []widget.Column{{Title: p.a.say("col.code"), Width: 16}, {Title: p.a.say("col.name"), Width: 12, Flex: true}}}
		for _, o := range rows {
			t.Rows = append(t.Rows, []widget.Span{{Text: o.Value, Tone: widget.Strong}, {Text: o.Label, Tone: widget.Dim}})
		}
		return t
	}, func(o *widget.Option) [2][]widget.Span {
		return [2][]widget.Span{{{Text: o.Value, Tone: widget.Strong}}, {{Text: o.Label, Tone: widget.Dim}}}
	})
}
