package mes

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Query is one thing that somebody wants to see. Like a command it is plain data with named fields.
type Query interface {
	// Answer reads through the App, and so sees what the actor may see.
	Answer(ctx context.Context, a *App, actor Actor) (any, error)
}

// A List is an answer of many things: a page, and the cursor of the next one.
type List struct {
	Items any    `json:"items"`
	Next  string `json:"next"`
}

// QuerySpec is a row of the query table.
type QuerySpec struct {
	Name string // "order.list", as the SSH verb says it
	Help string
	Path string // "GET /orders" below /v1
	Verb Verb
	New  func() Query
}

// Queries lists every read that programs and SSH verbs have.
var Queries = []QuerySpec{
	{"order.list", "work orders, most urgent first", "GET /orders", ViewFloor, func() Query { return new(ListOrders) }},
	{"order.show", "one work order with its operations, sessions and reports", "GET /orders/{order}", ViewFloor, func() Query { return new(ShowOrder) }},
	{"queue.list", "operations that can be worked on", "GET /queue", ViewFloor, func() Query { return new(ListQueue) }},
	{"session.list", "job sessions, newest first", "GET /sessions", ViewFloor, func() Query { return new(ListSessions) }},
	{"report.list", "reports, newest first", "GET /reports", ViewFloor, func() Query { return new(ListReports) }},
	{"totals.show", "sums over orders, sessions and reports", "GET /totals", ViewFloor, func() Query { return new(ShowTotals) }},
	{"machine.list", "every machine with its state", "GET /machines", ViewFloor, func() Query { return new(ListMachines) }},
	{"machine.timeline", "states of a machine over time", "GET /machines/{machine}/timeline", ViewFloor, func() Query { return new(ShowTimeline) }},
	{"machine.counts", "counter readings of a machine", "GET /machines/{machine}/counts", ViewFloor, func() Query { return &MachineRows{of: "counts"} }},
	{"machine.samples", "values of a machine", "GET /machines/{machine}/samples", ViewFloor, func() Query { return &MachineRows{of: "samples"} }},
	{"machine.alarms", "conditions of a machine", "GET /machines/{machine}/alarms", ViewFloor, func() Query { return &MachineRows{of: "alarms"} }},
	{"machine.totals", "how much is stored of a machine", "GET /machines/{machine}/totals", ViewFloor, func() Query { return new(ShowMachineTotals) }},
	{"ledger.list", "ledger entries, newest first", "GET /ledger", ViewLedger, func() Query { return new(ListEntries) }},
	{"equipment.list", "the plant", "GET /equipment", ViewFloor, func() Query { return new(ListEquipment) }},
	{"product.list", "products", "GET /products", ViewFloor, func() Query { return new(ListProducts) }},
	{"revision.list", "revisions of a product", "GET /products/{product}/revisions", ViewFloor, func() Query { return new(ListRevisions) }},
	{"person.list", "people of the plant", "GET /people", RegisterPeople, func() Query { return new(ListPeople) }},
	{"person.show", "a person with their secrets, keys, lockouts and sign-ins", "GET /people/{person}", RegisterPeople, func() Query { return new(ShowPerson) }},
	{"key.list", "API keys, newest first", "GET /keys", ManageAccess, func() Query { return new(ListKeys) }},
	{"sshkey.list", "SSH keys of people and stations", "GET /ssh-keys", ManageAccess, func() Query { return new(ListSSHKeys) }},
	{"signin.list", "who is signed in, and who was", "GET /sign-ins", ViewLedger, func() Query { return new(ListSignIns) }},
	{"lockout.list", "who is locked out for wrong secrets", "GET /lockouts", UnlockPeople, func() Query { return new(ListLockouts) }},
	{"signature.list", "signatures on a record", "GET /signatures", ViewFloor, func() Query { return new(ListSignatures) }},
	{"trace.list", "calls at the API, newest first", "GET /trace", ViewLedger, func() Query { return new(ListCalls) }},
	{"station.list", "stations", "GET /stations", ViewFloor, func() Query { return new(ListStations) }},
	{"command.show", "what a command of yours gave", "GET /commands/{command}", ViewFloor, func() Query { return new(ShowCommand) }},
	{"me.show", "who you are here, and what you may do", "GET /me", ViewFloor, func() Query { return new(ShowMe) }},
}

// ListOrders lists work orders.
type ListOrders struct {
	State   []OrderState `json:"state,omitempty" doc:"only these states: draft, released, in_progress, paused, held, completed, closed, cancelled"`
	Line    ID           `json:"line,omitempty" doc:"only this work centre"`
	Product ID           `json:"product,omitempty" doc:"only this product"`
	Search  string       `json:"q,omitempty" doc:"part of the number or of the product" maxLength:"80"`
	After   string       `json:"after,omitempty" doc:"cursor of the page before"`
	Limit   int          `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListOrders) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	if err := knownStates(q.State); err != nil {
		return nil, err
	}
	return list(a.Orders(ctx, actor, OrderFilter{State: q.State, Line: q.Line, Product: q.Product, Search: q.Search, Page: Page{q.After, q.Limit}}))
}

// knownStates refuses a filter that could never find anything.
func knownStates(states []OrderState) error {
	for _, s := range states {
		if !slices.Contains(OrderStates, s) {
			return invalid("state", "%q is not a state of an order; use draft, released, in_progress, paused, held, completed, closed or cancelled", s)
		}
	}
	return nil
}

// ShowOrder shows one work order.
type ShowOrder struct {
	Order ID `json:"order" doc:"number or id of the work order"`
}

func (q *ShowOrder) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return a.Order(ctx, actor, q.Order)
}

// ListQueue lists what can be worked on.
type ListQueue struct {
	Line  ID  `json:"line,omitempty" doc:"only this work centre"`
	Limit int `json:"limit,omitempty" doc:"at most this many" minimum:"0" maximum:"1000"`
}

func (q *ListQueue) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.Queue(ctx, actor, QueueFilter{Line: q.Line, Limit: q.Limit})
	return list(items, "", err)
}

// ListSessions lists job sessions.
type ListSessions struct {
	Order  ID     `json:"order,omitempty" doc:"id of the work order"`
	Person ID     `json:"person,omitempty" doc:"id of the person"`
	Open   bool   `json:"open,omitempty" doc:"only running and paused ones"`
	Odd    bool   `json:"odd,omitempty" doc:"only those with oddities"`
	After  string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit  int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListSessions) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Sessions(ctx, actor, SessionFilter{Order: q.Order, Person: q.Person, Open: q.Open, Odd: q.Odd, Page: Page{q.After, q.Limit}}))
}

// ListReports lists reports.
type ListReports struct {
	Order  ID         `json:"order,omitempty" doc:"id of the work order"`
	Person ID         `json:"person,omitempty" doc:"id of the person"`
	Kind   ReportKind `json:"kind,omitempty" doc:"good, scrap, rework or review" enum:"good,scrap,rework,review"`
	After  string     `json:"after,omitempty" doc:"cursor of the page before"`
	Limit  int        `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListReports) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Reports(ctx, actor, ReportFilter{Order: q.Order, Person: q.Person, Kind: q.Kind, Page: Page{q.After, q.Limit}}))
}

// ShowTotals sums over orders.
type ShowTotals struct {
	State   []OrderState `json:"state,omitempty" doc:"only orders in these states"`
	Line    ID           `json:"line,omitempty" doc:"only orders of this work centre"`
	Product ID           `json:"product,omitempty" doc:"only orders of this product"`
	Search  string       `json:"q,omitempty" doc:"part of the order's number or product" maxLength:"80"`
}

func (q *ShowTotals) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	if err := knownStates(q.State); err != nil {
		return nil, err
	}
	return a.Totals(ctx, actor, OrderFilter{State: q.State, Line: q.Line, Product: q.Product, Search: q.Search})
}

// ListMachines lists every machine with its state.
type ListMachines struct {
	Line ID `json:"line,omitempty" doc:"only this work centre"`
}

func (q *ListMachines) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	tiles, err := a.Board(ctx, actor, q.Line)
	return list(tiles, "", err)
}

// ShowTimeline shows the states of a machine: the last 24 hours if not said otherwise.
type ShowTimeline struct {
	Machine ID    `json:"machine" doc:"code of the machine"`
	From    Stamp `json:"from,omitempty,omitzero" doc:"from this time on"`
	To      Stamp `json:"to,omitempty,omitzero" doc:"until before this time"`
}

func (q *ShowTimeline) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	from, to := q.From.Time, q.To.Time
	if to.IsZero() {
		to = a.Now()
	}
	if from.IsZero() {
		from = to.Add(-24 * time.Hour)
	}
	if !from.Before(to) {
		return nil, invalid("from", "from must be before to")
	}
	intervals, err := a.Timeline(ctx, actor, q.Machine, from, to)
	return list(intervals, "", err)
}

// MachineRows lists counter readings, samples or alarms of a machine, oldest first.
type MachineRows struct {
	Machine ID     `json:"machine" doc:"code of the machine"`
	Series  string `json:"series,omitempty" doc:"only this counter, tag or condition" maxLength:"80"`
	From    Stamp  `json:"from,omitempty,omitzero" doc:"from this time on"`
	To      Stamp  `json:"to,omitempty,omitzero" doc:"until before this time"`
	After   string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit   int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
	of      string
}

func (q *MachineRows) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	f := MachineFilter{Machine: q.Machine, Series: q.Series, From: q.From.Time, To: q.To.Time, Page: Page{q.After, q.Limit}}
	switch q.of {
	case "counts":
		return list(a.Counts(ctx, actor, f))
	case "samples":
		return list(a.Samples(ctx, actor, f))
	}
	return list(a.Alarms(ctx, actor, f))
}

// ShowMachineTotals counts what is stored of a machine.
type ShowMachineTotals struct {
	Machine ID `json:"machine" doc:"code of the machine"`
}

func (q *ShowMachineTotals) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return a.MachineTotals(ctx, actor, q.Machine)
}

// ListEntries lists ledger entries.
type ListEntries struct {
	View    View   `json:"view,omitempty" doc:"activity, transaction or change" enum:"activity,transaction,change"`
	Actor   ID     `json:"actor,omitempty" doc:"id of who did it"`
	Subject string `json:"subject,omitempty" doc:"what it was about, like work_order/ID" maxLength:"120"`
	Command string `json:"command,omitempty" doc:"name of the command" maxLength:"40"`
	Since   Stamp  `json:"since,omitempty,omitzero" doc:"from this time on"`
	Until   Stamp  `json:"until,omitempty,omitzero" doc:"until before this time"`
	After   string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit   int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListEntries) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Ledger(ctx, actor, LedgerFilter{
		View: q.View, Actor: q.Actor, Subject: q.Subject, Command: q.Command, From: q.Since.Time, To: q.Until.Time, Page: Page{q.After, q.Limit},
	}))
}

// ListEquipment lists the plant.
type ListEquipment struct{}

func (q *ListEquipment) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.Equipment(ctx, actor)
	return list(items, "", err)
}

// ListProducts lists products.
type ListProducts struct {
	After string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListProducts) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Products(ctx, actor, Page{q.After, q.Limit}))
}

// ListRevisions lists the revisions of a product.
type ListRevisions struct {
	Product ID `json:"product" doc:"code of the product"`
}

func (q *ListRevisions) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.Revisions(ctx, actor, q.Product)
	return list(items, "", err)
}

// ListPeople lists persons.
type ListPeople struct {
	After string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListPeople) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.People(ctx, actor, Page{q.After, q.Limit}))
}

// ShowPerson shows a person with all that belongs to their account.
type ShowPerson struct {
	Person ID `json:"person" doc:"badge or id of the person"`
}

func (q *ShowPerson) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return a.Person(ctx, actor, q.Person)
}

// ListKeys lists API keys.
type ListKeys struct {
	Person ID     `json:"person,omitempty" doc:"only keys of the person with this id"`
	After  string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit  int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListKeys) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Keys(ctx, actor, KeyFilter{Person: q.Person, Page: Page{q.After, q.Limit}}))
}

// ListSSHKeys lists SSH keys.
type ListSSHKeys struct {
	Station ID `json:"station,omitempty" doc:"only keys of this station"`
	Person  ID `json:"person,omitempty" doc:"only keys of the person with this id"`
}

func (q *ListSSHKeys) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.SSHKeys(ctx, actor, SSHKeyFilter{Station: q.Station, Person: q.Person})
	return list(items, "", err)
}

// ListSignIns lists sign-ins.
type ListSignIns struct {
	Open   bool   `json:"open,omitempty" doc:"only those that have not ended"`
	Person ID     `json:"person,omitempty" doc:"only of the person with this id"`
	After  string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit  int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListSignIns) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.SignIns(ctx, actor, SignInFilter{Open: q.Open, Person: q.Person, Page: Page{q.After, q.Limit}}))
}

// ListLockouts lists lockouts.
type ListLockouts struct {
	Locked bool   `json:"locked,omitempty" doc:"only those that lock now"`
	Person ID     `json:"person,omitempty" doc:"only of the person with this id"`
	After  string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit  int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListLockouts) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	f := LockoutFilter{Person: q.Person, Page: Page{q.After, q.Limit}}
	if q.Locked {
		f.At = a.Now()
	}
	return list(a.Lockouts(ctx, actor, f))
}

// ListSignatures lists the signatures on a record.
type ListSignatures struct {
	Record string `json:"record" doc:"what was signed, like revision/P-100@A or work_order/ID" maxLength:"120"`
}

func (q *ListSignatures) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.Signatures(ctx, actor, q.Record)
	return list(items, "", err)
}

// ListCalls lists calls at the API.
type ListCalls struct {
	ID        string `json:"id,omitempty" doc:"id of the request" maxLength:"80"`
	Key       ID     `json:"key,omitempty" doc:"public first part of the API key"`
	Principal ID     `json:"principal,omitempty" doc:"whom the key stands for"`
	Route     string `json:"route,omitempty" doc:"route, like GET /v1/orders/{order}" maxLength:"120"`
	Status    int    `json:"status,omitempty" doc:"HTTP status" minimum:"0" maximum:"599"`
	Source    string `json:"source,omitempty" doc:"network address" maxLength:"60"`
	Since     Stamp  `json:"since,omitempty,omitzero" doc:"from this time on"`
	Until     Stamp  `json:"until,omitempty,omitzero" doc:"until before this time"`
	After     string `json:"after,omitempty" doc:"cursor of the page before"`
	Limit     int    `json:"limit,omitempty" doc:"rows of a page, at most 1000" minimum:"0" maximum:"1000"`
}

func (q *ListCalls) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return list(a.Calls(ctx, actor, TraceFilter{
		ID: q.ID, Key: q.Key, Principal: q.Principal, Route: q.Route, Status: q.Status, Source: q.Source,
		From: q.Since.Time, To: q.Until.Time, Page: Page{q.After, q.Limit},
	}))
}

// ListStations lists stations.
type ListStations struct{}

func (q *ListStations) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	items, err := a.Stations(ctx, actor)
	return list(items, "", err)
}

// ShowCommand gives the receipt of a command.
type ShowCommand struct {
	Command ID `json:"command" doc:"id of the command"`
}

func (q *ShowCommand) Answer(ctx context.Context, a *App, actor Actor) (any, error) {
	return a.Receipt(ctx, actor, q.Command)
}

// ShowMe tells who is asking.
type ShowMe struct{}

func (q *ShowMe) Answer(_ context.Context, _ *App, actor Actor) (any, error) {
	if actor.ID == "" {
		return nil, Faultf(Unauthenticated, "nobody is signed in; sign in first")
	}
	return actor, nil
}

// list makes an answer of a page. No rows are an empty list, never null.
func list[T any](items []T, next string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if items == nil {
		items = []T{}
	}
	return List{items, next}, nil
}

// Route splits the path of a query: path, and the names of the fields that the path carries.
func (s *QuerySpec) Route() (path string, params []string) {
	_, path, params = route(s.Path)
	return path, params
}

// Fields lists the fields of a query as its URL names them, the path's first.
func (s *QuerySpec) Fields() []Field {
	_, params := s.Route()
	return fieldsOf(reflect.TypeOf(s.New()).Elem(), params)
}

// Usage is how the query is written on a command line.
func (s *QuerySpec) Usage() string { return usage(s.Name, s.Fields()) }

// Set puts the text of a URL parameter or of a command line into a field of a query or command.
func Set(target any, f Field, text string) error {
	return setField(reflect.ValueOf(target).Elem().Field(f.index), f.Name, text)
}

// ParseQuery makes a query from the words of a command line, like [Parse]. A noun alone asks for its list. The spec is
// nil when the words name no query.
func ParseQuery(words []string) (Query, *QuerySpec, error) {
	for i := range Queries {
		s := &Queries[i]
		noun, verb, _ := strings.Cut(s.Name, ".")
		var rest []string
		switch {
		case len(words) == 0:
			continue
		case words[0] == s.Name:
			rest = words[1:]
		case words[0] == noun && len(words) > 1 && words[1] == verb:
			rest = words[2:]
		case len(words) == 1 && words[0] == noun && (verb == "list" || verb == "show" && len(s.Fields()) == 0):
		case words[0] == noun && noun == "totals" && verb == "show":
			rest = words[1:]
		default:
			continue
		}
		q := s.New()
		return q, s, parseFields(q, s.Fields(), s.Usage(), s.Name, rest)
	}
	return nil, nil, nil
}
