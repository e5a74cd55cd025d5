package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// longestSecret is how long a password may be, and longestKeyLine a line with a public key, in characters.
const longestSecret, longestKeyLine = 128, 2000

// replaceSecret changes one's own password or PIN, by kind.
func (a *App) replaceSecret(kind string) tea.Cmd {
	return a.slip(newReplacement(a, kind, func() tea.Cmd {
		a.tell(widget.Normal, "say.replaced", a.say("secret."+kind))
		return nil
	}))
}

// addSSHKey asks for a line with a public key: of a station, of a person, or with neither one's own.
func (a *App) addSSHKey(station, person mes.ID, whose string) tea.Cmd {
	s := &slip{title: a.say("title.add_key"), send: a.say("key.add"), about: []string{whose, a.say("advice.public_key")},
		form: widget.Form{Fields: []*widget.Field{{Name: "line", Label: a.say("field.public_key"), Kind: widget.Text, Max: longestKeyLine, Needed: true}}}}
	s.favour = func(f *widget.Form) *favour {
		line := f.Value("line")
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (string, error) {
				return d.AddKey(ctx, actor, line, station, person)
			},
			given: func(fingerprint string) tea.Cmd { a.tell(widget.Normal, "say.key_added", fingerprint); return nil },
		}
	}
	return a.slip(s)
}

// revokeOwn ends a key of one's own.
func (a *App) revokeOwn(key mes.ID, what string) tea.Cmd {
	return a.slip(&slip{title: a.say("title.revoke"), send: a.say("key.revoke"), about: []string{what, a.say("keys.revoke_about")},
		build: func(*widget.Form) mes.Command { return &mes.RevokeOwnKey{Key: key} },
		done:  func(mes.Receipt) { a.tell(widget.Normal, "say.revoked", what) }})
}

// newUnlock lets somebody try again who was locked out: for who may do that and may not see the list of people.
func newUnlock(a *App) *slip {
	s := &slip{a: a, id: a.s.App.NewID(), title: a.say("title.unlock"), send: a.say("key.unlock"), about: []string{a.say("person.unlock_about")},
		form: widget.Form{Fields: []*widget.Field{{Name: "badge", Label: a.say("field.badge"), Kind: widget.Text, Max: 40, Needed: true}, a.reasonField(true)}}}
	s.build = func(f *widget.Form) mes.Command {
		return &mes.UnlockPerson{Person: mes.ID(f.Value("badge")), Reason: f.Value("reason")}
	}
	return s
}
