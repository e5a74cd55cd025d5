package storage

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gemba/mes"
)

// traced opens a tracer whose clock stands at noon.
func traced(t testing.TB, path string, size int64) *tracer {
	t.Helper()
	tr, err := openTracer(t.Context(), path, 24*time.Hour, size, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func closeTracer(t testing.TB, tr *tracer) {
	t.Helper()
	if err := tr.close(); err != nil {
		t.Error(err)
	}
}

func callNumber(i int) mes.Call {
	c := mes.Call{
		ID: fmt.Sprintf("%016x", i), At: noon.Add(time.Duration(i) * time.Second), Key: mes.ID(fmt.Sprint("key", i%3)), Principal: mes.ID(fmt.Sprint("TURN-", i%5)),
		Route: "GET /v1/orders", Status: 200, In: int64(i), Out: int64(2 * i), MS: float64(i) / 8, Source: fmt.Sprintf("10.0.0.%d", i%7),
	}
	if i%4 == 0 {
		c.Route, c.Status, c.Reason = "POST /v1/ingest", 401, "unauthenticated"
	}
	return c
}

// every is a filter's whole answer, page by page.
func every(t testing.TB, tr *Trace, f mes.TraceFilter) (found []mes.Call, pages int) {
	t.Helper()
	for {
		calls, next, err := tr.Calls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		found, pages = append(found, calls...), pages+1
		if f.Page.After = next; next == "" {
			return found, pages
		}
	}
}

func TestTrace_keepsEveryFieldAndFinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	tr := traced(t, path, 0)
	var all []mes.Call // newest first
	for i := range 100 {
		tr.record(callNumber(i))
		all = append([]mes.Call{callNumber(i)}, all...)
	}
	closeTracer(t, tr)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v; want 0600", info.Mode(), err)
	}
	reader, err := OpenTrace(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, test := range map[string]struct {
		filter mes.TraceFilter
		holds  func(mes.Call) bool
	}{
		"everything":   {mes.TraceFilter{}, func(mes.Call) bool { return true }},
		"id":           {mes.TraceFilter{ID: callNumber(42).ID}, func(c mes.Call) bool { return c.ID == callNumber(42).ID }},
		"key":          {mes.TraceFilter{Key: "key1"}, func(c mes.Call) bool { return c.Key == "key1" }},
		"principal":    {mes.TraceFilter{Principal: "TURN-3"}, func(c mes.Call) bool { return c.Principal == "TURN-3" }},
		"route":        {mes.TraceFilter{Route: "POST /v1/ingest"}, func(c mes.Call) bool { return c.Route == "POST /v1/ingest" }},
		"status":       {mes.TraceFilter{Status: 200}, func(c mes.Call) bool { return c.Status == 200 }},
		"status 4xx":   {mes.TraceFilter{Status: 4}, func(c mes.Call) bool { return c.Status == 401 }},
		"status 5xx":   {mes.TraceFilter{Status: 5}, func(mes.Call) bool { return false }},
		"source":       {mes.TraceFilter{Source: "10.0.0.6"}, func(c mes.Call) bool { return c.Source == "10.0.0.6" }},
		"from":         {mes.TraceFilter{From: noon.Add(90 * time.Second)}, func(c mes.Call) bool { return !c.At.Before(noon.Add(90 * time.Second)) }},
		"to":           {mes.TraceFilter{To: noon.Add(9 * time.Second)}, func(c mes.Call) bool { return c.At.Before(noon.Add(9 * time.Second)) }},
		"two at once":  {mes.TraceFilter{Status: 401, Key: "key0"}, func(c mes.Call) bool { return c.Status == 401 && c.Key == "key0" }},
		"no such text": {mes.TraceFilter{Source: "' OR 1=1 --"}, func(mes.Call) bool { return false }},
	} {
		var want []mes.Call
		for _, c := range all {
			if test.holds(c) {
				want = append(want, c)
			}
		}
		test.filter.Page.Limit = 7
		got, pages := every(t, reader, test.filter)
		if !reflect.DeepEqual(got, want) || pages != max((len(want)+6)/7, 1) {
			t.Errorf("%s: %d calls in %d pages, want %d:\n%v", name, len(got), pages, len(want), got)
		}
	}
	if _, _, err := reader.Calls(t.Context(), mes.TraceFilter{Page: mes.Page{After: "nonsense"}}); mes.ErrorCode(err) != mes.Invalid {
		t.Errorf("a cursor that is none gives %v", err)
	}
}

// No search reads the whole trace or sorts it.
func TestTrace_searchesByIndex(t *testing.T) {
	tr := traced(t, filepath.Join(t.TempDir(), "trace.db"), 0)
	defer closeTracer(t, tr)
	for _, test := range []struct {
		index  string
		filter mes.TraceFilter
	}{
		{"call_at", mes.TraceFilter{}}, {"call_at", mes.TraceFilter{From: noon, To: noon}}, {"call_id", mes.TraceFilter{ID: "x"}},
		{"call_key", mes.TraceFilter{Key: "k"}}, {"call_principal", mes.TraceFilter{Principal: "p", From: noon}},
		{"call_route", mes.TraceFilter{Route: "r"}}, {"call_source", mes.TraceFilter{Source: "s"}},
		{"call_refused", mes.TraceFilter{Status: 401}}, {"call_refused", mes.TraceFilter{Status: 4, From: noon}}, {"call_at", mes.TraceFilter{Status: 2}},
	} {
		index, f := test.index, test.filter
		q := chooseCalls(f).end("ORDER BY at_ms DESC, n DESC LIMIT ?", int64(10)).stmt()
		rows, err := tr.read.Query("EXPLAIN QUERY PLAN "+q.sql, q.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		rows.Close()
		if text := strings.Join(plan, "; "); !strings.Contains(text+" ", "INDEX "+index+" ") || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s: %s", index, text)
		}
	}
}

// However long the file is out of reach, recording does not wait, and what was lost is counted to the last call.
func TestTrace_neverWaitsAndCountsWhatIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	tr := traced(t, path, 0)
	other, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	const calls = 3 * traceQueue
	began := time.Now()
	for i := range calls {
		tr.record(callNumber(i))
	}
	if took := time.Since(began); took > 5*time.Second { // which is how long SQLite waits for the file
		t.Errorf("recording %d calls took %v", calls, took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	closeTracer(t, tr)
	reader, err := OpenTrace(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found, _ := every(t, reader, mes.TraceFilter{Page: mes.Page{Limit: 1000}})
	kept, lost := 0, 0
	for _, c := range found {
		if m := regexp.MustCompile(`^(\d+) calls were not recorded: more came`).FindStringSubmatch(c.Reason); m != nil {
			n, _ := strconv.Atoi(m[1])
			lost += n
		} else {
			kept++
		}
	}
	if lost == 0 || kept+lost != calls {
		t.Errorf("%d calls are recorded and %d counted as lost, of %d", kept, lost, calls)
	}
}

func TestTrace_forgetsWhatIsOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	tr := traced(t, path, 0)
	for i := range 3*traceChunk + 1 {
		c := callNumber(i)
		if i != 5 { // it must go by its time, not by its number
			c.At = noon.Add(-24*time.Hour - time.Duration(1+i)*time.Millisecond)
		}
		tr.record(c)
	}
	closeTracer(t, tr)
	tr = traced(t, path, 0)
	defer closeTracer(t, tr)
	for range 100 {
		found, _ := every(t, &tr.Trace, mes.TraceFilter{Page: mes.Page{Limit: 1000}})
		if len(found) == 1 && found[0].ID == callNumber(5).ID {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("old calls are still there")
}

func TestTrace_keepsToItsSize(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "trace.db")
	tr := traced(t, path, 0)
	for i := range traceQueue {
		tr.record(callNumber(i))
	}
	closeTracer(t, tr)
	tr = traced(t, path, size)
	defer closeTracer(t, tr)
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		used, err := tr.used()
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := every(t, &tr.Trace, mes.TraceFilter{Page: mes.Page{Limit: 1000}}); used <= size && len(found) > 0 && len(found) < traceQueue {
			if found[0].ID != callNumber(traceQueue-1).ID {
				t.Errorf("the newest call is gone; %s is", found[0].ID)
			}
			return
		}
	}
	t.Error("the trace does not keep to its size")
}

// A trace that cannot be read is put aside, kept, and does not keep the plant from starting.
func TestTrace_damagedIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTrace(t.Context(), path); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged trace opens with %v", err)
	}
	closeTracer(t, traced(t, path, 0))
	aside, err := filepath.Glob(path + ".*.damaged")
	if err != nil || len(aside) != 1 {
		t.Fatalf("put aside: %v %v", aside, err)
	}
	if text, err := os.ReadFile(aside[0]); err != nil || !strings.HasPrefix(string(text), "not a database") {
		t.Errorf("what was put aside is not what was there: %v", err)
	}
	reader, err := OpenTrace(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if found, _ := every(t, reader, mes.TraceFilter{}); len(found) != 1 || !strings.Contains(found[0].Reason, filepath.Base(aside[0])) {
		t.Errorf("the new trace does not say where the old one is: %v", found)
	}
}

// Who follows sees what is there, and then each call once, also one that began before others and ended after them.
func TestTrace_follow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.db")
	tr := traced(t, path, 0)
	defer closeTracer(t, tr)
	for i := range 10 {
		tr.record(callNumber(i))
	}
	for {
		if found, _ := every(t, &tr.Trace, mes.TraceFilter{}); len(found) == 10 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	reader, err := OpenTrace(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var seen []string
	err = reader.Follow(ctx, mes.TraceFilter{Page: mes.Page{Limit: 3}}, func(calls []mes.Call) error {
		for _, c := range calls {
			seen = append(seen, c.ID)
		}
		switch len(seen) {
		case 3:
			late := callNumber(11)
			late.At = noon.Add(-time.Hour)
			tr.record(callNumber(10))
			tr.record(late)
		case 5:
			cancel()
		}
		return nil
	})
	if want := fmt.Sprint([]string{callNumber(7).ID, callNumber(8).ID, callNumber(9).ID, callNumber(10).ID, callNumber(11).ID}); err != nil || fmt.Sprint(seen) != want {
		t.Errorf("seen %v, %v; want %s", seen, err, want)
	}
}

func TestTrace_ofAStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Store: "sqlite:" + filepath.Join(dir, "floor.db"), TracePath: filepath.Join(dir, "trace.db")})
	s.RecordCall(callNumber(1))
	for range 100 {
		if found, _, err := s.Calls(t.Context(), mes.TraceFilter{}); err != nil {
			t.Fatal(err)
		} else if len(found) == 1 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the call is not in the trace")
}

func TestTrace_absent(t *testing.T) {
	s := open(t, Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")})
	s.RecordCall(callNumber(1))
	if found, _, err := s.Calls(t.Context(), mes.TraceFilter{}); err != nil || len(found) > 0 {
		t.Errorf("a store without a trace gives %v, %v", found, err)
	}
	if _, err := OpenTrace(t.Context(), filepath.Join(t.TempDir(), "trace.db")); mes.ErrorCode(err) != mes.NotFound {
		t.Errorf("a trace that is not there opens with %v", err)
	}
}

// What a caller pays for being traced, and what the node does: cpu-µs is both.
func BenchmarkTrace(b *testing.B) {
	tr := traced(b, filepath.Join(b.TempDir(), "trace.db"), 0)
	before := processorTime(b)
	b.ResetTimer()
	for i := range b.N {
		tr.record(callNumber(i))
		if i%1000 == 999 {
			time.Sleep(20 * time.Millisecond) // 50,000 calls a second, far more than two cores answer
		}
	}
	b.StopTimer()
	closeTracer(b, tr)
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}
