package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// account is what belongs to who is signed in: what they may do, their secrets and keys, and where they are signed in.
type account struct {
	a      *App
	read   question[*mes.PersonDetail]
	detail *mes.PersonDetail
	list   widget.List
}

func newAccount(a *App) *account { return &account{a: a} }

func (c *account) Title() string { return c.a.say("title.account") }
func (c *account) Ready() bool   { return c.read.settled() }

func (c *account) Concerns(topic string) bool {
	kind, id, _ := strings.Cut(topic, ":")
	switch kind {
	case "person", "credential":
		return strings.HasPrefix(id, string(c.a.actor.Person))
	case "api_key", "ssh_key", "sign_in":
		return true
	}
	return false
}

func (c *account) Load() tea.Cmd {
	return c.read.ask(c.a, func(ctx context.Context, app *mes.App, actor mes.Actor) (*mes.PersonDetail, error) {
		return app.Account(ctx, actor)
	}, func(d *mes.PersonDetail) { c.detail = d })
}

// has tells whether there is a secret of a kind.
func (c *account) has(kind string) bool {
	return slices.ContainsFunc(c.detail.Secrets, func(s mes.SecretInfo) bool { return s.Kind == kind })
}

func (c *account) Actions() []Action {
	a := c.a
	back := on("f3 esc", a.say("key.back"), a.back)
	if c.detail == nil {
		return []Action{back}
	}
	var list []Action
	rows := c.rows()
	c.list.Len = len(rows)
	if n := c.list.Cursor; n < len(rows) && rows[n].do != nil {
		list = append(list, on("enter", rows[n].label, rows[n].do))
	}
	if a.s.Desk != nil && a.s.Station == nil { // a key is not added where somebody else may come to stand
		list = append(list, on("k", a.say("key.add_key"), func() tea.Cmd { return a.addSSHKey("", "", c.detail.Person.Name) }))
	}
	list = append(list, a.moves(&c.list)...)
	return append(list, back)
}

// rows are all that the account has, with what one may do about each.
func (c *account) rows() []accountRow {
	a, d := c.a, c.detail
	var rows []accountRow
	for _, s := range d.Secrets {
		row := a.secretRow(s)
		if s.Kind != mes.TOTP && a.s.Desk != nil {
			row.label, row.do = a.say("key.change"), func() tea.Cmd { return a.replaceSecret(s.Kind) }
		}
		rows = append(rows, row)
	}
	if !c.has(mes.TOTP) && a.s.Desk != nil {
		rows = append(rows, accountRow{section: "person.secrets", text: capital(a.say("secret.totp")), more: a.say("account.not_yet"), label: a.say("key.enrol"), do: a.enrol})
	}
	for _, k := range d.SSHKeys {
		row := a.sshKeyRow(k)
		if !k.Revoked {
			row.label, row.do = a.say("key.revoke"), func() tea.Cmd { return a.revokeOwn(k.ID, string(k.ID)) }
		}
		rows = append(rows, row)
	}
	for _, k := range d.Keys {
		row := a.apiKeyRow(k)
		if !k.Revoked {
			row.label, row.do = a.say("key.revoke"), func() tea.Cmd { return a.revokeOwn(k.ID, k.Name) }
		}
		rows = append(rows, row)
	}
	for _, g := range d.Person.Grants {
		rows = append(rows, accountRow{section: "person.rights", text: string(g.Role), more: a.scopeWords(g)})
	}
	for _, s := range d.Open {
		rows = append(rows, a.signInRow(s))
	}
	return rows
}

func (c *account) Draw(r area) Frame {
	a := c.a
	if c.detail == nil {
		if c.read.known {
			return a.empty(r, a.say("account.gone"))
		}
		return a.reading(r)
	}
	p := &c.detail.Person
	f := Frame{Note: a.say("person.note", string(p.Badge))}
	f.Lines = append(f.Lines, widget.Of(widget.Span{Text: " " + widget.Cut(p.Name, r.width-1), Tone: widget.Strong}))
	r.height--
	f.Lines = append(f.Lines, a.accountRows(c.rows(), &c.list, r)...)
	return f
}
