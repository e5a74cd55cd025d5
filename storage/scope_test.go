package storage

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gemba/mes"
)

// plantOfTwo is a floor with a second site, and of everything something on either side.
func plantOfTwo(t *testing.T, s *Store) *floor {
	f := newFloor(t, s)
	setup := mes.System("setup", "setup")
	for _, c := range []mes.Command{
		&mes.DefineEquipment{Code: "S2", Name: "South", Level: mes.Site},
		&mes.DefineEquipment{Code: "L2", Name: "Line 2", Level: mes.WorkCentre, Parent: "S2"},
		&mes.DefineEquipment{Code: "L3", Name: "Line 3", Level: mes.WorkCentre, Parent: "S1"},
		&mes.DefineEquipment{Code: "M2", Name: "Press", Level: mes.WorkUnit, Parent: "L2"},
		&mes.DefineEquipment{Code: "M3", Name: "Saw", Level: mes.WorkUnit, Parent: "L1"},
		&mes.DefineProduct{Code: "P2", Name: "Pump", Family: "pumps"},
		&mes.DraftRevision{Product: "P2", Rev: "A", Routing: []mes.RoutingOperation{{Seq: 10, Code: "PRESS", Name: "Press", Line: "L2"}}},
		&mes.SubmitRevision{Product: "P2", Rev: "A"},
	} {
		f.do(setup, c)
	}
	f.do(approver, &mes.ReleaseRevision{Product: "P2", Rev: "A"})
	for i, station := range []mes.ID{"K1", "K2", "K3"} {
		f.do(setup, &mes.EnrolStation{Code: station, Name: "Kiosk", Line: mes.ID(fmt.Sprint("L", i+1))})
		f.do(setup, &mes.AddSSHKey{Fingerprint: "SHA256:" + station, PublicKey: "ssh-ed25519 AAAA", Station: station})
	}
	for i, grants := range [][]mes.Grant{
		nil, {{Role: mes.Operator}}, {{Role: mes.Operator, Site: "S1"}}, {{Role: mes.Operator, Site: "S2"}}, {{Role: mes.Lead, Line: "L1"}, {Role: mes.Viewer, Line: "L2"}},
		{{Role: mes.Quality, Family: "pumps"}}, {{Role: mes.Operator, Site: "S1", Operation: "TURN"}}, {{Role: mes.Viewer, Machine: "M2"}},
	} {
		badge := mes.ID(fmt.Sprint("B", i))
		f.do(setup, &mes.RegisterPerson{Badge: badge, Name: "Person", Grants: grants})
		f.do(setup, &mes.AddSSHKey{Fingerprint: "SHA256:" + badge, PublicKey: "ssh-ed25519 AAAA", Person: badge})
		f.do(setup, &mes.IssueKey{ID: "k" + badge, Kind: mes.ByPerson, Name: "script", Person: badge, Hash: "h"})
		f.do(setup, &mes.IssueKey{ID: "p" + badge, Kind: mes.ByProgram, Name: "program", Grants: grants, Hash: "h"})
		door := mes.Actor{Kind: mes.BySystem, ID: "door", Source: fmt.Sprint("192.0.2.", i), Grants: []mes.Grant{{Role: mes.Kiosk}}}
		if i%2 == 0 {
			door.Station = mes.ID(fmt.Sprint("K", i/2%3+1))
		}
		f.do(door, &mes.FailSignIn{Person: badge, Kind: mes.PIN, Reason: "wrong"})
		f.do(door, &mes.SignInPerson{Person: badge, Method: mes.ByOwnKey})
	}
	for i := range 5 {
		number := mes.ID(fmt.Sprint(1001 + i))
		f.do(lead, &mes.CreateOrder{Number: string(number), Product: mes.ID(fmt.Sprint("P", i%2+1)), Quantity: 5})
		f.do(lead, &mes.ReleaseOrder{Order: number})
	}
	for order, person := range map[mes.ID]mes.ID{"1001": "B1", "1002": "B2"} {
		var given struct{ Session mes.ID }
		if err := json.Unmarshal(f.do(lead, &mes.StartJob{Order: order, Operation: "10", Person: person}).Result, &given); err != nil {
			t.Fatal(err)
		}
		f.do(lead, &mes.ReportJob{Order: order, Operation: "10", Session: given.Session, Good: 1})
	}
	return f
}

// What the database shows within a scope is what the domain says is in it: no more and no less.
func TestScope_isTheSameInTheDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		plantOfTwo(t, s)
		ctx, all, page := t.Context(), everywhere, mes.Page{Limit: 1000}
		people, _, err := s.People(ctx, all, page)
		if err != nil || len(people) < 8 {
			t.Fatal(people, err)
		}
		grants := map[mes.ID][]mes.Grant{}
		for _, p := range people {
			grants[p.ID] = p.Grants
		}
		stations := map[mes.ID]mes.Place{}
		list, err := s.Stations(ctx, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			stations[k.ID] = k.Place()
		}
		rapid.Check(t, func(rt *rapid.T) {
			var scope mes.Scope
			for range rapid.IntRange(0, 3).Draw(rt, "grants") {
				pick := func(name string, of ...string) string {
					return rapid.SampledFrom(append([]string{"", "", "elsewhere"}, of...)).Draw(rt, name)
				}
				scope = append(scope, mes.Grant{
					Role: mes.Admin, Site: mes.ID(pick("site", "S1", "S2")), Line: mes.ID(pick("line", "L1", "L2")), Family: pick("family", "valves", "pumps"),
					Operation: pick("operation", "TURN", "PRESS"), Machine: mes.ID(pick("machine", "M1", "M2")),
				})
			}
			same(rt, scope, "people", func(s1 mes.Scope) ([]mes.Person, error) { l, _, err := s.People(ctx, s1, page); return l, err },
				func(p *mes.Person) (mes.ID, bool) { return p.ID, scope.Meets(p.Grants) })
			same(rt, scope, "equipment", func(s1 mes.Scope) ([]mes.Equipment, error) { return s.EquipmentList(ctx, s1) },
				func(e *mes.Equipment) (mes.ID, bool) { return e.ID, scope.Covers(e.Place()) })
			same(rt, scope, "board", func(s1 mes.Scope) ([]mes.MachineTile, error) { return s.Board(ctx, s1, "") },
				func(m *mes.MachineTile) (mes.ID, bool) {
					return m.Machine, scope.Covers(mes.Place{Site: m.Site, Line: m.Line, Machine: m.Machine})
				})
			same(rt, scope, "stations", func(s1 mes.Scope) ([]mes.Station, error) { return s.Stations(ctx, s1) },
				func(k *mes.Station) (mes.ID, bool) { return k.ID, scope.Covers(k.Place()) })
			same(rt, scope, "products", func(s1 mes.Scope) ([]mes.Product, error) { l, _, err := s.Products(ctx, s1, page); return l, err },
				func(p *mes.Product) (mes.ID, bool) { return p.ID, scope.Covers(mes.Place{Family: p.Family}) })
			same(rt, scope, "orders", func(s1 mes.Scope) ([]mes.OrderSummary, error) {
				l, _, err := s.Orders(ctx, mes.OrderFilter{Scope: s1, Page: page})
				return l, err
			}, func(o *mes.OrderSummary) (mes.ID, bool) {
				return o.ID, scope.Covers(mes.Place{Site: o.Site, Line: o.Line, Family: o.Family})
			})
			orders, _, err := s.Orders(ctx, mes.OrderFilter{Scope: scope, Page: page})
			totals, failed := s.Totals(ctx, mes.OrderFilter{Scope: scope})
			if err != nil || failed != nil || totals.Orders != int64(len(orders)) {
				rt.Fatalf("totals within %+v: %+v of %d orders (%v, %v)", scope, totals, len(orders), err, failed)
			}
			same(rt, scope, "sessions", func(s1 mes.Scope) ([]mes.Session, error) {
				l, _, err := s.Sessions(ctx, mes.SessionFilter{Scope: s1, Page: page})
				return l, err
			}, func(j *mes.Session) (mes.ID, bool) { return j.ID, scope.Covers(j.Place()) })
			same(rt, scope, "open sessions", func(s1 mes.Scope) ([]mes.Session, error) { return s.OpenSessions(ctx, s1, "") },
				func(j *mes.Session) (mes.ID, bool) { return j.ID, scope.Covers(j.Place()) })
			same(rt, scope, "reports", func(s1 mes.Scope) ([]mes.Report, error) {
				l, _, err := s.Reports(ctx, mes.ReportFilter{Scope: s1, Page: page})
				return l, err
			}, func(r *mes.Report) (mes.ID, bool) { return r.ID, scope.Covers(r.Place()) })
			same(rt, scope, "ledger", func(s1 mes.Scope) ([]mes.Entry, error) {
				l, _, err := s.Entries(ctx, mes.LedgerFilter{Scope: s1, Page: page})
				return l, err
			}, func(e *mes.Entry) (mes.ID, bool) { return e.ID, scope.Covers(mes.Place{Site: e.Site, Line: e.Line}) })
			same(rt, scope, "sign-ins", func(s1 mes.Scope) ([]mes.SignIn, error) {
				l, _, err := s.SignIns(ctx, mes.SignInFilter{Scope: s1, Page: page})
				return l, err
			}, func(i *mes.SignIn) (mes.ID, bool) { return i.ID, scope.Covers(i.Place()) })
			same(rt, scope, "API keys", func(s1 mes.Scope) ([]mes.KeyInfo, error) {
				l, _, err := s.Keys(ctx, mes.KeyFilter{Scope: s1, Page: page})
				return l, err
			}, func(k *mes.KeyInfo) (mes.ID, bool) { return k.ID, scope.Meets(k.Grants) })
			same(rt, scope, "SSH keys", func(s1 mes.Scope) ([]mes.SSHKey, error) { return s.SSHKeys(ctx, mes.SSHKeyFilter{Scope: s1}) },
				func(k *mes.SSHKey) (mes.ID, bool) {
					if k.Station != "" {
						return k.ID, scope.Covers(stations[k.Station])
					}
					return k.ID, scope.Meets(grants[k.Person])
				})
			same(rt, scope, "lockouts", func(s1 mes.Scope) ([]mes.Lockout, error) {
				l, _, err := s.Lockouts(ctx, mes.LockoutFilter{Scope: s1, Page: page})
				return l, err
			}, func(l *mes.Lockout) (mes.ID, bool) { return l.ID, scope.Meets(grants[l.Person]) })
		})
	})
}

// same compares what is shown within a scope with what of everything is in it.
func same[T any](t *rapid.T, scope mes.Scope, what string, list func(mes.Scope) ([]T, error), in func(*T) (mes.ID, bool)) {
	t.Helper()
	ids := func(scope mes.Scope, keep bool) (ids []mes.ID) {
		found, err := list(scope)
		if err != nil {
			t.Fatalf("%s: %v (%v)", what, err, cause(err))
		}
		for i := range found {
			if id, is := in(&found[i]); is || keep {
				ids = append(ids, id)
			}
		}
		return ids
	}
	if got, want := ids(scope, true), ids(everywhere, false); !slices.Equal(got, want) {
		t.Fatalf("%s within %+v: %q, want %q", what, scope, got, want)
	}
}

// A view is how a query is asked for what belongs to site S1, line L1, valves and person B2 who works there.
type view struct {
	role  mes.Role
	ask   string   // as it is written on a command line
	shows []string // in scope
	never []string // out of scope; what is asked for, if not said
}

var views = map[string]view{
	"order.list":       {mes.Viewer, "order list", []string{`"1001"`}, nil},
	"order.show":       {mes.Viewer, "order show 1001", []string{`"1001"`}, nil},
	"queue.list":       {mes.Viewer, "queue list", []string{`"1001"`}, nil},
	"session.list":     {mes.Viewer, "session list", []string{`"TURN"`}, nil},
	"report.list":      {mes.Viewer, "report list", []string{`"TURN"`}, nil},
	"totals.show":      {mes.Viewer, "totals show", []string{`"orders":`}, []string{`"orders":3`, `"orders":5`}},
	"machine.list":     {mes.Viewer, "machine list", []string{`"M1"`}, nil},
	"machine.timeline": {mes.Viewer, "machine timeline M1", []string{"unknown"}, nil},
	"machine.counts":   {mes.Viewer, "machine counts M1", []string{`"items"`}, nil},
	"machine.samples":  {mes.Viewer, "machine samples M1", []string{`"items"`}, nil},
	"machine.alarms":   {mes.Viewer, "machine alarms M1", []string{`"items"`}, nil},
	"machine.totals":   {mes.Viewer, "machine totals M1", []string{`"samples"`}, nil},
	"ledger.list":      {mes.Auditor, "ledger list limit=1000", []string{`"site":"S1","line":"L1"`}, nil},
	"equipment.list":   {mes.Viewer, "equipment list", []string{`"id":"L1"`}, nil},
	"product.list":     {mes.Viewer, "product list", []string{`"P1"`}, nil},
	"revision.list":    {mes.Viewer, "revision list P1", []string{`"P1@A"`}, nil},
	"person.list":      {mes.Admin, "person list", []string{`"B2"`}, nil},
	"person.show":      {mes.Admin, "person show B2", []string{`"B2"`, "SHA256:B2", "kB2"}, nil},
	"key.list":         {mes.Admin, "key list", []string{`"kB2"`, `"pB2"`}, nil},
	"sshkey.list":      {mes.Admin, "sshkey list", []string{"SHA256:B2", "SHA256:K1"}, nil},
	"signin.list":      {mes.Auditor, "signin list", []string{`"station":"K1"`}, nil},
	"lockout.list":     {mes.Lead, "lockout list", []string{"station/K2/pin"}, nil},
	"signature.list":   {mes.Viewer, "signature list record=revision/P1@A", []string{"approved"}, nil},
	"station.list":     {mes.Viewer, "station list", []string{`"K1"`}, nil},
	"command.show":     {mes.Viewer, "command show mine", []string{`"order.reprioritise"`}, nil},
}

// TestQueries_scope: every query shows what is in scope, and nothing of what is not: that looks as if it were not there.
func TestQueries_scope(t *testing.T) {
	s := open(t, Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db"), TracePath: filepath.Join(t.TempDir(), "trace.db")})
	f := plantOfTwo(t, s)
	b1, err := s.Person(t.Context(), mes.Fresh, "B1")
	if err != nil {
		t.Fatal(err)
	}
	signer := mes.Actor{Kind: mes.ByPerson, ID: b1.ID, Person: b1.ID, Session: "s", Grants: []mes.Grant{{Role: mes.Approver}}, Proof: &mes.Proof{Method: mes.ByPassword, At: time.Now()}}
	f.do(engineer, &mes.RetireRevision{Product: "P1", Rev: "A"})
	f.do(engineer, &mes.DraftRevision{Product: "P1", Rev: "B", Routing: []mes.RoutingOperation{{Seq: 10, Code: "TURN", Name: "Turn", Line: "L1"}}})
	f.do(engineer, &mes.SubmitRevision{Product: "P1", Rev: "B"})
	f.do(signer, &mes.ReleaseRevision{Product: "P1", Rev: "B"})
	mine := mes.Actor{Kind: mes.ByPerson, ID: "somebody", Grants: []mes.Grant{{Role: mes.Lead}}}
	if _, err := f.app.Do(t.Context(), mine, "mine", &mes.ReprioritiseOrder{Order: "1003", Priority: 2}); err != nil {
		t.Fatal(err)
	}
	here := []mes.Grant{{}, {Site: "S1"}, {Line: "L1"}, {Site: "S1", Line: "L1", Family: "valves"}}
	elsewhere := []mes.Grant{{Site: "S2"}, {Site: "S2", Line: "L2"}, {Site: "elsewhere", Family: "elsewhere"}}
	views, families := views, []string{"product.list", "revision.list", "signature.list"}
	for i := range mes.Queries {
		spec := &mes.Queries[i]
		v, known := views[spec.Name]
		if spec.Name == "me.show" || spec.Name == "trace.list" {
			continue // of who asks; of the whole plant: below
		}
		if !known {
			t.Errorf("%s: nobody has written down what it shows", spec.Name)
			continue
		}
		if spec.Name == "signature.list" {
			v.ask = "signature list record=revision/P1@B"
		}
		answer := func(actor mes.Actor) (string, error) {
			q, found, err := mes.ParseQuery(strings.Fields(v.ask))
			if err != nil || found != spec {
				t.Fatalf("%s: %v, %v", v.ask, found, err)
			}
			got, err := q.Answer(t.Context(), f.app, actor)
			if err != nil {
				return "", err
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			return string(text), nil
		}
		someone := func(id mes.ID, g mes.Grant) mes.Actor {
			g.Role = v.role
			return mes.Actor{Kind: mes.ByPerson, ID: id, Person: id, Session: "s", Grants: []mes.Grant{g}}
		}
		if text, err := answer(mes.Actor{Grants: []mes.Grant{{Role: mes.Setup}}}); mes.ErrorCode(err) != mes.Unauthenticated {
			t.Errorf("%s for nobody: %s, %v", spec.Name, text, err)
		}
		if spec.Name == "command.show" {
			if text, err := answer(someone("somebody", here[0])); err != nil || !strings.Contains(text, v.shows[0]) {
				t.Errorf("%s: %s, %v", spec.Name, text, err)
			}
			if text, err := answer(someone("somebody-else", here[0])); mes.ErrorCode(err) != mes.NotFound {
				t.Errorf("%s of somebody else: %s, %v", spec.Name, text, err)
			}
			continue
		}
		for role := range mes.Roles {
			if !slices.Contains(mes.Roles[role], spec.Verb) && !(spec.Name == "person.list" && slices.Contains(mes.Roles[role], mes.LeadWork)) {
				if text, err := answer(mes.Actor{Kind: mes.ByProgram, ID: "x", Grants: []mes.Grant{{Role: role}}}); mes.ErrorCode(err) != mes.Denied {
					t.Errorf("%s as %s: %s, %v", spec.Name, role, text, err)
				}
			}
		}
		for _, g := range here {
			text, err := answer(someone("x", g))
			for _, want := range v.shows {
				if err != nil || !strings.Contains(text, want) {
					t.Errorf("%s within %+v: %v, no %s in %s", spec.Name, g, err, want, text)
				}
			}
		}
		if slices.Contains(families, spec.Name) { // products are of no site
			elsewhere := []mes.Grant{{Family: "pumps"}, {Site: "S1", Family: "elsewhere"}}
			checkOut(t, spec.Name, v, answer, someone, elsewhere)
			continue
		}
		checkOut(t, spec.Name, v, answer, someone, elsewhere)
	}

	whole := mes.Actor{Kind: mes.ByPerson, ID: "x", Grants: []mes.Grant{{Role: mes.Auditor}}}
	if _, _, err := f.app.Calls(t.Context(), whole, mes.TraceFilter{}); err != nil {
		t.Error(err)
	}
	whole.Grants[0].Site = "S1"
	if _, _, err := f.app.Calls(t.Context(), whole, mes.TraceFilter{}); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("the trace of the whole plant, for who looks after a part: %v", err)
	}
}

// checkOut asks from out of scope: the answer is the one to a question for what has never been there.
func checkOut(t *testing.T, name string, v view, answer func(mes.Actor) (string, error), someone func(mes.ID, mes.Grant) mes.Actor, out []mes.Grant) {
	t.Helper()
	never := v.never
	if never == nil {
		never = v.shows
	}
	for _, g := range out {
		text, err := answer(someone("x", g))
		if err != nil && mes.ErrorCode(err) != mes.NotFound {
			t.Errorf("%s out of %+v: %v", name, g, err)
		}
		if err != nil {
			if words := strings.Fields(v.ask); !strings.HasPrefix(mes.ErrorMessage(err), "there is no ") || len(words) < 3 {
				t.Errorf("%s out of %+v: %v", name, g, err)
			}
			continue
		}
		for _, secret := range never {
			if secret != `"items"` && strings.Contains(text, secret) {
				t.Errorf("%s out of %+v shows %s: %s", name, g, secret, text)
			}
		}
		if strings.Contains(v.ask, " M1") { // one machine is there or it is not
			t.Errorf("%s out of %+v: %s", name, g, text)
		}
	}
}
