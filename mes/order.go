package mes

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// MaxQuantity is the largest quantity that is taken for a quantity; more is a scanned barcode or a slip.
const MaxQuantity = 1_000_000_000

// OrderState is where a work order stands.
type OrderState string

const (
	OrderDraft      OrderState = "draft"
	OrderReleased   OrderState = "released"
	OrderInProgress OrderState = "in_progress"
	OrderPaused     OrderState = "paused"
	OrderHeld       OrderState = "held"
	OrderCompleted  OrderState = "completed"
	OrderClosed     OrderState = "closed"
	OrderCancelled  OrderState = "cancelled"
)

// OrderStates lists every state of an order.
var OrderStates = []OrderState{OrderDraft, OrderReleased, OrderInProgress, OrderPaused, OrderHeld, OrderCompleted, OrderClosed, OrderCancelled}

// An Order is a work order: make this much of that product by then.
type Order struct {
	ID           ID         `json:"id"`
	Number       string     `json:"number"` // what people call it
	Product      ID         `json:"product"`
	Revision     ID         `json:"revision"`
	Family       string     `json:"family"`
	Site         ID         `json:"site"`
	Line         ID         `json:"line"` // of its first operation, or where the planner put it
	State        OrderState `json:"state"`
	HeldFrom     OrderState `json:"held_from"` // where a held order goes back to
	Hold         Hold       `json:"hold"`
	Ordered      int64      `json:"ordered"`
	Unit         string     `json:"unit"`
	Tolerance    int        `json:"tolerance"` // percent that may be made too much, or be missing without a reason
	Priority     int        `json:"priority"`  // 1 first … 9 last
	Due          time.Time  `json:"due"`
	PlannedStart time.Time  `json:"planned_start"`
	Snapshot     Snapshot   `json:"snapshot"` // frozen at release
	SplitFrom    ID         `json:"split_from"`
	Good         int64      `json:"good"`         // of the last operation, at completion
	Short        int64      `json:"short"`        // ordered but not made, at completion
	Over         int64      `json:"over"`         // made beyond the order, at completion
	ShortReason  string     `json:"short_reason"` // why less was made
	SignedBy     ID         `json:"signed_by"`    // who signed making more than the tolerance
	CreatedAt    time.Time  `json:"created_at"`
	CreatedBy    ID         `json:"created_by"`
	ReleasedAt   time.Time  `json:"released_at"`
	StartedAt    time.Time  `json:"started_at"`
	CompletedAt  time.Time  `json:"completed_at"`
	ClosedAt     time.Time  `json:"closed_at"`
	Odd          []Oddity   `json:"odd"`
	Version      int64      `json:"version"`
}

// Place of the order for scopes.
func (o *Order) Place() Place { return Place{Site: o.Site, Line: o.Line, Family: o.Family} }

// limit is the largest quantity that may be good: ordered and what the tolerance adds.
func (o *Order) limit() int64 { return o.Ordered + o.Ordered*int64(o.Tolerance)/100 }

// least is the smallest good quantity that completes the order without a reason.
func (o *Order) least() int64 { return o.Ordered - o.Ordered*int64(o.Tolerance)/100 }

// live tells whether work on the order can be started or reported.
func (o *Order) live() error {
	switch o.State {
	case OrderReleased, OrderInProgress:
		return nil
	case OrderHeld:
		return refuse("order %s is held (%s: %s); its %s must release it first", o.Number, o.Hold.Type, o.Hold.Reason, o.Hold.Owner)
	case OrderPaused:
		return refuse("order %s is paused; resume the order first", o.Number)
	case OrderDraft:
		return refuse("order %s is a draft; release it first", o.Number)
	}
	return refuse("order %s is %s; nothing more is reported on it", o.Number, o.State)
}

// release freezes what the order is made from and hands it to the floor.
func (o *Order) release(rev *Revision, now time.Time) error {
	switch {
	case o.State != OrderDraft:
		return refuse("order %s is %s; only a draft order can be released", o.Number, o.State)
	case rev.Status != RevisionReleased:
		return refuse("revision %s is %s; release the revision first", rev.ID, rev.Status)
	case !rev.EffectiveAt(o.PlannedStart):
		return refuse("revision %s is not in effect on %s; choose another revision or start", rev.ID, o.PlannedStart.Format(time.DateOnly))
	case len(rev.Routing) == 0:
		return refuse("revision %s has no operation; nothing could be worked on", rev.ID)
	}
	o.State, o.ReleasedAt = OrderReleased, now
	o.Snapshot = Snapshot{Revision: rev.ID, Version: o.Snapshot.Version + 1, Routing: rev.Routing, BOM: rev.BOM}
	return nil
}

// CreateOrder plans a work order. It stays a draft until it is released.
type CreateOrder struct {
	Number       string `json:"number,omitempty" doc:"what people call the order; made from the date if not said" maxLength:"40"`
	Product      ID     `json:"product" doc:"code of the product"`
	Rev          string `json:"rev,omitempty" doc:"revision; the one in effect at the planned start if not said" maxLength:"20"`
	Quantity     int64  `json:"quantity" doc:"how many are ordered" minimum:"1" maximum:"1000000000"`
	Tolerance    int    `json:"tolerance,omitempty" doc:"percent that may be made too much, or be missing without a reason" minimum:"0" maximum:"100"`
	Priority     int    `json:"priority,omitempty" doc:"1 first to 9 last, 5 if not said" minimum:"0" maximum:"9"`
	Due          Stamp  `json:"due,omitempty,omitzero" doc:"when it must be ready"`
	PlannedStart Stamp  `json:"planned_start,omitempty,omitzero" doc:"when work begins; now if not said"`
}

func (c *CreateOrder) decide(d *Decision) error {
	if c.Quantity < 1 || c.Quantity > MaxQuantity {
		return invalid("quantity", "quantity must be a whole number from 1 to %d", MaxQuantity)
	}
	if c.Tolerance < 0 || c.Tolerance > 100 {
		return invalid("tolerance", "tolerance is a percentage from 0 to 100")
	}
	if c.Priority < 0 || c.Priority > 9 {
		return invalid("priority", "priority goes from 1 (first) to 9 (last)")
	}
	product, err := d.Product(c.Product)
	if err != nil {
		return err
	}
	start, _ := c.PlannedStart.split()
	if c.PlannedStart.IsZero() {
		start = d.Now
	}
	due, _ := c.Due.split()
	if c.Due.IsZero() {
		due = start.Add(7 * 24 * time.Hour)
	}
	if due.Before(start) {
		return invalid("due", "the order would be due before it starts")
	}
	rev, err := d.revisionFor(product.ID, c.Rev, start)
	if err != nil {
		return err
	}
	line, err := d.anyEquipment(rev.Routing[0].Line)
	if err != nil {
		return err
	}
	id := d.NewID()
	number := c.Number
	if number == "" {
		number = fmt.Sprintf("%s-%s", d.Now.Format("060102"), shortOf(id))
	}
	if err := checkCode("number", ID(number)); err != nil {
		return err
	}
	if _, err := d.store.Order(d.ctx, d.level, ID(number)); err == nil {
		return refuse("order number %s is taken; choose another", number)
	} else if ErrorCode(err) != NotFound {
		return err
	}
	o := &Order{
		ID: id, Number: number, Product: product.ID, Revision: rev.ID, Family: product.Family, Site: line.Site, Line: line.ID,
		State: OrderDraft, Ordered: c.Quantity, Unit: product.Unit, Tolerance: c.Tolerance, Priority: max(c.Priority, 1),
		Due: due, PlannedStart: start, CreatedAt: d.Now, CreatedBy: d.Actor.ID,
	}
	if c.Priority == 0 {
		o.Priority = 5
	}
	if err := d.within(o.Place(), "product", c.Product); err != nil {
		return err
	}
	d.create(KindOrder, o.ID)
	d.Save(o)
	d.order(o)
	return nil
}

// revisionFor gives the named revision, or the released one in effect at a moment.
func (d *Decision) revisionFor(product ID, rev string, at time.Time) (*Revision, error) {
	if rev != "" {
		return d.Revision(RevisionID(product, rev))
	}
	list, err := d.store.Revisions(d.ctx, d.level, product)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Status == RevisionReleased && list[i].EffectiveAt(at) {
			return d.Revision(list[i].ID)
		}
	}
	return nil, refuse("product %s has no released revision in effect on %s; release one first", product, at.Format(time.DateOnly))
}

// shortOf is the end of an id, readable enough to tell orders of one day apart.
func shortOf(id ID) string {
	if len(id) > 6 {
		return string(id[len(id)-6:])
	}
	return string(id)
}

// ReleaseOrder hands a draft order to the floor and freezes what it is made from.
type ReleaseOrder struct {
	Order ID    `json:"order" doc:"number or id of the work order"`
	At    Stamp `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
}

func (c *ReleaseOrder) decide(d *Decision) error {
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	rev, err := d.Revision(o.Revision)
	if err != nil {
		return err
	}
	if err := o.release(rev, at); err != nil {
		return err
	}
	d.Save(o)
	for i := range o.Snapshot.Routing {
		op, err := d.planOperation(o, &o.Snapshot.Routing[i])
		if err != nil {
			return err
		}
		d.Save(op)
	}
	d.order(o)
	return d.settle(o)
}

// UnreleaseOrder takes an order back from the floor while nothing has started.
type UnreleaseOrder struct {
	Order ID `json:"order" doc:"number or id of the work order"`
}

func (c *UnreleaseOrder) decide(d *Decision) error {
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderReleased {
		return refuse("order %s is %s; only a released order that has not started goes back to draft", o.Number, o.State)
	}
	ops, err := d.Operations(o)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.State == OpHeld {
			return refuse("operation %d of order %s is held; release the hold first", op.Seq, o.Number)
		}
		op.State, op.Reason, op.CompletedAt = OpWaiting, "", time.Time{} // a skip is decided again at the next release
		d.Save(op)
	}
	o.State, o.ReleasedAt = OrderDraft, time.Time{}
	d.Save(o)
	d.order(o)
	return nil
}

// PauseOrder stops work on an order by decision; running sessions pause with it.
type PauseOrder struct {
	Order  ID     `json:"order" doc:"number or id of the work order"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *PauseOrder) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderInProgress {
		return refuse("order %s is %s; only an order in progress can be paused", o.Number, o.State)
	}
	if err := d.pauseSessions(o, c.Reason); err != nil {
		return err
	}
	o.State = OrderPaused
	d.Save(o)
	d.order(o)
	return nil
}

// ResumeOrder lets work on a paused order go on. Each session is resumed by who works on it.
type ResumeOrder struct {
	Order ID `json:"order" doc:"number or id of the work order"`
}

func (c *ResumeOrder) decide(d *Decision) error {
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderPaused {
		return refuse("order %s is %s; only a paused order can be resumed", o.Number, o.State)
	}
	o.State = OrderInProgress
	d.Save(o)
	d.order(o)
	return nil
}

// CompleteOrder says that an order is made. Less than ordered needs a reason, more than the tolerance a supervisor's
// signature.
type CompleteOrder struct {
	Order       ID     `json:"order" doc:"number or id of the work order"`
	ShortReason string `json:"short_reason,omitempty" doc:"why less was made than ordered" maxLength:"200"`
	At          Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
}

func (c *CompleteOrder) decide(d *Decision) error {
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	if err := checkText("short_reason", c.ShortReason, 200); err != nil {
		return err
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderInProgress {
		return refuse("order %s is %s; only an order in progress can be completed", o.Number, o.State)
	}
	flow, err := d.flow(o)
	if err != nil {
		return err
	}
	explained := strings.TrimSpace(c.ShortReason) != ""
	for _, op := range flow.ops {
		switch {
		case op.State == OpCompleted || op.State == OpSkipped:
		case !flow.starved(op):
			return refuse("operation %d %s is %s; complete or skip it first", op.Seq, op.Name, op.State)
		case !explained:
			return refuse("operation %d %s was given nothing to work on; give a short_reason to complete the order without it", op.Seq, op.Name)
		default:
			op.State, op.Reason, op.CompletedAt = OpCompleted, c.ShortReason, at
			d.Save(op)
		}
	}
	o.Good = flow.good()
	o.Short, o.Over = max(o.Ordered-o.Good, 0), max(o.Good-o.Ordered, 0)
	if o.Good < o.least() && !explained {
		return refuse("%d of %d %s are good; give a short_reason to complete the order with less", o.Good, o.Ordered, o.Unit)
	}
	if o.Good > o.limit() {
		if !d.Actor.May(Supervise, o.Place()) {
			return refuse("%d are good and %d were ordered (tolerance %d %%); a supervisor must complete this order", o.Good, o.Ordered, o.Tolerance)
		}
		o.SignedBy = d.Actor.ID
	}
	o.ShortReason, o.State, o.CompletedAt = c.ShortReason, OrderCompleted, at
	d.Save(o)
	d.order(o)
	if o.SignedBy != "" {
		if err := d.sign(o, MeaningOverProduction); err != nil {
			return err
		}
	}
	d.Give("good", o.Good)
	d.Give("short", o.Short)
	d.Give("over", o.Over)
	return nil
}

// CloseOrder ends an order for good. Nothing under it changes afterwards.
type CloseOrder struct {
	Order ID `json:"order" doc:"number or id of the work order"`
}

func (c *CloseOrder) decide(d *Decision) error {
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderCompleted {
		return refuse("order %s is %s; complete it first", o.Number, o.State)
	}
	ops, err := d.Operations(o)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if len(op.Sessions) > 0 {
			return refuse("operation %d has an open session; stop it first", op.Seq)
		}
		if op.State == OpHeld {
			return refuse("operation %d is held; release the hold first", op.Seq)
		}
	}
	o.State, o.ClosedAt = OrderClosed, d.Now
	d.Save(o)
	d.order(o)
	return nil
}

// CancelOrder gives an order up before anything was reported.
type CancelOrder struct {
	Order  ID     `json:"order" doc:"number or id of the work order"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *CancelOrder) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	switch o.State {
	case OrderCompleted, OrderClosed, OrderCancelled:
		return refuse("order %s is %s; it can no longer be cancelled", o.Number, o.State)
	}
	ops, err := d.Operations(o)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Reports > 0 {
			return refuse("operation %d has reports; complete order %s short instead", op.Seq, o.Number)
		}
		for _, id := range op.Sessions {
			s, err := d.Session(id)
			if err != nil {
				return err
			}
			if err := d.closeSession(op, id, later(d.Now, s.lasting())); err != nil {
				return err
			}
		}
	}
	o.State, o.Hold, o.HeldFrom, o.ShortReason, o.ClosedAt = OrderCancelled, Hold{}, "", c.Reason, d.Now
	d.Save(o)
	d.order(o)
	return nil
}

// ReopenOrder takes a completed order back, so that a wrong report can be corrected.
type ReopenOrder struct {
	Order  ID     `json:"order" doc:"number or id of the work order"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *ReopenOrder) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderCompleted {
		return refuse("order %s is %s; only a completed order that is not closed can be reopened", o.Number, o.State)
	}
	o.State, o.CompletedAt, o.Good, o.Short, o.Over, o.ShortReason, o.SignedBy = OrderInProgress, time.Time{}, 0, 0, 0, "", ""
	d.Save(o)
	d.order(o)
	flow, err := d.flow(o)
	if err != nil {
		return err
	}
	for _, op := range flow.ops {
		if op.State == OpCompleted && op.StartedAt.IsZero() { // closed with the order because nothing had reached it
			op.State, op.Reason, op.CompletedAt = OpWaiting, "", time.Time{}
			d.Save(op)
		}
	}
	return d.settle(o)
}

// SplitOrder moves part of an order that nobody has worked on yet into an order of its own.
type SplitOrder struct {
	Order    ID     `json:"order" doc:"number or id of the work order"`
	Quantity int64  `json:"quantity" doc:"how many go to the new order" minimum:"1" maximum:"1000000000"`
	Number   string `json:"number,omitempty" doc:"number of the new order; the old one with -1, -2 … if not said" maxLength:"40"`
}

func (c *SplitOrder) decide(d *Decision) error {
	if c.Quantity < 1 || c.Quantity > MaxQuantity {
		return invalid("quantity", "quantity must be a whole number from 1 to %d", MaxQuantity)
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	switch o.State {
	case OrderDraft, OrderReleased, OrderInProgress, OrderPaused:
	default:
		return refuse("order %s is %s; only an open order can be split", o.Number, o.State)
	}
	if c.Quantity >= o.Ordered {
		return refuse("order %s is for %d; split off less than that", o.Number, o.Ordered)
	}
	child := *o
	child.ID, child.SplitFrom, child.Version = d.NewID(), o.ID, 0
	child.Ordered, child.CreatedAt, child.CreatedBy, child.Odd = c.Quantity, d.Now, d.Actor.ID, nil
	child.StartedAt = time.Time{}
	if child.Number, err = d.splitNumber(o, c.Number); err != nil {
		return err
	}
	o.Ordered -= c.Quantity
	d.Save(o)
	d.create(KindOrder, child.ID)
	d.Save(&child)
	if o.State != OrderDraft {
		child.State = OrderReleased
		flow, err := d.flow(o)
		if err != nil {
			return err
		}
		for i, op := range flow.ops {
			switch enters := len(flow.before(i)) == 0; {
			case op.State == OpHeld:
				return refuse("operation %d of order %s is held; release the hold first", op.Seq, o.Number)
			case enters && op.used() > o.Ordered: // what the tolerance adds is not for another order
				return refuse("operation %d has already used %d of order %s; split off less", op.Seq, op.used(), o.Number)
			}
			op.Planned = o.Ordered
			d.Save(op)
		}
		for i := range child.Snapshot.Routing {
			op, err := d.planOperation(&child, &child.Snapshot.Routing[i])
			if err != nil {
				return err
			}
			d.Save(op)
		}
		if err := d.settle(&child); err != nil {
			return err
		}
		if err := d.settle(o); err != nil {
			return err
		}
	}
	d.order(o)
	d.Give("split", child.ID)
	d.Give("split_number", child.Number)
	return nil
}

// splitNumber gives the number of the order that is split off.
func (d *Decision) splitNumber(o *Order, wanted string) (string, error) {
	for i := range 100 {
		number := wanted
		if number == "" {
			number = fmt.Sprintf("%s-%d", o.Number, i+1)
		}
		if err := checkCode("number", ID(number)); err != nil {
			return "", err
		}
		_, err := d.store.Order(d.ctx, d.level, ID(number))
		if ErrorCode(err) == NotFound {
			return number, nil
		}
		if err != nil {
			return "", err
		}
		if wanted != "" {
			break
		}
	}
	return "", refuse("order number %s is taken; choose another", cmp.Or(wanted, o.Number+"-1 to -100"))
}

// ReprioritiseOrder changes how urgent an order is.
type ReprioritiseOrder struct {
	Order    ID    `json:"order" doc:"number or id of the work order"`
	Priority int   `json:"priority" doc:"1 first to 9 last" minimum:"1" maximum:"9"`
	Due      Stamp `json:"due,omitempty,omitzero" doc:"new due date; unchanged if not said"`
}

func (c *ReprioritiseOrder) decide(d *Decision) error {
	if c.Priority < 1 || c.Priority > 9 {
		return invalid("priority", "priority goes from 1 (first) to 9 (last)")
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	switch o.State {
	case OrderCompleted, OrderClosed, OrderCancelled:
		return refuse("order %s is %s; its priority no longer matters", o.Number, o.State)
	}
	o.Priority = c.Priority
	if !c.Due.IsZero() {
		o.Due, _ = c.Due.split()
	}
	d.Save(o)
	d.order(o)
	return nil
}

// order says in the receipt and the ledger which order a command was about.
func (d *Decision) order(o *Order) {
	d.about("work_order", o.ID, o.Place())
	d.Give("order", o.ID)
	d.Give("number", o.Number)
	d.Give("state", o.State)
}
