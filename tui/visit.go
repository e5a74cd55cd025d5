package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// welcome opens the first screen of a person.
func (a *App) welcome(actor mes.Actor, p *mes.Person) {
	a.visit++
	a.actor, a.person, a.locked = actor, p, false
	a.errand, a.typed, a.help, a.status = nil, nil, nil, status{}
	a.due = a.owed()
	a.stack = []Screen{a.first()}
}

// home is where a person begins: at a station and for operators what can be worked on, for maintenance the machines,
// for everybody else the orders.
func (a *App) home() Screen {
	works := len(a.actor.Scope(mes.WorkJobs)) > 0
	switch {
	case a.s.Station != nil:
		return newQueue(a)
	case a.actor.Has(mes.Maintenance) && !works:
		return newBoard(a)
	case works && !a.actor.Has(mes.Lead):
		return newQueue(a)
	}
	return newOrders(a)
}

// signedInMsg is the answer to a badge and its PIN.
type signedInMsg struct {
	asked  int
	actor  mes.Actor
	person *mes.Person
	err    error
}

// signedIn lets a person in: back to their own screens if they only were away, else to new ones.
func (a *App) signedIn(m signedInMsg) tea.Cmd {
	if m.asked != a.signin.asked {
		if m.err == nil {
			return a.signOutAs(m.actor, "gave up waiting")
		}
		return nil
	}
	a.signin.busy = false
	if m.err != nil {
		a.signin.again()
		a.fail(m.err)
		return nil
	}
	before, hadPerson := a.actor, a.person
	a.signin.reset()
	a.lastKey = a.now
	if hadPerson != nil && hadPerson.ID == m.person.ID && a.owed() == a.due {
		a.actor, a.person, a.locked = m.actor, m.person, false
		a.status = status{}
		return tea.Batch(a.signOutAs(before, "came back"), a.top().Load())
	}
	var out tea.Cmd
	if hadPerson != nil {
		out = a.signOutAs(before, "somebody else signed in")
	}
	a.welcome(m.actor, m.person)
	a.tell(widget.Normal, "say.welcome", m.person.Name)
	return tea.Batch(out, a.top().Load())
}

// lock hides everything until a badge and PIN are given. Drafts stay. An own connection has no station to give a PIN at,
// so there it asks whether to end.
func (a *App) lock() tea.Cmd {
	switch {
	case a.person == nil || a.locked:
		return nil
	case a.s.Station != nil:
		a.forget()
		a.locked, a.help, a.typed, a.status = true, nil, nil, status{}
		a.signin.reset()
		return nil
	}
	if s, asked := a.top().(*slip); asked && s.act != nil && len(s.form.Fields) == 0 {
		return nil
	}
	a.forget()
	a.help = nil
	return a.slip(&slip{title: a.say("title.leave"), send: a.say("key.sign_out"), about: []string{a.say("leave.about")},
		act: func() tea.Cmd { return a.leave("signed out", a.say("bye.left")) }})
}

// signOutNow ends the stay, so that the next person may come.
func (a *App) signOutNow() tea.Cmd {
	if a.person == nil {
		return nil
	}
	out := a.signOut("signed out")
	a.visit++
	a.actor, a.person, a.locked, a.stack = a.s.Actor, nil, false, nil
	a.signin.reset()
	a.tell(widget.Neutral, "say.signed_out")
	return out
}

func (a *App) signOut(how string) tea.Cmd { return a.signOutAs(a.actor, how) }

// signOutAs records that a stay ended.
func (a *App) signOutAs(actor mes.Actor, how string) tea.Cmd {
	record, parent := a.s.SignOut, a.s.Context
	if record == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, done := context.WithTimeout(context.WithoutCancel(parent), patience)
		defer done()
		record(ctx, actor, how)
		return nil
	}
}

// idle is how long this person may be away, 0 for ever. A board that somebody who may only look leaves open is a wall
// board.
func (a *App) idle() time.Duration {
	_, board := a.top().(*board)
	looks := !slices.ContainsFunc(a.actor.Grants, func(g mes.Grant) bool { return g.Role != mes.Viewer })
	switch {
	case a.s.Idle < 0, board && looks:
		return 0
	case a.s.Idle > 0:
		return a.s.Idle
	case len(a.actor.Scope(mes.ManageAccess)) > 0:
		return adminIdle
	}
	return operatorIdle
}

// watchIdle locks the screen of somebody who went away, or ends their own connection. Only keys count: a board that
// moves is nobody's presence.
func (a *App) watchIdle() tea.Cmd {
	if a.top() == Screen(a.signin) {
		a.signin.abandoned()
	}
	limit := a.idle()
	switch {
	case a.person == nil || a.locked || limit == 0 || a.now.Sub(a.lastKey) < limit:
		return nil
	case a.s.Station == nil:
		return a.leave("idle", a.say("bye.idle", span(limit)))
	}
	return a.lock()
}
