package tui

import (
	"strings"
	"unicode"

	"gemba/mes"
	"gemba/tui/widget"
)

// A status is the message of the status line. It stays until the next key.
type status struct {
	key  string // in the catalogue, empty for a message of the floor
	text string
	tone widget.Tone
}

// tell shows a message.
func (a *App) tell(tone widget.Tone, key string, args ...any) {
	a.status = status{key, a.say(key, args...), tone}
}

// fail shows why something was not done. Keys that came after it were meant for something else now and are dropped.
func (a *App) fail(err error) {
	words := capital(mes.ErrorMessage(err))
	if n := len(a.typed); n > 0 {
		words += " " + a.say("say.dropped", n)
	}
	a.typed = nil
	a.status = status{text: words, tone: widget.Fault}
}

// capital begins a message like a sentence.
func capital(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// mark gives the word and glyph that say what sort of message it is without its colour.
func (s status) mark() string {
	switch s.tone {
	case widget.Fault:
		return "✕ "
	case widget.Warning:
		return "! "
	case widget.Normal:
		return "✓ "
	}
	return "· "
}

// lines wraps the message into a width, at most n lines.
func (s status) lines(width, n int) []widget.Line {
	if strings.TrimSpace(s.text) == "" {
		return nil
	}
	var out []widget.Line
	for _, part := range widget.Wrap(s.mark()+s.text, width, n) {
		out = append(out, widget.Of(widget.Span{Text: part, Tone: s.tone}))
	}
	return out
}
