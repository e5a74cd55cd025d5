package server

import (
	"context"
	"errors"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// enrolUser is the SSH user name under which a new station brings its key.
const enrolUser = "enrol"

// invitationsChecked bounds the invitations that a code is compared with. Each costs a hash, and nobody enrols more
// stations than that within a quarter of an hour.
const invitationsChecked = 16

// byStationCode is the kind of secret that failures at the enrolment of stations are counted under.
const byStationCode = "code"

// enrol asks a client whose key nobody knows for the one-time code of a station, and makes the key the station's.
func (d *sshDoor) enrol(conn *sshConn, key gossh.PublicKey, ask gossh.KeyboardInteractiveChallenge) (*identity, error) {
	code, err := answer(ask, "One-time code of the station: ")
	if err != nil {
		return nil, err
	}
	station, err := d.doorman.byInvitation(conn.here, conn.address, key, code)
	if err != nil {
		return nil, d.unchecked(err)
	}
	return &identity{joined: station, key: mes.ID(keys.Fingerprint(key)), source: conn.address, at: d.options.Now()}, nil
}

// byInvitation makes a key the key of the station whose one-time code this is. Wrong codes count against the source. The
// caller has seen a signature of the key.
func (d *doorman) byInvitation(ctx context.Context, address string, key gossh.PublicKey, typed string) (*mes.Station, error) {
	fingerprint := mes.ID(keys.Fingerprint(key))
	door := doorActor(address, fingerprint)
	source, _ := mes.Sources(door, byStationCode)
	c := &check{doorman: d, door: door, kind: byStationCode, started: time.Now(), try: d.lockout.begin("", source, false)}
	if err := c.barred(ctx); err != nil {
		return nil, err
	}
	var station *mes.Station
	err := c.inTurn(ctx, func() (err error) {
		station, err = d.invited(ctx, door, keys.NormaliseCode(typed))
		return err
	})
	switch {
	case err != nil:
		return nil, c.giveUp(busy(err))
	case station == nil:
		return nil, c.wrong(ctx, "wrong one-time code of a station")
	case !mes.InNetworks(station.Networks, address):
		return nil, c.wrong(ctx, "the station may not be in this network")
	}
	line := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
	_, err = d.app.Do(ctx, door, "", &mes.JoinStation{Station: station.ID, Fingerprint: fingerprint, PublicKey: line})
	switch code := mes.ErrorCode(err); {
	case code == mes.Unavailable || code == mes.Internal:
		return nil, c.giveUp(err)
	case err != nil: // somebody else used the code in this very moment
		return nil, c.wrong(ctx, mes.ErrorMessage(err))
	}
	c.try.right()
	return station, nil
}

// invited finds the station that a code was made for, nil if it is none's. At least one hash is computed.
func (d *doorman) invited(ctx context.Context, door mes.Actor, code string) (*mes.Station, error) {
	stations, err := d.app.Stations(ctx, door)
	if err != nil {
		return nil, err
	}
	now, checked := d.now(), 0
	for i := range stations {
		if !now.Before(stations[i].CodeUntil) || checked == invitationsChecked {
			continue
		}
		s, err := d.records.Station(ctx, mes.Fresh, stations[i].ID)
		if err != nil {
			return nil, err
		}
		if s.Code == "" || s.Retired || !now.Before(s.CodeUntil) {
			continue
		}
		checked++
		right, _, err := d.hasher.Verify(ctx, string(s.Code), code)
		if err != nil && !errors.Is(err, keys.ErrMalformedHash) && !errors.Is(err, keys.ErrUnknownPepper) {
			return nil, err
		}
		if right {
			return s, nil
		}
	}
	if checked > 0 {
		return nil, nil
	}
	return nil, d.hasher.VerifyNobody(ctx, code)
}
