package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"gemba/mes"
	"gemba/storage/rqlitetest"
)

// onBoth runs a test on a fresh store of each engine.
func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, open(t, Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")}))
	})
	t.Run("rqlite", func(t *testing.T) {
		c := rqlitetest.Start(t, 1)
		test(t, open(t, Options{Store: c.Store(), TLS: c.TLS()}))
	})
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Writer == "" {
		o.Writer = "node1"
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// changing makes a change that is what a command would leave: an entry with images of its rows, and a receipt.
func changing(t testing.TB, id mes.ID, put []mes.Record, add ...any) *mes.Change {
	t.Helper()
	detail := mes.Detail{Given: json.RawMessage(`{"id":"` + string(id) + `"}`), Result: json.RawMessage(`{"ok":true}`)}
	for _, r := range put {
		after, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		detail.Rows = append(detail.Rows, mes.RowImage{Kind: mes.KindOf(r), Key: r.Key(), After: after})
	}
	for _, r := range add {
		after, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		row, ok := r.(interface{ Key() mes.ID })
		if !ok {
			t.Fatalf("%T has no key", r)
		}
		detail.Rows = append(detail.Rows, mes.RowImage{Kind: mes.Kind(tableOfType[reflect.TypeOf(r).Elem()].name), Key: row.Key(), After: after})
	}
	text, err := json.Marshal(detail)
	if err != nil {
		t.Fatal(err)
	}
	return &mes.Change{
		Entry:   mes.Entry{ID: id, At: noon, View: mes.TransactionLog, Command: "test.command", Outcome: mes.Done, Actor: "p1", Subject: "test/" + string(id), Detail: text},
		Receipt: &mes.Receipt{ID: id, Command: "test.command", At: noon, Digest: mes.GivenDigest("test.command", detail.Given), By: "p1", Result: json.RawMessage(`{"ok":true}`)},
		Put:     put,
		Add:     add,
	}
}

func product(id string, version int64) *mes.Product {
	return &mes.Product{ID: mes.ID(id), Name: "Product " + id, Unit: "pcs", Family: "valves", Version: version}
}

func mustCommit(t testing.TB, s *Store, c *mes.Change) mes.Receipt {
	t.Helper()
	r, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatalf("commit %s: %v (%v)", c.Entry.ID, err, errors.Unwrap(err))
	}
	return r
}

func TestCommit_isReadBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		r := mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
		if r.N != 1 || r.Writer != "node1" || r.Replayed {
			t.Errorf("receipt %+v", r)
		}
		for _, f := range []mes.Freshness{mes.Cached, mes.Local, mes.Fresh} {
			got, err := s.Product(t.Context(), f, "P1")
			if err != nil || *got != *product("P1", 1) {
				t.Errorf("freshness %d: %+v, %v", f, got, err)
			}
		}
		if _, err := s.Product(t.Context(), mes.Cached, "P2"); mes.ErrorCode(err) != mes.NotFound {
			t.Errorf("what is not there: %v", err)
		}
	})
}

func TestCommit_replaysGiveTheStoredReceipt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		first := mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
		again := mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
		if !again.Replayed || again.N != first.N || string(again.Result) != string(first.Result) {
			t.Errorf("replay gave %+v, the first time gave %+v", again, first)
		}
		other := changing(t, "c1", []mes.Record{product("P2", 1)})
		other.Receipt.Digest = "other"
		if _, err := s.Commit(t.Context(), other); mes.ErrorCode(err) != mes.Conflict {
			t.Errorf("same id for something else: %v", err)
		}
		if entries, _, err := s.Entries(t.Context(), mes.LedgerFilter{Scope: everywhere}); err != nil || len(entries) != 1 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
	})
}

func TestCommit_refusesTheStale(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
		mustCommit(t, s, changing(t, "c2", []mes.Record{product("P1", 2)}))
		for i, forget := range []bool{false, true} {
			if forget { // the cache would know; the database must, too
				s.cache.drop(mes.KindProduct, "P1")
			}
			_, err := s.Commit(t.Context(), changing(t, mes.ID(fmt.Sprint("c3-", i)), []mes.Record{product("P1", 2)}))
			if !errors.Is(err, mes.ErrStale) {
				t.Errorf("put of a version that is there already: %v", err)
			}
		}
		_, err := s.Commit(t.Context(), changing(t, "c4", []mes.Record{product("P1", 1)}))
		if !errors.Is(err, mes.ErrStale) {
			t.Errorf("creation of what exists: %v", err)
		}
	})
}

// Racing commands on one record: each version is made by exactly one of them, and each success has its entry.
func TestCommit_racingCommandsLeaveOneHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		mustCommit(t, s, changing(t, "first", []mes.Record{product("P1", 1)}))
		const workers, rounds = 16, 10
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for w := range workers {
			wg.Go(func() {
				for i := range rounds {
					for {
						p, err := s.Product(t.Context(), mes.Cached, "P1")
						if err != nil {
							t.Error(err)
							return
						}
						next := *p
						next.Version++
						_, err = s.Commit(t.Context(), changing(t, mes.ID(fmt.Sprintf("c-%d-%d", w, i)), []mes.Record{&next}))
						if errors.Is(err, mes.ErrStale) {
							continue
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						done++
						mu.Unlock()
						break
					}
				}
			})
		}
		wg.Wait()
		p, err := s.Product(t.Context(), mes.Fresh, "P1")
		if err != nil || p.Version != int64(done)+1 || done != workers*rounds {
			t.Errorf("version %v after %d commands (%v)", p, done, err)
		}
		last, err := s.tail(context.Background(), "node1")
		if err != nil || last.n != int64(done)+1 {
			t.Errorf("the ledger ends at %d, %v", last.n, err)
		}
	})
}
