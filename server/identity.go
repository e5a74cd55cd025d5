package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// How a person proved who they are, as the ledger says it.
const (
	byOwnKey   = "own key"
	byPassword = "password"
	byBadgePIN = "badge and PIN"
)

// refusedText is the one answer to an unknown badge, a wrong secret, a locked badge and a disabled person.
const refusedText = "sign-in refused; check badge and PIN, or ask your supervisor"

// longestBadge is longer than any badge, in bytes.
const longestBadge = 64

// readTime bounds a look-up at a door.
const readTime = 5 * time.Second

// An identity is what a finished SSH handshake proved: a station, or a person. Exactly one of the two is set.
type identity struct {
	station *mes.Station
	person  *mes.Person
	key     mes.ID // fingerprint of the key that signed, "" if it was a password
	method  string
	source  string // network address, without port
}

// name tells who it is, for counting sessions and for logs.
func (id *identity) name() string {
	if id.station != nil {
		return "station/" + string(id.station.ID)
	}
	return "person/" + string(id.person.ID)
}

// door is the actor who lets people in here: the station, or the SSH door itself. It may sign people in and nothing
// else that matters.
func (id *identity) door() mes.Actor {
	if s := id.station; s != nil {
		return mes.Actor{
			Kind: mes.ByStation, ID: s.ID, Name: s.Name, Station: s.ID, Key: id.key, Source: id.source,
			Grants: []mes.Grant{{Role: mes.Kiosk, Site: s.Site, Line: s.Line}},
		}
	}
	return doorActor(id.source, id.key)
}

func doorActor(source string, key mes.ID) mes.Actor {
	return mes.Actor{Kind: mes.BySystem, ID: "door", Name: "SSH door", Key: key, Source: source, Grants: []mes.Grant{{Role: mes.Kiosk}}}
}

// actor is a person who signed in here.
func (id *identity) actor(p *mes.Person, session mes.ID) mes.Actor {
	a := mes.Actor{Kind: mes.ByPerson, ID: p.ID, Name: p.Name, Person: p.ID, Key: id.key, Session: session, Source: id.source, Grants: p.Grants}
	if id.station != nil {
		a.Station = id.station.ID
	}
	return a
}

// A doorman tells who somebody is.
type doorman struct {
	records  mes.Records
	hasher   *keys.Hasher
	lockout  *lockout
	refusals *refusals
	log      *slog.Logger
	sleep    func(context.Context, time.Duration)
}

var errUnknownKey = errors.New("no station and no person has this key")

// byKey finds whose SSH key it is. The caller has seen a signature of it.
func (d *doorman) byKey(ctx context.Context, fingerprint, source string) (*identity, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	id := &identity{key: mes.ID(fingerprint), method: byOwnKey, source: source}
	key, err := d.records.SSHKey(ctx, mes.Local, id.key)
	switch {
	case mes.ErrorCode(err) == mes.NotFound:
		return nil, errUnknownKey
	case err != nil:
		return nil, err
	case key.Revoked:
		return nil, errors.New("the key is revoked")
	case key.Station != "":
		if id.station, err = d.records.Station(ctx, mes.Local, key.Station); err != nil {
			return nil, err
		}
		if id.station.Retired {
			return nil, errors.New("the station is retired")
		}
	default:
		if id.person, err = d.records.Person(ctx, mes.Local, key.Person); err != nil {
			return nil, err
		}
		if id.person.Disabled {
			return nil, errors.New("the person is disabled")
		}
	}
	return id, nil
}

// bySecret tells which person has a badge and knows its secret, of the given kind (password or pin). Unknown, locked,
// disabled and wrong cost the same work and the same wait, and give the same error. Busy is an error of its own: then
// nothing was checked.
func (d *doorman) bySecret(ctx context.Context, door mes.Actor, badge, kind, secret string) (*mes.Person, error) {
	if len(badge) > longestBadge {
		badge = badge[:longestBadge] // nobody's, and no reason to remember all of it
	}
	source := door.Source
	if door.Station != "" {
		source = "station/" + string(door.Station) + "/" + kind // a PIN that is locked leaves the password
	}
	try := d.lockout.begin(strings.ToLower(badge), source)
	started := time.Now()
	person, right, reason, err := d.check(ctx, badge, kind, secret)
	if err != nil {
		try.undone()
		return nil, err
	}
	if right && !try.locked && !person.Disabled {
		try.right()
		return person, nil
	}
	switch {
	case try.locked:
		reason = "the badge is locked here for a while"
	case right:
		reason = "the person is disabled"
	}
	subject := "person/unknown"
	if person != nil {
		subject = "person/" + string(person.ID)
	}
	d.refusals.record(ctx, door, "sign.in", subject, reason)
	d.sleep(ctx, try.delay-time.Since(started))
	return nil, mes.Faultf(mes.Unauthenticated, refusedText)
}

// check does the same work whoever is asked for: one look-up of a person, one of a credential, one hash.
func (d *doorman) check(ctx context.Context, badge, kind, secret string) (person *mes.Person, right bool, reason string, err error) {
	read, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if person, err = d.records.Person(read, mes.Local, mes.ID(badge)); err == nil && string(person.Badge) != badge {
		person, err = nil, mes.Faultf(mes.NotFound, "an id is not a badge")
	}
	if err != nil && mes.ErrorCode(err) != mes.NotFound {
		return nil, false, "", err
	}
	owner := mes.ID("nobody")
	if person != nil {
		owner = person.ID
	}
	credential, err := d.records.Credential(read, mes.Local, mes.CredentialID(owner, kind))
	if err != nil && mes.ErrorCode(err) != mes.NotFound {
		return nil, false, "", err
	}
	switch {
	case person == nil:
		reason, err = "unknown badge", d.hasher.VerifyNobody(ctx, secret)
	case credential == nil || err != nil:
		reason, err = "the person has no "+kind, d.hasher.VerifyNobody(ctx, secret)
	default:
		reason = "wrong " + kind
		right, _, err = d.hasher.Verify(ctx, string(credential.Hash), secret)
		if errors.Is(err, keys.ErrMalformedHash) || errors.Is(err, keys.ErrUnknownPepper) {
			d.log.Error("a stored secret cannot be checked; set it anew", "person", person.ID, "kind", kind, "error", err)
			reason, err = "the stored "+kind+" cannot be checked", d.hasher.VerifyNobody(ctx, secret)
		}
	}
	if errors.Is(err, keys.ErrBusy) {
		return nil, false, "", mes.FaultFrom(mes.Busy, err, "too many sign-ins at this moment; try again in a few seconds")
	}
	return person, right, reason, err
}

// kindOf tells what somebody at a station typed: digits are a PIN, anything else a password.
func kindOf(secret string) string {
	if secret != "" && strings.Trim(secret, "0123456789") == "" {
		return "pin"
	}
	return "password"
}

// pause waits, or returns when the context ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
