package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-sqlite3"

	"gemba/mes"
)

// traceSchema is the whole trace. Every index ends in the time, so that what it finds is in order already; n is the order
// in which calls were recorded, which is the order in which they ended.
const traceSchema = `
CREATE TABLE IF NOT EXISTS call (
	n         INTEGER PRIMARY KEY,
	at_ms     INTEGER NOT NULL,
	id        TEXT NOT NULL,
	key       TEXT NOT NULL,
	principal TEXT NOT NULL,
	route     TEXT NOT NULL,
	status    INTEGER NOT NULL,
	bytes_in  INTEGER NOT NULL,
	bytes_out INTEGER NOT NULL,
	took_ms   REAL NOT NULL,
	reason    TEXT NOT NULL,
	source    TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS call_at ON call(at_ms);
CREATE INDEX IF NOT EXISTS call_id ON call(id, at_ms);
CREATE INDEX IF NOT EXISTS call_key ON call(key, at_ms);
CREATE INDEX IF NOT EXISTS call_principal ON call(principal, at_ms);
CREATE INDEX IF NOT EXISTS call_route ON call(route, at_ms);
CREATE INDEX IF NOT EXISTS call_source ON call(source, at_ms);
CREATE INDEX IF NOT EXISTS call_refused ON call(status / 100, at_ms) WHERE status >= 400;`

const callColumns = "at_ms, id, key, principal, route, status, bytes_in, bytes_out, took_ms, reason, source"

// A Trace is the record of API calls, in a file of its own on each node and on both engines: traffic burdens neither the
// store nor its replicas. It is for finding out what happened, not for proving it: that is the ledger's part.
type Trace struct{ read *sql.DB }

// OpenTrace opens a trace to look at it, also while a server records into it.
func OpenTrace(ctx context.Context, path string) (*Trace, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, mes.Faultf(mes.NotFound, "there is no trace of API calls at %s; name the data folder of a gemba that has run", path)
	} else if err != nil {
		return nil, err
	}
	t := &Trace{read: sql.OpenDB(traceConnector(path, "mode=ro&_query_only=on"))}
	t.read.SetMaxOpenConns(2)
	if _, _, err := t.Calls(ctx, mes.TraceFilter{Page: mes.Page{Limit: 1}}); err != nil {
		return nil, errors.Join(traceFailed(path, err), t.Close())
	}
	return t, nil
}

func traceFailed(path string, err error) error {
	if kindOf(err) == other {
		err = fromText(err)
	}
	if kindOf(err) == damaged {
		return fmt.Errorf("the trace of API calls %s is damaged; a server that starts puts it aside: %w", path, err)
	}
	return fmt.Errorf("open the trace of API calls %s: %w", path, err)
}

func traceConnector(path, options string) dialer {
	return dialer{
		driver: &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
			_, err := c.Exec("PRAGMA trusted_schema=OFF; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=16777216", nil)
			return err
		}},
		dsn: (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() + "?" + options + "&_busy_timeout=5000",
	}
}

// Close closes the file.
func (t *Trace) Close() error { return t.read.Close() }

// Calls lists API calls of this node, newest first. A status below 10 stands for its hundred: 4 finds 400 to 499.
func (t *Trace) Calls(ctx context.Context, f mes.TraceFilter) ([]mes.Call, string, error) {
	q := chooseCalls(f)
	if err := q.after(f.Page.After, "<", "at_ms", "n"); err != nil {
		return nil, "", err
	}
	found, err := t.rows(ctx, q.end("ORDER BY at_ms DESC, n DESC LIMIT ?", int64(limitOf(f.Page)+1)))
	calls, next, err := paged(found, err, f.Page, func(c *recorded) []any { return []any{c.At.UnixMilli(), c.n} })
	return plain(calls), next, err
}

// Follow gives the newest page of calls, oldest first, and then calls as they are recorded, until the context ends or
// show fails.
func (t *Trace) Follow(ctx context.Context, f mes.TraceFilter, show func([]mes.Call) error) error {
	var last int64
	if err := t.read.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM call").Scan(&last); err != nil {
		return unreadable(err)
	}
	found, err := t.rows(ctx, chooseCalls(f).and("n <= ?", last).end("ORDER BY at_ms DESC, n DESC LIMIT ?", int64(limitOf(f.Page))))
	slices.Reverse(found)
	tick := time.NewTicker(traceEvery)
	defer tick.Stop()
	for {
		if err == nil && len(found) > 0 {
			err = show(plain(found))
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if found, err = t.rows(ctx, chooseCalls(f).and("n > ?", last).end("ORDER BY n LIMIT 1000")); len(found) > 0 {
			last = found[len(found)-1].n
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func chooseCalls(f mes.TraceFilter) *query {
	q := newQuery("SELECT n, "+callColumns+" FROM call").match("id", f.ID).match("key", string(f.Key)).
		match("principal", string(f.Principal)).match("route", f.Route).match("source", f.Source)
	switch {
	case f.Status >= 400: // said as it stands in the index, so that SQLite takes it
		q.and("status >= 400 AND status / 100 = ? AND status = ?", int64(f.Status/100), int64(f.Status))
	case f.Status >= 10:
		q.and("status = ?", int64(f.Status))
	case f.Status >= 4:
		q.and("status >= 400 AND status / 100 = ?", int64(f.Status))
	case f.Status > 0:
		q.and("status / 100 = ?", int64(f.Status))
	}
	if !f.From.IsZero() {
		q.and("at_ms >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		q.and("at_ms < ?", f.To.UnixMilli())
	}
	return q
}

// recorded is a call with its number.
type recorded struct {
	mes.Call
	n int64
}

func plain(found []recorded) []mes.Call {
	calls := make([]mes.Call, len(found))
	for i := range found {
		calls[i] = found[i].Call
	}
	return calls
}

func (t *Trace) rows(ctx context.Context, q *query) ([]recorded, error) {
	s := q.stmt()
	rows, err := t.read.QueryContext(ctx, s.sql, s.args...)
	if err != nil {
		return nil, unreadable(err)
	}
	defer rows.Close()
	var found []recorded
	for rows.Next() {
		var c recorded
		var at int64
		if err := rows.Scan(&c.n, &at, &c.ID, &c.Key, &c.Principal, &c.Route, &c.Status, &c.In, &c.Out, &c.MS, &c.Reason, &c.Source); err != nil {
			return nil, unreadable(err)
		}
		c.At = time.UnixMilli(at).UTC()
		found = append(found, c)
	}
	return found, unreadable(rows.Err())
}

func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return shown("read the trace of API calls", fromText(err))
}

// RecordCall takes down one API call. It never waits: calls are written together a moment later, and those for which
// there is no room by then are counted, and the count is recorded in their place. A node that is killed loses the calls
// of its last fifth of a second. Texts are cut to a sensible length.
func (s *Store) RecordCall(c mes.Call) {
	if s.tracer != nil {
		s.tracer.record(c)
	}
}

// Calls lists the API calls that this node has recorded, newest first; none on a store without a trace.
func (s *Store) Calls(ctx context.Context, f mes.TraceFilter) ([]mes.Call, string, error) {
	if s.tracer == nil {
		return nil, "", nil
	}
	return s.tracer.Calls(ctx, f)
}
