package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// ErrBadSeal is reported for a sealed text that cannot be opened: it was cut, changed, or sealed for something else.
var ErrBadSeal = errors.New("sealed secret cannot be opened")

const (
	sealBrand = "$seal$v=1$"

	// largestSealed bounds what is sealed, in bytes. What is sealed here are short secrets.
	largestSealed = 4096
)

// Seal encrypts a secret that must be read again later, such as the key of an authenticator app, which a hash would
// not do for. The context says whose it is and what for, "person/7/totp": under another context the seal does not
// open, so nobody who can write to the database can give one person's secret to another.
//
// The text is $seal$v=1$<pepper>$<base64> and holds nothing of the context. Each context has an AES-256-GCM key of
// its own, derived from the pepper by HKDF-SHA-256, so random nonces never run out.
func (p *Pepper) Seal(context string, secret []byte) (string, error) {
	if len(secret) == 0 || len(secret) > largestSealed {
		return "", fmt.Errorf("a secret to seal has 1 to %d bytes, not %d", largestSealed, len(secret))
	}
	box, err := p.box(context)
	if err != nil {
		return "", err
	}
	return sealBrand + p.id + "$" + base64PHC.EncodeToString(box.Seal(nil, nil, secret, []byte(context))), nil
}

// Open gives the secret that was sealed under the context. Errors: [ErrUnknownPepper] when another pepper sealed it,
// [ErrBadSeal] otherwise. Neither says anything about the secret.
func (p *Pepper) Open(context, sealed string) ([]byte, error) {
	rest, branded := strings.CutPrefix(sealed, sealBrand)
	id, text, found := strings.Cut(rest, "$")
	if !branded || !found || len(text) > 2*largestSealed {
		return nil, fmt.Errorf("%w: it is not a sealed secret", ErrBadSeal)
	}
	if id != p.id {
		return nil, ErrUnknownPepper
	}
	data, err := decodeBase64(text)
	if err != nil {
		return nil, fmt.Errorf("%w: it is damaged", ErrBadSeal)
	}
	box, err := p.box(context)
	if err != nil {
		return nil, err
	}
	secret, err := box.Open(nil, nil, data, []byte(context))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, or belongs to something else", ErrBadSeal)
	}
	return secret, nil
}

// box is the cipher of a context.
func (p *Pepper) box(context string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, p.seal, nil, "gemba seal 1\n"+context, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a seal: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("prepare the cipher of a seal: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
