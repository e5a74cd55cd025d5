package storage

import (
	"time"

	"gemba/mes"
)

// StaleAfter is how old a checkpoint may be while there are entries that none covers.
const StaleAfter = 5 * time.Minute

// pulse is how the committer's evidence does.
type pulse struct {
	last, signed int64 // numbers of the newest entry, and of the newest that a checkpoint covers
	news         bool
	at           time.Time // of the newest checkpoint; of the start without one
	err          error     // why the last one could not be made
}

// LedgerHealth tells how the evidence of this node's ledger does, without asking the database.
func (s *Store) LedgerHealth(now time.Time) mes.LedgerHealth {
	p := s.pulse.Load()
	if p == nil { // open for reading only
		return mes.LedgerHealth{}
	}
	h := mes.LedgerHealth{Entries: p.last, Covered: p.signed, SignedAt: p.at, Stale: p.news && now.Sub(p.at) > StaleAfter}
	if err := s.witness.failed(); err != nil {
		h.Unwritten = err.Error()
	}
	if text := s.conflict.Load(); text != nil {
		h.Conflict = *text
	}
	return h
}
