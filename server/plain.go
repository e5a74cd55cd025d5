package server

import (
	"strings"
	"unicode/utf8"

	"gemba/mes/plain"
)

// plainText makes text from outside safe to show on a terminal and in a log. Most bounds its length in characters before
// that; 0 is no bound.
func plainText(text string, most int) string {
	if most > 0 && utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return plain.Text(text)
}

func hex2(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
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
func unseenInJSON(r rune) bool { return r != '\n' && plain.Unseen(r) }
