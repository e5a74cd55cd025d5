package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func mustKey(t testing.TB, kind KeyKind) APIKey {
	t.Helper()
	key, err := NewAPIKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAPIKeyForm(t *testing.T) {
	for _, kind := range []KeyKind{PersonKey, MachineKey, ProgramKey} {
		key := mustKey(t, kind)
		text := key.Reveal()
		if want := len("gemba__") + len(kind) + 32 + 6; len(text) != want {
			t.Errorf("%d characters, want %d", len(text), want)
		}
		if !strings.HasPrefix(text, "gemba_"+string(kind)+"_"+key.ID) || len(key.ID) != 8 {
			t.Errorf("id is %q", key.ID)
		}
		parsed, err := ParseAPIKey(text)
		if err != nil || parsed != key {
			t.Errorf("read back as %v, %v", parsed, err)
		}
	}
	if _, err := NewAPIKey("robot"); err == nil {
		t.Error("a key of an unknown kind was made")
	}
}

func TestAPIKeysAreUniqueAndValid(t *testing.T) {
	const many = 100_000
	seen := make(map[string]bool, many)
	ids := make(map[string]int, many)
	var counts [256]int
	for range many {
		key := mustKey(t, MachineKey)
		if seen[key.text] {
			t.Fatal("the same key twice")
		}
		seen[key.text] = true
		ids[key.ID]++
		if _, err := ParseAPIKey(key.text); err != nil {
			t.Fatal(err)
		}
		for _, c := range []byte(key.text[len("gemba_machine_") : len(key.text)-keyChecksum]) {
			counts[c]++
		}
	}
	if len(ids) < many-2 {
		t.Errorf("%d different ids for %d keys", len(ids), many)
	}
	// Each character is expected 51,613 times, with a standard deviation of 225.
	for _, c := range []byte(base62Digits) {
		if n := counts[c]; n < 50_000 || n > 53_200 {
			t.Errorf("%c came %d times", c, n)
		}
	}
}

func TestEveryChangedCharacterIsRefused(t *testing.T) {
	for _, kind := range []KeyKind{PersonKey, MachineKey, ProgramKey} {
		text := mustKey(t, kind).text
		for i := range len(text) {
			for c := range 256 {
				if byte(c) == text[i] {
					continue
				}
				changed := []byte(text)
				changed[i] = byte(c)
				if _, err := ParseAPIKey(string(changed)); !errors.Is(err, ErrMalformedKey) {
					t.Fatalf("character %d changed to %q was accepted", i, byte(c))
				}
			}
			if _, err := ParseAPIKey(text[:i] + text[i+1:]); !errors.Is(err, ErrMalformedKey) {
				t.Errorf("without character %d it was accepted", i)
			}
			if i > 0 && text[i] != text[i-1] {
				swapped := []byte(text)
				swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
				if _, err := ParseAPIKey(string(swapped)); !errors.Is(err, ErrMalformedKey) {
					t.Errorf("with characters %d and %d exchanged it was accepted", i-1, i)
				}
			}
		}
	}
}

func TestParseAPIKeyRefuses(t *testing.T) {
	good := mustKey(t, MachineKey).text
	forged := "gemba_robot_" + strings.Repeat("a", keyRandom)
	for what, text := range map[string]string{
		"nothing":          "",
		"a prefix":         "gemba_machine_",
		"a space":          good + " ",
		"a line break":     good + "\n",
		"quotes":           `"` + good + `"`,
		"capitals":         strings.ToUpper(good),
		"two of them":      good + good,
		"endless text":     strings.Repeat("gemba_machine_", 1<<16),
		"a password":       "rabo-tiku-mela-soni",
		"an unknown kind":  forged + checksum(forged),
		"its printed form": mustKey(t, MachineKey).String(),
	} {
		if _, err := ParseAPIKey(text); !errors.Is(err, ErrMalformedKey) {
			t.Errorf("%s: got %v, want ErrMalformedKey", what, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats it", what)
		}
	}
}

func TestHoldsAPIKey(t *testing.T) {
	for _, kind := range []KeyKind{PersonKey, MachineKey, ProgramKey} {
		key := mustKey(t, kind)
		for what, text := range map[string]string{
			"alone": key.text, "in a sentence": "my key is " + key.text + ", do not tell", "cut": key.text[:len(key.text)-5], "after another brand": "gemba_gemba_" + key.text,
			"mistyped": key.text[:len(key.text)-1] + "!", "in JSON": `{"a":"` + key.text + `"}`,
		} {
			if !HoldsAPIKey([]byte(text)) {
				t.Errorf("%s key, %s: not seen", kind, what)
			}
		}
		for what, text := range map[string]string{
			"its printed form": key.String(), "its id": key.ID, "its first letters": key.text[:len(key.text)-keyRandom-keyChecksum+keyIDSize],
		} {
			if HoldsAPIKey([]byte(text)) {
				t.Errorf("%s key: %s is taken for a key", kind, what)
			}
		}
	}
	for _, text := range []string{"", "gemba_", "gemba_machine_", "gemba_robot_" + strings.Repeat("a", 38), "gemba_machine_of_the_line_3_in_hall_7", strings.Repeat("gemba_", 1000)} {
		if HoldsAPIKey([]byte(text)) {
			t.Errorf("%.40q is taken for a key", text)
		}
	}
}

func TestAPIKeyHidesItself(t *testing.T) {
	key := mustKey(t, PersonKey)
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := key.text[len("gemba_person_")+keyIDSize:]
	for _, shown := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key), string(text)} {
		if strings.Contains(shown, secret) || !strings.Contains(shown, key.ID) {
			t.Errorf("%q tells too much or too little", shown)
		}
	}
}

func TestDigestAndMatches(t *testing.T) {
	pepper, other := testPepper(t, 1), testPepper(t, 2)
	key, foreign := mustKey(t, ProgramKey), mustKey(t, ProgramKey)
	stored := pepper.Digest(key)
	if len(stored) != 64 || strings.Trim(stored, "0123456789abcdef") != "" {
		t.Errorf("digest is %q", stored)
	}
	if !pepper.Matches(key, stored) {
		t.Error("the key does not match its own digest")
	}
	for what, wrong := range map[string]bool{
		"another key":           pepper.Matches(foreign, stored),
		"another pepper":        other.Matches(key, stored),
		"no digest":             pepper.Matches(key, ""),
		"a short digest":        pepper.Matches(key, stored[:63]),
		"no key":                pepper.Matches(APIKey{}, pepper.Digest(APIKey{})),
		"a digest in capitals":  pepper.Matches(key, strings.ToUpper(stored)),
		"the key as its digest": pepper.Matches(key, key.text),
	} {
		if wrong {
			t.Errorf("%s matches", what)
		}
	}
}

func TestChecksumIsStable(t *testing.T) {
	for text, want := range map[string]string{"": "000000", "123456789": "3jZRME", "\xff\xff\xff\xff": "4gfFC3"} {
		if got := checksum(text); got != want {
			t.Errorf("checksum(%q) = %s, want %s", text, got, want)
		}
	}
}

func FuzzParseAPIKey(f *testing.F) {
	body := "gemba_machine_" + strings.Repeat("0", keyRandom)
	f.Add(body + checksum(body))
	f.Add("gemba_person_")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseAPIKey(text)
		if err != nil {
			if !errors.Is(err, ErrMalformedKey) || key != (APIKey{}) {
				t.Errorf("%q: got %v, %v", text, key, err)
			}
			return
		}
		if !HoldsAPIKey([]byte("x" + text + "x")) {
			t.Errorf("%q is not seen inside a text", text)
		}
		if key.Reveal() != text || len(key.ID) != keyIDSize || !key.Kind.valid() {
			t.Errorf("%q was read as %#v", text, key)
		}
	})
}

func BenchmarkAPIKeyCheck(b *testing.B) {
	pepper := testPepper(b, 1)
	key := mustKey(b, MachineKey)
	stored := pepper.Digest(key)
	b.ReportAllocs()
	for b.Loop() {
		sent, err := ParseAPIKey(key.text)
		if err != nil || !pepper.Matches(sent, stored) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAPIKeyMalformed(b *testing.B) {
	text := mustKey(b, MachineKey).text
	text = text[:len(text)-1] + "~"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAPIKey(text); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkNewAPIKey(b *testing.B) {
	for b.Loop() {
		mustKey(b, MachineKey)
	}
}
