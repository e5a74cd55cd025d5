package keys

import "strings"

const (
	// codeAlphabet has no letters that look like digits (I, L, O) and no U, which is heard as V. What is typed instead
	// of them is understood: see NormaliseCode.
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeSize     = 12 // characters with 5 bits each
	codeGroup    = 4  // characters between hyphens
	longestCode  = 64 // bytes that are looked at
)

// NewCode makes a random code such as "7QK2-M0XD-94TP", which somebody reads from one screen and types at another,
// once. It has 60 bits: enough for a code that works once and for minutes.
func NewCode() string { return grouped(randomText(codeAlphabet, codeSize)) }

// NormaliseCode gives a code as [NewCode] wrote it, however it was typed: in small letters, with spaces or without
// hyphens, with O for 0, I or L for 1. What cannot be a code gives "", which is nobody's.
func NormaliseCode(typed string) string {
	if len(typed) > longestCode {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-':
			return -1
		case 'O', 'o':
			return '0'
		case 'I', 'i', 'L', 'l':
			return '1'
		}
		if r >= 'a' && r <= 'z' {
			r += 'A' - 'a'
		}
		return r
	}, strings.TrimSpace(typed))
	if len(code) != codeSize || strings.Trim(code, codeAlphabet) != "" {
		return ""
	}
	return grouped(code)
}

// grouped puts hyphens into a code.
func grouped(code string) string {
	groups := make([]string, 0, codeSize/codeGroup)
	for len(code) > 0 {
		groups = append(groups, code[:codeGroup])
		code = code[codeGroup:]
	}
	return strings.Join(groups, "-")
}
