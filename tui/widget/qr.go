package widget

// QR draws a QR code, rows of modules of which true is dark, in half blocks: a cell is one module wide and two high. The
// light modules are what is drawn, in [Ink], so that the code has the right colours on a dark and on a light terminal,
// and without colours on a dark one. Around it is the quiet zone, four modules if there is room and at least one; none of
// the code is ever left out. It gives nil when the area is too small: show the text instead.
func QR(code [][]bool, width, height int) []Line {
	n := len(code)
	quiet := 4
	for quiet > 0 && (n+2*quiet > width || (n+2*quiet+1)/2 > height) {
		quiet--
	}
	if n == 0 || quiet == 0 {
		return nil
	}
	side := n + 2*quiet
	light := func(y int) string {
		row := make([]byte, side)
		for x := range row {
			i, j := y-quiet, x-quiet
			if dark := i >= 0 && i < n && j >= 0 && j < len(code[i]) && code[i][j]; dark || y >= side {
				row[x] = '.'
			} else {
				row[x] = '#'
			}
		}
		return string(row)
	}
	var lines []Line
	for y := 0; y < side; y += 2 {
		lines = append(lines, Of(Span{halves(light(y), light(y+1)), Ink}))
	}
	return lines
}
