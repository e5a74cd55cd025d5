package tui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// An accountRow is one line about an account: what it is, since or until when, and what Enter does with it.
type accountRow struct {
	section string // key of the heading that it stands under
	text    string
	more    string // at the right, or below on a narrow window
	tone    widget.Tone
	label   string // of Enter, empty when it does nothing
	do      func() tea.Cmd
}

// accountRows draws rows under their headings, as many as fit around the one that the keys act on.
func (a *App) accountRows(rows []accountRow, list *widget.List, r area) []widget.Line {
	list.Len = len(rows)
	list.Move(0)
	var lines []widget.Line
	at, section := 0, ""
	for i, row := range rows {
		if row.section != section {
			section = row.section
			lines = append(lines, widget.Of(widget.Span{Text: " " + a.say(section), Tone: widget.Dim}))
		}
		lit := i == list.Cursor
		if lit {
			at = len(lines)
		}
		if r.narrow() {
			lines = append(lines, a.markLine(lit, widget.Span{Text: row.text, Tone: row.tone}))
			for _, l := range widget.Wrap(row.more, r.width-4, 3) {
				lines = append(lines, widget.Line{Lit: lit, Spans: []widget.Span{{Text: "    " + l, Tone: widget.Dim}}})
			}
			continue
		}
		more := widget.Cut(row.more, r.width/2)
		room := max(r.width-4-widget.Width(more), 8)
		lines = append(lines, a.markLine(lit, widget.Span{Text: widget.Left(row.text, room), Tone: row.tone}, widget.Span{Text: " " + more, Tone: widget.Dim}))
	}
	from := max(min(at-r.height/2, len(lines)-r.height), 0)
	return lines[from:min(from+r.height, len(lines))]
}

// person is one account with all that belongs to it, and a key for what may be done about it.
type person struct {
	a      *App
	id     mes.ID
	read   question[*mes.PersonDetail]
	detail *mes.PersonDetail
	list   widget.List
}

func newPerson(a *App, id mes.ID) *person { return &person{a: a, id: id} }

func (p *person) Title() string {
	if p.detail == nil {
		return p.a.say("title.person", "")
	}
	return p.a.say("title.person", string(p.detail.Person.Badge))
}

func (p *person) Ready() bool { return p.read.settled() }

// Concerns is all that belongs to an account. Keys and sign-ins do not say whose they are.
func (p *person) Concerns(topic string) bool {
	kind, id, _ := strings.Cut(topic, ":")
	switch kind {
	case "person", "credential":
		return strings.HasPrefix(id, string(p.id))
	case "lockout", "api_key", "ssh_key", "sign_in":
		return true
	}
	return false
}

func (p *person) Load() tea.Cmd {
	id := p.id
	return p.read.ask(p.a, func(ctx context.Context, app *mes.App, actor mes.Actor) (*mes.PersonDetail, error) {
		return app.Person(ctx, actor, id)
	}, func(d *mes.PersonDetail) { p.detail, p.id = d, d.Person.ID })
}

// locked tells until when wrong secrets keep the person out somewhere; zero if they do not.
func (p *person) locked() time.Time {
	var until time.Time
	for _, l := range p.detail.Lockouts {
		if l.Until.After(p.a.now) && l.Until.After(until) {
			until = l.Until
		}
	}
	return until
}

// manages tells whether the actor may change this account: all that it may do is within their own reach. Nobody changes
// their own here.
func (p *person) manages() bool {
	reach := p.a.actor.Scope(mes.ManageAccess)
	beyond := slices.ContainsFunc(p.detail.Person.Grants, func(g mes.Grant) bool { return !reach.Reaches(g) })
	return len(reach) > 0 && !beyond && p.detail.Person.ID != p.a.actor.Person
}

// unlocks tells whether the actor may let this person try again.
func (p *person) unlocks() bool {
	reach := p.a.actor.Scope(mes.UnlockPeople)
	return len(reach) > 0 && !slices.ContainsFunc(p.detail.Person.Grants, func(g mes.Grant) bool { return !reach.Reaches(g) })
}

// Actions are what the account's standing and the actor's grants allow.
func (p *person) Actions() []Action {
	a := p.a
	back := on("f3 esc", a.say("key.back"), a.back)
	if p.detail == nil {
		return []Action{back}
	}
	var list []Action
	add := func(when bool, keys, label string, do func() tea.Cmd) {
		if when {
			list = append(list, on(keys, a.say(label), do))
		}
	}
	rows := p.rows()
	p.list.Len = len(rows)
	if n := p.list.Cursor; n < len(rows) && rows[n].do != nil {
		list = append(list, on("enter", rows[n].label, rows[n].do))
	}
	manages := p.manages()
	if !p.locked().IsZero() && p.unlocks() {
		list = append(list, Action{Keys: []string{"u"}, Label: a.say("key.unlock"), Do: p.unlock, Quiet: rows[p.list.Cursor].section == "person.lockouts"})
	}
	add(manages && p.detail.Person.Disabled, "d", "key.enable", p.enable)
	add(manages, "g", "key.grant", p.grant)
	add(manages && a.s.Desk != nil, "w", "key.reset_password", func() tea.Cmd { return p.reset(mes.Password) })
	add(manages && a.s.Desk != nil, "n", "key.reset_pin", func() tea.Cmd { return p.reset(mes.PIN) })
	add(manages && a.s.Desk != nil, "k", "key.add_key", func() tea.Cmd { return a.addSSHKey("", p.id, p.detail.Person.Name) })
	add(manages && !p.detail.Person.Disabled, "d", "key.disable", p.disable)
	add(manages || p.detail.Person.ID == a.actor.Person && a.may(mes.ManageAccess) || a.may(mes.RegisterPeople) && len(p.detail.Person.Grants) == 0, "c", "key.change", p.rename)
	list = append(list, a.moves(&p.list)...)
	return append(list, back)
}

// rows are all that the account has, with what may be done about each.
func (p *person) rows() []accountRow {
	a, d := p.a, p.detail
	manages := p.manages()
	when := func(ok bool, r accountRow, label string, do func() tea.Cmd) accountRow {
		if ok {
			r.label, r.do = a.say(label), do
		}
		return r
	}
	var rows []accountRow
	for _, l := range d.Lockouts {
		if l.Until.After(a.now) {
			rows = append(rows, when(p.unlocks(), a.lockoutRow(l), "key.unlock", p.unlock))
		}
	}
	for _, s := range d.Secrets {
		row := a.secretRow(s)
		if s.Kind == mes.TOTP {
			row = when(manages, row, "key.remove", func() tea.Cmd { return p.remove(s.Kind) })
		} else {
			row = when(manages && a.s.Desk != nil, row, "key.reset", func() tea.Cmd { return p.reset(s.Kind) })
		}
		rows = append(rows, row)
	}
	for _, g := range d.Person.Grants {
		rows = append(rows, when(manages, accountRow{section: "person.rights", text: string(g.Role), more: a.scopeWords(g), tone: widget.Strong},
			"key.ungrant", func() tea.Cmd { return p.ungrant(g) }))
	}
	if len(d.Person.Grants) == 0 {
		rows = append(rows, accountRow{section: "person.rights", text: a.say("person.no_rights")})
	}
	for _, k := range d.SSHKeys {
		rows = append(rows, when(manages && !k.Revoked, a.sshKeyRow(k), "key.revoke", func() tea.Cmd { return a.revokeSlip(k.ID, string(k.ID)) }))
	}
	for _, k := range d.Keys {
		rows = append(rows, when(manages && !k.Revoked, a.apiKeyRow(k), "key.revoke", func() tea.Cmd { return a.revokeSlip(k.ID, k.Name) }))
	}
	for _, s := range d.Open {
		rows = append(rows, a.signInRow(s))
	}
	return rows
}

// lockoutRow says where somebody is locked out, and until when.
func (a *App) lockoutRow(l mes.Lockout) accountRow {
	where := a.say("person.everywhere")
	if l.Source != "" {
		where = a.say("person.from", l.Source)
	}
	until := a.say("person.until", a.moment(l.Until))
	if !l.Until.Before(mes.UntilUnlocked) {
		until = a.say("person.until_unlocked")
	}
	return accountRow{section: "person.lockouts", text: "! " + where, more: until, tone: widget.Warning}
}

// secretRow says which secret there is and since when. A one-time secret says until when it can be used.
func (a *App) secretRow(s mes.SecretInfo) accountRow {
	row := accountRow{section: "person.secrets", text: capital(a.say("secret." + s.Kind)), more: a.say("person.since", a.moment(s.SetAt))}
	switch {
	case s.OneTime && a.now.Before(s.ExpiresAt):
		row.more = a.say("person.one_time", a.moment(s.ExpiresAt))
	case s.OneTime:
		row.more, row.tone = a.say("person.one_time_over"), widget.Warning
	}
	return row
}

func (a *App) sshKeyRow(k mes.SSHKey) accountRow {
	row := accountRow{section: "person.ssh_keys", text: string(k.ID), more: a.say("person.since", a.moment(k.CreatedAt))}
	if k.Revoked {
		row.more, row.tone = "✕ "+a.say("access.revoked"), widget.Dim
	}
	return row
}

func (a *App) apiKeyRow(k mes.KeyInfo) accountRow {
	row := accountRow{section: "person.keys", text: k.Name + " · " + string(k.ID), more: a.say("person.until", a.moment(k.ExpiresAt))}
	switch {
	case k.Revoked:
		row.more, row.tone = "✕ "+a.say("access.revoked"), widget.Dim
	case !a.now.Before(k.ExpiresAt):
		row.more, row.tone = "○ "+a.say("access.expired"), widget.Dim
	}
	return row
}

// signInRow says where somebody is signed in.
func (a *App) signInRow(s mes.SignIn) accountRow {
	where := string(s.Station)
	if where == "" {
		where = s.Source
	}
	return accountRow{section: "person.open", text: where + " · " + s.Method, more: a.say("person.since", a.moment(s.From))}
}

func (p *person) Draw(r area) Frame {
	a := p.a
	if p.detail == nil {
		if p.read.known {
			return a.empty(r, a.say("person.gone"))
		}
		return a.reading(r)
	}
	d := p.detail
	l := lookOf(personLooks, standing(&d.Person, !p.locked().IsZero()))
	f := Frame{Note: a.say("person.note", string(d.Person.Badge))}
	badge := widget.Span{Text: " " + l.glyph + " " + a.say(l.key) + " ", Tone: l.tone.Badge()}
	if r.narrow() {
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: widget.Cut(d.Person.Name, r.width), Tone: widget.Strong}),
			widget.Of(widget.Span{Text: widget.Left(badge.Text, r.width), Tone: badge.Tone}))
	} else {
		f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " "}, badge, widget.Span{Text: "  " + d.Person.Name, Tone: widget.Strong}))
	}
	r.height -= len(f.Lines)
	f.Lines = append(f.Lines, a.accountRows(p.rows(), &p.list, r)...)
	return f
}
