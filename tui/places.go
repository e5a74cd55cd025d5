package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A place is a screen that one can go to from everywhere, by the menu and by its word on the command line.
type place struct {
	word  string
	title string     // key in the catalogue
	about string     // key of one line that says what is there
	verbs []mes.Verb // one of these opens it
	open  func(a *App) Screen
	there mes.Verb // who holds this one has the same elsewhere, and not in the menu
}

// places are listed in the order of the menu.
func places() []place {
	return []place{
		{word: "queue", title: "title.queue", about: "place.queue", verbs: []mes.Verb{mes.ViewFloor}, open: func(a *App) Screen { return newQueue(a) }},
		{word: "orders", title: "title.orders", about: "place.orders", verbs: []mes.Verb{mes.ViewFloor}, open: func(a *App) Screen { return newOrders(a) }},
		{word: "machines", title: "title.board", about: "place.board", verbs: []mes.Verb{mes.ViewFloor}, open: func(a *App) Screen { return newBoard(a) }},
		{word: "people", title: "title.people", about: "place.people", verbs: []mes.Verb{mes.RegisterPeople}, open: func(a *App) Screen { return newPeople(a) }},
		{word: "keys", title: "title.keys", about: "place.keys", verbs: []mes.Verb{mes.ManageAccess}, open: func(a *App) Screen { return newAccessKeys(a) }},
		{word: "stations", title: "title.stations", about: "place.stations", verbs: []mes.Verb{mes.DefinePlant, mes.ManageAccess, mes.ViewLedger}, open: func(a *App) Screen { return newStations(a) }},
		{word: "unlock", title: "title.unlock", about: "place.unlock", verbs: []mes.Verb{mes.UnlockPeople}, open: func(a *App) Screen { return newUnlock(a) }, there: mes.RegisterPeople},
		{word: "logs", title: "title.logs", about: "place.logs", verbs: []mes.Verb{mes.ViewLedger}, open: func(a *App) Screen { return newLogs(a) }},
		{word: "trace", title: "title.trace", about: "place.trace", verbs: []mes.Verb{mes.ViewLedger}, open: func(a *App) Screen { return newTrace(a) }},
		{word: "account", title: "title.account", about: "place.account", verbs: []mes.Verb{mes.OwnAccount}, open: func(a *App) Screen { return newAccount(a) }},
	}
}

// may tells whether the actor holds one of the verbs anywhere.
func (a *App) may(verbs ...mes.Verb) bool {
	return slices.ContainsFunc(verbs, func(v mes.Verb) bool { return len(a.actor.Scope(v)) > 0 })
}

// reachable are the places that the actor may go to.
func (a *App) reachable() []place {
	return slices.DeleteFunc(places(), func(p place) bool { return !a.may(p.verbs...) })
}

// listed are the places that the menu shows.
func (a *App) listed() []place {
	return slices.DeleteFunc(a.reachable(), func(p place) bool { return p.there != "" && a.may(p.there) })
}

// menu lists the places, each with a digit.
type menu struct {
	a    *App
	list widget.List
}

func newMenu(a *App) *menu { return &menu{a: a} }

func (m *menu) Title() string        { return m.a.say("title.menu") }
func (m *menu) Load() tea.Cmd        { return nil }
func (m *menu) Ready() bool          { return true }
func (m *menu) Concerns(string) bool { return false }

func (m *menu) Actions() []Action {
	a, all := m.a, m.a.listed()
	m.list.Len = len(all)
	list := []Action{on("enter", a.say("key.open"), func() tea.Cmd { return a.goTo(all[m.list.Cursor].open(a)) })}
	for i, p := range all[:min(len(all), 9)] {
		list = append(list, quietly(itoa(i+1), a.say(p.title), func() tea.Cmd { return a.goTo(p.open(a)) }))
	}
	list = append(list, a.moves(&m.list)...)
	return append(list, on("f3 esc", a.say("key.back"), a.back))
}

func (m *menu) Draw(r area) Frame {
	a, all := m.a, m.a.listed()
	m.list.Len = len(all)
	from, to := m.list.Window(r.height)
	var f Frame
	for i := from; i < to; i++ {
		digit := " "
		if i < 9 {
			digit = itoa(i + 1)
		}
		spans := []widget.Span{{Text: digit + " ", Tone: widget.Dim}, {Text: a.say(all[i].title), Tone: widget.Strong}}
		if !r.narrow() {
			spans[1].Text = widget.Left(spans[1].Text, 16)
			spans = append(spans, widget.Span{Text: " " + a.say(all[i].about), Tone: widget.Dim})
		}
		f.Lines = append(f.Lines, a.markLine(i == m.list.Cursor, spans...))
	}
	return f
}
