package storage

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gemba/storage/rqlitetest"
)

// Every column that a row type needs is there, with the type that the rule says, on both engines; and both engines have
// the same schema.
func TestSchema_holdsEveryField(t *testing.T) {
	wanted, err := wantedSchema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, s *Store) {
		for _, table := range append([]*table{ledgerTable}, tables...) {
			columns := map[string]string{}
			q := stmt{sql: "SELECT name, type FROM pragma_table_info('" + table.name + "')"}
			if err := s.raw.query(t.Context(), fresh, q, func(_ []string, v []any) error {
				columns[textOf(v[0])] = textOf(v[1])
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, c := range table.columns {
				if columns[c.name] != c.sort.sqlType() {
					t.Errorf("%s.%s is %q, want %s", table.name, c.name, columns[c.name], c.sort.sqlType())
				}
				delete(columns, c.name)
			}
			for name := range columns {
				t.Errorf("%s.%s has no field", table.name, name)
			}
			if table.versioned && (table.columns[0].name != "id" || table.columns[len(table.columns)-1].name != "version") {
				t.Errorf("a record begins with its id and ends with its version; %s does not", table.name)
			}
		}
		have, err := schemaOf(t.Context(), s.raw)
		if err != nil || !maps.Equal(have, wanted) {
			t.Errorf("the schema is not that of a new file: %v", err)
		}
	})
}

// Statements that rqlited would pack are slow; see many.
func TestStatements_areShortEnoughForRqlited(t *testing.T) {
	for _, table := range append([]*table{ledgerTable}, tables...) {
		texts := []string{table.insert.listed, table.must.listed, table.ignore.listed}
		if table.update != nil {
			texts = append(texts, table.update.listed)
		}
		for _, text := range texts {
			if len(text) >= 1024 {
				t.Errorf("%d bytes: %.60s…", len(text), text)
			}
		}
	}
}

func TestMigrate_refusesWhatItDoesNotKnow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floor.db")
	s, err := Open(t.Context(), Options{Store: "sqlite:" + path, Writer: "node1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ sql, want string }{
		{"INSERT INTO schema_migration VALUES (2, 'later', 'd', 0)", "start a newer gemba"},
		{"DELETE FROM schema_migration WHERE n = 2; UPDATE schema_migration SET digest = 'd'", "another edition of migration 1"},
	} {
		if err := tamper(t, path, test.sql); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{false, true} {
			if _, err := Open(t.Context(), Options{Store: "sqlite:" + path, Writer: "node1", ReadOnly: readOnly}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v", test.sql, err)
			}
		}
	}
}

func TestMigrations_areNumbered(t *testing.T) {
	for _, names := range [][]string{{"0002_b.sql"}, {"0001_a.sql", "0003_c.sql"}, {"first.sql"}} {
		files := fstest.MapFS{}
		for _, name := range names {
			files["migrations/"+name] = &fstest.MapFile{Data: []byte("SELECT 1")}
		}
		if _, err := migrations(files); err == nil {
			t.Errorf("%v was taken", names)
		}
	}
	all, err := migrations(fstest.MapFS{"migrations/0001_a.sql": {Data: []byte("ONE;\n\nONE AND A HALF\n----\n\nTWO\n")}})
	if err != nil || len(all) != 1 || len(all[0].statements) != 2 || all[0].name != "a" {
		t.Errorf("%+v, %v", all, err)
	}
}

// Servers that start together on a new cluster make its schema once.
func TestOpen_severalAtOnce(t *testing.T) {
	c := rqlitetest.Start(t, 1)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), Options{Store: c.Store(), TLS: c.TLS(), Writer: fmt.Sprint("node", i), Now: func() time.Time { return noon }})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpen_oneServerAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "floor.db")
	s := open(t, Options{Store: "sqlite:" + path})
	for _, name := range []string{path, path + "-wal", path + ".lock"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if _, err := Open(t.Context(), Options{Store: "sqlite:" + path, Writer: "node2"}); err == nil || !strings.Contains(err.Error(), "in use by another gemba") {
		t.Errorf("a second server: %v", err)
	}
	reader := open(t, Options{Store: "sqlite:" + path, ReadOnly: true})
	mustCommit(t, s, changing(t, "c1", nil))
	if r, err := reader.Receipt(t.Context(), "c1"); err != nil || r.N != 1 {
		t.Errorf("a reader beside the server: %+v, %v", r, err)
	}
	if _, err := reader.Commit(t.Context(), changing(t, "c2", nil)); err == nil {
		t.Error("a reader wrote")
	}
}

func TestOpen_refusesADamagedFile(t *testing.T) {
	path := worked(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(data); i += 4096 { // the first page stays, so that it still looks like a database
		copy(data[i:], "this is not what SQLite wrote here")
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Store: "sqlite:" + path, Writer: "node1"}); err == nil || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("opened: %v", err)
	}
}

func TestOpen_saysWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ store, want string }{
		{"", "write sqlite:PATH"},
		{"sqlite:", "write sqlite:PATH"},
		{"postgres:x", "write sqlite:PATH"},
		{"rqlite:", "no rqlite node is named"},
		{"rqlite:localhost:4001", "write https://HOST:PORT"},
	} {
		if _, err := Open(t.Context(), Options{Store: test.store, Writer: "node1"}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.store, err)
		}
	}
	if _, err := Open(t.Context(), Options{Store: "sqlite:" + t.TempDir() + "/x.db"}); err == nil {
		t.Error("opened without a writer's name")
	}
}
