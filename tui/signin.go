package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// signIn asks for a badge and its PIN. It is the first screen of a station, and what stands in front of everything when
// a screen is locked.
type signIn struct {
	a     *App
	form  widget.Form
	asked int // number of the newest attempt
	busy  bool
}

func newSignIn(a *App) *signIn {
	s := &signIn{a: a}
	s.reset()
	return s
}

// reset empties both fields; whose screen is locked needs only the PIN.
func (s *signIn) reset() {
	s.asked++
	s.busy = false
	s.form = widget.Form{Fields: []*widget.Field{
		{Name: "badge", Label: s.a.say("signin.badge"), Kind: widget.Text, Max: 40, Needed: true},
		{Name: "pin", Label: s.a.say("signin.pin"), Kind: widget.Secret, Max: 128, Needed: true},
	}}
	if s.a.locked && s.a.person != nil {
		s.form.Field("badge").Preset(string(s.a.person.Badge))
		s.form.FocusOn("pin")
	}
}

// again empties the PIN after a wrong one; the badge stays.
func (s *signIn) again() {
	pin := s.form.Field("pin")
	pin.Edit("f2")
	s.form.FocusOn("pin")
}

func (s *signIn) Title() string {
	if s.a.locked {
		return s.a.say("title.locked")
	}
	return s.a.say("title.signin")
}

func (s *signIn) Load() tea.Cmd        { return nil }
func (s *signIn) Ready() bool          { return !s.busy }
func (s *signIn) Concerns(string) bool { return false }
func (s *signIn) Typing() bool         { return true }
func (s *signIn) Draft() bool          { return false }

func (s *signIn) Actions() []Action {
	list := []Action{
		on("enter", s.a.say("key.sign_in"), s.send),
		on("f2", s.a.say("key.clear"), func() tea.Cmd { s.form.Key("f2"); return nil }),
	}
	if s.a.person != nil {
		list = append(list, on("f3", s.a.say("key.sign_out"), s.a.signOutNow))
	}
	return list
}

func (s *signIn) Type(text string) tea.Cmd { return s.outcome(s.form.Type(text)) }

// Scan takes a badge, unless one was given already: what follows a badge is its PIN or password, however fast it comes,
// and is never shown. Where a screen is locked nobody gave a badge yet, so a scan is one; it may also be a PIN on a slow
// line, and is not shown either.
func (s *signIn) Scan(code string) (tea.Cmd, bool) {
	badge, pin := s.form.Field("badge"), s.form.Field("pin")
	twice := code == badge.Value() && (pin.Raw() == "" || pin.Raw() == code)
	if len(code) < shortestBadge || s.form.Focused() == pin && badge.Touched() && !twice {
		return nil, false
	}
	pin.Edit("f2")
	badge.Edit("f2")
	badge.Kind = widget.Text
	if s.a.locked {
		badge.Kind = widget.Secret
	}
	s.form.FocusOn("badge")
	out := s.form.Type(code)
	if out == widget.Taken && badge.Value() != "" {
		s.form.FocusOn("pin")
	}
	return s.outcome(out), true
}

// shortestBadge is how many characters a badge has that is taken as a whole, wherever the focus is.
const shortestBadge = 4

func (s *signIn) Edit(key string) (tea.Cmd, bool) {
	out := s.form.Key(key)
	if badge := s.form.Field("badge"); badge.Value() == "" {
		badge.Kind = widget.Text
	}
	return s.outcome(out), out != widget.Ignored
}

// abandoned empties what somebody typed and left standing there.
func (s *signIn) abandoned() {
	if s.form.Draft() && !s.busy && s.a.now.Sub(s.a.lastKey) >= signInPatience {
		s.reset()
		s.a.status = status{}
	}
}

// signInPatience is how long half a sign-in stands: the next person must not give their PIN to another's badge.
const signInPatience = time.Minute

func (s *signIn) outcome(o widget.Outcome) tea.Cmd {
	switch o {
	case widget.Send:
		return s.send()
	case widget.Refused:
		if why := s.form.Focused().Refused(); why != widget.NoRefusal {
			return s.a.refuse(why)
		}
		s.a.tell(widget.Warning, "say.fill_in", s.form.Focused().Label)
	}
	return nil
}

// send asks the door. The PIN leaves the form with the question.
func (s *signIn) send() tea.Cmd {
	check, parent := s.a.s.SignIn, s.a.s.Context
	if check == nil || s.form.Value("badge") == "" || s.form.Value("pin") == "" {
		return nil
	}
	s.asked++
	s.busy = true
	asked, badge, secret := s.asked, s.form.Value("badge"), s.form.Value("pin")
	s.form.Field("pin").Edit("f2")
	s.a.tell(widget.Neutral, "say.checking")
	return func() tea.Msg {
		ctx, done := context.WithTimeout(parent, patience)
		defer done()
		actor, person, err := check(ctx, badge, secret)
		return signedInMsg{asked, actor, person, err}
	}
}

func (s *signIn) Draw(r area) Frame {
	var f Frame
	if s.a.locked && s.a.person != nil {
		for _, l := range widget.Wrap(s.a.say("signin.locked", s.a.person.Name), r.width-2, 4) {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " " + l, Tone: widget.Act}))
		}
	} else {
		where := s.a.say("signin.nowhere")
		if st := s.a.s.Station; st != nil {
			where = st.Name
		}
		if r.class >= term {
			f.Lines = append(f.Lines, widget.Blank)
			for _, row := range widget.Big("gemba", s.a.ascii) {
				f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  " + row, Tone: widget.Act}))
			}
			f.Lines = append(f.Lines, widget.Blank)
		}
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " " + where, Tone: widget.Strong}))
		for _, l := range widget.Wrap(s.a.say("signin.how"), r.width-2, 3) {
			f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " " + l, Tone: widget.Dim}))
		}
	}
	if r.height > len(f.Lines)+3 {
		f.Lines = append(f.Lines, widget.Blank)
	}
	if room := r.height - len(f.Lines); room < 2 {
		f.Lines = f.Lines[:max(r.height-2, 0)]
	}
	lines, x, y := s.form.Lines(r.width, r.height-len(f.Lines))
	f.Cursor = &tea.Position{X: x, Y: len(f.Lines) + y}
	f.Lines = append(f.Lines, lines...)
	return f
}
