package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"

	"gemba/mes"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// sizes are the windows that every screen is right in, as rows and columns.
var sizes = []struct{ rows, cols int }{{16, 20}, {8, 40}, {24, 40}, {24, 80}, {40, 120}}

// scenes are the screens, each reached with keys from its beginning.
var scenes = []struct {
	name           string
	station, badge string
	reach          func(d *driver)
}{
	{"signin", "KIOSK-1", "", func(*driver) {}},
	{"signin_wrong", "KIOSK-1", "", func(d *driver) { d.write("7001").press("enter").write("9999").press("enter") }},
	{"locked", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("f12") }},
	{"queue", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("down") }},
	{"job_ready", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter") }},
	{"job_running", "KIOSK-1", "", func(d *driver) {
		d.signIn("7001").press("enter", "enter")
		d.f.pass(83 * time.Minute)
		d.press("r").write("7").press("tab", "2", "tab").write("DIM-OOS").press("enter")
	}},
	{"job_held", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("down", "down", "enter") }},
	{"report", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "s", "r", "tab", "2") }},
	{"report_barcode", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "s", "r").scan("4006381333931", "enter") }},
	{"complete", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "s", "c") }},
	{"correct", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "s", "r").write("5").press("enter", "e") }},
	{"correct_form", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "s", "r").write("5").press("enter", "e", "enter") }},
	{"orders", "", "7100", func(d *driver) { d.press("down") }},
	{"orders_search", "", "7100", func(d *driver) { d.press("/").write("10") }},
	{"order", "", "7100", func(d *driver) { d.press("enter") }},
	{"order_held", "", "7100", func(d *driver) { d.press("down", "down", "enter") }},
	{"order_draft", "", "7100", func(d *driver) { d.press("end", "enter") }},
	{"hold", "", "7100", func(d *driver) { d.press("enter", "h").write("crack at rim") }},
	{"board", "", "7200", func(*driver) {}},
	{"machine", "", "7200", func(d *driver) { d.press("enter") }},
	{"palette", "", "7100", func(d *driver) { d.press(":").write("job") }},
	{"palette_usage", "", "7100", func(d *driver) { d.press(":").write("job rep").press("tab").write("1001/20") }},
	{"menu", "", "7100", func(d *driver) { d.press("m", "down") }},
	{"help", "KIOSK-1", "", func(d *driver) { d.signIn("7001").press("enter", "?") }},
}

// furnish fills the floor with what the scenes show.
func furnish(f *floor) {
	f.release("1001", 50)
	f.release("1002", 1200)
	f.release("261123-a1b2c3", 20)
	f.sawn("1001", 12)
	f.sawn("1002", 800)
	f.sawn("261123-a1b2c3", 20)
	lead := f.actor("7100")
	f.do(lead, &mes.HoldOrder{Order: "261123-a1b2c3", Type: "quality", Reason: "surface not right"})
	f.do(lead, &mes.CreateOrder{Number: "1099", Product: "FLANGE-80", Quantity: 5, Priority: 9, Due: mes.At(morning.Add(200 * time.Hour))})
	feeder := mes.Actor{Kind: mes.ByProgram, ID: "feeder", Name: "adapter", Grants: []mes.Grant{{Role: mes.Feeder}}}
	at := func(minutes int) mes.Stamp { return mes.At(morning.Add(time.Duration(minutes) * time.Minute)) }
	f.do(feeder, &mes.Ingest{States: []mes.StateEvent{
		{Machine: "LATHE-1", State: mes.MachineIdle, At: at(-400)}, {Machine: "LATHE-1", State: mes.MachineSetup, At: at(-300)},
		{Machine: "LATHE-1", State: mes.MachineRunning, At: at(-240)}, {Machine: "LATHE-1", State: mes.MachineDown, At: at(-60), Reason: "no coolant", Raw: "E-STOP"},
		{Machine: "LATHE-1", State: mes.MachineRunning, At: at(-20)}, {Machine: "LATHE-2", State: mes.MachineDown, At: at(-7), Reason: "spindle"},
	}, Counts: []mes.CountEvent{{Machine: "LATHE-1", Counter: "total", Value: 100, At: at(-200)}, {Machine: "LATHE-1", Counter: "total", Value: 1312, At: at(-1)}}})
}

func TestScreens(t *testing.T) {
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			d := f.drive(f.session(scene.station, scene.badge, 80, 24))
			scene.reach(d)
			for _, size := range sizes {
				d.resize(size.cols, size.rows)
				golden(t, fmt.Sprintf("%s_%dx%d", scene.name, size.rows, size.cols), d.view())
				fits(t, d.view(), size.cols, size.rows)
			}
		})
	}
}

// golden compares a screen with the one that was looked at and found right.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test ./tui -run TestScreens -update and look at it", err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s is not as it was:\n%s\nwas:\n%s", name, got, want)
	}
}

// fits checks that every line is as wide as the window and that there are as many as it has rows.
func fits(t *testing.T, view string, cols, rows int) {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != rows {
		t.Errorf("%d lines in a window of %d rows:\n%s", len(lines), rows, view)
	}
	for _, l := range lines {
		if lipgloss.Width(l) != cols {
			t.Errorf("a line is %d cells wide in a window of %d columns: %q", lipgloss.Width(l), cols, l)
		}
	}
}
