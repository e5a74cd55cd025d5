package mes

import (
	"hash/maphash"
	"slices"
	"sync"
)

// lanes let commands about the same order or machine pass one after the other, so that a busy one is decided once and
// not three times. They only spare work: what makes a decision safe is its expectations.
type lanes struct {
	locks [256]sync.Mutex
}

var laneSeed = maphash.MakeSeed()

// laned is a command that knows what it will contend for.
type laned interface{ lanes() []ID }

func (c *StartJob) lanes() []ID        { return []ID{c.Order} }
func (c *PauseJob) lanes() []ID        { return []ID{c.Order} }
func (c *ResumeJob) lanes() []ID       { return []ID{c.Order} }
func (c *ReportJob) lanes() []ID       { return []ID{c.Order} }
func (c *StopJob) lanes() []ID         { return []ID{c.Order} }
func (c *CompleteJob) lanes() []ID     { return []ID{c.Order} }
func (c *CountMachine) lanes() []ID    { return []ID{c.Machine} }
func (c *DefineEquipment) lanes() []ID { return []ID{c.Parent} }

// Sign-ins and failures share the lockouts of their sources.
func (c *SignInPerson) lanes() []ID { return []ID{"sign-in"} }
func (c *FailSignIn) lanes() []ID   { return []ID{"sign-in"} }

func (c *Ingest) lanes() []ID {
	if len(c.Counts) == 0 {
		return nil // states and samples do not contend
	}
	return []ID{c.Machine}
}

// enter waits for the command's lanes and gives the way out.
func (l *lanes) enter(c Command) (leave func()) {
	k, ok := c.(laned)
	if !ok {
		return func() {}
	}
	var held []int
	for _, id := range k.lanes() {
		held = append(held, int(maphash.String(laneSeed, string(id))%uint64(len(l.locks))))
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for _, i := range held {
		l.locks[i].Lock()
	}
	return func() {
		for _, i := range held {
			l.locks[i].Unlock()
		}
	}
}
