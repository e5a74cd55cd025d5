package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// One small row, and the table for it: the least that can be committed.
const (
	smallTable  = "CREATE TABLE small (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, what TEXT NOT NULL) STRICT"
	smallInsert = "INSERT INTO small(id, at_ms, what) VALUES (?, ?, ?)"
	smallText   = "one small row"
)

// singleCommits is the floor of reports on SQLite: commits of one row, one after the other, each on the disk before the
// next begins.
type singleCommits struct {
	db  *sql.DB
	row *sql.Stmt
	n   int64
}

func newSingleCommits(ctx context.Context, path string) (*singleCommits, error) {
	db, err := openBare(ctx, path, smallTable)
	if err != nil {
		return nil, err
	}
	row, err := db.PrepareContext(ctx, smallInsert)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &singleCommits{db: db, row: row}, nil
}

// openBare makes a database file with one connection, set as the store's, and a table.
func openBare(ctx context.Context, path, table string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, table); err != nil {
		return nil, errors.Join(fmt.Errorf("make the floor's table: %w", err), db.Close())
	}
	return db, nil
}

func (f *singleCommits) insert(ctx context.Context, length time.Duration) (spell, error) {
	return crowd(ctx, 1, length, func(context.Context, int) (int, error) {
		f.n++
		// Without a context that can end, which would cost a goroutine a commit.
		_, err := f.row.Exec(f.n, time.Now().UnixMilli(), smallText)
		return 1, err
	})
}

func (f *singleCommits) close() error { return errors.Join(f.row.Close(), f.db.Close()) }

// singleInserts is the floor of reports on rqlite: requests with one insert, as many at once as there are reporters. It
// has a process of its own, so that its snapshots do not fall into our rounds.
type singleInserts struct {
	place *rqlitePlace
	n     atomic.Int64
}

func newSingleInserts(ctx context.Context, folder string) (*singleInserts, error) {
	p, err := newRqlitePlace(ctx, folder)
	if err != nil {
		return nil, err
	}
	if _, err := p.client.execute(ctx, smallTable); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &singleInserts{place: p}, nil
}

func (f *singleInserts) insert(ctx context.Context, length time.Duration) (spell, error) {
	return crowd(ctx, reporters, length, func(ctx context.Context, _ int) (int, error) {
		body, err := json.Marshal([][]any{{smallInsert, f.n.Add(1), time.Now().UnixMilli(), smallText}})
		if err != nil {
			return 0, err
		}
		r, err := f.place.client.post(ctx, "/db/execute", body)
		if err != nil {
			return 0, err
		}
		return int(r.Affected), nil
	})
}

func (f *singleInserts) close() error { return f.place.close() }
