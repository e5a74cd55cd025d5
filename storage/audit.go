package storage

import (
	"fmt"
	"slices"
	"time"

	"gemba/mes"
)

// maxUncovered is how many entries may follow each other without a checkpoint: twice what is due, since a batch is never
// split for one, and entries whose answer was lost come in addition.
const maxUncovered = 2 * signEntries

// A strand is one writer's chain and tree, looked through entry by entry.
type strand struct {
	chain  mes.Chain
	tree   edge
	stated int64              // entry of the last checkpoint that was right
	rows   map[mes.Kind]int64 // machine rows that it speaks of
}

// entry takes the next entry in.
func (s *strand) entry(e *mes.Entry) error {
	if err := s.chain.Check(e); err != nil {
		return err
	}
	s.tree.add(e.Hash)
	return nil
}

// checkpoint compares a checkpoint with the entries up to the one that it names, which was the last to be taken in.
func (s *strand) checkpoint(c *mes.Checkpoint, verify func(writer, name, text, note string) error) *Finding {
	switch {
	case c.N != s.chain.N:
		return &Finding{c.Writer, c.N, "there is a checkpoint at it, and no such entry"}
	case c.Hash != s.chain.Hash:
		return &Finding{c.Writer, s.stated + 1, replaced(s.stated, c.N, "its writer stated in a checkpoint", c.At)}
	case c.Root != s.tree.root().String():
		return &Finding{c.Writer, c.N, "its checkpoint does not have the root of the tree"}
	}
	if verify != nil {
		if err := verify(c.Writer, mes.Origin(c.Writer), c.Text(), c.Note); err != nil {
			return &Finding{c.Writer, c.N, "the signature of its checkpoint is wrong: " + err.Error()}
		}
	}
	s.stated, s.rows = c.N, c.Rows
	return nil
}

// covered tells whether a checkpoint is missing before the entry that was taken in last.
func (s *strand) covered() *Finding {
	if s.chain.N-s.stated <= maxUncovered {
		return nil
	}
	return &Finding{s.chain.Writer, s.stated + 1, fmt.Sprintf("the checkpoint over it is missing: there is none between entries %d and %d", s.stated, s.chain.N)}
}

// replaced says that entries are not those that somebody stated.
func replaced(good, n int64, who string, at time.Time) string {
	which := "it is"
	if n > good+1 {
		which = fmt.Sprintf("it, or one up to entry %d, is", n)
	}
	return fmt.Sprintf("%s not the one that %s on %s: the ledger was written anew, or there are two of it", which, who, at.UTC().Format(time.RFC3339))
}

// A sighting is a checkpoint that somebody else kept: another writer as an anchor, or a witness outside the database.
type sighting struct {
	mes.Checkpoint
	by    string
	older bool // the database may be older than this
}

// sightings are sorted by writer and number, the first of two equal ones first.
type sightings []sighting

func (s *sightings) add(c mes.Checkpoint, by string, older bool) {
	*s = append(*s, sighting{c, by, older})
}

// of gives the sightings of each writer, in order of their numbers.
func (s sightings) of() map[string][]sighting {
	by := map[string][]sighting{}
	for _, one := range s {
		by[one.Writer] = append(by[one.Writer], one)
	}
	for _, all := range by {
		slices.SortStableFunc(all, func(a, b sighting) int { return int(min(max(a.N-b.N, -1), 1)) })
	}
	return by
}

// agree compares what was seen of one writer, in order, with what is there: its last entry, and the hash and the root
// that there is for each number, "" where there is none. It gives the number of sightings that are in there.
func agree(writer string, seen []sighting, last int64, have map[int64][2]string) (matched int64, fault *Finding) {
	good, before := int64(0), int64(0) // the newest that is right, and the newest below its number
	for _, s := range seen {
		if s.N > good {
			before = good
		}
		switch now := have[s.N]; {
		case s.N > last && s.older:
		case s.N > last:
			return matched, &Finding{writer, last + 1, fmt.Sprintf("the entry is missing: %s saw entry %d on %s, and this is an older copy, or its end was cut off", s.by, s.N, s.At.UTC().Format(time.RFC3339))}
		case now[0] != "" && now[0] != s.Hash:
			return matched, &Finding{writer, before + 1, replaced(before, s.N, s.by+" saw", s.At)}
		case now[1] == "":
			return matched, &Finding{writer, s.N, fmt.Sprintf("its checkpoint, which %s saw on %s, is missing", s.by, s.At.UTC().Format(time.RFC3339))}
		case now[1] != s.Root:
			return matched, &Finding{writer, s.N, fmt.Sprintf("its checkpoint is not the one that %s saw on %s", s.by, s.At.UTC().Format(time.RFC3339))}
		default:
			good, matched = s.N, matched+1
		}
	}
	return matched, nil
}
