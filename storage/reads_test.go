package storage

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gemba/mes"
)

// Every list pages through all of its rows, once each, in its order, whatever the size of the page.
func pages[T any](t *testing.T, limit int, list func(p mes.Page) ([]T, string, error)) []T {
	t.Helper()
	var got []T
	p := mes.Page{Limit: limit}
	for {
		rows, next, err := list(p)
		if err != nil {
			t.Fatal(err, cause(err))
		}
		if len(rows) > limit {
			t.Fatalf("%d rows on a page of %d", len(rows), limit)
		}
		got = append(got, rows...)
		if next == "" {
			return got
		}
		p.After = next
	}
}

func TestReads_floor(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		f := newFloor(t, s)
		anna := f.operator("A1")
		for i := range 7 {
			f.do(lead, &mes.CreateOrder{Number: fmt.Sprint(1001 + i), Product: "P1", Quantity: 10, Priority: 1 + i%2, Due: due(i)})
			f.do(lead, &mes.ReleaseOrder{Order: mes.ID(fmt.Sprint(1001 + i))})
		}
		f.do(anna, &mes.StartJob{Order: "1001", Operation: "10", Machine: "M1"})
		f.do(anna, &mes.ReportJob{Order: "1001", Operation: "10", Good: 6, Scrap: []mes.Part{{Quantity: 2, Reason: "DIM-OOS"}}})
		f.do(anna, &mes.StartJob{Order: "1002", Operation: "10"})
		f.do(anna, &mes.StopJob{Order: "1002", Operation: "10"})

		t.Run("orders", func(t *testing.T) {
			for _, limit := range []int{1, 2, 7, 100} {
				got := pages(t, limit, func(p mes.Page) ([]mes.OrderSummary, string, error) {
					return s.Orders(ctx, mes.OrderFilter{Scope: everywhere, Page: p})
				})
				var numbers []string
				for _, o := range got {
					numbers = append(numbers, o.Number)
				}
				// by priority, then due date with none last, then number
				if want := "1003 1001 1005 1007 1002 1004 1006"; strings.Join(numbers, " ") != want {
					t.Errorf("%d a page: %v, want %s", limit, numbers, want)
				}
			}
			found, _, err := s.Orders(ctx, mes.OrderFilter{Scope: everywhere, State: []mes.OrderState{mes.OrderInProgress}, Search: "1"})
			if err != nil || len(found) != 2 || found[0].Good != 0 || found[0].Scrap != 2 || found[0].Ops != 2 || found[0].Running != 1 {
				t.Errorf("%+v, %v", found, err)
			}
			for _, filter := range []mes.OrderFilter{
				{Scope: mes.Scope{}}, {Scope: mes.Scope{{Site: "S2"}}}, {Scope: mes.Scope{{Line: "L2"}, {Family: "pumps"}}},
				{Scope: everywhere, Line: "L2"}, {Scope: everywhere, Search: "%"}, {Scope: everywhere, Product: "P2"},
			} {
				if found, _, err := s.Orders(ctx, filter); err != nil || len(found) != 0 {
					t.Errorf("%+v shows %d orders, %v", filter, len(found), err)
				}
			}
			if found, _, err := s.Orders(ctx, mes.OrderFilter{Scope: mes.Scope{{Site: "S2"}, {Site: "S1", Line: "L1", Family: "valves"}}}); err != nil || len(found) != 7 {
				t.Errorf("%d orders in scope, %v", len(found), err)
			}
			if _, _, err := s.Orders(ctx, mes.OrderFilter{Scope: everywhere, Page: mes.Page{After: "nonsense"}}); mes.ErrorCode(err) != mes.Invalid {
				t.Errorf("a made-up cursor: %v", err)
			}
		})
		t.Run("order", func(t *testing.T) {
			d, err := s.OrderDetail(ctx, everywhere, "1001")
			if err != nil || len(d.Operations) != 2 || len(d.Sessions) != 1 || len(d.Reports) != 2 || !slices.Equal(d.Available, []int64{2, 6}) {
				t.Errorf("%+v, %v", d, err)
			}
			byID, err := s.OrderDetail(ctx, everywhere, d.Order.ID)
			if err != nil || byID.Order.Number != "1001" {
				t.Errorf("%+v, %v", byID, err)
			}
			if _, err := s.OrderDetail(ctx, mes.Scope{{Site: "S2"}}, "1001"); mes.ErrorCode(err) != mes.NotFound {
				t.Errorf("out of scope: %v", err)
			}
		})
		t.Run("queue", func(t *testing.T) {
			items, err := s.Queue(ctx, mes.QueueFilter{Scope: everywhere, Line: "L1", Limit: 3})
			if err != nil || len(items) != 3 || items[0].Number != "1003" || items[1].Number != "1001" || items[1].Available != 2 || items[1].Running != 1 || items[2].Seq != 20 || items[2].Available != 6 {
				t.Errorf("%+v, %v", items, err)
			}
			if items, err := s.Queue(ctx, mes.QueueFilter{Scope: everywhere, Line: "L2", Classes: []string{"mill"}}); err != nil || len(items) != 0 {
				t.Errorf("%+v, %v", items, err)
			}
			if items, err := s.Queue(ctx, mes.QueueFilter{Scope: mes.Scope{{Operation: "TURN"}}}); err != nil || len(items) != 7 {
				t.Errorf("%d items in scope, %v", len(items), err)
			}
		})
		t.Run("sessions and reports", func(t *testing.T) {
			sessions := pages(t, 1, func(p mes.Page) ([]mes.Session, string, error) {
				return s.Sessions(ctx, mes.SessionFilter{Scope: everywhere, Person: anna.ID, Page: p})
			})
			if len(sessions) != 2 || sessions[0].From.Before(sessions[1].From) {
				t.Errorf("%+v", sessions)
			}
			open, err := s.OpenSessions(ctx, everywhere, "")
			if err != nil || len(open) != 1 || open[0].Machine != "M1" {
				t.Errorf("%+v, %v", open, err)
			}
			reports := pages(t, 1, func(p mes.Page) ([]mes.Report, string, error) {
				return s.Reports(ctx, mes.ReportFilter{Scope: everywhere, Page: p})
			})
			if len(reports) != 2 {
				t.Errorf("%+v", reports)
			}
			scrap := reports[slices.IndexFunc(reports, func(r mes.Report) bool { return r.Kind == mes.ScrapPieces })]
			if _, err := s.CorrectionOf(ctx, mes.Fresh, scrap.ID); mes.ErrorCode(err) != mes.NotFound {
				t.Errorf("not corrected yet: %v", err)
			}
			f.do(lead, &mes.CorrectReport{Report: scrap.ID, Quantity: 1, Reason: "counted twice"})
			if r, err := s.CorrectionOf(ctx, mes.Fresh, scrap.ID); err != nil || r.Corrects != scrap.ID || r.Quantity != 2 {
				t.Errorf("%+v, %v", r, err)
			}
			totals, err := s.Totals(ctx, mes.OrderFilter{Scope: everywhere})
			if want := (mes.Totals{Orders: 7, Sessions: 2, OpenSessions: 1, Reports: 2, Good: 6, Scrap: 1}); err != nil || *totals != want {
				t.Errorf("%+v, %v; want %+v", totals, err, want)
			}
		})
		t.Run("plant and people", func(t *testing.T) {
			list, err := s.EquipmentList(ctx, everywhere)
			if err != nil || len(list) != 3 || list[0].ID != "S1" || list[1].ID != "L1" || list[2].ID != "M1" || !slices.Equal(list[2].Classes, []string{"lathe"}) {
				t.Errorf("%+v, %v", list, err)
			}
			if list, err := s.EquipmentList(ctx, mes.Scope{{Line: "L2"}}); err != nil || len(list) != 1 {
				t.Errorf("a site is in every line's scope, its lines are not: %+v, %v", list, err)
			}
			people := pages(t, 1, func(p mes.Page) ([]mes.Person, string, error) { return s.People(ctx, everywhere, p) })
			if len(people) != 1 || people[0].Badge != "A1" {
				t.Errorf("%+v", people)
			}
			for _, ref := range []mes.ID{"A1", people[0].ID} {
				for _, level := range []mes.Freshness{mes.Cached, mes.Local, mes.Fresh} {
					if p, err := s.Person(ctx, level, ref); err != nil || p.Badge != "A1" {
						t.Errorf("person %s: %+v, %v", ref, p, err)
					}
				}
			}
		})
		t.Run("ledger", func(t *testing.T) {
			entries := pages(t, 5, func(p mes.Page) ([]mes.Entry, string, error) {
				return s.Entries(ctx, mes.LedgerFilter{Scope: everywhere, Page: p})
			})
			for i, e := range entries {
				if e.N != int64(len(entries)-i) || e.Digest() != e.Hash {
					t.Fatalf("entry %d at place %d of %d, newest first", e.N, i, len(entries))
				}
			}
			reports, _, err := s.Entries(ctx, mes.LedgerFilter{Scope: everywhere, View: mes.TransactionLog, Command: "job.report", Actor: anna.ID})
			if err != nil || len(reports) != 1 {
				t.Errorf("%+v, %v", reports, err)
			}
			about, _, err := s.Entries(ctx, mes.LedgerFilter{Scope: everywhere, Subject: reports[0].Subject})
			if err != nil || len(about) < 3 {
				t.Errorf("%d entries about %s, %v", len(about), reports[0].Subject, err)
			}
		})
	})
}

func due(i int) mes.Stamp {
	if i == 2 {
		return mes.At(time.Now().Add(time.Hour))
	}
	return mes.Stamp{}
}

func TestReads_machines(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		f := newFloor(t, s)
		anna := f.operator("A1")
		f.order("1001", 10)
		f.do(anna, &mes.StartJob{Order: "1001", Operation: "10", Machine: "M1"})
		at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
		c := changing(t, "states", nil)
		c.Bulk = []any{
			[]mes.MachineState{
				{Machine: "M1", At: at(0), State: mes.MachineRunning}, {Machine: "M1", At: at(10), State: mes.MachineDown, Reason: "jam"},
				{Machine: "M1", At: at(10), Nanos: 5, State: mes.MachineHeld}, {Machine: "M1", At: at(20), State: mes.MachineRunning},
				{Machine: "M1", At: at(25), State: mes.MachineRunning, Late: true},
			},
			[]mes.Alarm{
				{Machine: "M1", Key: "coolant", At: at(1), Level: "fault", Text: "coolant low"}, {Machine: "M1", Key: "coolant", At: at(5), Level: "normal"},
				{Machine: "M1", Key: "door", At: at(2), Level: "warning", Text: "door open"}, {Machine: "M1", Key: "axis", At: at(1), Level: "fault", Text: "axis X"},
			},
			[]mes.Sample{{Machine: "M1", Tag: "load", At: at(0), Value: 1.5}, {Machine: "M1", Tag: "mode", At: at(0), Value: math.NaN(), Text: "AUTO"}, {Machine: "M1", Tag: "load", At: at(1), Value: -1e300, Nanos: 999999}},
			[]mes.CounterReading{{Machine: "M1", Counter: "total", At: at(0), Value: 5, Event: mes.FirstReading}, {Machine: "M1", Counter: "total", At: at(1), Value: 4, Event: mes.LateReading}},
		}
		c.Put = append(c.Put, &mes.Counter{ID: "M1/total", Machine: "M1", Name: "total", Value: 5, At: at(0), Total: 5, Version: 1})
		mustCommit(t, s, c)

		tiles, err := s.Board(ctx, everywhere, "")
		if err != nil || len(tiles) != 1 {
			t.Fatal(tiles, err)
		}
		if b := tiles[0]; b.State != mes.MachineRunning || !b.Since.Equal(at(20)) || b.Order != "1001" || b.Seq != 10 || b.Person != "Operator A1" || b.Total != 5 || !b.HeardAt.Equal(at(25)) || b.Alarm != "door open" {
			t.Errorf("%+v", b)
		}
		line, err := s.Timeline(ctx, "M1", at(-5), at(15))
		var states []string
		for i, v := range line {
			states = append(states, string(v.State))
			if i > 0 && !line[i-1].To.Equal(v.From) {
				t.Errorf("a gap or overlap before %+v", v)
			}
		}
		if err != nil || strings.Join(states, " ") != "unknown running held" || !line[0].From.Equal(at(-5)) || !line[2].To.Equal(at(15)) {
			t.Errorf("%+v, %v", line, err)
		}
		if line, err := s.Timeline(ctx, "M1", at(12), at(60)); err != nil || len(line) != 2 || line[0].State != mes.MachineHeld || !line[1].To.IsZero() {
			t.Errorf("%+v, %v", line, err)
		}
		samples := pages(t, 1, func(p mes.Page) ([]mes.Sample, string, error) {
			return s.Samples(ctx, mes.MachineFilter{Machine: "M1", Page: p})
		})
		if len(samples) != 3 || samples[0].Value != 1.5 || !math.IsNaN(samples[1].Value) || samples[1].Text != "AUTO" || samples[2].Value != -1e300 || samples[2].Nanos != 999999 {
			t.Errorf("%+v", samples)
		}
		if found, _, err := s.Samples(ctx, mes.MachineFilter{Machine: "M1", Series: "load", From: at(1), To: at(2)}); err != nil || len(found) != 1 {
			t.Errorf("%+v, %v", found, err)
		}
		if found, _, err := s.Alarms(ctx, mes.MachineFilter{Machine: "M1", Series: "coolant"}); err != nil || len(found) != 2 {
			t.Errorf("%+v, %v", found, err)
		}
		if found, _, err := s.Counts(ctx, mes.MachineFilter{Machine: "M1"}); err != nil || len(found) != 2 {
			t.Errorf("%+v, %v", found, err)
		}
		if found, err := s.Readings(ctx, "M1", "total", at(1), at(1)); err != nil || len(found) != 1 || found[0].Value != 4 {
			t.Errorf("%+v, %v", found, err)
		}
		got, err := s.MachineTotals(ctx, "M1")
		want := &mes.MachineTotals{States: 5, Late: 1, Counts: 2, LateRead: 1, Samples: 3, Alarms: 4, Counters: map[string]int64{"total": 5}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
}

// Whatever is put in comes out the same, on both engines and in the ledger.
func TestRows_comeBackAsTheyWere(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			id := mes.ID(fmt.Sprint("p", n))
			put := &mes.Person{
				ID: id, Badge: id, Name: rapid.String().Draw(r, "name"), Tending: rapid.IntRange(-1<<53, 1<<53).Draw(r, "tending"),
				Language: rapid.SampledFrom([]string{"", "en", "\"\\\n\t\u2028<&>", "\u00e9\U0001F600"}).Draw(r, "language"), Disabled: rapid.Bool().Draw(r, "disabled"), Version: 1,
			}
			for range rapid.IntRange(0, 2).Draw(r, "skills") {
				put.Skills = append(put.Skills, mes.Certificate{Skill: rapid.String().Draw(r, "skill"), Until: time.UnixMilli(rapid.Int64Range(1, 1<<45).Draw(r, "until")).UTC()})
			}
			c := changing(t, id, []mes.Record{put})
			c.Receipt.Result, _ = json.Marshal(map[string]string{"said": put.Name + put.Language})
			c.Entry.Message = put.Name
			var err error
			given := json.RawMessage(`{"id":"` + string(id) + `"}`)
			if c.Entry.Detail, err = json.Marshal(mes.Detail{Given: given, Result: c.Receipt.Result, Rows: []mes.RowImage{{Kind: mes.KindPerson, Key: id, After: mustJSON(t, put)}}}); err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, c)
			got, err := s.Person(t.Context(), mes.Fresh, id)
			want := *put
			want.Name = clean(put.Name)
			if err != nil || !reflect.DeepEqual(got, &want) {
				t.Fatalf("%+v came back as %+v, %v", &want, got, err)
			}
			receipt, err := s.Receipt(t.Context(), id)
			if err != nil || string(receipt.Result) != string(c.Receipt.Result) {
				t.Fatalf("%s came back as %s, %v", c.Receipt.Result, receipt.Result, err)
			}
			entries, _, err := s.Entries(t.Context(), mes.LedgerFilter{Scope: everywhere, Page: mes.Page{Limit: 1}})
			if err != nil || entries[0].Digest() != entries[0].Hash || string(entries[0].Detail) != string(c.Entry.Detail) {
				t.Fatalf("the entry came back as %+v, %v", entries, err)
			}
		})
		if v, err := s.Verify(t.Context()); err != nil || !v.OK {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestClean_isWhatTheEnginesGiveBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i, name := range []string{"plain", "with\x00nul", "broken \xff\xfe UTF-8", "half \xed\xa0\x80 a pair"} {
			id := mes.ID(fmt.Sprint("P", i))
			p := product(string(id), 1)
			p.Name = name
			c := changing(t, id, []mes.Record{p})
			c.Entry.Source, c.Entry.Message = name, name
			mustCommit(t, s, c)
			got, err := s.Product(t.Context(), mes.Fresh, id)
			if err != nil || got.Name != clean(name) {
				t.Errorf("%q came back as %q, %v", name, got.Name, err)
			}
			entries, _, err := s.Entries(t.Context(), mes.LedgerFilter{Scope: everywhere, Page: mes.Page{Limit: 1}})
			if err != nil || entries[0].Source != clean(name) || entries[0].Digest() != entries[0].Hash {
				t.Errorf("%q in the ledger: %+v, %v", name, entries, err)
			}
		}
	})
}
