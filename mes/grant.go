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
	SignInHere     Verb = "sign_in"         // let a person in: stations and the SSH door itself
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
	Lead:        {ViewFloor, ViewLedger, WorkJobs, LeadWork, HoldOrders, Supervise, PlanOrders},
	Planner:     {ViewFloor, PlanOrders},
	Quality:     {ViewFloor, HoldOrders, ViewLedger},
	Maintenance: {ViewFloor, FeedMachines, HoldOrders},
	Engineer:    {ViewFloor, DefineProducts},
	Approver:    {ViewFloor, DefineProducts},
	Auditor:     {ViewFloor, ViewLedger},
	Admin:       {ViewFloor, ViewLedger, DefinePlant, RegisterPeople, ManageAccess},
	Viewer:      {ViewFloor},
	Feeder:      {FeedMachines},
	Historian:   {ViewFloor, RecordHistory, PlanOrders, WorkJobs, LeadWork, DefineProducts, DefinePlant, RegisterPeople},
	Kiosk:       {SignInHere, ViewFloor},
	Setup:       {ViewFloor, DefineProducts, DefinePlant, RegisterPeople, ManageAccess, PlanOrders, WorkJobs, LeadWork, SignInHere, FeedMachines},
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

// Everywhere tells whether the scope has no limit.
func (s Scope) Everywhere() bool {
	for _, g := range s {
		if (g == Grant{Role: g.Role}) {
			return true
		}
	}
	return false
}
