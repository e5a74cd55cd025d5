package tui

import (
	"strings"

	"charm.land/lipgloss/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// newPainter makes the colours of a session. They follow IEC 60073: red fault, yellow abnormal, green normal, blue
// somebody must act, white neutral. Badges bring their own background, so that they read the same on any terminal.
func newPainter(dark, ascii bool) *widget.Painter {
	pick := lipgloss.LightDark(dark)
	fg := func(light, dark string) lipgloss.Style {
		return lipgloss.NewStyle().Foreground(pick(lipgloss.Color(light), lipgloss.Color(dark)))
	}
	badge := func(back, text string) lipgloss.Style {
		return lipgloss.NewStyle().Bold(true).Background(lipgloss.Color(back)).Foreground(lipgloss.Color(text))
	}
	bar := lipgloss.NewStyle().Background(pick(lipgloss.Color("#22384a"), lipgloss.Color("#2b4256"))).Foreground(lipgloss.Color("#f2f6f9"))
	styles := [widget.Tones]lipgloss.Style{
		widget.Plain: lipgloss.NewStyle(), widget.Dim: fg("#5b6670", "#9aa5ae"), widget.Strong: lipgloss.NewStyle().Bold(true),
		widget.Bar: bar.Bold(true), widget.BarDim: bar, widget.Key: lipgloss.NewStyle().Reverse(true),
		widget.Input:  lipgloss.NewStyle().Background(pick(lipgloss.Color("#e6eaed"), lipgloss.Color("#262c31"))),
		widget.Focus:  lipgloss.NewStyle().Bold(true).Background(pick(lipgloss.Color("#cfe0ef"), lipgloss.Color("#1f3d57"))),
		widget.Normal: fg("#1b6e34", "#5fd38a"), widget.Warning: fg("#7a5c00", "#f2c94c"), widget.Fault: fg("#b3261e", "#ff8a80"),
		widget.Act: fg("#0b5394", "#7cc0ff"), widget.Neutral: fg("#3c4650", "#dde3e8"),
		widget.NormalBadge: badge("#2e9e55", "#000000"), widget.WarningBadge: badge("#f2c94c", "#000000"),
		widget.FaultBadge: badge("#c62828", "#ffffff"), widget.ActBadge: badge("#1565c0", "#ffffff"), widget.NeutralBadge: badge("#dde3e8", "#000000"),
		widget.Ink: lipgloss.NewStyle().Background(lipgloss.Color("#000000")).Foreground(lipgloss.Color("#ffffff")),
	}
	return widget.NewPainter(styles, pick(lipgloss.Color("#dfe7ee"), lipgloss.Color("#26323c")), ascii)
}

// A look is how a state is shown: by a glyph, a word and a colour, so that any two of them may be missing.
type look struct {
	glyph string
	tone  widget.Tone
	key   string // of the word in the catalogue; with ".short" for the narrow one
}

var opLooks = map[mes.OpState]look{
	mes.OpWaiting: {"…", widget.Neutral, "state.waiting"}, mes.OpReady: {"◇", widget.Act, "state.ready"},
	mes.OpRunning: {"▸", widget.Normal, "state.running"}, mes.OpPaused: {"‖", widget.Warning, "state.paused"},
	mes.OpHeld: {"!", widget.Warning, "state.held"}, mes.OpCompleted: {"✓", widget.Neutral, "state.completed"},
	mes.OpSkipped: {"»", widget.Neutral, "state.skipped"},
}

var orderLooks = map[mes.OrderState]look{
	mes.OrderDraft: {"○", widget.Neutral, "state.draft"}, mes.OrderReleased: {"◇", widget.Act, "state.released"},
	mes.OrderInProgress: {"▸", widget.Normal, "state.in_progress"}, mes.OrderPaused: {"‖", widget.Warning, "state.paused"},
	mes.OrderHeld: {"!", widget.Warning, "state.held"}, mes.OrderCompleted: {"✓", widget.Neutral, "state.completed"},
	mes.OrderClosed: {"■", widget.Neutral, "state.closed"}, mes.OrderCancelled: {"✕", widget.Neutral, "state.cancelled"},
}

var machineLooks = map[mes.MachineCondition]look{
	mes.MachineRunning: {"▸", widget.Normal, "state.running"}, mes.MachineSetup: {"~", widget.Act, "state.setup"},
	mes.MachineWaiting: {"…", widget.Warning, "state.waiting"}, mes.MachineHeld: {"!", widget.Warning, "state.held"},
	mes.MachineDown: {"✕", widget.Fault, "state.down"}, mes.MachineIdle: {"○", widget.Neutral, "state.idle"},
	mes.MachinePlanned: {"□", widget.Neutral, "state.planned"}, mes.MachineUnknown: {"?", widget.Neutral, "state.unknown"},
}

var unknownLook = look{"?", widget.Neutral, "state.unknown"}

func lookOf[S comparable](looks map[S]look, state S) look {
	if l, ok := looks[state]; ok {
		return l
	}
	return unknownLook
}

// state writes a state as glyph and word.
func (a *App) state(l look) widget.Span {
	return widget.Span{Text: l.glyph + " " + a.say(l.key), Tone: l.tone}
}

// shortState is the width of a state written short.
const shortState = 5

// short writes a state where a word has four letters.
func (a *App) short(l look) widget.Span {
	return widget.Span{Text: widget.Left(l.glyph+a.say(l.key+".short"), shortState), Tone: l.tone}
}

// speaksUTF8 tells whether the client said that its terminal shows UTF-8. A terminal that does not say gets ASCII.
func speaksUTF8(term string, env []string) bool {
	if term == "dumb" || term == "ansi" || strings.HasPrefix(term, "vt") {
		return false
	}
	said := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		said[name] = value
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(said[name]); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// answersColours tells whether a terminal can be asked for its background without printing the question.
func answersColours(term string) bool {
	for _, known := range []string{"xterm", "tmux", "screen", "alacritty", "foot", "kitty", "wezterm", "rxvt", "ghostty"} {
		if strings.HasPrefix(term, known) {
			return true
		}
	}
	return false
}
