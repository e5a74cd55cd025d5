package mes

import (
	"strconv"
	"strings"
	"time"
)

// OpState is where an operation of an order stands.
type OpState string

const (
	OpWaiting   OpState = "waiting" // its predecessors have not given it anything yet
	OpReady     OpState = "ready"
	OpRunning   OpState = "running"
	OpPaused    OpState = "paused" // started, and nobody works on it now
	OpHeld      OpState = "held"
	OpCompleted OpState = "completed"
	OpSkipped   OpState = "skipped"
)

// An Operation is one step of a work order. Its quantities repeat the sums over its reports, kept in the same
// transaction, so that nobody has to add them up to decide.
type Operation struct {
	ID       ID      `json:"id"` // order.seq
	Order    ID      `json:"order"`
	Site     ID      `json:"site"`
	Line     ID      `json:"line"`
	Family   string  `json:"family"`
	Seq      int     `json:"seq"`
	Code     string  `json:"code"`
	Name     string  `json:"name"`
	Class    string  `json:"class"`
	SetupS   int     `json:"setup_s"`
	RunMS    int     `json:"run_ms"`
	Optional bool    `json:"optional"`
	State    OpState `json:"state"`
	HeldFrom OpState `json:"held_from"`
	Hold     Hold    `json:"hold"`
	Planned  int64   `json:"planned"`
	Good     int64   `json:"good"`
	Scrap    int64   `json:"scrap"`
	Rework   int64   `json:"rework"`   // sent to rework
	Review   int64   `json:"review"`   // set aside for review
	Reworked int64   `json:"reworked"` // good and scrap that came back from rework sessions
	Reports  int64   `json:"reports"`  // reports that stand: not corrected, not corrections

	LastReport ID `json:"last_report"` // the newest report, correction or not; each names the one before it

	Sessions    []ID      `json:"sessions"` // open ones: running and paused
	Running     int       `json:"running"`  // how many of them run
	Reason      string    `json:"reason"`   // why it was skipped or completed short
	StartedAt   time.Time `json:"started_at"`
	CompletedAt time.Time `json:"completed_at"`
	Version     int64     `json:"version"`
}

// Place of the operation for scopes.
func (o *Operation) Place() Place {
	return Place{Site: o.Site, Line: o.Line, Family: o.Family, Operation: o.Code}
}

// used is how much of what came in has left the operation: good, scrapped or out for rework. Pieces that came back from
// rework were counted when they went out.
func (o *Operation) used() int64 { return o.Good + o.Scrap + o.Rework - o.Reworked }

// OperationID is the id of an order's operation.
func OperationID(order ID, seq int) ID { return order + "." + ID(strconv.Itoa(seq)) }

// planOperation gives the operation of an order as its routing plans it. It may exist already from an earlier release.
func (d *Decision) planOperation(o *Order, r *RoutingOperation) (*Operation, error) {
	id := OperationID(o.ID, r.Seq)
	op, err := d.Operation(id)
	if ErrorCode(err) == NotFound {
		op, err = &Operation{ID: id}, nil
		d.create(KindOperation, id)
	}
	if err != nil {
		return nil, err
	}
	line, err := d.anyEquipment(r.Line)
	if err != nil {
		return nil, err
	}
	version := op.Version
	*op = Operation{
		ID: id, Order: o.ID, Site: line.Site, Line: line.ID, Family: o.Family, Seq: r.Seq, Code: r.Code, Name: r.Name, Class: r.Class,
		SetupS: r.SetupS, RunMS: r.RunMS, Optional: r.Optional, State: OpWaiting, Planned: o.Ordered, Version: version,
	}
	return op, nil
}

// Operations gives all operations of a released order, in order of their numbers.
func (d *Decision) Operations(o *Order) ([]*Operation, error) {
	ops := make([]*Operation, len(o.Snapshot.Routing))
	for i := range o.Snapshot.Routing {
		op, err := d.Operation(OperationID(o.ID, o.Snapshot.Routing[i].Seq))
		if err != nil {
			return nil, err
		}
		ops[i] = op
	}
	return ops, nil
}

// A flow is an order with its operations, as quantities run through it.
type flow struct {
	order *Order
	ops   []*Operation
}

func (d *Decision) flow(o *Order) (*flow, error) {
	ops, err := d.Operations(o)
	return &flow{o, ops}, err
}

// before gives the indices of the operations that feed operation i, seeing through skipped ones; none for a first one.
func (f *flow) before(i int) []int {
	var direct []int
	if after := f.order.Snapshot.Routing[i].After; len(after) > 0 {
		for _, seq := range after {
			for j := range i {
				if f.ops[j].Seq == seq {
					direct = append(direct, j)
				}
			}
		}
	} else if i > 0 {
		direct = []int{i - 1}
	}
	var feeding []int
	for _, j := range direct {
		if f.ops[j].State == OpSkipped {
			feeding = append(feeding, f.before(j)...)
		} else {
			feeding = append(feeding, j)
		}
	}
	return feeding
}

func (f *flow) index(op *Operation) int {
	for i := range f.ops {
		if f.ops[i].ID == op.ID {
			return i
		}
	}
	return -1
}

// input is the quantity that has reached an operation: what is ordered for a first one, the least good of its
// predecessors for the others.
func (f *flow) input(op *Operation) int64 {
	feeding := f.before(f.index(op))
	if len(feeding) == 0 {
		return f.order.Ordered
	}
	least := f.ops[feeding[0]].Good
	for _, j := range feeding[1:] {
		least = min(least, f.ops[j].Good)
	}
	return least
}

// available is the quantity that is still to be reported on an operation.
func (f *flow) available(op *Operation) int64 { return f.input(op) - op.used() }

// most is the largest quantity that may still be reported on an operation: what is available and, where pieces enter
// the order, what its tolerance adds.
func (f *flow) most(op *Operation) int64 {
	if len(f.before(f.index(op))) == 0 {
		return f.order.limit() - op.used()
	}
	return f.available(op)
}

// starved tells whether an operation that never began has nothing to wait for: all that feeds it is done, and gave
// nothing.
func (f *flow) starved(op *Operation) bool {
	if op.State != OpWaiting || f.input(op) > 0 {
		return false
	}
	for _, j := range f.before(f.index(op)) {
		if f.ops[j].State != OpCompleted {
			return false
		}
	}
	return true
}

// fed tells whether an operation may start as far as its predecessors go: in a flow they have given it something, for a
// batch they are completed.
func (f *flow) fed(op *Operation) bool {
	i := f.index(op)
	if !f.order.Snapshot.Routing[i].Batch {
		return f.input(op) > 0
	}
	for _, j := range f.before(i) {
		if f.ops[j].State != OpCompleted {
			return false
		}
	}
	return f.input(op) > 0
}

// good of the order: of its last operations that were not skipped.
func (f *flow) good() int64 {
	feedsSomebody := make([]bool, len(f.ops))
	for i := range f.ops {
		if f.ops[i].State == OpSkipped {
			continue
		}
		for _, j := range f.before(i) {
			feedsSomebody[j] = true
		}
	}
	good, any := int64(0), false
	for i, op := range f.ops {
		if op.State == OpSkipped || feedsSomebody[i] {
			continue
		}
		if !any || op.Good < good {
			good, any = op.Good, true
		}
	}
	return good
}

// settle moves the operations of an order between waiting and ready as quantities reach them. It is called after
// everything that changes a quantity.
func (d *Decision) settle(o *Order) error {
	f, err := d.flow(o)
	if err != nil {
		return err
	}
	for _, op := range f.ops {
		switch fed := f.fed(op); {
		case op.State == OpWaiting && fed:
			op.State = OpReady
			d.Save(op)
		case op.State == OpReady && !fed:
			op.State = OpWaiting
			d.Save(op)
		}
	}
	return nil
}

// find gives an order and one of its operations, by sequence number or code.
func (d *Decision) find(order ID, operation string) (*flow, *Operation, error) {
	o, err := d.anyOrder(order)
	if err != nil {
		return nil, nil, err
	}
	f, err := d.flow(o)
	if err != nil {
		return nil, nil, err
	}
	var seen []*Operation // of those in scope
	for _, op := range f.ops {
		if d.covers(op.Place()) {
			seen = append(seen, op)
		}
	}
	switch {
	case len(seen) == 0 && !d.covers(o.Place()):
		return nil, nil, notFound("order", order)
	case len(f.ops) == 0:
		return nil, nil, o.live()
	}
	found, err := pick(seen, operation)
	if err != nil {
		return nil, nil, err
	}
	if found == nil {
		return nil, nil, Faultf(NotFound, "order %s has no operation %s here", o.Number, operation)
	}
	if err := d.entitled(found.Place()); err != nil {
		return nil, nil, err
	}
	d.about("work_order", o.ID, found.Place())
	return f, found, nil
}

// pick chooses an operation by its id or number, or else by its code; nil when there is none. A number always means the
// operation of that number, whatever the codes of others are.
func pick(ops []*Operation, name string) (*Operation, error) {
	for _, op := range ops {
		if string(op.ID) == name || strconv.Itoa(op.Seq) == name {
			return op, nil
		}
	}
	var found *Operation
	for _, op := range ops {
		if op.Code != name {
			continue
		}
		if found != nil {
			return nil, invalid("operation", "there is more than one operation %s; say its number, like %d", name, op.Seq)
		}
		found = op
	}
	return found, nil
}

// CompleteJob says that an operation of an order is done.
type CompleteJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Reason    string `json:"reason,omitempty" doc:"why less was made than came in" maxLength:"200"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
}

func (c *CompleteJob) decide(d *Decision) error {
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	if err := f.order.live(); err != nil {
		return err
	}
	if op.State != OpRunning && op.State != OpPaused {
		return refuse("operation %d %s is %s; only one that was started can be completed", op.Seq, op.Name, op.State)
	}
	for _, j := range f.before(f.index(op)) {
		if p := f.ops[j]; p.State != OpCompleted {
			return refuse("operation %d %s is %s and may still hand on pieces; complete it first", p.Seq, p.Name, p.State)
		}
	}
	explained := strings.TrimSpace(c.Reason) != ""
	if away := op.Rework - op.Reworked; away > 0 && !explained {
		return refuse("%d %s of operation %d are still in rework; report them, or give a reason to complete it without them", away, f.order.Unit, op.Seq)
	}
	if left := f.available(op); left > 0 && op.Good < f.order.least() && !explained {
		return refuse("%d %s are not reported yet; report them, or give a reason to complete operation %d with less", left, f.order.Unit, op.Seq)
	}
	for _, id := range op.Sessions {
		s, err := d.Session(id)
		if err != nil {
			return err
		}
		if s.Person != d.Actor.Person && !d.Actor.May(LeadWork, op.Place()) {
			return refuse("%s still works on operation %d; their session must be stopped first", d.nameOf(s.Person), op.Seq)
		}
		if err := d.closeSession(op, id, at); err != nil {
			return err
		}
	}
	op.State, op.CompletedAt, op.Reason = OpCompleted, at, c.Reason
	d.Save(op)
	d.operation(f, op)
	return d.settle(f.order)
}

// SkipJob leaves an optional operation out.
type SkipJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Reason    string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *SkipJob) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	if err := f.order.live(); err != nil {
		return err
	}
	switch {
	case op.State != OpWaiting && op.State != OpReady:
		return refuse("operation %d %s is %s; only one that has not started can be skipped", op.Seq, op.Name, op.State)
	case !op.Optional:
		return refuse("operation %d %s is required; only an optional one can be skipped", op.Seq, op.Name)
	}
	op.State, op.Reason, op.CompletedAt = OpSkipped, c.Reason, d.Now
	d.Save(op)
	d.operation(f, op)
	return d.settle(f.order)
}

// operation says in the receipt and the ledger which operation a command was about.
func (d *Decision) operation(f *flow, op *Operation) {
	d.about("work_order", f.order.ID, op.Place())
	d.Give("order", f.order.ID)
	d.Give("number", f.order.Number)
	d.Give("operation", op.Seq)
	d.Give("state", op.State)
	d.Give("available", max(f.available(op), 0))
}
