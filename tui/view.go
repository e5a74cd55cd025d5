package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// View draws the window: header, title, body, status, keys. Every line is exactly as wide as the window.
func (a *App) View() tea.View {
	if a.farewell != "" {
		var words strings.Builder
		for _, l := range widget.Wrap(a.farewell, max(a.width, 1), max(a.height, 1)) {
			words.WriteString(a.paint.Paint(widget.Say(l), max(a.width, 1)) + "\n")
		}
		return tea.NewView(words.String())
	}
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = "gemba"
	c := classOf(a.width, a.height)
	if c == tooSmall {
		words := a.say("view.too_small")
		if widget.Width(words) > a.width {
			words = a.say("view.too_narrow")
		}
		v.SetContent(a.paint.Paint(widget.Say(words), max(a.width, 1)))
		return v
	}
	lines, cursor := a.compose(c)
	rows := make([]string, len(lines))
	for i, l := range lines {
		rows[i] = a.paint.Paint(l, a.width)
	}
	v.SetContent(strings.Join(rows, "\n"))
	if cursor != nil && cursor.X < a.width && cursor.Y < a.height {
		v.Cursor = tea.NewCursor(cursor.X, cursor.Y)
		v.Cursor.Blink = false
	}
	return v
}

// compose lays out the window.
func (a *App) compose(c class) ([]widget.Line, *tea.Position) {
	roomy := c == half || c == term || c == wall
	most := map[class]int{hand: 6, strip: 1, half: 3, term: 2, wall: 2}[c]
	messages := a.status.lines(a.width-1, max(min(most, a.height-4), 1))
	if roomy {
		for i := range messages {
			messages[i].Spans = append([]widget.Span{{Text: " "}}, messages[i].Spans...)
		}
	}
	bar := a.keyBar()
	var foot []widget.Line
	switch {
	case c == strip && len(messages) > 0:
		foot = messages
	case c == strip:
		foot = []widget.Line{bar}
	default:
		if len(messages) == 0 {
			messages = []widget.Line{widget.Blank}
		}
		foot = append(messages, bar)
	}
	top := 1
	if roomy {
		top = 2
	}
	r := area{a.width, max(a.height-top-len(foot), 0), c}
	var f Frame
	if a.help != nil {
		f = a.help.draw(r)
	} else {
		f = a.top().Draw(r)
	}
	lines := []widget.Line{a.header(c)}
	if roomy {
		title := widget.Of(widget.Span{Text: " " + a.title() + "  ", Tone: widget.Strong})
		note := widget.Cut(f.Note, max(a.width-title.Width()-1, 0))
		lines = append(lines, widget.Spread(title, widget.Of(widget.Span{Text: note + " ", Tone: widget.Dim}), a.width))
	}
	body := f.Lines[:min(len(f.Lines), r.height)]
	lines = append(lines, body...)
	for range r.height - len(body) {
		lines = append(lines, widget.Blank)
	}
	lines = append(lines, foot...)
	if f.Cursor != nil && f.Cursor.Y < r.height {
		f.Cursor.Y += top
		return lines, f.Cursor
	}
	return lines, nil
}

func (a *App) title() string {
	if a.help != nil {
		return a.say("title.help", a.top().Title())
	}
	return a.top().Title()
}

// header says where one is, who, and what time it is. On a narrow screen the title is what is left of it.
func (a *App) header(c class) widget.Line {
	clock := a.now.In(a.s.Zone).Format("15:04:05")
	if c == hand {
		right := []widget.Span{{Text: " " + clock[:5], Tone: widget.Bar}}
		if a.person != nil {
			who := shortName(a.person.Name, a.width-widget.Width(a.title())-len(" 15:04")-1)
			right = append([]widget.Span{{Text: " " + who, Tone: widget.BarDim}}, right...)
		}
		return widget.Spread(widget.Of(widget.Span{Text: a.title(), Tone: widget.Bar}), widget.Of(right...), a.width)
	}
	if c == strip {
		left := []widget.Span{{Text: " " + a.title(), Tone: widget.Bar}}
		if a.person != nil {
			left = append(left, widget.Span{Text: " · " + a.person.Name, Tone: widget.BarDim})
		}
		return widget.Spread(widget.Of(left...), widget.Of(widget.Span{Text: " " + clock + " ", Tone: widget.Bar}), a.width)
	}
	left := []widget.Span{{Text: " gemba", Tone: widget.Bar}}
	add := func(s string, t widget.Tone) {
		left = append(left, widget.Span{Text: " · ", Tone: widget.BarDim}, widget.Span{Text: s, Tone: t})
	}
	if st := a.s.Station; st != nil {
		where := string(st.ID)
		if c >= term && st.Name != "" {
			where += " " + st.Name
		}
		add(where, widget.BarDim)
	}
	switch {
	case a.person != nil && a.locked:
		add(a.person.Name+" ("+a.say("view.away")+")", widget.BarDim)
	case a.person != nil:
		add(a.person.Name, widget.Bar)
	default:
		add(a.say("view.nobody"), widget.BarDim)
	}
	return widget.Spread(widget.Of(left...), widget.Of(widget.Span{Text: " " + clock + " ", Tone: widget.Bar}), a.width)
}

// shortName writes a person's name into a width: in full, or with the first name as a letter, or as two letters, which
// are shown whatever the width.
func shortName(name string, width int) string {
	words := strings.Fields(widget.Clean(name))
	if widget.Width(name) <= width || len(words) == 0 {
		return name
	}
	letter := func(word string) string { return string([]rune(word)[:1]) }
	first, last := words[0], words[len(words)-1]
	if len(words) == 1 {
		return widget.Cut(first, max(width, 2))
	}
	if short := letter(first) + "." + last; widget.Width(short) <= width {
		return short
	}
	return letter(first) + letter(last)
}

// keyBar shows what the keys do here, as many as fit; the help has the others.
func (a *App) keyBar() widget.Line {
	var list []Action
	if a.help != nil {
		list = a.help.actions()
	} else {
		list = a.top().Actions()
	}
	signedIn := a.person != nil && !a.locked
	tail := widget.Line{}
	if signedIn && a.help == nil {
		tail = widget.Of(widget.Span{Text: "?", Tone: widget.Key}, widget.Span{Text: " " + a.say("key.keys"), Tone: widget.Plain})
		if _, typing := typingOn(a.top()); typing {
			tail.Spans[0].Text = "F1"
		}
	}
	line := widget.Line{}
	if a.width >= 40 {
		line.Spans = append(line.Spans, widget.Span{Text: " "})
	}
	margin := len(line.Spans)
	room := a.width - tail.Width() - margin
	for _, act := range list {
		if act.Quiet {
			continue
		}
		name := keyName(act.Keys[0])
		need := widget.Width(name) + 1 + widget.Width(act.Label) + 2
		if room < need && len(line.Spans) == margin && len(tail.Spans) > 1 {
			tail.Spans = tail.Spans[:1] // what Enter does is worth more than a label
			room = a.width - tail.Width() - margin
		}
		if room < need {
			break
		}
		room -= need
		line.Spans = append(line.Spans, widget.Span{Text: name, Tone: widget.Key}, widget.Span{Text: " " + act.Label + "  ", Tone: widget.Plain})
	}
	line.Spans = append(line.Spans, tail.Spans...)
	return line
}
