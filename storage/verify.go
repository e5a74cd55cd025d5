package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

	Checkpoints int64    `json:"checkpoints"`     // whose tree and signature are right
	Anchors     int64    `json:"anchors"`         // checkpoints that other writers took into their chains
	Witnessed   int64    `json:"witnessed"`       // checkpoints of witnesses that are in this ledger
	Notes       []string `json:"notes,omitempty"` // what could not be compared, and why
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
// its schema with the triggers; each writer's chain from its first entry to its signed head, and the trees that it stated
// on the way; that nothing is missing of what other writers and the witnesses saw; that each command that was done has
// its receipt and each receipt its entry; and that every record and row is as the last entry about it left it. Machine
// rows that come in bulk are known to the ledger by number only: there must be as many as its writers
// have stated that they put in, and not more than came.
//
// It only reads, and a server may go on committing meanwhile. The error is for what kept it from looking; what it found
// is in the Verification.
func (s *Store) Verify(ctx context.Context, witnesses ...*Witness) (*Verification, error) {
	v := &verifier{store: s, images: map[imageKey]*image{}, strands: map[string]*strand{}, came: map[mes.Kind]int64{}, seed: maphash.MakeSeed()}
	for _, w := range witnesses {
		for _, c := range w.Heads {
			v.witnesses.add(c, w.Name, w.Older)
		}
	}
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
	v.result.Writers = len(v.strands)
	return &v.result, nil
}

// A verifier goes through a store once.
type verifier struct {
	store              *Store
	result             Verification
	strands            map[string]*strand
	images             map[imageKey]*image
	newer              map[imageKey]rowState // rows of a version that the walk had not come to yet
	came               map[mes.Kind]int64    // rows that came in bulk
	bulk               map[mes.Kind]int64    // rows of them that are there
	anchors, witnesses sightings
	seed               maphash.Seed
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
	for _, step := range []func(context.Context) error{v.walk, v.receipts, v.rows, v.walk, v.leftOver, v.seen, v.schema} {
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
	stated                       int64 // entry of the newest checkpoint
}

// walk follows every chain from where it has come to, to its head as it is now, and notes what each entry says of rows.
func (v *verifier) walk(ctx context.Context) error {
	var heads []head
	q := stmt{sql: `SELECT w.writer, h.n, h.hash, h.at_ms, h.signature, h.key_id, (SELECT max(l.n) FROM ledger l WHERE l.writer = w.writer),
			(SELECT min(l.n) FROM ledger l WHERE l.writer = w.writer AND l.n < 1),
			(SELECT max(c.n) FROM ledger_checkpoint c WHERE c.writer = w.writer)
		FROM (SELECT writer FROM ledger UNION SELECT writer FROM ledger_head UNION SELECT writer FROM ledger_checkpoint) w LEFT JOIN ledger_head h USING (writer) ORDER BY w.writer`}
	err := v.store.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
		row := scanned(values)
		heads = append(heads, head{writer: row.text(0), n: row.whole(1), hash: row.text(2), atMS: row.whole(3), signature: row.text(4), key: row.text(5), last: row.whole(6), early: row[7] != nil, first: row.whole(7), stated: row.whole(8)})
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
	s := v.strands[h.writer]
	if s == nil {
		s = &strand{chain: mes.Chain{Writer: h.writer}}
		v.strands[h.writer] = s
	}
	chain := &s.chain
	for chain.N < h.n {
		made, err := v.store.checkpoints(ctx, fresh, newQuery(selectCheckpoints).
			and("writer = ? AND n > ? AND n <= ?", h.writer, s.stated, min(h.n, chain.N+verifyPage)).end("ORDER BY n"))
		if err != nil {
			return err
		}
		var page []mes.Entry
		q := selectFrom(ledgerTable).and("writer = ? AND n > ? AND n <= ?", h.writer, chain.N, h.n).end("ORDER BY n LIMIT ?", int64(verifyPage))
		err = v.store.engine.query(ctx, fresh, q.stmt(), func(_ []string, values []any) error {
			var e mes.Entry
			if err := ledgerTable.scan(values, reflect.ValueOf(&e).Elem()); err != nil {
				return &Finding{Writer: h.writer, N: chain.N + 1, Reason: "it cannot be read: " + err.Error()}
			}
			var broken *mes.ChainFault
			if err := s.entry(&e); errors.As(err, &broken) {
				return v.blame(ctx, h, &e, broken)
			}
			for ; len(made) > 0 && made[0].N <= e.N; made = made[1:] {
				if wrong := s.checkpoint(&made[0], v.store.verifyNote); wrong != nil {
					return wrong
				}
				v.result.Checkpoints++
			}
			if wrong := s.covered(); wrong != nil {
				return wrong
			}
			page = append(page, e)
			return v.note(&e)
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return &Finding{h.writer, chain.N + 1, "the entry is missing"}
		}
		if err := v.digests(ctx, page); err != nil {
			return err
		}
		v.result.Entries += int64(len(page))
	}
	switch {
	case h.n < 1 && h.last == 0 && h.stated == 0:
		return &Finding{h.writer, h.n, fmt.Sprintf("somebody put in the end of a ledger of %s, which has no entries", h.writer)}
	case h.last > h.n:
		return &Finding{h.writer, h.n + 1, "it lies behind the end of the chain that its writer stated"}
	case chain.N > h.n, chain.N > 0 && chain.Hash != h.hash:
		return &Finding{h.writer, h.n, "the chain does not end as its writer stated"}
	case h.stated > h.n:
		return &Finding{h.writer, h.n + 1, fmt.Sprintf("the entry is missing: there is a checkpoint over entry %d", h.stated)}
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
	if c, ok, err := e.Anchored(); err != nil {
		return &Finding{e.Writer, e.N, "the checkpoint in it cannot be read"}
	} else if ok {
		v.anchors.add(c, "writer "+e.Writer, false)
	}
	var detail mes.Detail
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		return &Finding{e.Writer, e.N, "its detail is not JSON"}
	}
	for _, b := range detail.Batches {
		v.came[b.Kind] += int64(b.Count)
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
	v.newer, v.bulk = map[imageKey]rowState{}, map[mes.Kind]int64{}
	stated := map[mes.Kind]int64{}
	for _, s := range v.strands {
		for kind, n := range s.rows {
			stated[kind] += n
		}
	}
	for _, t := range tables {
		if len(t.key) != 1 { // comes in bulk
			err := v.store.engine.query(ctx, fresh, stmt{sql: "SELECT count(*) FROM " + t.name}, func(_ []string, values []any) error {
				kind, n := mes.Kind(t.name), scanned(values).whole(0)
				if n < stated[kind] {
					return &Finding{Reason: fmt.Sprintf("there are %d rows of %s, and %d were put in; somebody removed some", n, kind, stated[kind])}
				}
				v.bulk[kind] = n
				return nil
			})
			if err != nil {
				return err
			}
			continue
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
	for kind, n := range v.bulk {
		if n > v.came[kind] {
			return &Finding{Reason: fmt.Sprintf("there are %d rows of %s, and only %d came in; somebody put some in", n, kind, v.came[kind])}
		}
	}
	return nil
}

// digests compares the digest in the receipt of each command that was done with what the entry says was asked.
func (v *verifier) digests(ctx context.Context, page []mes.Entry) error {
	list := []byte{'['}
	done := map[mes.ID]*mes.Entry{}
	for i := range page {
		e := &page[i]
		if e.Outcome != mes.Done {
			continue
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = appendText(list, string(e.ID))
		done[e.ID] = e
	}
	q := stmt{sql: "SELECT id, digest FROM receipt WHERE id IN (SELECT value FROM json_each(?))", args: []any{string(append(list, ']'))}}
	return v.store.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
		row := scanned(values)
		e := done[row.id(0)]
		var detail struct {
			Given json.RawMessage `json:"given"`
		}
		if e == nil || json.Unmarshal(e.Detail, &detail) != nil {
			return nil // other checks name it
		}
		if mes.GivenDigest(e.Command, detail.Given) != row.text(1) {
			return &Finding{e.Writer, e.N, "the digest in its receipt was changed"}
		}
		return nil
	})
}

// seen compares the ledger with what other writers and the witnesses saw of it.
func (v *verifier) seen(ctx context.Context) error {
	for _, part := range []struct {
		seen    sightings
		matched *int64
	}{{v.anchors, &v.result.Anchors}, {v.witnesses, &v.result.Witnessed}} {
		by := part.seen.of()
		for _, writer := range slices.Sorted(maps.Keys(by)) {
			seen := by[writer]
			last := int64(0)
			if s := v.strands[writer]; s != nil {
				last = s.chain.N
			}
			have, err := v.stated(ctx, writer, seen)
			if err != nil {
				return err
			}
			matched, fault := agree(writer, seen, last, have)
			*part.matched += matched
			if fault != nil {
				return fault
			}
			if end := seen[len(seen)-1]; end.N > last {
				v.result.Notes = append(v.result.Notes, fmt.Sprintf("%s has seen %d entries of %s that came after this copy was made", end.by, end.N-last, writer))
			}
		}
	}
	return nil
}

// stated gives the hash of each entry that was seen, and the root of its checkpoint.
func (v *verifier) stated(ctx context.Context, writer string, seen []sighting) (map[int64][2]string, error) {
	have := make(map[int64][2]string, len(seen))
	for part := range slices.Chunk(seen, verifyPage) {
		numbers := make([]int64, len(part))
		for i := range part {
			numbers[i] = part[i].N
		}
		list, err := json.Marshal(numbers)
		if err != nil {
			return nil, err
		}
		q := stmt{sql: `SELECT l.n, l.hash, c.root FROM ledger l LEFT JOIN ledger_checkpoint c ON c.writer = l.writer AND c.n = l.n
			WHERE l.writer = ? AND l.n IN (SELECT value FROM json_each(?))`, args: []any{writer, string(list)}}
		err = v.store.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
			row := scanned(values)
			have[row.whole(0)] = [2]string{row.text(1), row.text(2)}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}
