package server

import (
	"sync"
	"time"
)

// How long a stranger is left in peace when others want the place. A client that agrees on keys needs some milliseconds
// between two messages and is through in a fraction of a second; one that was opened to hold a place says nothing more.
const (
	strangerPatience = 500 * time.Millisecond // without a byte from either side
	strangerHurry    = 3 * time.Second        // in all
)

// typingPlaces is how many times as many may type a password as may agree on keys: they have spent work, and people are
// slow. When even these places are taken, nobody is left in peace: whoever signs in with a key is through at once, and
// whoever guesses waits for an answer.
const typingPlaces = 4

// strangers bound the connections that have not proven who they are: in total, and of one source. Whoever comes when all
// places are taken gets the place of the stranger who has been silent for longest, at the source that has most, so that a
// thousand connections that say nothing keep nobody out. The newest waits the least: under a flood, those who wait in
// order all wait too long.
type strangers struct {
	total, each int
	waiting     int // at most

	mu      sync.Mutex
	opening stage // until keys are agreed
	typing  stage // until somebody is known
	line    []*stranger
}

// A stage is who is at one step of the way in.
type stage struct {
	in map[*stranger]struct{}
	of map[string]int
}

// A stranger is a connection whose client has not proven who it is.
type stranger struct {
	all    *strangers
	source string
	since  time.Time
	heard  func() time.Time // of the last byte
	evict  func()           // closes the connection, and does nothing else

	at    *stage        // nil when it has no place
	ready chan struct{} // closed when a waiting one has a place, or has lost its place in the line
}

func newStrangers(total, each, waiting int) *strangers {
	return &strangers{
		total: total, each: each, waiting: waiting,
		opening: stage{map[*stranger]struct{}{}, map[string]int{}}, typing: stage{map[*stranger]struct{}{}, map[string]int{}},
	}
}

// enter gives a new connection a place, waiting at most so long. Heard tells when its last byte came; evict closes it
// when somebody else gets its place. The place is given back by leave.
func (s *strangers) enter(source string, heard func() time.Time, evict func(), patience time.Duration) (*stranger, bool) {
	one := &stranger{all: s, source: source, since: time.Now(), heard: heard, evict: evict, ready: make(chan struct{})}
	s.mu.Lock()
	if s.place(one, &s.opening, 1) {
		s.mu.Unlock()
		return one, true
	}
	if len(s.line) >= s.waiting && len(s.line) > 0 {
		close(s.line[0].ready)
		s.line = s.line[1:]
	}
	s.line = append(s.line, one)
	s.mu.Unlock()

	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	again := time.NewTicker(strangerPatience / 5)
	defer again.Stop()
	for {
		select {
		case <-one.ready:
		case <-again.C: // by now somebody may have been silent for long enough
			s.mu.Lock()
			if n := len(s.line); n > 0 && s.line[n-1] == one {
				s.serveLine()
			}
			s.mu.Unlock()
			continue
		case <-timeout.C:
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unqueue(one)
		return one, one.at != nil
	}
}

// agreed moves a stranger on: keys are agreed, and a person may need time to type.
func (one *stranger) agreed() {
	s := one.all
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.at != &s.opening {
		return
	}
	s.remove(one)
	s.place(one, &s.typing, typingPlaces)
	s.serveLine()
}

// leave gives the place back, if there still is one.
func (one *stranger) leave() {
	s := one.all
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.at != nil {
		s.remove(one)
		s.serveLine()
	}
}

// place takes a place at a stage, from somebody else if need be.
func (s *strangers) place(one *stranger, at *stage, times int) bool {
	switch {
	case at.of[one.source] >= s.each*times:
		if !s.makeRoom(at, one.source) {
			return false
		}
	case len(at.in) >= s.total*times:
		if !s.makeRoom(at, "") {
			return false
		}
	}
	at.in[one] = struct{}{}
	at.of[one.source]++
	one.at = at
	return true
}

// makeRoom takes somebody's place, of one source or of any: of those who have had their time, one of the source that has
// most, and there the one who has been silent for longest.
func (s *strangers) makeRoom(at *stage, source string) bool {
	now := time.Now()
	var out *stranger
	var since time.Time
	for one := range at.in {
		if source != "" && one.source != source {
			continue
		}
		heard := one.heard()
		if at != &s.typing && now.Sub(heard) < strangerPatience && now.Sub(one.since) < strangerHurry {
			continue
		}
		if out == nil || at.of[one.source] > at.of[out.source] || at.of[one.source] == at.of[out.source] && heard.Before(since) {
			out, since = one, heard
		}
	}
	if out == nil {
		return false
	}
	s.remove(out)
	out.evict()
	return true
}

// serveLine gives free places to those who wait, the newest first.
func (s *strangers) serveLine() {
	for i := len(s.line) - 1; i >= 0; i-- {
		if s.place(s.line[i], &s.opening, 1) {
			close(s.line[i].ready)
			s.line = append(s.line[:i], s.line[i+1:]...)
		}
	}
}

func (s *strangers) unqueue(one *stranger) {
	for i := range s.line {
		if s.line[i] == one {
			s.line = append(s.line[:i], s.line[i+1:]...)
			return
		}
	}
}

func (s *strangers) remove(one *stranger) {
	delete(one.at.in, one)
	if one.at.of[one.source]--; one.at.of[one.source] == 0 {
		delete(one.at.of, one.source)
	}
	one.at = nil
}

// count tells how many have a place.
func (s *strangers) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opening.in) + len(s.typing.in)
}
