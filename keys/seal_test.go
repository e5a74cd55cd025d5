package keys

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSealOpens(t *testing.T) {
	pepper := testPepper(t, 1)
	for _, secret := range []string{"x", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", strings.Repeat("s", largestSealed)} {
		sealed, err := pepper.Seal("person/7/totp", []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if len(secret) > 8 && strings.Contains(sealed, secret[:8]) {
			t.Errorf("the sealed text shows the secret: %s", sealed)
		}
		again, err := pepper.Seal("person/7/totp", []byte(secret))
		if err != nil || again == sealed {
			t.Errorf("sealed twice it is the same: %v", err)
		}
		opened, err := pepper.Open("person/7/totp", sealed)
		if err != nil || string(opened) != secret {
			t.Errorf("opened as %q, %v", opened, err)
		}
	}
}

func TestSealIsBound(t *testing.T) {
	pepper := testPepper(t, 1)
	sealed, err := pepper.Seal("person/7/totp", []byte("GEZDGNBVGY3TQOJQ"))
	if err != nil {
		t.Fatal(err)
	}
	for _, context := range []string{"", "person/8/totp", "person/7/totp ", "person/7/tot", "person/7/pin"} {
		if opened, err := pepper.Open(context, sealed); !errors.Is(err, ErrBadSeal) || opened != nil {
			t.Errorf("under %q: %q, %v", context, opened, err)
		}
	}
	if _, err := testPepper(t, 2).Open("person/7/totp", sealed); !errors.Is(err, ErrUnknownPepper) {
		t.Errorf("with another pepper: %v, want ErrUnknownPepper", err)
	}
	for what, text := range map[string]string{
		"nothing":          "",
		"the brand":        sealBrand,
		"a password hash":  "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"no content":       sealBrand + pepper.ID() + "$",
		"another alphabet": strings.TrimSuffix(sealed, sealed[len(sealed)-4:]) + "_-_-",
		"a line break":     sealed + "\n",
		"something behind": sealed + "AAAA",
		"endless text":     sealed + strings.Repeat("A", 1<<16),
	} {
		if opened, err := pepper.Open("person/7/totp", text); !errors.Is(err, ErrBadSeal) || opened != nil {
			t.Errorf("%s: %q, %v", what, opened, err)
		}
	}
	for i := range len(sealed) {
		changed := []byte(sealed)
		changed[i] ^= 1
		if opened, err := pepper.Open("person/7/totp", string(changed)); err == nil || opened != nil {
			t.Errorf("with byte %d changed it opens", i)
		}
		if opened, err := pepper.Open("person/7/totp", sealed[:i]); err == nil || opened != nil {
			t.Errorf("cut after %d bytes it opens", i)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	for what, secret := range map[string][]byte{"nothing": nil, "too much": make([]byte, largestSealed+1)} {
		if sealed, err := testPepper(t, 1).Seal("person/7/totp", secret); err == nil {
			t.Errorf("%s was sealed: %s", what, sealed)
		}
	}
}

func FuzzOpen(f *testing.F) {
	pepper := testPepper(f, 1)
	sealed, err := pepper.Seal("a", []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a", sealed)
	f.Add("b", sealed)
	f.Add("a", sealBrand+pepper.ID()+"$AAAA")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, context, text string) {
		opened, err := pepper.Open(context, text)
		switch {
		case err == nil && (context != "a" || !bytes.Equal(opened, []byte("secret"))): // each process seals it differently
			t.Errorf("%q opens under %q as %q", text, context, opened)
		case err != nil && (opened != nil || !errors.Is(err, ErrBadSeal) && !errors.Is(err, ErrUnknownPepper)):
			t.Errorf("%q: %v", text, err)
		}
	})
}
