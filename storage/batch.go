package storage

import (
	"reflect"
	"time"

	"gemba/mes"
)

// A batch is a group as statements, with its place in the chain.
type batch struct {
	group      []*task
	before     link // the chain's end that it was made for
	after      tip
	checkpoint *mes.Checkpoint // that it carries, if one is due
	stmts      []stmt
	counting   []counted // whose bulk rows statement i adds
}

// counted says whose bulk rows of which kind a statement adds; task is nil for other statements.
type counted struct {
	task *task
	kind mes.Kind
}

// A sheet is what the rows of a group are gathered on, by table. The committer uses one over and over, since a batch is
// done with before the next is made.
type sheet struct {
	receipts, entries      []any
	expect, insert, update [][]any
	asked                  map[mes.Expect]bool
}

func newSheet() sheet {
	return sheet{expect: make([][]any, len(tables)), insert: make([][]any, len(tables)), update: make([][]any, len(tables)), asked: map[mes.Expect]bool{}}
}

func (s *sheet) clear() {
	empty := func(args *[]any) {
		clear(*args) // let go of what they point to
		*args = (*args)[:0]
	}
	empty(&s.receipts)
	empty(&s.entries)
	for i := range tables {
		empty(&s.expect[i])
		empty(&s.insert[i])
		empty(&s.update[i])
	}
	clear(s.asked)
}

// compose makes a group's statements: receipts first, so that a command done before fails on its own id and not on what
// it has itself changed; then the ledger, the expectations and the rows, parents first.
func (c *committer) compose(group []*task) (*batch, error) {
	b := &batch{group: group, before: c.tip.last, after: c.tip}
	p := &c.sheet
	p.clear()
	var err error
	for _, t := range group {
		t.entry.Seal(c.store.writer, b.after.last.n+1, b.after.last.hash)
		b.after.add(t.entry.N, t.entry.Hash, t.entry.Command)
		if p.entries, err = ledgerTable.args(p.entries, reflect.ValueOf(&t.entry).Elem()); err != nil {
			return nil, err
		}
		if t.receipt != nil {
			t.receipt.Writer, t.receipt.N = t.entry.Writer, t.entry.N
			if p.receipts, err = receiptArgs(p.receipts, t.receipt); err != nil {
				return nil, err
			}
		}
		for _, e := range t.expect {
			if p.asked[e] {
				continue // of several that were decided on the same record
			}
			p.asked[e] = true
			i := orderOf[tableOfKind[e.Kind]]
			p.expect[i] = append(p.expect[i], string(e.ID), expectedArg(e.Version))
		}
		for _, l := range t.rows {
			into := p.insert
			if l.update {
				into = p.update
			}
			i := orderOf[l.table]
			into[i] = append(into[i], l.args...)
		}
	}
	add := func(m *many, args []any) { b.stmts = m.stmts(b.stmts, args, c.store.engine.takesLists()) }
	add(insertReceipts, p.receipts)
	add(ledgerTable.insert, p.entries)
	b.stmts = append(b.stmts, c.head(b.after.last, group[len(group)-1].entry.At))
	if now := time.Now(); b.after.due(now, c.store.signTime) {
		if b.checkpoint, err = c.store.checkpoint(&b.after, now); err != nil {
			return nil, err
		}
		b.stmts = append(b.stmts, checkpointStmt(b.checkpoint, &b.after.tree))
	}
	for i, t := range tables {
		add(t.must, p.expect[i])
	}
	for i, t := range tables {
		add(t.insert, p.insert[i])
		add(t.update, p.update[i])
	}
	b.counting = make([]counted, len(b.stmts))
	for _, t := range group {
		for _, l := range t.bulk {
			add(l.table.ignore, l.args)
			for len(b.counting) < len(b.stmts) {
				b.stmts[len(b.counting)].counted = true
				b.counting = append(b.counting, counted{t, mes.Kind(l.table.name)})
			}
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
