package mes

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// An ID names one thing. Things that people name (equipment, products, stations) are known by their code; the others
// have opaque ids made by the program.
type ID string

// codeForm is what a code that people give may look like: it is printed, scanned, typed with gloves and put into URLs.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

func checkCode(field string, code ID) error {
	if !codeForm.MatchString(string(code)) {
		return invalid(field, "%s must be 1 to 40 letters, digits, dots, dashes or underscores, starting with a letter or digit", field)
	}
	return nil
}

// checkText accepts printable text up to a length. Control and formatting characters are refused: they can hide or
// forge what somebody else reads on a terminal.
func checkText(field, text string, max int) error {
	if n := len([]rune(text)); n > max {
		return invalid(field, "%s is %d characters long; at most %d are kept", field, n, max)
	}
	if i := strings.IndexFunc(text, hidden); i >= 0 {
		return invalid(field, "%s holds a control or invisible character at position %d; send plain text", field, i+1)
	}
	return nil
}

func needText(field, text string, max int) error {
	if strings.TrimSpace(text) == "" {
		return invalid(field, "%s is missing; say it in a few words", field)
	}
	return checkText(field, text, max)
}

// hidden tells whether a character does something to a terminal or to the order of the text instead of being seen.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xfffd, r == 0xfeff, r == 0xad:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xfff9 && r <= 0xfffb:
		return true
	case r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return false
}

// A Stamp is a moment as machines and programs state it: RFC 3339 text with up to nanoseconds, or a number of
// milliseconds since 1970 UTC. The zero stamp means "now".
type Stamp struct{ time.Time }

// At makes a stamp of a time.
func At(t time.Time) Stamp { return Stamp{t.UTC()} }

// lastStamp ends the time that stamps can tell: dates that are reckoned from them must still have four digits.
var lastStamp = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)

func noStamp() error {
	return invalid("at", "a time is RFC 3339 text like 2026-11-23T06:00:00Z, or milliseconds since 1970, before the year 3000")
}

// UnmarshalJSON reads either form.
func (s *Stamp) UnmarshalJSON(data []byte) error {
	if len(data) > 1 && data[0] == '"' {
		return s.UnmarshalText(data[1 : len(data)-1])
	}
	if string(data) == "null" {
		*s = Stamp{}
		return nil
	}
	var ms int64
	if err := json.Unmarshal(data, &ms); err != nil || ms < 0 || ms >= lastStamp.UnixMilli() {
		return noStamp()
	}
	s.Time = time.UnixMilli(ms).UTC()
	return nil
}

// UnmarshalText reads RFC 3339; SSH verbs use it for at=….
func (s *Stamp) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Stamp{}
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil || t.Before(time.Unix(0, 0)) || !t.Before(lastStamp) {
		return noStamp()
	}
	s.Time = t.UTC()
	return nil
}

// MarshalJSON writes RFC 3339, or null for the zero stamp.
func (s Stamp) MarshalJSON() ([]byte, error) {
	if s.IsZero() {
		return []byte("null"), nil
	}
	return s.Time.MarshalJSON()
}

// split gives the millisecond and what is left below it in nanoseconds: stored times are milliseconds, and machines
// stamp finer than that.
func (s Stamp) split() (time.Time, int) {
	ms := s.Time.UTC().Truncate(time.Millisecond)
	return ms, int(s.Time.Sub(ms))
}
