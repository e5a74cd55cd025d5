package server

import (
	"sync"
	"time"
)

// forgetFailures is how long a wrong secret counts.
const forgetFailures = 30 * time.Minute

// lockoutSize bounds the pairs of badge and source that are remembered.
const lockoutSize = 20_000

// A lockout slows down and then stops guessing: the answer to a wrong secret takes 1, 2, 4, 8 seconds, and after a
// number of them the badge is locked for a while, from that source only. So a guesser cannot lock a person out
// of their own station. It counts every attempt before its secret is checked, so that many at once are not free.
type lockout struct {
	failures int           // until the lock
	lock     time.Duration // how long
	now      func() time.Time

	mu   sync.Mutex
	seen map[lockoutKey]*lockoutEntry
}

type lockoutKey struct{ badge, source string }

type lockoutEntry struct {
	count  int
	last   time.Time
	locked time.Time // until
}

func newLockout(failures int, lock time.Duration, now func() time.Time) *lockout {
	return &lockout{failures: failures, lock: lock, now: now, seen: map[lockoutKey]*lockoutEntry{}}
}

// An attempt is one secret that is being checked.
type attempt struct {
	of     *lockout
	key    lockoutKey
	locked bool          // whatever the secret is, the answer is no
	delay  time.Duration // before a no
}

// begin counts an attempt.
func (l *lockout) begin(badge, source string) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	key := lockoutKey{badge, source}
	e := l.seen[key]
	if e == nil || e.forgotten(now) {
		l.makeRoom(now)
		e = &lockoutEntry{}
		l.seen[key] = e
	}
	a := &attempt{of: l, key: key, locked: now.Before(e.locked)}
	if !a.locked {
		e.count++
		if e.count >= l.failures {
			e.locked = now.Add(l.lock)
		}
	}
	e.last = now
	a.delay = time.Second << min(max(e.count-1, 0), 3)
	return a
}

// right forgets the failures before a right secret.
func (a *attempt) right() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	delete(a.of.seen, a.key)
}

// undone takes an attempt back whose secret could not be checked.
func (a *attempt) undone() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if e := a.of.seen[a.key]; e != nil && !a.locked && e.count > 0 {
		if e.count--; e.count < a.of.failures {
			e.locked = time.Time{}
		}
	}
}

func (e *lockoutEntry) forgotten(now time.Time) bool {
	return now.After(e.locked) && (!e.locked.IsZero() || now.Sub(e.last) > forgetFailures)
}

// makeRoom keeps the memory bounded: first what has passed goes, then whatever comes to hand that is not locked.
func (l *lockout) makeRoom(now time.Time) {
	if len(l.seen) < lockoutSize {
		return
	}
	for key, e := range l.seen {
		if e.forgotten(now) {
			delete(l.seen, key)
		}
	}
	for key, e := range l.seen {
		if len(l.seen) < lockoutSize {
			return
		}
		if e.locked.IsZero() {
			delete(l.seen, key)
		}
	}
	for key := range l.seen {
		if len(l.seen) < lockoutSize {
			return
		}
		delete(l.seen, key)
	}
}
