package keys

import (
	"regexp"
	"testing"
)

func TestNewPassphrase(t *testing.T) {
	form := regexp.MustCompile(`^([bdfghjklmnprstvwz][aeiou]){2}(-([bdfghjklmnprstvwz][aeiou]){2}){3}$`)
	seen := map[string]bool{}
	for range 2_000 {
		phrase := NewPassphrase()
		if !form.MatchString(phrase) || CheckPassword(phrase) != nil || seen[phrase] {
			t.Fatalf("%q is unfit or came twice", phrase)
		}
		seen[phrase] = true
	}
}

func TestNewPIN(t *testing.T) {
	seen := map[string]bool{}
	for range 2_000 {
		pin := NewPIN("B-104711")
		if len(pin) != ShortestPIN || CheckPIN(pin, "B-104711") != nil {
			t.Fatalf("%q is unfit", pin)
		}
		seen[pin] = true
	}
	if len(seen) < 1_900 {
		t.Errorf("%d different PINs of 2,000", len(seen))
	}
}
