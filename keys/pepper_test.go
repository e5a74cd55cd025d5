package keys

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewPepper(t *testing.T) {
	for what, key := range map[string][]byte{"none": nil, "short": make([]byte, 31), "long": make([]byte, 33), "zeros": make([]byte, 32)} {
		if _, err := NewPepper(key); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	a, b := testPepper(t, 1), testPepper(t, 2)
	if a.ID() == b.ID() || len(a.ID()) != 8 || a.ID() != testPepper(t, 1).ID() {
		t.Errorf("ids are %q and %q", a.ID(), b.ID())
	}
}

func TestPepperHidesItself(t *testing.T) {
	pepper := testPepper(t, 1)
	text, err := json.Marshal(pepper)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(pepper), fmt.Sprintf("%+v %#v", pepper, pepper), string(text)} {
		for _, secret := range [][]byte{pepper.password, pepper.apiKey, pepper.seal} {
			if strings.Contains(shown, fmt.Sprint(secret)) || strings.Contains(shown, string(secret)) {
				t.Errorf("%q tells the key", shown)
			}
		}
	}
	if string(text) != "{}" {
		t.Errorf("JSON is %s", text)
	}
}

func TestPurposesHaveKeysOfTheirOwn(t *testing.T) {
	pepper := testPepper(t, 1)
	purposes := map[string]bool{string(pepper.password): true, string(pepper.apiKey): true, string(pepper.seal): true}
	if len(purposes) != 3 {
		t.Error("two purposes share a key")
	}
}

func TestLoadPepper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pepper")
	first, err := LoadPepper(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadPepper(path)
	if err != nil {
		t.Fatal(err)
	}
	phc := mustHash(t, NewHasher(first), "481516", Ordinary)
	if ok, rehash, err := NewHasher(again).Verify(t.Context(), phc, "481516"); !ok || rehash || err != nil {
		t.Errorf("after a restart: got %v, %v, %v", ok, rehash, err)
	}
}
