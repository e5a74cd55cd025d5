package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gemba/mes"
)

const (
	traceKeep       = 30 * 24 * time.Hour
	traceSize int64 = 1 << 30

	traceQueue = 8192 // calls that may wait: over a second of the most that an API on two cores answers
	traceBatch = 500  // so many are written without waiting for the tick
	traceEvery = 200 * time.Millisecond
	tracePrune = time.Minute
	traceChunk = 2000 // old calls that are removed at once: some ten milliseconds
)

// A tracer records API calls. Only its own goroutine touches the file.
type tracer struct {
	Trace
	write *sql.DB
	keep  time.Duration
	size  int64
	now   func() time.Time

	mu      sync.Mutex
	waiting []mes.Call
	lost    int64  // calls that were not recorded
	why     string // the newest reason

	many    chan struct{} // a batch waits
	closing chan struct{}
	stopped chan struct{}
	pruned  time.Time
}

// openTracer opens the trace at path for recording and makes it when it is not there. A damaged one is put aside under a
// name of its own: whatever became of the trace, the plant goes on.
func openTracer(ctx context.Context, path string, keep time.Duration, size int64, now func() time.Time) (*tracer, error) {
	t, err := newTracer(ctx, path, keep, size, now)
	if kindOf(err) != damaged {
		return t, err
	}
	aside := path + "." + now().UTC().Format("20060102-150405.000") + ".damaged"
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if err := os.Rename(path, aside); err != nil {
		return nil, err
	}
	if t, err = newTracer(ctx, path, keep, size, now); err == nil {
		t.gap("the file was damaged and is kept as " + filepath.Base(aside))
	}
	return t, err
}

func newTracer(ctx context.Context, path string, keep time.Duration, size int64, now func() time.Time) (*tracer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the trace of API calls: %w", err)
	}
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return nil, err
	}
	t := &tracer{
		Trace: Trace{read: sql.OpenDB(traceConnector(path, "mode=rw&_query_only=on"))},
		write: sql.OpenDB(traceConnector(path, "mode=rw&_txlock=immediate&_journal_mode=WAL&_synchronous=NORMAL")),
		keep:  cmp.Or(keep, traceKeep), size: cmp.Or(size, traceSize), now: now,
		many: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	t.write.SetMaxOpenConns(1)
	t.read.SetMaxOpenConns(2)
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(traceFailed(path, err), t.write.Close(), t.read.Close())
	}
	go t.run()
	return t, nil
}

// prepare makes the tables, and sees whether the file can be read at all.
func (t *tracer) prepare(ctx context.Context) error {
	if _, err := t.write.ExecContext(ctx, traceSchema); err != nil {
		return err
	}
	var found string
	if err := t.write.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return &trouble{kind: damaged, detail: found, cause: errors.New(found)}
	}
	return nil
}

// record hands a call to the goroutine that writes.
func (t *tracer) record(c mes.Call) {
	t.mu.Lock()
	room := len(t.waiting) < traceQueue
	if room {
		t.waiting = append(t.waiting, c)
	} else {
		t.lost, t.why = t.lost+1, "more came at once than could be written"
	}
	n := len(t.waiting)
	t.mu.Unlock()
	if room && n == traceBatch {
		select {
		case t.many <- struct{}{}:
		default:
		}
	}
}

// gap records that the trace is not whole here.
func (t *tracer) gap(why string) {
	t.record(mes.Call{At: t.now(), Route: "-", Reason: "the trace begins anew: " + why})
}

func (t *tracer) run() {
	defer close(t.stopped)
	tick := time.NewTicker(traceEvery)
	defer tick.Stop()
	var spare []mes.Call
	for {
		ending := false
		select {
		case <-t.closing:
			ending = true
		case <-t.many:
		case <-tick.C:
		}
		spare = t.flush(spare)
		if ending {
			return
		}
		if now := t.now(); now.Sub(t.pruned) >= tracePrune {
			if more, err := t.prune(now); err != nil || !more {
				t.pruned = now // what failed is tried again with the next round
			}
		}
	}
}

// flush writes what waits, and gives back its memory to be used again.
func (t *tracer) flush(spare []mes.Call) []mes.Call {
	t.mu.Lock()
	calls, lost, why := t.waiting, t.lost, t.why
	if len(calls) == 0 && lost == 0 {
		t.mu.Unlock()
		return spare
	}
	t.waiting, t.lost, t.why = spare[:0], 0, ""
	t.mu.Unlock()
	if lost > 0 {
		calls = append(calls, mes.Call{At: t.now(), Route: "-", Reason: fmt.Sprintf("%d calls were not recorded: %s", lost, why)})
	}
	if err := t.insert(calls); err != nil {
		t.mu.Lock()
		if lost > 0 {
			lost--
		}
		t.lost, t.why = t.lost+lost+int64(len(calls)), err.Error()
		t.mu.Unlock()
	}
	clear(calls)
	return calls
}

const insertCall = "INSERT INTO call(" + callColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

func (t *tracer) insert(calls []mes.Call) error {
	ctx := context.Background()
	tx, err := t.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	insert, err := tx.PrepareContext(ctx, insertCall)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range calls {
		c := &calls[i]
		_, err := insert.ExecContext(ctx, c.At.UnixMilli(), cut(c.ID, 64), cut(string(c.Key), 64), cut(string(c.Principal), 64), cut(c.Route, 160),
			c.Status, c.In, c.Out, c.MS, cut(c.Reason, 240), cut(c.Source, 64))
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// cut bounds what a row takes.
func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "�")
}

const removeOldest = "DELETE FROM call WHERE n IN (SELECT n FROM call WHERE at_ms < ? ORDER BY at_ms, n LIMIT ?)"

// prune removes some of the calls that are too old, or the oldest while the file is too large, and tells whether there is
// more to remove. The file keeps its size; its free pages are used again.
func (t *tracer) prune(now time.Time) (more bool, err error) {
	before := now.Add(-t.keep).UnixMilli()
	used, err := t.used()
	if err != nil {
		return false, err
	}
	if used > t.size {
		before = math.MaxInt64
	}
	result, err := t.write.Exec(removeOldest, before, traceChunk)
	if err != nil {
		return false, err
	}
	removed, err := result.RowsAffected()
	return removed == traceChunk, err
}

// used is how many bytes of the file hold something.
func (t *tracer) used() (bytes int64, err error) {
	var pages, free, size int64
	err = t.write.QueryRow("SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&pages, &free, &size)
	return (pages - free) * size, err
}

// close writes what waits and closes the file. Calls that come later are lost. No tracer is closed already.
func (t *tracer) close() error {
	if t == nil {
		return nil
	}
	close(t.closing)
	<-t.stopped
	return errors.Join(t.read.Close(), t.write.Close())
}
