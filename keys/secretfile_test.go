package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrCreateSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pepper")
	first, err := LoadOrCreateSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != SecretSize || !bytes.Equal(first, again) {
		t.Errorf("created %x, then read %x", first, again)
	}
	wantPrivate(t, path)
	wantAlone(t, path)
}

func TestSecretIsCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pepper")
	var group sync.WaitGroup
	secrets := make([][]byte, 16)
	for i := range secrets {
		group.Go(func() { secrets[i], _ = LoadOrCreateSecret(path) })
	}
	group.Wait()
	for _, secret := range secrets {
		if len(secret) != SecretSize || !bytes.Equal(secret, secrets[0]) {
			t.Fatalf("some got %x, others %x", secrets[0], secret)
		}
	}
	wantAlone(t, path)
}

func TestLoadSecretRefuses(t *testing.T) {
	good := strings.Repeat("0f", SecretSize)
	for what, c := range map[string]struct {
		content string
		mode    os.FileMode
		exposed bool
	}{
		"readable by the group": {good + "\n", 0o640, true},
		"readable by all":       {good + "\n", 0o604, true},
		"writable by all":       {good + "\n", 0o602, true},
		"empty":                 {"", 0o600, false},
		"cut off":               {good[:40], 0o600, false},
		"too long":              {good + "0f", 0o600, false},
		"odd":                   {good + "0", 0o600, false},
		"not hexadecimal":       {"x" + good[1:], 0o600, false},
		"two line breaks":       {good + "\n\n", 0o600, false},
		"endless":               {strings.Repeat("0", largestKeyFile+1), 0o600, false},
	} {
		path := filepath.Join(t.TempDir(), "pepper")
		writeFile(t, path, c.content, c.mode)
		_, err := LoadOrCreateSecret(path)
		if err == nil || errors.Is(err, ErrExposed) != c.exposed || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", what, err)
		}
		if left, _ := os.ReadFile(path); string(left) != c.content {
			t.Errorf("%s: the file was changed", what)
		}
	}
	if _, err := LoadOrCreateSecret(t.TempDir()); err == nil {
		t.Error("a folder was read as a secret")
	}
	if _, err := LoadOrCreateSecret(filepath.Join(t.TempDir(), "missing", "pepper")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing folder: got %v", err)
	}
}

func TestCreatePrivateNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	writeFile(t, path, "old", 0o600)
	if err := createPrivate(path, []byte("new")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("the file is now %q", text)
	}
	wantAlone(t, path)
	if err := replacePrivate(path, []byte("new")); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "new" {
		t.Errorf("after replacing the file is %q", text)
	}
	wantAlone(t, path)
}

func TestMakePrivateFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := makePrivateFolder(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := makePrivateFolder(path); !errors.Is(err, ErrExposed) {
		t.Errorf("an open folder: got %v, want ErrExposed", err)
	}
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask does not apply to this
		t.Fatal(err)
	}
}

// wantPrivate checks that only the owner may read a file.
func wantPrivate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v, want 0600", path, info.Mode())
	}
}

// wantAlone checks that no draft was left beside a file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside %s: %v, %v", path, entries, err)
	}
}
