package tui

import (
	"context"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// longestKey is how many days an API key lasts at most, and usualKey how many if nobody says otherwise.
const longestKey, usualKey = 400, 365

// networksField asks from where something may come.
func (a *App) networksField() *widget.Field {
	return &widget.Field{Name: "networks", Label: a.say("field.networks"), Kind: widget.Text, Max: 400}
}

// networksIn splits what was typed at commas and spaces.
func networksIn(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' })
}

// issueKey asks whose a new API key is to be, and what it may do. A person's key may do what the person may; a machine's
// is for that machine alone.
func (a *App) issueKey() tea.Cmd {
	kinds := []widget.Option{}
	for _, k := range []mes.ActorKind{mes.ByMachine, mes.ByProgram, mes.ByPerson} {
		kinds = append(kinds, widget.Option{Value: string(k), Label: a.say("principal." + string(k))})
	}
	days := &widget.Field{Name: "days", Label: a.say("field.days"), Kind: widget.Quantity, Max: 3, Needed: true}
	days.Preset(strconv.Itoa(usualKey))
	all := []*widget.Field{
		{Name: "kind", Label: a.say("field.kind"), Kind: widget.Choice, Options: kinds},
		{Name: "whose", Label: a.say("field.whose"), Kind: widget.Text, Max: 40, Needed: true},
		{Name: "name", Label: a.say("field.purpose"), Kind: widget.Text, Max: 80, Needed: true},
		a.roleField(),
	}
	all[3].Preset(string(mes.Feeder))
	all = append(append(all, a.scopeFields(scopeParts...)...), a.networksField(), days, a.reasonField(false))

	s := &slip{title: a.say("title.issue"), send: a.say("key.issue"), form: widget.Form{Fields: all}}
	s.picks = a.scopePicks(&s.form)
	s.picks["whose"] = func() tea.Cmd {
		kind := mes.ActorKind(s.form.Value("kind"))
		if kind == mes.ByProgram {
			a.tell(widget.Neutral, "say.choose_code")
			return nil
		}
		return a.pick(s.form.Field("whose"), func(ctx context.Context, app *mes.App, actor mes.Actor) ([]widget.Option, error) {
			if kind == mes.ByMachine {
				return scopeCodes(ctx, app, actor, "machine", mes.Grant{})
			}
			return badges(ctx, app, actor)
		})
	}
	plant := a.plantCodes(s)
	// asked are the fields that a kind of key has.
	s.adjust = func(f *widget.Form) {
		kind := mes.ActorKind(f.Value("kind"))
		s.about = []string{a.say("keyfor." + string(kind))}
		f.Fields = nil
		for _, field := range all {
			scope := partOfScope(field.Name)
			if kind == mes.ByPerson && (scope || field.Name == "role") || kind == mes.ByMachine && scope {
				continue
			}
			f.Fields = append(f.Fields, field)
		}
	}
	s.adjust(&s.form)
	s.favour = func(f *widget.Form) *favour {
		c := mes.IssueKey{Kind: mes.ActorKind(f.Value("kind")), Name: f.Value("name"), Networks: networksIn(f.Value("networks")),
			Days: int(f.Number("days")), Reason: f.Value("reason")}
		whose := mes.ID(f.Value("whose"))
		if c.Days < 1 || c.Days > longestKey {
			a.tell(widget.Warning, "say.days", longestKey)
			f.FocusOn("days")
			return nil
		}
		switch c.Kind {
		case mes.ByPerson:
			c.Person = whose
		case mes.ByMachine:
			if plant.read.known && !plant.has(whose, mes.WorkUnit, mes.Grant{}) {
				a.tell(widget.Warning, "say.no_code", strings.ToLower(a.say("scope.machine")), string(whose))
				f.FocusOn("whose")
				return nil
			}
			c.Principal, c.Grants = whose, []mes.Grant{{Role: mes.Role(f.Value("role")), Machine: whose}}
		default:
			if !plant.knows(f) {
				return nil
			}
			c.Principal, c.Grants = whose, []mes.Grant{scopeOf(f, mes.Role(f.Value("role")))}
		}
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (string, error) { return d.IssueKey(ctx, actor, c) },
			given: func(key string) tea.Cmd {
				return a.once(&once{title: s.title, about: a.say("once.key", a.say("principal."+string(c.Kind)), string(whose), c.Name), secret: key,
					next: []string{a.say("once.key_next", c.Days)}})
			},
		}
	}
	return a.slip(s)
}

func partOfScope(name string) bool {
	_, equipment := partLevels[name]
	return equipment || name == "family" || name == "operation"
}

// badges lists everybody who is active.
func badges(ctx context.Context, app *mes.App, actor mes.Actor) ([]widget.Option, error) {
	all, err := readAll(func(p mes.Page) ([]mes.Person, string, error) { return app.People(ctx, actor, p) })
	var out []widget.Option
	for i := range all {
		if !all[i].Disabled {
			out = append(out, widget.Option{Value: string(all[i].Badge), Label: all[i].Name})
		}
	}
	return out, err
}
