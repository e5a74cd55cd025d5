package mes

import (
	"context"
	"net/netip"
	"time"
)

// Guessing is stopped on three levels, so that nobody can guess a secret and nobody can lock somebody else out:
//
//	pair     a person from one source: 5 failures within 30 min lock it for 15 min
//	person   from everywhere but enrolled stations: 10 within 30 min lock for 30 min
//	source   whoever is guessed at: 20 within 10 min block it for 30 min
//
// and 100 failures in a row lock a pair or a person until a supervisor unlocks them. An enrolled station has proven by
// its key that it is one; what strangers do elsewhere never counts there, and what is done there is counted there.
type lockRule struct {
	failures int
	within   time.Duration
	lock     time.Duration
}

var (
	pairRule   = lockRule{5, 30 * time.Minute, 15 * time.Minute}
	personRule = lockRule{10, 30 * time.Minute, 30 * time.Minute}
	sourceRule = lockRule{20, 10 * time.Minute, 30 * time.Minute}
)

// hardStop is how many failures in a row no lock of some minutes is enough for.
const hardStop = 100

// UntilUnlocked is the end of a lock that only a supervisor ends.
var UntilUnlocked = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// A Lockout counts wrong secrets of a person from a source, of a person from everywhere, or from a source.
type Lockout struct {
	ID       ID        `json:"id"`
	Person   ID        `json:"person"`   // "" when it is of a source alone
	Source   string    `json:"source"`   // "" when it is from everywhere
	Failures int       `json:"failures"` // that count towards the next lock
	Recent   []int64   `json:"recent"`   // when they were, Unix milliseconds
	First    time.Time `json:"first"`    // of those that count
	Last     time.Time `json:"last"`
	Until    time.Time `json:"until"`  // locked until then
	Streak   int       `json:"streak"` // failures since the last right secret or unlock
	Version  int64     `json:"version"`
}

// PairLockout is the id of the lockout of a person from a source.
func PairLockout(person ID, source string) ID { return "pair/" + person + "/" + ID(source) }

// PersonLockout is the id of the lockout of a person from everywhere.
func PersonLockout(person ID) ID { return "person/" + person }

// SourceLockout is the id of the lockout of a source.
func SourceLockout(source string) ID { return ID("source/" + source) }

// Sources tells what failures at a door are counted under: pair for [PairLockout], source for [SourceLockout]. At an
// enrolled station it is the station, and its PINs are counted apart from its passwords, so that a locked PIN leaves
// the password. Elsewhere it is the network address; of IPv6 the network of 64 bits, of which anybody has all
// addresses.
func Sources(door Actor, kind string) (pair, source string) {
	if door.Station != "" {
		source = "station/" + string(door.Station)
		if kind == PIN {
			return source + "/" + PIN, source
		}
		return source + "/" + Password, source
	}
	source = plain(door.Source, 80)
	if addr, err := netip.ParseAddr(door.Source); err == nil {
		addr = addr.Unmap().WithZone("")
		source = addr.String()
		if addr.Is6() {
			source = netip.PrefixFrom(addr, 64).Masked().String()
		}
	}
	return source, source
}

// fail counts a failure. One more while it is locked does not make the lock longer.
func (l *Lockout) fail(rule lockRule, now time.Time) {
	l.Streak++
	l.Last = now
	switch {
	case l.Person != "" && l.Streak >= hardStop:
		l.Until = UntilUnlocked
		l.count(nil)
		return
	case now.Before(l.Until):
		return
	}
	var recent []int64
	for _, at := range l.Recent {
		if age := now.Sub(time.UnixMilli(at)); age < rule.within {
			recent = append(recent, at)
		}
	}
	l.count(append(recent, now.UnixMilli()))
	if l.Failures >= rule.failures {
		l.Until = now.Add(rule.lock)
		l.count(nil)
	}
}

func (l *Lockout) count(recent []int64) {
	l.Recent, l.Failures, l.First = recent, len(recent), time.Time{}
	if len(recent) > 0 {
		l.First = time.UnixMilli(recent[0]).UTC()
	}
}

// clear forgets all failures.
func (l *Lockout) clear() {
	l.count(nil)
	l.Until, l.Streak = time.Time{}, 0
}

// clean tells whether there is nothing to clear.
func (l *Lockout) clean() bool { return l.Streak == 0 && l.Until.IsZero() && l.Failures == 0 }

// Locked tells whether a secret may not even be looked at, and until when: by the lockouts of the person from this
// source, of the person from everywhere, and of the source; nil where there is none. The lock of a person from
// everywhere does not hold at an enrolled station.
func Locked(now time.Time, enrolled bool, pair, person, source *Lockout) (until time.Time, locked bool) {
	if enrolled {
		person = nil
	}
	for _, l := range []*Lockout{pair, person, source} {
		if l != nil && now.Before(l.Until) && l.Until.After(until) {
			until = l.Until
		}
	}
	return until, !until.IsZero()
}

// LockedAt reads the lockouts that hold for a person at a door and tells what [Locked] does. A person who is not known
// is "".
func LockedAt(ctx context.Context, r Records, level Freshness, now time.Time, door Actor, person ID, kind string) (until time.Time, locked bool, err error) {
	pairSource, source := Sources(door, kind)
	ids := []ID{SourceLockout(source)}
	if person != "" {
		ids = append(ids, PairLockout(person, pairSource), PersonLockout(person))
	}
	found := make([]*Lockout, 3)
	for i, id := range ids {
		if found[i], err = r.Lockout(ctx, level, id); err != nil && ErrorCode(err) != NotFound {
			return until, false, err
		}
	}
	until, locked = Locked(now, door.Station != "", found[1], found[2], found[0])
	return until, locked, nil
}

// lockout gives a lockout, a new one if there is none.
func (d *Decision) lockout(id, person ID, source string) (*Lockout, error) {
	l, err := load(d, KindLockout, id, d.store.Lockout)
	if ErrorCode(err) == NotFound {
		d.create(KindLockout, id)
		return &Lockout{ID: id, Person: person, Source: source}, nil
	}
	return l, err
}

// clearLockouts forgets the failures of a person, wherever they were.
func (d *Decision) clearLockouts(person ID) error {
	all, err := d.store.LockoutsOf(d.ctx, d.level, person)
	if err != nil {
		return err
	}
	for i := range all {
		l, err := d.lockout(all[i].ID, person, all[i].Source)
		if err != nil {
			return err
		}
		if !l.clean() {
			l.clear()
			d.Save(l)
		}
	}
	return nil
}

// FailSignIn counts a wrong secret. Who tried what is in the ledger; the secret is not.
type FailSignIn struct {
	Person ID     `json:"person,omitempty" doc:"whose badge it was; left out when it is nobody's"`
	Kind   string `json:"kind" enum:"password,pin,totp,code" doc:"which proof was wrong"`
	Reason string `json:"reason" doc:"what was wrong" maxLength:"120"`
}

func (c *FailSignIn) decide(d *Decision) error {
	if err := firstError(checkCode("kind", ID(c.Kind)), needText("reason", c.Reason, 120)); err != nil {
		return err
	}
	pairSource, source := Sources(d.Actor, c.Kind)
	type counted struct {
		id, person ID
		source     string
		rule       lockRule
	}
	levels := []counted{{SourceLockout(source), "", source, sourceRule}}
	d.subject = "person/unknown"
	if c.Person != "" {
		p, err := d.Person(c.Person)
		if err != nil {
			return err
		}
		d.about("person", p.ID, Place{})
		levels = append(levels, counted{PairLockout(p.ID, pairSource), p.ID, pairSource, pairRule})
		if d.Actor.Station == "" {
			levels = append(levels, counted{PersonLockout(p.ID), p.ID, "", personRule})
		}
	}
	var until time.Time
	for _, of := range levels {
		l, err := d.lockout(of.id, of.person, of.source)
		if err != nil {
			return err
		}
		l.fail(of.rule, d.Now)
		d.Save(l)
		if l.Until.After(d.Now) && l.Until.After(until) {
			until = l.Until
		}
	}
	if until.IsZero() {
		d.Give("until", 0)
	} else {
		d.Give("until", until.UnixMilli())
	}
	return nil
}
