package mes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A floor is a small plant in memory, with a clock that stands until it is moved:
//
//	S1: L1 (M1 lathe, M2), L2 (M3 lathe);  S2: L9 (M9)
//	P1: 10 CUT, 20 TURN (optional), 30 PACK on L1;  P2: 10 CUT on L1, 20 TURN on L2;  P9: 10 CUT on L9
type floor struct {
	t     testing.TB
	store *memory
	app   *App
	now   time.Time
	ids   int
	told  []string // topics that were published

	setup, ann, bob, lead, planner, quality, maintenance, engineer, approver, admin, feeder, historian Actor
}

var monday = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func newFloor(t testing.TB) *floor {
	f := &floor{t: t, store: newMemory(t), now: monday}
	f.app = NewApp(f.store, func() time.Time { return f.now }, func() ID { f.ids++; return ID(fmt.Sprintf("id-%06d", f.ids)) },
		func(topics ...string) { f.told = append(f.told, topics...) })
	f.setup = System("test", "test")
	for _, e := range []DefineEquipment{
		{Code: "E", Name: "Works", Level: Enterprise},
		{Code: "S1", Name: "North", Level: Site, Parent: "E", TimeZone: "Europe/Berlin"},
		{Code: "S2", Name: "South", Level: Site, Parent: "E"},
		{Code: "L1", Name: "Line 1", Level: WorkCentre, Parent: "S1"},
		{Code: "L2", Name: "Line 2", Level: WorkCentre, Parent: "S1"},
		{Code: "L9", Name: "Line 9", Level: WorkCentre, Parent: "S2"},
		{Code: "M1", Name: "Lathe 1", Level: WorkUnit, Parent: "L1", Classes: []string{"lathe"}},
		{Code: "M2", Name: "Saw", Level: WorkUnit, Parent: "L1"},
		{Code: "M3", Name: "Lathe 3", Level: WorkUnit, Parent: "L2", Classes: []string{"lathe"}, Capacity: 2},
		{Code: "M9", Name: "Press", Level: WorkUnit, Parent: "L9"},
	} {
		f.do(f.setup, &e)
	}
	f.ann, f.bob = f.person("ann", Grant{Role: Operator}), f.person("bob", Grant{Role: Operator})
	f.lead, f.planner = f.person("lea", Grant{Role: Lead}), f.person("pia", Grant{Role: Planner})
	f.quality, f.maintenance = f.person("quinn", Grant{Role: Quality}), f.person("mo", Grant{Role: Maintenance})
	f.engineer, f.approver = f.person("eve", Grant{Role: Engineer}), f.person("abe", Grant{Role: Approver})
	f.admin = f.person("ada", Grant{Role: Admin})
	f.feeder = Actor{Kind: ByProgram, ID: "key-feeder", Name: "gateway", Grants: []Grant{{Role: Feeder}}}
	f.historian = Actor{Kind: ByProgram, ID: "key-replay", Name: "replay", Grants: []Grant{{Role: Historian}}}
	f.product("P1", "valves", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1"},
		RoutingOperation{Seq: 20, Code: "TURN", Line: "L1", Optional: true}, RoutingOperation{Seq: 30, Code: "PACK", Line: "L1"})
	f.product("P2", "pumps", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1", Class: "lathe"}, RoutingOperation{Seq: 20, Code: "TURN", Line: "L2"})
	f.product("P9", "presses", RoutingOperation{Seq: 10, Code: "CUT", Line: "L9"})
	return f
}

// person registers somebody and signs them in.
func (f *floor) person(badge ID, grants ...Grant) Actor {
	f.t.Helper()
	f.do(f.setup, &RegisterPerson{Badge: badge, Name: strings.ToUpper(string(badge[:1])) + string(badge[1:]), Grants: grants})
	p, err := f.store.Person(context.Background(), Fresh, badge)
	if err != nil {
		f.t.Fatal(err)
	}
	return Actor{Kind: ByPerson, ID: p.ID, Name: p.Name, Person: p.ID, Session: "session-" + badge, Grants: grants}
}

// proven is a person who has just proven anew who they are.
func (f *floor) proven(a Actor) Actor {
	if a.Session != "" {
		a.Proof = &Proof{Method: ByPassword, At: f.now}
	}
	return a
}

// product defines a product with a released revision A.
func (f *floor) product(code ID, family string, routing ...RoutingOperation) {
	f.t.Helper()
	for i := range routing {
		routing[i].Name = "Operation " + routing[i].Code
	}
	f.do(f.engineer, &DefineProduct{Code: code, Name: "Product", Family: family})
	f.do(f.engineer, &DraftRevision{Product: code, Rev: "A", Routing: routing, EffectiveFrom: At(f.now.AddDate(-1, 0, 0))})
	f.do(f.engineer, &SubmitRevision{Product: code, Rev: "A"})
	f.do(f.approver, &ReleaseRevision{Product: code, Rev: "A"})
}

// order plans and releases an order.
func (f *floor) order(number string, product ID, quantity int64) {
	f.t.Helper()
	f.do(f.planner, &CreateOrder{Number: number, Product: product, Quantity: quantity})
	f.do(f.planner, &ReleaseOrder{Order: ID(number)})
}

// made starts, reports and stops somebody's session on an operation.
func (f *floor) made(who Actor, number string, seq int, good int64) {
	f.t.Helper()
	order, operation := ID(number), fmt.Sprint(seq)
	f.do(who, &StartJob{Order: order, Operation: operation})
	f.do(who, &ReportJob{Order: order, Operation: operation, Good: good})
	f.do(who, &StopJob{Order: order, Operation: operation})
}

// do carries out a command that must be accepted, signed if it needs a signature, and gives its result.
func (f *floor) do(actor Actor, c Command) map[string]any {
	f.t.Helper()
	r, err := f.app.Do(context.Background(), f.proven(actor), "", c)
	if err != nil {
		f.t.Fatalf("%T: %v (%s)", c, err, ErrorCode(err))
	}
	var result map[string]any
	if err := json.Unmarshal(r.Result, &result); err != nil {
		f.t.Fatal(err)
	}
	return result
}

// refused carries out a command that must be refused with a code, in a message that holds some words.
func (f *floor) refused(code Code, words string, actor Actor, c Command) {
	f.t.Helper()
	before := len(f.store.receipts)
	_, err := f.app.Do(context.Background(), actor, "", c)
	if ErrorCode(err) != code || !strings.Contains(ErrorMessage(err), words) {
		f.t.Errorf("%T gave %v (%s), want %s: …%s…", c, err, ErrorCode(err), code, words)
	}
	var fault *Fault
	if err != nil && !errors.As(err, &fault) {
		f.t.Errorf("%T gave %T, want a Fault", c, err)
	}
	if len(f.store.receipts) != before {
		f.t.Errorf("%T was refused and left a receipt", c)
	}
}

// one gives the id of the single thing that a result names.
func one(f *floor, result map[string]any, name string) ID {
	f.t.Helper()
	switch v := result[name].(type) {
	case string:
		return ID(v)
	case []any:
		if len(v) == 1 {
			return ID(v[0].(string))
		}
	}
	f.t.Fatalf("result has %v as %s", result[name], name)
	return ""
}
