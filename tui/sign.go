package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// sign asks for the secret that makes an electronic signature, and sends again what came back for want of one, under the
// same id. The signature holds for that command alone.
func (a *App) sign(e *errand) tea.Cmd {
	label := a.say("field.password")
	if a.s.Station != nil {
		label = a.say("signin.pin")
	}
	s := &slip{title: a.say("title.sign"), send: a.say("key.sign"), about: []string{a.meaning(e.command), a.say("sign.how", a.person.Name)},
		form: widget.Form{Fields: []*widget.Field{{Name: "secret", Label: label, Kind: widget.Secret, Max: longestSecret, Needed: true}}}}
	s.favour = func(f *widget.Form) *favour {
		secret := f.Field("secret").Raw()
		var proven mes.Actor
		return &favour{
			ask: func(ctx context.Context, d Desk, actor mes.Actor) (_ string, err error) {
				proven, err = d.Prove(ctx, actor, secret)
				return "", err
			},
			given: func(string) tea.Cmd {
				a.errand = e.by(proven)
				return a.send(a.errand)
			},
		}
	}
	return a.slip(s)
}

// meaning spells out what a signature under a command says.
func (a *App) meaning(c mes.Command) string {
	switch c := c.(type) {
	case *mes.ReleaseRevision:
		return a.say("sign.approve", c.Rev, string(c.Product))
	case *mes.CompleteOrder:
		return a.say("sign.over")
	}
	return a.say("sign.other", mes.SpecOf(c).Help)
}
