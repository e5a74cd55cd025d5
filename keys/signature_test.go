package keys

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustSigningKey(t *testing.T) (*SigningKey, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signing")
	key, err := LoadOrCreateSigningKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return key, path
}

func TestSignAndVerify(t *testing.T) {
	key, path := mustSigningKey(t)
	wantPrivate(t, path)
	head := []byte("node-1 4711 9f86d081884c7d65")
	signature := key.Sign(head)
	if len(signature) != 91 {
		t.Errorf("signature has %d characters, want 91", len(signature))
	}
	again, err := LoadOrCreateSigningKey(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParseVerifyKey(again.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Verify(head, signature); err != nil {
		t.Errorf("after a restart and an export: %v", err)
	}
	if again.Sign(head) != signature {
		t.Error("the same head has two signatures")
	}
}

func TestVerifyRefusesSignatures(t *testing.T) {
	key, _ := mustSigningKey(t)
	other, _ := mustSigningKey(t)
	head := []byte("node-1 4711 9f86d081884c7d65")
	good := key.Sign(head)
	public := key.Public()
	for what, signature := range map[string]string{
		"none":                  "",
		"cut off":               good[:90],
		"padded":                good + "=",
		"a line break":          good[:50] + "\n" + good[50:],
		"another key's":         other.Sign(head),
		"of another head":       key.Sign([]byte("node-1 4712 9f86d081884c7d65")),
		"of nothing":            key.Sign(nil),
		"another key's, as own": good[:5] + other.Sign(head)[5:],
		"without its context":   rawSignature(key, head),
	} {
		if err := public.Verify(head, signature); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: got %v, want ErrBadSignature", what, err)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] = 'A'
		if good[i] == 'A' {
			changed[i] = 'B'
		}
		if err := public.Verify(head, string(changed)); !errors.Is(err, ErrBadSignature) {
			t.Errorf("character %d changed: got %v", i, err)
		}
	}
	if err := (VerifyKey{}).Verify(head, good); !errors.Is(err, ErrBadSignature) {
		t.Errorf("with no key: got %v", err)
	}
	if err := other.Public().Verify(head, good); err == nil || !strings.Contains(err.Error(), public.ID()) {
		t.Errorf("with the wrong key the error is %v, want the right one's id", err)
	}
}

// rawSignature signs a head as some other program would that has the same key.
func rawSignature(key *SigningKey, head []byte) string {
	return base64PHC.EncodeToString(append(key.Public().name(), ed25519.Sign(key.private, head)...))
}

func TestParseVerifyKeyRefuses(t *testing.T) {
	key, _ := mustSigningKey(t)
	good := key.Public().String()
	for what, text := range map[string]string{
		"nothing":       "",
		"another brand": strings.Replace(good, "ledger", "other", 1),
		"no id":         strings.Replace(good, key.Public().ID(), "", 1),
		"another id":    strings.Replace(good, key.Public().ID(), "00000000", 1),
		"cut off":       good[:len(good)-2],
		"longer":        good + "AAAA",
		"a line break":  good + "\n",
		"one more part": good + ":x",
	} {
		if _, err := ParseVerifyKey(text); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if parsed, err := ParseVerifyKey(string(changed)); err == nil {
			t.Errorf("character %d changed was accepted as %s", i, parsed)
		}
	}
}

func TestSigningKeyRefusesFiles(t *testing.T) {
	_, path := mustSigningKey(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := LoadAuthority(filepath.Join(t.TempDir(), "tls"), nil, testNow)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := os.ReadFile(folder.path(authorityKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string]string{"nothing": "", "cut off": string(text[:len(text)/2]), "another type": string(curve)} {
		path := filepath.Join(t.TempDir(), "signing")
		writeFile(t, path, content, 0o600)
		if _, err := LoadOrCreateSigningKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateSigningKey(path); !errors.Is(err, ErrExposed) {
		t.Errorf("readable by the group: got %v, want ErrExposed", err)
	}
}

func TestSigningKeyHidesItself(t *testing.T) {
	key, _ := mustSigningKey(t)
	want := "signing key " + key.Public().ID()
	for _, shown := range []string{fmt.Sprint(key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key)} {
		if shown != want {
			t.Errorf("%q, want %q", shown, want)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	key, err := LoadOrCreateSigningKey(filepath.Join(b.TempDir(), "signing"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		key.Sign([]byte("node-1 4711 9f86d081884c7d65"))
	}
}
