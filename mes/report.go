package mes

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ReportKind says what became of the pieces of a report.
type ReportKind string

const (
	GoodPieces   ReportKind = "good"
	ScrapPieces  ReportKind = "scrap"
	ReworkPieces ReportKind = "rework" // sent to be made good
	ReviewPieces ReportKind = "review" // set aside for material review; they still belong to the operation
)

// A Report says that so many pieces of an operation became good, scrap, rework or review. It is never edited: a
// correction is another report that takes it back, with Corrects naming it.
type Report struct {
	ID              ID          `json:"id"`
	Order           ID          `json:"order"`
	Operation       ID          `json:"operation"`
	Seq             int         `json:"seq"`
	Session         ID          `json:"session"`
	Site            ID          `json:"site"`
	Line            ID          `json:"line"`
	Family          string      `json:"family"`
	Code            string      `json:"code"`
	Work            SessionKind `json:"work"` // kind of the session it came from
	Kind            ReportKind  `json:"kind"`
	Quantity        int64       `json:"quantity"` // always positive
	Reason          string      `json:"reason"`
	Lot             string      `json:"lot"`
	Person          ID          `json:"person"`
	Station         ID          `json:"station"`
	Machine         ID          `json:"machine"`
	OccurredAt      time.Time   `json:"occurred_at"`
	RecordedAt      time.Time   `json:"recorded_at"`
	Command         ID          `json:"command"`
	Corrects        ID          `json:"corrects"` // the report that this one takes back
	Previous        ID          `json:"previous"` // the report before it at the operation
	SnapshotVersion int         `json:"snapshot_version"`
	Odd             []Oddity    `json:"odd"`
}

// Place of the report for scopes.
func (r *Report) Place() Place {
	return Place{Site: r.Site, Line: r.Line, Family: r.Family, Operation: r.Code}
}

// A Part is a quantity with its reason, written 2:DIM-OOS on a command line.
type Part struct {
	Quantity int64  `json:"quantity" doc:"how many" minimum:"1" maximum:"1000000000"`
	Reason   string `json:"reason,omitempty" doc:"why" maxLength:"80"`
}

// fromWord reads the command line's form. It is not an UnmarshalText: JSON would then take parts for texts.
func (p *Part) fromWord(text string) error {
	quantity, reason, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(quantity, 10, 64)
	if err != nil {
		return invalid("", "%q is not a quantity with a reason; write it like 2:DIM-OOS", text)
	}
	p.Quantity, p.Reason = n, reason
	return nil
}

// ReportJob reports what was made, all kinds in one. Without a session the reporter's own open one is meant.
type ReportJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Session   ID     `json:"session,omitempty" doc:"which session; your own if not said"`
	Good      int64  `json:"good,omitempty" doc:"good pieces" minimum:"0" maximum:"1000000000"`
	Scrap     []Part `json:"scrap,omitempty" doc:"scrapped pieces with their reasons" maxItems:"20"`
	Rework    []Part `json:"rework,omitempty" doc:"pieces sent to rework, with reasons" maxItems:"20"`
	Review    []Part `json:"review,omitempty" doc:"pieces set aside for review, with reasons" maxItems:"20"`
	Lot       string `json:"lot,omitempty" doc:"lot that they belong to" maxLength:"40"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
	History   bool   `json:"history,omitempty" doc:"this happened before gemba was there; needs the historian role"`
}

func (c *ReportJob) decide(d *Decision) error {
	if err := d.asHistory(c.History); err != nil {
		return err
	}
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	if err := f.order.live(); err != nil {
		return err
	}
	s, err := d.ownSession(op, c.Session, "")
	if err != nil {
		return err
	}
	if err := d.reportable(f, op, s, c, at); err != nil {
		return err
	}
	var ids []ID
	add := func(kind ReportKind, quantity int64, reason string) {
		r := &Report{
			ID: d.NewID(), Order: op.Order, Operation: op.ID, Seq: op.Seq, Session: s.ID, Site: op.Site, Line: op.Line, Family: op.Family,
			Code: op.Code, Work: s.Kind, Kind: kind, Quantity: quantity, Reason: reason, Lot: c.Lot, Person: s.Person,
			Station: d.Actor.Station, Machine: s.Machine, OccurredAt: at, RecordedAt: d.Now, Command: d.ID,
			SnapshotVersion: f.order.Snapshot.Version, Odd: d.odd,
		}
		d.report(op, r)
		ids = append(ids, r.ID)
	}
	if c.Good > 0 {
		add(GoodPieces, c.Good, "")
	}
	for kind, parts := range c.parts() {
		for _, p := range parts {
			add(kind, p.Quantity, p.Reason)
		}
	}
	if max(op.Good, op.Scrap, op.Rework, op.Review, op.Reworked) > maxTotal {
		return refuse("operation %d would come to more than %d pieces; check the quantity", op.Seq, int64(maxTotal))
	}
	d.Save(op)
	d.Give("session", s.ID)
	d.Give("reports", ids)
	if err := d.settle(f.order); err != nil {
		return err
	}
	d.operation(f, op)
	return nil
}

// maxTotal bounds the sums of an operation: every engine and every JSON reader still counts that far by ones.
const maxTotal = 1 << 52

// parts gives the lists with reasons in a fixed order.
func (c *ReportJob) parts() func(func(ReportKind, []Part) bool) {
	return func(yield func(ReportKind, []Part) bool) {
		_ = yield(ScrapPieces, c.Scrap) && yield(ReworkPieces, c.Rework) && yield(ReviewPieces, c.Review)
	}
}

// check refuses quantities that cannot be quantities.
func (c *ReportJob) check() error {
	total := c.Good
	if c.Good < 0 || c.Good > MaxQuantity {
		return invalid("good", "good must be a whole number from 0 to %d", MaxQuantity)
	}
	for kind, parts := range c.parts() {
		if len(parts) > 20 {
			return invalid(string(kind), "at most 20 reasons in one report")
		}
		for _, p := range parts {
			if p.Quantity < 1 || p.Quantity > MaxQuantity {
				return invalid(string(kind), "%s must be a whole number from 1 to %d", kind, MaxQuantity)
			}
			if !c.History && kind == ScrapPieces && strings.TrimSpace(p.Reason) == "" {
				return invalid(string(kind), "scrap needs a reason; write it like 2:DIM-OOS")
			}
			if err := checkText(string(kind), p.Reason, 80); err != nil {
				return err
			}
			total += p.Quantity
		}
	}
	if total > MaxQuantity {
		return invalid("good", "%d pieces are reported in all; one report takes at most %d", total, MaxQuantity)
	}
	if total == 0 {
		return invalid("good", "nothing is reported; say how many are good, scrap, rework or review")
	}
	return checkText("lot", c.Lot, 40)
}

// reportable holds the gates on a report: the session's state and time, and the quantity that is there.
func (d *Decision) reportable(f *flow, op *Operation, s *Session, c *ReportJob, at time.Time) error {
	switch {
	case op.State == OpHeld:
		return refuse("operation %d is held (%s: %s); its %s must release it first", op.Seq, op.Hold.Type, op.Hold.Reason, op.Hold.Owner)
	case s.State == SessionStopped:
		return refuse("the session was stopped at %s; start a new one", s.To.Format(time.RFC3339))
	case at.Before(s.From):
		return invalid("at", "the session began at %s; a report cannot be earlier", s.From.Format(time.RFC3339))
	}
	leaves, review := c.Good, int64(0)
	for kind, parts := range c.parts() {
		for _, p := range parts {
			if kind == ReviewPieces {
				review += p.Quantity
			} else {
				leaves += p.Quantity
			}
		}
	}
	if s.Kind == ReworkWork {
		if left := op.Rework - op.Reworked; leaves+review > left {
			return d.gate("over_rework", "%d are reported from rework and %d are there; report what is there", leaves+review, max(left, 0))
		}
		return nil
	}
	left, cure := f.most(op), "report the operation before it first"
	if len(f.before(f.index(op))) == 0 {
		cure = "no more than that was ordered"
	}
	switch {
	case leaves > left:
		return d.gate("over_available", "%d are reported and at most %d can be at operation %d; %s", leaves, max(left, 0), op.Seq, cure)
	case leaves+review > left:
		return d.gate("over_available", "%d are reported or set aside and at most %d can be at operation %d; %s", leaves+review, max(left, 0), op.Seq, cure)
	}
	return nil
}

// report adds a report to its operation: to the sums, which a correction takes back, and to the end of the chain in which
// each report names the one before it. The chain finds the reports of an operation; an index of reports by order would be
// written at a place of its own for every order at work, and cost a report a third more.
func (d *Decision) report(o *Operation, r *Report) {
	r.Previous, o.LastReport = o.LastReport, r.ID
	d.Add(r)
	sign := int64(1)
	if r.Corrects != "" {
		sign = -1
	}
	n := sign * r.Quantity
	switch r.Kind {
	case GoodPieces:
		o.Good += n
	case ScrapPieces:
		o.Scrap += n
	case ReworkPieces:
		o.Rework += n
	case ReviewPieces:
		o.Review += n
	}
	if r.Work == ReworkWork && r.Kind != ReviewPieces {
		o.Reworked += n
	}
	o.Reports += sign
}

// CorrectReport takes a report back with a reason and, if a quantity is given, puts the right one in its place.
type CorrectReport struct {
	Report   ID     `json:"report" doc:"id of the wrong report"`
	Reason   string `json:"reason" doc:"what was wrong" maxLength:"200"`
	Quantity int64  `json:"quantity,omitempty" doc:"the right quantity; none if the report should not have been" minimum:"0" maximum:"1000000000"`
	Instead  string `json:"instead,omitempty" enum:"good,scrap,rework,review" doc:"the right kind; unchanged if not said"`
	Why      string `json:"why,omitempty" doc:"reason of the right scrap, rework or review; unchanged if not said" maxLength:"80"`
}

func (c *CorrectReport) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	if err := checkText("why", c.Why, 80); err != nil {
		return err
	}
	if c.Quantity < 0 || c.Quantity > MaxQuantity {
		return invalid("quantity", "quantity must be a whole number from 0 to %d", MaxQuantity)
	}
	if c.Quantity == 0 && c.Instead != "" {
		return invalid("quantity", "say how many are %s instead", c.Instead)
	}
	wrong, err := d.store.Report(d.ctx, d.level, c.Report)
	if ErrorCode(err) == NotFound || err == nil && !d.covers(wrong.Place()) {
		return notFound("report", c.Report)
	}
	if err != nil {
		return err
	}
	f, op, err := d.find(wrong.Order, string(wrong.Operation))
	if err != nil {
		return err
	}
	if wrong.Corrects != "" {
		return refuse("this is a correction itself; correct the report that replaced it")
	}
	if _, err := d.store.CorrectionOf(d.ctx, d.level, wrong.ID); err == nil {
		return refuse("this report was corrected already; correct the one that replaced it")
	} else if ErrorCode(err) != NotFound {
		return err
	}
	switch f.order.State {
	case OrderInProgress, OrderPaused:
	case OrderCompleted:
		return refuse("order %s is completed; a supervisor must reopen it before a report is corrected", f.order.Number)
	case OrderHeld:
		return f.order.live()
	default:
		return refuse("order %s is %s; nothing under it changes any more", f.order.Number, f.order.State)
	}
	was := f.balances()
	if err := d.mayActFor(wrong.Person, op.Place()); err != nil {
		return err
	}
	back := *wrong
	back.ID, back.Reason, back.Corrects, back.Command, back.RecordedAt, back.Odd = d.NewID(), c.Reason, wrong.ID, d.ID, d.Now, nil
	d.report(op, &back)
	if c.Quantity > 0 {
		right := *wrong
		right.ID, right.Quantity, right.Command, right.RecordedAt, right.Odd = d.NewID(), c.Quantity, d.ID, d.Now, nil
		if c.Instead != "" {
			right.Kind = ReportKind(c.Instead)
		}
		if c.Why != "" {
			right.Reason = c.Why
		}
		switch right.Kind {
		case GoodPieces:
			right.Reason = ""
		case ScrapPieces:
			if right.Reason == "" {
				return invalid("why", "scrap needs a reason; say why")
			}
		case ReworkPieces, ReviewPieces:
		default:
			return invalid("instead", "instead must be good, scrap, rework or review")
		}
		d.report(op, &right)
		d.Give("report", right.ID)
	}
	if err := f.sound(was); err != nil {
		return err
	}
	d.Save(op)
	d.Give("correction", back.ID)
	if err := d.settle(f.order); err != nil {
		return err
	}
	d.operation(f, op)
	return nil
}

// A balance is what of an operation's quantities must not be negative: the most that may still be reported, and what
// went to rework less what came back.
type balance struct{ most, rework int64 }

func (f *flow) balances() []balance {
	list := make([]balance, len(f.ops))
	for i, op := range f.ops {
		list[i] = balance{f.most(op), op.Rework - op.Reworked}
	}
	return list
}

// sound refuses quantities that could not have been: more used than came in, or less than nothing. In recorded history
// that may be so already; a correction must then not make it worse.
func (f *flow) sound(was []balance) error {
	for i, is := range f.balances() {
		op := f.ops[i]
		switch {
		case min(op.Good, op.Scrap, op.Rework, op.Review) < 0:
			return refuse("operation %d would come below zero", op.Seq)
		case is.rework < min(was[i].rework, 0):
			return refuse("%d pieces of operation %d came back from rework already; correct those reports first", op.Reworked, op.Seq)
		case is.most < min(was[i].most, 0):
			return refuse("operation %d has already used %d and would have received only %d; correct that operation first", op.Seq, op.used(), f.input(op))
		}
	}
	return nil
}

// historic tells whether the order was recorded as history, where gates were oddities.
func (f *flow) historic() bool { return len(f.order.Odd) > 0 }

// String is how a part is written on a command line.
func (p Part) String() string { return fmt.Sprintf("%d:%s", p.Quantity, p.Reason) }
