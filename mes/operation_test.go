package mes

import (
	"fmt"
	"strings"
	"testing"
)

// opIn brings operation 20 (optional) of a fresh order of P1 into a state; ann's session is the open one, if any.
var opIn = map[string]func(f *floor, n string){
	"waiting": func(f *floor, n string) { f.order(n, "P1", 10) },
	"ready":   func(f *floor, n string) { f.order(n, "P1", 10); f.made(f.bob, n, 10, 6) },
}

func init() {
	on := func(before string, c func(f *floor, n string)) func(f *floor, n string) {
		return func(f *floor, n string) { opIn[before](f, n); c(f, n) }
	}
	hold := func(f *floor, n string) {
		f.do(f.quality, &HoldOrder{Order: ID(n), Operation: "20", Type: "quality", Reason: "burrs"})
	}
	opIn["running"] = on("ready", func(f *floor, n string) { f.do(f.ann, &StartJob{Order: ID(n), Operation: "20"}) })
	opIn["paused"] = on("running", func(f *floor, n string) { f.do(f.ann, &PauseJob{Order: ID(n), Operation: "20"}) })
	opIn["held from ready"] = on("ready", hold)
	opIn["held from running"] = on("running", hold)
	opIn["held from paused"] = on("paused", hold)
	opIn["completed"] = on("running", func(f *floor, n string) {
		f.do(f.bob, &CompleteJob{Order: ID(n), Operation: "10", Reason: "that is all"})
		f.do(f.ann, &CompleteJob{Order: ID(n), Operation: "20", Reason: "that is all"})
	})
	opIn["skipped"] = on("ready", func(f *floor, n string) { f.do(f.lead, &SkipJob{Order: ID(n), Operation: "20", Reason: "not needed"}) })
}

// opTable says, for every command and every state, what operation 20 becomes. What is not here is refused. A held
// operation has its sessions paused: it goes back to paused, and they can be stopped meanwhile.
var opTable = []struct {
	name  string
	who   string
	given func(n string) Command
	leads map[string]OpState
}{
	{"start", "bob", func(n string) Command { return &StartJob{Order: ID(n), Operation: "20"} },
		map[string]OpState{"ready": OpRunning, "running": OpRunning, "paused": OpRunning}},
	{"set up", "bob", func(n string) Command { return &StartJob{Order: ID(n), Operation: "20", Kind: SetupWork} },
		map[string]OpState{"waiting": OpRunning, "ready": OpRunning, "running": OpRunning, "paused": OpRunning}},
	{"rework", "bob", func(n string) Command { return &StartJob{Order: ID(n), Operation: "20", Kind: ReworkWork} }, nil},
	{"pause", "ann", func(n string) Command { return &PauseJob{Order: ID(n), Operation: "20"} }, map[string]OpState{"running": OpPaused}},
	{"resume", "ann", func(n string) Command { return &ResumeJob{Order: ID(n), Operation: "20"} }, map[string]OpState{"paused": OpRunning}},
	{"report", "ann", func(n string) Command { return &ReportJob{Order: ID(n), Operation: "20", Good: 1} },
		map[string]OpState{"running": OpRunning, "paused": OpPaused}},
	{"stop", "ann", func(n string) Command { return &StopJob{Order: ID(n), Operation: "20"} },
		map[string]OpState{"running": OpPaused, "paused": OpPaused, "held from running": OpHeld, "held from paused": OpHeld}},
	{"complete", "ann", func(n string) Command { return &CompleteJob{Order: ID(n), Operation: "20", Reason: "enough"} },
		map[string]OpState{}}, // operation 10 is not over: see the next row
	{"complete both", "ann", func(n string) Command { return &CompleteJob{Order: ID(n), Operation: "20", Reason: "enough"} },
		map[string]OpState{"running": OpCompleted, "paused": OpCompleted}},
	{"skip", "lead", func(n string) Command { return &SkipJob{Order: ID(n), Operation: "20", Reason: "not needed"} },
		map[string]OpState{"waiting": OpSkipped, "ready": OpSkipped}},
	{"hold", "quality", func(n string) Command {
		return &HoldOrder{Order: ID(n), Operation: "20", Type: "quality", Reason: "burrs"}
	}, map[string]OpState{"ready": OpHeld, "running": OpHeld, "paused": OpHeld}},
	{"unhold", "quality", func(n string) Command { return &UnholdOrder{Order: ID(n), Operation: "20"} },
		map[string]OpState{"held from ready": OpReady, "held from running": OpPaused, "held from paused": OpPaused}},
}

func TestOperation_matrix(t *testing.T) {
	f := newFloor(t)
	n := 0
	for state, reach := range opIn {
		for _, row := range opTable {
			n++
			number := fmt.Sprintf("W-%d", n)
			reach(f, number)
			if row.name == "complete both" && state != "waiting" && state != "completed" {
				f.do(f.bob, &CompleteJob{Order: ID(number), Operation: "10", Reason: "that is all"})
			}
			before := *f.store.operation(number, 20)
			_, err := f.app.Do(t.Context(), f.actor(row.who), "", row.given(number))
			after := f.store.operation(number, 20)
			switch want, allowed := row.leads[state]; {
			case allowed && err != nil:
				t.Errorf("%s of an operation %s is refused: %v", row.name, state, err)
			case allowed && after.State != want:
				t.Errorf("%s of an operation %s gives %s, want %s", row.name, state, after.State, want)
			case !allowed && ErrorCode(err) != Refused:
				t.Errorf("%s of an operation %s gives %v (%s), want a refusal", row.name, state, err, ErrorCode(err))
			case !allowed && !strings.Contains(ErrorMessage(err), "; "):
				t.Errorf("%s of an operation %s: %q does not say what would be right", row.name, state, ErrorMessage(err))
			case !allowed && after.Version != before.Version:
				t.Errorf("%s of an operation %s was refused and changed it", row.name, state)
			}
			for _, who := range []Actor{f.ann, f.bob} { // leave everybody's hands free
				for _, id := range after.Sessions {
					if s, _ := f.store.Session(t.Context(), Fresh, id); s.Person == who.ID {
						f.do(who, &StopJob{Order: ID(number), Operation: "20", Session: id})
					}
				}
			}
		}
	}
}

func TestOperation_requiredIsNotSkipped(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.refused(Refused, "is required; only an optional one can be skipped", f.lead, &SkipJob{Order: "W-1", Operation: "10", Reason: "no"})
	f.refused(Invalid, "reason is missing", f.lead, &SkipJob{Order: "W-1", Operation: "20"})
	f.do(f.lead, &SkipJob{Order: "W-1", Operation: "20", Reason: "not needed"})
	f.made(f.ann, "W-1", 10, 4)
	if op := f.store.operation("W-1", 30); op.State != OpReady {
		t.Errorf("the operation after a skipped one is %s", op.State)
	}
	f.made(f.ann, "W-1", 30, 4)
}

func TestOperation_available(t *testing.T) {
	// 10 → 20 and 30 → 40 (after both), then 50
	routing := []RoutingOperation{{Seq: 10}, {Seq: 20, After: []int{10}}, {Seq: 30, After: []int{10}}, {Seq: 40, After: []int{20, 30}}, {Seq: 50}}
	for _, c := range []struct {
		name      string
		good      [5]int64
		skip      []int
		available [5]int64
		made      int64
	}{
		{"nothing", [5]int64{}, nil, [5]int64{100, 0, 0, 0, 0}, 0},
		{"both branches have it all", [5]int64{60, 0, 0, 0, 0}, nil, [5]int64{40, 60, 60, 0, 0}, 0},
		{"the least of the branches", [5]int64{60, 50, 30, 10, 5}, nil, [5]int64{40, 10, 30, 20, 5}, 5},
		{"through a skipped branch", [5]int64{60, 0, 30, 0, 0}, []int{20}, [5]int64{40, 60, 30, 30, 0}, 0},
		{"through two skipped ones", [5]int64{60, 0, 0, 0, 0}, []int{20, 30}, [5]int64{40, 60, 60, 60, 0}, 0},
		{"the last is skipped", [5]int64{60, 50, 40, 30, 0}, []int{50}, [5]int64{40, 10, 20, 10, 30}, 30},
	} {
		f := &flow{order: &Order{Ordered: 100, Snapshot: Snapshot{Routing: routing}}}
		for i, r := range routing {
			op := &Operation{ID: OperationID("W", r.Seq), Seq: r.Seq, Good: c.good[i], State: OpReady}
			for _, seq := range c.skip {
				if seq == r.Seq {
					op.State = OpSkipped
				}
			}
			f.ops = append(f.ops, op)
		}
		for i, op := range f.ops {
			if got := f.available(op); got != c.available[i] {
				t.Errorf("%s: operation %d has %d available, want %d", c.name, op.Seq, got, c.available[i])
			}
		}
		if got := f.good(); got != c.made {
			t.Errorf("%s: good of the order is %d, want %d", c.name, got, c.made)
		}
	}
}

func TestOperation_batchWaitsForAll(t *testing.T) {
	f := newFloor(t)
	f.product("PB", "valves", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1"}, RoutingOperation{Seq: 20, Code: "BAKE", Line: "L1", Batch: true})
	f.order("W-1", "PB", 10)
	f.made(f.ann, "W-1", 10, 4)
	f.refused(Refused, "waits for the operation before it", f.bob, &StartJob{Order: "W-1", Operation: "20"})
	f.made(f.ann, "W-1", 10, 6)
	f.do(f.ann, &CompleteJob{Order: "W-1", Operation: "10"})
	f.made(f.bob, "W-1", 20, 10)
}

func TestOperation_setUpEarlyIsNoWayAround(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "30", Kind: SetupWork})
	f.refused(Refused, "waits for the operation before it", f.bob, &StartJob{Order: "W-1", Operation: "30"})
	f.refused(Refused, "at most 0 can be", f.ann, &ReportJob{Order: "W-1", Operation: "30", Good: 1})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "30"})
	f.refused(Refused, "waits for the operation before it", f.ann, &StartJob{Order: "W-1", Operation: "30"})

	// what fed it was taken back
	f.do(f.lead, &SkipJob{Order: "W-1", Operation: "20", Reason: "not needed"})
	f.made(f.ann, "W-1", 10, 3)
	f.do(f.bob, &StartJob{Order: "W-1", Operation: "30"})
	f.do(f.bob, &StopJob{Order: "W-1", Operation: "30"})
	f.do(f.ann, &CorrectReport{Report: f.store.reports[0].ID, Reason: "miscounted"})
	f.refused(Refused, "waits for the operation before it", f.bob, &StartJob{Order: "W-1", Operation: "30"})
}

func TestOperation_completeNeedsAReasonForWhatIsLeft(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P2", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 5, Rework: []Part{{3, "BURR"}}})
	f.refused(Refused, "3 pcs of operation 10 are still in rework", f.ann, &CompleteJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Kind: ReworkWork})
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 3})
	f.refused(Refused, "2 pcs are not reported yet", f.ann, &CompleteJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "2 pcs are not reported yet", f.ann, &CompleteJob{Order: "W-1", Operation: "10", Reason: " "})
	f.refused(Refused, "Ann still works on operation 10", f.bob, &CompleteJob{Order: "W-1", Operation: "10", Reason: "enough"})
	f.do(f.lead, &CompleteJob{Order: "W-1", Operation: "10", Reason: "enough"})
	if op := f.store.operation("W-1", 10); op.State != OpCompleted || len(op.Sessions) != 0 || op.Running != 0 {
		t.Errorf("%+v", op)
	}
}

func TestOperation_names(t *testing.T) {
	f := newFloor(t)
	f.product("PN", "valves", RoutingOperation{Seq: 10, Code: "20", Line: "L1"}, RoutingOperation{Seq: 20, Code: "CUT", Line: "L1"},
		RoutingOperation{Seq: 30, Code: "CUT", Line: "L1"})
	f.order("W-1", "PN", 5)
	id := f.store.order("W-1").ID
	for _, ref := range []string{"10", string(OperationID(id, 10))} {
		f.do(f.ann, &StartJob{Order: "W-1", Operation: ref})
		f.do(f.ann, &StopJob{Order: id, Operation: ref})
	}
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "20", Kind: SetupWork}) // the number, although a code says so too
	if op := f.store.operation("W-1", 20); op.State != OpRunning {
		t.Errorf("operation 20 is %s", op.State)
	}
	f.refused(Invalid, "more than one operation CUT; say its number, like 30", f.bob, &StartJob{Order: "W-1", Operation: "CUT"})
	for _, ref := range []string{"", "99", "cut", "W-1.10", "\x1b[2J"} {
		f.refused(NotFound, "has no operation", f.bob, &StartJob{Order: "W-1", Operation: ref})
	}
	f.refused(NotFound, "no order W-77 here", f.bob, &StartJob{Order: "W-77", Operation: "10"})
	f.refused(Invalid, "say the number of the order", f.bob, &StartJob{Operation: "10"})
}
