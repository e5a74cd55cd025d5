package keys

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

const (
	testSalt = "c29tZXNhbHRzb21lc2FsdA"                      // 16 bytes
	testTag  = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // 32 bytes
)

// The reference implementation's own test vectors for Argon2id, version 1.3, one lane.
func TestComputeMatchesReference(t *testing.T) {
	for _, vector := range []struct {
		cost
		secret, salt, tag string
	}{
		{cost{65536, 2, 1}, "password", "somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"},
		{cost{256, 2, 1}, "password", "somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"},
		{cost{65536, 2, 1}, "differentpassword", "somesalt", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"},
	} {
		tag := vector.compute([]byte(vector.secret), []byte(vector.salt), 32)
		if hex.EncodeToString(tag) != vector.tag {
			t.Errorf("%+v: got %x, want %s", vector.cost, tag, vector.tag)
		}
	}
}

func TestParseHashAccepts(t *testing.T) {
	for _, text := range []string{
		"$argon2id$v=19$m=19456,t=2,p=1$" + testSalt + "$" + testTag,
		"$argon2id$v=19$m=47104,t=2,p=1,keyid=Y2hhcm1z$" + testSalt + "$" + testTag,
		"$argon2id$v=19$m=131072,t=10,p=4,keyid=Y2g$c29tZXNhbHQ$" + testSalt,
	} {
		parsed, err := parseHash(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if parsed.String() != text {
			t.Errorf("%s was written back as %s", text, parsed)
		}
	}
}

func TestParseHashRefuses(t *testing.T) {
	const good = "$argon2id$v=19$m=19456,t=2,p=1,keyid=Y2hhcm1z$" + testSalt + "$" + testTag
	if _, err := parseHash(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"another algorithm":     {"argon2id", "argon2i"},
		"another case":          {"argon2id", "Argon2id"},
		"an older version":      {"v=19", "v=16"},
		"no version":            {"$v=19", ""},
		"too much memory":       {"m=19456", "m=131073"},
		"memory that overflows": {"m=19456", "m=4294986752"},
		"too little memory":     {"m=19456", "m=7"},
		"no memory":             {"m=19456", "m=0"},
		"a sign":                {"m=19456", "m=+19456"},
		"a leading zero":        {"m=19456", "m=019456"},
		"no pass":               {"t=2", "t=0"},
		"too many passes":       {"t=2", "t=11"},
		"no thread":             {"p=1", "p=0"},
		"too many threads":      {"p=1", "p=5"},
		"another order":         {"m=19456,t=2", "t=2,m=19456"},
		"an unknown parameter":  {"keyid=", "data="},
		"an empty key id":       {"keyid=Y2hhcm1z", "keyid="},
		"a long key id":         {"keyid=Y2hhcm1z", "keyid=Y2hhcm1zY2hh"},
		"a line break in an id": {"keyid=Y2hhcm1z", "keyid=Y2hh\ncm1z"},
		"one more parameter":    {"keyid=Y2hhcm1z", "keyid=Y2hhcm1z,x=1"},
		"a short salt":          {testSalt, "c29tZQ"},
		"no salt":               {testSalt, ""},
		"a long salt":           {testSalt, strings.Repeat("A", 88)},
		"a short tag":           {testTag, "c29tZXNhbHQ"},
		"a long tag":            {testTag, strings.Repeat("A", 88)},
		"a padded tag":          {testTag, testTag + "="},
		"a line break":          {testTag, testTag + "\n"},
		"stray bits in the tag": {testTag, testTag[:len(testTag)-1] + "d"},
		"the URL alphabet":      {testTag, "_" + testTag[1:]},
		"one more field":        {testTag, testTag + "$"},
		"something in front":    {"$argon2id", "x$argon2id"},
		"endless text":          {testTag, strings.Repeat("A", 1<<16)},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing changed", what)
		}
		if _, err := parseHash(text); !errors.Is(err, ErrMalformedHash) {
			t.Errorf("%s: got %v, want ErrMalformedHash", what, err)
		} else if strings.Contains(err.Error(), testTag) || strings.Contains(err.Error(), testSalt) {
			t.Errorf("%s: the error tells the hash: %v", what, err)
		}
	}
	if _, err := parseHash(""); !errors.Is(err, ErrMalformedHash) {
		t.Errorf("empty: got %v, want ErrMalformedHash", err)
	}
}

// What is accepted has one text only, and costs no more than gemba is ready to pay.
func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + testSalt + "$" + testTag)
	f.Add("$argon2id$v=19$m=47104,t=2,p=1,keyid=Y2hhcm1z$" + testSalt + "$" + testTag)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1,keyid=Y2hh\ncm1z$" + testSalt + "$" + testTag)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Add("$$$$$")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseHash(text)
		if err != nil {
			if !errors.Is(err, ErrMalformedHash) {
				t.Errorf("%q: %v is not ErrMalformedHash", text, err)
			}
			return
		}
		if parsed.String() != text {
			t.Errorf("%q was written back as %q", text, parsed)
		}
		if parsed.memory > mostMemory || parsed.time > mostTime || parsed.threads > mostThreads || parsed.threads == 0 {
			t.Errorf("%q asks for too much", text)
		}
	})
}
