package tui

import (
	"context"
	"fmt"
	"testing"

	"gemba/mes"
	"gemba/tui/widget"
)

// TestRoster_longListKeepsItsPlace goes through thousands of rows, of which a window shows a few.
func TestRoster_longListKeepsItsPlace(t *testing.T) {
	f := newFloor(t)
	s, _ := f.atDesk("7400")
	d := f.drive(s)
	var rows []widget.Option
	for i := range 3000 {
		rows = append(rows, widget.Option{Value: fmt.Sprintf("C-%04d", i), Label: fmt.Sprintf("row %d of many", i)})
	}
	into := &widget.Field{Label: "Code", Kind: widget.Text, Max: 40}
	d.run(d.a.pick(into, func(context.Context, *mes.App, mes.Actor) ([]widget.Option, error) { return rows, nil }))
	d.sees("▌ C-0000", "C-0018", "3000").misses("C-0019")
	d.press("pgdown").sees("▌ C-0018").press("end").sees("▌ C-2999", "C-2981").press("up").sees("▌ C-2998")
	d.press("/").write("c-0012 row").sees("▌ C-0012").misses("C-0112", "C-2998")
	d.press("esc").sees("▌ C-0012") // what was found stays what the keys act on
	rows = append([]widget.Option{{Value: "A-1"}, {Value: "A-2"}}, rows...)
	d.press("f5").sees("▌ C-0012", "3002")
	d.press("enter")
	if into.Value() != "C-0012" {
		t.Errorf("the field holds %q", into.Value())
	}
}

// TestRoster_searchTakesSeveralWordsInAnyOrder and refuses what no terminal should show.
func TestRoster_searchTakesSeveralWordsInAnyOrder(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("/").write("lead 71").sees("Lea Wolf").misses("Anna Berg")
	d.press("f2").write("nobody at all").sees("Nobody here").press("enter").sees("/nobody at all").press("esc").sees("Anna Berg")
	d.press("/").write("wolf").press("down").sees("▌ 7100").press("enter").sees("Person 7100")
}
