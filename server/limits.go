package server

import (
	"cmp"
	"time"
)

// Limits bound what clients can make the server do. A zero field means the default beside it.
type Limits struct {
	// SSH, before anybody is known.
	Handshake       time.Duration // 10 s: from the connection to agreed keys
	Login           time.Duration // 60 s: from the connection to a proven identity; a person has to type
	Strangers       int           // 60: connections that have not proven who they are
	StrangersFrom   int           // 5: of one source address
	StrangersWait   int           // 200: connections that wait for one of these places
	AuthTries       int           // 3: failed proofs on one connection
	Failures        int           // 5: wrong secrets for one badge from one source until the lock
	Lock            time.Duration // 15 min: how long that lock lasts
	RecordedRefused int           // 30: refusals of one source that are recorded one by one, refilled one in 10 s

	// SSH, afterwards.
	Sessions    int           // 1,000: in total
	SessionsOf  int           // 4: of one person or station
	OpenSession time.Duration // 10 s: from the proof to the session
	Silence     time.Duration // 60 s: without a sign of life, answers to ours included
	WriteStall  time.Duration // 10 s: that a client may leave written bytes untaken
	PersonStay  time.Duration // 12 h: longest connection of a person
	StationStay time.Duration // 7 days: longest connection of a station
	Paste       int           // 4,096 bytes pasted at once, and any one escape sequence
	InputRate   int           // 32,768 bytes a second typed, scanned and pasted, twice that at once
	FPS         int           // 60: frames a second

	// HTTPS.
	Connections     int // 1,000
	ConnectionsFrom int // 50: of one source address
	HeaderBytes     int // 8 kB
	BodyBytes       int // 256 kB
	IngestBytes     int // 8 MiB
	KeyRate         int // 1,000 requests a second of one key, twice that at once
	Streams         int // 200: open streams
	StreamsOf       int // 8: of one key
	BadKeys         int // 5: wrong keys a minute from one source until they are turned away unread

	// Both.
	Goodbye time.Duration // 5 s: for screens and requests to end at shutdown
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Handshake:       cmp.Or(l.Handshake, 10*time.Second),
		Login:           cmp.Or(l.Login, time.Minute),
		Strangers:       cmp.Or(l.Strangers, 60),
		StrangersFrom:   cmp.Or(l.StrangersFrom, 5),
		StrangersWait:   cmp.Or(l.StrangersWait, 200),
		AuthTries:       cmp.Or(l.AuthTries, 3),
		Failures:        cmp.Or(l.Failures, 5),
		Lock:            cmp.Or(l.Lock, 15*time.Minute),
		RecordedRefused: cmp.Or(l.RecordedRefused, 30),
		Sessions:        cmp.Or(l.Sessions, 1000),
		SessionsOf:      cmp.Or(l.SessionsOf, 4),
		OpenSession:     cmp.Or(l.OpenSession, 10*time.Second),
		Silence:         cmp.Or(l.Silence, time.Minute),
		WriteStall:      cmp.Or(l.WriteStall, 10*time.Second),
		PersonStay:      cmp.Or(l.PersonStay, 12*time.Hour),
		StationStay:     cmp.Or(l.StationStay, 7*24*time.Hour),
		Paste:           cmp.Or(l.Paste, 4096),
		InputRate:       cmp.Or(l.InputRate, 32<<10),
		FPS:             cmp.Or(l.FPS, 60),
		Connections:     cmp.Or(l.Connections, 1000),
		ConnectionsFrom: cmp.Or(l.ConnectionsFrom, 50),
		HeaderBytes:     cmp.Or(l.HeaderBytes, 8<<10),
		BodyBytes:       cmp.Or(l.BodyBytes, 256<<10),
		IngestBytes:     cmp.Or(l.IngestBytes, 8<<20),
		KeyRate:         cmp.Or(l.KeyRate, 1000),
		Streams:         cmp.Or(l.Streams, 200),
		StreamsOf:       cmp.Or(l.StreamsOf, 8),
		BadKeys:         cmp.Or(l.BadKeys, 5),
		Goodbye:         cmp.Or(l.Goodbye, 5*time.Second),
	}
}

// Window sizes that are accepted; others are clamped. A screen costs memory by the cell, and the client says its size.
// However small a window is, the screens have to know: drawn for a larger one, they would lose their first lines.
const (
	minRows, maxRows       = 1, 200
	minColumns, maxColumns = 1, 400
)

// clampWindow brings a size that a client stated into bounds. Zero means not said: a classic terminal.
func clampWindow(columns, rows int) (int, int) {
	if columns == 0 {
		columns = 80
	}
	if rows == 0 {
		rows = 24
	}
	return min(max(columns, minColumns), maxColumns), min(max(rows, minRows), maxRows)
}
