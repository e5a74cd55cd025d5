package tui

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// barcodes are what a label may hold to press keys instead of naming something: letters that are keys, the word of a
// command, keys before and behind each other, control characters. A label that holds nothing but one key is not among
// them: it is that key.
func barcodes() [][]string {
	var out [][]string
	for _, code := range []string{"c", "s", "x", "rc", "L", "SCRAPX", "pxcprs", "rrrr1111", "4006381333931", "1 1", ":order cancel 1001 reason=x"} {
		for _, suffix := range []string{"enter", "tab", "enter ctrl+j", "ctrl+j", "ctrl+c", "enter enter", "enter s enter", "f12", ""} {
			if keys := append(strings.Split(code, ""), strings.Fields(suffix)...); len(keys) > 1 {
				out = append(out, keys)
			}
		}
	}
	for _, keys := range []string{"ctrl+b c enter", "ctrl+j enter c", "down enter", "f10 x", "f12 enter", "f8 f8", "esc esc esc", "ctrl+] s", "f2 5 enter", "f4 enter"} {
		out = append(out, strings.Fields(keys))
	}
	return out
}

// TestScan_pressesNoButton: whatever a barcode holds, scanning it changes nothing on the floor and ends no stay, on any
// screen.
func TestScan_pressesNoButton(t *testing.T) {
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			d := f.drive(f.session(scene.station, scene.badge, 80, 24))
			scene.reach(d)
			before, person, stack, help := f.entries(), d.a.person, slices.Clone(d.a.stack), d.a.help
			for _, code := range barcodes() {
				d.scan("", code...)
				if f.entries() != before || d.quit || d.a.person != person || len(d.outs) > 0 {
					t.Fatalf("scanning %q did something:\n%s", code, d.view())
				}
				d.press("f2")
				d.a.stack, d.a.help = slices.Clone(stack), help
			}
		})
	}
}

// TestScan_needsAnEnterOfItsOwn: a form that a scanner filled is sent by a key that a person presses.
func TestScan_needsAnEnterOfItsOwn(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	d := f.drive(f.session("", "7100", 80, 24)).press("enter", "h")
	before := f.entries()
	d.scan("QC-17", "enter").sees("QC-17", "then press Enter")
	d.send(tea.PasteMsg{Content: "and more\r"})
	if d.sees("press Enter"); f.entries() != before {
		t.Fatal("a scan held an order")
	}
	d.press("enter").sees("is held")
	d.press("x", ":").send(tea.PasteMsg{Content: "order cancel 1001 reason=x\r\n"})
	if d.sees("press Enter"); f.entries() != before+1 {
		t.Fatalf("a paste ran a command:\n%s", d.view())
	}
}

func TestScan_isLookedUpWhereLettersAreKeys(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s")
	d.scan("SCRAPX", "enter").sees("Nothing here is called SCRAPX", "Job")
	d.scan("0112", "ctrl+]", "1", "7", "enter").sees(`Nothing here is called 0112\x1d17`)
	d.scan("c", "enter").sees("Nothing here is called c.").press("c").sees("Complete operation")
}

// TestScan_whileAnAnswerIsAwaited: what is kept is told apart by the pace at which it came, not at which it is given on.
func TestScan_whileAnAnswerIsAwaited(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter")
	before := f.entries()
	d.slow = true
	d.press("f5").scan("srrr", "enter").scan("", "ctrl+b", "enter").scan("s", "enter")
	for range 8 {
		d.answer()
	}
	if d.sees("Nothing here is called s"); f.entries() != before {
		t.Fatalf("a scan that was kept changed something:\n%s", d.view())
	}
}
