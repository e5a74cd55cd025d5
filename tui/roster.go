package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A sieve is one of the parts of a roster that can be looked at.
type sieve[T any] struct {
	key  string // in the catalogue
	keep func(*T) bool
}

// A roster is a list that is short enough to be read as a whole: people, keys, stations. It is searched while the search
// is typed, and sieved.
type roster[T any] struct {
	a      *App
	fetch  func(ctx context.Context, app *mes.App, actor mes.Actor) ([]T, error)
	id     func(*T) mes.ID // by which the cursor stays where it is
	words  func(*T) string // what the search looks in
	sieves []sieve[T]      // the first one is shown at first
	topics []string        // kinds of changes that concern it, like "person:"
	// taken is called when it was read, if set.
	taken func()

	read   question[[]T]
	all    []T
	shown  []*T
	sieve  int
	list   widget.List
	search widget.Form
	typing bool // the search has the focus
}

func (l *roster[T]) Ready() bool  { return l.read.settled() }
func (l *roster[T]) Draft() bool  { return false }
func (l *roster[T]) Typing() bool { return l.typing }

func (l *roster[T]) Concerns(topic string) bool {
	for _, t := range l.topics {
		if strings.HasPrefix(topic, t) {
			return true
		}
	}
	return false
}

func (l *roster[T]) Load() tea.Cmd {
	if l.search.Fields == nil {
		l.search.Fields = []*widget.Field{{Name: "search", Label: l.a.say("field.search"), Kind: widget.Text, Max: 40}}
	}
	return l.read.ask(l.a, l.fetch, func(all []T) {
		l.all = all
		if l.taken != nil {
			l.taken()
		}
		l.sift()
	})
}

// sift shows what the search and the sieve leave, with the cursor on what it was on. It tells whether that is still there.
func (l *roster[T]) sift() (still bool) {
	var on mes.ID
	if s := l.selected(); s != nil {
		on = l.id(s)
	}
	l.shown = nil
	wanted := strings.Fields(strings.ToLower(l.searched()))
	for i := range l.all {
		row := &l.all[i]
		if len(l.sieves) > 0 && l.sieves[l.sieve].keep != nil && !l.sieves[l.sieve].keep(row) {
			continue
		}
		if containsAll(strings.ToLower(l.words(row)), wanted) {
			if l.id(row) == on {
				l.list.Cursor, still = len(l.shown), true
			}
			l.shown = append(l.shown, row)
		}
	}
	l.list.Len = len(l.shown)
	l.list.Move(0)
	return still
}

// find sifts for something else than before: the first row that is found is acted on, unless the last one is among them.
func (l *roster[T]) find() {
	if !l.sift() {
		l.list.Cursor = 0
	}
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (l *roster[T]) searched() string { return l.search.Value("search") }

// selected is the row that the keys act on, nil while there is none.
func (l *roster[T]) selected() *T {
	if l.list.Cursor >= len(l.shown) {
		return nil
	}
	return l.shown[l.list.Cursor]
}

// through are the keys that go through the roster.
func (l *roster[T]) through() []Action {
	a := l.a
	list := append(a.moves(&l.list), on("/", a.say("key.search"), func() tea.Cmd { l.typing = true; return nil }))
	if n := len(l.sieves); n > 1 {
		turn := func(by int) func() tea.Cmd {
			return func() tea.Cmd {
				l.sieve = (l.sieve + by) % n
				l.find()
				return nil
			}
		}
		list = append(list, on("f", a.say("key.filter"), turn(1)), quietly("F", a.say("key.filter_back"), turn(n-1)))
	}
	return append(list, quietly("f3 esc", a.say("key.back"), l.back))
}

// back leaves the search first, then the screen.
func (l *roster[T]) back() tea.Cmd {
	if l.searched() == "" {
		return l.a.back()
	}
	l.search.Focused().Edit("f2")
	l.sift()
	return nil
}

func (l *roster[T]) Type(text string) tea.Cmd { return l.outcome(l.search.Type(text)) }

func (l *roster[T]) Edit(key string) (tea.Cmd, bool) {
	switch key {
	case "esc", "f3":
		l.typing = false
		l.search.Focused().Edit("f2")
		l.sift()
		return nil, true
	case "down", "up", "pgdown", "pgup": // the search ends where the list begins
		l.typing = false
		return nil, false
	}
	out := l.search.Key(key)
	return l.outcome(out), out != widget.Ignored
}

func (l *roster[T]) outcome(out widget.Outcome) tea.Cmd {
	l.find()
	switch out {
	case widget.Send:
		l.typing = false
	case widget.Refused:
		return l.a.refuse(l.search.Focused().Refused())
	}
	return nil
}

// draw puts rows below the search: a table, or on a narrow window two lines for each row. none says that there are none.
func (l *roster[T]) draw(r area, none string, table func(r area, rows []*T) widget.Table, narrow func(*T) [2][]widget.Span) Frame {
	a := l.a
	var notes []string
	if len(l.sieves) > 1 {
		notes = append(notes, a.say(l.sieves[l.sieve].key))
	}
	if s := l.searched(); s != "" {
		notes = append(notes, "/"+s)
	}
	f := Frame{}
	if l.read.known {
		notes = append(notes, itoa(len(l.shown)))
	}
	f.Note = strings.Join(notes, " · ")
	if l.typing {
		lines, x, y := l.search.Lines(r.width, 1)
		f.Lines, f.Cursor = lines, &tea.Position{X: x, Y: y}
		r.height--
	}
	switch {
	case !l.read.known:
		f.Lines = append(f.Lines, a.reading(r).Lines...)
	case len(l.shown) == 0:
		f.Lines = append(f.Lines, a.empty(r, none).Lines...)
	case r.narrow():
		from, to := l.list.Window(r.height / 2)
		for i := from; i < to; i++ {
			lit, two := i == l.list.Cursor, narrow(l.shown[i])
			f.Lines = append(f.Lines, a.markLine(lit, two[0]...),
				widget.Line{Lit: lit, Spans: append([]widget.Span{{Text: "  "}}, two[1]...)})
		}
	default:
		from, to := l.list.Window(r.height - 1)
		t := table(r, l.shown[from:to]) // of thousands only what is seen is laid out
		f.Lines = append(f.Lines, t.Head(r.width))
		for i := range t.Rows {
			f.Lines = append(f.Lines, t.Line(i, r.width, from+i == l.list.Cursor))
		}
	}
	return f
}
