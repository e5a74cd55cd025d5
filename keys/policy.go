package keys

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password, in code points after NFKC normalisation.
const (
	ShortestPassword    = 15  // of a password that is the only proof
	ShortestAnyPassword = 8   // of one that a second proof goes with; no policy can go below it
	LongestPassword     = 128 // nothing is ever cut off
)

// UsualHistory is how many earlier passwords may not come again unless a [Policy] says so.
const UsualHistory = 5

// leastOwn is how many characters of a password must remain when everything guessable is taken out of it.
const leastOwn = 8

// leastDistinct is how many different characters a password needs.
const leastDistinct = 5

// shortestWord is the length from which a word is looked for inside a password. Shorter ones are in everything.
const shortestWord = 3

// shortestRun is the length from which 1234 or dcba counts as a sequence. Shorter ones are in ordinary words.
const shortestRun = 4

// Weak says why a password or PIN is refused, in words for the person who chose it.
type Weak struct {
	Reason string
}

func (w *Weak) Error() string { return w.Reason }

func weak(format string, args ...any) error {
	return &Weak{Reason: fmt.Sprintf(format, args...)}
}

//go:embed common.txt
var commonText string

// common holds the words and key patterns that guessing starts with.
var common = guessable(strings.Fields(commonText))

// A Policy says which new passwords a site accepts. The zero Policy is the one that we recommend: length, and what is
// left without the guessable, count; there is no rule about kinds of characters.
type Policy struct {
	// Min is the shortest length in characters, 0 for [ShortestPassword]. Below [ShortestAnyPassword] it has no effect.
	Min int
	// Classes asks for capital and small letters, digits and other characters, for sites whose rules insist. It makes
	// passwords harder to remember and hardly harder to guess.
	Classes bool
	// Words are names of the site that everybody guesses first: the company, the town, the product.
	Words []string
	// History is how many earlier passwords may not come again: 0 for [UsualHistory], negative for none.
	History int
}

// CheckPassword tells whether a new password is acceptable under the zero [Policy].
func CheckPassword(password string, about ...string) error { return Policy{}.Check(password, about...) }

// Remembered is how many earlier passwords count, never negative.
func (p Policy) Remembered() int { return max(cmp.Or(p.History, UsualHistory), 0) }

// Check tells whether a new password is acceptable. About lists what others know of the person and the site: user
// name, badge, real name, names of the plant and the company. Any printable character is allowed, spaces too. The error
// is a [Weak].
func (p Policy) Check(password string, about ...string) error {
	if len(password) > longestSecret {
		return weak("a password has at most %d characters; choose a shorter one", LongestPassword)
	}
	if !utf8.ValidString(password) {
		return weak("the password contains bytes that are not text; check the terminal's character set (UTF-8)")
	}
	password = norm.NFKC.String(password)
	least := min(max(cmp.Or(p.Min, ShortestPassword), ShortestAnyPassword), LongestPassword)
	switch count := utf8.RuneCountInString(password); {
	case count < least:
		return weak("a password needs at least %d characters, this one has %d; a few words in a row are easy to remember",
			least, count)
	case count > LongestPassword:
		return weak("a password has at most %d characters, this one has %d; choose a shorter one", LongestPassword, count)
	}
	for _, r := range password {
		if !unicode.IsPrint(r) {
			return weak("the password contains a character that cannot be shown (%U); leave it out", r)
		}
	}
	if p.Classes && !allClasses(password) {
		return weak("the password needs capital letters, small letters, digits and other characters, one of each at least")
	}
	return checkGuessable(simplify(password), guessable(slices.Concat(about, p.Words)))
}

// allClasses tells whether a password has all four kinds of characters. A letter of a script that has no capitals
// counts for both kinds of letters.
func allClasses(password string) bool {
	var capital, small, digit, other bool
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			capital = true
		case unicode.IsLower(r):
			small = true
		case unicode.IsLetter(r):
			capital, small = true, true
		case unicode.IsDigit(r):
			digit = true
		default:
			other = true
		}
	}
	return capital && small && digit && other
}

// checkGuessable takes what is guessable out of a simplified password, kind by kind, and refuses it when too little
// is left.
func checkGuessable(password string, about []string) error {
	symbols := []rune(password)
	if distinct(symbols) < leastDistinct {
		return weak("the password uses too few different characters; use at least %d", leastDistinct)
	}
	if repeats(symbols) {
		return weak("the password repeats one part over and over; choose one that does not")
	}
	symbols = withoutRuns(symbols)
	if len(symbols) < leastOwn {
		return weak("the password is mostly a sequence such as 1234 or abcd; choose something else")
	}
	rest := withoutWords(unmask(string(symbols)), about)
	if utf8.RuneCountInString(rest) < leastOwn {
		return weak("the password is too close to your name or the name of this site; choose something else")
	}
	if utf8.RuneCountInString(withoutWords(rest, common)) < leastOwn {
		return weak("the password is mostly made of very common passwords; choose something else")
	}
	return nil
}

// simplify brings a text into the form in which it is examined: normalised, in lower case, without separators.
func simplify(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' || r == '.' {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(text))
}

// unmask undoes the usual exchanges of letters for digits and signs.
var unmask = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace

// guessable turns texts into the words to look for: each text and each part of it, forwards and backwards, the
// longest first so that a short word does not break up a long one.
func guessable(texts []string) []string {
	var words []string
	for _, text := range texts {
		parts := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, part := range append(parts, text) {
			word := []rune(unmask(simplify(part)))
			if len(word) < shortestWord {
				continue
			}
			words = append(words, string(word))
			slices.Reverse(word)
			words = append(words, string(word))
		}
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(words)
}

// withoutWords takes words out of a text.
func withoutWords(text string, words []string) string {
	for _, word := range words {
		text = strings.ReplaceAll(text, word, "")
	}
	return text
}

// distinct counts the different symbols.
func distinct(symbols []rune) int {
	seen := map[rune]bool{}
	for _, symbol := range symbols {
		seen[symbol] = true
	}
	return len(seen)
}

// repeats tells whether the symbols are one part written at least twice, the last time perhaps cut short.
func repeats(symbols []rune) bool {
	for period := 1; period <= len(symbols)/2; period++ {
		if slices.Equal(symbols[period:], symbols[:len(symbols)-period]) {
			return true
		}
	}
	return false
}

// withoutRuns takes out stretches of shortestRun or more symbols that stay the same or go up or down by one.
func withoutRuns(symbols []rune) []rune {
	var rest []rune
	for len(symbols) > 0 {
		length := run(symbols)
		if length < shortestRun {
			// The last symbol of a short stretch may begin a long one.
			length = max(1, length-1)
			rest = append(rest, symbols[:length]...)
		}
		symbols = symbols[length:]
	}
	return rest
}

// run is the length of the stretch at the beginning of symbols in which each differs from the one before by the same
// step of -1, 0 or 1.
func run(symbols []rune) int {
	if len(symbols) < 2 {
		return len(symbols)
	}
	step := symbols[1] - symbols[0]
	if step < -1 || step > 1 {
		return 1
	}
	length := 2
	for length < len(symbols) && symbols[length]-symbols[length-1] == step {
		length++
	}
	return length
}
