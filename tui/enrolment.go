package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// enrolment shows the secret of new one-time codes, as a QR code where there is room and always as text, and asks for
// the first code. The secret is gone when the screen is.
type enrolment struct {
	a      *App
	secret string
	code   [][]bool // of the QR code; nil when the terminal cannot show one
	alone  bool     // the QR code has the window for itself
	form   widget.Form
	done   func() tea.Cmd // follows when the first code was right; nil: back to the screen below
}

// enrol makes a secret for one-time codes and shows it.
func (a *App) enrol() tea.Cmd {
	uri := ""
	return a.atDesk(func(ctx context.Context, d Desk, actor mes.Actor) (secret string, err error) {
		secret, uri, err = d.BeginTOTP(ctx, actor)
		return secret, err
	}, func(secret string) tea.Cmd { return a.open(newEnrolment(a, secret, uri)) })
}

func newEnrolment(a *App, secret, uri string) *enrolment {
	e := &enrolment{a: a, secret: secret}
	e.form.Fields = []*widget.Field{{Name: "code", Label: a.say("field.first_code"), Kind: widget.Text, Max: 7, Needed: true}}
	if a.s.QR != nil && !a.ascii {
		if code, err := a.s.QR(uri); err == nil {
			e.code = code
		}
	}
	return e
}

func (e *enrolment) Title() string        { return e.a.say("title.enrol") }
func (e *enrolment) Load() tea.Cmd        { return nil }
func (e *enrolment) Ready() bool          { return true }
func (e *enrolment) Concerns(string) bool { return false }
func (e *enrolment) Typing() bool         { return true }
func (e *enrolment) Draft() bool          { return e.form.Draft() }

func (e *enrolment) Actions() []Action {
	a := e.a
	list := []Action{on("enter", a.say("key.confirm"), e.confirm)}
	if beside, alone := e.fits(e.a.width, e.a.height-frame); alone && !beside {
		list = append(list, on("f4", a.say("key.qr"), func() tea.Cmd { e.alone = !e.alone; return nil }))
	}
	return append(list, on("f2", a.say("key.clear"), func() tea.Cmd { e.form.Key("f2"); return nil }), on("f3 esc", a.say("key.back"), a.back))
}

func (e *enrolment) Type(text string) tea.Cmd {
	e.alone = false
	return e.outcome(e.form.Type(text))
}

func (e *enrolment) Edit(key string) (tea.Cmd, bool) {
	if key == "f4" {
		return nil, false
	}
	if e.alone {
		e.alone = false
		return nil, true
	}
	out := e.form.Key(key)
	return e.outcome(out), out != widget.Ignored
}

func (e *enrolment) outcome(o widget.Outcome) tea.Cmd {
	switch o {
	case widget.Send:
		return e.confirm()
	case widget.Refused:
		if why := e.form.Focused().Refused(); why != widget.NoRefusal {
			return e.a.refuse(why)
		}
		e.a.tell(widget.Warning, "say.fill_in", e.form.Focused().Label)
	}
	return nil
}

// confirm sends the first code. A wrong one leaves the secret as it is: the next code may be right.
func (e *enrolment) confirm() tea.Cmd {
	a, secret, code := e.a, e.secret, e.form.Value("code")
	if code == "" {
		return nil
	}
	e.form.Focused().Edit("f2")
	return a.atDesk(func(ctx context.Context, d Desk, actor mes.Actor) (string, error) {
		return "", d.ConfirmTOTP(ctx, actor, secret, code)
	}, func(string) tea.Cmd {
		e.secret, e.code = "", nil
		if e.done != nil {
			return e.done()
		}
		shut := a.shut()
		a.tell(widget.Normal, "say.enrolled")
		return tea.Batch(shut, tea.ClearScreen)
	})
}

const (
	leastBeside = 28 // cells that the words beside a QR code need
	frame       = 4  // rows around a screen: header, title, status, keys
)

// fits tells whether the QR code fits into an area with the words beside it, and alone.
func (e *enrolment) fits(width, height int) (beside, alone bool) {
	qr := widget.QR(e.code, width, height)
	return qr != nil && width-qr[0].Width() >= leastBeside, qr != nil
}

func (e *enrolment) Draw(r area) Frame {
	qr := widget.QR(e.code, r.width, r.height)
	beside, alone := e.fits(r.width, r.height)
	switch {
	case beside:
	case alone && e.alone:
		return Frame{Lines: qr}
	default:
		lines, x, y := e.words(r.width, r.height, "enrol.how_text")
		return Frame{Lines: lines, Cursor: &tea.Position{X: x, Y: y}}
	}
	side := qr[0].Width() + 1
	words, x, y := e.words(r.width-side, r.height, "enrol.how")
	f := Frame{Cursor: &tea.Position{X: side + x, Y: y}}
	for i := range max(len(qr), len(words)) {
		line := widget.Of(widget.Span{Text: strings.Repeat(" ", side)})
		if i < len(qr) {
			line.Spans = append(qr[i].Spans, widget.Span{Text: " "})
		}
		if i < len(words) {
			line.Spans = append(line.Spans, words[i].Spans...)
		}
		f.Lines = append(f.Lines, line)
	}
	return f
}

// words say what to do, with the secret as text, in a width and height; the cursor is in the field.
func (e *enrolment) words(width, height int, how string) (lines []widget.Line, x, y int) {
	a := e.a
	secret := pieces(groups(e.secret, 4), width-2)
	room := height - len(secret) - 3
	for _, l := range widget.Wrap(a.say(how), width-2, max(room, 1)) {
		lines = append(lines, widget.Of(widget.Span{Text: " " + l}))
	}
	if len(lines)+len(secret)+4 < height {
		lines = append(lines, widget.Blank)
	}
	for _, l := range secret {
		lines = append(lines, widget.Of(widget.Span{Text: " " + l, Tone: widget.Strong}))
	}
	if len(lines)+3 < height {
		lines = append(lines, widget.Blank)
	}
	field, x, at := e.form.Lines(width, 1)
	return append(lines, field...), x, len(lines) + at
}

// groups writes a text in groups of so many characters.
func groups(text string, n int) string {
	var out []string
	for len(text) > n {
		out, text = append(out, text[:n]), text[n:]
	}
	return strings.Join(append(out, text), " ")
}
