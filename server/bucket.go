package server

import (
	"sync"
	"time"
)

// bucketsSize bounds the names that are remembered. When there are too many, a quarter goes at once, so that a flood of
// new names does not search all of them each time.
const (
	bucketsSize = 20_000
	bucketsKept = bucketsSize * 3 / 4
)

// buckets let each name (a key, a source address) through so many times a second, and a burst at once.
type buckets struct {
	rate  float64 // a second
	burst float64
	now   func() time.Time

	mu   sync.Mutex
	left map[string]*bucket
}

type bucket struct {
	tokens  float64
	at      time.Time
	refused int // since the last one that was let through
}

func newBuckets(rate, burst float64, now func() time.Time) *buckets {
	return &buckets{rate: rate, burst: burst, now: now, left: map[string]*bucket{}}
}

// take lets one through if it may, and tells how many were refused before it.
func (b *buckets) take(name string) (ok bool, refused int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.fill(name)
	if at.tokens < 1 {
		at.refused++
		return false, 0
	}
	at.tokens--
	refused, at.refused = at.refused, 0
	return true, refused
}

// empty tells whether take would refuse, without taking.
func (b *buckets) empty(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fill(name).tokens < 1
}

func (b *buckets) fill(name string) *bucket {
	now := b.now()
	at := b.left[name]
	if at == nil {
		b.makeRoom(now)
		at = &bucket{tokens: b.burst, at: now}
		b.left[name] = at
		return at
	}
	at.tokens = min(b.burst, at.tokens+b.rate*now.Sub(at.at).Seconds())
	at.at = now
	return at
}

// makeRoom forgets the names whose bucket is full again, and then whatever comes to hand.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.left) < bucketsSize {
		return
	}
	for name, at := range b.left {
		if at.tokens+b.rate*now.Sub(at.at).Seconds() >= b.burst {
			delete(b.left, name)
		}
	}
	for name := range b.left {
		if len(b.left) <= bucketsKept {
			return
		}
		delete(b.left, name)
	}
}
