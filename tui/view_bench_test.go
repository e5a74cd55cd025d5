package tui

import "testing"

// BenchmarkView is one frame of the operator's screen at 24 × 80, as every session draws it once a second.
func BenchmarkView(b *testing.B) {
	f := newFloor(b)
	furnish(f)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s")
	for b.Loop() {
		if d.a.View().Content == "" {
			b.Fatal("nothing is drawn")
		}
	}
}
