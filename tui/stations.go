package tui

import (
	"cmp"
	"context"
	"net"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// How a station stands.
var stationLooks = map[string]look{
	"enrolled": {"✓", widget.Normal, "station.enrolled"}, "invited": {"◇", widget.Act, "station.invited"},
	"keyless": {"○", widget.Warning, "station.keyless"}, "retired": {"✕", widget.Neutral, "station.retired"},
}

// stationStanding tells whether a station is known by a key, or by a code that still holds.
func stationStanding(s *mes.Station, now time.Time) string {
	switch {
	case s.Retired:
		return "retired"
	case s.Code != "" && now.Before(s.CodeUntil):
		return "invited"
	case len(s.Keys) > 0:
		return "enrolled"
	}
	return "keyless"
}

// stations lists the kiosks and handhelds of the plant.
type stations struct {
	roster[mes.Station]
}

func newStations(a *App) *stations {
	s := &stations{}
	s.roster = roster[mes.Station]{a: a, topics: []string{"station:"},
		fetch: func(ctx context.Context, app *mes.App, actor mes.Actor) ([]mes.Station, error) {
			return app.Stations(ctx, actor)
		},
		id: func(st *mes.Station) mes.ID { return st.ID },
		words: func(st *mes.Station) string {
			return strings.Join([]string{string(st.ID), st.Name, string(st.Line), string(st.Machine), strings.Join(st.Networks, " ")}, " ")
		},
		sieves: []sieve[mes.Station]{
			{"stations.used", func(st *mes.Station) bool { return !st.Retired }},
			{"stations.retired", func(st *mes.Station) bool { return st.Retired }},
			{"stations.all", nil},
		},
	}
	return s
}

func (s *stations) Title() string { return s.a.say("title.stations") }

func (s *stations) Actions() []Action {
	a, st := s.a, s.selected()
	places := a.may(mes.DefinePlant)
	var list []Action
	add := func(when bool, keys, label string, do func() tea.Cmd) {
		if when {
			list = append(list, on(keys, a.say(label), do))
		}
	}
	add(places && st != nil, "enter c", "key.change", func() tea.Cmd { return s.form(st) })
	add(a.may(mes.ManageAccess) && a.s.Desk != nil && st != nil && !st.Retired, "i", "key.invite", func() tea.Cmd { return s.invite(st) })
	add(a.may(mes.ManageAccess) && a.s.Desk != nil && st != nil && !st.Retired, "k", "key.add_key", func() tea.Cmd { return a.addSSHKey(st.ID, "", string(st.ID)+" · "+st.Name) })
	add(places, "a", "key.add", func() tea.Cmd { return s.form(nil) })
	add(places && st != nil && !st.Retired, "x", "key.retire", func() tea.Cmd { return s.retire(st) })
	return append(list, s.through()...)
}

// form asks for a new station, or for what is different about one.
func (s *stations) form(st *mes.Station) tea.Cmd {
	a := s.a
	fields := []*widget.Field{
		{Name: "code", Label: a.say("field.code"), Kind: widget.Text, Max: 40, Needed: true},
		{Name: "name", Label: a.say("field.name"), Kind: widget.Text, Max: 80, Needed: true},
		{Name: "line", Label: a.say("scope.line"), Kind: widget.Text, Max: 40, Needed: true},
		{Name: "machine", Label: a.say("scope.machine"), Kind: widget.Text, Max: 40},
		a.networksField(), a.reasonField(false),
	}
	title, send, about := "title.add_station", "key.add", "stations.add_about"
	if st != nil {
		title, send, about = "title.change_station", "key.change", "stations.change_about"
		fields = fields[1:]
	}
	f := &slip{title: a.say(title), send: a.say(send), about: []string{a.say(about)}, form: widget.Form{Fields: fields}}
	if st != nil {
		f.about = append([]string{string(st.ID)}, f.about...)
		for name, value := range map[string]string{"name": st.Name, "line": string(st.Line), "machine": string(st.Machine), "networks": strings.Join(st.Networks, ", ")} {
			f.form.Field(name).Preset(value)
		}
	}
	f.picks = a.scopePicks(&f.form)
	plant := a.plantCodes(f)
	f.build = func(form *widget.Form) mes.Command {
		c := &mes.EnrolStation{Code: mes.ID(form.Value("code")), Name: form.Value("name"), Line: mes.ID(form.Value("line")),
			Machine: mes.ID(form.Value("machine")), Networks: networksIn(form.Value("networks")), Reason: form.Value("reason")}
		if st != nil {
			c.Code, c.Retired = st.ID, st.Retired
		} else if s.known(c.Code) {
			a.tell(widget.Warning, "say.station_known", string(c.Code))
			form.FocusOn("code")
			return nil
		}
		if !plant.knows(form) {
			return nil
		}
		return c
	}
	return a.slip(f)
}

func (s *stations) known(code mes.ID) bool {
	for i := range s.all {
		if s.all[i].ID == code {
			return true
		}
	}
	return false
}

// invite makes the one-time code by which the station brings its SSH key.
func (s *stations) invite(st *mes.Station) tea.Cmd {
	a, code, name := s.a, st.ID, st.Name
	f := &slip{title: a.say("title.invite"), send: a.say("key.invite"), about: []string{string(code) + " · " + name, a.say("stations.invite_about")}}
	f.favour = func(*widget.Form) *favour {
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (string, error) {
				return d.InviteStation(ctx, actor, code)
			},
			given: func(secret string) tea.Cmd {
				return a.once(&once{title: f.title, about: a.say("once.station", string(code), name), secret: secret, line: a.joinLine(),
					next: []string{a.say("once.station_next", int(mes.InvitationFor.Minutes()))}})
			},
		}
	}
	return a.slip(f)
}

// joinLine is what to type at a station that is invited, at the door that this session came by.
func (a *App) joinLine() string {
	host, port, err := net.SplitHostPort(a.s.Door)
	switch {
	case err != nil:
		return "ssh enrol@" + a.say("stations.host")
	case port == "22":
		return "ssh enrol@" + host
	}
	return "ssh -p " + port + " enrol@" + host
}

func (s *stations) retire(st *mes.Station) tea.Cmd {
	a, code := s.a, st.ID
	return a.slip(&slip{title: a.say("title.retire"), send: a.say("key.retire"), about: []string{string(code) + " · " + st.Name, a.say("stations.retire_about")},
		form:  widget.Form{Fields: []*widget.Field{a.reasonField(true)}},
		build: func(f *widget.Form) mes.Command { return &mes.RetireStation{Station: code, Reason: f.Value("reason")} },
		done:  func(mes.Receipt) { a.tell(widget.Normal, "say.retired", string(code)) }})
}

func (s *stations) Draw(r area) Frame {
	a := s.a
	look := func(st *mes.Station) look { return lookOf(stationLooks, stationStanding(st, a.now)) }
	where := func(st *mes.Station) string {
		if st.Machine != "" {
			return string(st.Line) + " / " + string(st.Machine)
		}
		return string(st.Line)
	}
	return s.draw(r, a.say("stations.none"), func(r area, rows []*mes.Station) widget.Table {
		t := widget.Table{Columns: []widget.Column{
			{Title: a.say("col.station"), Width: 12}, {Title: a.say("col.state"), Width: 10}, {Title: a.say("col.line_machine"), Width: 17},
			{Title: a.say("col.name"), Width: 10, Flex: true}, {Title: a.say("col.networks"), Width: 15},
		}}
		if r.width < 80 {
			t.Columns = []widget.Column{t.Columns[0], {Title: t.Columns[1].Title, Width: shortState}, {Title: t.Columns[2].Title, Width: 10, Flex: true}}
		}
		for _, st := range rows {
			networks := strings.Join(st.Networks, ", ")
			if networks == "" {
				networks = a.say("network.any")
			}
			cells := []widget.Span{{Text: string(st.ID), Tone: widget.Strong}, a.state(look(st)), {Text: where(st)}, {Text: st.Name}, {Text: networks, Tone: widget.Dim}}
			if r.width < 80 {
				cells = []widget.Span{cells[0], a.short(look(st)), cells[2]}
			}
			t.Rows = append(t.Rows, cells)
		}
		return t
	}, func(st *mes.Station) [2][]widget.Span {
		return [2][]widget.Span{{{Text: string(st.ID), Tone: widget.Strong}}, {a.short(look(st)), {Text: " " + string(cmp.Or(st.Machine, st.Line)), Tone: widget.Dim}}}
	})
}
