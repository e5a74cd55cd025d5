package keys

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestNote(t *testing.T) {
	key, err := LoadOrCreateSigningKey(filepath.Join(t.TempDir(), "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := LoadOrCreateSigningKey(filepath.Join(t.TempDir(), "b.key"))
	if err != nil {
		t.Fatal(err)
	}
	const name, text = "gemba/node1", "gemba/node1\n3\nroot\n"
	signed, err := key.SignNote(name, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Public().OpenNote(name, signed); err != nil || got != text {
		t.Errorf("%q, %v", got, err)
	}

	// A program that knows notes and not gemba reads it, too.
	known, err := key.Public().NoteKey(name)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(known)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := note.Open([]byte(signed), note.VerifierList(verifier)); err != nil || opened.Text != text {
		t.Errorf("%+v, %v", opened, err)
	}

	for what, open := range map[string]func() (string, error){
		"another key":  func() (string, error) { return other.Public().OpenNote(name, signed) },
		"another name": func() (string, error) { return key.Public().OpenNote("gemba/node2", signed) },
		"another text": func() (string, error) { return key.Public().OpenNote(name, strings.Replace(signed, "3", "4", 1)) },
		"no signature": func() (string, error) { return key.Public().OpenNote(name, text) },
		"no key":       func() (string, error) { return VerifyKey{}.OpenNote(name, signed) },
		"a head as note": func() (string, error) {
			return key.Public().OpenNote(name, text+"\n— "+name+" "+key.Sign([]byte(text))+"\n")
		},
	} {
		if _, err := open(); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := other.Public().OpenNote(name, signed); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := key.SignNote("two words", text); err == nil {
		t.Error("signed under a name that no note can have")
	}
}
