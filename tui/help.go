package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/tui/widget"
)

// help lists every key of the screen below it.
type help struct {
	a    *App
	list widget.List
}

func (a *App) openHelp() tea.Cmd {
	a.help = &help{a: a}
	return nil
}

// actions are the help's own keys.
func (h *help) actions() []Action {
	return []Action{
		on("esc", h.a.say("key.back"), func() tea.Cmd { h.a.help = nil; return nil }),
		on("pgdown", h.a.say("key.more"), func() tea.Cmd { h.list.Cursor += h.list.Page(); return nil }),
	}
}

func (h *help) key(name string) tea.Cmd {
	switch name {
	case "down", "up", "pgdown", "pgup":
		by := map[string]int{"down": 1, "up": -1, "pgdown": h.list.Page(), "pgup": -h.list.Page()}[name]
		h.list.Move(by)
	default:
		h.a.help = nil
	}
	return nil
}

// all gives every action that a key can do now.
func (h *help) all() []Action {
	list := h.a.top().Actions()
	if h.a.person != nil && !h.a.locked {
		own := list
		for _, act := range h.a.everywhere() {
			if _, twice := find(act.Keys[0], own); !twice {
				list = append(list[:len(list):len(list)], act)
			}
		}
	}
	return list
}

func (h *help) draw(r area) Frame {
	all := h.all()
	width := 4
	for _, act := range all {
		width = max(width, widget.Width(keyNames(act)))
	}
	h.list.Len = len(all)
	from, to := h.list.Window(r.height)
	var f Frame
	for i := from; i < to; i++ {
		f.Lines = append(f.Lines, widget.Line{Lit: i == h.list.Cursor, Spans: []widget.Span{
			{Text: " " + widget.Left(keyNames(all[i]), min(width, r.width/2)), Tone: widget.Strong}, {Text: "  " + all[i].Label, Tone: widget.Plain},
		}})
	}
	return f
}

func keyNames(act Action) string {
	names := make([]string, len(act.Keys))
	for i, k := range act.Keys {
		names[i] = keyName(k)
	}
	return strings.Join(names, " ")
}
