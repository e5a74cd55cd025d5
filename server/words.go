package server

import (
	"strings"

	"gemba/mes"
)

// splitWords splits a command line into words, like a shell does but with nothing to expand: blanks separate, quotes
// keep together, and a backslash takes the next character as it is (in single quotes it is itself).
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, mes.Faultf(mes.Invalid, "a quote is not closed; write %c at the end of the text", max(quote, '"'))
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// nearest gives the names that look most like a mistyped one.
func nearest(typed string, names []string) []string {
	best, found := 1+len(typed)/3, []string(nil)
	for _, name := range names {
		switch d := distance(typed, name); {
		case d < best:
			best, found = d, []string{name}
		case d == best && d <= len(typed)/3+1:
			found = append(found, name)
		}
	}
	return found[:min(len(found), 3)]
}

// distance is how many letters must be put in, taken out, replaced or swapped with their neighbour.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
