package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A duty is what a person who has just come must do before anything else. As long as there is one, no other screen, key,
// scan or command line leads anywhere.
type duty struct {
	replace string // kind of the one-time secret that they came in with, "" for none
	enrol   bool   // one-time codes
}

// owed asks the door what the person who is signed in must do first.
func (a *App) owed() duty {
	if a.s.Owes == nil {
		return duty{}
	}
	replace, enrol := a.s.Owes()
	return duty{replace, enrol}
}

// bound tells whether there is something to do before anything else.
func (a *App) bound() bool { return a.due != duty{} }

// first is the screen that a person begins with: of their duty, or their own.
func (a *App) first() Screen {
	switch {
	case a.due.replace != "":
		return newMustReplace(a, a.due.replace)
	case a.due.enrol:
		return &mustEnrol{a: a}
	}
	return a.home()
}

// dutyDone goes on to the next duty, or to work.
func (a *App) dutyDone(key string, args ...any) tea.Cmd {
	a.due = a.owed()
	a.stack = []Screen{a.first()}
	a.tell(widget.Normal, key, args...)
	return tea.Sequence(tea.ClearScreen, a.top().Load())
}

// leaving is the one other thing that may be done meanwhile.
func (a *App) leaving() Action {
	label := a.say("key.sign_out")
	if a.s.Station != nil {
		label = a.say("key.lock")
	}
	return on("f12", label, a.lock)
}

// mustReplace asks for a password or PIN of one's own in the place of one that was handed over.
type mustReplace struct{ *slip }

func newMustReplace(a *App, kind string) *mustReplace {
	what := a.say("secret." + kind)
	s := newReplacement(a, kind, func() tea.Cmd { return a.dutyDone("say.replaced", what) })
	s.title = a.say("title.replace_first", what)
	s.about = append([]string{a.say("duty.replace", what)}, s.about...)
	return &mustReplace{s}
}

// Draft is false: there is nothing to go back to.
func (m *mustReplace) Draft() bool { return false }

func (m *mustReplace) Actions() []Action {
	a := m.a
	return []Action{
		on("enter", m.send, m.book), m.slip.a.leaving(),
		on("tab down", a.say("key.next_field"), func() tea.Cmd { m.form.Key("tab"); return nil }),
		quietly("shift+tab up", a.say("key.previous_field"), func() tea.Cmd { m.form.Key("up"); return nil }),
		on("f2", a.say("key.clear"), func() tea.Cmd { m.form.Key("f2"); return nil }),
	}
}

// newReplacement asks for the old password or PIN, by kind, and twice for the new one.
func newReplacement(a *App, kind string, given func() tea.Cmd) *slip {
	what := a.say("secret." + kind)
	secret := func(name, label string) *widget.Field {
		return &widget.Field{Name: name, Label: label, Kind: widget.Secret, Max: longestSecret, Needed: true}
	}
	s := &slip{a: a, id: a.s.App.NewID(), title: a.say("title.replace", what), send: a.say("key.change"), about: []string{a.say("advice." + kind)},
		form: widget.Form{Fields: []*widget.Field{secret("current", a.say("field.current")), secret("new", a.say("field.new")), secret("again", a.say("field.again"))}}}
	s.favour = func(f *widget.Form) *favour {
		current, chosen := f.Field("current").Raw(), f.Field("new").Raw()
		if chosen != f.Field("again").Raw() {
			f.Field("again").Edit("f2")
			f.Field("new").Edit("f2")
			f.FocusOn("new")
			a.tell(widget.Warning, "say.not_the_same")
			return nil
		}
		f.FocusOn("current")
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (string, error) {
				return "", d.Replace(ctx, actor, kind, current, chosen)
			},
			given: func(string) tea.Cmd { return given() },
		}
	}
	return s
}

// mustEnrol says what one-time codes are for and that a telephone is needed, before a secret is shown.
type mustEnrol struct{ a *App }

func (m *mustEnrol) Title() string        { return m.a.say("title.enrol_first") }
func (m *mustEnrol) Load() tea.Cmd        { return nil }
func (m *mustEnrol) Ready() bool          { return true }
func (m *mustEnrol) Concerns(string) bool { return false }

func (m *mustEnrol) Actions() []Action {
	return []Action{on("enter", m.a.say("key.begin"), m.begin), m.a.leaving()}
}

func (m *mustEnrol) begin() tea.Cmd {
	a, uri := m.a, ""
	return a.atDesk(func(ctx context.Context, d Desk, actor mes.Actor) (secret string, err error) {
		secret, uri, err = d.BeginTOTP(ctx, actor)
		return secret, err
	}, func(secret string) tea.Cmd {
		e := newEnrolment(a, secret, uri)
		e.done = func() tea.Cmd { return a.dutyDone("say.enrolled") }
		return a.open(e)
	})
}

func (m *mustEnrol) Draw(r area) Frame {
	var f Frame
	if r.class != strip && !r.narrow() {
		f.Lines = append(f.Lines, widget.Blank)
	}
	for _, key := range []string{"duty.enrol", "duty.enrol_how"} {
		for _, l := range widget.Wrap(m.a.say(key), r.width-2, 6) {
			f.Lines = append(f.Lines, widget.Say(" "+l))
		}
		if r.height > 8 {
			f.Lines = append(f.Lines, widget.Blank)
		}
	}
	return f
}
