package mes

import "slices"

// A Verb is what a grant may allow. Every command and every read names one; nothing is allowed by default.
type Verb string

const (
	ViewFloor      Verb = "view_floor"      // see orders, queues, machines and their history
	ViewLedger     Verb = "view_ledger"     // read the three logs
	PlanOrders     Verb = "plan_orders"     // create, release, split, reprioritise, cancel
	HoldOrders     Verb = "hold_orders"     // hold, and release one's own holds
	LeadWork       Verb = "lead_work"       // pause, resume, complete and close orders; correct and report for others
	WorkJobs       Verb = "work_jobs"       // start, report, stop, complete operations
	Supervise      Verb = "supervise"       // reopen, sign over-production, back-date
	FeedMachines   Verb = "feed_machines"   // send machine states, counts, samples and alarms
	RecordHistory  Verb = "record_history"  // record what happened before gemba was there, gates noted as oddities
	DefineProducts Verb = "define_products" // products, revisions, routings
	DefinePlant    Verb = "define_plant"    // equipment and stations
	RegisterPeople Verb = "register_people" // people without any right
	ManageAccess   Verb = "manage_access"   // grants, credentials, keys
	UnlockPeople   Verb = "unlock_people"   // let people try again who were locked out
	SignInHere     Verb = "sign_in"         // let a person in: stations and the SSH door itself
	OwnAccount     Verb = "own_account"     // one's own secrets and keys: everybody who is signed in, by no grant
)

// A Role is a named set of verbs.
type Role string

const (
	Operator    Role = "operator"
	Lead        Role = "lead"
	Planner     Role = "planner"
	Quality     Role = "quality"
	Maintenance Role = "maintenance"
	Engineer    Role = "engineer"
	Approver    Role = "approver"
	Auditor     Role = "auditor"
	Admin       Role = "admin"
	Viewer      Role = "viewer"
	Feeder      Role = "feeder"    // machines and their gateways
	Historian   Role = "historian" // programs that record what happened earlier
	Kiosk       Role = "kiosk"     // a station
	Setup       Role = "setup"     // the program itself at first start, on the machine's console
)

// Roles lists every role with what it may do.
var Roles = map[Role][]Verb{
	Operator:    {ViewFloor, WorkJobs},
	Lead:        {ViewFloor, ViewLedger, WorkJobs, LeadWork, HoldOrders, Supervise, PlanOrders, UnlockPeople},
	Planner:     {ViewFloor, PlanOrders},
	Quality:     {ViewFloor, HoldOrders, ViewLedger},
	Maintenance: {ViewFloor, FeedMachines, HoldOrders},
	Engineer:    {ViewFloor, DefineProducts},
	Approver:    {ViewFloor, DefineProducts},
	Auditor:     {ViewFloor, ViewLedger},
	Admin:       {ViewFloor, ViewLedger, DefinePlant, RegisterPeople, ManageAccess, UnlockPeople},
	Viewer:      {ViewFloor},
	Feeder:      {FeedMachines},
	Historian:   {ViewFloor, RecordHistory, PlanOrders, WorkJobs, LeadWork, DefineProducts, DefinePlant, RegisterPeople},
	Kiosk:       {SignInHere, ViewFloor},
	Setup:       {ViewFloor, DefineProducts, DefinePlant, RegisterPeople, ManageAccess, UnlockPeople, PlanOrders, WorkJobs, LeadWork, SignInHere, FeedMachines},
}

// A Grant gives a role within a scope. An empty field is any.
type Grant struct {
	Role      Role   `json:"role" doc:"operator, lead, planner, quality, maintenance, engineer, approver, auditor, admin, viewer, feeder or historian"`
	Site      ID     `json:"site,omitempty" doc:"facility; empty for all"`
	Line      ID     `json:"line,omitempty" doc:"work centre; empty for all"`
	Family    string `json:"family,omitempty" doc:"product line; empty for all"`
	Operation string `json:"operation,omitempty" doc:"operation code; empty for all"`
	Machine   ID     `json:"machine,omitempty" doc:"machine, for a machine's own key; empty for all"`
}

// Allows tells whether the grant's role holds the verb.
func (g Grant) Allows(v Verb) bool {
	return slices.Contains(Roles[g.Role], v)
}

// A Place is where something is, as far as scopes go. A field that does not apply to the thing is empty and is then not
// compared: a machine has no product line.
type Place struct {
	Site      ID
	Line      ID
	Family    string
	Operation string
	Machine   ID
}

// Covers tells whether the place is in the grant's scope.
func (g Grant) Covers(p Place) bool {
	return within(string(g.Site), string(p.Site)) && within(string(g.Line), string(p.Line)) &&
		within(g.Family, p.Family) && within(g.Operation, p.Operation) && within(string(g.Machine), string(p.Machine))
}

func within(scope, place string) bool { return scope == "" || place == "" || scope == place }

// A Scope is the grants that cover one verb. Reads hand it to the store, which shows only what is inside; an empty
// scope shows nothing.
type Scope []Grant

// Covers tells whether any grant of the scope covers the place.
func (s Scope) Covers(p Place) bool {
	for _, g := range s {
		if g.Covers(p) {
			return true
		}
	}
	return false
}

// Meets tells whether the scope reaches any part of what grants are for. Somebody without a grant is nowhere in
// particular, and within every scope that is not empty.
func (s Scope) Meets(grants []Grant) bool {
	if len(grants) == 0 {
		return len(s) > 0
	}
	return slices.ContainsFunc(grants, func(g Grant) bool {
		return s.Covers(Place{Site: g.Site, Line: g.Line, Family: g.Family, Operation: g.Operation, Machine: g.Machine})
	})
}

// Reaches tells whether any grant of the scope is as wide as the given one or wider. Who gives rights can give only
// what is within their own reach.
func (s Scope) Reaches(g Grant) bool {
	as := func(own, given string) bool { return own == "" || own == given }
	return slices.ContainsFunc(s, func(o Grant) bool {
		return as(string(o.Site), string(g.Site)) && as(string(o.Line), string(g.Line)) && as(o.Family, g.Family) &&
			as(o.Operation, g.Operation) && as(string(o.Machine), string(g.Machine))
	})
}

// spans tells whether any grant of the scope holds the whole of a node of the plant: a grant for a line does not hold
// the site above it, although it covers what has no line.
func (s Scope) spans(p Place) bool {
	return s.Reaches(Grant{Site: p.Site, Line: p.Line, Machine: p.Machine})
}

// checkGrants refuses grants of roles that nobody can be given, and scopes that are no codes.
func checkGrants(grants []Grant, to string) error {
	if len(grants) > 50 {
		return invalid("grants", "at most 50 grants")
	}
	for _, g := range grants {
		if _, ok := Roles[g.Role]; !ok || g.Role == Setup || g.Role == Kiosk {
			return invalid("grants", "there is no role %q for %s", g.Role, to)
		}
		for _, code := range []ID{g.Site, g.Line, ID(g.Family), ID(g.Operation), g.Machine} {
			if code == "" {
				continue
			}
			if err := checkCode("grants", code); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayEmpower refuses to give rights, or a way to use them, beyond the actor's own reach.
func (d *Decision) mayEmpower(grants []Grant) error {
	reach := d.Actor.Scope(ManageAccess)
	for _, g := range grants {
		if !reach.Reaches(g) {
			return Faultf(Denied, "this gives rights beyond those that you manage; ask who manages access for all of them")
		}
	}
	return nil
}

// Everywhere tells whether the scope has no limit.
func (s Scope) Everywhere() bool {
	for _, g := range s {
		if (g == Grant{Role: g.Role}) {
			return true
		}
	}
	return false
}
