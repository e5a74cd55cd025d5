package server

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainText makes text from outside safe to show on a terminal and in a log: what would move the cursor, colour,
// reorder or hide something is written as an escape like \x1b or \u202e. Most bounds its length in characters; 0 is no
// bound.
func plainText(text string, most int) string {
	if most > 0 && utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	if strings.IndexFunc(text, unseen) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			b.WriteString(`\x` + hex2(text[i]))
		case unseen(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hex2(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// unseen tells whether a character is not simply seen: control characters, what changes the direction of text, what has
// no width, private use, and what stands for a broken byte.
func unseen(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || unicode.In(r, unicode.Variation_Selector) ||
		r == 0x034f || r == 0x115f || r == 0x1160 || r == 0x17b4 || r == 0x17b5 || r == 0x3164 || r == 0xffa0
}

// plainJSON does the same inside a JSON document: the escapes are JSON's own, so the document means the same.
func plainJSON(document []byte) []byte {
	text := string(document)
	if strings.IndexFunc(text, unseenInJSON) < 0 {
		return document
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unseenInJSON(r):
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u` + hex2(byte(r>>8)) + hex2(byte(r)))
		default:
			r -= 0x10000
			for _, half := range []rune{0xd800 + r>>10, 0xdc00 + r&0x3ff} {
				b.WriteString(`\u` + hex2(byte(half>>8)) + hex2(byte(half)))
			}
		}
	}
	return []byte(b.String())
}

// unseenInJSON leaves the line ends between the lines of a document alone; in its strings they are escaped already.
func unseenInJSON(r rune) bool { return r != '\n' && unseen(r) }
