package server

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestLockout(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLockout(5, 15*time.Minute, func() time.Time { return now })
	want := []time.Duration{1, 2, 4, 8, 8, 8, 8}
	for i, seconds := range want {
		a := l.begin("1001", "here", false)
		if a.delay != seconds*time.Second || a.locked != (i >= 5) {
			t.Errorf("attempt %d: delay %v, locked %v", i+1, a.delay, a.locked)
		}
		a.wrong()
	}
	if a := l.begin("1001", "there", false); a.locked {
		t.Error("another source is locked")
	} else {
		a.undone()
	}
	if a := l.begin("1002", "here", false); a.locked {
		t.Error("another badge is locked")
	} else {
		a.undone()
	}
	now = now.Add(14 * time.Minute)
	if a := l.begin("1001", "here", false); !a.locked {
		t.Error("the lock ended early")
	}
	now = now.Add(2 * time.Minute)
	a := l.begin("1001", "here", false)
	if a.locked || a.delay != time.Second {
		t.Errorf("after the lock: %+v", a)
	}
	a.wrong()
	l.begin("1001", "here", false).right()
	if a := l.begin("1001", "here", false); a.delay != time.Second {
		t.Errorf("after a right secret the delay is %v", a.delay)
	}
	for range 20 {
		l.begin("1003", "here", false).undone()
	}
	if a := l.begin("1003", "here", false); a.locked || a.delay != time.Second {
		t.Errorf("attempts that could not be checked count: %+v", a)
	}
}

// One badge from many sources, many badges from one source: each is locked after its own number.
func TestLockoutOfBadgesAndSources(t *testing.T) {
	l := newLockout(5, 15*time.Minute, time.Now)
	checked := 0
	for i := range 50 {
		if a := l.begin("1001", fmt.Sprint("source", i), false); !a.locked {
			checked++
			a.wrong()
		}
	}
	if checked != badgeFailures {
		t.Errorf("%d guesses at one badge were checked", checked)
	}
	checked = 0
	for i := range 50 {
		if a := l.begin(fmt.Sprint("badge", i), "one", false); !a.locked {
			checked++
			a.wrong()
		}
	}
	if checked != sourceFailures {
		t.Errorf("%d guesses of one source were checked", checked)
	}
	if a := l.begin("1001", "station/K1/pin", true); a.locked {
		t.Error("strangers locked a badge at an enrolled station")
	}
	if a := l.begin("", "one", false); !a.locked {
		t.Error("the source may still guess the codes of stations")
	}
}

// A right secret forgives what was wrong before, but not what the source did to others.
func TestRightSecretDoesNotForgiveTheSource(t *testing.T) {
	l := newLockout(5, 15*time.Minute, time.Now)
	for i := range sourceFailures {
		l.begin(fmt.Sprint("badge", i), "one", false).wrong()
		if i < sourceFailures-1 {
			l.begin("own", "one", false).right()
		}
	}
	if a := l.begin("own", "one", false); !a.locked {
		t.Error("a guesser with an own badge is never blocked")
	}
}

// Many attempts at once are as few as one after the other.
func TestLockoutCountsBeforeItChecks(t *testing.T) {
	l := newLockout(5, time.Minute, time.Now)
	var free sync.Map
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if a := l.begin("1001", "here", false); !a.locked {
				free.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	free.Range(func(any, any) bool { n++; return true })
	if n != 5 {
		t.Errorf("%d attempts were free", n)
	}
}

func TestLockoutIsBounded(t *testing.T) {
	l := newLockout(5, time.Minute, time.Now)
	for i := range lockoutSize + 100 {
		a := l.begin(fmt.Sprint("badge", i), fmt.Sprint("source", i), false)
		a.isOf("p", "here")
		a.wrong()
	}
	if len(l.seen) > lockoutSize || len(l.records) > 2 {
		t.Errorf("%d are remembered, %d of them by their record", len(l.seen), len(l.records))
	}
}

// What was cleared in the store is forgotten, but an attempt under way still counts.
func TestLockoutForgets(t *testing.T) {
	l := newLockout(5, time.Minute, time.Now)
	for range 5 {
		a := l.begin("1001", "here", false)
		a.isOf("p", "here")
		a.wrong()
	}
	if a := l.begin("1001", "here", false); !a.locked {
		t.Fatal("not locked")
	}
	for _, record := range l.held() {
		l.forget(record)
	}
	a := l.begin("1001", "here", false)
	if a.locked || len(l.held()) != 0 {
		t.Fatalf("still locked: %+v, %v", a, l.held())
	}
	a.isOf("p", "here")
	for _, record := range l.held() {
		l.forget(record)
	}
	a.wrong()
	if a := l.begin("1001", "here", false); a.delay != 2*time.Second {
		t.Errorf("an attempt under way was forgotten: the delay is %v", a.delay)
	}
}
