package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gemba/mes"
)

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
	if err == nil && last.n < c.tip.last.n {
		// What was acknowledged is gone: somebody put an older copy in the database's place. Going on from there would
		// give the numbers of what is lost to something else.
		err = &trouble{kind: damaged, detail: "ledger", cause: fmt.Errorf("the ledger of %s went back from entry %d to %d", c.store.writer, c.tip.last.n, last.n)}
	}
	if err == nil {
		err = c.store.extend(ctx, c.store.writer, &c.tip)
	}
	c.sure = err == nil
	return err
}

// committed answers the tasks of a batch that was carried out. affected is nil when only that is known.
func (c *committer) committed(b *batch, affected []int64) {
	c.tip = b.after
	if b.checkpoint != nil {
		c.store.stated(&c.tip, b.checkpoint, nil)
	} else {
		c.store.pulse.Store(&pulse{last: c.tip.last.n, signed: c.tip.signed, news: c.tip.news, at: c.tip.at})
	}
	for i, of := range b.counting {
		if of.task == nil || of.task.receipt == nil {
			continue
		}
		if affected == nil {
			of.task.receipt.Inserted = int64(of.task.size)
		} else {
			of.task.receipt.Inserted += affected[i]
			c.tip.rows[of.kind] += affected[i]
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
		case err == nil && last == b.after.last:
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
