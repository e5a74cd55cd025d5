package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// An accessKey is a key by which somebody or something gets in: an API key, or an SSH key.
type accessKey struct {
	id       mes.ID
	ssh      bool
	name     string // what it is for, of an SSH key the comment in it
	kind     string // whose: person, machine, program or station
	whose    string // badge or code
	grants   []mes.Grant
	networks []string
	since    time.Time
	until    time.Time // zero: no end
	revoked  bool
}

// How a key stands.
var keyLooks = map[string]look{
	"live": {"✓", widget.Normal, "access.live"}, "expired": {"○", widget.Warning, "access.expired"}, "revoked": {"✕", widget.Neutral, "access.revoked"},
}

func (k *accessKey) standing(now time.Time) string {
	switch {
	case k.revoked:
		return "revoked"
	case !k.until.IsZero() && !now.Before(k.until):
		return "expired"
	}
	return "live"
}

// accessKeys lists API keys and SSH keys.
type accessKeys struct {
	roster[accessKey]
}

func newAccessKeys(a *App) *accessKeys {
	k := &accessKeys{}
	live := func(key *accessKey) bool { return key.standing(a.now) == "live" }
	k.roster = roster[accessKey]{a: a, fetch: readKeys, topics: []string{"api_key:", "ssh_key:"},
		id: func(key *accessKey) mes.ID { return key.id },
		words: func(key *accessKey) string {
			return strings.Join([]string{string(key.id), key.name, key.kind, key.whose, strings.Join(key.networks, " ")}, " ")
		},
		sieves: []sieve[accessKey]{
			{"keys.live", live},
			{"keys.api", func(key *accessKey) bool { return !key.ssh && live(key) }},
			{"keys.ssh", func(key *accessKey) bool { return key.ssh && live(key) }},
			{"keys.over", func(key *accessKey) bool { return !live(key) }},
			{"keys.all", nil},
		},
	}
	return k
}

// readKeys reads all keys, and the badges of those whose keys they are.
func readKeys(ctx context.Context, app *mes.App, actor mes.Actor) ([]accessKey, error) {
	api, err := readAll(func(p mes.Page) ([]mes.KeyInfo, string, error) { return app.Keys(ctx, actor, mes.KeyFilter{Page: p}) })
	if err != nil {
		return nil, err
	}
	ssh, err := app.SSHKeys(ctx, actor, mes.SSHKeyFilter{})
	if err != nil {
		return nil, err
	}
	badges := map[mes.ID]string{}
	if len(actor.Scope(mes.RegisterPeople)) > 0 {
		known, err := readAll(func(p mes.Page) ([]mes.Person, string, error) { return app.People(ctx, actor, p) })
		if err != nil {
			return nil, err
		}
		for i := range known {
			badges[known[i].ID] = string(known[i].Badge) + " " + known[i].Name
		}
	}
	whose := func(id mes.ID) string {
		return cmp.Or(badges[id], string(id))
	}
	var all []accessKey
	for _, k := range api {
		all = append(all, accessKey{id: k.ID, name: k.Name, kind: string(k.Kind), whose: whose(k.Principal), grants: k.Grants, networks: k.Networks,
			since: k.CreatedAt, until: k.ExpiresAt, revoked: k.Revoked})
	}
	slices.SortFunc(ssh, func(x, y mes.SSHKey) int {
		return strings.Compare(string(x.Station)+whose(x.Person), string(y.Station)+whose(y.Person))
	})
	for _, k := range ssh {
		key := accessKey{id: k.ID, ssh: true, name: comment(k.PublicKey), kind: "station", whose: string(k.Station), networks: k.Networks, since: k.CreatedAt, revoked: k.Revoked}
		if k.Person != "" {
			key.kind, key.whose = "person", whose(k.Person)
		}
		all = append(all, key)
	}
	return all, nil
}

// comment is what an authorized_keys line says about its key, after its type and the key itself.
func comment(line string) string {
	parts := strings.Fields(line)
	if len(parts) < 3 {
		return ""
	}
	return strings.Join(parts[2:], " ")
}

func (k *accessKeys) Title() string { return k.a.say("title.keys") }

func (k *accessKeys) Actions() []Action {
	a := k.a
	list := []Action{on("enter", a.say("key.open"), k.open)}
	if a.may(mes.ManageAccess) {
		if a.s.Desk != nil {
			list = append(list, on("a", a.say("key.issue"), func() tea.Cmd { return a.issueKey() }))
		}
		if key := k.selected(); key != nil && !key.revoked {
			list = append(list, on("x", a.say("key.revoke"), func() tea.Cmd { return a.revokeSlip(key.id, key.title(a)) }))
		}
	}
	return append(list, k.through()...)
}

func (k *accessKeys) open() tea.Cmd {
	key := k.selected()
	if key == nil {
		return nil
	}
	return k.a.open(&keyView{a: k.a, from: k, id: key.id})
}

// sort says what sort of key it is.
func (k *accessKey) sort(a *App) string {
	if k.ssh {
		return a.say("access.ssh")
	}
	return a.say("access.api")
}

// title is what a key is called where there is one line for it.
func (k *accessKey) title(a *App) string {
	return strings.TrimSpace(k.sort(a) + " · " + k.whose + " · " + k.name)
}

func (k *accessKeys) Draw(r area) Frame {
	a := k.a
	look := func(key *accessKey) look { return lookOf(keyLooks, key.standing(a.now)) }
	return k.draw(r, a.say("keys.none"), func(r area, rows []*accessKey) widget.Table {
		t := widget.Table{Columns: []widget.Column{
			{Title: a.say("col.sort"), Width: 4}, {Title: a.say("col.state"), Width: 9}, {Title: a.say("col.whose"), Width: 22},
			{Title: a.say("col.name"), Width: 12, Flex: true}, {Title: a.say("col.until"), Width: 10},
		}}
		if r.width < 80 {
			t.Columns = []widget.Column{t.Columns[0], {Title: t.Columns[1].Title, Width: shortState}, {Title: t.Columns[2].Title, Width: 12, Flex: true}}
		}
		for _, key := range rows {
			name := key.name
			if name == "" {
				name = string(key.id)
			}
			cells := []widget.Span{{Text: key.sort(a), Tone: widget.Dim}, a.state(look(key)), {Text: key.whose, Tone: widget.Strong}, {Text: name}, {Text: a.day(key.until), Tone: widget.Dim}}
			if r.width < 80 {
				cells = []widget.Span{cells[0], a.short(look(key)), cells[2]}
			}
			t.Rows = append(t.Rows, cells)
		}
		return t
	}, func(key *accessKey) [2][]widget.Span {
		return [2][]widget.Span{{{Text: key.whose, Tone: widget.Strong}}, {a.short(look(key)), {Text: " " + key.sort(a) + " " + key.name, Tone: widget.Dim}}}
	})
}

// keyView shows all that is known of one key. The key itself is known to nobody but its owner.
type keyView struct {
	a    *App
	from *accessKeys
	id   mes.ID
	list widget.List // of lines, for a window that they do not all fit into
}

func (v *keyView) Title() string              { return v.a.say("title.key") }
func (v *keyView) Ready() bool                { return v.from.Ready() }
func (v *keyView) Concerns(topic string) bool { return v.from.Concerns(topic) }
func (v *keyView) Load() tea.Cmd              { return v.from.Load() }

// key finds the key in what was read last, nil when it is gone.
func (v *keyView) key() *accessKey {
	for i := range v.from.all {
		if v.from.all[i].id == v.id {
			return &v.from.all[i]
		}
	}
	return nil
}

func (v *keyView) Actions() []Action {
	a, back := v.a, on("f3 esc", v.a.say("key.back"), v.a.back)
	var list []Action
	if key := v.key(); key != nil && !key.revoked && a.may(mes.ManageAccess) {
		list = append(list, on("x", a.say("key.revoke"), func() tea.Cmd { return a.revokeSlip(key.id, key.title(a)) }))
	}
	return append(append(list, a.moves(&v.list)...), back)
}

func (v *keyView) Draw(r area) Frame {
	a, key := v.a, v.key()
	if key == nil {
		return a.empty(r, a.say("keys.gone"))
	}
	l := lookOf(keyLooks, key.standing(a.now))
	f := Frame{Note: key.sort(a), Lines: []widget.Line{widget.Of(widget.Span{Text: " " + l.glyph + " " + a.say(l.key) + " ", Tone: l.tone.Badge()},
		widget.Span{Text: "  " + key.name, Tone: widget.Strong})}}
	networks := strings.Join(key.networks, ", ")
	if networks == "" {
		networks = a.say("network.any")
	}
	until := a.say("access.no_end")
	if !key.until.IsZero() {
		until = a.moment(key.until)
	}
	facts := [][2]string{{"access.whose", key.kind + " " + key.whose}, {"access.id", string(key.id)}, {"access.since", a.moment(key.since)},
		{"access.until", until}, {"access.networks", networks}}
	for _, g := range key.grants {
		facts = append(facts, [2]string{"access.may", string(g.Role) + " · " + a.scopeWords(g)})
	}
	f.Lines = append(f.Lines, a.facts(r, facts)...)
	v.list.Len = len(f.Lines)
	from, to := v.list.Window(r.height)
	f.Lines = f.Lines[from:to]
	return f
}

// facts are lines of a label and a text; on a narrow window the text is below its label.
func (a *App) facts(r area, facts [][2]string) []widget.Line {
	var lines []widget.Line
	for _, fact := range facts {
		label := a.say(fact[0])
		if r.narrow() {
			lines = append(lines, widget.Of(widget.Span{Text: label, Tone: widget.Dim}))
			for _, l := range pieces(fact[1], r.width-1) {
				lines = append(lines, widget.Of(widget.Span{Text: " " + l}))
			}
			continue
		}
		for i, l := range pieces(fact[1], r.width-16) {
			if i > 0 {
				label = ""
			}
			lines = append(lines, widget.Of(widget.Span{Text: "  " + widget.Left(label, 12), Tone: widget.Dim}, widget.Span{Text: " " + l}))
		}
	}
	return lines
}
