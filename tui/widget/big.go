package widget

import "strings"

// Big writes a word in letters of five pixel rows, for a state that is read from a distance: in half blocks it is three
// lines high, in ASCII five. Characters that it does not have are left out.
func Big(word string, ascii bool) []string {
	rows := [5]string{}
	for i, r := range strings.ToUpper(word) {
		glyph, ok := pixels[r]
		if !ok {
			continue
		}
		for y, row := range strings.Split(glyph, "|") {
			if i > 0 {
				rows[y] += " "
			}
			rows[y] += row
		}
	}
	if ascii {
		out := make([]string, 5)
		for y, row := range rows {
			out[y] = strings.ReplaceAll(row, ".", " ")
		}
		return out
	}
	return []string{halves(rows[0], rows[1]), halves(rows[2], rows[3]), halves(rows[4], "")}
}

// halves puts two pixel rows into one line.
func halves(upper, lower string) string {
	var b strings.Builder
	for x := range len(upper) {
		top, bottom := upper[x] == '#', x < len(lower) && lower[x] == '#'
		switch {
		case top && bottom:
			b.WriteString("█")
		case top:
			b.WriteString("▀")
		case bottom:
			b.WriteString("▄")
		default:
			b.WriteString(" ")
		}
	}
	return b.String()
}

// pixels are the letters, row by row.
var pixels = map[rune]string{
	'A': ".#.|#.#|###|#.#|#.#", 'B': "##.|#.#|##.|#.#|##.", 'C': ".##|#..|#..|#..|.##", 'D': "##.|#.#|#.#|#.#|##.",
	'E': "###|#..|##.|#..|###", 'F': "###|#..|##.|#..|#..", 'G': ".##|#..|#.#|#.#|.##", 'H': "#.#|#.#|###|#.#|#.#",
	'I': "###|.#.|.#.|.#.|###", 'J': "..#|..#|..#|#.#|.#.", 'K': "#.#|#.#|##.|#.#|#.#", 'L': "#..|#..|#..|#..|###",
	'M': "#...#|##.##|#.#.#|#...#|#...#", 'N': "#..#|##.#|#.##|#..#|#..#", 'O': "###|#.#|#.#|#.#|###",
	'P': "##.|#.#|##.|#..|#..", 'Q': "###|#.#|#.#|###|..#", 'R': "##.|#.#|##.|#.#|#.#", 'S': "###|#..|###|..#|###",
	'T': "###|.#.|.#.|.#.|.#.", 'U': "#.#|#.#|#.#|#.#|###", 'V': "#.#|#.#|#.#|#.#|.#.",
	'W': "#...#|#...#|#.#.#|##.##|#...#", 'X': "#.#|#.#|.#.|#.#|#.#", 'Y': "#.#|#.#|.#.|.#.|.#.", 'Z': "###|..#|.#.|#..|###",
	'0': "###|#.#|#.#|#.#|###", '1': ".#.|##.|.#.|.#.|###", '2': "##.|..#|.#.|#..|###", '3': "##.|..#|.#.|..#|##.",
	'4': "#.#|#.#|###|..#|..#", '5': "###|#..|##.|..#|##.", '6': ".##|#..|###|#.#|###", '7': "###|..#|.#.|.#.|.#.",
	'8': "###|#.#|###|#.#|###", '9': "###|#.#|###|..#|##.", ' ': "..|..|..|..|..", '-': "...|...|###|...|...",
}
