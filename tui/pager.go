package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// pagerRows is how many rows of a long list are read at a time.
const pagerRows = 100

// pageOf is one page of a list, and the cursor of the next.
type pageOf[T any] struct {
	rows []T
	next string
}

// A pager shows a list that is too long to be read as a whole, newest first. It moves only when it is asked to: what
// somebody is reading must not slip away under what comes in.
type pager[T any] struct {
	a      *App
	fetch  func(ctx context.Context, app *mes.App, actor mes.Actor, page mes.Page) ([]T, string, error)
	read   question[pageOf[T]]
	page   pageOf[T]
	list   widget.List
	before []string // cursors of the pages before this one
	after  string   // cursor of this page
}

func (p *pager[T]) Ready() bool          { return p.read.settled() }
func (p *pager[T]) Concerns(string) bool { return false }
func (p *pager[T]) Load() tea.Cmd        { return p.read.ask(p.a, p.reader(), p.take) }

func (p *pager[T]) reader() func(context.Context, *mes.App, mes.Actor) (pageOf[T], error) {
	fetch, page := p.fetch, mes.Page{After: p.after, Limit: pagerRows}
	return func(ctx context.Context, app *mes.App, actor mes.Actor) (pageOf[T], error) {
		rows, next, err := fetch(ctx, app, actor, page)
		return pageOf[T]{rows, next}, err
	}
}

func (p *pager[T]) take(page pageOf[T]) {
	p.page, p.list.Len = page, len(page.rows)
	p.list.Move(0)
}

// look reads another part of the list.
func (p *pager[T]) look() tea.Cmd {
	p.read.known = false
	return p.read.askAnew(p.a, p.reader(), p.take)
}

// again reads from the beginning: the filter is another one.
func (p *pager[T]) again() tea.Cmd {
	p.before, p.after, p.list.Cursor = nil, "", 0
	return p.look()
}

// row is the one that the keys act on, nil while there is none.
func (p *pager[T]) row() *T {
	if p.list.Cursor >= len(p.page.rows) {
		return nil
	}
	return &p.page.rows[p.list.Cursor]
}

// moves are the keys that go through the list, from page to page.
func (p *pager[T]) moves() []Action {
	list := p.a.moves(&p.list)
	for i := range list {
		switch list[i].Keys[0] {
		case "pgdown":
			list[i].Do = p.down
		case "pgup":
			list[i].Do = p.up
		}
	}
	return list
}

func (p *pager[T]) down() tea.Cmd {
	if p.list.Cursor < p.list.Len-1 || p.page.next == "" {
		p.list.Move(p.list.Page())
		return nil
	}
	p.before = append(p.before, p.after)
	p.after, p.list.Cursor = p.page.next, 0
	return p.look()
}

func (p *pager[T]) up() tea.Cmd {
	if p.list.Cursor > 0 || len(p.before) == 0 {
		p.list.Move(-p.list.Page())
		return nil
	}
	p.after = p.before[len(p.before)-1]
	p.before = p.before[:len(p.before)-1]
	return p.look()
}

// where says which page is seen, if there is more than one.
func (p *pager[T]) where() string {
	if len(p.before) == 0 && p.page.next == "" {
		return ""
	}
	more := ""
	if p.page.next != "" {
		more = "+"
	}
	return p.a.say("orders.page", len(p.before)+1) + more
}

// none says that there is nothing to see, and what to do when a filter may be why.
func (p *pager[T]) none(filtered bool) string {
	if filtered {
		return p.a.say("pager.none_left")
	}
	return p.a.say("pager.none")
}
