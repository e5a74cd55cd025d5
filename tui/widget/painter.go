package widget

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// A Painter turns lines into what a terminal shows. It is the only place where text becomes bytes for a terminal.
type Painter struct {
	plain, lit [Tones]codes
	ascii      bool
}

// codes go around a text to give it a style.
type codes struct{ on, off string }

// NewPainter makes a painter of a style for each tone. The line that the keys act on has another colour behind it,
// where its text does not bring one. With ascii the terminal is given ASCII only.
func NewPainter(styles [Tones]lipgloss.Style, lit color.Color, ascii bool) *Painter {
	p := &Painter{ascii: ascii}
	for tone, style := range styles {
		p.plain[tone] = codesOf(style)
		if lit != nil && style.GetBackground() == (lipgloss.NoColor{}) {
			style = style.Background(lit)
		}
		p.lit[tone] = codesOf(style)
	}
	return p
}

// codesOf finds what a style puts around a text, once, so that painting is no more than joining.
func codesOf(style lipgloss.Style) codes {
	on, off, _ := strings.Cut(style.Render("x"), "x")
	return codes{on, off}
}

// Paint gives a line exactly as wide as said.
func (p *Painter) Paint(l Line, width int) string {
	l = l.Clip(width)
	if left := width - l.Width(); left > 0 {
		l.Spans = append(l.Spans, Span{strings.Repeat(" ", left), gapTone(l)})
	}
	table := &p.plain
	if l.Lit {
		table = &p.lit
	}
	var b strings.Builder
	for i, s := range l.Spans {
		if s.Text == "" {
			continue
		}
		c := table[s.Tone]
		if i == 0 || l.Spans[i-1].Tone != s.Tone || l.Spans[i-1].Text == "" {
			b.WriteString(c.on)
		}
		if p.ascii {
			fold(&b, s.Text)
		} else {
			b.WriteString(s.Text)
		}
		if i == len(l.Spans)-1 || l.Spans[i+1].Tone != s.Tone || l.Spans[i+1].Text == "" {
			b.WriteString(c.off)
		}
	}
	return b.String()
}

// asciiFor says what stands for a character on a terminal that shows ASCII only. Each is as wide as what it stands for.
var asciiFor = map[rune]byte{
	'▸': '>', '‖': '=', '○': 'o', '◇': '*', '✕': 'X', '✓': '+', '■': '#', '□': '-', '·': '-', '…': '.', '»': '/', '█': '#', '▌': '>',
	'↑': '^', '↓': 'v', '←': '<', '→': '>', '◂': '<', '×': 'x', '–': '-', '—': '-', '“': '"', '”': '"', '’': '\'',
	'ä': 'a', 'ö': 'o', 'ü': 'u', 'Ä': 'A', 'Ö': 'O', 'Ü': 'U', 'ß': 's', 'é': 'e', 'è': 'e', 'ê': 'e', 'á': 'a', 'à': 'a',
	'â': 'a', 'å': 'a', 'í': 'i', 'ó': 'o', 'ò': 'o', 'ô': 'o', 'ú': 'u', 'ç': 'c', 'ñ': 'n', 'ø': 'o', 'µ': 'u', '°': 'o',
}

// fold writes a text in ASCII, cell by cell: what cannot be said so becomes as many question marks as it has cells.
func fold(b *strings.Builder, s string) {
	for i, r := range s {
		switch c, known := asciiFor[r]; {
		case r < 0x80:
			b.WriteRune(r)
		case known:
			b.WriteByte(c)
		default:
			for range cells(s[:i+len(string(r))]) - cells(s[:i]) { // a mark adds none to what it stands on
				b.WriteByte('?')
			}
		}
	}
}
