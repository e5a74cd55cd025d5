package keys

import "strings"

// Lengths of a PIN, in digits.
const (
	ShortestPIN = 6
	LongestPIN  = 12
)

// CheckPIN tells whether a new PIN is acceptable: 6 to 12 digits, not a sequence such as 123456 or 890123, not one
// part repeated such as 121212, and not contained in what others know of the person (the badge, for example). The
// error is a [Weak].
//
// A PIN is short enough to be found by trying. It is only good together with something else that is checked first,
// an enrolled station or a badge, and with a small number of attempts. Its hash is made and checked by the same
// [Hasher] as a password's, with class [Ordinary].
func CheckPIN(pin string, about ...string) error {
	if len(pin) < ShortestPIN || len(pin) > LongestPIN || strings.Trim(pin, "0123456789") != "" {
		return weak("a PIN has %d to %d digits and nothing else", ShortestPIN, LongestPIN)
	}
	if repeats([]rune(pin)) {
		return weak("the PIN repeats itself; choose one that does not")
	}
	if isSequence(pin) {
		return weak("the PIN is a sequence; choose digits in another order")
	}
	for _, known := range about {
		if strings.Contains(digitsOf(known), pin) {
			return weak("the PIN is part of a number that others know; choose another")
		}
	}
	return nil
}

// isSequence tells whether each digit follows from the one before by the same step up or down. After 9 comes 0, as
// on a keypad.
func isSequence(pin string) bool {
	step := (pin[1] - pin[0] + 10) % 10
	if step != 1 && step != 9 {
		return false
	}
	for i := 2; i < len(pin); i++ {
		if (pin[i]-pin[i-1]+10)%10 != step {
			return false
		}
	}
	return true
}

// digitsOf is what remains of a text when everything but digits is left out.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}
