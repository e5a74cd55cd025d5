package mes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// orderIn brings a fresh order of P1 into a state. "done" is an order in progress whose operations are all over.
var orderIn = map[string]func(f *floor, number string){
	"draft":    func(f *floor, n string) { f.do(f.planner, &CreateOrder{Number: n, Product: "P1", Quantity: 10}) },
	"released": func(f *floor, n string) { f.order(n, "P1", 10) },
	"in_progress": func(f *floor, n string) {
		f.order(n, "P1", 10)
		f.do(f.ann, &StartJob{Order: ID(n), Operation: "10"})
		f.do(f.ann, &StopJob{Order: ID(n), Operation: "10"})
	},
	"done": func(f *floor, n string) {
		f.order(n, "P1", 10)
		for _, seq := range []int{10, 20, 30} {
			f.made(f.ann, n, seq, 10)
			f.do(f.ann, &CompleteJob{Order: ID(n), Operation: fmt.Sprint(seq)})
		}
	},
}

func init() {
	then := func(before string, c func(n string) (string, Command)) func(f *floor, n string) {
		return func(f *floor, n string) {
			orderIn[before](f, n)
			who, command := c(n)
			f.do(f.actor(who), command)
		}
	}
	hold := func(n string) (string, Command) {
		return "quality", &HoldOrder{Order: ID(n), Type: "quality", Reason: "burrs"}
	}
	orderIn["paused"] = then("in_progress", func(n string) (string, Command) { return "lead", &PauseOrder{Order: ID(n), Reason: "rush"} })
	orderIn["held from released"] = then("released", hold)
	orderIn["held from in_progress"] = then("in_progress", hold)
	orderIn["held from paused"] = then("paused", hold)
	orderIn["completed"] = then("done", func(n string) (string, Command) { return "lead", &CompleteOrder{Order: ID(n)} })
	orderIn["closed"] = then("completed", func(n string) (string, Command) { return "lead", &CloseOrder{Order: ID(n)} })
	orderIn["cancelled"] = then("released", func(n string) (string, Command) { return "planner", &CancelOrder{Order: ID(n), Reason: "gone"} })
}

func (f *floor) actor(name string) Actor {
	return map[string]Actor{"ann": f.ann, "bob": f.bob, "lead": f.lead, "planner": f.planner, "quality": f.quality}[name]
}

// orderTable says, for every command and every state, what the order becomes. What is not here is refused.
var orderTable = []struct {
	name  string
	who   string
	given func(n string) Command
	leads map[string]OrderState
}{
	{"release", "planner", func(n string) Command { return &ReleaseOrder{Order: ID(n)} }, map[string]OrderState{"draft": OrderReleased}},
	{"unrelease", "planner", func(n string) Command { return &UnreleaseOrder{Order: ID(n)} }, map[string]OrderState{"released": OrderDraft}},
	{"start", "bob", func(n string) Command { return &StartJob{Order: ID(n), Operation: "10"} },
		map[string]OrderState{"released": OrderInProgress, "in_progress": OrderInProgress}},
	{"pause", "lead", func(n string) Command { return &PauseOrder{Order: ID(n), Reason: "rush"} },
		map[string]OrderState{"in_progress": OrderPaused, "done": OrderPaused}},
	{"resume", "lead", func(n string) Command { return &ResumeOrder{Order: ID(n)} }, map[string]OrderState{"paused": OrderInProgress}},
	{"hold", "quality", func(n string) Command { return &HoldOrder{Order: ID(n), Type: "quality", Reason: "burrs"} },
		map[string]OrderState{"released": OrderHeld, "in_progress": OrderHeld, "done": OrderHeld, "paused": OrderHeld}},
	{"unhold", "quality", func(n string) Command { return &UnholdOrder{Order: ID(n)} },
		map[string]OrderState{"held from released": OrderReleased, "held from in_progress": OrderInProgress, "held from paused": OrderPaused}},
	{"complete", "lead", func(n string) Command { return &CompleteOrder{Order: ID(n)} }, map[string]OrderState{"done": OrderCompleted}},
	{"close", "lead", func(n string) Command { return &CloseOrder{Order: ID(n)} }, map[string]OrderState{"completed": OrderClosed}},
	{"cancel", "planner", func(n string) Command { return &CancelOrder{Order: ID(n), Reason: "gone"} },
		map[string]OrderState{"draft": OrderCancelled, "released": OrderCancelled, "in_progress": OrderCancelled, "paused": OrderCancelled,
			"held from released": OrderCancelled, "held from in_progress": OrderCancelled, "held from paused": OrderCancelled}},
	{"reopen", "lead", func(n string) Command { return &ReopenOrder{Order: ID(n), Reason: "wrong report"} },
		map[string]OrderState{"completed": OrderInProgress}},
	{"split", "planner", func(n string) Command { return &SplitOrder{Order: ID(n), Quantity: 4} },
		map[string]OrderState{"draft": OrderDraft, "released": OrderReleased, "in_progress": OrderInProgress, "paused": OrderPaused}},
	{"reprioritise", "planner", func(n string) Command { return &ReprioritiseOrder{Order: ID(n), Priority: 1} },
		map[string]OrderState{"draft": OrderDraft, "released": OrderReleased, "in_progress": OrderInProgress, "done": OrderInProgress,
			"paused": OrderPaused, "held from released": OrderHeld, "held from in_progress": OrderHeld, "held from paused": OrderHeld}},
}

func TestOrder_matrix(t *testing.T) {
	f := newFloor(t)
	n := 0
	for state, reach := range orderIn {
		f.now = f.now.Add(time.Minute)
		for _, row := range orderTable {
			n++
			number := fmt.Sprintf("W-%d", n)
			reach(f, number)
			before := *f.store.order(number)
			want, allowed := row.leads[state]
			if allowed {
				f.do(f.actor(row.who), row.given(number))
				if row.name == "start" {
					f.do(f.bob, &StopJob{Order: ID(number), Operation: "10"})
				}
				if got := f.store.order(number).State; got != want {
					t.Errorf("%s of an order %s gives %s, want %s", row.name, state, got, want)
				}
				continue
			}
			_, err := f.app.Do(t.Context(), f.actor(row.who), "", row.given(number))
			if ErrorCode(err) != Refused {
				t.Errorf("%s of an order %s gives %v (%s), want a refusal", row.name, state, err, ErrorCode(err))
				continue
			}
			if message := ErrorMessage(err); !strings.Contains(message, "; ") {
				t.Errorf("%s of an order %s: %q does not say what would be right", row.name, state, message)
			}
			if after := f.store.order(number); after.Version != before.Version {
				t.Errorf("%s of an order %s was refused and changed it", row.name, state)
			}
		}
	}
}

func TestOrder_create(t *testing.T) {
	f := newFloor(t)
	good := func(change func(c *CreateOrder)) *CreateOrder {
		c := &CreateOrder{Number: "W-1", Product: "P1", Quantity: 5}
		change(c)
		return c
	}
	for name, c := range map[string]*CreateOrder{
		"quantity": good(func(c *CreateOrder) { c.Quantity = 0 }), "quantity ": good(func(c *CreateOrder) { c.Quantity = -1 }),
		"whole number from 1": good(func(c *CreateOrder) { c.Quantity = MaxQuantity + 1 }),
		"tolerance":           good(func(c *CreateOrder) { c.Tolerance = 101 }), "percentage": good(func(c *CreateOrder) { c.Tolerance = -1 }),
		"priority": good(func(c *CreateOrder) { c.Priority = 10 }), "1 (first)": good(func(c *CreateOrder) { c.Priority = -1 }),
		"number must be": good(func(c *CreateOrder) { c.Number = "a b" }), "letters": good(func(c *CreateOrder) { c.Number = "W\x1b[2J" }),
		"40 letters": good(func(c *CreateOrder) { c.Number = strings.Repeat("9", 41) }),
		"due before": good(func(c *CreateOrder) { c.Due = At(monday.AddDate(0, 0, -1)) }),
	} {
		f.refused(Invalid, strings.TrimSpace(name), f.planner, c)
	}
	f.refused(NotFound, "no product NONE here", f.planner, good(func(c *CreateOrder) { c.Product = "NONE" }))
	f.refused(NotFound, "no revision P1@Z here", f.planner, good(func(c *CreateOrder) { c.Rev = "Z" }))
	f.refused(Refused, "no released revision in effect", f.planner, good(func(c *CreateOrder) { c.PlannedStart = At(monday.AddDate(-2, 0, 0)) }))

	made := f.do(f.planner, good(func(c *CreateOrder) { c.Number = "" }))
	o := f.store.order(made["number"].(string))
	if o.State != OrderDraft || o.Priority != 5 || o.Line != "L1" || o.Site != "S1" || o.Family != "valves" || o.Unit != "pcs" || !o.Due.Equal(monday.AddDate(0, 0, 7)) {
		t.Errorf("the order is %+v", o)
	}
	f.refused(Refused, "is taken; choose another", f.planner, &CreateOrder{Number: o.Number, Product: "P1", Quantity: 1})
	f.refused(Refused, "is taken; choose another", f.planner, &CreateOrder{Number: string(o.ID), Product: "P1", Quantity: 1}) // a number that is an id
}

func TestOrder_release(t *testing.T) {
	f := newFloor(t)
	f.do(f.planner, &CreateOrder{Number: "W-1", Product: "P2", Quantity: 5})
	f.do(f.engineer, &RetireRevision{Product: "P2", Rev: "A"})
	f.refused(Refused, "release the revision first", f.planner, &ReleaseOrder{Order: "W-1"})

	f.do(f.engineer, &DraftRevision{Product: "P2", Rev: "B", EffectiveFrom: At(monday.AddDate(0, 1, 0)),
		Routing: []RoutingOperation{{Seq: 10, Code: "CUT", Name: "Cut", Line: "L1"}}})
	f.do(f.planner, &CreateOrder{Number: "W-2", Product: "P2", Rev: "B", Quantity: 5})
	f.do(f.engineer, &SubmitRevision{Product: "P2", Rev: "B"})
	f.refused(Refused, "is in_review; release the revision first", f.planner, &ReleaseOrder{Order: "W-2"})
	f.do(f.approver, &ReleaseRevision{Product: "P2", Rev: "B"})
	f.refused(Refused, "not in effect on 2026-11-23", f.planner, &ReleaseOrder{Order: "W-2"})

	// a planner of one line releases an order that goes on to another
	f.product("P3", "valves", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1"}, RoutingOperation{Seq: 20, Code: "TURN", Line: "L2"})
	pete := f.person("pete", Grant{Role: Planner, Site: "S1", Line: "L1"})
	f.do(pete, &CreateOrder{Number: "W-3", Product: "P3", Quantity: 5})
	f.do(pete, &ReleaseOrder{Order: "W-3"})
	f.do(pete, &SplitOrder{Order: "W-3", Quantity: 1})
	if op := f.store.operation("W-3", 20); op.Line != "L2" || op.State != OpWaiting {
		t.Errorf("operation 20 is %s on %s", op.State, op.Line)
	}
	if op := f.store.operation("W-3", 10); op.State != OpReady || op.Planned != 4 {
		t.Errorf("operation 10 is %s, planned %d", op.State, op.Planned)
	}

	// the snapshot is frozen and each release has its own version
	before := f.store.order("W-3").Snapshot
	f.do(f.planner, &UnreleaseOrder{Order: "W-3"})
	f.do(f.planner, &ReleaseOrder{Order: "W-3"})
	after := f.store.order("W-3").Snapshot
	if before.Version != 1 || after.Version != 2 || !slices.EqualFunc(before.Routing, after.Routing, func(a, b RoutingOperation) bool { return a.Seq == b.Seq }) {
		t.Errorf("snapshots %d and %d", before.Version, after.Version)
	}
}

func TestOrder_unreleaseForgetsSkips(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 5)
	f.do(f.lead, &SkipJob{Order: "W-1", Operation: "20", Reason: "not needed"})
	f.do(f.planner, &UnreleaseOrder{Order: "W-1"})
	f.refused(Refused, "is a draft; release it first", f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.planner, &ReleaseOrder{Order: "W-1"})
	if op := f.store.operation("W-1", 20); op.State != OpWaiting || op.Reason != "" {
		t.Errorf("operation 20 is %s (%s)", op.State, op.Reason)
	}
	f.do(f.quality, &HoldOrder{Order: "W-1", Operation: "10", Type: "tool", Reason: "worn"})
	f.refused(Refused, "release the hold first", f.planner, &UnreleaseOrder{Order: "W-1"})
}

func TestOrder_completeShortAndOver(t *testing.T) {
	f := newFloor(t)
	done := func(number string, ordered, good int64, tolerance int) {
		f.do(f.planner, &CreateOrder{Number: number, Product: "P9", Quantity: ordered, Tolerance: tolerance})
		f.do(f.planner, &ReleaseOrder{Order: ID(number)})
		f.made(f.ann, number, 10, good)
		f.do(f.ann, &CompleteJob{Order: ID(number), Operation: "10", Reason: "that is all"})
	}
	done("W-1", 100, 94, 5)
	f.refused(Refused, "give a short_reason", f.lead, &CompleteOrder{Order: "W-1"})
	f.refused(Refused, "give a short_reason", f.lead, &CompleteOrder{Order: "W-1", ShortReason: " "})
	f.do(f.lead, &CompleteOrder{Order: "W-1", ShortReason: "material ran out"})
	if o := f.store.order("W-1"); o.Good != 94 || o.Short != 6 || o.Over != 0 || o.Ordered != o.Good+o.Short-o.Over {
		t.Errorf("good %d short %d over %d", o.Good, o.Short, o.Over)
	}
	done("W-2", 100, 95, 5)
	f.do(f.lead, &CompleteOrder{Order: "W-2"})
	done("W-3", 100, 105, 5)
	f.do(f.lead, &CompleteOrder{Order: "W-3"})
	if o := f.store.order("W-3"); o.Over != 5 || o.Short != 0 || o.SignedBy != "" {
		t.Errorf("good %d short %d over %d signed by %s", o.Good, o.Short, o.Over, o.SignedBy)
	}

	// more than the tolerance comes from recorded history only, and needs a signature
	f.order("W-4", "P9", 10)
	hist := f.historian
	f.do(hist, &StartJob{Order: "W-4", Operation: "10", Person: "ann", History: true})
	session := f.store.operation("W-4", 10).Sessions[0]
	f.do(hist, &ReportJob{Order: "W-4", Operation: "10", Session: session, Good: 12, History: true})
	f.do(hist, &CompleteJob{Order: "W-4", Operation: "10"})
	f.refused(Refused, "a supervisor must complete this order", hist, &CompleteOrder{Order: "W-4"})
	f.do(f.lead, &CompleteOrder{Order: "W-4"})
	if o := f.store.order("W-4"); o.SignedBy != f.lead.ID || o.Over != 2 {
		t.Errorf("over %d signed by %q", o.Over, o.SignedBy)
	}
}

func TestOrder_whoseLastStepsGotNothing(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P2", 5)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Scrap: []Part{{5, "CRACK"}}})
	f.refused(Refused, "complete or skip it first", f.lead, &CompleteOrder{Order: "W-1", ShortReason: "all scrap"})
	f.do(f.ann, &CompleteJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "given nothing to work on; give a short_reason", f.lead, &CompleteOrder{Order: "W-1"})
	f.do(f.lead, &CompleteOrder{Order: "W-1", ShortReason: "all scrap"})
	if o := f.store.order("W-1"); o.Good != 0 || o.Short != 5 {
		t.Errorf("good %d short %d", o.Good, o.Short)
	}
	f.do(f.lead, &ReopenOrder{Order: "W-1", Reason: "two were good"})
	if op := f.store.operation("W-1", 20); op.State != OpWaiting || !op.CompletedAt.IsZero() {
		t.Errorf("operation 20 is %s", op.State)
	}
	f.do(f.ann, &CorrectReport{Report: f.store.reports[0].ID, Reason: "two were good", Quantity: 2, Instead: "good"})
	f.made(f.bob, "W-1", 20, 2)
}

func TestOrder_cancelKeepsWhatIsUnderIt(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 5)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: At(monday.Add(time.Minute))}) // a station's clock that is ahead
	f.do(f.bob, &StartJob{Order: "W-1", Operation: "10"})
	f.now = f.now.Add(time.Second)
	f.do(f.bob, &PauseJob{Order: "W-1", Operation: "10"})
	f.do(f.quality, &HoldOrder{Order: "W-1", Operation: "10", Type: "quality", Reason: "burrs"})
	f.do(f.planner, &CancelOrder{Order: "W-1", Reason: "customer went away"})
	for _, row := range f.store.rows {
		if s, ok := row.(*Session); ok && (s.State != SessionStopped || s.To.Before(s.From)) {
			t.Errorf("session %s of %s: %s from %s to %s", s.ID, s.Person, s.State, s.From, s.To)
		}
	}
	before := f.store.operation("W-1", 10).Version
	f.refused(Refused, "nothing under it changes", f.quality, &UnholdOrder{Order: "W-1", Operation: "10"})
	f.refused(Refused, "", f.lead, &SkipJob{Order: "W-1", Operation: "20", Reason: "no"})
	if f.store.operation("W-1", 10).Version != before {
		t.Error("an operation under a cancelled order changed")
	}
	f.made(f.ann, f.fresh(), 10, 1) // hands are free again

	f.order("W-2", "P1", 5)
	f.made(f.ann, "W-2", 10, 1)
	f.refused(Refused, "complete order W-2 short instead", f.planner, &CancelOrder{Order: "W-2", Reason: "no"})
}

// fresh makes another released order.
func (f *floor) fresh() string {
	f.ids++
	number := fmt.Sprintf("F-%d", f.ids)
	f.order(number, "P1", 10)
	return number
}

func TestOrder_split(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.made(f.ann, "W-1", 10, 6)
	f.refused(Invalid, "whole number", f.planner, &SplitOrder{Order: "W-1", Quantity: 0})
	f.refused(Refused, "split off less than that", f.planner, &SplitOrder{Order: "W-1", Quantity: 10})
	f.refused(Refused, "already used 6", f.planner, &SplitOrder{Order: "W-1", Quantity: 5})
	f.refused(Refused, "is taken", f.planner, &SplitOrder{Order: "W-1", Quantity: 1, Number: "W-1"})
	f.refused(Invalid, "number", f.planner, &SplitOrder{Order: "W-1", Quantity: 1, Number: "../x"})
	if f.store.order("W-1").Ordered != 10 {
		t.Error("a refused split changed the order")
	}
	f.do(f.planner, &SplitOrder{Order: "W-1", Quantity: 4})
	parent, child := f.store.order("W-1"), f.store.order("W-1-1")
	if parent.Ordered != 6 || child.Ordered != 4 || child.State != OrderReleased || child.SplitFrom != parent.ID || child.StartedAt != (time.Time{}) {
		t.Errorf("parent %d, child %d %s", parent.Ordered, child.Ordered, child.State)
	}
	if op := f.store.operation("W-1-1", 10); op.State != OpReady || op.Good != 0 || len(op.Sessions) != 0 {
		t.Errorf("operation of the child: %+v", op)
	}
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "at most 0 can be", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.planner, &SplitOrder{Order: "W-1-1", Quantity: 1, Number: "X"})
	f.made(f.ann, "W-1-1", 10, 3)
	f.refused(Refused, "already used 3", f.planner, &SplitOrder{Order: "W-1-1", Quantity: 1, Number: "Y"})
	f.order("W-2", "P1", 5)
	f.do(f.quality, &HoldOrder{Order: "W-2", Operation: "10", Type: "quality", Reason: "burrs"})
	f.refused(Refused, "release the hold first", f.planner, &SplitOrder{Order: "W-2", Quantity: 1})
}
