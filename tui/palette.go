package tui

import (
	"encoding/json"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// palette takes a command line, for everything that has no key of its own: a word of a place goes there, anything else is
// a command. It is made from the command table, and shows what of it the actor may do.
type palette struct {
	a    *App
	form widget.Form
	id   mes.ID
	ran  []string // lines that were run, the newest last
	back int      // how far back in ran the keys have gone
}

func newPalette(a *App) *palette {
	p := &palette{a: a}
	p.form = widget.Form{Fields: []*widget.Field{{Name: "line", Label: ":", Kind: widget.Text, Max: 400, Needed: true}}}
	p.id = a.s.App.NewID()
	return p
}

func (p *palette) Title() string        { return p.a.say("title.palette") }
func (p *palette) Load() tea.Cmd        { return nil }
func (p *palette) Ready() bool          { return true }
func (p *palette) Concerns(string) bool { return false }
func (p *palette) Typing() bool         { return true }
func (p *palette) Draft() bool          { return false }

func (p *palette) Actions() []Action {
	a := p.a
	return []Action{
		on("enter", a.say("key.run"), p.run), on("tab", a.say("key.complete_word"), func() tea.Cmd { p.complete(); return nil }),
		on("f3 esc", a.say("key.back"), a.back), quietly("up", a.say("key.earlier"), func() tea.Cmd { p.recall(1); return nil }),
		quietly("down", a.say("key.later"), func() tea.Cmd { p.recall(-1); return nil }),
		quietly("f2", a.say("key.clear"), func() tea.Cmd { p.set(""); return nil }),
	}
}

func (p *palette) Type(text string) tea.Cmd { return p.outcome(p.form.Type(text)) }

func (p *palette) Edit(key string) (tea.Cmd, bool) {
	switch key {
	case "tab", "up", "down", "f2":
		return nil, false // actions
	}
	out := p.form.Key(key)
	return p.outcome(out), out != widget.Ignored
}

func (p *palette) outcome(o widget.Outcome) tea.Cmd {
	switch o {
	case widget.Send:
		return p.run()
	case widget.Refused:
		if why := p.form.Focused().Refused(); why != widget.NoRefusal {
			return p.a.refuse(why)
		}
	}
	return nil
}

func (p *palette) line() string { return p.form.Value("line") }

func (p *palette) set(line string) {
	p.form.Focused().Edit("f2")
	if line != "" {
		p.form.Focused().Insert(line)
	}
}

// recall brings back a line that was run.
func (p *palette) recall(by int) {
	p.back = max(min(p.back+by, len(p.ran)), 0)
	if p.back == 0 {
		p.set("")
		return
	}
	p.set(p.ran[len(p.ran)-p.back])
}

// run parses the line and sends the command.
func (p *palette) run() tea.Cmd {
	a, line := p.a, p.line()
	if line == "" {
		return nil
	}
	for _, place := range a.reachable() {
		if strings.EqualFold(line, place.word) {
			return a.goTo(place.open(a))
		}
	}
	c, spec, err := mes.Parse(words(line))
	if err != nil {
		a.fail(err)
		return nil
	}
	return a.do(p.id, c, func(r mes.Receipt) tea.Cmd {
		p.ran, p.back, p.id = append(p.ran, line), 0, a.s.App.NewID()
		p.set("")
		a.tell(widget.Normal, "say.ran", spec.Name, r.Writer, r.N, a.outcome(r))
		return nil
	})
}

// outcome says in words what a command gave: what it was about, how that stands now, and what to call what is new.
// The ids of records that nobody calls by them are left out.
func (a *App) outcome(r mes.Receipt) string {
	var gave struct {
		Number    string `json:"number"`
		Operation int    `json:"operation"`
		State     string `json:"state"`
		Available *int64 `json:"available"`
		Split     string `json:"split_number"`
		Received  *int   `json:"received"`
		Revision  string `json:"revision"`
		Key       string `json:"key"`
	}
	if json.Unmarshal(r.Result, &gave) != nil {
		return ""
	}
	what := gave.Number
	if gave.Operation > 0 {
		what += "/" + itoa(gave.Operation)
	}
	if gave.State != "" {
		what = a.say("ran.is", what, strings.ToLower(a.say("state."+gave.State)))
	}
	parts := []string{what, gave.Revision, gave.Key}
	if gave.Available != nil {
		parts = append(parts, a.say("ran.left", count(*gave.Available)))
	}
	if gave.Split != "" {
		parts = append(parts, a.say("ran.split", gave.Split))
	}
	if gave.Received != nil {
		parts = append(parts, a.say("ran.received", *gave.Received))
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

// words splits a command line at spaces; quotes keep a text together.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, in = r, true
		case r == ' ':
			if in {
				out = append(out, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		out = append(out, word.String())
	}
	return out
}

// A suggestion is what a line may become: a place, or a command if spec is set.
type suggestion struct {
	name, help string
	spec       *mes.Spec
}

// allowed are the places that the actor may go to and the commands that they may give at all.
func (p *palette) allowed() []suggestion {
	var out []suggestion
	for _, place := range p.a.reachable() {
		out = append(out, suggestion{name: place.word, help: p.a.say(place.about)})
	}
	for i := range mes.Commands {
		s := &mes.Commands[i]
		if s.Path != "" && p.a.may(s.Verb) {
			out = append(out, suggestion{strings.ReplaceAll(s.Name, ".", " "), s.Help, s})
		}
	}
	return out
}

// matching are what the line may become.
func (p *palette) matching() []suggestion {
	typed := strings.ToLower(strings.TrimLeft(p.line(), " "))
	var out []suggestion
	for _, s := range p.allowed() {
		head := typed
		if s.spec != nil && len(head) > len(s.name) && strings.HasPrefix(head, s.name+" ") {
			head = s.name
		}
		if strings.HasPrefix(s.name, head) || s.spec != nil && strings.HasPrefix(s.spec.Name, head) {
			out = append(out, s)
		}
	}
	return out
}

// complete adds what all matches have in common: the rest of a name, or the name of a field.
func (p *palette) complete() {
	found := p.matching()
	if len(found) == 0 {
		return
	}
	line := p.line()
	name := found[0].name
	if strings.HasPrefix(line, name+" ") && len(found) == 1 && found[0].spec != nil {
		p.completeField(found[0].spec, line)
		return
	}
	for _, s := range found[1:] {
		name = common(name, s.name)
	}
	if len(found) == 1 && found[0].spec != nil {
		name += " "
	}
	if len(name) > len(line) {
		p.set("")
		p.form.Focused().Insert(name)
	}
}

// completeField adds the rest of the name of a field that is not on the line yet.
func (p *palette) completeField(s *mes.Spec, line string) {
	begun := line[strings.LastIndex(line, " ")+1:]
	if strings.HasSuffix(p.raw(), " ") {
		begun = ""
	}
	for _, f := range s.Fields() {
		if !f.InPath && strings.HasPrefix(f.Name, begun) && !strings.Contains(line, " "+f.Name+"=") {
			p.form.Focused().Edit("end")
			p.form.Focused().Insert(f.Name[len(begun):] + "=")
			return
		}
	}
}

// raw is the line with the spaces at its end.
func (p *palette) raw() string { return p.form.Focused().Raw() }

func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func (p *palette) Draw(r area) Frame {
	lines, x, y := p.form.Lines(r.width, 1)
	f := Frame{Lines: lines, Cursor: &tea.Position{X: x, Y: y}}
	found := p.matching()
	if len(found) == 0 {
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  " + p.a.say("palette.none"), Tone: widget.Warning}))
		return f
	}
	if len(found) == 1 {
		f.Lines = append(f.Lines, p.indented(capital(found[0].help), r, widget.Plain)...)
		s := found[0].spec
		if s == nil {
			return f
		}
		f.Lines = append(f.Lines, p.indented(s.Usage(), r, widget.Act)...)
		for _, field := range s.Fields() {
			if len(f.Lines) < r.height {
				f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  " + widget.Left(field.Name, min(16, r.width/2)), Tone: widget.Strong}, widget.Span{Text: " " + field.Doc, Tone: widget.Dim}))
			}
		}
		return f
	}
	f.Note = p.a.say("palette.note", len(found))
	for _, s := range found {
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: "  " + widget.Left(s.name, min(20, r.width-2)), Tone: widget.Strong}, widget.Span{Text: "  " + s.help, Tone: widget.Dim}))
	}
	return f
}

func (p *palette) indented(text string, r area, tone widget.Tone) []widget.Line {
	var out []widget.Line
	for _, l := range widget.Wrap(text, r.width-3, 3) {
		out = append(out, widget.Of(widget.Span{Text: "  " + l, Tone: tone}))
	}
	return out
}
