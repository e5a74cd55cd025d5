// Package plain makes text from outside safe to show to people: on a terminal, in a log, in an answer.
//
// What such a text must not do: move the cursor, colour or hide what follows it, reorder it, or look like another text.
// Nothing is taken away for that, since a text with a hidden character in it is not the text without it: what cannot be
// seen is written so that it can be.
package plain

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxMarks is how many combining marks a character may carry. Vietnamese and pointed Hebrew need three; more than a few
// grow over the lines above and below.
const MaxMarks = 4

// Unseen tells whether a character is not simply seen: control characters, what changes the direction of text, what has
// no width, private use, and what stands for a broken byte.
func Unseen(r rune) bool {
	if r < 0x7f || common(r) {
		return r < ' '
	}
	return r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || unicode.In(r, unicode.Variation_Selector) ||
		r == 0x034f || r == 0x115f || r == 0x1160 || r == 0x17b4 || r == 0x17b5 || r == 0x3164 || r == 0xffa0
}

// Text writes every unseen character, broken byte and mark that has nothing to stand on, or too many below it, as an
// escape like \x1b or \u202e. Text that needs none is given back as it is, and Text of its own result changes nothing.
func Text(s string) string {
	if ascii(s) {
		return s
	}
	var b strings.Builder
	from := -1 // where the escapes begin, -1: nowhere yet
	marks := MaxMarks
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		escape := ""
		switch {
		case r == utf8.RuneError && n == 1:
			escape, marks = `\x`+strconv.FormatUint(0x100+uint64(s[i]), 16)[1:], MaxMarks
		case r > ' ' && r < 0x7f || common(r):
			marks = 0
		case Unseen(r):
			escape, marks = strings.Trim(strconv.QuoteRuneToASCII(r), "'"), MaxMarks
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > MaxMarks {
				escape = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
			}
		case r == ' ':
			marks = MaxMarks
		default:
			marks = 0
		}
		if escape != "" && from < 0 {
			from = i
			b.WriteString(s[:i])
		}
		switch {
		case escape != "":
			b.WriteString(escape)
		case from >= 0:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	if from < 0 {
		return s
	}
	return b.String()
}

// common tells whether a character is one of those that screens are full of, letters of Western Europe and the signs that
// states are drawn with: they are seen and are no marks. It only spares a search through the tables of Unicode.
func common(r rune) bool {
	return r >= 0xa1 && r < 0x300 && r != 0xad || r >= 0x2190 && r < 0x2400 || r >= 0x2500 && r < 0x2800
}

// ascii tells whether every byte of a text is a character that is seen, one cell wide.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
