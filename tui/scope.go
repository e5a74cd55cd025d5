package tui

import (
	"context"
	"slices"
	"strings"

	"gemba/mes"
	"gemba/tui/widget"

	tea "charm.land/bubbletea/v2"
)

// scopeParts are the fields of a grant's scope, in the order of a form. An empty one is any.
var scopeParts = []string{"site", "line", "family", "operation", "machine"}

// scopeFields ask where a grant holds. What is typed is checked against the codes of the plant; F4 lists them.
func (a *App) scopeFields(parts ...string) []*widget.Field {
	var out []*widget.Field
	for _, p := range parts {
		out = append(out, &widget.Field{Name: p, Label: a.say("scope." + p), Kind: widget.Text, Max: 40})
	}
	return out
}

// scopeOf is the scope that a form holds, with a role.
func scopeOf(f *widget.Form, role mes.Role) mes.Grant {
	return mes.Grant{Role: role, Site: mes.ID(f.Value("site")), Line: mes.ID(f.Value("line")), Family: f.Value("family"),
		Operation: f.Value("operation"), Machine: mes.ID(f.Value("machine"))}
}

// scopePicks gives the pick lists of the scope's fields. A list of lines holds those of the site that was typed, and so
// on.
func (a *App) scopePicks(f *widget.Form) map[string]func() tea.Cmd {
	picks := map[string]func() tea.Cmd{}
	for _, part := range scopeParts {
		if field := f.Field(part); field != nil {
			picks[part] = func() tea.Cmd {
				within := scopeOf(f, "")
				return a.pick(field, func(ctx context.Context, app *mes.App, actor mes.Actor) ([]widget.Option, error) {
					return scopeCodes(ctx, app, actor, part, within)
				})
			}
		}
	}
	return picks
}

// partLevels are the levels of equipment that parts of a scope name.
var partLevels = map[string]mes.Level{"site": mes.Site, "line": mes.WorkCentre, "machine": mes.WorkUnit}

// scopeCodes lists the codes that a part of a scope may hold within the other parts.
func scopeCodes(ctx context.Context, app *mes.App, actor mes.Actor, part string, within mes.Grant) ([]widget.Option, error) {
	level, equipment := partLevels[part]
	if !equipment {
		return productCodes(ctx, app, actor, part, within.Family)
	}
	all, err := app.Equipment(ctx, actor)
	var out []widget.Option
	for i := range all {
		e := &all[i]
		inside := (part == "site" || within.Site == "" || e.Site == within.Site) && (part != "machine" || within.Line == "" || e.Line == within.Line)
		if e.Level == level && inside {
			out = append(out, widget.Option{Value: string(e.ID), Label: e.Name})
		}
	}
	return out, err
}

// mostProducts bounds how many products are read to find the codes of their operations.
const mostProducts = 300

// productCodes lists the product lines, or the operations of the products of one of them.
func productCodes(ctx context.Context, app *mes.App, actor mes.Actor, part, family string) ([]widget.Option, error) {
	products, _, err := app.Products(ctx, actor, mes.Page{Limit: mostProducts})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i := range products {
		p := &products[i]
		switch {
		case part == "family" && p.Family != "":
			found[p.Family] = ""
		case part == "operation" && (family == "" || p.Family == family):
			revisions, err := app.Revisions(ctx, actor, p.ID)
			if err != nil {
				return nil, err
			}
			for _, rev := range revisions {
				for _, op := range rev.Routing {
					found[op.Code] = op.Name
				}
			}
		}
	}
	out := make([]widget.Option, 0, len(found))
	for code, name := range found {
		out = append(out, widget.Option{Value: code, Label: name})
	}
	slices.SortFunc(out, func(x, y widget.Option) int { return strings.Compare(x.Value, y.Value) })
	return out, nil
}

// scopeWords says where a grant holds, for people.
func (a *App) scopeWords(g mes.Grant) string {
	var parts []string
	for _, p := range []struct{ part, code string }{{"site", string(g.Site)}, {"line", string(g.Line)}, {"family", g.Family}, {"operation", g.Operation}, {"machine", string(g.Machine)}} {
		if p.code != "" {
			parts = append(parts, strings.ToLower(a.say("scope."+p.part))+" "+p.code)
		}
	}
	if len(parts) == 0 {
		return a.say("scope.everywhere")
	}
	return strings.Join(parts, " · ")
}

// plantCodes are the codes of the plant, against which a form is checked before it is sent: a scope that nothing is in
// would be of no use, and most likely is a slip of the finger.
type plantCodes struct {
	a    *App
	read question[[]mes.Equipment]
	all  []mes.Equipment
}

// plantCodes reads the plant for a form, now and when it changes.
func (a *App) plantCodes(s *slip) *plantCodes {
	c := &plantCodes{a: a}
	s.follows = func(topic string) bool { return strings.HasPrefix(topic, "equipment:") }
	s.fresh = func() tea.Cmd {
		return c.read.ask(a, func(ctx context.Context, app *mes.App, actor mes.Actor) ([]mes.Equipment, error) {
			return app.Equipment(ctx, actor)
		}, func(all []mes.Equipment) { c.all = all })
	}
	return c
}

// knows tells whether the equipment that the form names is there, where the form says; else it says what is not.
func (c *plantCodes) knows(f *widget.Form) bool {
	for _, part := range []string{"site", "line", "machine"} {
		code := f.Value(part)
		if code != "" && c.read.known && !c.has(mes.ID(code), partLevels[part], scopeOf(f, "")) {
			c.a.tell(widget.Warning, "say.no_code", strings.ToLower(f.Field(part).Label), code)
			f.FocusOn(part)
			return false
		}
	}
	return true
}

func (c *plantCodes) has(code mes.ID, level mes.Level, within mes.Grant) bool {
	return slices.ContainsFunc(c.all, func(e mes.Equipment) bool {
		return e.ID == code && e.Level == level && (within.Site == "" || e.Site == within.Site) && (within.Line == "" || e.Line == within.Line || level == mes.Site)
	})
}
