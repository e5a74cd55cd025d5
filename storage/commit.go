package storage

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"gemba/mes"
)

const (
	groupTasks  = 128              // most changes in one batch
	groupRows   = 5000             // and bulk rows, unless one change alone has more
	settleTime  = 15 * time.Second // how long the fate of a batch is asked for before its callers hear that it is not known
	settlePause = 50 * time.Millisecond
	chainTries  = 3 // how often a batch is made again because the chain had moved
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
	last    link    // end of our chain
	sure    bool    // last is what the database has
	asking  sync.WaitGroup
}

// run commits until the store closes, and then what was waiting.
func (c *committer) run() {
	defer close(c.store.stopped)
	defer c.asking.Wait()
	for {
		if len(c.waiting) == 0 {
			select {
			case t := <-c.store.queue:
				c.waiting = append(c.waiting, t)
			case <-c.store.closing:
				c.take()
				for len(c.waiting) > 0 {
					c.round()
				}
				return
			}
		}
		c.round()
	}
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
// writes stays for the next round, so that the group comes out as if its tasks had been done one after the other; so
// does everything that touches what a left task touches, so that nobody is overtaken.
func (c *committer) choose() []*task {
	var group, left, passed []*task
	written, touched, ids := map[recordKey]bool{}, map[recordKey]bool{}, map[mes.ID]bool{}
	rows, full := 0, false
	for _, t := range c.waiting {
		if err := t.ctx.Err(); err != nil {
			t.fail(mes.FaultFrom(mes.Unavailable, err, "the database was too busy and nothing was saved; send it again in a moment"))
			continue
		}
		full = full || len(group) == groupTasks || len(group) > 0 && rows+t.size > groupRows
		depends := full || t.receipt != nil && ids[t.receipt.ID]
		for _, e := range t.expect {
			depends = depends || written[recordKey{e.Kind, e.ID}] || touched[recordKey{e.Kind, e.ID}]
		}
		if depends {
			left = append(left, t)
			for _, e := range t.expect {
				touched[recordKey{e.Kind, e.ID}] = true
			}
			continue
		}
		if c.passed(t) {
			passed = append(passed, t)
			continue
		}
		group = append(group, t)
		rows += t.size
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

// A batch is a group as statements, with its place in the chain.
type batch struct {
	group    []*task
	before   link // the chain's end that it was made for
	after    link
	stmts    []stmt
	counting []*task // the task whose bulk rows statement i adds, nil for others
}

// commit commits a group and answers all its tasks.
func (c *committer) commit(group []*task) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	for try := 0; ; try++ {
		err := c.place(ctx)
		var b *batch
		if err == nil {
			b, err = c.compose(group)
		}
		var affected []int64
		if err == nil {
			affected, err = c.store.engine.exec(ctx, b.stmts)
			if kindOf(err) == outcomeUnknown {
				affected, err = c.settle(ctx, b, err)
			}
		}
		switch {
		case err == nil:
			c.committed(b, affected)
			return
		case kindOf(err) == outcomeUnknown:
			c.sure = false
			c.failAll(group, err)
			return
		case errors.Is(err, errChainMoved), kindOf(err) == chainBroken, kindOf(err) == duplicate && strings.HasPrefix(detailOf(err), "ledger."):
			// The database knows another end of our chain than we do: a batch that we had given up was carried out.
			c.sure = false
			if group = c.answerKnown(ctx, group); len(group) == 0 {
				return
			}
			if try < chainTries {
				continue
			}
		case kindOf(err) == duplicate && strings.HasPrefix(detailOf(err), "receipt."):
			if rest := c.answerKnown(ctx, group); len(rest) < len(group) {
				if group = rest; len(group) == 0 {
					return
				}
				continue
			}
		}
		c.separate(group, err)
		return
	}
}

// separate deals with a group that was refused as a whole: if what is wrong may be wrong with some of its tasks only,
// each half is tried by itself.
func (c *committer) separate(group []*task, err error) {
	switch k := kindOf(err); {
	case len(group) > 1 && k != diskFull && k != damaged && k != readOnly && k != busy && k != unreachable:
		c.commit(group[:len(group)/2])
		c.commit(group[len(group)/2:])
	default:
		if k == stale {
			for _, e := range group[0].expect {
				c.store.cache.drop(e.Kind, e.ID)
			}
		}
		c.failAll(group, err)
	}
}

func (c *committer) failAll(group []*task, err error) {
	for _, t := range group {
		t.fail(shown("commit a group of changes", err))
	}
}

// place makes sure of where our chain ends.
func (c *committer) place(ctx context.Context) error {
	if c.sure {
		return nil
	}
	last, err := c.store.tail(ctx, c.store.writer)
	if err != nil {
		return err
	}
	c.last, c.sure = last, true
	return nil
}

// compose makes a group's statements: receipts first, so that a command done before fails on its own id and not on what
// it has itself changed; then the ledger, the expectations and the rows, parents first.
func (c *committer) compose(group []*task) (*batch, error) {
	b := &batch{group: group, before: c.last, after: c.last}
	var receipts, entries []any
	var err error
	expect, insert, update := make([][]any, len(tables)), make([][]any, len(tables)), make([][]any, len(tables))
	asked := map[mes.Expect]bool{}
	for _, t := range group {
		t.entry.Seal(c.store.writer, b.after.n+1, b.after.hash)
		b.after = link{t.entry.N, t.entry.Hash}
		if entries, err = ledgerTable.args(entries, reflect.ValueOf(&t.entry).Elem()); err != nil {
			return nil, err
		}
		if t.receipt != nil {
			t.receipt.Writer, t.receipt.N = t.entry.Writer, t.entry.N
			if receipts, err = receiptArgs(receipts, t.receipt); err != nil {
				return nil, err
			}
		}
		for _, e := range t.expect {
			if asked[e] {
				continue // of several that were decided on the same record
			}
			asked[e] = true
			i := orderOf[tableOfKind[e.Kind]]
			expect[i] = append(expect[i], string(e.ID), expectedArg(e.Version))
		}
		for _, l := range t.rows {
			into := insert
			if l.update {
				into = update
			}
			i := orderOf[l.table]
			into[i] = append(into[i], l.args...)
		}
	}
	add := func(m *many, args []any) { b.stmts = m.stmts(b.stmts, args, c.store.engine.takesLists()) }
	add(insertReceipts, receipts)
	add(ledgerTable.insert, entries)
	b.stmts = append(b.stmts, c.head(b.after, group[len(group)-1].entry.At))
	for i, t := range tables {
		add(t.must, expect[i])
	}
	for i, t := range tables {
		add(t.insert, insert[i])
		add(t.update, update[i])
	}
	b.counting = make([]*task, len(b.stmts))
	for _, t := range group {
		for _, l := range t.bulk {
			add(l.table.ignore, l.args)
		}
		for len(b.counting) < len(b.stmts) {
			b.counting = append(b.counting, t)
		}
	}
	return b, nil
}

// expectedArg is what a record's version is compared with: NULL for one that must not be there.
func expectedArg(version int64) any {
	if version == 0 {
		return nil
	}
	return version
}

// head is the statement that says where the chain ends, signed, so that cutting entries off its end shows.
func (c *committer) head(end link, at time.Time) stmt {
	var signature, key string
	if c.store.sign != nil {
		signature, key = c.store.sign(HeadText(c.store.writer, end.n, end.hash, at.UnixMilli()))
	}
	return stmt{sql: insertHead, args: []any{c.store.writer, end.n, end.hash, at.UnixMilli(), signature, key}}
}

// committed answers the tasks of a batch that was carried out. affected is nil when only that is known.
func (c *committer) committed(b *batch, affected []int64) {
	c.last = b.after
	for i, t := range b.counting {
		if t == nil || t.receipt == nil {
			continue
		}
		if affected == nil {
			t.receipt.Inserted = int64(t.size)
		} else {
			t.receipt.Inserted += affected[i]
		}
	}
	for _, t := range b.group {
		for _, r := range t.put {
			c.store.cache.put(r)
		}
		r := mes.Receipt{ID: t.entry.ID, Command: t.entry.Command, At: t.entry.At, By: t.entry.Actor, Writer: t.entry.Writer, N: t.entry.N}
		if t.receipt != nil {
			r = *t.receipt
		}
		t.done <- result{receipt: r}
	}
}

var errChainMoved = errors.New("the chain has moved on")

// settle finds out what became of a batch that no answer came for. The end of our chain tells: it is the batch's last
// entry when the batch was carried out, and what it was before when not; then the same batch is sent again, entry for
// entry, so that a late first copy and the second exclude each other.
func (c *committer) settle(ctx context.Context, b *batch, unknown error) ([]int64, error) {
	for {
		last, err := c.store.tail(ctx, c.store.writer)
		switch {
		case err == nil && last == b.after:
			return nil, nil
		case err == nil && last != b.before:
			return nil, errChainMoved
		case err == nil:
			affected, err := c.store.engine.exec(ctx, b.stmts)
			switch kindOf(err) {
			case outcomeUnknown, unreachable:
				unknown = err
			case chainBroken, duplicate: // it may have met its first copy; the chain tells
				if now, e := c.store.tail(ctx, c.store.writer); e == nil && now == b.before {
					return nil, err
				}
				continue
			default:
				return affected, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, &trouble{kind: outcomeUnknown, detail: detailOf(unknown), cause: unknown}
		case <-time.After(settlePause):
		}
	}
}

// answerKnown answers the tasks whose command has a receipt already and gives the others.
func (c *committer) answerKnown(ctx context.Context, group []*task) []*task {
	var ids []mes.ID
	for _, t := range group {
		if t.receipt != nil {
			ids = append(ids, t.receipt.ID)
		}
	}
	if len(ids) == 0 {
		return group
	}
	found, err := c.store.receipts(ctx, ids...)
	if err != nil {
		return group
	}
	return slices.DeleteFunc(slices.Clone(group), func(t *task) bool {
		if t.receipt == nil {
			return false
		}
		stored, ok := found[t.receipt.ID]
		switch {
		case !ok:
			return false
		case stored.Digest != t.receipt.Digest || stored.By != t.receipt.By:
			t.fail(mes.Faultf(mes.Conflict, "the command id %s was used for something else; use a new one", stored.ID))
		default:
			stored.Replayed = true
			t.done <- result{receipt: stored}
		}
		return true
	})
}
