package tui

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"charm.land/lipgloss/v2"

	"gemba/mes"
	"gemba/mes/plain"
	"gemba/tui/widget"
)

// hostile is what somebody may call a thing to deceive those who read it, each with what has to be seen of it.
var hostile = []struct{ name, text, seen string }{
	{"cursor", "\x1b[5;1H", `\x1b[5;1H`}, {"clear", "\x1b[2J\x1b[H", `\x1b[2J`}, {"private mode", "\x1b[?1049l", `\x1b[?1049l`},
	{"status report", "\x1b[6n", `\x1b[6n`}, {"device attributes", "\x1b[c", `\x1b[c`}, {"title", "\x1b]0;owned\a", `\x1b]0;owned\a`},
	{"clipboard", "\x1b]52;c;cm0gLXJm\a", `\x1b]52;c;`}, {"link", "\x1b]8;;http://evil\x1b\\OK", `\x1b]8;;http`}, {"DCS", "\x1bP1$r\x1b\\", `\x1bP1$r`},
	{"APC", "\x1b_G\x1b\\", `\x1b_G`}, {"hidden", "\x1b[8mgone", `\x1b[8mgone`}, {"unterminated colour", "\x1b[41;5mred", `\x1b[41;5mred`},
	{"C1 CSI", "\u009b31m", `\u009b31m`}, {"C1 OSC", "\u009d0;x\u009c", `\u009d0;x`}, {"raw C1", "\x9b2J", `\x9b2J`},
	{"NUL", "a\x00b", `a\x00b`}, {"BEL", "a\ab", `a\ab`}, {"BS", "OK\b\bNO", `OK\b\bNO`}, {"DEL", "a\x7fb", `a\x7fb`},
	{"carriage return", "REJECT\rACCEPT", `REJECT\rACCEPT`}, {"line", "one\ntwo", `one\ntwo`}, {"zero width", "AD\u200bMIN", `AD\u200bMIN`},
	{"right to left", "\u202egnp.exe", `\u202egnp.exe`}, {"isolate", "\u2067x\u2069", `\u2067x`}, {"tags", "a\U000e0041", `a\U000e0041`},
	{"marks", "x" + strings.Repeat("\u0336", 500), `\u0336`}, {"marks on nothing", "\u0336\u0336", `\u0336`}, {"wide", strings.Repeat("界", 300), "界"},
	{"broken", "a\xff\xfe", `a\xff\xfe`}, {"line separator", "a\u2028b", `a\u2028b`}, {"variation", "a\ufe0f", `a\ufe0f`}, {"filler", "a\u3164b", `a\u3164b`},
}

// everyScene reaches every screen there is, and hands it over with a painter that writes no codes of its own: all that is
// then drawn comes from texts.
func everyScene(t *testing.T, use func(t *testing.T, name string, d *driver)) {
	run := func(name string, open func(f *floor) (Session, func(*driver))) {
		t.Run(name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			s, reach := open(f)
			d := f.drive(s)
			reach(d)
			use(t, name, d)
		})
	}
	for _, scene := range scenes {
		run(scene.name, func(f *floor) (Session, func(*driver)) {
			return f.session(scene.station, scene.badge, 80, 24), scene.reach
		})
	}
	for _, scene := range accessScenes {
		run(scene.name, func(f *floor) (Session, func(*driver)) {
			f.access()
			s, _ := f.atDesk(scene.badge)
			return s, scene.reach
		})
	}
	for _, scene := range evidenceScenes {
		run(scene.name, func(f *floor) (Session, func(*driver)) {
			f.evidence()
			s, _, _ := f.owing(scene.badge, scene.owes)
			return s, scene.reach
		})
	}
}

// TestScreens_showHostileText: whatever anything is called, in every text of every screen, the window keeps its shape,
// nothing of it reaches the terminal but what is simply seen, and what was hidden is seen.
func TestScreens_showHostileText(t *testing.T) {
	shown, turn := map[string]int{}, 0
	everyScene(t, func(t *testing.T, name string, d *driver) {
		turn++
		for n, h := range hostile {
			if n%3 != turn%3 {
				continue // each text has its turn on every third screen
			}
			poison(d.a, h.text)
			for i, size := range sizes {
				d.a.paint = widget.NewPainter([widget.Tones]lipgloss.Style{}, nil, i == 2)
				d.a.width, d.a.height = size.cols, size.rows
				got := d.a.View().Content
				fits(t, got, size.cols, size.rows)
				bare := strings.ReplaceAll(got, "\n", "")
				if !utf8.ValidString(bare) || strings.IndexFunc(bare, plain.Unseen) >= 0 || plain.Text(bare) != bare {
					t.Fatalf("%s at %dx%d lets it through: %+q", h.name, size.rows, size.cols, got)
				}
				if strings.Contains(got, h.seen) {
					shown[h.name]++
				}
			}
		}
	})
	for _, h := range hostile {
		if shown[h.name] < 20 {
			t.Errorf("%s is seen on %d screens only", h.name, shown[h.name])
		}
	}
}

// poison puts a text in the place of every text that a session's screens hold.
func poison(a *App, text string) {
	seen := map[unsafe.Pointer]bool{}
	for _, s := range append([]Screen{a.signin}, a.stack...) {
		poisonValue(reflect.ValueOf(s), text, seen)
	}
	for _, p := range []any{a.person, a.s.Station, &a.status} {
		poisonValue(reflect.ValueOf(p), text, seen)
	}
}

func poisonValue(v reflect.Value, text string, seen map[unsafe.Pointer]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.UnsafePointer()] || v.Type() == reflect.TypeFor[*App]() || v.Type() == reflect.TypeFor[*mes.App]() {
			return
		}
		seen[v.UnsafePointer()] = true
		poisonValue(v.Elem(), text, seen)
	case reflect.Interface:
		if !v.IsNil() {
			poisonValue(v.Elem(), text, seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			name := v.Type().Field(i).Name
			if !f.CanAddr() || v.Type() == reflect.TypeFor[widget.Field]() && (name == "Name" || name == "With") {
				continue // by these a form finds its fields
			}
			poisonValue(reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem(), text, seen)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			poisonValue(v.Index(i), text, seen)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			poisonValue(value, text, seen)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		if kind := v.Type(); v.CanSet() && (kind == reflect.TypeFor[string]() || kind == reflect.TypeFor[mes.ID]()) {
			v.SetString(fmt.Sprint(text, " and so on"))
		}
	}
}
