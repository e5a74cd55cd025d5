package mes

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A siege is two floors with one clock: everything happens on the first, and on the second only what happens at
// stations. What strangers do must not make a difference at a station.
type siege struct {
	*rapid.T
	real, calm *floor
	tried      []try
	people     []Actor
}

// A try is a secret that was looked at and was wrong, or, when right, ends a row of wrong ones.
type try struct {
	at              time.Time
	person          ID
	pair, source    string
	station, right  bool
	cleared, anyone bool // cleared: a supervisor unlocked the person; anyone: nobody's badge
}

func newSiege(t *rapid.T, tb testing.TB) *siege {
	s := &siege{T: t, real: newFloor(tb), calm: newFloor(tb)}
	for _, f := range []*floor{s.real, s.calm} {
		for _, code := range []ID{"K1", "K2"} {
			f.do(f.setup, &EnrolStation{Code: code, Name: "Kiosk", Line: "L1"})
		}
	}
	s.people = []Actor{s.real.ann, s.real.bob, s.real.lead}
	return s
}

func doorAt(source string, station ID) Actor {
	if station != "" {
		return Actor{Kind: ByStation, ID: station, Station: station, Source: source, Grants: []Grant{{Role: Kiosk}}}
	}
	return Actor{Kind: BySystem, ID: "door", Source: source, Grants: []Grant{{Role: Kiosk}}}
}

// locked asks whether a secret may be looked at.
func (s *siege) locked(f *floor, door Actor, person ID, kind string) (time.Time, bool) {
	until, locked, err := LockedAt(f.t.Context(), f.store, Fresh, f.now, door, person, kind)
	if err != nil {
		s.Fatal(err)
	}
	if locked != until.After(f.now) {
		s.Fatalf("locked until %s at %s: %v", until, f.now, locked)
	}
	return until, locked
}

// attempt is one secret at a door. It tells whether it was looked at.
func (s *siege) attempt(door Actor, person ID, kind string, right bool) (time.Time, bool) {
	until, locked := s.locked(s.real, door, person, kind)
	if door.Station != "" {
		if _, calm := s.locked(s.calm, door, person, kind); calm != locked {
			s.Fatalf("%s at station %s is locked: %v; without what strangers did: %v", person, door.Station, locked, calm)
		}
	}
	if locked {
		if right && person != "" { // a door that did not know is told here
			if _, err := s.real.app.Do(s.real.t.Context(), door, "", &SignInPerson{Person: person, Method: methodOf(kind)}); ErrorCode(err) != Unauthenticated {
				s.Fatalf("let in while locked: %v", err)
			}
		}
		return until, false
	}
	pair, source := Sources(door, kind)
	s.tried = append(s.tried, try{at: s.real.now, person: person, pair: pair, source: source, station: door.Station != "", right: right, anyone: person == ""})
	floors := []*floor{s.real}
	if door.Station != "" {
		floors = append(floors, s.calm)
	}
	for _, f := range floors {
		if right {
			f.do(door, &SignInPerson{Person: person, Method: methodOf(kind)})
		} else {
			f.do(door, &FailSignIn{Person: person, Kind: kind, Reason: "wrong"})
		}
	}
	return until, true
}

func methodOf(kind string) string {
	if kind == PIN {
		return ByBadgePIN
	}
	return ByPassword
}

func (s *siege) wait(d time.Duration) {
	s.real.now = s.real.now.Add(d)
	s.calm.now = s.real.now
}

func (s *siege) unlock(person ID) {
	for _, f := range []*floor{s.real, s.calm} {
		f.do(f.lead, &UnlockPerson{Person: person, Reason: "asked"})
	}
	s.tried = append(s.tried, try{at: s.real.now, person: person, cleared: true})
	if _, locked := s.locked(s.real, doorAt("203.0.113.250", ""), person, Password); locked {
		s.Fatalf("%s is locked after being unlocked", person)
	}
}

// check counts what was looked at against the budget, by nothing but the list of tries.
func (s *siege) check() {
	type row struct {
		times []time.Time // wrong ones since the last right one
	}
	pairs, persons, sources := map[string]*row{}, map[ID]*row{}, map[string]*row{}
	for _, t := range s.tried {
		switch {
		case t.cleared:
			delete(persons, t.person)
			for key := range pairs {
				if len(key) > len(t.person) && key[:len(t.person)] == string(t.person) {
					delete(pairs, key)
				}
			}
			continue
		case t.right:
			delete(pairs, string(t.person)+" "+t.pair)
			if !t.station {
				delete(persons, t.person)
			}
			continue
		}
		count := func(r *row, most int, within time.Duration, what string) *row {
			if r == nil {
				r = &row{}
			}
			r.times = append(r.times, t.at)
			n := 0
			for _, at := range r.times {
				if t.at.Sub(at) < within {
					n++
				}
			}
			if n > most {
				s.Fatalf("%d secrets of %s were looked at within %s", n, what, within)
			}
			if len(r.times) > 100 && what != t.source {
				s.Fatalf("%d wrong secrets of %s in a row", len(r.times), what)
			}
			return r
		}
		sources[t.source] = count(sources[t.source], 20, 10*time.Minute, t.source)
		if t.anyone {
			continue
		}
		pair := string(t.person) + " " + t.pair
		pairs[pair] = count(pairs[pair], 5, 15*time.Minute, pair)
		if !t.station {
			persons[t.person] = count(persons[t.person], 10, 30*time.Minute, string(t.person))
		}
	}
}

// TestLockout_budget: whatever is tried in whatever order, no more secrets are looked at than the budget allows, and
// what happens elsewhere makes no difference at an enrolled station.
func TestLockout_budget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSiege(rt, t)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			person := rapid.SampledFrom(s.people).Draw(rt, "person").ID
			source := fmt.Sprintf("198.51.100.%d", rapid.IntRange(1, 3).Draw(rt, "source"))
			if rapid.IntRange(0, 3).Draw(rt, "spread") == 0 {
				source = fmt.Sprintf("2001:db8:%x::1", rapid.IntRange(1, 500).Draw(rt, "network"))
			}
			station := rapid.SampledFrom([]ID{"", "", "K1", "K2"}).Draw(rt, "station")
			kind := Password
			if station != "" {
				kind = rapid.SampledFrom([]string{PIN, Password}).Draw(rt, "kind")
			}
			door := doorAt(source, station)
			switch rapid.IntRange(0, 9).Draw(rt, "do") {
			case 0:
				s.attempt(door, person, kind, true)
			case 1:
				s.attempt(door, "", kind, false)
			case 2:
				s.wait(time.Duration(rapid.IntRange(1, 45*60).Draw(rt, "seconds")) * time.Second)
			case 3:
				if rapid.IntRange(0, 5).Draw(rt, "really") == 0 {
					s.unlock(person)
				}
			case 4: // as fast as it goes, and again as soon as it is open
				for range rapid.IntRange(5, 130).Draw(rt, "siege") {
					if until, looked := s.attempt(door, person, kind, false); !looked && until.Sub(s.real.now) < time.Hour {
						s.wait(until.Sub(s.real.now))
					}
				}
			default:
				for range rapid.IntRange(1, 7).Draw(rt, "times") {
					s.attempt(door, person, kind, false)
					s.wait(time.Duration(rapid.IntRange(0, 90).Draw(rt, "pause")) * time.Second)
				}
			}
		}
		s.check()
	})
}

func TestLockout_levels(t *testing.T) {
	f := newFloor(t)
	f.do(f.setup, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	fails := func(door Actor, person ID, kind string, n int) (until int64) {
		t.Helper()
		for range n {
			until = int64(f.do(door, &FailSignIn{Person: person, Kind: kind, Reason: "wrong"})["until"].(float64))
		}
		return until
	}
	locked := func(door Actor, person ID, kind string) time.Duration {
		t.Helper()
		until, _, err := LockedAt(t.Context(), f.store, Fresh, f.now, door, person, kind)
		if err != nil {
			t.Fatal(err)
		}
		if until.IsZero() {
			return 0
		}
		return until.Sub(f.now)
	}
	desk, other, kiosk := doorAt("192.0.2.1", ""), doorAt("192.0.2.2", ""), doorAt("192.0.2.3", "K1")

	if until := fails(desk, f.ann.ID, Password, 4); until != 0 || locked(desk, f.ann.ID, Password) != 0 {
		t.Errorf("locked after 4, until %d", until)
	}
	if until := fails(desk, f.ann.ID, Password, 1); until != f.now.Add(15*time.Minute).UnixMilli() || locked(desk, f.ann.ID, Password) != 15*time.Minute {
		t.Errorf("the fifth locks until %d", until)
	}
	if locked(other, f.ann.ID, Password) != 0 || locked(desk, f.bob.ID, Password) != 0 {
		t.Error("a pair locks others")
	}
	fails(other, f.ann.ID, Password, 5)
	if locked(doorAt("192.0.2.77", ""), f.ann.ID, Password) != 30*time.Minute || locked(kiosk, f.ann.ID, Password) != 0 || locked(kiosk, f.ann.ID, PIN) != 0 {
		t.Error("ten from everywhere lock everywhere but at stations")
	}
	fails(kiosk, f.ann.ID, PIN, 5)
	if locked(kiosk, f.ann.ID, PIN) != 15*time.Minute || locked(kiosk, f.ann.ID, Password) != 0 {
		t.Error("a locked PIN leaves the password")
	}
	f.refused(Unauthenticated, "sign-in refused", kiosk, &SignInPerson{Person: "ann", Method: ByBadgePIN})
	f.do(kiosk, &SignInPerson{Person: "ann", Method: "badge and " + ByPassword})
	f.do(desk, &SignInPerson{Person: "ann", Method: ByOwnKey}) // which cannot be guessed
	if locked(desk, f.ann.ID, Password) == 0 {
		t.Error("a key opened the lock of a password")
	}
	fails(desk, "", Password, 15)
	if locked(desk, f.bob.ID, Password) != 30*time.Minute || locked(other, f.bob.ID, Password) != 0 {
		t.Error("twenty from one source block it")
	}

	f.now = f.now.Add(31 * time.Minute)
	if locked(desk, f.ann.ID, Password) != 0 || locked(kiosk, f.ann.ID, PIN) != 0 {
		t.Error("a lock does not end")
	}
	f.do(f.lead, &UnlockPerson{Person: "ann", Reason: "called"})
	for i := range 100 {
		if locked(desk, f.ann.ID, Password) != 0 {
			t.Fatalf("locked after %d failures in a row, one in 4 minutes", i)
		}
		fails(doorAt(fmt.Sprintf("192.0.2.%d", i), ""), f.ann.ID, Password, 1)
		f.now = f.now.Add(4 * time.Minute)
	}
	if far := locked(desk, f.ann.ID, Password); far < 1000*24*time.Hour || locked(kiosk, f.ann.ID, PIN) != 0 {
		t.Errorf("a hundred in a row lock for %s", far)
	}
	f.do(f.lead, &UnlockPerson{Person: "ann", Reason: "called"})
	for range 10 { // what is done at a station is counted there
		fails(kiosk, f.ann.ID, Password, 1)
		f.now = f.now.Add(time.Minute)
	}
	if locked(desk, f.ann.ID, Password) != 0 || locked(kiosk, f.ann.ID, Password) == 0 {
		t.Error("failures at a station are not counted there")
	}
	f.do(f.lead, &UnlockPerson{Person: "ann", Reason: "called"})
	if locked(desk, f.ann.ID, Password) != 0 {
		t.Error("unlocking does not unlock")
	}
	fails(other, f.ann.ID, Password, 5)
	f.do(f.admin, &ResetSecret{Person: "ann", Kind: Password, Hash: "h", Reason: "forgotten"})
	if locked(other, f.ann.ID, Password) != 0 {
		t.Error("a reset does not unlock")
	}
	f.refused(NotFound, "no person nobody here", desk, &FailSignIn{Person: "nobody", Kind: Password, Reason: "wrong"})
	f.refused(Invalid, "reason is missing", desk, &FailSignIn{Kind: Password})
}

// One failure more while it is locked does not make the lock longer: nobody can keep somebody out by going on.
func TestLockout_isNotProlonged(t *testing.T) {
	l := &Lockout{Person: "p"}
	for i := range 30 {
		l.fail(pairRule, monday.Add(time.Duration(i)*time.Second))
	}
	if want := monday.Add(4*time.Second + 15*time.Minute); !l.Until.Equal(want) {
		t.Errorf("until %s, want %s", l.Until, want)
	}
}

func TestSources(t *testing.T) {
	for _, test := range []struct {
		source       string
		station      ID
		kind         string
		pair, counts string
	}{
		{"192.0.2.1", "", Password, "192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "", Password, "192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "", TOTP, "2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "", Password, "fe80::/64", "fe80::/64"},
		{"pipe\x1b[2J", "", Password, "pipe·[2J", "pipe·[2J"},
		{"192.0.2.1", "K1", PIN, "station/K1/pin", "station/K1"},
		{"192.0.2.1", "K1", Password, "station/K1/password", "station/K1"},
		{"192.0.2.1", "K1", TOTP, "station/K1/password", "station/K1"},
	} {
		if pair, source := Sources(doorAt(test.source, test.station), test.kind); pair != test.pair || source != test.counts {
			t.Errorf("%+v: %s, %s", test, pair, source)
		}
	}
}
