package keys

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// noteSigner signs notes with a node's key, under the name of what it signs for.
type noteSigner struct {
	note.Verifier
	key *SigningKey
}

func (s noteSigner) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key.private, text), nil }

// SignNote signs a text as a note, the form that transparency logs use: any program that knows notes can check it with
// [VerifyKey.NoteKey]. A name holds neither spaces nor plus signs; the text ends with a newline and holds no other
// control characters. It must not begin as a ledger head does.
func (k *SigningKey) SignNote(name, text string) (string, error) {
	verifier, err := k.Public().verifier(name)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{verifier, k})
	return string(signed), err
}

// ErrOtherKey is reported when a note is not signed with this key at all.
var ErrOtherKey = fmt.Errorf("%w: it was made with another key", ErrBadSignature)

// OpenNote gives the text of a note that this key signed under the name. The error is [ErrBadSignature], and
// [ErrOtherKey] if it bears no signature of this key.
func (v VerifyKey) OpenNote(name, signed string) (text string, err error) {
	verifier, err := v.verifier(name)
	if err != nil {
		return "", err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	var other *note.UnverifiedNoteError
	if errors.As(err, &other) {
		return "", ErrOtherKey
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadSignature, err)
	}
	return opened.Text, nil
}

// NoteKey is the key in the form in which programs for transparency logs take it, for notes under the name.
func (v VerifyKey) NoteKey(name string) (string, error) {
	if len(v.public) != ed25519.PublicKeySize {
		return "", fmt.Errorf("%w: there is no key to check it with", ErrBadSignature)
	}
	return note.NewEd25519VerifierKey(name, v.public)
}

func (v VerifyKey) verifier(name string) (note.Verifier, error) {
	text, err := v.NoteKey(name)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}
