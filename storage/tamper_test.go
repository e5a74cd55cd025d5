package storage

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gemba/mes"
)

// A site is a data folder that a floor was worked on in three stretches, each ending with a checkpoint.
type site struct {
	t             testing.TB
	folder        string
	first, second int64 // numbers of the first and second stretch's last entry
	last          int64
}

func newSite(t testing.TB) *site {
	t.Helper()
	p := &site{t: t, folder: t.TempDir()}
	for i, end := range []*int64{&p.first, &p.second, &p.last} {
		s, err := Open(t.Context(), p.options())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			workADay(t.(*testing.T), s)
		} else {
			for k := range 4 {
				mustCommit(t, s, changing(t, mes.ID(fmt.Sprintf("stretch-%d-%d", i, k)), []mes.Record{product(fmt.Sprintf("P-%d-%d", i, k), 1)}))
			}
		}
		*end = s.pulse.Load().last
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *site) path() string     { return filepath.Join(p.folder, "gemba.db") }
func (p *site) heads() string    { return filepath.Join(p.folder, "ledger.heads") }
func (p *site) options() Options { return options(p.folder, "node1") }

func options(folder, writer string) Options {
	return signing(Options{Store: "sqlite:" + filepath.Join(folder, "gemba.db"), Writer: writer, Witness: filepath.Join(folder, "ledger.heads")})
}

// copy is the folder as it is now, elsewhere.
func (p *site) copy() *site {
	p.t.Helper()
	c := *p
	c.folder = p.t.TempDir()
	for _, name := range []string{"gemba.db", "ledger.heads"} {
		text, err := os.ReadFile(filepath.Join(p.folder, name))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.folder, name), text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return &c
}

// verify verifies the database, with the witness files that are named.
func (p *site) verify(heads ...string) *Verification {
	p.t.Helper()
	s, err := Open(p.t.Context(), signing(Options{Store: "sqlite:" + p.path(), ReadOnly: true}))
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	var witnesses []*Witness
	for _, path := range heads {
		w, err := ReadWitness(path)
		if err != nil {
			p.t.Fatal(err)
		}
		witnesses = append(witnesses, w)
	}
	v, err := s.Verify(p.t.Context(), witnesses...)
	if err != nil {
		p.t.Fatal(err, cause(err))
	}
	return v
}

const unlocked = `DROP TRIGGER ledger_no_update; DROP TRIGGER ledger_no_delete; DROP TRIGGER ledger_continues; DROP TRIGGER ledger_grows;
	DROP TRIGGER receipt_no_delete; DROP TRIGGER receipt_no_update;
	DROP TRIGGER ledger_checkpoint_no_update; DROP TRIGGER ledger_checkpoint_no_delete; DROP TRIGGER ledger_checkpoint_grows; `

// forge does what somebody could who has the file and the signing key: it changes entry n, and makes everything that
// follows from it anew: hashes, the signed head and, if stated is set, the checkpoints. Triggers are as before.
func forge(t testing.TB, e engine, writer string, n int64, stated bool, edit func(*mes.Entry)) {
	t.Helper()
	s := &Store{engine: e, raw: e, writer: writer, signNote: signing(Options{}).SignNote}
	var entries []mes.Entry
	q := selectFrom(ledgerTable).and("writer = ?", writer).end("ORDER BY n")
	if err := e.query(t.Context(), fresh, q.stmt(), func(_ []string, values []any) error {
		var one mes.Entry
		entries = append(entries, one)
		return ledgerTable.scan(values, reflect.ValueOf(&entries[len(entries)-1]).Elem())
	}); err != nil {
		t.Fatal(err)
	}
	made, err := s.checkpoints(t.Context(), fresh, newQuery(selectCheckpoints).and("writer = ?", writer).end("ORDER BY n"))
	if err != nil {
		t.Fatal(err)
	}
	var batch []stmt
	for text := range strings.SplitSeq(unlocked, ";") {
		if text = strings.TrimSpace(text); text != "" {
			batch = append(batch, stmt{sql: text})
		}
	}
	if stated {
		batch = append(batch, stmt{sql: "DELETE FROM ledger_checkpoint WHERE writer = ?", args: []any{writer}})
	}
	end := tip{last: genesis}
	rows := map[int64]map[mes.Kind]int64{}
	for i := range made {
		rows[made[i].N] = made[i].Rows
	}
	for i := range entries {
		one := &entries[i]
		if one.N == n {
			edit(one)
		}
		one.Seal(writer, one.N, end.last.hash)
		end.add(one.N, one.Hash, one.Command)
		if one.N >= n {
			args, err := ledgerTable.args(nil, reflect.ValueOf(one).Elem())
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, stmt{sql: "DELETE FROM ledger WHERE writer = ? AND n = ?", args: []any{writer, one.N}}, stmt{sql: ledgerTable.insert.single, args: args})
		}
		if at := slices.IndexFunc(made, func(c mes.Checkpoint) bool { return c.N == one.N }); stated && at >= 0 {
			end.rows = rows[one.N]
			c, err := s.checkpoint(&end, made[at].At)
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, checkpointStmt(c, &end.tree))
		}
	}
	signature, key := signing(Options{}).Sign(HeadText(writer, end.last.n, end.last.hash, noon.UnixMilli()))
	batch = append(batch, stmt{sql: insertHead, args: []any{writer, end.last.n, end.last.hash, noon.UnixMilli(), signature, key}})
	batch = append(batch, lockAgain(t)...)
	if _, err := e.exec(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// lockAgain makes the triggers that unlocked dropped.
func lockAgain(t testing.TB) (batch []stmt) {
	t.Helper()
	wanted, err := wantedSchema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range wanted {
		if trigger, ok := strings.CutPrefix(name, "trigger "); ok && strings.Contains(unlocked, "DROP TRIGGER "+trigger+";") {
			batch = append(batch, stmt{sql: text})
		}
	}
	return batch
}

// forgeFile forges in a file of SQLite.
func (p *site) forge(n int64, stated bool, edit func(*mes.Entry)) {
	p.t.Helper()
	e, err := openSQLite(p.t.Context(), p.path(), false)
	if err != nil {
		p.t.Fatal(err)
	}
	forge(p.t, e, "node1", n, stated, edit)
	if err := e.close(); err != nil {
		p.t.Fatal(err)
	}
}

// cut takes the end of the chain off behind entry n, with everything that tells of it, and signs the new end.
func (p *site) cut(n int64) {
	p.t.Helper()
	text := fmt.Sprintf(`PRAGMA foreign_keys = OFF; %s DELETE FROM ledger WHERE n > %d; DELETE FROM receipt WHERE n > %[2]d; DELETE FROM ledger_checkpoint WHERE n > %[2]d;
		DELETE FROM product WHERE id LIKE 'P-%%'`, unlocked, n)
	if err := tamper(p.t.(*testing.T), p.path(), text); err != nil {
		p.t.Fatal(err)
	}
	restore(p.t.(*testing.T), p.path())
	p.forge(n, false, func(*mes.Entry) {})
}

func elsewhere(e *mes.Entry) { e.Source = "192.0.2.66" }

// Group T of the security suite: twelve ways to deal with the file, each with what finds it and the entry that is named.
func TestTamper(t *testing.T) {
	whole := newSite(t)
	if v := whole.verify(whole.heads()); !v.OK || v.Checkpoints != 3 || v.Witnessed != 3 || len(v.Notes) > 0 {
		t.Fatalf("untouched: %+v", v)
	}
	sqlOf := func(text string) func(*site) []string {
		return func(p *site) []string {
			if err := tamper(t, p.path(), unlocked+text); err != nil {
				t.Fatal(err)
			}
			restore(t, p.path())
			return nil
		}
	}
	columns := strings.ReplaceAll(ledgerTable.list, "n,id,", "")
	for _, test := range []struct {
		name   string
		do     func(*site) []string // gives witness files
		n      int64
		reason string
	}{
		{"T1 update", sqlOf("UPDATE ledger SET actor = 'x' WHERE n = 3"), 3, "content does not match"},
		{"T2 delete", sqlOf("DELETE FROM ledger WHERE n = 4"), 4, "missing"},
		{"T3 replace by number", sqlOf("INSERT OR REPLACE INTO ledger SELECT writer, n, " + strings.Replace(strings.TrimPrefix(ledgerTable.list, "writer,n,"), "actor", "'x'", 1) + " FROM ledger WHERE n = 5"), 5, "content does not match"},
		{"T4 replace by rowid", sqlOf("INSERT OR REPLACE INTO ledger(rowid, " + ledgerTable.list + ") SELECT rowid, writer, n + 1000, 'forged'" + strings.TrimPrefix(columns, "writer") + " FROM ledger WHERE n = 6"), 6, "missing"},
		{"T5 drop a trigger", func(p *site) []string {
			if err := tamper(t, p.path(), "DROP TRIGGER ledger_checkpoint_no_delete"); err != nil {
				t.Fatal(err)
			}
			return nil
		}, 0, "ledger_checkpoint_no_delete is missing"},
		{"T6 cut off the end, with a stolen key", func(p *site) []string { p.cut(whole.first); return []string{p.heads()} }, whole.first + 1, "missing"},
		{"T7 swap two", sqlOf("UPDATE ledger SET n = 1000 WHERE n = 5; UPDATE ledger SET n = 5 WHERE n = 6; UPDATE ledger SET n = 6 WHERE n = 1000"), 5, "content does not match"},
		{"T8 insert between", sqlOf(`UPDATE ledger SET n = n + 1000 WHERE n >= 7; UPDATE ledger SET n = n - 999 WHERE n >= 1000;
			INSERT INTO ledger SELECT writer, n + 1, 'forged'` + strings.TrimPrefix(columns, "writer") + " FROM ledger WHERE n = 6"), 7, ""},
		{"T9 put an older copy back", func(p *site) []string {
			older := p.copy()
			s, err := Open(t.Context(), p.options())
			if err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, changing(t, "later", nil))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			heads := p.heads()
			*p = *older
			return []string{heads}
		}, whole.last + 1, "older copy"},
		{"T10 go on in two copies", func(p *site) []string {
			other := p.copy()
			for name, one := range map[string]*site{"here": p, "there": other} {
				s, err := Open(t.Context(), one.options())
				if err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					mustCommit(t, s, changing(t, mes.ID(fmt.Sprint(name, i)), nil))
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			return []string{p.heads(), other.heads()}
		}, whole.last + 1, "two of it"},
		{"T11 write it anew with a stolen key", func(p *site) []string { p.forge(3, true, elsewhere); return []string{p.heads()} }, 1, "up to entry"},
		{"T11 write it anew, and forget the checkpoints", func(p *site) []string { p.forge(whole.second, false, elsewhere); return nil }, whole.first + 1, "checkpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := whole.copy()
			p.t = t
			heads := test.do(p)
			v := p.verify(heads...)
			if v.OK || v.Fault == nil {
				t.Fatal("not found")
			}
			if v.Fault.N != test.n || !strings.Contains(v.Fault.Reason, test.reason) {
				t.Errorf("%s", v.Fault)
			}
		})
	}
	t.Run("T12 edit the archive", func(t *testing.T) { tamperExport(t, whole) })
}

// exportOf is the ledger of a site as a file.
func exportOf(t testing.TB, p *site) []byte {
	t.Helper()
	s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + p.path(), ReadOnly: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	if n, err := s.Export(context.Background(), &out, "", []string{"key1"}, noon); err != nil || n != p.last {
		t.Fatal(n, err)
	}
	return out.Bytes()
}

func judged(t testing.TB) func([]string) (Judge, error) {
	return func(keys []string) (Judge, error) {
		if !slices.Equal(keys, []string{"key1"}) {
			t.Errorf("the keys of the file are %q", keys)
		}
		o := signing(Options{})
		return Judge{Head: o.Verify, Note: o.VerifyNote}, nil
	}
}

func tamperExport(t *testing.T, whole *site) {
	text := exportOf(t, whole)
	heads, err := ReadWitness(whole.heads())
	if err != nil {
		t.Fatal(err)
	}
	v, err := VerifyExport(bytes.NewReader(text), judged(t), heads)
	if err != nil || !v.OK || v.Entries != whole.last || v.Checkpoints != 3 || v.Witnessed != 3 {
		t.Fatalf("untouched: %+v, %v", v, err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines = lines[:len(lines)-1]
	at := func(begin string, skip int) int {
		for i, line := range lines {
			if bytes.HasPrefix(line, []byte(begin)) {
				if skip--; skip < 0 {
					return i
				}
			}
		}
		t.Fatalf("no line begins with %s", begin)
		return 0
	}
	edited := func(i int, old, new string) [][]byte {
		all := slices.Clone(lines)
		if all[i] = bytes.Replace(all[i], []byte(old), []byte(new), 1); bytes.Equal(all[i], lines[i]) {
			t.Fatalf("line %d does not hold %s", i+1, old)
		}
		return all
	}
	const entry, checkpoint = `{"entry"`, `{"checkpoint"`
	for _, test := range []struct {
		name  string
		lines [][]byte
		n     int64 // -1 for any
	}{
		{"entry edited", edited(at(entry, 3), `"actor":"`, `"actor":"x`), 4},
		{"entry edited twice in one", edited(at(entry, 3), `"actor":`, `"actor":"x","actor":`), 4},
		{"member added", edited(at(entry, 3), `"actor":`, `"approved":"x","actor":`), 4},
		{"detail edited", edited(at(entry, 2), `"after"`, `"After"`), 3},
		{"space added", edited(at(entry, 2), `,"n":`, `, "n":`), 3},
		{"line torn", edited(at(entry, 2), `{"entry":`, ``), 3},
		{"entry removed", slices.Delete(slices.Clone(lines), at(entry, 5), at(entry, 6)), 6},
		{"entries swapped", func() [][]byte {
			all := slices.Clone(lines)
			i := at(entry, 5)
			all[i], all[i+1] = all[i+1], all[i]
			return all
		}(), 6},
		{"checkpoint edited", edited(at(checkpoint, 1), `"root":"`, `"root":"A`), whole.second},
		{"note edited", edited(at(checkpoint, 1), `"note":"`, `"note":"A`), whole.second},
		{"checkpoint moved", func() [][]byte {
			i := at(checkpoint, 0)
			return slices.Insert(slices.Delete(slices.Clone(lines), i, i+1), i+2, lines[i])
		}(), whole.first},
		{"checkpoint removed", slices.Delete(slices.Clone(lines), at(checkpoint, 1), at(checkpoint, 1)+1), 0},
		{"head edited", edited(at(`{"head"`, 0), `"at_ms":`, `"at_ms":1`), whole.last},
		{"head unsigned", edited(at(`{"head"`, 0), `"signature":"signed`, `"signature":"`), whole.last},
		{"head removed", slices.Delete(slices.Clone(lines), at(`{"head"`, 0), at(`{"head"`, 0)+1), 0},
		{"cut off", lines[:at(entry, 9)], 0},
		{"cut off with another end", append(slices.Clone(lines[:at(entry, 9)]), lines[at(`{"head"`, 0):]...), 10},
		{"something behind the end", append(slices.Clone(lines), lines[1]), 0},
		{"entries behind the head", append(slices.Clone(lines[:at(`{"end"`, 0)]), lines[at(entry, 0)], lines[at(`{"end"`, 0)]), whole.last + 1},
		{"another writer", edited(at(`{"head"`, 0), `"writer":"node1"`, `"writer":"node2"`), -1},
		{"number of entries", edited(at(`{"end"`, 0), `"entries":`, `"entries":1`), 0},
		{"key among the entries", slices.Insert(slices.Clone(lines), at(entry, 2), lines[1]), 3},
	} {
		v, err := VerifyExport(bytes.NewReader(bytes.Join(test.lines, nil)), judged(t))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if v.OK || test.n >= 0 && v.Fault.N != test.n {
			t.Errorf("%s: %v", test.name, v.Fault)
		}
	}
	for _, text := range []string{"", "x", "{}\n", `{"key":"k"}` + "\n", `{"export":{"form":"gemba ledger 9","at":"2026-11-23T12:00:00Z","writers":[]}}` + "\n", string(lines[at(entry, 0)])} {
		if v, err := VerifyExport(strings.NewReader(text), judged(t)); err == nil {
			t.Errorf("%.20q was taken for an export: %+v", text, v)
		}
	}

	// An export of an older copy is whole in itself; the witness tells.
	older := whole.copy()
	older.cut(whole.first)
	older.last = whole.first
	v, err = VerifyExport(bytes.NewReader(exportOf(t, older)), judged(t), heads)
	if err != nil || v.OK || v.Fault.N != whole.first+1 {
		t.Errorf("an older ledger: %+v, %v", v, err)
	}
	heads.Older = true
	if v, err = VerifyExport(bytes.NewReader(exportOf(t, older)), judged(t), heads); err != nil || !v.OK || v.Witnessed != 1 {
		t.Errorf("a backup: %+v, %v", v, err)
	}
}

// What the file itself refuses, it refuses in the checkpoints as well.
func TestCheckpoint_isAppendOnly(t *testing.T) {
	p := newSite(t)
	for _, text := range []string{
		"UPDATE ledger_checkpoint SET at_ms = 0",
		"DELETE FROM ledger_checkpoint",
		"INSERT OR REPLACE INTO ledger_checkpoint SELECT * FROM ledger_checkpoint WHERE n = (SELECT max(n) FROM ledger_checkpoint)",
		"INSERT INTO ledger_checkpoint SELECT writer, n - 1, root, hash, at_ms, machine_rows, note, edge FROM ledger_checkpoint",
		"INSERT INTO ledger_checkpoint SELECT 'x', 0, root, hash, at_ms, machine_rows, note, edge FROM ledger_checkpoint LIMIT 1",
	} {
		if err := tamper(t, p.path(), text); err == nil {
			t.Errorf("the file let it pass: %s", text)
		}
	}
	if v := p.verify(p.heads()); !v.OK {
		t.Errorf("%s", v.Fault)
	}
}

// What checkpoints, heads and receipts are dealt with behind gemba's back is found.
func TestVerify_findsForgedEvidence(t *testing.T) {
	whole := newSite(t)
	for _, test := range []struct {
		name, sql string
		n         int64
		reason    string
		witnessed bool
	}{
		{"root", "UPDATE ledger_checkpoint SET root = (SELECT root FROM ledger_checkpoint ORDER BY n LIMIT 1)", whole.second, "root", false},
		{"hash", fmt.Sprintf("UPDATE ledger_checkpoint SET hash = root WHERE n = %d", whole.second), whole.first + 1, "checkpoint", false},
		{"time", "UPDATE ledger_checkpoint SET at_ms = at_ms + 1", whole.first, "signature", false},
		{"machine rows", "UPDATE ledger_checkpoint SET machine_rows = NULL", whole.first, "signature", false},
		{"note", "UPDATE ledger_checkpoint SET note = 'x'", whole.first, "signature", false},
		{"removed", fmt.Sprintf("DELETE FROM ledger_checkpoint WHERE n = %d", whole.second), whole.second, "its checkpoint", true},
		{"all removed", "DELETE FROM ledger_checkpoint", whole.first, "its checkpoint", true},
		{"beyond the end", "INSERT INTO ledger_checkpoint SELECT writer, n + 1, root, hash, at_ms, machine_rows, note, edge FROM ledger_checkpoint ORDER BY n DESC LIMIT 1", whole.last + 1, "missing", false},
		{"of another writer", "INSERT INTO ledger_checkpoint SELECT 'node2', n, root, hash, at_ms, machine_rows, note, edge FROM ledger_checkpoint ORDER BY n DESC LIMIT 1", 1, "missing", false},
		{"empty head", "INSERT INTO ledger_head VALUES ('node2', 0, '', 0, '', '')", 0, "no entries", false},
		{"head below nothing", "INSERT INTO ledger_head VALUES ('node2', -3, '', 0, '', '')", -3, "no entries", false},
		{"digest of a receipt", "UPDATE receipt SET digest = 'x' WHERE n = 3", 3, "digest", false},
		{"machine rows removed", "DROP TRIGGER sample_no_delete; DELETE FROM sample", 0, "removed some", false},
		{"machine rows put in", "INSERT INTO sample VALUES ('M1', 'load', 1, 0, 0, 2.5, '')", 0, "put some in", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := whole.copy()
			p.t = t
			if err := tamper(t, p.path(), unlocked+test.sql); err != nil {
				t.Fatal(err)
			}
			restore(t, p.path())
			var heads []string
			if test.witnessed {
				heads = []string{p.heads()}
			}
			v := p.verify(heads...)
			if v.OK || v.Fault.N != test.n || !strings.Contains(v.Fault.Reason, test.reason) {
				t.Errorf("%v", v.Fault)
			}
		})
	}
}

// A server does not go on where something is missing or differs, in the database or outside it.
func TestOpen_refusesWhatTheWitnessContradicts(t *testing.T) {
	whole := newSite(t)
	for _, test := range []struct {
		name, want string
		do         func(p *site)
	}{
		{"older copy", "older copy", func(p *site) { p.cut(whole.first) }},
		{"written anew", "two ledgers", func(p *site) { p.forge(3, true, elsewhere) }},
		{"damaged edge", "the checkpoint of node1", func(p *site) {
			if err := tamper(t, p.path(), "DROP TRIGGER ledger_checkpoint_no_update; UPDATE ledger_checkpoint SET edge = (SELECT edge FROM ledger_checkpoint WHERE n = "+fmt.Sprint(whole.first)+")"); err != nil {
				t.Fatal(err)
			}
		}},
		{"unreadable witness", "line 2", func(p *site) {
			text, err := os.ReadFile(p.heads())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.heads(), bytes.Replace(text, []byte("\n"), []byte("\nx\n"), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := whole.copy()
			p.t = t
			test.do(p)
			s, err := Open(t.Context(), p.options())
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
}

// A witness file that lost its last line to a power cut, or all of itself, is mended at the next start.
func TestWitness_isMended(t *testing.T) {
	whole := newSite(t)
	for _, broken := range []func(text []byte) []byte{
		func(text []byte) []byte { return append(text, `{"writer":"no`...) },
		func(text []byte) []byte { return text[:len(text)-5] },
		func([]byte) []byte { return nil },
	} {
		p := whole.copy()
		text, err := os.ReadFile(p.heads())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p.heads(), broken(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), p.options())
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, changing(t, "later", nil))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		v := p.verify(p.heads())
		if !v.OK || v.Witnessed < 2 {
			t.Errorf("%+v", v)
		}
		w, err := ReadWitness(p.heads())
		if err != nil || w.newest("node1").N != p.last+1 {
			t.Errorf("%+v, %v", w, err)
		}
		if info, err := os.Stat(p.heads()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
}

// A witness does not grow for ever, and keeps the newest.
func TestWitness_isTrimmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.heads")
	var text bytes.Buffer
	for n := range int64(2 * witnessed) {
		if err := writeJSON(&text, mes.Checkpoint{Writer: "node1", N: n + 1, At: noon}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w, known, err := witness(path)
		if err != nil {
			t.Fatal(err)
		}
		w.add(&mes.Checkpoint{Writer: "node1", N: 2*witnessed + 1, At: noon})
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		if len(known.Heads) < witnessed || len(known.Heads) > witnessed+1 || known.newest("node1").N < 2*witnessed {
			t.Errorf("%d are left, up to %d", len(known.Heads), known.newest("node1").N)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// A witness that cannot be written shows, and stops nobody.
func TestWitness_thatCannotBeWritten(t *testing.T) {
	folder := t.TempDir()
	o := options(folder, "node1")
	o.SignTime = 50 * time.Millisecond
	o.Witness = filepath.Join(folder, "sub", "ledger.heads")
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(folder, "sub")); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, changing(t, "c1", nil))
	waitFor(t, "the watch tells", func() bool { return s.LedgerHealth(time.Now()).Unwritten != "" })
	mustCommit(t, s, changing(t, "c2", nil))
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "witness") {
		t.Errorf("%v", err)
	}
}

// A copy that an empty ledger was put in the place of is told by its witness, too.
func TestVerify_allGone(t *testing.T) {
	p := newSite(t)
	db := sql.OpenDB(connector(p.path(), "mode=rw"))
	db.Close()
	if err := os.Remove(p.path()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + p.path(), Writer: "node1"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v := p.verify(p.heads()); v.OK || v.Fault.N != 1 {
		t.Errorf("%+v", v)
	}
}
