package tui

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

func TestUnavailable_isTriedAgainAndBookedOnce(t *testing.T) {
	for name, fail := range map[string]func(*unreliable){
		"before it was done": func(u *unreliable) { u.before = 2 },
		"after it was done":  func(u *unreliable) { u.after = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFloor(t)
			f.release("1001", 50)
			f.sawn("1001", 12)
			d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").write("4")
			fail(f.store)
			d.press("enter").sees("Still trying (1)", "[4")
			d.press("enter", "enter") // impatience books nothing more
			for range 4 {
				d.fire(retryAfter)
			}
			d.sees("Job", "4 good")
			if op := f.detail("1001").Operations[1]; op.Good != 4 || op.Reports != 1 {
				t.Errorf("%d good in %d reports, want 4 in 1", op.Good, op.Reports)
			}
		})
	}
}

func TestUnavailable_givingUpKeepsTheIdOfTheForm(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").write("4")
	f.store.after = 1
	d.press("enter", "esc").sees("It may have been booked")
	d.press("enter").sees("Was booked already: 4 good")
	if op := f.detail("1001").Operations[1]; op.Good != 4 {
		t.Errorf("%d good, want 4", op.Good)
	}
}

func TestAnswer_ofAnEarlierVisitIsDropped(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	d := f.drive(f.session("KIOSK-2", "", 80, 24)).signIn("7001")
	d.slow = true
	d.press("f5")
	late := d.kept
	d.slow, d.kept = false, nil
	d.press("f12").press("up", "f2").write("7100").press("enter").write("247100").press("enter")
	before := d.view()
	for _, cmd := range late {
		d.run(cmd)
	}
	if d.view() != before {
		t.Errorf("an answer of an earlier visit changed the screen:\n%s", d.view())
	}
}

func TestTypeAhead_reachesTheScreenThatResults(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.slow = true
	d.press("enter", "s", "r", "5", "enter")
	for range 8 {
		d.answer()
	}
	d.sees("Booked 5 good")
}

func TestTypeAhead_isDroppedOnError(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	f.do(f.actor("7001"), &mes.StartJob{Order: "1001", Operation: "10"}) // Anna's hands are busy
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter")
	d.slow = true
	d.press("s", "r", "9", "enter")
	d.answer()
	d.sees("already has a running session", "3 more keys", "Job")
}

func TestScan_opensWhatItNames(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.scan("1001", "enter").sees("1001/20", "Turn outside", "Job").press("esc")
	d.scan("1001/30", "enter").sees("1001/30", "Deburr").press("esc")
	d.scan("LATHE-2", "enter").sees("Machine LATHE-2").press("esc")
	d.send(tea.PasteMsg{Content: "1001\r\n"})
	d.sees("1001/20")
}

func TestScan_intoAQuantityIsRefusedUntilAcknowledged(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	before := 0
	for _, give := range []func(*driver){
		func(d *driver) { d.scan("4006381333931", "enter") },
		func(d *driver) { d.scan("ORD-1001", "enter", "ctrl+j") },
		func(d *driver) { d.send(tea.PasteMsg{Content: "4006381333931\r"}) },
		func(d *driver) { d.send(tea.PasteMsg{Content: "0112\x1d10\r"}) },
	} {
		d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter")
		if d.a.top().(*job).own() == nil {
			d.press("s")
		}
		before = f.entries()
		d.press("r")
		give(d)
		if f.entries() != before {
			t.Fatalf("a scan was booked:\n%s", d.view())
		}
		if !strings.Contains(d.a.status.text, "Enter, then type") {
			t.Fatalf("the refusal says %q", d.a.status.text)
		}
		d.sees("Report")
		d.press("enter").sees("Report")
		if f.entries() != before {
			t.Fatal("the Enter that acknowledges booked")
		}
	}
}

// TestControlBytes: nothing that a scanner sends around its codes changes the floor, ends the session or drops a draft.
func TestControlBytes(t *testing.T) {
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			d := f.drive(f.session(scene.station, scene.badge, 80, 24))
			scene.reach(d)
			top, before := d.a.top(), f.entries()
			for _, b := range "@abcdefghjklnopqrstuvwxyz\\]^_" { // without tab, enter and escape, which are keys
				d.send(tea.KeyPressMsg{Code: b, Mod: tea.ModCtrl})
				d.fire(scanGap)
			}
			if d.quit || d.a.person != nil && d.a.top() != top || f.entries() != before {
				t.Errorf("control characters did something:\n%s", d.view())
			}
		})
	}
}

func TestDraft_isLeftOnlyWhenAskedTwice(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").write("4")
	d.press("esc").sees("Not sent yet", "[4").press("5").press("esc").sees("Not sent yet", "[45").press("f3").sees("Job").misses("Not sent yet")
}

// TestOutput_holdsNoControlFromNames: what somebody called something never moves the cursor of somebody else.
func TestOutput_holdsNoControlFromNames(t *testing.T) {
	f := newFloor(t)
	evil := "\x1b[2J\x1b]0;x\x07\u202eabc\r\n\u009b31m"
	d := f.drive(f.session("", "7100", 80, 24))
	d.a.person.Name = evil
	o := d.a.top().(*orders)
	o.take(orderRows{rows: []mes.OrderSummary{{Number: evil, Product: mes.ID(evil), Unit: evil, State: mes.OrderState(evil)}}})
	j := newJob(d.a, "x", 10)
	j.read.known = true
	j.detail = &mes.OrderDetail{Order: mes.Order{Number: evil, Product: mes.ID(evil), Unit: evil, State: mes.OrderHeld, Hold: mes.Hold{Type: "quality", Reason: evil, Owner: mes.Role(evil)}},
		Operations: []mes.Operation{{ID: "o", Seq: 10, Name: evil, State: mes.OpHeld, Sessions: []mes.ID{"s"}}}, Available: []int64{1},
		Reports: []mes.Report{{Operation: "o", Kind: mes.ScrapPieces, Reason: evil, Quantity: 1}}}
	b := newBoard(d.a)
	b.read.known = true
	b.take([]mes.MachineTile{{Machine: mes.ID(evil), Name: evil, Reason: evil, Alarm: evil, Order: evil, State: mes.MachineDown}})
	for _, s := range []Screen{o, j, b} {
		d.a.stack = []Screen{s}
		for _, size := range sizes {
			d.resize(size.cols, size.rows)
			d.a.status = status{text: evil, tone: widget.Fault}
			got := d.view()
			fits(t, got, size.cols, size.rows)
			for _, r := range strings.ReplaceAll(got, "\n", "") {
				if widget.Clean(string(r)) != string(r) {
					t.Fatalf("%T lets %U through: %q", s, r, got)
				}
			}
		}
	}
}

func TestScreens_fitEveryWindow(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	for _, scene := range scenes {
		d := f.drive(f.session(scene.station, scene.badge, 80, 24))
		scene.reach(d)
		for _, cols := range []int{1, 15, 16, 20, 39, 40, 48, 79, 80, 99, 100, 132} {
			for _, rows := range []int{1, 5, 6, 8, 11, 12, 16, 24, 29, 30, 50} {
				d.resize(cols, rows)
				if classOf(cols, rows) == tooSmall {
					if got := d.view(); strings.Contains(got, "\n") {
						t.Fatalf("%dx%d shows more than one line: %q", rows, cols, got)
					} else if cols >= 9 && !strings.Contains(got, "TOO SMALL") {
						t.Fatalf("%dx%d does not say that it is too small: %q", rows, cols, got)
					}
					continue
				}
				fits(t, d.view(), cols, rows)
				if v := d.a.View(); v.Cursor != nil && (v.Cursor.X >= cols || v.Cursor.Y >= rows) {
					t.Fatalf("%s at %dx%d: the cursor is at %d,%d", scene.name, rows, cols, v.Cursor.X, v.Cursor.Y)
				}
			}
		}
	}
}

func TestScreens_inASCII(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	for _, scene := range scenes {
		s := f.session(scene.station, scene.badge, 80, 24)
		s.Term, s.Env = "vt220", nil
		d := f.drive(s)
		scene.reach(d)
		for i, r := range d.view() {
			if r > 0x7e {
				t.Fatalf("%s shows %q at %d on a terminal that shows ASCII only:\n%s", scene.name, r, i, d.view())
			}
		}
		fits(t, d.view(), 80, 24)
	}
}

// TestHelp_everyKeyExists: what the help lists is a key that a terminal sends, and it leads to that action.
func TestHelp_everyKeyExists(t *testing.T) {
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			d := f.drive(f.session(scene.station, scene.badge, 80, 24))
			scene.reach(d)
			d.a.help = nil
			h := &help{a: d.a}
			for _, act := range h.all() {
				if act.Label == "" || strings.HasPrefix(act.Label, "(") || act.Do == nil {
					t.Errorf("the action of %q has no label or does nothing", act.Keys)
				}
				for _, k := range act.Keys {
					if got := keyOf(k).String(); got != k {
						t.Errorf("there is no key %q: the terminal calls it %q", k, got)
					}
					if keyName(k) == "" {
						t.Errorf("the key %q has no name", k)
					}
				}
				if found, ok := find(act.Keys[0], h.all()); !ok || found.Label != act.Label {
					t.Errorf("the key %q leads to %q, the help says %q", act.Keys[0], found.Label, act.Label)
				}
			}
		})
	}
}

func TestStates_areDistinctWithoutColour(t *testing.T) {
	f := newFloor(t)
	a := f.drive(f.session("", "7100", 80, 24)).a
	check := func(kind string, looks map[string]look) {
		seen := map[string]string{}
		for state, l := range looks {
			ascii := "ascii " + widget.NewPainter([widget.Tones]lipgloss.Style{}, nil, true).Paint(widget.Say(l.glyph), 1)
			for _, shown := range []string{l.glyph, ascii, a.say(l.key), a.say(l.key + ".short")} {
				if other, twice := seen[shown]; twice && other != state || strings.HasPrefix(shown, "(") {
					t.Errorf("%s: %q stands for %s and %s", kind, shown, state, other)
				}
				seen[shown] = state
			}
			if w := widget.Width(a.short(l).Text); w != shortState {
				t.Errorf("%s: the short form of %s is %d wide", kind, state, w)
			}
		}
	}
	orders, ops, machines := map[string]look{}, map[string]look{}, map[string]look{}
	for _, s := range []mes.OrderState{mes.OrderDraft, mes.OrderReleased, mes.OrderInProgress, mes.OrderPaused, mes.OrderHeld, mes.OrderCompleted, mes.OrderClosed, mes.OrderCancelled} {
		orders[string(s)] = lookOf(orderLooks, s)
	}
	for _, s := range []mes.OpState{mes.OpWaiting, mes.OpReady, mes.OpRunning, mes.OpPaused, mes.OpHeld, mes.OpCompleted, mes.OpSkipped} {
		ops[string(s)] = lookOf(opLooks, s)
	}
	for _, s := range mes.MachineConditions {
		machines[string(s)] = lookOf(machineLooks, s)
	}
	check("orders", orders)
	check("operations", ops)
	check("machines", machines)
}

// TestSource_knowsNoTerminalOfTheServer: a session's terminal is the client's.
func TestSource_knowsNoTerminalOfTheServer(t *testing.T) {
	forbidden := regexp.MustCompile(`os\.(Getenv|Stdout|Stdin|Environ)|lipgloss\.(Writer|HasDarkBackground|Print)|fmt\.Print|time\.Now\(`)
	for _, pattern := range []string{"*.go", "widget/*.go", "text/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files for %s: %v", pattern, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if found := forbidden.Find(source); found != nil && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s uses %s", file, found)
			}
		}
	}
}

func TestKeyName(t *testing.T) {
	for key, want := range map[string]string{"enter": "Enter", "f12": "F12", "f": "f", "pgdown": "PgDn", "/": "/"} {
		if got := keyName(key); got != want {
			t.Errorf("keyName(%q) = %q, want %q", key, got, want)
		}
	}
	if got := fmt.Sprint(words(`order hold 1 reason="not flat" note=''`)); got != "[order hold 1 reason=not flat note=]" {
		t.Errorf("words gave %s", got)
	}
}
