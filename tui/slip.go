package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A slip is a small form that becomes one command. Its id is made when it opens: however often it is sent, it is booked
// once. After a refusal it stays as it was typed.
type slip struct {
	a     *App
	title string
	about []string // what it is about, above the fields
	form  widget.Form
	send  string // label of Enter
	id    mes.ID
	// follows tells which changes on the floor the form has to know of, and fresh reads them. Both or none.
	follows func(topic string) bool
	fresh   func() tea.Cmd
	// adjust changes defaults after a key, if set.
	adjust func(f *widget.Form)
	// build makes the command, or puts a message into the status line and gives nil.
	build func(f *widget.Form) mes.Command
	// act is done instead of a command, if set.
	act func() tea.Cmd
	// picks open a list of what a field may hold, by the field's name.
	picks map[string]func() tea.Cmd
	// favour is what the desk is asked for instead of a command, if set; nil after saying what is wrong.
	favour func(f *widget.Form) *favour
	// done tells what was booked.
	done func(mes.Receipt)
}

// slip opens a form.
func (a *App) slip(s *slip) tea.Cmd {
	s.a, s.id = a, a.s.App.NewID()
	return a.open(s)
}

func (s *slip) Title() string { return s.title }
func (s *slip) Ready() bool   { return true }
func (s *slip) Typing() bool  { return len(s.form.Fields) > 0 }
func (s *slip) Draft() bool   { return s.form.Draft() }

func (s *slip) Concerns(topic string) bool { return s.follows != nil && s.follows(topic) }

func (s *slip) Load() tea.Cmd {
	if s.fresh == nil {
		return nil
	}
	return s.fresh()
}

func (s *slip) Actions() []Action {
	list := []Action{on("enter", s.send, s.book), on("f3 esc", s.a.say("key.back"), s.a.back)}
	if len(s.form.Fields) == 0 {
		return list
	}
	if len(s.form.Fields) > 1 {
		list = append(list, on("tab down", s.a.say("key.next_field"), func() tea.Cmd { s.form.Key("tab"); return nil }),
			quietly("shift+tab up", s.a.say("key.previous_field"), func() tea.Cmd { s.form.Key("up"); return nil }))
	}
	list = append(list, on("f2", s.a.say("key.clear"), func() tea.Cmd { s.form.Key("f2"); return nil }))
	for _, f := range s.form.Fields {
		if len(f.Known) > 0 || f.Kind == widget.Choice || s.picks[f.Name] != nil {
			return append(list, on("f4", s.a.say("key.pick"), func() tea.Cmd { s.form.Key("f4"); return nil }))
		}
	}
	return list
}

func (s *slip) Type(text string) tea.Cmd { return s.outcome(s.form.Type(text)) }

func (s *slip) Edit(key string) (tea.Cmd, bool) {
	if pick := s.picks[s.form.Focused().Name]; key == "f4" && pick != nil {
		return pick(), true
	}
	out := s.form.Key(key)
	return s.outcome(out), out != widget.Ignored
}

func (s *slip) outcome(o widget.Outcome) tea.Cmd {
	if s.adjust != nil && o == widget.Taken {
		s.adjust(&s.form)
	}
	switch o {
	case widget.Send:
		return s.book()
	case widget.Refused:
		if why := s.form.Focused().Refused(); why != widget.NoRefusal {
			return s.a.refuse(why)
		}
		s.a.tell(widget.Warning, "say.fill_in", s.form.Focused().Label)
	}
	return nil
}

// book sends the command and closes the slip when it was done.
func (s *slip) book() tea.Cmd {
	switch {
	case !s.a.unhurried():
		return nil
	case s.act != nil:
		return s.act()
	case s.favour != nil:
		return s.ask()
	}
	c := s.build(&s.form)
	if c == nil {
		return nil
	}
	return s.a.do(s.id, c, func(r mes.Receipt) tea.Cmd {
		shut := s.shut()
		if s.done != nil {
			s.done(r)
		} else {
			s.a.tell(widget.Normal, "say.done", s.title)
		}
		return shut
	})
}

// shut closes the slip if nothing has come on top of it.
func (s *slip) shut() tea.Cmd {
	if s.a.top() != Screen(s) {
		return nil
	}
	return s.a.shut()
}

// A favour is what a slip asks of the desk, and what follows with what the desk gave.
type favour struct {
	ask   func(ctx context.Context, d Desk, actor mes.Actor) (string, error)
	given func(secret string) tea.Cmd
}

// ask asks the desk and closes the slip when it gave. The secrets that were typed leave the form with the question.
func (s *slip) ask() tea.Cmd {
	f := s.favour(&s.form)
	if f == nil {
		return nil
	}
	for _, d := range s.form.Fields {
		if d.Kind == widget.Secret {
			d.Edit("f2")
		}
	}
	return s.a.atDesk(f.ask, func(secret string) tea.Cmd {
		shut := s.shut()
		return tea.Batch(shut, f.given(secret))
	})
}

func (s *slip) Draw(r area) Frame {
	var f Frame
	room := r.height - min(len(s.form.Fields), r.height)
	for _, text := range s.about {
		for _, l := range widget.Wrap(text, r.width-2, room-len(f.Lines)) {
			if len(f.Lines) < room {
				f.Lines = append(f.Lines, widget.Say(" "+l))
			}
		}
	}
	if len(f.Lines) > 0 && len(f.Lines) < room {
		f.Lines = append(f.Lines, widget.Blank)
	}
	if len(s.form.Fields) == 0 {
		return f
	}
	lines, x, y := s.form.Lines(r.width, r.height-len(f.Lines))
	f.Cursor = &tea.Position{X: x, Y: len(f.Lines) + y}
	f.Lines = append(f.Lines, lines...)
	return f
}

// reasonField asks for a few words.
func (a *App) reasonField(needed bool) *widget.Field {
	return &widget.Field{Name: "reason", Label: a.say("field.reason"), Kind: widget.Text, Max: 200, Needed: needed}
}
