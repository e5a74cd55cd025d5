package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"gemba/mes"
)

// verifyPage is how many rows are read at a time while verifying.
const verifyPage = 1000

// A Verification is what Verify found.
type Verification struct {
	OK       bool     `json:"ok"`
	Writers  int      `json:"writers"`
	Entries  int64    `json:"entries"`
	Receipts int64    `json:"receipts"`
	Records  int64    `json:"records"` // records and rows compared with what the ledger says of them
	Fault    *Finding `json:"fault,omitempty"`
}

// A Finding is the first thing that is not as it was written. N is 0 when no entry of the ledger is at fault.
type Finding struct {
	Writer string `json:"writer,omitempty"`
	N      int64  `json:"n"`
	Reason string `json:"reason"`
}

func (f *Finding) Error() string {
	if f.N == 0 {
		return f.Reason
	}
	return fmt.Sprintf("entry %d of writer %s: %s", f.N, f.Writer, f.Reason)
}

func (f *Finding) String() string { return f.Error() }

// Verify proves that the store is as it was written, or names the first entry that is not. It checks the file itself and
// its schema with the triggers; each writer's chain from its first entry to its signed head; that each command that was
// done has its receipt and each receipt its entry; and that every record and row is as the last entry about it left it.
// Machine rows that come in bulk are known to the ledger by number and digest only.
//
// It only reads, and a server may go on committing meanwhile. The error is for what kept it from looking; what it found
// is in the Verification.
func (s *Store) Verify(ctx context.Context) (*Verification, error) {
	v := &verifier{store: s, images: map[imageKey]*image{}, chains: map[string]*mes.Chain{}, seed: maphash.MakeSeed()}
	err := v.run(ctx)
	var found *Finding
	switch {
	case errors.As(err, &found):
		v.result.Fault = found
	case kindOf(err) == damaged:
		v.result.Fault = &Finding{Reason: "the database file is damaged: " + detailOf(err)}
	case err != nil:
		return nil, shown("verify the ledger", err)
	}
	v.result.OK = v.result.Fault == nil
	v.result.Writers = len(v.chains)
	return &v.result, nil
}

// A verifier goes through a store once.
type verifier struct {
	store  *Store
	result Verification
	chains map[string]*mes.Chain
	images map[imageKey]*image
	newer  map[imageKey]rowState // rows of a version that the walk had not come to yet
	seed   maphash.Seed
}

type imageKey struct {
	table *table
	id    mes.ID
}

// rowState is a row's version and the digest of its content.
type rowState struct {
	version int64
	digest  uint64
}

// image is the last thing that the ledger says about a row.
type image struct {
	rowState
	writer string
	n      int64
	seen   bool
}

func (v *verifier) run(ctx context.Context) error {
	if file, ok := v.store.raw.(*sqlite); ok {
		if err := file.check(ctx); err != nil {
			return err
		}
	}
	// Entries before the schema: who changed one had to take a trigger away first, and is to be told which entry it was.
	for _, step := range []func(context.Context) error{v.walk, v.receipts, v.rows, v.walk, v.leftOver, v.schema} {
		err := step(ctx)
		var found *Finding
		if err != nil && !errors.As(err, &found) && errors.As(v.schema(ctx), &found) {
			return found // what is missing explains why it could not be read
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// schema compares the tables, indexes, views and triggers with those that the migrations make: without its triggers the
// ledger would still look whole today.
func (v *verifier) schema(ctx context.Context) error {
	want, err := wantedSchema(ctx)
	if err != nil {
		return err
	}
	have, err := schemaOf(ctx, v.store.engine)
	if err != nil {
		return err
	}
	for name, sql := range want {
		switch found, ok := have[name]; {
		case !ok:
			return &Finding{Reason: name + " is missing from the database; somebody removed it"}
		case found != sql:
			return &Finding{Reason: name + " of the database was changed"}
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			return &Finding{Reason: name + " was added to the database"}
		}
	}
	return nil
}

// schemaOf gives what the schema consists of: "trigger ledger_grows" to its SQL. SQLite's own tables are left out.
func schemaOf(ctx context.Context, e engine) (map[string]string, error) {
	parts := map[string]string{}
	q := stmt{sql: `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'`}
	err := e.query(ctx, fresh, q, func(_ []string, values []any) error {
		parts[textOf(values[0])+" "+textOf(values[1])] = textOf(values[2])
		return nil
	})
	return parts, err
}

// wantedSchema gives the schema of a new store.
func wantedSchema(ctx context.Context) (parts map[string]string, err error) {
	dir, err := os.MkdirTemp("", "gemba-schema-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := openSQLite(ctx, filepath.Join(dir, "schema.db"), false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	all, err := migrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, e, all, time.Time{}); err != nil {
		return nil, err
	}
	return schemaOf(ctx, e)
}

// head is where a chain ends, by its own word and by its entries.
type head struct {
	writer, hash, signature, key string
	n, atMS, last                int64
	early                        bool  // there is an entry before the first
	first                        int64 // its number
}

// walk follows every chain from where it has come to, to its head as it is now, and notes what each entry says of rows.
func (v *verifier) walk(ctx context.Context) error {
	var heads []head
	q := stmt{sql: `SELECT w.writer, h.n, h.hash, h.at_ms, h.signature, h.key_id, (SELECT max(l.n) FROM ledger l WHERE l.writer = w.writer),
			(SELECT min(l.n) FROM ledger l WHERE l.writer = w.writer AND l.n < 1)
		FROM (SELECT writer FROM ledger UNION SELECT writer FROM ledger_head) w LEFT JOIN ledger_head h USING (writer) ORDER BY w.writer`}
	err := v.store.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
		row := scanned(values)
		heads = append(heads, head{writer: row.text(0), n: row.whole(1), hash: row.text(2), atMS: row.whole(3), signature: row.text(4), key: row.text(5), last: row.whole(6), early: row[7] != nil, first: row.whole(7)})
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.early {
			return &Finding{h.writer, h.first, "entries are numbered from 1; somebody put this one in"}
		}
		if err := v.follow(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) follow(ctx context.Context, h head) error {
	chain := v.chains[h.writer]
	if chain == nil {
		chain = &mes.Chain{Writer: h.writer}
		v.chains[h.writer] = chain
	}
	for chain.N < h.n {
		q := selectFrom(ledgerTable).and("writer = ? AND n > ? AND n <= ?", h.writer, chain.N, h.n).end("ORDER BY n LIMIT ?", int64(verifyPage))
		read := 0
		err := v.store.engine.query(ctx, fresh, q.stmt(), func(_ []string, values []any) error {
			var e mes.Entry
			if err := ledgerTable.scan(values, reflect.ValueOf(&e).Elem()); err != nil {
				return &Finding{Writer: h.writer, N: chain.N + 1, Reason: "it cannot be read: " + err.Error()}
			}
			var broken *mes.ChainFault
			if err := chain.Check(&e); errors.As(err, &broken) {
				return v.blame(ctx, h, &e, broken)
			}
			read++
			return v.note(&e)
		})
		if err != nil {
			return err
		}
		if read == 0 {
			return &Finding{h.writer, chain.N + 1, "the entry is missing"}
		}
		v.result.Entries += int64(read)
	}
	switch {
	case h.last > h.n:
		return &Finding{h.writer, h.n + 1, "it lies behind the end of the chain that its writer stated"}
	case chain.N > h.n, chain.N > 0 && chain.Hash != h.hash:
		return &Finding{h.writer, h.n, "the chain does not end as its writer stated"}
	case v.store.verify == nil || h.n == 0:
		return nil
	case h.signature == "":
		return &Finding{h.writer, h.n, "the end of the chain is not signed"}
	}
	if err := v.store.verify(h.writer, h.key, HeadText(h.writer, h.n, h.hash, h.atMS), h.signature); err != nil {
		return &Finding{h.writer, h.n, "the signature at the end of the chain is wrong: " + err.Error()}
	}
	return nil
}

// blame tells which entry is at fault. One that holds together and does not follow the one before it is itself right
// when the next entry, or the stated end, carries its hash: then the one before it was replaced.
func (v *verifier) blame(ctx context.Context, h head, e *mes.Entry, broken *mes.ChainFault) error {
	carried := ""
	if e.N == h.n {
		carried = h.hash
	} else if broken.Linked {
		next := stmt{sql: "SELECT prev_hash FROM ledger WHERE writer = ? AND n = ?", args: []any{h.writer, e.N + 1}}
		if err := v.store.engine.query(ctx, fresh, next, func(_ []string, values []any) error {
			carried = scanned(values).text(0)
			return nil
		}); err != nil {
			return err
		}
	}
	if broken.Linked && e.N > 1 && carried == e.Hash {
		return &Finding{broken.Writer, e.N - 1, "it is not the entry whose hash the next one carries"}
	}
	return &Finding{broken.Writer, broken.N, broken.Reason}
}

// note keeps what an entry says about rows, the newest version of each.
func (v *verifier) note(e *mes.Entry) error {
	if e.Outcome != mes.Done {
		return nil
	}
	var detail mes.Detail
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		return &Finding{e.Writer, e.N, "its detail is not JSON"}
	}
	for _, r := range detail.Rows {
		t := tableOfKind[r.Kind]
		if t == nil {
			return &Finding{e.Writer, e.N, fmt.Sprintf("it speaks of a %s, which there is not", r.Kind)}
		}
		state, err := v.stateOf(t, r.After)
		if err != nil {
			return &Finding{e.Writer, e.N, fmt.Sprintf("what it says of %s %s cannot be read", r.Kind, r.Key)}
		}
		key := imageKey{t, r.Key}
		if now, ok := v.newer[key]; ok && now.version == state.version {
			if now.digest != state.digest {
				return &Finding{e.Writer, e.N, fmt.Sprintf("%s %s is not as this entry left it", r.Kind, r.Key)}
			}
			delete(v.newer, key)
		}
		known := v.images[key]
		switch {
		case known == nil:
			v.images[key] = &image{rowState: state, writer: e.Writer, n: e.N}
		case state.version > known.version:
			known.rowState, known.writer, known.n = state, e.Writer, e.N
		}
	}
	return nil
}

// stateOf gives version and digest of a row in the form that the ledger has it in. Both sides of a comparison go the
// same way: JSON, the row's type, its columns.
func (v *verifier) stateOf(t *table, text []byte) (rowState, error) {
	row := reflect.New(t.row)
	if err := json.Unmarshal(text, row.Interface()); err != nil {
		return rowState{}, err
	}
	columns, err := t.args(nil, row.Elem())
	if err != nil {
		return rowState{}, err
	}
	state := rowState{digest: maphash.Bytes(v.seed, t.insert.list(columns))}
	if t.versioned {
		state.version = row.Elem().FieldByName("Version").Int()
	}
	return state, nil
}

// receipts checks that the commands that were done and the receipts belong to each other.
func (v *verifier) receipts(ctx context.Context) error {
	count := func(values []any) error {
		v.result.Receipts = scanned(values).whole(0)
		return nil
	}
	lost := func(reason string) func([]any) error {
		return func(values []any) error {
			row := scanned(values)
			return &Finding{row.text(0), row.whole(1), reason}
		}
	}
	for _, step := range []struct {
		sql  string
		then func([]any) error
	}{
		{"SELECT count(*) FROM receipt", count},
		{`SELECT l.writer, l.n FROM ledger l WHERE l.outcome = 'done' AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.id = l.id AND r.writer = l.writer AND r.n = l.n)
			ORDER BY l.writer, l.n LIMIT 1`, lost("the receipt of its command is missing")},
		{`SELECT r.writer, r.n FROM receipt r LEFT JOIN ledger l ON l.writer = r.writer AND l.n = r.n
			WHERE l.id IS NOT r.id OR l.outcome IS NOT 'done' OR l.command IS NOT r.command OR l.actor IS NOT r.principal OR l.at_ms IS NOT r.at_ms
			ORDER BY r.writer, r.n LIMIT 1`, lost("a receipt points to it that is not its own")},
		{`SELECT r.writer, r.n FROM receipt r JOIN ledger l ON l.writer = r.writer AND l.n = r.n
			WHERE l.detail->>'$.result' IS NOT r.result OR COALESCE(l.detail->>'$.odd', '') <> COALESCE(r.odd, '')
			ORDER BY r.writer, r.n LIMIT 1`, lost("its receipt was changed")},
	} {
		if err := v.store.engine.query(ctx, fresh, stmt{sql: step.sql}, func(_ []string, values []any) error { return step.then(values) }); err != nil {
			return err
		}
	}
	return nil
}

// rows compares every record and row with its image.
func (v *verifier) rows(ctx context.Context) error {
	v.newer = map[imageKey]rowState{}
	for _, t := range tables {
		if len(t.key) != 1 {
			continue // comes in bulk
		}
		last := ""
		for more := true; more; {
			more = false
			q := selectFrom(t).and("id > ?", last).end("ORDER BY id LIMIT ?", int64(verifyPage))
			err := v.store.engine.query(ctx, fresh, q.stmt(), func(_ []string, values []any) error {
				more, last = true, textOf(values[0])
				v.result.Records++
				return v.compare(t, mes.ID(last), values)
			})
			if err != nil {
				return err
			}
		}
	}
	for key, i := range v.images {
		if !i.seen {
			return &Finding{i.writer, i.n, fmt.Sprintf("%s %s, which it wrote, is missing", key.table.name, key.id)}
		}
	}
	return nil
}

func (v *verifier) compare(t *table, id mes.ID, values []any) error {
	key := imageKey{t, id}
	i := v.images[key]
	row := reflect.New(t.row)
	err := t.scan(values, row.Elem())
	var text []byte
	if err == nil {
		text, err = json.Marshal(row.Interface())
	}
	var now rowState
	if err == nil {
		now, err = v.stateOf(t, text)
	}
	switch {
	case err != nil && i != nil:
		return &Finding{i.writer, i.n, fmt.Sprintf("%s %s, which it wrote, cannot be read", t.name, id)}
	case err != nil:
		return &Finding{Reason: fmt.Sprintf("%s %s cannot be read", t.name, id)}
	case i == nil || now.version > i.version: // written since the walk, or by nobody
		v.newer[key] = now
		if i != nil {
			i.seen = true
		}
	case now != i.rowState:
		return &Finding{i.writer, i.n, fmt.Sprintf("%s %s is not as this entry left it", t.name, id)}
	default:
		i.seen = true
	}
	return nil
}

// leftOver names a row that no entry wrote, once the second walk has come to every entry that was there when the rows
// were read.
func (v *verifier) leftOver(context.Context) error {
	for key := range v.newer {
		if i := v.images[key]; i != nil {
			return &Finding{i.writer, i.n, fmt.Sprintf("%s %s was changed since, by no entry", key.table.name, key.id)}
		}
		return &Finding{Reason: fmt.Sprintf("%s %s was written by no entry of the ledger", key.table.name, key.id)}
	}
	return nil
}
