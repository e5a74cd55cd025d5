package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gemba/mes"
)

// worked makes a store that a floor was worked on, closes it and gives the path of its file.
func worked(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "floor.db")
	s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + path, Writer: "node1"}))
	if err != nil {
		t.Fatal(err)
	}
	workADay(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// workADay makes an order, works on it, corrects a report and is refused something.
func workADay(t *testing.T, s *Store) {
	t.Helper()
	f := newFloor(t, s)
	anna := f.operator("A1")
	f.order("1001", 10)
	f.do(anna, &mes.StartJob{Order: "1001", Operation: "10", Machine: "M1"})
	f.do(anna, &mes.ReportJob{Order: "1001", Operation: "10", Good: 8, Scrap: []mes.Part{{Quantity: 2, Reason: "DIM-OOS"}}})
	reports, _, err := s.Reports(t.Context(), mes.ReportFilter{Scope: everywhere, Kind: mes.ScrapPieces})
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	f.do(lead, &mes.CorrectReport{Report: reports[0].ID, Quantity: 1, Reason: "counted twice"})
	if _, err := f.app.Do(context.Background(), anna, "", &mes.CloseOrder{Order: "1001"}); mes.ErrorCode(err) != mes.Denied {
		t.Fatal(err)
	}
	signer := f.operator("A2")
	signer.Grants = []mes.Grant{{Role: mes.Approver}}
	f.do(engineer, &mes.DefineProduct{Code: "P2", Name: "Pump", Family: "valves"})
	f.do(engineer, &mes.DraftRevision{Product: "P2", Rev: "A", Routing: []mes.RoutingOperation{{Seq: 10, Code: "TURN", Name: "Turn", Line: "L1", RunMS: 900}}})
	f.do(engineer, &mes.SubmitRevision{Product: "P2", Rev: "A"})
	signer.Session, signer.Proof = "s-signer", &mes.Proof{Method: "pin", At: time.Now()}
	f.do(signer, &mes.ReleaseRevision{Product: "P2", Rev: "A"})
	value := 1.5
	f.do(feeder, &mes.Ingest{Machine: "M1", Samples: []mes.SampleEvent{{Tag: "load", Value: &value}}, States: []mes.StateEvent{{State: mes.MachineRunning}}})
}

var everywhere = mes.Scope{{Role: mes.Viewer}}

// signing signs heads with a key that only the tests could have.
func signing(o Options) Options {
	o.Sign = func(head []byte) (string, string) { return "signed " + strings.ToUpper(string(head)), "key1" }
	o.Verify = func(_, key string, head []byte, signature string) error {
		if key != "key1" || signature != "signed "+strings.ToUpper(string(head)) {
			return errors.New("it was made with another key")
		}
		return nil
	}
	o.SignNote = func(name, text string) (string, error) { return text + "\nsigned by key1 as " + name + "\n", nil }
	o.VerifyNote = func(_, name, text, note string) error {
		if note != text+"\nsigned by key1 as "+name+"\n" {
			return errors.New("it was made with another key")
		}
		return nil
	}
	return o
}

func verify(t *testing.T, path string) *Verification {
	t.Helper()
	s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + path, ReadOnly: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err, cause(err))
	}
	return v
}

// Whatever is done to the file behind its back, verifying finds it, and names the entry.
func TestVerify_findsWhatWasDone(t *testing.T) {
	whole := worked(t)
	if v := verify(t, whole); !v.OK || v.Writers != 1 || v.Entries == 0 || v.Receipts == 0 || v.Records == 0 {
		t.Fatalf("untouched: %+v", v)
	}
	unlocked := "DROP TRIGGER ledger_no_update; DROP TRIGGER ledger_no_delete; DROP TRIGGER ledger_continues; DROP TRIGGER ledger_grows; "
	for _, test := range []struct {
		name, sql string
		n         int64 // entry that is named; 0 for none, -1 for any, -2 where the file itself refuses
		reason    string
	}{
		{"entry changed", unlocked + "UPDATE ledger SET actor = 'somebody else' WHERE n = 3", 3, "content does not match"},
		{"detail changed", unlocked + `UPDATE ledger SET detail = replace(detail, '8', '9') WHERE n = (SELECT n FROM ledger WHERE command = 'job.report')`, -1, "content does not match"},
		{"entry removed", unlocked + "DELETE FROM ledger WHERE n = 4", 4, "missing"},
		{"first entry removed", unlocked + "DELETE FROM ledger WHERE n = 1", 1, "missing"},
		{"tail cut off", unlocked + "DROP TRIGGER receipt_no_delete; DELETE FROM ledger WHERE n >= 10; DELETE FROM receipt WHERE n >= 10", 10, "missing"},
		{"tail cut off with its head", unlocked + "DROP TRIGGER receipt_no_delete; DELETE FROM ledger WHERE n >= 10; DELETE FROM receipt WHERE n >= 10; UPDATE ledger_head SET n = 9, hash = (SELECT hash FROM ledger WHERE n = 9)", 10, "missing"},
		{"head removed", "DELETE FROM ledger_head", 1, "behind the end"},
		{"head unsigned", "UPDATE ledger_head SET signature = ''", -1, "not signed"},
		{"entry replaced", "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE n = 3", -2, ""},
		{"entry replaced by rowid", "INSERT OR REPLACE INTO ledger(rowid, " + ledgerTable.list + ") SELECT 2, " + strings.Replace(ledgerTable.list, "writer,n,", "writer,(SELECT max(n) + 1 FROM ledger),", 1) + " FROM ledger WHERE n = 3", -2, ""},
		{"entry replaced, unlocked", unlocked + `INSERT OR REPLACE INTO ledger SELECT writer, n, id, at_ms, "view", 'order.cancel', outcome, code, message, kind, actor, person, station, "key", session, source, subject, site, line, detail, prev_hash, hash FROM ledger WHERE n = 3`, 3, "content does not match"},
		{"entry inserted", unlocked + `INSERT INTO ledger SELECT writer, n + 1, id, at_ms, "view", command, outcome, code, message, kind, actor, person, station, "key", session, source, subject, site, line, detail, hash, hash FROM ledger ORDER BY n DESC LIMIT 1`, -1, "behind the end"},
		{"another writer inserted", unlocked + `INSERT INTO ledger SELECT 'node2', 1, id, at_ms, "view", command, outcome, code, message, kind, actor, person, station, "key", session, source, subject, site, line, detail, prev_hash, hash FROM ledger LIMIT 1`, 1, "behind the end"},
		{"two entries exchanged", unlocked + "UPDATE ledger SET n = 1000 WHERE n = 5; UPDATE ledger SET n = 5 WHERE n = 6; UPDATE ledger SET n = 6 WHERE n = 1000", 5, "content does not match"},
		{"entry put in before the first", unlocked + `INSERT INTO ledger SELECT writer, -5, 'forged', at_ms, "view", command, 'refused', code, message, kind, actor, person, station, "key", session, source, subject, site, line, detail, prev_hash, hash FROM ledger WHERE n = 3`, -5, "numbered from 1"},
		{"entry put in as number 0", unlocked + `INSERT INTO ledger SELECT writer, 0, 'forged', at_ms, "view", command, 'refused', code, message, kind, actor, person, station, "key", session, source, subject, site, line, detail, prev_hash, hash FROM ledger WHERE n = 3`, 0, "numbered from 1"},
		{"record changed", "UPDATE operation SET good = 80 WHERE seq = 10", -1, "operation"},
		{"record changed with its version", "UPDATE operation SET good = 80, version = version + 1 WHERE seq = 10", -1, "by no entry"},
		{"record removed", "PRAGMA foreign_keys = OFF; DELETE FROM engagement", -1, "missing"},
		{"record inserted", "INSERT INTO product(id, name, unit, family, version) VALUES ('P9', 'Fake', 'pcs', '', 1)", 0, "by no entry"},
		{"report changed", "DROP TRIGGER report_no_update; UPDATE report SET quantity = 9 WHERE kind = 'good'", -1, "report"},
		{"report removed", "DROP TRIGGER report_no_delete; DELETE FROM report WHERE kind = 'good'", -1, "missing"},
		{"signature changed", "DROP TRIGGER signature_no_update; UPDATE signature SET meaning = 'seen'", -1, "signature"},
		{"signature given to another", "PRAGMA foreign_keys = OFF; DROP TRIGGER signature_no_update; UPDATE signature SET person = 'p-lead', name = 'Lead'", -1, "signature"},
		{"signature removed", "DROP TRIGGER signature_no_delete; DELETE FROM signature", -1, "missing"},
		{"signature put in", "INSERT INTO signature SELECT 'forged', record, version, digest, meaning, person, name, station, method, at_ms, command FROM signature", 0, "by no entry"},
		{"receipt changed", `DROP TRIGGER receipt_no_update; UPDATE receipt SET result = '{"a":1}' WHERE n = 3`, 3, "receipt"},
		{"receipt removed", "DROP TRIGGER receipt_no_delete; DELETE FROM receipt WHERE n = 3", 3, "receipt"},
		{"receipt of nothing", "INSERT INTO receipt(id, principal, digest, command, writer, n, at_ms) VALUES ('x', 'p', 'd', 'c', 'node1', 3, 0)", 3, "receipt"},
		{"trigger removed", "DROP TRIGGER ledger_no_update", 0, "ledger_no_update"},
		{"trigger disarmed", "DROP TRIGGER ledger_no_update; CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger WHEN false BEGIN SELECT 1; END", 0, "was changed"},
		{"trigger added", "CREATE TRIGGER x AFTER INSERT ON report BEGIN SELECT 1; END", 0, "was added"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "floor.db")
			if data, err := os.ReadFile(whole); err != nil || os.WriteFile(path, data, 0o600) != nil {
				t.Fatal("the floor cannot be copied", err)
			}
			err := tamper(t, path, test.sql)
			if test.n == -2 {
				if err == nil {
					t.Error("the file's own triggers let it pass")
				}
				if v := verify(t, path); !v.OK {
					t.Errorf("refused, and still %s", v.Fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// The triggers are checked first; what is done with them out of the way must be found by itself as well.
			restore(t, path)
			v := verify(t, path)
			if v.OK || v.Fault == nil {
				t.Fatal("not found")
			}
			if !strings.Contains(v.Fault.Error(), test.reason) || test.n >= 0 && v.Fault.N != test.n || test.n < 0 && v.Fault.N == 0 {
				t.Errorf("%s", v.Fault)
			}
		})
	}
}

// tamper does what somebody with sqlite3 and the file could do.
func tamper(t *testing.T, path, text string) error {
	t.Helper()
	db := sql.OpenDB(connector(path, "mode=rw"))
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("PRAGMA recursive_triggers = OFF"); err != nil {
		t.Fatal(err)
	}
	_, err := db.Exec(text)
	return err
}

// restore puts the triggers of the ledger, receipts and reports back, as a careful forger would.
func restore(t *testing.T, path string) {
	t.Helper()
	if strings.Contains(t.Name(), "trigger_") {
		return
	}
	wanted, err := wantedSchema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range wanted {
		if kind, trigger, _ := strings.Cut(name, " "); kind == "trigger" {
			if err := tamper(t, path, "DROP TRIGGER IF EXISTS "+trigger+"; "+text); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The store that goes on after its ledger's tail was cut would cover it up; it does not open.
func TestOpen_refusesACutLedger(t *testing.T) {
	path := worked(t)
	if err := tamper(t, path, "DROP TRIGGER ledger_no_delete; DELETE FROM ledger WHERE n >= 10"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Store: "sqlite:" + path, Writer: "node1"})
	if err == nil || !strings.Contains(err.Error(), "ledger verify") {
		t.Errorf("opened: %v", err)
	}
}

// What a killed server left can be verified before anybody starts another one.
func TestVerify_afterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floor.db")
	s := open(t, signing(Options{Store: "sqlite:" + path}))
	workADay(t, s)
	for _, files := range [][]string{{"", "-wal", "-shm"}, {"", "-wal"}} {
		left := filepath.Join(t.TempDir(), "floor.db")
		for _, suffix := range files {
			data, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(left+suffix, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if v := verify(t, left); !v.OK || v.Entries == 0 {
			t.Errorf("%v: %+v", files, v)
		}
		again := open(t, signing(Options{Store: "sqlite:" + left}))
		mustCommit(t, again, changing(t, "after", nil))
	}
}

func TestVerify_besideAWorkingServer(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		workADay(t, s)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			p := product("P-busy", 0)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				next := *p
				next.Version++
				if _, err := s.Commit(context.Background(), changing(t, mes.ID("busy-"+string(rune('a'+i%26))+"-"+strings.Repeat("x", i/26)), []mes.Record{&next})); err != nil {
					t.Error(err)
					return
				}
				p = &next
			}
		}()
		for range 5 {
			v, err := s.Verify(t.Context())
			if err != nil || !v.OK {
				t.Errorf("%+v, %v (%v)", v, err, cause(err))
			}
		}
		close(stop)
		<-stopped
	})
}

// Who changes an entry and makes its hash anew breaks the link of the next one, which is innocent.
func TestVerify_hashMadeAnew(t *testing.T) {
	for _, n := range []int64{1, 3} {
		path := worked(t)
		s, err := Open(t.Context(), Options{Store: "sqlite:" + path, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		entries, _, err := s.Entries(t.Context(), mes.LedgerFilter{Scope: everywhere, Page: mes.Page{Limit: 1000}})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		e := entries[len(entries)-int(n)]
		e.Actor = "somebody else"
		if err := tamper(t, path, fmt.Sprintf("DROP TRIGGER ledger_no_update; UPDATE ledger SET actor = 'somebody else', hash = '%s' WHERE n = %d", e.Digest(), n)); err != nil {
			t.Fatal(err)
		}
		restore(t, path)
		if v := verify(t, path); v.OK || v.Fault.N != n {
			t.Errorf("entry %d was changed, found %v", n, v.Fault)
		}
	}
}
