package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// The table of the samples as the store has it, without anything around it.
const (
	bareTable = `CREATE TABLE sample (machine TEXT NOT NULL, tag TEXT NOT NULL, at_ms INTEGER NOT NULL, nanos INTEGER NOT NULL, ord INTEGER NOT NULL,
		value REAL, text TEXT NOT NULL, PRIMARY KEY (machine, tag, at_ms, nanos, ord)) STRICT, WITHOUT ROWID`
	bareInsert = "INSERT INTO sample(machine, tag, at_ms, nanos, ord, value, text) VALUES (?, ?, ?, ?, ?, ?, ?)"
	bareEach   = "INSERT INTO sample(machine, tag, at_ms, nanos, ord, value, text) SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM json_each(?)"
)

// preparedInserts is the floor of samples on SQLite: one prepared insert a row, a transaction a batch, on one
// connection.
type preparedInserts struct {
	db      *sql.DB
	samples *samples
}

func newPreparedInserts(ctx context.Context, folder string) (*preparedInserts, error) {
	db, err := openBare(ctx, filepath.Join(folder, "floor.db"), bareTable)
	if err != nil {
		return nil, err
	}
	return &preparedInserts{db, newSamples()}, nil
}

func (f *preparedInserts) insert(ctx context.Context, length time.Duration) (spell, error) {
	return crowd(ctx, 1, length, func(context.Context, int) (int, error) {
		batch := f.samples.take(1)
		tx, err := f.db.Begin()
		if err != nil {
			return 0, err
		}
		row, err := tx.Prepare(bareInsert)
		if err != nil {
			return 0, errors.Join(err, tx.Rollback())
		}
		machine := string(f.samples.machine(batch))
		for i := range batchRows {
			tag, at, value := f.samples.row(batch, i)
			if _, err := row.Exec(machine, tag, at.UnixMilli(), 0, 0, value, ""); err != nil {
				return 0, errors.Join(err, tx.Rollback())
			}
		}
		return batchRows, errors.Join(row.Close(), tx.Commit())
	})
}

func (f *preparedInserts) close() error { return f.db.Close() }

// eachInserts is the floor of samples on rqlite: requests with one insert of a batch from a JSON array, over as many
// connections as gemba's clients have, to a process of its own.
type eachInserts struct {
	place   *rqlitePlace
	samples *samples
}

func newEachInserts(ctx context.Context, folder string) (*eachInserts, error) {
	p, err := newRqlitePlace(ctx, folder)
	if err != nil {
		return nil, err
	}
	if _, err := p.client.execute(ctx, bareTable); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &eachInserts{p, newSamples()}, nil
}

func (f *eachInserts) insert(ctx context.Context, length time.Duration) (s spell, err error) {
	n := batchesFor(length)
	first := f.samples.take(n)
	ready, err := prepare(n, bodyBytes, func(to []byte, i int) []byte { return f.appendStatement(to, first+i) })
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, ready.close()) }()
	var next atomic.Int64
	return crowd(ctx, connections, length, func(ctx context.Context, _ int) (int, error) {
		i := int(next.Add(1)) - 1
		if i >= n {
			return 0, errSpent
		}
		r, err := f.place.client.post(ctx, "/db/execute", ready.get(i))
		if err == nil && r.Affected != batchRows {
			err = fmt.Errorf("%d of %d rows were inserted", r.Affected, batchRows)
		}
		return batchRows, err
	})
}

// appendStatement adds the insert of a batch. The array is a string in JSON, so its quotes are escaped.
func (f *eachInserts) appendStatement(to []byte, batch int) []byte {
	to = append(to, `[["`+bareEach+`","[`...)
	for i := range batchRows {
		tag, at, value := f.samples.row(batch, i)
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `[\"`...)
		to = append(to, f.samples.machine(batch)...)
		to = append(to, `\",\"`...)
		to = append(to, tag...)
		to = append(to, `\",`...)
		to = strconv.AppendInt(to, at.UnixMilli(), 10)
		to = append(to, `,0,0,`...)
		to = strconv.AppendFloat(to, value, 'g', -1, 64)
		to = append(to, `,\"\"]`...)
	}
	return append(to, `]"]]`...)
}

func (f *eachInserts) close() error { return f.place.close() }
