package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// A personRow is somebody in the list of people.
type personRow struct {
	mes.Person
	locked time.Time // until then wrong secrets keep them out, somewhere or everywhere; zero if not
}

// How an account stands.
var personLooks = map[string]look{
	"active": {"✓", widget.Normal, "person.active"}, "locked": {"!", widget.Warning, "person.locked"},
	"disabled": {"✕", widget.Fault, "person.disabled"},
}

// standing is how an account stands: a key of personLooks.
func standing(p *mes.Person, locked bool) string {
	switch {
	case p.Disabled:
		return "disabled"
	case locked:
		return "locked"
	}
	return "active"
}

// people lists the people of the plant with how their accounts stand.
type people struct {
	roster[personRow]
}

func newPeople(a *App) *people {
	p := &people{}
	isLocked := func(r *personRow) bool { return a.now.Before(r.locked) }
	p.roster = roster[personRow]{a: a, fetch: readPeople, topics: []string{"person:", "lockout:"},
		id: func(r *personRow) mes.ID { return r.ID },
		words: func(r *personRow) string {
			return string(r.Badge) + " " + r.Name + " " + strings.Join(roles(r.Grants), " ")
		},
		sieves: []sieve[personRow]{
			{"people.active", func(r *personRow) bool { return !r.Disabled }},
			{"people.locked", isLocked},
			{"people.disabled", func(r *personRow) bool { return r.Disabled }},
			{"people.all", nil},
		},
	}
	return p
}

// mostPages bounds how many pages of a list are read as a whole.
const mostPages = 20

// readAll reads a list page by page.
func readAll[T any](read func(mes.Page) ([]T, string, error)) ([]T, error) {
	var all []T
	page := mes.Page{Limit: 1000}
	for range mostPages {
		rows, next, err := read(page)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if next == "" {
			break
		}
		page.After = next
	}
	return all, nil
}

// readPeople reads everybody, and who is locked out.
func readPeople(ctx context.Context, app *mes.App, actor mes.Actor) ([]personRow, error) {
	all, err := readAll(func(p mes.Page) ([]mes.Person, string, error) { return app.People(ctx, actor, p) })
	if err != nil {
		return nil, err
	}
	var lockouts []mes.Lockout
	if len(actor.Scope(mes.UnlockPeople)) > 0 {
		lockouts, err = readAll(func(p mes.Page) ([]mes.Lockout, string, error) {
			return app.Lockouts(ctx, actor, mes.LockoutFilter{Page: p})
		})
	}
	until := map[mes.ID]time.Time{}
	for _, l := range lockouts {
		if l.Until.After(until[l.Person]) {
			until[l.Person] = l.Until
		}
	}
	rows := make([]personRow, len(all))
	for i, p := range all {
		rows[i] = personRow{p, until[p.ID]}
	}
	return rows, err
}

// roles are the roles of grants, each once, in the order they were given.
func roles(grants []mes.Grant) []string {
	var out []string
	seen := map[mes.Role]bool{}
	for _, g := range grants {
		if !seen[g.Role] {
			seen[g.Role] = true
			out = append(out, string(g.Role))
		}
	}
	return out
}

func (p *people) Title() string { return p.a.say("title.people") }

func (p *people) Actions() []Action {
	a := p.a
	list := []Action{on("enter", a.say("key.open"), p.open)}
	if a.may(mes.RegisterPeople) {
		list = append(list, on("a", a.say("key.add"), p.add))
	}
	return append(list, p.through()...)
}

func (p *people) open() tea.Cmd {
	row := p.selected()
	if row == nil {
		return nil
	}
	return p.a.open(newPerson(p.a, row.ID))
}

// known tells whether somebody has a badge.
func (p *people) known(badge string) bool {
	for i := range p.all {
		if string(p.all[i].Badge) == badge {
			return true
		}
	}
	return false
}

func (p *people) Draw(r area) Frame {
	a := p.a
	look := func(row *personRow) look { return lookOf(personLooks, standing(&row.Person, a.now.Before(row.locked))) }
	return p.draw(r, a.say("people.none"), func(r area, rows []*personRow) widget.Table {
		t := widget.Table{Columns: []widget.Column{
			{Title: a.say("col.badge"), Width: 10}, {Title: a.say("col.state"), Width: 10}, {Title: a.say("col.name"), Width: 20},
			{Title: a.say("col.roles"), Width: 12, Flex: true},
		}}
		if r.width < 80 {
			t.Columns = []widget.Column{{Title: a.say("col.badge"), Width: 8}, {Title: a.say("col.state"), Width: shortState}, {Title: a.say("col.name"), Width: 12, Flex: true}}
		}
		for _, row := range rows {
			cells := []widget.Span{{Text: string(row.Badge), Tone: widget.Strong}, a.state(look(row)), {Text: row.Name},
				{Text: strings.Join(roles(row.Grants), ", "), Tone: widget.Dim}}
			if r.width < 80 {
				cells = []widget.Span{cells[0], a.short(look(row)), cells[2]}
			}
			t.Rows = append(t.Rows, cells)
		}
		return t
	}, func(row *personRow) [2][]widget.Span {
		return [2][]widget.Span{{{Text: row.Name, Tone: widget.Strong}}, {a.short(look(row)), {Text: " " + string(row.Badge), Tone: widget.Dim}}}
	})
}
