package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// An Action is what a key does on a screen. The key bar, the help and the routing of keys are all made from the same
// list, so that they cannot disagree.
type Action struct {
	Keys  []string // as Bubble Tea names them; the first one is shown
	Label string   // one or two words
	Do    func() tea.Cmd
	Quiet bool // in the help, but not in the key bar
}

// on makes an action of keys written with spaces between.
func on(keys, label string, do func() tea.Cmd) Action {
	return Action{Keys: strings.Fields(keys), Label: label, Do: do}
}

// quietly is an action that needs no place in the key bar.
func quietly(keys, label string, do func() tea.Cmd) Action {
	return Action{Keys: strings.Fields(keys), Label: label, Do: do, Quiet: true}
}

// find gives the action of a key. Letters work with caps lock on as well, unless the capital has its own meaning.
func find(key string, lists ...[]Action) (Action, bool) {
	for _, wanted := range []string{key, strings.ToLower(key)} {
		for _, list := range lists {
			for _, a := range list {
				for _, k := range a.Keys {
					if k == wanted {
						return a, true
					}
				}
			}
		}
	}
	return Action{}, false
}

// keyName is how a key is written on the screen.
func keyName(key string) string {
	switch key {
	case "enter":
		return "Enter"
	case "esc":
		return "Esc"
	case "pgup":
		return "PgUp"
	case "pgdown":
		return "PgDn"
	case "up":
		return "↑"
	case "down":
		return "↓"
	case "left":
		return "←"
	case "right":
		return "→"
	case "tab":
		return "Tab"
	case "ctrl+l":
		return "Ctrl+L"
	}
	if len(key) > 1 && key[0] == 'f' {
		return strings.ToUpper(key)
	}
	return key
}

// everywhere are the actions that work on every screen once somebody is signed in and has nothing to do first.
func (a *App) everywhere() []Action {
	if a.bound() {
		return []Action{quietly("f1", a.say("key.help"), a.openHelp), quietly("f3 esc", a.say("key.back"), a.back), quietly("ctrl+l", a.say("key.redraw"), func() tea.Cmd { return tea.ClearScreen })}
	}
	return []Action{
		quietly("f1 ?", a.say("key.help"), a.openHelp),
		quietly("f3 esc", a.say("key.back"), a.back),
		quietly("f5", a.say("key.refresh"), func() tea.Cmd { return a.top().Load() }),
		quietly("f10 :", a.say("key.palette"), func() tea.Cmd { return a.open(newPalette(a)) }),
		quietly("m", a.say("key.menu"), func() tea.Cmd { return a.goTo(newMenu(a)) }),
		quietly("q", a.say("key.queue"), func() tea.Cmd { return a.goTo(newQueue(a)) }),
		quietly("o", a.say("key.orders"), func() tea.Cmd { return a.goTo(newOrders(a)) }),
		quietly("b", a.say("key.board"), func() tea.Cmd { return a.goTo(newBoard(a)) }),
		quietly("f12 L", a.say("key.lock"), a.lock),
		quietly("ctrl+l", a.say("key.redraw"), func() tea.Cmd { return tea.ClearScreen }),
	}
}
