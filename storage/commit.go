package storage

import (
	"context"
	"sync"
	"time"

	"gemba/mes"
)

const (
	groupTasks  = 128              // most changes in one batch
	groupRows   = 5000             // and bulk rows, unless one change alone has more
	settleTime  = 15 * time.Second // how long the fate of a batch is asked for before its callers hear that it is not known
	settlePause = 50 * time.Millisecond
	chainTries  = 3               // how often a batch is made again because the chain had moved
	stateTime   = 2 * time.Second // how long a checkpoint of its own may take; callers wait behind it
)

// Commit makes one change: all of it or nothing. Changes that wait at the same time share one batch, and so one fsync or
// one Raft entry; what is wrong with one of them does not touch the others. See [mes.Store] for its errors.
func (s *Store) Commit(ctx context.Context, c *mes.Change) (mes.Receipt, error) {
	if s.readOnly {
		return mes.Receipt{}, mes.Faultf(mes.Internal, "the store is open for reading only")
	}
	t, err := prepare(ctx, c)
	if err != nil {
		return mes.Receipt{}, shown("prepare a change", err)
	}
	select {
	case s.queue <- t:
	case <-ctx.Done():
		return mes.Receipt{}, mes.FaultFrom(mes.Unavailable, ctx.Err(), "the database was too busy and nothing was saved; send it again in a moment")
	case <-s.stopped:
		return mes.Receipt{}, errClosed
	}
	select {
	case r := <-t.done:
		return r.receipt, r.err
	case <-ctx.Done():
		return mes.Receipt{}, shown("commit", &trouble{kind: outcomeUnknown, cause: ctx.Err()})
	case <-s.stopped:
		select {
		case r := <-t.done:
			return r.receipt, r.err
		default:
			return mes.Receipt{}, errClosed
		}
	}
}

var errClosed = mes.Faultf(mes.Unavailable, "gemba is stopping and nothing was saved; send it again in a moment")

// A committer takes the waiting tasks and commits them in groups. There is one, on one goroutine: it alone extends this
// node's chain of ledger entries.
type committer struct {
	store   *Store
	waiting []*task // in the order they came
	tip     tip     // of our chain
	sure    bool    // the tip is what the database has
	sheet   sheet
	asking  sync.WaitGroup
}

// run commits until the store closes, and then what was waiting.
func (c *committer) run() {
	defer close(c.store.stopped)
	defer c.asking.Wait()
	tick := time.NewTicker(min(time.Second, c.store.signTime))
	defer tick.Stop()
	for {
		if len(c.waiting) == 0 {
			select {
			case t := <-c.store.queue:
				c.waiting = append(c.waiting, t)
			case now := <-tick.C:
				if c.tip.due(now, c.store.signTime) {
					c.state(now)
				}
				continue
			case <-c.store.closing:
				c.take()
				for len(c.waiting) > 0 {
					c.round()
				}
				if c.tip.news {
					c.state(time.Now())
				}
				return
			}
		}
		c.round()
	}
}

// state makes a checkpoint when there is no batch to carry it. One that cannot be kept now is made again later.
func (c *committer) state(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), stateTime)
	defer cancel()
	if c.place(ctx) != nil {
		return
	}
	made, err := c.store.checkpoint(&c.tip, now)
	if err == nil {
		_, err = c.store.engine.exec(ctx, []stmt{checkpointStmt(made, &c.tip.tree)})
	}
	if kindOf(err) == appendOnly { // an earlier try was carried out after all, and its answer lost
		q := newQuery(selectCheckpoints).and("writer = ? AND n = ?", made.Writer, made.N)
		found, failed := c.store.checkpoints(ctx, fresh, q)
		if failed == nil && len(found) == 1 {
			made, err = &found[0], nil
		}
	}
	c.store.stated(&c.tip, made, err)
}

// stated keeps what came of making a checkpoint: in the tip, outside the database, and for the watch.
func (s *Store) stated(t *tip, made *mes.Checkpoint, err error) {
	if err == nil {
		t.stated(made)
		s.witness.add(made)
	}
	s.pulse.Store(&pulse{last: t.last.n, signed: t.signed, news: t.news, at: t.at, err: err})
}

// take collects what waits, without waiting for it.
func (c *committer) take() {
	for len(c.waiting) < 4*groupTasks {
		select {
		case t := <-c.store.queue:
			c.waiting = append(c.waiting, t)
		default:
			return
		}
	}
}

// round commits one group.
func (c *committer) round() {
	c.take()
	if group := c.choose(); len(group) > 0 {
		c.commit(group)
	}
}

// choose takes the next group from the waiting tasks. A task that depends on a record which an earlier one of the group
// writes stays for the next round, so that the group comes out as if its tasks had been done one after the other. What
// comes after a task that stays does not overtake it: it neither reads what that one writes, nor writes what it read.
func (c *committer) choose() []*task {
	var group, left, passed []*task
	written, read := map[recordKey]bool{}, map[recordKey]bool{} // by the group or who stays; by who stays
	ids := map[mes.ID]bool{}
	rows, full := 0, false
	for _, t := range c.waiting {
		if err := t.ctx.Err(); err != nil {
			t.fail(mes.FaultFrom(mes.Unavailable, err, "the database was too busy and nothing was saved; send it again in a moment"))
			continue
		}
		full = full || len(group) == groupTasks || len(group) > 0 && rows+t.size > groupRows
		stays := full || t.receipt != nil && ids[t.receipt.ID]
		for _, e := range t.expect {
			stays = stays || written[recordKey{e.Kind, e.ID}]
		}
		for _, r := range t.put {
			stays = stays || read[recordKey{mes.KindOf(r), r.Key()}]
		}
		switch {
		case stays:
			left = append(left, t)
			for _, e := range t.expect {
				read[recordKey{e.Kind, e.ID}] = true
			}
		case c.passed(t):
			passed = append(passed, t)
			continue
		default:
			group = append(group, t)
			rows += t.size
		}
		for _, r := range t.put {
			written[recordKey{mes.KindOf(r), r.Key()}] = true
		}
		if t.receipt != nil {
			ids[t.receipt.ID] = true
		}
	}
	c.waiting = left
	if len(passed) > 0 {
		c.asking.Go(func() { c.turnBack(passed) })
	}
	return group
}

// passed tells whether a newer version of what the task was decided on is known already.
func (c *committer) passed(t *task) bool {
	for _, e := range t.expect {
		if v, ok := c.store.cache.version(e.Kind, e.ID); ok && v > e.Version {
			return true
		}
	}
	return false
}

// turnBack answers tasks that are stale by what is known. A command that was done before looks like that, too: what it
// was decided on has passed because of itself. Its receipt tells.
func (c *committer) turnBack(passed []*task) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	for _, t := range c.answerKnown(ctx, passed) {
		t.fail(mes.ErrStale)
	}
}

func (t *task) fail(err error) { t.done <- result{err: err} }
