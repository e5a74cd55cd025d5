package storage

import "time"

// StaleAfter is how old a checkpoint may be while there are entries that none covers.
const StaleAfter = 5 * time.Minute

// pulse is how the committer's evidence does.
type pulse struct {
	last, signed int64 // numbers of the newest entry, and of the newest that a checkpoint covers
	news         bool
	at           time.Time // of the newest checkpoint; of the start without one
	err          error     // why the last one could not be made
}

// LedgerHealth is how the evidence of this node's ledger does.
type LedgerHealth struct {
	Entries   int64     `json:"entries" doc:"number of this node's newest ledger entry"`
	Covered   int64     `json:"covered" doc:"number of the newest entry that a checkpoint covers"`
	SignedAt  time.Time `json:"signed_at" doc:"when the newest checkpoint was made; the start of gemba without one"`
	Stale     bool      `json:"stale" doc:"whether entries have waited for a checkpoint for longer than five minutes"`
	Unwritten string    `json:"unwritten,omitempty" doc:"why the newest checkpoint is not in the witness file"`
	Conflict  string    `json:"conflict,omitempty" doc:"what was found when the ledgers of other nodes were followed and does not fit"`
}

// LedgerHealth tells how the evidence of this node's ledger does, without asking the database.
func (s *Store) LedgerHealth(now time.Time) LedgerHealth {
	p := s.pulse.Load()
	if p == nil { // open for reading only
		return LedgerHealth{}
	}
	h := LedgerHealth{Entries: p.last, Covered: p.signed, SignedAt: p.at, Stale: p.news && now.Sub(p.at) > StaleAfter}
	if err := s.witness.failed(); err != nil {
		h.Unwritten = err.Error()
	}
	if text := s.conflict.Load(); text != nil {
		h.Conflict = *text
	}
	return h
}
