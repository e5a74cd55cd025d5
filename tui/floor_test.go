package tui

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gemba/mes"
	"gemba/storage"
)

// morning is when every test begins.
var morning = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// A floor is a small plant over a real store, with a clock that only the test moves.
type floor struct {
	t      testing.TB
	app    *mes.App
	mu     sync.Mutex
	now    time.Time
	ids    int
	topics []string
	store  *unreliable
	people map[string]*mes.Person
}

// unreliable is a store whose commits can be made to fail: before or after they were done.
type unreliable struct {
	mes.Store
	before, after int // how many commits fail so

	calls []mes.Call // of the API, newest first
}

func (u *unreliable) Commit(ctx context.Context, c *mes.Change) (mes.Receipt, error) {
	if u.before > 0 {
		u.before--
		return mes.Receipt{}, mes.FaultFrom(mes.Unavailable, errors.New("no leader"), "the store does not answer; try again")
	}
	r, err := u.Store.Commit(ctx, c)
	if u.after > 0 && err == nil {
		u.after--
		return mes.Receipt{}, mes.FaultFrom(mes.Unavailable, errors.New("connection lost"), "the store does not answer; try again")
	}
	return r, err
}

func (f *floor) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *floor) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *floor) newID() mes.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return mes.ID(fmt.Sprintf("id-%06d", f.ids))
}

// newFloor opens a store and defines a plant: one site, two lines, three machines, a product of three operations, a
// person of each sort and a station on each line.
func newFloor(t testing.TB) *floor {
	t.Helper()
	f := &floor{t: t, now: morning, people: map[string]*mes.Person{}}
	store, err := storage.Open(t.Context(), storage.Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db"), Writer: "node1", Now: f.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f.store = &unreliable{Store: store}
	f.app = mes.NewApp(f.store, f.clock, f.newID, func(topics ...string) { f.topics = append(f.topics, topics...) })
	setup := mes.System("setup", "set-up")
	for _, e := range []mes.DefineEquipment{
		{Code: "ACME", Name: "Acme", Level: mes.Enterprise}, {Code: "HAL", Name: "Halle", Level: mes.Site, Parent: "ACME", TimeZone: "Europe/Berlin"},
		{Code: "SAWS", Name: "Saws", Level: mes.WorkCentre, Parent: "HAL"}, {Code: "LATHES", Name: "Lathes", Level: mes.WorkCentre, Parent: "HAL"},
		{Code: "SAW-1", Name: "Band saw 1", Level: mes.WorkUnit, Parent: "SAWS", TimeoutS: 3600},
		{Code: "LATHE-1", Name: "Lathe 1", Level: mes.WorkUnit, Parent: "LATHES", TimeoutS: 3600, Capacity: 2},
		{Code: "LATHE-2", Name: "Lathe 2", Level: mes.WorkUnit, Parent: "LATHES", TimeoutS: 3600},
	} {
		f.do(setup, &e)
	}
	f.do(setup, &mes.EnrolStation{Code: "KIOSK-1", Name: "Lathes, left", Line: "LATHES", Machine: "LATHE-1"})
	f.do(setup, &mes.EnrolStation{Code: "KIOSK-2", Name: "Saws", Line: "SAWS", Machine: "SAW-1"})
	for _, p := range []mes.RegisterPerson{
		{Badge: "7001", Name: "Anna Berg", Grants: []mes.Grant{{Role: mes.Operator}}},
		{Badge: "7002", Name: "Otto Klein", Grants: []mes.Grant{{Role: mes.Operator}}},
		{Badge: "7100", Name: "Lea Wolf", Grants: []mes.Grant{{Role: mes.Lead}, {Role: mes.Quality}}},
		{Badge: "7200", Name: "Max Kurz", Grants: []mes.Grant{{Role: mes.Maintenance}}},
		{Badge: "7300", Name: "Vera Lux", Grants: []mes.Grant{{Role: mes.Viewer}}},
		{Badge: "7400", Name: "Ada Root", Grants: []mes.Grant{{Role: mes.Admin}}},
	} {
		f.do(setup, &p)
		person, err := store.Person(t.Context(), mes.Local, p.Badge)
		if err != nil {
			t.Fatal(err)
		}
		f.people[string(p.Badge)] = person
	}
	approver := mes.System("approver", "approver")
	f.do(setup, &mes.DefineProduct{Code: "FLANGE-80", Name: "Flange DN80", Unit: "pcs", Family: "flanges"})
	f.do(setup, &mes.DraftRevision{Product: "FLANGE-80", Rev: "A", EffectiveFrom: mes.At(morning.Add(-24 * time.Hour)), Routing: []mes.RoutingOperation{
		{Seq: 10, Code: "SAW", Name: "Saw blanks", Line: "SAWS"}, {Seq: 20, Code: "TURN", Name: "Turn outside", Line: "LATHES"},
		{Seq: 30, Code: "DEBURR", Name: "Deburr", Line: "LATHES", Optional: true},
	}})
	f.do(setup, &mes.SubmitRevision{Product: "FLANGE-80", Rev: "A"})
	f.do(approver, &mes.ReleaseRevision{Product: "FLANGE-80", Rev: "A"})
	return f
}

// do carries out a command that the test needs, or ends the test.
func (f *floor) do(actor mes.Actor, c mes.Command) mes.Receipt {
	f.t.Helper()
	r, err := f.app.Do(f.t.Context(), actor, "", c)
	if err != nil {
		f.t.Fatalf("%T: %v", c, err)
	}
	return r
}

// actor is a person who is signed in.
func (f *floor) actor(badge string) mes.Actor {
	p := f.people[badge]
	return mes.Actor{Kind: mes.ByPerson, ID: p.ID, Name: p.Name, Person: p.ID, Grants: p.Grants}
}

// release plans an order and hands it to the floor.
func (f *floor) release(number string, quantity int64) {
	f.t.Helper()
	lead := f.actor("7100")
	f.do(lead, &mes.CreateOrder{Number: number, Product: "FLANGE-80", Quantity: quantity, Due: mes.At(morning.Add(72 * time.Hour))})
	f.do(lead, &mes.ReleaseOrder{Order: mes.ID(number)})
}

// sawn makes blanks for an order, so that its second operation is ready.
func (f *floor) sawn(number string, good int64) {
	f.t.Helper()
	otto := f.actor("7001")
	f.do(otto, &mes.StartJob{Order: mes.ID(number), Operation: "10"})
	f.do(otto, &mes.ReportJob{Order: mes.ID(number), Operation: "10", Good: good})
	f.do(otto, &mes.StopJob{Order: mes.ID(number), Operation: "10"})
}

// entries counts what the ledger holds of what was done.
func (f *floor) entries() int {
	f.t.Helper()
	list, _, err := f.app.Ledger(f.t.Context(), f.actor("7100"), mes.LedgerFilter{View: mes.TransactionLog, Page: mes.Page{Limit: 1000}})
	if err != nil {
		f.t.Fatal(err)
	}
	return len(list)
}

// detail reads an order as the store has it.
func (f *floor) detail(number string) *mes.OrderDetail {
	f.t.Helper()
	d, err := f.app.Order(f.t.Context(), f.actor("7100"), mes.ID(number))
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// session is what a terminal hands in: at a station, or somebody's own connection.
func (f *floor) session(station, badge string, width, height int) Session {
	s := Session{App: f.app, Zone: time.UTC, Term: "xterm-256color", Env: []string{"LANG=en_US.UTF-8"}, Width: width, Height: height}
	if station != "" {
		st, err := f.store.Station(f.t.Context(), mes.Local, mes.ID(station))
		if err != nil {
			f.t.Fatal(err)
		}
		s.Station = st
		s.Actor = mes.Actor{Kind: mes.ByStation, ID: st.ID, Name: st.Name, Station: st.ID, Grants: []mes.Grant{{Role: mes.Kiosk, Site: st.Site, Line: st.Line}}}
	}
	if badge != "" {
		s.Person = f.people[badge]
		s.Actor = f.actor(badge)
	}
	s.SignIn = func(ctx context.Context, badge, secret string) (mes.Actor, *mes.Person, error) {
		p := f.people[badge]
		if p == nil || secret != "24"+badge {
			return mes.Actor{}, nil, mes.Faultf(mes.Unauthenticated, "badge or PIN is wrong; try again")
		}
		actor := f.actor(badge)
		if s.Station != nil {
			actor.Station = s.Station.ID
		}
		return actor, p, nil
	}
	return s
}
