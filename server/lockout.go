package server

import (
	"sync"
	"time"

	"gemba/mes"
)

// A rule says after how many failures within how long something is locked, and for how long.
type rule struct {
	failures     int
	within, lock time.Duration
}

// What is guessed at is locked by badge and source together, by badge from everywhere, and by source for all badges.
const (
	pairWithin     = 30 * time.Minute
	badgeFailures  = 10
	badgeWithin    = 30 * time.Minute
	badgeLock      = 30 * time.Minute
	sourceFailures = 20
	sourceWithin   = 10 * time.Minute
	sourceLock     = 30 * time.Minute
)

// lockoutSize bounds the badges, sources and pairs of them that are remembered.
const lockoutSize = 20_000

// A lockout is the first barrier against guessing. The answer to a wrong secret takes 1, 2, 4, 8 seconds, and after a
// number of them nothing is checked for a while. It counts every attempt before its secret is checked, so that many at
// once are not free; it counts for badges that nobody has, so that they look like the others; and what it stops costs
// neither a hash nor a look into the store.
//
// It forgets when the node starts again and knows nothing of other nodes: what holds there too is in the store, see
// [mes.Locked].
type lockout struct {
	pair, badge, source rule
	now                 func() time.Time

	mu      sync.Mutex
	seen    map[lockoutKey]*lockoutEntry
	records map[mes.ID]lockoutKey // of people: what the store calls the same
}

// A lockoutKey is a badge from a source. One of the two is empty when it stands for all.
type lockoutKey struct{ badge, source string }

type lockoutEntry struct {
	count  int // failures and attempts that are being checked
	flying int // attempts that are being checked
	first  time.Time
	locked time.Time // until
	record mes.ID
}

func newLockout(failures int, lock time.Duration, now func() time.Time) *lockout {
	return &lockout{
		pair:   rule{failures, pairWithin, lock},
		badge:  rule{badgeFailures, badgeWithin, badgeLock},
		source: rule{sourceFailures, sourceWithin, sourceLock},
		now:    now, seen: map[lockoutKey]*lockoutEntry{}, records: map[mes.ID]lockoutKey{},
	}
}

// An attempt is one secret that is being checked.
type attempt struct {
	of     *lockout
	keys   []lockoutKey  // what it counts against
	locked bool          // whatever the secret is, the answer is no
	delay  time.Duration // before a no
}

// begin counts an attempt. At an enrolled place, a station or a key that has signed, only what happens there counts: what
// strangers do elsewhere keeps nobody out of it. Without a badge, for what is no person's, the source counts.
func (l *lockout) begin(badge, source string, enrolled bool) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	keys := []lockoutKey{{badge, source}, {badge, ""}, {"", source}}
	switch {
	case enrolled:
		keys = keys[:1]
	case badge == "":
		keys = keys[2:]
	}
	a := &attempt{of: l, delay: time.Second}
	for _, key := range keys {
		e := l.at(key, now)
		a.locked = a.locked || e != nil && now.Before(e.locked)
	}
	if !a.locked {
		a.keys = keys
		for _, key := range keys {
			l.count(key, now)
		}
	}
	if e := l.at(keys[0], now); e != nil {
		if a.locked {
			e.count++ // the wait grows all the same
		}
		a.delay = time.Second << min(max(e.count-1, 0), 3)
	}
	return a
}

// at gives what is remembered, if it still counts.
func (l *lockout) at(key lockoutKey, now time.Time) *lockoutEntry {
	e := l.seen[key]
	if e != nil && e.flying == 0 && l.forgotten(key, e, now) {
		l.drop(key)
		return nil
	}
	return e
}

func (l *lockout) count(key lockoutKey, now time.Time) {
	e := l.at(key, now)
	if e == nil {
		l.makeRoom(now)
		e = &lockoutEntry{first: now}
		l.seen[key] = e
	}
	e.count++
	e.flying++
	if r := l.ruleOf(key); e.count >= r.failures {
		e.locked = now.Add(r.lock)
	}
}

func (l *lockout) ruleOf(key lockoutKey) rule {
	switch {
	case key.source == "":
		return l.badge
	case key.badge == "":
		return l.source
	}
	return l.pair
}

func (l *lockout) forgotten(key lockoutKey, e *lockoutEntry, now time.Time) bool {
	if !e.locked.IsZero() {
		return !now.Before(e.locked)
	}
	return now.Sub(e.first) > l.ruleOf(key).within
}

func (l *lockout) drop(key lockoutKey) {
	if e := l.seen[key]; e != nil && e.record != "" {
		delete(l.records, e.record)
	}
	delete(l.seen, key)
}

// isOf ties what counts here to what the store keeps about a person, so that a lock that ends there ends here.
func (a *attempt) isOf(person mes.ID, source string) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	for _, key := range a.keys {
		e := a.of.seen[key]
		if e == nil || key.badge == "" {
			continue
		}
		if e.record = mes.PersonLockout(person); key.source != "" {
			e.record = mes.PairLockout(person, source)
		}
		a.of.records[e.record] = key
	}
}

// wrong ends an attempt whose secret was wrong.
func (a *attempt) wrong() { a.each(func(lockoutKey, *lockoutEntry) {}) }

// right ends an attempt with a right secret, and forgets the failures before it.
func (a *attempt) right() {
	a.each(func(key lockoutKey, e *lockoutEntry) {
		a.takeBack(key, e)
		switch {
		case key.badge == "": // a right secret does not forgive what the source did to others
		case e.flying == 0:
			a.of.drop(key)
		default:
			e.count, e.locked = e.flying, time.Time{}
		}
	})
}

// undone takes an attempt back whose secret could not be checked, or was not all that is asked for.
func (a *attempt) undone() { a.each(a.takeBack) }

func (a *attempt) takeBack(key lockoutKey, e *lockoutEntry) {
	if e.count--; e.count < a.of.ruleOf(key).failures {
		e.locked = time.Time{}
	}
}

func (a *attempt) each(do func(lockoutKey, *lockoutEntry)) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	for _, key := range a.keys {
		if e := a.of.seen[key]; e != nil {
			e.flying--
			do(key, e)
		}
	}
	a.keys = nil
}

// held lists the records that something is remembered of.
func (l *lockout) held() []mes.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]mes.ID, 0, len(l.records))
	for id := range l.records {
		ids = append(ids, id)
	}
	return ids
}

// holds tells whether something is remembered of a record.
func (l *lockout) holds(record mes.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, held := l.records[record]
	return held
}

// forget drops what is remembered of a record that was cleared in the store, unless an attempt is under way.
func (l *lockout) forget(record mes.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, held := l.records[record]
	if held && l.seen[key].flying == 0 {
		l.drop(key)
	}
}

// makeRoom keeps the memory bounded: first what has passed goes, then whatever comes to hand that is not locked, then
// whatever comes to hand. A quarter goes at once, so that a flood does not make every attempt look at all of it.
func (l *lockout) makeRoom(now time.Time) {
	if len(l.seen) < lockoutSize {
		return
	}
	for key, e := range l.seen {
		if e.flying == 0 && l.forgotten(key, e, now) {
			l.drop(key)
		}
	}
	for _, lockedToo := range []bool{false, true} {
		for key, e := range l.seen {
			if len(l.seen) <= lockoutSize*3/4 {
				return
			}
			if e.flying == 0 && (lockedToo || e.locked.IsZero()) {
				l.drop(key)
			}
		}
	}
}
