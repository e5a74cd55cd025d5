package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// A KeyKind says what an API key stands for.
type KeyKind string

const (
	PersonKey  KeyKind = "person"  // somebody's own scripts
	MachineKey KeyKind = "machine" // one machine, or the gateway that speaks for it
	ProgramKey KeyKind = "program" // another system
)

// Layout of a key: gemba_<kind>_<random><checksum>.
const (
	keyBrand     = "gemba_"
	keyIDSize    = 8  // the first random characters name the key in the database and in logs
	keyRandom    = 32 // characters with 190 bits; 143 of them are in the part after the id
	keyChecksum  = 6
	longestKey   = len(keyBrand) + len("machine_") + keyRandom + keyChecksum
	base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ErrMalformedKey is reported for a text that was never an API key: cut off, mistyped, or something else.
var ErrMalformedKey = errors.New("this is not a gemba API key; copy it again, whole")

// An APIKey lets a person's script, a machine or a program use the HTTP API. It looks like
//
//	gemba_machine_4fYz09QaBx7…TkP30x8Jc2
//
// so that scanners for leaked secrets find it, and ends in a checksum, so that a mistyped key is refused without a
// look into the database. The zero APIKey is no key and matches nothing.
type APIKey struct {
	Kind KeyKind
	ID   string // eight characters; not secret

	text string
}

// NewAPIKey makes a random key. It is shown to its owner once, with [APIKey.Reveal], and stored as a digest.
func NewAPIKey(kind KeyKind) (APIKey, error) {
	if !kind.valid() {
		return APIKey{}, fmt.Errorf("unknown kind of API key %q", string(kind))
	}
	body := keyBrand + string(kind) + "_" + randomText(base62Digits, keyRandom)
	return ParseAPIKey(body + checksum(body))
}

// ParseAPIKey reads a key as its owner sends it. It checks form and checksum, in less than a microsecond and without
// any other knowledge; whether the key was ever issued is for [Pepper.Matches] to tell. The error is
// [ErrMalformedKey].
func ParseAPIKey(text string) (APIKey, error) {
	if len(text) > longestKey || !strings.HasPrefix(text, keyBrand) {
		return APIKey{}, ErrMalformedKey
	}
	kind, random, found := strings.Cut(text[len(keyBrand):], "_")
	if !found || !KeyKind(kind).valid() || len(random) != keyRandom+keyChecksum || strings.Trim(random, base62Digits) != "" {
		return APIKey{}, ErrMalformedKey
	}
	body := text[:len(text)-keyChecksum]
	if checksum(body) != text[len(body):] {
		return APIKey{}, ErrMalformedKey
	}
	return APIKey{Kind: KeyKind(kind), ID: random[:keyIDSize], text: text}, nil
}

// HoldsAPIKey tells whether a text has an API key in it, or most of one: where keys do not belong, a key that was cut or
// mistyped is as bad. It costs about as much as one search for the first letters.
func HoldsAPIKey(text []byte) bool {
	for {
		at := bytes.Index(text, []byte(keyBrand))
		if at < 0 {
			return false
		}
		text = text[at+len(keyBrand):]
		kind, random, found := bytes.Cut(text[:min(len(text), longestKey)], []byte("_"))
		if found && KeyKind(kind).valid() && leadingDigits(random) > keyIDSize+keyChecksum {
			return true
		}
	}
}

// leadingDigits counts the base62 digits that a text begins with.
func leadingDigits(text []byte) int {
	return len(text) - len(bytes.TrimLeft(text, base62Digits))
}

// Reveal gives the key itself, to be shown to its owner once. It belongs in no log, no ledger and no database.
func (k APIKey) Reveal() string { return k.text }

// String names the key without revealing it.
func (k APIKey) String() string { return keyBrand + string(k.Kind) + "_" + k.ID + "…" }

// GoString names the key without revealing it.
func (k APIKey) GoString() string { return k.String() }

func (k KeyKind) valid() bool {
	return k == PersonKey || k == MachineKey || k == ProgramKey
}

// Digest is what the database keeps of a key: HMAC-SHA-256 under the pepper, as 64 hexadecimal digits. A slow hash
// would add nothing, since nobody can guess a random key.
func (p *Pepper) Digest(key APIKey) string {
	return hex.EncodeToString(digest(p.apiKey, key.text))
}

// Matches tells in constant time whether a key is the one that a stored digest was made from.
func (p *Pepper) Matches(key APIKey, stored string) bool {
	return key.text != "" && subtle.ConstantTimeCompare([]byte(p.Digest(key)), []byte(stored)) == 1
}

// checksum is the CRC-32 (IEEE) of a text as six base62 digits. It finds every change of a single character.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var digits [keyChecksum]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62Digits[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// randomText returns count independent characters of an alphabet of at most 256, each equally likely.
func randomText(alphabet string, count int) string {
	// Bytes at or above the largest multiple of the alphabet's length would favour its first characters.
	usable := 256 - 256%len(alphabet)
	text := make([]byte, 0, count)
	var block [64]byte
	for len(text) < count {
		rand.Read(block[:])
		for _, b := range block {
			if int(b) < usable && len(text) < count {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}
