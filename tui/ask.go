package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A question is something that a screen reads from the floor, over and over. One reading is under way at a time; when
// more changes come meanwhile, one more follows after a breath.
type question[T any] struct {
	number int // of the newest asking; older answers are dropped
	asking bool
	again  bool
	known  bool // something has been read
}

// settled tells whether what was read is what there is, as far as is known: nothing is being read just now.
func (q *question[T]) settled() bool { return q.known && !q.asking }

// answerMsg is an answer on its way back to who asked.
type answerMsg struct{ take func(a *App) tea.Cmd }

// againMsg asks once more.
type againMsg struct{ ask func() tea.Cmd }

// ask reads in a command and hands the answer to take, in Update. A reading that the store could not answer is tried
// again; any other error is shown.
func (q *question[T]) ask(a *App, read func(context.Context, *mes.App, mes.Actor) (T, error), take func(T)) tea.Cmd {
	if q.asking {
		q.again = true
		return nil
	}
	q.number++
	q.asking = true
	return q.send(a, read, take)
}

// askAnew drops what is under way: what is wanted is something else now.
func (q *question[T]) askAnew(a *App, read func(context.Context, *mes.App, mes.Actor) (T, error), take func(T)) tea.Cmd {
	q.asking, q.again = false, false
	return q.ask(a, read, take)
}

func (q *question[T]) send(a *App, read func(context.Context, *mes.App, mes.Actor) (T, error), take func(T)) tea.Cmd {
	number, visit, app, actor, parent := q.number, a.visit, a.s.App, a.actor, a.s.Context
	back := func(value T, err error) func(*App) tea.Cmd {
		return func(a *App) tea.Cmd {
			if number != q.number || visit != a.visit {
				return nil
			}
			q.asking = false
			repeat := againMsg{func() tea.Cmd {
				if visit != a.visit {
					return nil
				}
				return q.ask(a, read, take)
			}}
			switch {
			case mes.ErrorCode(err) == mes.Unavailable || mes.ErrorCode(err) == mes.Busy:
				a.tell(widget.Warning, "say.still_reading")
				return a.after(retryAfter, repeat)
			case err != nil:
				q.known = true
				a.fail(err)
				return nil
			}
			if a.status.key == "say.still_reading" {
				a.status = status{}
			}
			q.known = true
			take(value)
			if q.again {
				q.again = false
				return a.after(breath, repeat)
			}
			return nil
		}
	}
	return func() tea.Msg {
		ctx, done := context.WithTimeout(parent, patience)
		defer done()
		value, err := read(ctx, app, actor)
		return answerMsg{back(value, err)}
	}
}
