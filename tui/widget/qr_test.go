package widget

import (
	"math/rand/v2"
	"testing"
)

// readBack gives the modules that lines of half blocks show, true for dark.
func readBack(t *testing.T, lines []Line, height int) [][]bool {
	t.Helper()
	rows := make([][]bool, height)
	for i, l := range lines {
		for _, r := range l.Spans[0].Text {
			upper, lower := r == '█' || r == '▀', r == '█' || r == '▄'
			if !upper && !lower && r != ' ' {
				t.Fatalf("%q is no half block", r)
			}
			rows[2*i] = append(rows[2*i], !upper)
			if 2*i+1 < height {
				rows[2*i+1] = append(rows[2*i+1], !lower)
			}
		}
	}
	return rows
}

func TestQR_showsEveryModuleInAQuietZone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{21, 25, 29, 33, 37} {
		code := make([][]bool, n)
		for y := range code {
			code[y] = make([]bool, n)
			for x := range code[y] {
				code[y][x] = random.IntN(2) == 0
			}
		}
		for quiet := 1; quiet <= 6; quiet++ {
			width := n + 2*quiet
			lines := QR(code, width, (width+1)/2)
			zone := min(quiet, 4)
			side := n + 2*zone
			if len(lines) != (side+1)/2 || lines[0].Width() != side {
				t.Fatalf("%d modules in %d columns are drawn as %d lines of %d", n, width, len(lines), lines[0].Width())
			}
			rows := readBack(t, lines, side)
			for y := range side {
				for x := range side {
					inside := y >= zone && y < n+zone && x >= zone && x < n+zone
					if want := inside && code[y-zone][x-zone]; rows[y][x] != want {
						t.Fatalf("%d modules, zone %d: module %d,%d is dark: %v", n, zone, x, y, rows[y][x])
					}
				}
			}
		}
	}
}

func TestQR_isWholeOrNotThere(t *testing.T) {
	code := make([][]bool, 33)
	for y := range code {
		code[y] = make([]bool, 33)
	}
	for _, c := range []struct {
		width, height int
		there         bool
	}{{35, 18, true}, {34, 18, false}, {35, 17, false}, {80, 17, false}, {20, 16, false}, {0, 0, false}} {
		if got := QR(code, c.width, c.height) != nil; got != c.there {
			t.Errorf("in %d columns and %d rows it is there: %v", c.width, c.height, got)
		}
	}
	if QR(nil, 80, 24) != nil {
		t.Error("a code without modules is drawn")
	}
}
