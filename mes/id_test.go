package mes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestCheckText(t *testing.T) {
	for _, text := range []string{"", "Überprüfung 100 %", "日本語", "naïve – “quoted”", strings.Repeat("é", 20), "👩"} {
		if err := checkText("note", text, 20); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"a\x00", "\t", "\n", "\x1b[2J", "\u007f", "\u009b31m", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\U000e0041", "\xff\xfe", "a\xc3", strings.Repeat("é", 21)} {
		if err := checkText("note", text, 20); ErrorCode(err) != Invalid || strings.IndexFunc(err.Error(), hidden) >= 0 {
			t.Errorf("%q gives %v", text, err)
		}
	}
	for _, code := range []ID{"", ".a", "-a", "a b", "a/b", "a@b", "ä", ID(strings.Repeat("a", 41)), "a\n"} {
		if err := checkCode("code", code); ErrorCode(err) != Invalid {
			t.Errorf("%q gives %v", code, err)
		}
	}
}

func TestFault_isPlain(t *testing.T) {
	f := Faultf(NotFound, "there is no order %s here", "\x1b[2J\u202e\xff"+strings.Repeat("x", 100_000))
	if len(f.Message) > 2000 || strings.IndexFunc(f.Message, hidden) >= 0 || !strings.HasPrefix(f.Message, "there is no order ·[2J··xx") {
		t.Errorf("%.80q (%d bytes)", f.Message, len(f.Message))
	}
}

func TestStamp(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-11-23T06:00:00Z"`:           monday,
		`"2026-11-23T07:00:00+01:00"`:      monday,
		`1795413600000`:                    monday,
		`0`:                                time.UnixMilli(0).UTC(),
		`"2026-11-23T06:00:00.123456789Z"`: monday.Add(123456789),
		`null`:                             {},
		`""`:                               {},
	} {
		var s Stamp
		if err := json.Unmarshal([]byte(text), &s); err != nil || !s.Equal(want) {
			t.Errorf("%s gives %s (%v), want %s", text, s, err, want)
		}
	}
	for _, text := range []string{`-1`, `1e12`, `1.5`, `99999999999999999999`, `253402300800000`, `true`, `{}`, `[]`, `"yesterday"`, `"2026-11-23"`, `"2026-02-30T00:00:00Z"`,
		`"1970-01-01T00:00:00+14:00"`, `"1969-12-31T23:59:59Z"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"3000-01-01T00:00:00Z"`, `"NaN"`} {
		var s Stamp
		if err := json.Unmarshal([]byte(text), &s); ErrorCode(err) != Invalid {
			t.Errorf("%s gives %s (%v)", text, s, err)
		}
	}
	at, nanos := At(monday.Add(123456789)).split()
	if !at.Equal(monday.Add(123*time.Millisecond)) || nanos != 456789 {
		t.Errorf("%s and %d ns", at, nanos)
	}
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte(`"2026-11-23T07:00:00.5+01:00"`))
	f.Add([]byte(`1795413600000`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s, again Stamp
		if err := s.UnmarshalJSON(text); err != nil {
			if ErrorCode(err) != Invalid {
				t.Errorf("%q gives %v", text, err)
			}
			return
		}
		out, err := json.Marshal(s)
		if err == nil {
			err = again.UnmarshalJSON(out)
		}
		if err != nil || !again.Equal(s.Time) {
			t.Errorf("%q is %s, and %s is %s (%v)", text, s, out, again, err)
		}
		if at, nanos := s.split(); nanos < 0 || nanos > 999_999 || !at.Add(time.Duration(nanos)).Equal(s.Time) || !s.IsZero() && at.UnixMilli() < 0 {
			t.Errorf("%s is %s and %d ns", s, at, nanos)
		}
	})
}
