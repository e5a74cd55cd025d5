package storage

import (
	"context"
	"errors"
	"testing"

	"gemba/mes"
)

// What each engine really says about each kind of trouble must be understood.
func TestFaults_realMessages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
		entry := "INSERT INTO ledger(" + ledgerTable.list + ") VALUES ('node1', ?, 'x', 0, 'v', 'c', 'done', '', '', '', '', '', '', '', '', '', '', '', '', '{}', ?, 'h')"
		for _, test := range []struct {
			name   string
			batch  []stmt
			kind   kind
			detail string
		}{
			{"primary key", []stmt{{sql: "INSERT INTO product(id, name, unit, family, version) VALUES ('P1', '', '', '', 1)", args: nil}}, duplicate, "product.id"},
			{"unique name", []stmt{
				{sql: "INSERT INTO person(id, badge, name, tending, language, disabled, version) VALUES ('1', 'B', '', 1, '', 0, 1)", args: nil},
				{sql: "INSERT INTO person(id, badge, name, tending, language, disabled, version) VALUES ('2', 'B', '', 1, '', 0, 1)", args: nil},
			}, duplicate, "person.badge"},
			{"expectation", []stmt{{sql: "INSERT INTO must(ok) VALUES (0)", args: nil}}, stale, ""},
			{"expectation of nothing", []stmt{{sql: "INSERT INTO must(ok) VALUES (NULL)", args: nil}}, stale, ""},
			{"check", []stmt{{sql: "INSERT INTO schema_migration(n, name, digest, at_ms) VALUES (900, '', '', 0)", args: nil}, {sql: "UPDATE job_session SET to_ms = 1", args: nil}, {sql: "INSERT INTO operation(id, \"order\", site, line, family, seq, code, name, class, setup_s, run_ms, optional, state, held_from, planned, good, scrap, rework, review, reworked, reports, last_report, running, reason, version) VALUES ('1', 'x', '', '', '', 1, '', '', '', 0, 0, 0, '', '', 0, -1, 0, 0, 0, 0, 0, '', 0, '', 1)"}},
				checkFailed, "nothing_below_zero"},
			{"foreign key", []stmt{{sql: "INSERT INTO revision(id, product, rev, status, author, released_by, version) VALUES ('X@A', 'X', 'A', '', '', '', 1)", args: nil}}, foreignKey, ""},
			{"no value", []stmt{{sql: "INSERT INTO product(id, unit, family, version) VALUES ('P2', '', '', 1)", args: nil}}, notNull, "product.name"},
			{"wrong type", []stmt{{sql: "INSERT INTO product(id, name, unit, family, version) VALUES ('P2', '', '', '', 'one')", args: nil}}, wrongType, "TEXT value in INTEGER column product.version"},
			{"update of the ledger", []stmt{{sql: "UPDATE ledger SET command = 'other'", args: nil}}, appendOnly, ""},
			{"removal from the ledger", []stmt{{sql: "DELETE FROM ledger", args: nil}}, appendOnly, ""},
			{"removal of a receipt", []stmt{{sql: "DELETE FROM receipt", args: nil}}, appendOnly, ""},
			{"gap in the chain", []stmt{{sql: entry, args: []any{int64(7), "p"}}}, chainBroken, ": the entry does not continue the chain of its writer"},
			{"wrong link of the chain", []stmt{{sql: entry, args: []any{int64(2), "p"}}}, chainBroken, ": the entry does not continue the chain of its writer"},
			{"wrong SQL", []stmt{{sql: "INSERT INTO nowhere(a) VALUES (1)", args: nil}}, other, "no such table: nowhere"},
		} {
			t.Run(test.name, func(t *testing.T) {
				_, err := s.engine.exec(t.Context(), test.batch)
				if kindOf(err) != test.kind || detailOf(err) != test.detail {
					t.Errorf("kind %d, detail %q, of %v; want %d, %q", kindOf(err), detailOf(err), err, test.kind, test.detail)
				}
			})
		}
		// Nothing of any of them stayed behind.
		n := 0
		if err := s.engine.query(t.Context(), fresh, stmt{sql: "SELECT (SELECT count(*) FROM person) + (SELECT count(*) FROM operation) + (SELECT count(*) FROM schema_migration WHERE n = 900)"}, func(_ []string, v []any) error {
			n = int(scanned(v).whole(0))
			return nil
		}); err != nil || n != 0 {
			t.Errorf("%d rows left by refused batches, %v", n, err)
		}
	})
}

func TestShown_isPlain(t *testing.T) {
	for _, test := range []struct {
		err  *trouble
		code mes.Code
	}{
		{&trouble{kind: duplicate, detail: "work_order.number"}, mes.Conflict},
		{&trouble{kind: foreignKey}, mes.Conflict},
		{&trouble{kind: diskFull}, mes.Unavailable},
		{&trouble{kind: damaged}, mes.Unavailable},
		{&trouble{kind: readOnly}, mes.Unavailable},
		{&trouble{kind: busy}, mes.Unavailable},
		{&trouble{kind: unreachable}, mes.Unavailable},
		{&trouble{kind: outcomeUnknown}, mes.Unavailable},
		{&trouble{kind: checkFailed, detail: "x"}, mes.Internal},
		{&trouble{kind: other}, mes.Internal},
	} {
		test.err.cause = errors.New("SQL text that nobody should see")
		err := shown("test", test.err)
		if mes.ErrorCode(err) != test.code || err.Error() == "" || errors.Is(err, test.err.cause) == false || err.Error() == test.err.cause.Error() {
			t.Errorf("%+v is shown as %s: %v", test.err, mes.ErrorCode(err), err)
		}
	}
	if !errors.Is(shown("test", &trouble{kind: stale, cause: errors.New("precondition")}), mes.ErrStale) {
		t.Error("a stale change is not shown as stale")
	}
	if got := shown("test", &trouble{kind: duplicate, detail: "work_order.number", cause: errors.New("x")}).Error(); got != "there is already a work order with this number; choose another" {
		t.Error(got)
	}
}

func TestGuard_letsNothingElseThrough(t *testing.T) {
	s := open(t, Options{Store: "sqlite:" + t.TempDir() + "/floor.db"})
	for _, sql := range []string{"PRAGMA foreign_keys=OFF", "BEGIN", "DROP TRIGGER ledger_no_update", "COMMIT", "ATTACH 'x' AS y", "VACUUM", "INSERT INTO product VALUES (1); DROP TABLE ledger", "CREATE TABLE x(a)"} {
		if _, err := s.engine.exec(t.Context(), []stmt{{sql: sql}}); err == nil {
			t.Errorf("%s was let through", sql)
		}
		if err := s.engine.query(t.Context(), fresh, stmt{sql: sql}, func([]string, []any) error { return nil }); err == nil {
			t.Errorf("%s was let through as a query", sql)
		}
	}
}

// A disk that is full, or a file that turned read-only, refuses the change as a whole and says so; when the trouble is
// over the same store goes on.
func TestCommit_trouble(t *testing.T) {
	s := open(t, Options{Store: "sqlite:" + t.TempDir() + "/floor.db"})
	mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
	file := s.raw.(*sqlite)
	pragma := func(text string) {
		t.Helper()
		file.mu.Lock()
		defer file.mu.Unlock()
		if _, err := file.conn.ExecContext(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ name, begin, end string }{
		{"full", "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823"},
		{"read only", "PRAGMA query_only = ON", "PRAGMA query_only = OFF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pragma(test.begin)
			big := product("P-"+test.name, 1)
			big.Name = string(make([]byte, 1<<20))
			_, err := s.Commit(t.Context(), changing(t, mes.ID(test.name), []mes.Record{big}))
			if mes.ErrorCode(err) != mes.Unavailable {
				t.Errorf("got %v", err)
			}
			pragma(test.end)
			if _, err := s.Product(t.Context(), mes.Fresh, big.ID); mes.ErrorCode(err) != mes.NotFound {
				t.Errorf("something stayed behind: %v", err)
			}
			mustCommit(t, s, changing(t, mes.ID(test.name), []mes.Record{big}))
		})
	}
	if v, err := s.Verify(t.Context()); err != nil || !v.OK {
		t.Errorf("%+v, %v", v, err)
	}
}
