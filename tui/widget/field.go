package widget

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"gemba/mes/plain"
)

// FieldKind says what a field takes.
type FieldKind int

const (
	Text     FieldKind = iota
	Secret             // shown as dots, never given back to the screen
	Quantity           // a whole number; refuses what looks like a barcode
	Choice             // one of a few
)

// A Refusal says why a field did not take what was typed or scanned. It stays until it is acknowledged.
type Refusal int

const (
	NoRefusal  Refusal = iota
	NotDigits          // something else than digits in a quantity
	TooManyFor         // more digits than a quantity has: a barcode
	TooLong            // more text than the field keeps
	Unprintable
)

// An Option of a choice: Value is what is sent, Label what is shown.
type Option struct{ Value, Label string }

// A Field of a form. A Quantity's Max is in digits, a Text's in characters.
type Field struct {
	Name    string
	Label   string
	Kind    FieldKind
	Max     int
	Needed  bool
	With    string   // needed as soon as this other field holds a quantity
	Unit    string   // shown behind the field
	Options []Option // of a Choice
	Known   []string // values used before, for the pick key

	value   []rune
	at      int // of the cursor
	chosen  int
	preset  bool // the value stands there by default: the first key replaces it
	refused Refusal
}

// Preset puts a default into the field, which the first key replaces.
func (f *Field) Preset(value string) {
	if f.Kind == Choice {
		for i, o := range f.Options {
			if o.Value == value {
				f.chosen = i
			}
		}
		return
	}
	f.value, f.preset = []rune(value), value != ""
	f.at = len(f.value)
}

// Value is what the field holds.
func (f *Field) Value() string {
	if f.Kind == Choice {
		if len(f.Options) == 0 {
			return ""
		}
		return f.Options[f.chosen].Value
	}
	return strings.TrimSpace(string(f.value))
}

// Number is the quantity that the field holds, 0 if none.
func (f *Field) Number() int64 {
	n, err := strconv.ParseInt(f.Value(), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Touched tells whether somebody typed into the field.
func (f *Field) Touched() bool { return !f.preset && len(f.value) > 0 && f.Kind != Choice }

// Refused tells why the field did not take the last input, until it is acknowledged.
func (f *Field) Refused() Refusal { return f.refused }

// Acknowledge ends a refusal. The field is empty then.
func (f *Field) Acknowledge() { f.refused = NoRefusal }

func (f *Field) refuse(why Refusal) Refusal {
	f.refused, f.value, f.at, f.preset = why, nil, 0, false
	return why
}

// Insert takes text that was typed, pasted or scanned, all of it or nothing. While a refusal stands, everything that
// follows is swallowed: it is the rest of the same scan.
func (f *Field) Insert(text string) Refusal {
	if f.refused != NoRefusal {
		return f.refused
	}
	if strings.IndexFunc(text, plain.Unseen) >= 0 || !utf8.ValidString(text) {
		return f.refuse(Unprintable)
	}
	switch f.Kind {
	case Choice:
		f.pickBy(text)
		return NoRefusal
	case Quantity:
		if strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
			return f.refuse(NotDigits)
		}
	}
	if f.preset {
		f.value, f.at, f.preset = nil, 0, false
	}
	add := []rune(text)
	if f.Max > 0 && len(f.value)+len(add) > f.Max {
		if f.Kind == Quantity {
			return f.refuse(TooManyFor)
		}
		return f.refuse(TooLong)
	}
	f.value = append(f.value[:f.at:f.at], append(add, f.value[f.at:]...)...)
	f.at += len(add)
	return NoRefusal
}

// pickBy chooses the next option that begins with a letter.
func (f *Field) pickBy(text string) {
	for i := 1; i <= len(f.Options); i++ {
		n := (f.chosen + i) % len(f.Options)
		if text != "" && strings.HasPrefix(strings.ToLower(f.Options[n].Label), strings.ToLower(text)) {
			f.chosen = n
			return
		}
	}
}

// Edit takes a key that is not text. It tells whether the field knows it.
func (f *Field) Edit(key string) bool {
	if f.refused != NoRefusal {
		switch key {
		case "enter", "f2", "backspace", "delete":
			f.Acknowledge()
			return true
		}
		return false
	}
	if f.Kind == Choice {
		switch n := len(f.Options); {
		case n == 0:
		case key == "right" || key == "space" || key == "f4":
			f.chosen = (f.chosen + 1) % n
			return true
		case key == "left":
			f.chosen = (f.chosen + n - 1) % n
			return true
		}
		return false
	}
	switch key {
	case "left":
		f.at, f.preset = max(f.at-1, 0), false
	case "right":
		f.at, f.preset = min(f.at+1, len(f.value)), false
	case "home":
		f.at, f.preset = 0, false
	case "end":
		f.at, f.preset = len(f.value), false
	case "backspace":
		if f.preset {
			f.value, f.at, f.preset = nil, 0, false
		} else if f.at > 0 {
			f.value = append(f.value[:f.at-1:f.at-1], f.value[f.at:]...)
			f.at--
		}
	case "delete":
		if f.preset {
			f.value, f.at, f.preset = nil, 0, false
		} else if f.at < len(f.value) {
			f.value = append(f.value[:f.at:f.at], f.value[f.at+1:]...)
		}
	case "f2":
		f.value, f.at, f.preset = nil, 0, false
	case "f4":
		if len(f.Known) == 0 {
			return false
		}
		next := f.Known[0]
		for i, k := range f.Known {
			if k == f.Value() {
				next = f.Known[(i+1)%len(f.Known)]
			}
		}
		f.value, f.preset = []rune(next), false
		f.at = len(f.value)
	default:
		return false
	}
	return true
}

// shown is the part of the value that fits into a width, and where the cursor is in it.
func (f *Field) shown(width int) (text string, cursor int) {
	if f.Kind == Choice {
		label := ""
		if len(f.Options) > 0 {
			label = f.Options[f.chosen].Label
		}
		if width < 12 {
			return Left(label, width), 0
		}
		return "◂ " + Left(label, width-4) + " ▸", 2
	}
	value := string(f.value)
	if f.Kind == Secret {
		value = strings.Repeat("*", len(f.value))
	}
	before := value[:len(string([]rune(value)[:f.at]))]
	from := 0
	for Width(before[from:]) >= width && from < len(before) {
		_, n := utf8.DecodeRuneInString(before[from:])
		from += n
	}
	text, cursor = head(Clean(value[from:]), width), Width(before[from:])
	return text + strings.Repeat(" ", max(width-Width(text), 0)), cursor
}

// Raw is what was typed, with the spaces around it.
func (f *Field) Raw() string { return string(f.value) }
