package mes

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What every role may do, written down by hand and not read from the code: a change of a right is changed twice.
const rights = `
operator     view_floor work_jobs
lead         view_floor view_ledger work_jobs lead_work hold_orders supervise plan_orders unlock_people
planner      view_floor plan_orders
quality      view_floor view_ledger hold_orders
maintenance  view_floor feed_machines hold_orders
engineer     view_floor define_products
approver     view_floor define_products
auditor      view_floor view_ledger
admin        view_floor view_ledger define_plant register_people manage_access unlock_people
viewer       view_floor
feeder       feed_machines
historian    view_floor record_history plan_orders work_jobs lead_work define_products define_plant register_people
kiosk        view_floor sign_in
setup        view_floor define_products define_plant register_people manage_access unlock_people plan_orders work_jobs lead_work sign_in feed_machines
`

// A reference tells what is allowed in the plainest way there is: somebody may do something at a place when a line of
// the table above has the role and the verb, and no word of the grant says otherwise about the place.
type reference map[string][]string

func newReference(t *testing.T) reference {
	r := reference{}
	for line := range strings.Lines(strings.TrimSpace(rights)) {
		words := strings.Fields(line)
		r[words[0]] = words[1:]
	}
	if len(r) != len(Roles) {
		t.Fatalf("%d roles are written down, there are %d", len(r), len(Roles))
	}
	return r
}

func (r reference) may(grants []Grant, verb Verb, p Place) bool {
	for _, g := range grants {
		allowed := false
		for _, v := range r[string(g.Role)] {
			if v == string(verb) {
				allowed = true
			}
		}
		says := [5]string{string(g.Site), string(g.Line), g.Family, g.Operation, string(g.Machine)}
		is := [5]string{string(p.Site), string(p.Line), p.Family, p.Operation, string(p.Machine)}
		for i := range says {
			if says[i] != "" && is[i] != "" && says[i] != is[i] {
				allowed = false
			}
		}
		if allowed {
			return true
		}
	}
	return false
}

// TestGrants_reference: 100,000 random sets of grants at random places, and not one difference.
func TestGrants_reference(t *testing.T) {
	r := newReference(t)
	dice := rand.New(rand.NewPCG(1, 2))
	verbs := []Verb{ViewFloor, ViewLedger, PlanOrders, HoldOrders, LeadWork, WorkJobs, Supervise, FeedMachines, RecordHistory, DefineProducts,
		DefinePlant, RegisterPeople, ManageAccess, UnlockPeople, SignInHere, "fly"}
	roles := []Role{"", "root"}
	for role, list := range Roles {
		roles = append(roles, role)
		for _, v := range list {
			if !slices.Contains(verbs, v) {
				t.Errorf("%s holds %s, which is not tried", role, v)
			}
		}
	}
	slices.Sort(roles)
	one := func(of ...string) string { return of[dice.IntN(len(of))] }
	place := func(none string) Place {
		return Place{Site: ID(one("", none, "S1", "S2")), Line: ID(one("", none, "L1", "L2")), Family: one("", none, "valves", "pumps"),
			Operation: one("", none, "CUT", "TURN"), Machine: ID(one("", none, "M1", "M2"))}
	}
	allowed, denied := 0, 0
	for range 100_000 {
		var a Actor
		for range dice.IntN(5) {
			p := place("")
			a.Grants = append(a.Grants, Grant{roles[dice.IntN(len(roles))], p.Site, p.Line, p.Family, p.Operation, p.Machine})
		}
		verb, at := verbs[dice.IntN(len(verbs))], place("elsewhere")
		want := r.may(a.Grants, verb, at)
		if got := a.May(verb, at); got != want {
			t.Fatalf("%+v %s at %+v: %v, want %v", a.Grants, verb, at, got, want)
		}
		d := &Decision{Actor: a, spec: &Spec{Verb: verb}, scope: a.Scope(verb)}
		if got := d.within(at, "thing", "x") == nil; got != want {
			t.Fatalf("a decision of %+v on %s at %+v: %v, want %v", a.Grants, verb, at, got, want)
		}
		if want {
			allowed++
		} else {
			denied++
		}
	}
	if allowed < 5_000 || denied < 5_000 {
		t.Errorf("%d allowed and %d denied are no test", allowed, denied)
	}
}

// TestGrants_nobodyGivesMore: whatever somebody may give, they hold it themselves wherever it holds.
func TestGrants_nobodyGivesMore(t *testing.T) {
	r := newReference(t)
	dice := rand.New(rand.NewPCG(3, 4))
	one := func(of ...string) string { return of[dice.IntN(len(of))] }
	scope := func() Grant {
		return Grant{Site: ID(one("", "S1", "S2")), Line: ID(one("", "", "L1", "L2")), Family: one("", "", "valves", "pumps"), Operation: one("", "", "", "CUT"), Machine: ID(one("", "", "", "M1"))}
	}
	given := 0
	for range 20_000 {
		a := Actor{Kind: ByPerson, ID: "x"}
		for range 1 + dice.IntN(3) {
			g := scope()
			g.Role = Role(one("admin", "lead", "setup"))
			a.Grants = append(a.Grants, g)
		}
		g := scope()
		g.Role = Operator
		d := &Decision{Actor: a}
		if d.mayEmpower([]Grant{g}) != nil {
			continue
		}
		given++
		for range 20 { // wherever the new grant holds, who gave it manages access there
			p := Place{Site: ID(one("S1", "S2")), Line: ID(one("L1", "L2")), Family: one("valves", "pumps"), Operation: one("CUT", "TURN"), Machine: ID(one("M1", "M2"))}
			if r.may([]Grant{g}, WorkJobs, p) && !r.may(a.Grants, ManageAccess, p) {
				t.Fatalf("%+v could give %+v, which holds at %+v", a.Grants, g, p)
			}
		}
	}
	if given < 1_000 {
		t.Errorf("%d grants given are no test", given)
	}
}

// One's own account is of no role: of whoever is signed in as a person, and of nobody else.
func TestGrants_ownAccount(t *testing.T) {
	for _, test := range []struct {
		actor Actor
		may   bool
	}{
		{Actor{Kind: ByPerson, ID: "p", Person: "p", Session: "s"}, true},
		{Actor{Kind: ByPerson, ID: "p", Person: "p", Session: "s", Station: "K1"}, true},
		{Actor{Kind: ByPerson, ID: "p", Person: "p", Key: "k"}, false},
		{Actor{Kind: ByPerson, ID: "p", Session: "s"}, false},
		{Actor{Kind: ByProgram, ID: "p", Person: "p", Session: "s", Grants: []Grant{{Role: Setup}}}, false},
		{Actor{Kind: ByStation, ID: "K1", Person: "p", Session: "s"}, false},
		{System("setup", "setup"), false},
	} {
		if got := len(test.actor.Scope(OwnAccount)) > 0; got != test.may || test.actor.May(OwnAccount, Place{Site: "S1"}) != test.may {
			t.Errorf("%+v: %v", test.actor, got)
		}
	}
}
