package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/text/unicode/norm"
)

// A Pepper is the site's key that stored passwords, PINs, API keys and sealed secrets are bound to. It lives outside the database, so
// that a stolen database cannot be guessed against, and a hash slipped into it from outside never matches.
//
// The 32 bytes are not used directly: each purpose has a key derived from them, so that a digest made for one purpose
// means nothing for another.
type Pepper struct {
	id       string
	password []byte
	apiKey   []byte
	seal     []byte
}

// NewPepper makes a pepper from a random key of 32 bytes.
func NewPepper(key []byte) (*Pepper, error) {
	if len(key) != SecretSize {
		return nil, fmt.Errorf("a pepper has %d bytes, not %d", SecretSize, len(key))
	}
	if [SecretSize]byte(key) == ([SecretSize]byte{}) {
		return nil, errors.New("a pepper of zeros protects nothing; use a random one")
	}
	id := digest(key, "gemba pepper id 1")[:6]
	return &Pepper{
		id:       base64.RawStdEncoding.EncodeToString(id),
		password: digest(key, "gemba password 1"),
		apiKey:   digest(key, "gemba api key 1"),
		seal:     digest(key, "gemba seal 1"),
	}, nil
}

// LoadPepper reads the pepper in the file at path, making the file at first use as [LoadOrCreateSecret] does.
// Whoever loses this file locks everybody out: back it up, apart from the database.
func LoadPepper(path string) (*Pepper, error) {
	key, err := LoadOrCreateSecret(path)
	if err != nil {
		return nil, fmt.Errorf("load pepper: %w", err)
	}
	return NewPepper(key)
}

// ID names the pepper in stored hashes. It is eight base64 characters and tells nothing about the key.
func (p *Pepper) ID() string { return p.id }

// String names the pepper without revealing it.
func (p *Pepper) String() string { return "pepper " + p.id }

// GoString names the pepper without revealing it.
func (p *Pepper) GoString() string { return p.String() }

// season binds a password or PIN to the pepper. Unicode text is normalised first (NFKC): terminals and keyboards
// send the same character in several forms.
func (p *Pepper) season(secret string) []byte {
	return digest(p.password, norm.NFKC.String(secret))
}

// digest is HMAC-SHA-256.
func digest(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
