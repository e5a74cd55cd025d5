package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
)

// A Desk makes secrets, and gives each of them away once. What it hands over is not kept anywhere: only hashes reach the
// floor. Every call is an act of the actor, with all that the floor asks of it.
type Desk interface {
	// Reset gives a person a one-time password or PIN, by kind.
	Reset(ctx context.Context, actor mes.Actor, person mes.ID, kind, reason string) (secret string, err error)
	// Replace changes the actor's own password or PIN.
	Replace(ctx context.Context, actor mes.Actor, kind, current, secret string) error
	// IssueKey makes an API key. The command's id and hash are filled in here.
	IssueKey(ctx context.Context, actor mes.Actor, c mes.IssueKey) (key string, err error)
	// InviteStation makes the one-time code by which a station brings its SSH key.
	InviteStation(ctx context.Context, actor mes.Actor, station mes.ID) (code string, err error)
	// AddKey lets a station or a person in by a public key, a line as in authorized_keys. With neither it is the actor's.
	AddKey(ctx context.Context, actor mes.Actor, line string, station, person mes.ID) (fingerprint string, err error)
	// BeginTOTP makes a secret for codes by time. It counts when ConfirmTOTP has seen a code of it.
	BeginTOTP(ctx context.Context, actor mes.Actor) (secret, uri string, err error)
	ConfirmTOTP(ctx context.Context, actor mes.Actor, secret, code string) error
	// Prove checks the actor's PIN or password again, for a signature.
	Prove(ctx context.Context, actor mes.Actor, secret string) (mes.Actor, error)
}

// hashing is how much longer the desk may take than the floor: it waits for its turn to hash.
const hashing = 5 * time.Second

// atDesk asks the desk for something. Keys wait until the answer is there; given is called in Update with what it gave.
// The desk is never asked again by itself: a second secret would end the first.
func (a *App) atDesk(ask func(ctx context.Context, d Desk, actor mes.Actor) (string, error), given func(string) tea.Cmd) tea.Cmd {
	if a.errand != nil || a.s.Desk == nil || !a.unhurried() {
		return nil
	}
	d, actor := a.s.Desk, a.actor
	a.errand = &errand{visit: a.visit, once: true, run: func(ctx context.Context) (func() tea.Cmd, error) {
		ctx, done := context.WithTimeout(ctx, patience+hashing)
		defer done()
		secret, err := ask(ctx, d, actor)
		return func() tea.Cmd { return given(secret) }, err
	}}
	return a.send(a.errand)
}
