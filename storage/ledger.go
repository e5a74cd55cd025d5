package storage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"gemba/mes"
)

// ledgerTable is the plan of the ledger's entries. It is not among tables: only the committer writes there.
var ledgerTable = newTable("ledger", reflect.TypeFor[mes.Entry](), false, []string{"writer", "n"})

const (
	receiptColumns = "id, principal, digest, command, writer, n, result, odd, at_ms"
	selectReceipts = "SELECT " + receiptColumns + " FROM receipt WHERE id IN (SELECT value FROM json_each(?))"
	insertHead     = "INSERT INTO ledger_head(writer, n, hash, at_ms, signature, key_id) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(writer) DO UPDATE SET n = excluded.n, hash = excluded.hash, at_ms = excluded.at_ms, signature = excluded.signature, key_id = excluded.key_id"
	selectTail     = "SELECT n, hash FROM ledger WHERE writer = ? ORDER BY n DESC LIMIT 1"
	selectHead     = "SELECT n, hash FROM ledger_head WHERE writer = ?"
)

var insertReceipts = inserting("receipt", receiptColumns, "")

// A link is a place in a writer's chain: the number and hash of an entry. The link before the first entry has number 0.
type link struct {
	n    int64
	hash string
}

var genesis = link{0, mes.GenesisHash}

// HeadText is what is signed of a chain's newest entry.
func HeadText(writer string, n int64, hash string, atMS int64) []byte {
	return []byte("gemba ledger head 1\n" + strconv.Quote(writer) + "\n" + strconv.FormatInt(n, 10) + "\n" + hash + "\n" + strconv.FormatInt(atMS, 10) + "\n")
}

// tail reads the newest entry of a writer, as everybody sees it.
func (s *Store) tail(ctx context.Context, writer string) (link, error) {
	return s.readLink(ctx, stmt{sql: selectTail, args: []any{writer}})
}

func (s *Store) readLink(ctx context.Context, q stmt) (link, error) {
	found := genesis
	err := s.engine.query(ctx, fresh, q, func(_ []string, v []any) error {
		n, ok := wholeOf(v[0])
		if !ok {
			return fmt.Errorf("the ledger holds an entry with number %v", v[0])
		}
		found = link{n, textOf(v[1])}
		return nil
	})
	return found, err
}

// resume finds where this node's chain goes on, and opens its witness. A chain that ends before its signed head, or
// before what the witness has seen, has lost entries; going on would cover that up, so it is refused.
func (s *Store) resume(ctx context.Context, witnessFile string) (tip, error) {
	last, err := s.tail(ctx, s.writer)
	if err != nil {
		return tip{}, fmt.Errorf("read the end of the ledger: %w", err)
	}
	head, err := s.readLink(ctx, stmt{sql: selectHead, args: []any{s.writer}})
	if err != nil {
		return tip{}, fmt.Errorf("read the head of the ledger: %w", err)
	}
	end, err := s.findTip(ctx, s.writer, time.Now())
	if err != nil {
		return tip{}, err
	}
	if last != head || last != end.last {
		return tip{}, fmt.Errorf("the ledger of %s ends at entry %d, but its head says %d: it was changed from outside; find out with \"gemba ledger verify\" and restore a backup", s.writer, last.n, max(head.n, end.last.n))
	}
	if witnessFile == "" {
		return end, nil
	}
	file, known, err := witness(witnessFile)
	if err != nil {
		return tip{}, err
	}
	if err := s.sameAs(ctx, known, last); err != nil {
		return tip{}, errors.Join(err, file.close())
	}
	s.witness = file
	made, err := s.checkpoints(ctx, fresh, newQuery(selectCheckpoints).and("writer = ?", s.writer).end("ORDER BY n DESC LIMIT 1"))
	if err != nil {
		return tip{}, errors.Join(fmt.Errorf("read the checkpoints of the ledger: %w", err), file.close())
	}
	for i := range made {
		if !file.knows(s.writer, made[i].N) { // gemba was killed between keeping it here and there
			file.add(&made[i])
		}
	}
	return end, nil
}

// sameAs compares this node's chain with what its witness saw last.
func (s *Store) sameAs(ctx context.Context, known *Witness, last link) error {
	c := known.newest(s.writer)
	if c == nil {
		return nil
	}
	const then = "find out with \"gemba ledger verify\"; to go on all the same, keep that file as evidence under another name, and start again"
	if c.N > last.n {
		return fmt.Errorf("the ledger of %s ends at entry %d, but %s saw entry %d on %s: the database is an older copy; %s", s.writer, last.n, known.Name, c.N, c.At.Format(time.RFC3339), then)
	}
	hash, err := s.hashOf(ctx, s.writer, c.N)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	if hash != c.Hash {
		return fmt.Errorf("entry %d of %s is not the one that %s saw on %s: there are two ledgers; %s", c.N, s.writer, known.Name, c.At.Format(time.RFC3339), then)
	}
	return nil
}

// hashOf gives the hash of an entry, "" when it is not there.
func (s *Store) hashOf(ctx context.Context, writer string, n int64) (hash string, err error) {
	q := stmt{sql: "SELECT hash FROM ledger WHERE writer = ? AND n = ?", args: []any{writer, n}}
	err = s.engine.query(ctx, fresh, q, func(_ []string, v []any) error {
		hash = textOf(v[0])
		return nil
	})
	return hash, err
}

// newest gives the place of the newest entry, whoever wrote it, in the order in which the database took them.
func (s *Store) newest(ctx context.Context) (rowid int64, err error) {
	err = s.engine.query(ctx, fresh, stmt{sql: "SELECT COALESCE(max(rowid), 0) FROM ledger"}, func(_ []string, v []any) error {
		rowid = scanned(v).whole(0)
		return nil
	})
	return rowid, err
}

// receipts finds the stored receipts among ids, as everybody sees them.
func (s *Store) receipts(ctx context.Context, ids ...mes.ID) (map[mes.ID]mes.Receipt, error) {
	list := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = appendText(list, string(id))
	}
	found := map[mes.ID]mes.Receipt{}
	err := s.engine.query(ctx, fresh, stmt{sql: selectReceipts, args: []any{string(append(list, ']'))}}, func(_ []string, v []any) error {
		r := mes.Receipt{ID: mes.ID(textOf(v[0])), By: mes.ID(textOf(v[1])), Digest: textOf(v[2]), Command: textOf(v[3]), Writer: textOf(v[4])}
		fields := reflect.ValueOf(&r).Elem()
		for i, name := range []string{"N", "Result", "Odd", "At"} {
			f := fields.FieldByName(name)
			if err := setField(f, sortOf(f.Type()), v[5+i]); err != nil {
				return fmt.Errorf("receipt %s: %w", r.ID, err)
			}
		}
		found[r.ID] = r
		return nil
	})
	return found, err
}

// Receipt gives the receipt stored for a command id, or a NotFound fault.
func (s *Store) Receipt(ctx context.Context, id mes.ID) (mes.Receipt, error) {
	found, err := s.receipts(ctx, id)
	if err != nil {
		return mes.Receipt{}, shown("read a receipt", err)
	}
	r, ok := found[id]
	if !ok {
		return mes.Receipt{}, mes.Faultf(mes.NotFound, "no command %s was done", id)
	}
	return r, nil
}

// Entries lists ledger entries, newest first: in the order in which the database took them, whoever wrote them.
func (s *Store) Entries(ctx context.Context, f mes.LedgerFilter) ([]mes.Entry, string, error) {
	return s.EntriesOf(ctx, EntryFilter{LedgerFilter: f})
}

// An EntryFilter chooses entries by their place in a chain as well: those of one writer, numbered First to Last. Empty
// fields choose all.
type EntryFilter struct {
	mes.LedgerFilter
	Writer      string
	First, Last int64
}

// EntriesOf lists ledger entries as Entries does.
func (s *Store) EntriesOf(ctx context.Context, f EntryFilter) ([]mes.Entry, string, error) {
	q := newQuery("SELECT "+ledgerTable.list+", rowid FROM ledger").match("writer", f.Writer).
		match(`"view"`, string(f.View)).match("actor", string(f.Actor)).match("subject", f.Subject).match("command", f.Command).
		within(f.Scope, place{site: "site", line: "line"}).between("at_ms", f.From, f.To)
	if f.First > 0 {
		q.and("n >= ?", f.First)
	}
	if f.Last > 0 {
		q.and("n <= ?", f.Last)
	}
	if err := q.after(f.Page.After, "<", "rowid"); err != nil {
		return nil, "", err
	}
	var found []mes.Entry
	var places []int64
	err := s.engine.query(ctx, local, q.end("ORDER BY rowid DESC LIMIT ?", int64(limitOf(f.Page)+1)).stmt(), func(_ []string, values []any) error {
		var e mes.Entry
		last := len(values) - 1
		if err := ledgerTable.scan(values[:last], reflect.ValueOf(&e).Elem()); err != nil {
			return err
		}
		found, places = append(found, e), append(places, scanned(values).whole(last))
		return nil
	})
	return paged(found, shown("read the ledger", err), f.Page, func(*mes.Entry) []any { return []any{places[limitOf(f.Page)-1]} })
}
