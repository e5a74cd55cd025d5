package plain

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "",
		"Müller & Söhne, 日本":              "Müller & Söhne, 日本",
		`C:\temp`:                         `C:\temp`,
		"\x1b[2J":                         `\x1b[2J`,
		"\x1b[8mhidden":                   `\x1b[8mhidden`,
		"\x1b[31munterminated":            `\x1b[31munterminated`,
		"\x1b]8;;http://x\x1b\\a":         `\x1b]8;;http://x\x1b\a`,
		"\x1b]52;c;eA==\a":                `\x1b]52;c;eA==\a`,
		"REJECT\rACCEPT":                  `REJECT\rACCEPT`,
		"one\nfake line":                  `one\nfake line`,
		"AD\u200bMIN":                     `AD\u200bMIN`,
		"\u202egnp.exe":                   `\u202egnp.exe`,
		"\u2066x\u2069":                   `\u2066x\u2069`,
		"\u009b31m":                       `\u009b31m`,
		"a\x9bb\xff":                      `a\x9bb\xff`,
		"\ufffd":                          `\ufffd`,
		"\x00\a\b\x7f\t":                  `\x00\a\b\x7f\t`,
		"e\u0301 and o\u0302\u0301":       "e\u0301 and o\u0302\u0301",
		"\u0301x":                         `\u0301x`,
		" \u0301":                         ` \u0301`,
		"z\u0335\u0336\u0337\u0338\u0339": "z\u0335\u0336\u0337\u0338" + `\u0339`,
		"\U000e0041":                      `\U000e0041`,
		"x\ufe0f":                         `x\ufe0f`,
		"\u3164":                          `\u3164`,
		"\ue000":                          `\ue000`,
	} {
		if got := Text(given); got != want {
			t.Errorf("Text(%+q) = %+q, want %+q", given, got, want)
		}
	}
}

// TestCommon: the short cut leads where the tables do.
func TestCommon(t *testing.T) {
	for r := range rune(0x3000) {
		if common(r) && (unicode.In(r, unicode.C, unicode.Z, unicode.M, unicode.Variation_Selector)) {
			t.Errorf("%U is not simply seen", r)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31m", "e\u0301", strings.Repeat("\u0301", 20), "\xff\xfe", "日本\u202e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) || strings.IndexFunc(got, Unseen) >= 0 {
			t.Errorf("Text(%+q) lets %+q through", s, got)
		}
		if Text(got) != got {
			t.Errorf("Text(%+q) is not settled: %+q", s, got)
		}
		run := MaxMarks
		for _, r := range got {
			if run++; !unicode.In(r, unicode.Mn, unicode.Me) {
				run = 0
			}
			if run > MaxMarks {
				t.Fatalf("Text(%+q) holds more than %d marks in a row, or one that stands on nothing: %+q", s, MaxMarks, got)
			}
		}
	})
}
