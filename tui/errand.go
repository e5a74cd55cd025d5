package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// An errand is something on its way to be done. A command keeps its id over every try, so that however often it is sent
// it is done once.
type errand struct {
	run     func(context.Context) (next func() tea.Cmd, err error) // next is called in Update when it was done
	once    bool                                                   // not to be sent again by itself
	visit   int
	tries   int
	dropped bool // nobody waits for it any more

	command mes.Command                   // that is sent, nil for what is asked of the desk
	by      func(actor mes.Actor) *errand // the same command under the same id, of somebody who has proven who they are
}

type (
	errandMsg struct {
		errand *errand
		next   func() tea.Cmd
		err    error
	}
	retryMsg struct{ errand *errand }
)

// do sends a command under an id, unless a scanner asked for it or something else is to be done first. Keys wait until the
// answer is there. done is called in Update when it was done.
func (a *App) do(id mes.ID, c mes.Command, done func(mes.Receipt) tea.Cmd) tea.Cmd {
	if a.errand != nil || a.bound() || !a.unhurried() {
		return nil
	}
	app, visit := a.s.App, a.visit
	var by func(actor mes.Actor) *errand
	by = func(actor mes.Actor) *errand {
		return &errand{visit: visit, command: c, by: by, run: func(ctx context.Context) (func() tea.Cmd, error) {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			receipt, err := app.Do(ctx, actor, id, c)
			return func() tea.Cmd {
				if done == nil {
					return nil
				}
				return done(receipt)
			}, err
		}}
	}
	a.errand = by(a.actor)
	return a.send(a.errand)
}

func (a *App) send(e *errand) tea.Cmd {
	if e.dropped {
		return nil
	}
	parent := a.s.Context
	return func() tea.Msg {
		next, err := e.run(parent)
		return errandMsg{e, next, err}
	}
}

// errandBack takes the answer to a command. As long as it is not known whether it was done it is sent again.
func (a *App) errandBack(m errandMsg) tea.Cmd {
	e := m.errand
	code := mes.ErrorCode(m.err)
	if (code == mes.Unavailable || code == mes.Busy) && !e.dropped && !e.once {
		e.tries++
		if a.errand == e {
			a.typed = nil
			a.tell(widget.Warning, "say.still_trying", e.tries)
		}
		return a.after(retryAfter, retryMsg{e})
	}
	if a.errand == e {
		a.errand = nil
	}
	if e.visit != a.visit || e.dropped {
		return nil
	}
	if code == mes.Unsigned && e.by != nil && a.s.Desk != nil && a.person != nil && !a.locked {
		a.typed = nil
		return a.sign(e)
	}
	if m.err != nil {
		a.fail(m.err)
		return nil
	}
	a.status = status{}
	next := m.next()
	if a.locked {
		a.status = status{} // what was booked is nobody's business now
	}
	return next
}

// giveUp stops waiting for the answer to a command. What it was sent for may have happened; the form that sent it
// keeps its id.
func (a *App) giveUp() {
	if a.errand != nil {
		a.errand.dropped = true
		a.errand = nil
		a.tell(widget.Warning, "say.gave_up")
	}
	a.typed = nil
}
