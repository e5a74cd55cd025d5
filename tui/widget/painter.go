package widget

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// A Painter turns lines into what a terminal shows. It is the only place where text becomes bytes for a terminal.
type Painter struct {
	Styles [Tones]lipgloss.Style
	Lit    color.Color // behind the line that the keys act on
	ASCII  bool        // the terminal shows ASCII only
}

// Paint gives a line exactly as wide as said.
func (p *Painter) Paint(l Line, width int) string {
	l = l.Clip(width)
	tone := gapTone(l)
	l.Spans = append(l.Spans, Span{strings.Repeat(" ", max(width-l.Width(), 0)), tone})
	var b strings.Builder
	for _, s := range l.Spans {
		if s.Text == "" {
			continue
		}
		text := s.Text
		if p.ASCII {
			text = fold(text)
		}
		style := p.Styles[s.Tone]
		if l.Lit && p.Lit != nil && style.GetBackground() == (lipgloss.NoColor{}) {
			style = style.Background(p.Lit)
		}
		b.WriteString(style.Render(text))
	}
	return b.String()
}

// asciiFor says what stands for a character on a terminal that shows ASCII only. Each is as wide as what it stands for.
var asciiFor = map[rune]byte{
	'▸': '>', '▶': '>', '‖': '=', '●': '*', '○': 'o', '◇': 'o', '◆': '*', '✕': 'X', '✓': '+', '■': '#', '□': '-', '·': '-',
	'…': '~', '─': '-', '│': '|', '┌': '+', '┐': '+', '└': '+', '┘': '+', '├': '+', '┤': '+', '█': '#', '▌': '>', '▏': '|',
	'↑': '^', '↓': 'v', '←': '<', '→': '>', '⏎': '<', '◂': '<', '×': 'x', '–': '-', '—': '-', '“': '"', '”': '"', '’': '\'',
	'ä': 'a', 'ö': 'o', 'ü': 'u', 'Ä': 'A', 'Ö': 'O', 'Ü': 'U', 'ß': 's', 'é': 'e', 'è': 'e', 'ê': 'e', 'á': 'a', 'à': 'a',
	'â': 'a', 'å': 'a', 'í': 'i', 'ó': 'o', 'ò': 'o', 'ô': 'o', 'ú': 'u', 'ç': 'c', 'ñ': 'n', 'ø': 'o', 'µ': 'u', '°': 'o',
}

// fold writes a text in ASCII, cell by cell.
func fold(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch c, known := asciiFor[r]; {
		case r < 0x80:
			b.WriteRune(r)
		case known:
			b.WriteByte(c)
		default:
			b.WriteString(strings.Repeat("?", lipgloss.Width(string(r))))
		}
	}
	return b.String()
}
