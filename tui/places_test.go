package tui

import "testing"

func TestMenu_goesWhereADigitSays(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	d := f.drive(f.session("", "7100", 80, 24)).press("m").sees("Menu", "1 Queue", "what can be worked on here")
	d.press("3").sees("Machines", "LATHE-2").press("esc").sees("Orders").press("m", "down", "enter").sees("Orders", "1001")
}

func TestPalette_goesToAPlace(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("", "7100", 80, 24)).press(":").write("mach").sees("Every machine with its state", "machine")
	d.press("f2").write("Machines").press("enter").sees("LATHE-2")
	d.press("esc").sees("Orders")
}
