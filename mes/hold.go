package mes

import (
	"slices"
	"time"
)

// HoldType is what kind of constraint a hold is.
type HoldType string

// HoldTypes lists every kind of hold.
var HoldTypes = []HoldType{"quality", "material", "engineering", "tool", "maintenance", "customer"}

// A Hold is a constraint on an order or an operation. Only its owner role releases it.
type Hold struct {
	Type   HoldType  `json:"type"`
	Reason string    `json:"reason"`
	Owner  Role      `json:"owner"`
	By     ID        `json:"by"`
	At     time.Time `json:"at"`
}

// HoldOrder stops an order, or one operation of it, by a constraint; running sessions pause with it.
type HoldOrder struct {
	Order     ID       `json:"order" doc:"number or id of the work order"`
	Operation string   `json:"operation,omitempty" doc:"only this operation"`
	Type      HoldType `json:"type" enum:"quality,material,engineering,tool,maintenance,customer" doc:"kind of constraint"`
	Reason    string   `json:"reason" doc:"what is wrong" maxLength:"200"`
	Owner     Role     `json:"owner,omitempty" doc:"role that releases the hold: quality, maintenance, lead …; quality if not said" maxLength:"20"`
}

func (c *HoldOrder) decide(d *Decision) error {
	if !slices.Contains(HoldTypes, c.Type) {
		return invalid("type", "a hold is for quality, material, engineering, tool, maintenance or customer")
	}
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	owner := c.Owner
	if owner == "" {
		owner = Quality
	}
	if _, ok := Roles[owner]; !ok || !slices.Contains(Roles[owner], HoldOrders) {
		return invalid("owner", "role %q cannot release holds; quality, maintenance or lead can", owner)
	}
	hold := Hold{Type: c.Type, Reason: c.Reason, Owner: owner, By: d.Actor.ID, At: d.Now}
	if c.Operation != "" {
		f, op, err := d.find(c.Order, c.Operation)
		if err != nil {
			return err
		}
		switch op.State {
		case OpReady, OpRunning, OpPaused:
		default:
			return refuse("operation %d %s is %s; only a ready, running or paused one can be held", op.Seq, op.Name, op.State)
		}
		if f.order.State == OrderCompleted || f.order.State == OrderClosed || f.order.State == OrderCancelled {
			return f.order.live()
		}
		if err := d.pauseOperation(op, c.Reason); err != nil {
			return err
		}
		op.HeldFrom, op.State, op.Hold = op.State, OpHeld, hold
		d.Save(op)
		d.operation(f, op)
		return nil
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	switch o.State {
	case OrderReleased, OrderInProgress, OrderPaused:
	default:
		return refuse("order %s is %s; only a released, running or paused order can be held", o.Number, o.State)
	}
	if err := d.pauseSessions(o, c.Reason); err != nil {
		return err
	}
	o.HeldFrom, o.State, o.Hold = o.State, OrderHeld, hold
	d.Save(o)
	d.order(o)
	return nil
}

// UnholdOrder releases a hold. Only somebody with the role that owns it may.
type UnholdOrder struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation,omitempty" doc:"only this operation"`
	Note      string `json:"note,omitempty" doc:"what was done about it" maxLength:"200"`
}

func (c *UnholdOrder) decide(d *Decision) error {
	if err := checkText("note", c.Note, 200); err != nil {
		return err
	}
	if c.Operation != "" {
		f, op, err := d.find(c.Order, c.Operation)
		if err != nil {
			return err
		}
		if op.State != OpHeld {
			return refuse("operation %d %s is %s; there is no hold on it to release", op.Seq, op.Name, op.State)
		}
		switch f.order.State {
		case OrderCompleted, OrderClosed, OrderCancelled:
			return refuse("order %s is %s; nothing under it changes any more", f.order.Number, f.order.State)
		}
		if err := d.owns(op.Hold, op.Place()); err != nil {
			return err
		}
		op.State, op.HeldFrom, op.Hold = op.HeldFrom, "", Hold{}
		d.Save(op)
		if err := d.settle(f.order); err != nil {
			return err
		}
		d.operation(f, op)
		return nil
	}
	o, err := d.Order(c.Order)
	if err != nil {
		return err
	}
	if o.State != OrderHeld {
		return refuse("order %s is %s; there is no hold on it to release", o.Number, o.State)
	}
	if err := d.owns(o.Hold, o.Place()); err != nil {
		return err
	}
	o.State, o.HeldFrom, o.Hold = o.HeldFrom, "", Hold{}
	d.Save(o)
	d.order(o)
	return nil
}

// owns tells whether the actor holds the role that owns a hold, at the place where it is.
func (d *Decision) owns(h Hold, p Place) error {
	if !slices.ContainsFunc(d.Actor.Grants, func(g Grant) bool { return g.Role == h.Owner && g.Covers(p) }) {
		return refuse("this hold belongs to %s; somebody with that role must release it", h.Owner)
	}
	return nil
}

// pauseSessions pauses everything that runs on an order.
func (d *Decision) pauseSessions(o *Order, reason string) error {
	ops, err := d.Operations(o)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if err := d.pauseOperation(op, reason); err != nil {
			return err
		}
	}
	return nil
}

// pauseOperation pauses everything that runs on an operation.
func (d *Decision) pauseOperation(op *Operation, reason string) error {
	for _, id := range op.Sessions {
		s, err := d.Session(id)
		if err != nil {
			return err
		}
		if s.State == SessionRunning {
			if err := d.pauseSession(op, s, later(d.Now, s.lasting()), reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// later gives the later of two moments. A session may have been stated to begin a little ahead of the server's clock,
// and must not keep others from stopping the work now.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
