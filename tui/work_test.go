package tui

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"gemba/mes"
)

// TestJob_fromReadyToCompleted is the main job of an operator, with nothing but keys.
func TestJob_fromReadyToCompleted(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 10)
	f.sawn("1001", 10)
	f.do(f.actor("7001"), &mes.CompleteJob{Order: "1001", Operation: "10"})
	d := f.drive(f.session("KIOSK-1", "", 80, 24))

	d.sees("Sign in", "nobody signed in").signIn("7001").sees("Welcome, Anna Berg", "1001/20", "READY")
	d.press("enter").sees("Turn outside", "nobody works on it")
	d.press("enter").sees("Started 1001/20", "RUNNING")
	if s := f.detail("1001").Sessions[0]; s.Machine != "LATHE-1" || s.Station != "KIOSK-1" {
		t.Errorf("the session is on machine %q at station %q", s.Machine, s.Station)
	}
	f.pass(90 * time.Second)
	d.fire(time.Second)
	d.sees("00:01:30")
	d.press("p").sees("PAUSED", "paused at 00:01:30")
	f.pass(time.Hour)
	d.press("enter").sees("Going on with 1001/20", "RUNNING", "00:01:30")

	d.press("r").sees("10 pcs available")
	d.press("tab", "2").sees("[8         ]").press("tab").write("DIM-OOS").press("enter")
	d.sees("Booked 8 good, 2 scrap. 0 left.", "DIM-OOS")

	d.press("e").sees("Correct a report").press("down", "enter")
	d.write("7").press("tab", "tab", "tab").write("one is cracked").press("enter")
	d.sees("Corrected 8 to 7")
	d.press("esc").sees("(taken back)", "+7")
	op := f.detail("1001").Operations[1]
	if op.Good != 7 || op.Scrap != 2 {
		t.Errorf("operation 20 has %d good and %d scrap, want 7 and 2", op.Good, op.Scrap)
	}

	d.press("c").sees("1 pcs are not reported").press("enter").sees("Reason is missing")
	d.write("one lost").press("enter").sees("Operation 1001/20 is completed", "COMPLETED")
	if op := f.detail("1001").Operations[1]; op.State != mes.OpCompleted || op.Reason != "one lost" {
		t.Errorf("operation 20 is %s (%s)", op.State, op.Reason)
	}
}

func TestJob_enterCompletesWhenAllIsMade(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 10)
	d := f.drive(f.session("KIOSK-2", "", 20, 16)).signIn("7001")
	d.press("enter", "enter", "r", "enter").sees("Booked 10 good.", "Enter complete")
	d.press("enter", "enter")
	if op := f.detail("1001").Operations[0]; op.State != mes.OpCompleted || op.Good != 10 {
		t.Errorf("operation 10 is %s with %d good", op.State, op.Good)
	}
}

func TestReport_errorKeepsTheForm(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 5)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.press("enter", "s", "r").write("9").press("enter")
	d.sees("9 are reported and at most 5", "[9")
	d.press("backspace").write("5").press("enter").sees("Booked 5 good")
}

// TestReport_followsTheFloor: what a colleague books meanwhile is not offered a second time.
func TestReport_followsTheFloor(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 60)
	f.sawn("1001", 60)
	otto := f.actor("7002")
	f.do(otto, &mes.StartJob{Order: "1001", Operation: "20"})
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").sees("60 pcs available", "[60 ")
	colleague := func(good int64) {
		f.topics = nil
		f.do(otto, &mes.ReportJob{Order: "1001", Operation: "20", Good: good})
		d.send(feedMsg{f.topics})
	}
	colleague(10)
	d.sees("50 pcs available", "[50 ").press("tab", "2").sees("[48 ", "[2 ")
	colleague(5)
	d.sees("45 pcs available", "[43 ", "[2 ").press("up").write("20")
	colleague(5)
	d.sees("40 pcs available", "[20 ", "[2 ")
	fresh := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "r").sees("[40 ")
	d = fresh
	colleague(40)
	d.sees("0 pcs available", "[  ")
}

func TestReport_reasonsAreRemembered(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 20)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.press("enter", "s", "r").write("1").press("tab", "1", "tab").write("DIM-OOS").press("enter")
	d.press("r", "tab", "1", "tab", "f4").sees("[DIM-OOS")
}

// TestCorrect_toNothing takes back a report that should not have been.
func TestCorrect_toNothing(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 20)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").write("5").press("enter", "e", "enter")
	d.write("0").press("tab", "tab", "tab").write("wrong order").press("enter").sees("Corrected 5 to 0")
	if op := f.detail("1001").Operations[1]; op.Good != 0 {
		t.Errorf("operation 20 has %d good, want none", op.Good)
	}
}

// TestCorrect_offersWhatMayBeCorrected: nobody fills a form in that is refused in the end.
func TestCorrect_offersWhatMayBeCorrected(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 20)
	otto := f.actor("7002")
	f.do(otto, &mes.StartJob{Order: "1001", Operation: "20"})
	f.do(otto, &mes.ReportJob{Order: "1001", Operation: "20", Good: 3})
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "e").sees("Nothing has been reported here").press("esc", "s", "r")
	d.write("5").press("enter", "e").sees("1 that stand", "you").misses("other")
	a := f.drive(f.session("", "7100", 80, 24)).a
	c := newCorrect(a, f.detail("1001").Order.ID, f.detail("1001").Operations[1].ID)
	if c.take(f.detail("1001")); len(c.reports) != 2 {
		t.Errorf("a lead may correct %d reports, want 2", len(c.reports))
	}
}

func TestOrder_fromDraftToClosed(t *testing.T) {
	f := newFloor(t)
	lead := f.actor("7100")
	f.do(lead, &mes.CreateOrder{Number: "2001", Product: "FLANGE-80", Quantity: 10})
	d := f.drive(f.session("", "7100", 80, 24))
	state := func(want mes.OrderState) {
		t.Helper()
		if got := f.detail("2001").Order.State; got != want {
			t.Fatalf("the order is %s, want %s:\n%s", got, want, d.view())
		}
	}
	d.sees("2001", "DRAFT").press("enter", "r").sees("Order 2001: 10 pcs of FLANGE-80").press("enter").sees("Order 2001 is released")
	state(mes.OrderReleased)
	d.press("w", "enter").sees("Order 2001 is draft")
	d.press("r", "enter")
	state(mes.OrderReleased)
	d.press("i", "2", "enter").sees("P2")
	d.press("t", "4", "enter").sees("Order 2001 is split: the other part is 2001-1")

	f.do(f.actor("7001"), &mes.StartJob{Order: "2001", Operation: "10"})
	d.press("f5").sees("IN PROGRESS", "p pause")
	d.press("p").write("meeting").press("enter")
	state(mes.OrderPaused)
	d.press("p", "enter")
	state(mes.OrderInProgress)
	d.press("h").write("crack").press("tab", "right").sees("material").press("enter").sees("Order 2001 is held", "crack", "role quality")
	state(mes.OrderHeld)
	d.press("u").write("checked").press("enter")
	state(mes.OrderInProgress)
	anna := f.actor("7001")
	f.do(anna, &mes.ResumeJob{Order: "2001", Operation: "10"})
	for _, op := range []string{"10", "20", "30"} {
		if op != "10" {
			f.do(anna, &mes.StartJob{Order: "2001", Operation: op})
		}
		f.do(anna, &mes.ReportJob{Order: "2001", Operation: op, Good: 5})
		f.do(anna, &mes.CompleteJob{Order: "2001", Operation: op, Reason: "short"})
	}
	d.press("f5", "c").sees("Why less").write("lost one").press("enter").sees("Order 2001 is completed", "Made 5 good, 1 short")
	d.press("n").write("look again").press("enter")
	state(mes.OrderInProgress)
	d.press("c").write("lost one").press("enter", "e", "enter")
	state(mes.OrderClosed)
	d.misses("c complete", "h hold", "x cancel")
}

// TestSmallScreen_tellsAll: what somebody has to know to go on is seen in the smallest window.
func TestSmallScreen_tellsAll(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	words := func(d *driver) string { return strings.Join(strings.Fields(d.view()), " ") }
	d := f.drive(f.session("KIOSK-1", "", 20, 16)).signIn("7001").press("enter", "s", "c")
	if v := words(d); !strings.Contains(v, "go back and report them.") {
		t.Errorf("the question is cut:\n%s", d.view())
	}
	for _, d := range []*driver{
		f.drive(f.session("KIOSK-1", "", 20, 16)).signIn("7001").press("esc", "down", "down", "enter"),
		f.drive(f.session("", "7100", 20, 16)).press("down", "down", "enter"),
	} {
		if v := words(d); !strings.Contains(v, "role quality") {
			t.Errorf("who may release the hold is not told:\n%s", d.view())
		}
	}
}

func TestOrder_cancel(t *testing.T) {
	f := newFloor(t)
	f.release("2001", 10)
	d := f.drive(f.session("", "7100", 80, 24)).press("enter", "x").write("not wanted").press("enter")
	d.sees("Order 2001 is cancelled", "CANCELLED", "not wanted")
}

// TestActions_onlyWhatIsAllowed: whoever may only look gets no key that changes something.
func TestActions_onlyWhatIsAllowed(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	viewer := f.drive(f.session("", "7300", 80, 24)).press("enter")
	for _, act := range viewer.a.top().Actions() {
		switch key := act.Keys[0]; key {
		case "enter", "f3", "up", "down", "home", "end", "pgup", "pgdown":
		default:
			t.Errorf("a viewer is offered %q (%s) on an order", key, act.Label)
		}
	}
	viewer.press("enter").sees("READY").misses("Enter start", "s start")
	before := f.entries()
	viewer.press("s", "r", "p", "c", "x", "e", "u", "w", "k", "enter")
	if f.entries() != before {
		t.Error("a viewer's keys changed something")
	}
	operator := f.drive(f.session("", "7001", 80, 24)).press("o", "enter").misses("h hold", "c complete", "x cancel", "r release")
	_ = operator
}

func TestOrders_searchFilterAndPages(t *testing.T) {
	f := newFloor(t)
	for i := range 105 {
		f.do(f.actor("7100"), &mes.CreateOrder{Number: "A" + itoa(1000+i), Product: "FLANGE-80", Quantity: 1, Due: mes.At(morning.Add(time.Duration(i+1) * time.Hour))})
	}
	f.release("Z1", 5)
	d := f.drive(f.session("", "7100", 80, 24))
	d.sees("A1000", "page 1+").press("end", "pgdown").sees("page 2", "A1104").misses("A1000")
	d.press("pgup").sees("A1000")
	d.press("/").write("a110").press("enter").sees("/a110", "A1100").misses("A1000")
	d.press("esc").sees("A1000")
	for range 3 {
		d.press("f")
	}
	d.sees("RELEASED", "Z1").misses("A1000")
}

// TestQuantities_areNeverCut: a number that lost its end is another number.
func TestQuantities_areNeverCut(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 1_000_000_000)
	whole := regexp.MustCompile(`1 000 000 000|1000000000`)
	for _, size := range append(sizes[:len(sizes):len(sizes)], struct{ rows, cols int }{24, 60}) {
		d := f.drive(f.session("KIOSK-2", "", size.cols, size.rows)).signIn("7001")
		for _, keys := range []string{"", "enter", "o", "enter"} {
			if keys != "" {
				d.press(keys)
			}
			if v := d.view(); !whole.MatchString(v) || regexp.MustCompile(`\b1[ 0]*…`).MatchString(v) {
				t.Errorf("%dx%d: the quantity is not whole:\n%s", size.rows, size.cols, v)
			}
		}
	}
}

func TestBoard_movesByItself(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	d := f.drive(f.session("", "7200", 80, 24))
	d.sees("LATHE-2", "spindle").press("down")
	f.pass(time.Minute)
	feeder := mes.Actor{Kind: mes.ByProgram, ID: "feeder", Name: "adapter", Grants: []mes.Grant{{Role: mes.Feeder}}}
	f.topics = nil
	f.do(feeder, &mes.SetMachineState{Machine: "SAW-1", State: mes.MachineRunning})
	d.send(feedMsg{f.topics})
	if v := d.view(); strings.Contains(v, "UNKNOWN") {
		t.Errorf("the board did not move:\n%s", v)
	}
	d.sees("▌ LATHE-2").press("enter").sees("Machine LATHE-2", "spindle", "8h 00m").press("t").sees("1h 00m")
}

func TestPalette(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	d := f.drive(f.session("", "7100", 80, 24)).press(":")
	d.write("job sta").press("tab").sees("job start ORDER/OPERATION").write("1001/10").press("enter").sees("job.start done")
	d.write("job rep").press("tab").write("1001/10 goo").press("tab").write("8 scrap=2:BURR").press("enter").sees("job.report done. Ledger node1/", "1001/10 is running, 40 left.").misses("{", "id-0")
	if op := f.detail("1001").Operations[0]; op.Good != 8 || op.Scrap != 2 {
		t.Errorf("operation 10 has %d good and %d scrap", op.Good, op.Scrap)
	}
	d.press("up").sees("job report 1001/10 good=8").press("f2")
	d.write("order hold 1001 type=quality reason=\"not flat\"").press("enter").sees("order.hold done")
	if h := f.detail("1001").Order.Hold; h.Reason != "not flat" {
		t.Errorf("the hold says %q", h.Reason)
	}
	d.write("job dance").press("enter").sees("Job can: start")
	viewer := f.drive(f.session("", "7300", 80, 24)).press(":").write("order r")
	viewer.sees("No command begins like that")
}

func TestHome(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	for badge, title := range map[string]string{"7001": "Queue", "7100": "Orders", "7200": "Machines", "7300": "Orders", "7400": "Orders"} {
		if got := f.drive(f.session("", badge, 80, 24)).a.top().Title(); got != title {
			t.Errorf("%s begins at %s, want %s", f.people[badge].Name, got, title)
		}
	}
}
