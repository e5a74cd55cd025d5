package tui

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"gemba/mes"
)

// The secrets that the clerk gives are known, so that a test can look for them.
const (
	givenPassword = "amber-kettle-sunset-violin-42"
	givenPIN      = "730164"
	givenKey      = "gemba_program_4T9XkQ2mVb7RzL1sWd8YcN3pHf6JgA5e0uKiBoQx"
	givenCode     = "7QK2-M0XD-94TP"
	givenTOTP     = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// A clerk is a desk whose secrets are known and which counts how often it was asked. What it does to the floor is done
// through the App, as any desk does.
type clerk struct {
	app *mes.App

	mu    sync.Mutex
	asked int
	err   error // given instead of doing anything
}

func (c *clerk) do(ctx context.Context, actor mes.Actor, command mes.Command) error {
	c.mu.Lock()
	c.asked++
	err := c.err
	c.mu.Unlock()
	if err != nil || command == nil {
		return err
	}
	_, err = c.app.Do(ctx, actor, "", command)
	return err
}

func (c *clerk) Reset(ctx context.Context, actor mes.Actor, person mes.ID, kind, reason string) (string, error) {
	given := givenPassword
	if kind == mes.PIN {
		given = givenPIN
	}
	return given, c.do(ctx, actor, &mes.ResetSecret{Person: person, Kind: kind, Hash: "hash of " + mes.Secret(given), Reason: reason})
}

func (c *clerk) Replace(ctx context.Context, actor mes.Actor, kind, current, secret string) error {
	if current != "old secret" {
		return mes.Faultf(mes.Invalid, "the old %s is wrong; try again", kind)
	}
	return c.do(ctx, actor, &mes.ReplaceSecret{Kind: kind, Hash: "hash of " + mes.Secret(secret)})
}

func (c *clerk) IssueKey(ctx context.Context, actor mes.Actor, command mes.IssueKey) (string, error) {
	command.ID, command.Hash = "4T9XkQ2m", "hash"
	return givenKey, c.do(ctx, actor, &command)
}

func (c *clerk) InviteStation(ctx context.Context, actor mes.Actor, station mes.ID) (string, error) {
	return givenCode, c.do(ctx, actor, &mes.InviteStation{Station: station, Hash: "hash"})
}

func (c *clerk) AddKey(ctx context.Context, actor mes.Actor, line string, station, person mes.ID) (string, error) {
	if !strings.HasPrefix(line, "ssh-ed25519 ") {
		return "", mes.Faultf(mes.Invalid, "this is no public key; paste the line of the .pub file")
	}
	print := mes.ID(fmt.Sprintf("SHA256:%x", len(line)))
	if station == "" && person == "" {
		return string(print), c.do(ctx, actor, &mes.AddOwnSSHKey{Fingerprint: print, PublicKey: line})
	}
	return string(print), c.do(ctx, actor, &mes.AddSSHKey{Fingerprint: print, PublicKey: line, Station: station, Person: person})
}

func (c *clerk) BeginTOTP(ctx context.Context, actor mes.Actor) (string, string, error) {
	return givenTOTP, "otpauth://totp/gemba:7001?secret=" + givenTOTP + "&issuer=gemba", c.do(ctx, actor, nil)
}

func (c *clerk) ConfirmTOTP(ctx context.Context, actor mes.Actor, secret, code string) error {
	if secret != givenTOTP || code != "123456" {
		return mes.Faultf(mes.Invalid, "the code is wrong; type the one that the app shows now")
	}
	return c.do(ctx, actor, &mes.ReplaceSecret{Kind: mes.TOTP, Hash: "sealed", Step: 1})
}

func (c *clerk) Prove(_ context.Context, actor mes.Actor, secret string) (mes.Actor, error) {
	if secret != "24"+actor.Name {
		return actor, mes.Faultf(mes.Unauthenticated, "badge or PIN is wrong; try again")
	}
	actor.Proof = &mes.Proof{Method: "PIN", At: c.app.Now()}
	return actor, nil
}

// chequers is a QR code of so many modules that says nothing.
func chequers(string) ([][]bool, error) {
	code := make([][]bool, 33)
	for y := range code {
		code[y] = make([]bool, 33)
		for x := range code[y] {
			code[y][x] = (x/2+y/3)%2 == 0
		}
	}
	return code, nil
}

// atDesk is a session of somebody at their own desk, with a clerk.
func (f *floor) atDesk(badge string) (Session, *clerk) {
	s := f.session("", badge, 80, 24)
	c := &clerk{app: f.app}
	s.Desk, s.QR, s.Door = c, chequers, "10.0.7.2:2222"
	s.Actor.Session = mes.ID("stay-" + badge)
	return s, c
}

// access furnishes what the access screens show: secrets, lockouts, keys and stations.
func (f *floor) access() {
	f.t.Helper()

	setup := mes.System("set-up", "set-up")
	anna, lea := f.people["7001"], f.people["7100"]
	for _, c := range []mes.Command{
		&mes.SetCredential{Person: "7001", Kind: mes.Password, Hash: "hash"}, &mes.SetCredential{Person: "7001", Kind: mes.PIN, Hash: "hash"},
		&mes.SetCredential{Person: "7400", Kind: mes.Password, Hash: "hash"}, &mes.SetCredential{Person: "7100", Kind: mes.TOTP, Hash: "sealed"},
		&mes.GrantRole{Person: "7001", Role: mes.Lead, Site: "HAL", Line: "LATHES", Reason: "early shift"},
		&mes.RegisterPerson{Badge: "7500", Name: "Uwe Grau", Disabled: true, Grants: []mes.Grant{{Role: mes.Planner}}},
		&mes.AddSSHKey{Fingerprint: "SHA256:mFQ0pcEZ1yI7oWm3vNnGmXK9Rk2uTz5sA8bJdLeHqYw", PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA anna@tablet", Person: "7001"},
		&mes.AddSSHKey{Fingerprint: "SHA256:Zk3cW8sPq1xUo6LtR0vYbNfMhJ5gDaE2iK7eXuTnQ4w", PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB kiosk-1", Station: "KIOSK-1"},
		&mes.IssueKey{ID: "p7Ls2QwX", Kind: mes.ByPerson, Person: "7001", Name: "shift report", Hash: "hash", Days: 90},
		&mes.IssueKey{ID: "h4Ns8RtZ", Kind: mes.ByMachine, Principal: "LATHE-1", Grants: []mes.Grant{{Role: mes.Feeder, Machine: "LATHE-1"}}, Networks: []string{"10.0.7.0/24"}, Name: "spindle gateway", Hash: "hash"},
		&mes.IssueKey{ID: "b2Vd6KyM", Kind: mes.ByProgram, Principal: "warehouse", Grants: []mes.Grant{{Role: mes.Viewer, Site: "HAL"}}, Name: "warehouse export", Hash: "hash", Days: 30},
		&mes.EnrolStation{Code: "KIOSK-3", Name: "Lathes, right", Line: "LATHES", Machine: "LATHE-2", Networks: []string{"10.0.8.0/24", "10.0.9.17/32"}},
		&mes.EnrolStation{Code: "CART-9", Name: "Scanner cart", Line: "SAWS", Retired: true},
	} {
		f.do(setup, c)
	}
	f.do(setup, &mes.RevokeKey{Key: "b2Vd6KyM", Reason: "replaced"})
	kiosk := mes.Actor{Kind: mes.ByStation, ID: "KIOSK-1", Name: "Lathes, left", Station: "KIOSK-1", Source: "10.0.7.21", Grants: []mes.Grant{{Role: mes.Kiosk}}}
	f.do(kiosk, &mes.SignInPerson{Person: anna.ID, Method: "badge and PIN"})
	door := mes.Actor{Kind: mes.BySystem, ID: "gemba/door", Name: "door", Source: "10.0.3.99", Grants: []mes.Grant{{Role: mes.Setup}}}
	for range 5 {
		f.pass(time.Second)
		f.do(door, &mes.FailSignIn{Person: lea.ID, Kind: mes.Password, Reason: "wrong password"})
	}
	f.pass(-5 * time.Second)
}
