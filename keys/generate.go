package keys

import "strings"

const (
	// Syllables of one consonant and one vowel can be read aloud and typed on any keyboard. Letters that look or
	// sound like others are left out.
	consonants = "bdfghjklmnprstvwz"
	vowels     = "aeiou"

	passphraseWords     = 4
	passphraseSyllables = 2 // in a word
)

// NewPassphrase makes a random password such as "rabo-tiku-mela-soni" that [CheckPassword] accepts. It has about 51
// bits: enough behind Argon2id and a bounded number of attempts, for the demonstration plant and for first passwords
// that are replaced at the first sign-in.
func NewPassphrase() string {
	for {
		words := make([]string, passphraseWords)
		for i := range words {
			for range passphraseSyllables {
				words[i] += randomText(consonants, 1) + randomText(vowels, 1)
			}
		}
		if phrase := strings.Join(words, "-"); CheckPassword(phrase) == nil {
			return phrase
		}
	}
}

// NewPIN makes a random PIN of the shortest length that [CheckPIN] accepts for somebody known by about.
func NewPIN(about ...string) string {
	for {
		if pin := randomText("0123456789", ShortestPIN); CheckPIN(pin, about...) == nil {
			return pin
		}
	}
}
