package widget

import "strings"

// A Form is a few fields that are sent together. Enter goes to the first needed field that is empty, and sends when there
// is none: with good defaults one key is enough.
type Form struct {
	Fields []*Field
	focus  int
}

// An Outcome says what a key did to a form.
type Outcome int

const (
	Ignored Outcome = iota // the form does not know the key
	Taken
	Refused // see the focused field
	Send
)

// Field gives a field by name, nil if there is none.
func (f *Form) Field(name string) *Field {
	for _, d := range f.Fields {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Value of a field by name.
func (f *Form) Value(name string) string {
	if d := f.Field(name); d != nil {
		return d.Value()
	}
	return ""
}

// Number of a quantity field by name.
func (f *Form) Number(name string) int64 {
	if d := f.Field(name); d != nil {
		return d.Number()
	}
	return 0
}

// Focused is the field that the keys go to.
func (f *Form) Focused() *Field { return f.Fields[f.focus] }

// FocusOn moves to a field by name.
func (f *Form) FocusOn(name string) {
	for i, d := range f.Fields {
		if d.Name == name {
			f.focus = i
		}
	}
}

// Draft tells whether somebody has typed something.
func (f *Form) Draft() bool {
	for _, d := range f.Fields {
		if d.Touched() {
			return true
		}
	}
	return false
}

// missing is the first needed field that is empty, -1 if none.
func (f *Form) missing() int {
	for i, d := range f.Fields {
		needed := d.Needed || d.With != "" && f.Number(d.With) > 0
		if needed && d.Value() == "" {
			return i
		}
	}
	return -1
}

// Type gives text to the focused field. A paste or scan may end in what its device adds: that is taken as Enter.
func (f *Form) Type(text string) Outcome {
	body := strings.TrimRight(text, "\r\n\t")
	if body != "" {
		if f.Focused().Insert(body) != NoRefusal {
			return Refused
		}
	}
	if body != text {
		return f.Key("enter")
	}
	return Taken
}

// Key gives a key that is not text.
func (f *Form) Key(key string) Outcome {
	d := f.Focused()
	refused := d.Refused() != NoRefusal
	if d.Edit(key) {
		return Taken
	}
	if refused {
		return Refused
	}
	switch key {
	case "tab", "down":
		f.focus = (f.focus + 1) % len(f.Fields)
	case "shift+tab", "up":
		f.focus = (f.focus + len(f.Fields) - 1) % len(f.Fields)
	case "enter":
		i := f.missing()
		if i < 0 {
			return Send
		}
		if i == f.focus {
			return Refused
		}
		f.focus = i
	default:
		return Ignored
	}
	return Taken
}

// Lines draws the form into a width and height, and says where the cursor is.
func (f *Form) Lines(width, height int) (lines []Line, x, y int) {
	label, unit := 0, 0
	for _, d := range f.Fields {
		label, unit = max(label, Width(d.Label)), max(unit, Width(d.Unit))
	}
	label = min(label, max(width/2-2, 4))
	from := 0
	if len(f.Fields) > height {
		from = max(min(f.focus-height/2, len(f.Fields)-height), 0)
	}
	for i := from; i < len(f.Fields) && len(lines) < height; i++ {
		d := f.Fields[i]
		mark, tone := Span{"  ", Plain}, Input
		if i == f.focus {
			mark, tone = Span{"▌ ", Act}, Focus
		}
		box := width - 2 - label - 3
		if unit > 0 && box > 12+unit {
			box -= unit + 1
		}
		box = max(min(box, d.width()), 3)
		text, cursor := d.shown(box)
		if i == f.focus {
			x, y = 2+label+2+cursor, len(lines)
		}
		edge := tone
		if d.Refused() != NoRefusal {
			edge = FaultBadge
		}
		lines = append(lines, Line{Spans: []Span{
			mark, {Left(d.Label, label), Dim}, {" ", Plain}, {"[", edge}, {text, tone}, {"]", edge}, {" " + d.Unit, Dim},
		}})
	}
	return lines, x, y
}

// width is how wide the field would like to be.
func (f *Field) width() int {
	switch {
	case f.Kind == Quantity:
		return 10
	case f.Kind == Choice:
		w := 12
		for _, o := range f.Options {
			w = max(w, Width(o.Label)+4)
		}
		return w
	case f.Max > 0 && f.Max < 40:
		return f.Max
	}
	return 40
}
