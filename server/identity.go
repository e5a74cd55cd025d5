package server

import (
	"time"

	"gemba/mes"
)

// How a person proved who they are, as the ledger says it.
const (
	byOwnKey        = "own key"
	byPassword      = "password"
	byBadgePIN      = "badge and PIN"
	byBadgePassword = "badge and password"
	andCode         = " and code" // with a one-time code besides
)

// An identity is what a finished SSH handshake proved: a station, a person, or a key that was enrolled by this very
// connection. Exactly one of the three is set.
type identity struct {
	station *mes.Station
	person  *mes.Person
	joined  *mes.Station // whose key it is now

	key    mes.ID // fingerprint of the key that signed, "" if it was a password
	method string
	owes   owes
	step   int64 // of the one-time code
	since  secretTimes
	source string    // network address, without port
	at     time.Time // of the proof
}

// owes is what a person must do before anything else.
type owes struct {
	secret string // kind of a one-time secret that must be replaced, "" for none
	codes  bool   // one-time codes must be set up
}

// secretTimes tells when somebody's secrets were set, in Unix milliseconds: a session ends when somebody else sets one.
type secretTimes struct{ password, pin int64 }

// name tells who it is, for counting sessions and for logs.
func (id *identity) name() string {
	switch {
	case id.station != nil:
		return "station/" + string(id.station.ID)
	case id.person != nil:
		return "person/" + string(id.person.ID)
	}
	return "key/" + string(id.key)
}

// door is the actor who lets people in here: the station, or the SSH door itself. It may sign people in and nothing
// else that matters.
func (id *identity) door() mes.Actor {
	if id.station != nil {
		return stationActor(id.station, id.source, id.key)
	}
	return doorActor(id.source, id.key)
}

func stationActor(s *mes.Station, source string, key mes.ID) mes.Actor {
	return mes.Actor{
		Kind: mes.ByStation, ID: s.ID, Name: s.Name, Station: s.ID, Key: key, Source: source,
		Grants: []mes.Grant{{Role: mes.Kiosk, Site: s.Site, Line: s.Line}},
	}
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
