package server

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"gemba/keys"
	"gemba/mes"
)

// A lexer reads JSON strictly: UTF-8 only, no lone surrogates, no key twice, nothing after the end, no API key in it. It
// works on the bytes as they came and allocates only where a text has escapes.
type lexer struct {
	data     []byte
	pos      int
	scratch  []byte
	innocent map[string]bool // names that only look like those of secrets
}

// fault says what is wrong where the lexer stands.
func (l *lexer) fault(format string, args ...any) error {
	return mes.Faultf(mes.Invalid, "the JSON is not right at byte %d: "+format, append([]any{l.pos + 1}, args...)...)
}

// start checks what concerns the whole document.
func (l *lexer) start() error {
	if !utf8.Valid(l.data) {
		return mes.Faultf(mes.Invalid, "the JSON is not UTF-8")
	}
	if keys.HoldsAPIKey(l.data) {
		return errSecretInBody
	}
	return nil
}

// finish checks that nothing follows.
func (l *lexer) finish() error {
	l.space()
	if l.pos < len(l.data) {
		return l.fault("something follows the document")
	}
	return nil
}

func (l *lexer) space() {
	for l.pos < len(l.data) {
		switch l.data[l.pos] {
		case ' ', '\t', '\n', '\r':
			l.pos++
		default:
			return
		}
	}
}

// next is the first byte of the next token, 0 at the end.
func (l *lexer) next() byte {
	l.space()
	if l.pos < len(l.data) {
		return l.data[l.pos]
	}
	return 0
}

// open takes the opening bracket of an object or array.
func (l *lexer) open(bracket byte) error {
	if l.next() != bracket {
		if bracket == '{' {
			return l.fault("an object is expected")
		}
		return l.fault("an array is expected")
	}
	l.pos++
	return nil
}

// more tells whether another member or element follows, and takes what stands between them.
func (l *lexer) more(closing byte, first bool) (bool, error) {
	switch c := l.next(); {
	case c == closing:
		l.pos++
		return false, nil
	case first && c != 0:
		return true, nil
	case c == ',':
		l.pos++
		if l.next() == closing {
			return false, l.fault("a comma stands before the end")
		}
		return true, nil
	}
	return false, l.fault("a comma or %q is expected", string(rune(closing)))
}

// key takes the name of a member and its colon. The bytes are good until the next call.
func (l *lexer) key() ([]byte, error) {
	name, err := l.text()
	if err != nil {
		return nil, err
	}
	if l.next() != ':' {
		return nil, l.fault("a colon is expected")
	}
	l.pos++
	return name, nil
}

// text takes a string. The bytes are good until the next call.
func (l *lexer) text() ([]byte, error) {
	if l.next() != '"' {
		return nil, l.fault("text is expected")
	}
	l.pos++
	begin := l.pos
	for ; l.pos < len(l.data); l.pos++ {
		switch c := l.data[l.pos]; {
		case c == '"':
			l.pos++
			return l.data[begin : l.pos-1], nil
		case c == '\\':
			return l.escapedText(begin)
		case c < 0x20:
			return nil, l.fault("a control character in a text")
		}
	}
	return nil, l.fault("a text does not end")
}

// escapedText goes on with a string that has escapes.
func (l *lexer) escapedText(begin int) ([]byte, error) {
	out := append(l.scratch[:0], l.data[begin:l.pos]...)
	for l.pos < len(l.data) {
		c := l.data[l.pos]
		l.pos++
		switch {
		case c == '"':
			if l.scratch = out; keys.HoldsAPIKey(out) {
				return nil, errSecretInBody
			}
			return out, nil
		case c < 0x20:
			return nil, l.fault("a control character in a text")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if l.pos == len(l.data) {
			break
		}
		c = l.data[l.pos]
		l.pos++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := l.codePoint()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, l.fault("there is no escape \\%c", c)
		}
	}
	return nil, l.fault("a text does not end")
}

// codePoint takes what follows \u, and the second half of a pair.
func (l *lexer) codePoint() (rune, error) {
	r, err := l.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if l.pos+1 < len(l.data) && l.data[l.pos] == '\\' && l.data[l.pos+1] == 'u' {
		l.pos += 2
		second, err := l.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, l.fault("half of a surrogate pair")
}

func (l *lexer) hex4() (rune, error) {
	if l.pos+4 > len(l.data) {
		return 0, l.fault("four hexadecimal digits are expected")
	}
	var r rune
	for _, c := range l.data[l.pos : l.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, l.fault("four hexadecimal digits are expected")
		}
	}
	l.pos += 4
	return r, nil
}

// literal takes true, false or null, if it stands next.
func (l *lexer) literal(word string) bool {
	l.space()
	if end := l.pos + len(word); end <= len(l.data) && string(l.data[l.pos:end]) == word {
		l.pos = end
		return true
	}
	return false
}

// number takes the digits of a number, and tells whether it is written as a whole one.
func (l *lexer) number() (digits []byte, whole bool, err error) {
	l.space()
	begin := l.pos
	if l.pos < len(l.data) && l.data[l.pos] == '-' {
		l.pos++
	}
	switch n := l.digits(); {
	case n == 0:
		return nil, false, l.fault("a number is expected")
	case n > 1 && l.data[l.pos-n] == '0':
		return nil, false, l.fault("a number begins with 0")
	}
	whole = true
	if l.pos < len(l.data) && l.data[l.pos] == '.' {
		l.pos++
		if whole = false; l.digits() == 0 {
			return nil, false, l.fault("a digit is expected")
		}
	}
	if l.pos < len(l.data) && (l.data[l.pos] == 'e' || l.data[l.pos] == 'E') {
		l.pos++
		if l.pos < len(l.data) && (l.data[l.pos] == '+' || l.data[l.pos] == '-') {
			l.pos++
		}
		if whole = false; l.digits() == 0 {
			return nil, false, l.fault("a digit is expected")
		}
	}
	return l.data[begin:l.pos], whole, nil
}

func (l *lexer) digits() int {
	begin := l.pos
	for l.pos < len(l.data) && l.data[l.pos] >= '0' && l.data[l.pos] <= '9' {
		l.pos++
	}
	return l.pos - begin
}

// integer takes a whole number.
func (l *lexer) integer() (int64, error) {
	digits, whole, err := l.number()
	if err != nil {
		return 0, err
	}
	if !whole {
		return 0, l.fault("a whole number is expected")
	}
	if len(digits) > 18 {
		n, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return 0, l.fault("the number is too large")
		}
		return n, nil
	}
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	var n int64
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, nil
}

// exactPowers of ten are those that a float64 holds exactly.
var exactPowers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float takes a number. One with up to 15 digits and no exponent is exact after a single division.
func (l *lexer) float() (float64, error) {
	digits, _, err := l.number()
	if err != nil {
		return 0, err
	}
	if len(digits) <= 16 {
		var whole uint64
		negative, after, plain := false, -1, true
		for i, c := range digits {
			switch {
			case c >= '0' && c <= '9':
				whole = whole*10 + uint64(c-'0')
				if after >= 0 {
					after++
				}
			case c == '.':
				after = 0
			case c == '-' && i == 0:
				negative = true
			default:
				plain = false
			}
		}
		if plain && whole < 1<<53 {
			f := float64(whole) / exactPowers[max(after, 0)]
			if negative {
				f = -f
			}
			return f, nil
		}
	}
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, l.fault("the number is too large")
	}
	return f, nil
}

// value passes over any value and checks it. Depth is how many brackets may be inside one another.
func (l *lexer) value(depth int) error {
	switch c := l.next(); {
	case (c == '{' || c == '[') && depth == 0:
		return l.fault("brackets are nested too deeply")
	case c == '{':
		l.pos++
		seen := map[string]struct{}{}
		for first := true; ; first = false {
			more, err := l.more('}', first)
			if err != nil || !more {
				return err
			}
			name, err := l.key()
			if err != nil {
				return err
			}
			if _, twice := seen[string(name)]; twice {
				return l.fault("%q stands there twice", plainText(string(name), 40))
			}
			if isSecretName(string(name)) && !l.innocent[string(name)] {
				return errSecretInBody
			}
			seen[string(name)] = struct{}{}
			if err := l.value(depth - 1); err != nil {
				return err
			}
		}
	case c == '[':
		l.pos++
		for first := true; ; first = false {
			more, err := l.more(']', first)
			if err != nil || !more {
				return err
			}
			if err := l.value(depth - 1); err != nil {
				return err
			}
		}
	case c == '"':
		_, err := l.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, _, err := l.number()
		return err
	}
	if l.literal("true") || l.literal("false") || l.literal("null") {
		return nil
	}
	return l.fault("a value is expected")
}

// deepestJSON is how many brackets of a body may be inside one another.
const deepestJSON = 8

// checkJSON tells whether a document is strict JSON, an object, without a secret in it. Innocent names only look like
// those of secrets.
func checkJSON(data []byte, innocent map[string]bool) error {
	l := lexer{data: data, innocent: innocent}
	if err := l.start(); err != nil {
		return err
	}
	if l.next() != '{' {
		return l.fault("an object is expected")
	}
	if err := l.value(deepestJSON); err != nil {
		return err
	}
	return l.finish()
}
