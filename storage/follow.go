package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"gemba/mes"
)

const (
	anchorEvery = 5 * time.Second // how often the checkpoints of others are looked for
	everything  = "*"             // the topic that stands for all topics
)

// Follow tails what other nodes write to the ledger, until the context ends: it forgets the records they changed and
// publishes their topics, so that every node's sessions see a change within about the time every. It also takes the
// newest checkpoint of each other writer into this node's own chain. An embedded store has no other writers: there it
// returns at once.
func (s *Store) Follow(ctx context.Context, every time.Duration, publish func(topics ...string)) {
	if _, alone := s.raw.(*sqlite); alone || s.readOnly {
		return
	}
	f := follower{store: s, at: s.opened, publish: publish, anchored: map[string]int64{}}
	tick := time.NewTicker(every)
	defer tick.Stop()
	anchors := time.NewTicker(min(anchorEvery, s.signTime))
	defer anchors.Stop()
	for {
		// What cannot be read now is read at the next turn: the place in the ledger is kept.
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-anchors.C:
			f.anchor(ctx)
		case <-tick.C:
			for f.page(ctx) == nil && f.more {
				continue
			}
		}
	}
}

// selectNewest finds the newest checkpoint of each writer.
const selectNewest = "SELECT c.writer, c.n, c.root, c.hash, c.at_ms, c.machine_rows, c.note FROM ledger_head h JOIN ledger_checkpoint c ON c.writer = h.writer AND c.n = (SELECT max(n) FROM ledger_checkpoint x WHERE x.writer = h.writer)"

// A follower is a place in the ledger as the database took it.
type follower struct {
	store    *Store
	at       int64 // rowid of the last entry that was seen
	more     bool  // the last page was full
	publish  func(topics ...string)
	anchored map[string]int64 // newest checkpoint of each writer that our chain has
}

// page looks at the next entries of other writers.
func (f *follower) page(ctx context.Context) error {
	q := newQuery("SELECT rowid, outcome, subject, detail FROM ledger").and("rowid > ? AND writer <> ?", f.at, f.store.writer).end("ORDER BY rowid LIMIT ?", int64(verifyPage))
	seen := 0
	err := f.store.engine.query(ctx, local, q.stmt(), func(_ []string, values []any) error {
		row := scanned(values)
		if mes.Outcome(row.text(1)) == mes.Done {
			f.publish(f.store.outdate(row.text(2), []byte(row.text(3)))...)
		}
		f.at = row.whole(0)
		seen++
		return nil
	})
	f.more = seen == verifyPage
	return err
}

// outdate forgets what an entry changed, and gives its topics.
func (s *Store) outdate(subject string, text []byte) []string {
	var detail mes.Detail
	if json.Unmarshal(text, &detail) != nil {
		return []string{everything} // whatever it is: look again at all of it
	}
	var change mes.Change
	for _, image := range detail.Rows {
		t := tableOfKind[image.Kind]
		if t == nil || !t.versioned {
			continue
		}
		row := reflect.New(t.row)
		if json.Unmarshal(image.After, row.Interface()) != nil {
			return []string{everything}
		}
		record := row.Interface().(mes.Record)
		s.cache.outdate(image.Kind, image.Key, mes.VersionOf(record))
		change.Put = append(change.Put, record)
	}
	topics := change.Topics()
	if len(detail.Batches) == 0 {
		return topics
	}
	if machine, ok := strings.CutPrefix(subject, "machine/"); ok {
		return append(topics, "machine:"+machine)
	}
	return append(topics, everything) // a batch of several machines does not say which
}

// anchor takes the newest checkpoint of each other writer into our chain and our witness, unless it is there.
func (f *follower) anchor(ctx context.Context) {
	s := f.store
	newest, err := s.checkpoints(ctx, fresh, newQuery(selectNewest).and("h.writer <> ?", s.writer))
	if err != nil {
		return
	}
	for i := range newest {
		c := &newest[i]
		if f.anchored[c.Writer] == c.N {
			continue
		}
		if why := f.wrong(ctx, c); why != "" {
			s.conflict.Store(&why) // kept until gemba starts again: somebody is to look
		}
		change, err := mes.Anchor(s.writer, time.Now(), *c)
		if err != nil {
			continue
		}
		switch _, err := s.Commit(ctx, change); {
		case mes.ErrorCode(err) == mes.Conflict:
			why := fmt.Sprintf("the checkpoint of %s at entry %d is not the one that was taken before", c.Writer, c.N)
			s.conflict.Store(&why)
		case err != nil:
			continue // at the next turn
		}
		f.anchored[c.Writer] = c.N
		if !s.witness.knows(c.Writer, c.N) {
			s.witness.add(c)
		}
	}
}

// wrong tells what does not fit about another writer's checkpoint, "" when all does. It is anchored all the same: what
// a node said is evidence, above all when it is wrong.
func (f *follower) wrong(ctx context.Context, c *mes.Checkpoint) string {
	if last := f.anchored[c.Writer]; c.N < last {
		return fmt.Sprintf("the ledger of %s went back from entry %d to %d", c.Writer, last, c.N)
	}
	if f.store.verifyNote != nil {
		if err := f.store.verifyNote(c.Writer, mes.Origin(c.Writer), c.Text(), c.Note); err != nil {
			return fmt.Sprintf("the checkpoint of %s at entry %d: %s", c.Writer, c.N, err)
		}
	}
	if hash, err := f.store.hashOf(ctx, c.Writer, c.N); err == nil && hash != c.Hash {
		return fmt.Sprintf("entry %d of %s is not the one that its checkpoint names", c.N, c.Writer)
	}
	return ""
}
