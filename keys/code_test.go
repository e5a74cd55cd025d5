package keys

import (
	"regexp"
	"strings"
	"testing"
)

func TestNewCode(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$`)
	seen := map[string]bool{}
	for range 10_000 {
		code := NewCode()
		if !form.MatchString(code) || NormaliseCode(code) != code || seen[code] {
			t.Fatalf("%q is unfit or came twice", code)
		}
		seen[code] = true
	}
}

func TestNormaliseCode(t *testing.T) {
	const code = "7QK2-M0XD-14TP"
	for _, typed := range []string{
		code, "7qk2-m0xd-14tp", "7QK2M0XD14TP", " 7QK2 M0XD 14TP\r\n", "7qk2-moxd-l4tp", "7QK2-MOXD-I4TP", "7-Q-K-2-M-0-X-D-1-4-T-P", "7qk2 mOxd-i4tp",
	} {
		if got := NormaliseCode(typed); got != code {
			t.Errorf("%q became %q", typed, got)
		}
	}
	for what, typed := range map[string]string{
		"nothing":        "",
		"hyphens":        "--",
		"cut":            "7QK2-M0XD-14T",
		"one more":       "7QK2-M0XD-14TPP",
		"a U":            "7QK2-M0XD-14TU",
		"another sign":   "7QK2-M0XD-14T!",
		"wide letters":   "７QK2-M0XD-14TP",
		"a Kelvin sign":  "7Q\u212a2-M0XD-14TP",
		"an escape":      "7QK2-M0XD-14TP\x1b[A",
		"a zero width":   "7QK2-M0XD-14\u200bTP",
		"endless text":   strings.Repeat(code, 1000),
		"endless spaces": code + strings.Repeat(" ", 1000),
	} {
		if got := NormaliseCode(typed); got != "" {
			t.Errorf("%s became %q", what, got)
		}
	}
}

func FuzzNormaliseCode(f *testing.F) {
	f.Add("7qk2 moxd-l4tp")
	f.Add("")
	f.Add("\xff-\u212a")
	f.Fuzz(func(t *testing.T, typed string) {
		code := NormaliseCode(typed)
		if code == "" {
			return
		}
		if NormaliseCode(code) != code || len(code) != codeSize+2 || strings.Trim(code, codeAlphabet+"-") != "" {
			t.Errorf("%q became %q", typed, code)
		}
		if NormaliseCode(strings.ToLower(code)) != code || NormaliseCode(strings.ReplaceAll(code, "-", "")) != code {
			t.Errorf("%q depends on how it is typed", code)
		}
	})
}
