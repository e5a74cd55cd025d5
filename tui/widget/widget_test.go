package widget

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"

	"gemba/mes/plain"
)

func plainPainter(ascii bool) *Painter { return NewPainter([Tones]lipgloss.Style{}, nil, ascii) }

func TestPaint_isExactlyAsWideAsSaid(t *testing.T) {
	texts := []string{"", "short", strings.Repeat("long ", 30), "日本語の名前がここに", "e\u0301a\u0301", "👷 worker", "tab\there", "\x1b[31mred", "‮reversed"}
	for _, text := range texts {
		for _, ascii := range []bool{false, true} {
			for width := 1; width <= 40; width++ {
				got := plainPainter(ascii).Paint(Say(text), width)
				if w := lipgloss.Width(got); w != width {
					t.Errorf("Paint(%q, %d) ascii %v is %d wide: %q", text, width, ascii, w, got)
				}
			}
		}
	}
}

// TestPaint_letsNoControlThrough: the painter is the one place where text becomes bytes for a terminal. With styles that
// write nothing, all that it gives comes from the text.
func TestPaint_letsNoControlThrough(t *testing.T) {
	check := func(t *testing.T, text string, width int) {
		t.Helper()
		for _, ascii := range []bool{false, true} {
			line := Of(Span{text, Plain}, Span{text, Fault}, Span{"end", Dim})
			got := plainPainter(ascii).Paint(line, width)
			if i := strings.IndexFunc(got, plain.Unseen); i >= 0 || !utf8.ValidString(got) {
				t.Fatalf("%+q came through as %+q", text, got)
			}
			if w := lipgloss.Width(got); w != width {
				t.Fatalf("%+q is %d cells wide in a width of %d: %+q", text, w, width, got)
			}
		}
	}
	for r := range rune(0x3000) {
		if plain.Unseen(r) || unicode.In(r, unicode.M) {
			check(t, "a"+string(r)+"b"+string(r), 30)
		}
	}
	for _, r := range []rune{0x3164, 0xe000, 0xfe00, 0xfe0f, 0xfeff, 0xfff9, 0xfffd, 0xffa0, 0x1d173, 0xe0001, 0xe0041, 0xe007f, 0xf0000, 0x10ffff} {
		check(t, "a"+string(r)+"b"+string(r), 30)
	}
	for b := range 256 {
		check(t, "a"+string([]byte{byte(b)})+"b", 12)
	}
	for _, marks := range []int{1, 10, 5000} {
		check(t, "x"+strings.Repeat("\u0336", marks), 20)
		check(t, strings.Repeat("\u0336", marks), 3)
	}
}

// TestPaint_saysWhatIsHidden: a text with something hidden in it does not look like the text without it.
func TestPaint_saysWhatIsHidden(t *testing.T) {
	for given, want := range map[string]string{
		"AD\u200bMIN": `AD\u200bMIN`, "REJECT\rACCEPT": `REJECT\rACCEPT`, "\x1b[8mgone": `\x1b[8mgone`, "\u202eabc": `\u202eabc`,
	} {
		if got := strings.TrimRight(plainPainter(false).Paint(Say(given), 30), " "); got != want {
			t.Errorf("%+q is shown as %q", given, got)
		}
	}
}

func TestPaint_asciiIsASCII(t *testing.T) {
	got := plainPainter(true).Paint(Say("▸ RUNNING Müller 日本 ▌ ─│ … ‖"), 40)
	for _, r := range got {
		if r > 0x7e {
			t.Fatalf("%q is in an ASCII line: %q", r, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"operation", 9, "operation"}, {"operation", 8, "operati…"}, {"operation", 1, "…"}, {"operation", 0, ""}, {"日本語", 4, "日…"}} {
		if got := Cut(c.text, c.width); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	got := Wrap("the quick brown fox jumps", 10, 2)
	if len(got) != 2 || got[0] != "the quick" || !strings.HasSuffix(got[1], "…") {
		t.Errorf("Wrap gave %q", got)
	}
	for _, width := range []int{1, 2, 5} {
		for _, line := range Wrap("a verylongwordindeed 日本語 x", width, 9) {
			if lipgloss.Width(line) > width {
				t.Errorf("Wrap to %d gave %q", width, line)
			}
		}
	}
}

func TestQuantity_refusesWhatIsNoQuantity(t *testing.T) {
	for _, c := range []struct {
		text string
		want Refusal
	}{{"12", NoRefusal}, {"0", NoRefusal}, {"4006381333931", TooManyFor}, {"12345678", TooManyFor}, {"A1", NotDigits}, {"-5", NotDigits},
		{"1.5", NotDigits}, {"1e9", NotDigits}, {"٣", NotDigits}, {"1\x1d2", Unprintable}} {
		f := &Field{Kind: Quantity, Max: 7}
		f.Preset("5")
		if got := f.Insert(c.text); got != c.want {
			t.Errorf("Insert(%q) = %d, want %d", c.text, got, c.want)
		}
		if c.want != NoRefusal && f.Value() != "" {
			t.Errorf("after refusing %q the field holds %q", c.text, f.Value())
		}
	}
}

func TestQuantity_swallowsTheRestOfARefusedScan(t *testing.T) {
	f := Form{Fields: []*Field{{Name: "good", Kind: Quantity, Max: 7}}}
	for _, r := range "X1001" {
		f.Type(string(r))
	}
	if out := f.Key("enter"); out != Taken {
		t.Errorf("the first Enter gave %d: it only acknowledges", out)
	}
	if f.Number("good") != 0 || f.Focused().Refused() != NoRefusal {
		t.Errorf("the field holds %q, refusal %d", f.Value("good"), f.Focused().Refused())
	}
}

func TestPreset_isReplacedByTheFirstKey(t *testing.T) {
	f := &Field{Kind: Quantity, Max: 7}
	f.Preset("120")
	f.Insert("7")
	if f.Value() != "7" {
		t.Errorf("the field holds %q, want 7", f.Value())
	}
	f.Preset("120")
	f.Edit("left")
	f.Insert("9")
	if f.Value() != "1290" {
		t.Errorf("after moving the cursor the field holds %q, want 1290", f.Value())
	}
}

func TestForm_enterGoesToWhatIsMissing(t *testing.T) {
	f := Form{Fields: []*Field{{Name: "good", Kind: Quantity, Max: 7}, {Name: "scrap", Kind: Quantity, Max: 7}, {Name: "why", Kind: Text, Max: 80, With: "scrap"}}}
	f.Type("8")
	if out := f.Key("enter"); out != Send {
		t.Fatalf("Enter with nothing missing gave %d", out)
	}
	f.FocusOn("scrap")
	f.Type("2")
	if out := f.Key("enter"); out != Taken || f.Focused().Name != "why" {
		t.Fatalf("Enter gave %d on %s, want the reason", out, f.Focused().Name)
	}
	if out := f.Key("enter"); out != Refused {
		t.Errorf("Enter on the empty reason gave %d", out)
	}
	f.Type("DIM-OOS\r\n")
	if f.Value("why") != "DIM-OOS" {
		t.Errorf("the reason is %q", f.Value("why"))
	}
}

func TestSecret_isNeverShown(t *testing.T) {
	f := Form{Fields: []*Field{{Name: "pin", Label: "PIN", Kind: Secret, Max: 20}}}
	f.Type("314159")
	lines, _, _ := f.Lines(40, 5)
	for _, l := range lines {
		for _, s := range l.Spans {
			if strings.Contains(s.Text, "3") || strings.Contains(s.Text, "1") {
				t.Errorf("the PIN is on the screen: %q", s.Text)
			}
		}
	}
}

func TestList_keepsItsCursorInView(t *testing.T) {
	l := List{Len: 100}
	for _, by := range []int{50, 7, -20, 90, -200, 3} {
		l.Move(by)
		for _, fit := range []int{1, 5, 20, 200} {
			from, to := l.Window(fit)
			if l.Cursor < from || l.Cursor >= to || to-from > fit || to > l.Len {
				t.Fatalf("cursor %d, window %d..%d of %d", l.Cursor, from, to, fit)
			}
		}
	}
	empty := List{}
	if from, to := empty.Window(10); from != 0 || to != 0 || empty.Cursor != 0 {
		t.Errorf("an empty list shows %d..%d", from, to)
	}
}

func TestBig_rowsAreEquallyLong(t *testing.T) {
	for _, word := range []string{"RUNNING", "IN PROGRESS", "0123456789", "WAITING", "MAXJQKYZ"} {
		for _, ascii := range []bool{false, true} {
			rows := Big(word, ascii)
			for _, r := range rows {
				if lipgloss.Width(r) != lipgloss.Width(rows[0]) {
					t.Errorf("%s: rows are not equally long: %q", word, rows)
				}
			}
		}
	}
}

// TestTable_neverCutsANumber: text makes room first, then the thousands are written together.
func TestTable_neverCutsANumber(t *testing.T) {
	table := Table{Columns: []Column{{Title: "Job", Width: 16}, {Title: "Avail", Width: 6, Right: true}, {Title: "Operation", Width: 12, Flex: true}, {Title: "Due", Width: 10}}}
	table.Rows = [][]Span{{{Text: "1001/20"}, {Text: "1 000 000 000"}, {Text: "Turn the outside"}, {Text: "2026-11-26"}}}
	for width, want := range map[int]string{
		80: "1 000 000 000  Turn the outside", 53: "1001/20           1 000 000 000", 44: "1001/20  1 000 000 000  Turn", 40: "1001/20",
	} {
		text := func(l Line) (s string) {
			for _, part := range l.Spans {
				s += part.Text
			}
			return s
		}
		line := text(table.Line(0, width, false))
		if Width(line) > width || !strings.Contains(strings.Join(strings.Fields(line), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%d columns: %q", width, line)
		}
	}
	for width := 20; width < 80; width++ {
		line := table.Line(0, width, false)
		for i, part := range line.Spans {
			if strings.HasPrefix(strings.TrimSpace(part.Text), "1") && strings.Contains(part.Text, Ellipsis) && i > 1 {
				t.Errorf("%d columns: a number is cut: %q", width, part.Text)
			}
		}
	}
}
