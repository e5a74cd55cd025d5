package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gemba/mes"
)

// reporters is how many report at once.
const reporters = 64

// A reportsTrial reports pieces through the one door: each of the reporters goes through orders and persons of their
// own, and all of them share lines, product, store and ledger. Authorization, reads, decision and commit are in it.
type reportsTrial struct {
	place   place
	plant   *plant
	jobs    []job
	done    [reporters]reported
	setUp   reported
	inserts interface { // the floor
		insert(ctx context.Context, length time.Duration) (spell, error)
		close() error
	}
	closers []func() error
}

// reported is what was acknowledged.
type reported struct{ commands, good, scrap, rows int64 }

func openReportsSQLite(ctx context.Context, s *setting) (trial, error) {
	floor, err := newSingleCommits(ctx, filepath.Join(s.folder, "floor.db"))
	if err != nil {
		return nil, err
	}
	t := &reportsTrial{place: newSQLitePlace(s.folder), inserts: floor}
	return t.open(ctx, s)
}

func openReportsRqlite(ctx context.Context, s *setting) (trial, error) {
	floor, err := newSingleInserts(ctx, filepath.Join(s.folder, "floor"))
	if err != nil {
		return nil, err
	}
	place, err := newRqlitePlace(ctx, filepath.Join(s.folder, "gemba"))
	if err != nil {
		return nil, errors.Join(err, floor.close())
	}
	t := &reportsTrial{place: place, inserts: floor}
	return t.open(ctx, s)
}

// open prepares the plant, every part of it through the door. It closes the trial when it fails.
func (t *reportsTrial) open(ctx context.Context, s *setting) (trial, error) {
	t.closers = append(t.closers, t.inserts.close, t.place.close)
	err := func() (err error) {
		if t.plant, err = openPlant(ctx, t.place, s.folder); err != nil {
			return err
		}
		t.closers = append(t.closers, t.plant.close)
		if err := t.plant.equip(ctx); err != nil {
			return err
		}
		if err := t.plant.define(ctx); err != nil {
			return err
		}
		t.jobs = make([]job, s.orders)
		return together(len(t.jobs), func(i int) (err error) {
			t.jobs[i], err = t.plant.job(ctx, i)
			return err
		})
	}()
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	n := int64(len(t.jobs) * (len(operations) - 1))
	t.setUp = reported{commands: n, rows: n, good: int64(len(t.jobs)) * (stock + stock/2)}
	return t, nil
}

func (t *reportsTrial) floor(ctx context.Context, length time.Duration) (spell, error) {
	return t.inserts.insert(ctx, length)
}

func (t *reportsTrial) ours(ctx context.Context, length time.Duration) (spell, error) {
	return crowd(ctx, reporters, length, t.report)
}

// report makes a worker's next report: the orders and operations in turn, and scrap beside the good pieces in every
// tenth.
func (t *reportsTrial) report(ctx context.Context, worker int) (int, error) {
	mine := &t.done[worker]
	n := int(mine.commands)
	own := (len(t.jobs) - worker + reporters - 1) / reporters // orders of this worker
	j := &t.jobs[worker+n%own*reporters]
	c := &mes.ReportJob{Order: j.order, Operation: operations[n/own%len(operations)], Good: int64(1 + n%3)}
	rows := int64(1)
	if n%10 == 9 {
		c.Scrap = []mes.Part{{Quantity: 1, Reason: "DIM-OOS"}}
		rows++
	}
	r, err := t.plant.app.Do(ctx, j.actor, newID(), c)
	if err == nil && (r.Replayed || r.N == 0) {
		err = fmt.Errorf("the receipt %+v is not one of a new command", r)
	}
	if err != nil {
		return 0, fmt.Errorf("report on %s/%s: %w", c.Order, c.Operation, errors.Join(err, errors.Unwrap(err)))
	}
	mine.commands, mine.rows, mine.good = mine.commands+1, mine.rows+rows, mine.good+c.Good
	if rows > 1 {
		mine.scrap++
	}
	return 1, nil
}

func (t *reportsTrial) check(ctx context.Context) error {
	want := t.setUp
	for i := range t.done {
		d := &t.done[i]
		want.commands, want.good, want.scrap, want.rows = want.commands+d.commands, want.good+d.good, want.scrap+d.scrap, want.rows+d.rows
	}
	return agree(ctx, t.place, []fact{
		{"receipts", "SELECT count(*) FROM receipt WHERE command = 'job.report'", want.commands},
		{"ledger entries", "SELECT count(*) FROM ledger WHERE command = 'job.report' AND outcome = 'done'", want.commands},
		{"entries beyond the chain", "SELECT n - (SELECT count(*) FROM ledger) FROM ledger_head", 0},
		{"reports", "SELECT count(*) FROM report", want.rows},
		{"good pieces reported", "SELECT sum(quantity) FROM report WHERE kind = 'good'", want.good},
		{"good pieces of operations", "SELECT sum(good) FROM operation", want.good},
		{"scrap reported", "SELECT coalesce(sum(quantity), 0) FROM report WHERE kind = 'scrap'", want.scrap},
		{"scrap of operations", "SELECT sum(scrap) FROM operation", want.scrap},
	})
}

func (t *reportsTrial) note() string {
	commands := int64(0)
	for i := range t.done {
		commands += t.done[i].commands
	}
	return fmt.Sprintf("%s; %d reports by %d at once on %d orders of %d operations; one machine runs both the database and its users",
		t.plant.store.Engine(), commands, reporters, len(t.jobs), len(operations))
}

func (t *reportsTrial) close() error { return closeAll(t.closers) }
