package mes

import (
	"context"
	"time"
)

// maxPage is the most rows of one page; defaultPage what a caller gets who does not say.
const maxPage, defaultPage = 1000, 100

func (p Page) bounded() Page {
	if p.Limit <= 0 {
		p.Limit = defaultPage
	}
	p.Limit = min(p.Limit, maxPage)
	return p
}

// sees gives the scope of what an actor may look at who holds one of the verbs.
func sees(actor Actor, verbs ...Verb) (Scope, error) {
	if actor.ID == "" {
		return nil, Faultf(Unauthenticated, "nobody is signed in; sign in first")
	}
	var s Scope
	for _, v := range verbs {
		s = append(s, actor.Scope(v)...)
	}
	if len(s) == 0 {
		return nil, Faultf(Denied, "you may not look at this; ask who manages access")
	}
	return s, nil
}

// Orders lists work orders by priority, due date and number.
func (a *App) Orders(ctx context.Context, actor Actor, f OrderFilter) ([]OrderSummary, string, error) {
	var err error
	if f.Scope, err = sees(actor, ViewFloor); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Orders(ctx, f)
}

// Order gives one work order with all that belongs to it.
func (a *App) Order(ctx context.Context, actor Actor, ref ID) (*OrderDetail, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	return a.store.OrderDetail(ctx, s, ref)
}

// Queue lists what can be worked on, most urgent first.
func (a *App) Queue(ctx context.Context, actor Actor, f QueueFilter) ([]QueueItem, error) {
	var err error
	if f.Scope, err = sees(actor, ViewFloor); err != nil {
		return nil, err
	}
	if f.Limit <= 0 || f.Limit > maxPage {
		f.Limit = defaultPage
	}
	return a.store.Queue(ctx, f)
}

// Sessions lists job sessions, newest first.
func (a *App) Sessions(ctx context.Context, actor Actor, f SessionFilter) ([]Session, string, error) {
	var err error
	if f.Scope, err = sees(actor, ViewFloor); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Sessions(ctx, f)
}

// OpenSessions lists what a person has running or paused.
func (a *App) OpenSessions(ctx context.Context, actor Actor, person ID) ([]Session, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	return a.store.OpenSessions(ctx, s, person)
}

// Reports lists reports, newest first.
func (a *App) Reports(ctx context.Context, actor Actor, f ReportFilter) ([]Report, string, error) {
	var err error
	if f.Scope, err = sees(actor, ViewFloor); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Reports(ctx, f)
}

// Totals sums reports and sessions over work orders.
func (a *App) Totals(ctx context.Context, actor Actor, f OrderFilter) (*Totals, error) {
	var err error
	if f.Scope, err = sees(actor, ViewFloor); err != nil {
		return nil, err
	}
	return a.store.Totals(ctx, f)
}

// Board lists every machine with its state. A machine that has not been heard for longer than its time-out is unknown
// since then, whatever it said last.
func (a *App) Board(ctx context.Context, actor Actor, line ID) ([]MachineTile, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	tiles, err := a.store.Board(ctx, s, line)
	now := a.Now()
	for i := range tiles {
		tiles[i].silence(now)
	}
	return tiles, err
}

// silence turns a state that nobody has confirmed for the machine's time-out into unknown.
func (t *MachineTile) silence(now time.Time) {
	if t.State == "" {
		t.State = MachineUnknown
	}
	limit := time.Duration(t.TimeoutS) * time.Second
	if limit > 0 && !t.HeardAt.IsZero() && now.Sub(t.HeardAt) > limit && t.State != MachineUnknown {
		t.State, t.Since, t.Reason, t.Raw = MachineUnknown, t.HeardAt.Add(limit), "nothing heard", ""
	}
}

// machine checks that the actor sees a machine.
func (a *App) machine(ctx context.Context, actor Actor, code ID) error {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return err
	}
	m, err := a.store.Equipment(ctx, Local, code)
	if err != nil && ErrorCode(err) != NotFound {
		return err
	}
	if err != nil || m.Level != WorkUnit || !s.Covers(m.Place()) {
		return notFound("machine", code)
	}
	return nil
}

// Timeline gives the states of a machine in a stretch of time, oldest first, without gap or overlap.
func (a *App) Timeline(ctx context.Context, actor Actor, machine ID, from, to time.Time) ([]Interval, error) {
	if err := a.machine(ctx, actor, machine); err != nil {
		return nil, err
	}
	return a.store.Timeline(ctx, machine, from, to)
}

// Counts lists counter readings of a machine, oldest first.
func (a *App) Counts(ctx context.Context, actor Actor, f MachineFilter) ([]CounterReading, string, error) {
	if err := a.machine(ctx, actor, f.Machine); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Counts(ctx, f)
}

// Samples lists values of a machine, oldest first.
func (a *App) Samples(ctx context.Context, actor Actor, f MachineFilter) ([]Sample, string, error) {
	if err := a.machine(ctx, actor, f.Machine); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Samples(ctx, f)
}

// Alarms lists conditions of a machine, oldest first.
func (a *App) Alarms(ctx context.Context, actor Actor, f MachineFilter) ([]Alarm, string, error) {
	if err := a.machine(ctx, actor, f.Machine); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Alarms(ctx, f)
}

// MachineTotals counts what is stored of a machine.
func (a *App) MachineTotals(ctx context.Context, actor Actor, machine ID) (*MachineTotals, error) {
	if err := a.machine(ctx, actor, machine); err != nil {
		return nil, err
	}
	return a.store.MachineTotals(ctx, machine)
}

// Ledger lists entries of the ledger, newest first: those of places that the actor may look at, and those of no place.
func (a *App) Ledger(ctx context.Context, actor Actor, f LedgerFilter) ([]Entry, string, error) {
	var err error
	if f.Scope, err = sees(actor, ViewLedger); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Entries(ctx, f)
}

// Equipment lists the plant by path.
func (a *App) Equipment(ctx context.Context, actor Actor) ([]Equipment, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	return a.store.EquipmentList(ctx, s)
}

// Products lists products by code.
func (a *App) Products(ctx context.Context, actor Actor, p Page) ([]Product, string, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, "", err
	}
	return a.store.Products(ctx, s, p.bounded())
}

// Revisions lists the revisions of a product.
func (a *App) Revisions(ctx context.Context, actor Actor, product ID) ([]Revision, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	p, err := a.store.Product(ctx, Local, product)
	if err != nil && ErrorCode(err) != NotFound {
		return nil, err
	}
	if err != nil || !s.Covers(Place{Family: p.Family}) {
		return nil, notFound("product", product)
	}
	return a.store.Revisions(ctx, Local, product)
}

// People lists persons by badge: those who may do something where the actor manages access, registers people or leads
// work, and those who may do nothing yet.
func (a *App) People(ctx context.Context, actor Actor, p Page) ([]Person, string, error) {
	s, err := sees(actor, ManageAccess, RegisterPeople, LeadWork)
	if err != nil {
		return nil, "", err
	}
	return a.store.People(ctx, s, p.bounded())
}

// Stations lists stations by code.
func (a *App) Stations(ctx context.Context, actor Actor) ([]Station, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	return a.store.Stations(ctx, s)
}

// Receipt gives what a command of this actor gave.
func (a *App) Receipt(ctx context.Context, actor Actor, id ID) (Receipt, error) {
	if actor.ID == "" {
		return Receipt{}, Faultf(Unauthenticated, "nobody is signed in; sign in first")
	}
	r, err := a.store.Receipt(ctx, id)
	if err != nil {
		return r, err
	}
	if r.By != actor.ID {
		return Receipt{}, notFound("command", id)
	}
	return r, nil
}
