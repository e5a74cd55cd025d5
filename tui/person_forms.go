package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// languages are those that a person may choose; the first one is the plant's own.
var languages = []string{"", "en", "de"}

// givenRoles are the roles that people can be given, the most common first.
var givenRoles = []mes.Role{mes.Operator, mes.Lead, mes.Planner, mes.Quality, mes.Maintenance, mes.Engineer, mes.Approver, mes.Viewer,
	mes.Auditor, mes.Admin, mes.Feeder, mes.Historian}

// roleField chooses a role.
func (a *App) roleField(first ...widget.Option) *widget.Field {
	options := first
	for _, r := range givenRoles {
		options = append(options, widget.Option{Value: string(r), Label: string(r)})
	}
	return &widget.Field{Name: "role", Label: a.say("field.role"), Kind: widget.Choice, Options: options}
}

// personFields ask for what a person is called.
func (a *App) personFields() []*widget.Field {
	var spoken []widget.Option
	for _, l := range languages {
		spoken = append(spoken, widget.Option{Value: l, Label: a.say("language." + l)})
	}
	return []*widget.Field{
		{Name: "name", Label: a.say("field.name"), Kind: widget.Text, Max: 80, Needed: true},
		{Name: "language", Label: a.say("field.language"), Kind: widget.Choice, Options: spoken},
	}
}

// add asks for a new person. Who is known already is not written over.
func (p *people) add() tea.Cmd {
	a := p.a
	fields := append([]*widget.Field{{Name: "badge", Label: a.say("field.badge"), Kind: widget.Text, Max: 40, Needed: true}}, a.personFields()...)
	manages := a.may(mes.ManageAccess)
	if manages {
		fields = append(fields, a.roleField(widget.Option{Label: a.say("role.none")}))
	}
	s := &slip{title: a.say("title.add_person"), send: a.say("key.add"), about: []string{a.say("people.add_about")},
		form: widget.Form{Fields: append(fields, a.reasonField(false))}, follows: p.Concerns, fresh: p.Load}
	s.build = func(f *widget.Form) mes.Command {
		badge := f.Value("badge")
		if p.known(badge) {
			a.tell(widget.Warning, "say.badge_known", badge)
			f.FocusOn("badge")
			return nil
		}
		c := &mes.RegisterPerson{Badge: mes.ID(badge), Name: f.Value("name"), Language: f.Value("language"), Reason: f.Value("reason")}
		if role := f.Value("role"); role != "" {
			c.Grants = []mes.Grant{{Role: mes.Role(role)}}
		}
		return c
	}
	s.done = func(mes.Receipt) { a.tell(widget.Normal, "say.added", s.form.Value("name")) }
	return a.slip(s)
}

// slip opens a form about the person.
func (p *person) slip(title, send string, about string, build func(f *widget.Form) mes.Command, fields ...*widget.Field) *slip {
	a := p.a
	return &slip{title: a.say(title), send: a.say(send), about: []string{p.detail.Person.Name + " · " + string(p.detail.Person.Badge), about},
		form: widget.Form{Fields: fields}, build: build, done: func(mes.Receipt) { a.tell(widget.Normal, "say.done", a.say(title)) }}
}

// rename changes what a person is called. What they may do, and their skills, stay.
func (p *person) rename() tea.Cmd {
	d := &p.detail.Person
	fields := append(p.a.personFields(), p.a.reasonField(false))
	fields[0].Preset(d.Name)
	fields[1].Preset(d.Language)
	return p.a.slip(p.slip("title.change_person", "key.change", "", func(f *widget.Form) mes.Command {
		return &mes.RegisterPerson{Badge: d.Badge, Name: f.Value("name"), Language: f.Value("language"), Grants: d.Grants, Skills: d.Skills,
			Tending: d.Tending, Disabled: d.Disabled, Reason: f.Value("reason")}
	}, fields...))
}

func (p *person) disable() tea.Cmd {
	return p.a.slip(p.slip("title.disable", "key.disable", p.a.say("person.disable_about"), func(f *widget.Form) mes.Command {
		return &mes.DisablePerson{Person: p.id, Reason: f.Value("reason")}
	}, p.a.reasonField(true)))
}

func (p *person) enable() tea.Cmd {
	return p.a.slip(p.slip("title.enable", "key.enable", p.a.say("person.enable_about"), func(f *widget.Form) mes.Command {
		return &mes.EnablePerson{Person: p.id, Reason: f.Value("reason")}
	}, p.a.reasonField(true)))
}

func (p *person) unlock() tea.Cmd {
	return p.a.slip(p.slip("title.unlock", "key.unlock", p.a.say("person.unlock_about"), func(f *widget.Form) mes.Command {
		return &mes.UnlockPerson{Person: p.id, Reason: f.Value("reason")}
	}, p.a.reasonField(true)))
}

// reset gives the person a one-time password or PIN, by kind.
func (p *person) reset(kind string) tea.Cmd {
	a := p.a
	what := a.say("secret." + kind)
	s := p.slip("title.reset", "key.reset", a.say("person.reset_about", what), nil, a.reasonField(true))
	s.title = a.say("title.reset", what)
	s.favour = func(f *widget.Form) *favour {
		reason := f.Value("reason")
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (string, error) {
				return d.Reset(ctx, actor, p.id, kind, reason)
			},
			given: func(secret string) tea.Cmd {
				return a.once(&once{title: s.title, about: a.say("once.reset", what, p.detail.Person.Name, string(p.detail.Person.Badge)), secret: secret,
					next: []string{a.say("once.reset_next", int(mes.OneTimeFor.Minutes()))}})
			},
		}
	}
	return a.slip(s)
}

// remove takes a PIN or the one-time codes away.
func (p *person) remove(kind string) tea.Cmd {
	s := p.slip("title.remove", "key.remove", p.a.say("person.remove_about"), func(f *widget.Form) mes.Command {
		return &mes.RemoveSecret{Person: p.id, Kind: kind, Reason: f.Value("reason")}
	}, p.a.reasonField(true))
	s.title = p.a.say("title.remove", p.a.say("secret."+kind))
	return p.a.slip(s)
}

// grant gives the person one more role within a scope.
func (p *person) grant() tea.Cmd {
	a := p.a
	fields := append([]*widget.Field{a.roleField()}, a.scopeFields(scopeParts...)...)
	s := p.slip("title.grant", "key.grant", a.say("person.grant_about"), nil, append(fields, a.reasonField(true))...)
	s.picks = a.scopePicks(&s.form)
	plant := a.plantCodes(s)
	s.build = func(f *widget.Form) mes.Command {
		g := scopeOf(f, mes.Role(f.Value("role")))
		if !plant.knows(f) {
			return nil
		}
		if slices.Contains(p.detail.Person.Grants, g) {
			a.tell(widget.Warning, "say.has_role", string(g.Role), a.scopeWords(g))
			return nil
		}
		return &mes.GrantRole{Person: p.id, Role: g.Role, Site: g.Site, Line: g.Line, Family: g.Family, Operation: g.Operation, Machine: g.Machine, Reason: f.Value("reason")}
	}
	return a.slip(s)
}

// ungrant takes a role away, within exactly its scope.
func (p *person) ungrant(g mes.Grant) tea.Cmd {
	return p.a.slip(p.slip("title.ungrant", "key.ungrant", string(g.Role)+" · "+p.a.scopeWords(g), func(f *widget.Form) mes.Command {
		return &mes.UngrantRole{Person: p.id, Role: g.Role, Site: g.Site, Line: g.Line, Family: g.Family, Operation: g.Operation, Machine: g.Machine, Reason: f.Value("reason")}
	}, p.a.reasonField(true)))
}

// revokeSlip ends a key, with a reason.
func (a *App) revokeSlip(key mes.ID, what string) tea.Cmd {
	return a.slip(&slip{title: a.say("title.revoke"), send: a.say("key.revoke"), about: []string{what, a.say("keys.revoke_about")},
		form:  widget.Form{Fields: []*widget.Field{a.reasonField(true)}},
		build: func(f *widget.Form) mes.Command { return &mes.RevokeKey{Key: key, Reason: f.Value("reason")} },
		done:  func(mes.Receipt) { a.tell(widget.Normal, "say.revoked", strings.TrimSpace(what)) }})
}
