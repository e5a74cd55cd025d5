package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gemba/mes"
)

const logHeader = "work_order,operation,worker,started_at,completed_at,qty_completed,qty_rejected,qty_mrb,report_type,rework\n"

// smallLog has of everything that is untidy one: a setup, both in one, rework, a twin row, an overlap, no length,
// nothing reported, an operation that comes back.
const smallLog = logHeader +
	"J1,Saw & Cut,W1,2011-03-01T06:00:00Z,2011-03-01T07:00:00Z,0,0,0,S,\n" +
	"J1,Saw & Cut,W1,2011-03-01T07:00:00Z,2011-03-01T09:00:00Z,20,1,0,D,\n" +
	"J1,Bore,W2,2011-03-01T08:00:00Z,2011-03-01T10:00:00Z,12,0,2,B,\n" +
	"J1,Bore,W2,2011-03-01T08:00:00Z,2011-03-01T10:00:00Z,12,0,2,B,\n" +
	"J2,Bore,W1,2011-03-01T08:30:00Z,2011-03-01T08:30:00Z,0,0,0,D,\n" +
	"J1,Saw & Cut,W3,2011-03-01T11:00:00Z,2011-03-01T12:00:00Z,5,0,0,D,\n" +
	"J2,Saw & Cut,W3,2011-03-01T12:00:00Z,2011-03-01T13:00:00Z,3,3,0,D,Y\n"

var smallTotals = mes.Totals{Orders: 2, Sessions: 7, Good: 52, Scrap: 4, Review: 4, ReworkSessions: 1}

func planOf(t *testing.T, text string) *plan {
	t.Helper()
	rows, err := readLog(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := makePlan(rows, "REPLAY")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadLog_forms(t *testing.T) {
	plain := logHeader + "J1,\"Saw, cut\",W1,2011-03-01T06:00:00Z,2011-03-01T07:30:00Z,20,1,0,D,Y\n"
	other := "\xef\xbb\xbfshift,Rework,report_type,qty_mrb,qty_rejected,qty_completed,completed_at,started_at,worker,operation,work_order\r\n" +
		"early,y,d,,1.0,20,2011-03-01 07:30:00,2011-03-01T08:00:00.000+02:00,W1,\"Saw, cut\",J1\r\n"
	a, err := readLog(strings.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	b, err := readLog(strings.NewReader(other))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two forms of one log differ:\n%+v\n%+v", a, b)
	}
}

func TestReadLog_saysWhereItIsWrong(t *testing.T) {
	good := "J1,Saw,W1,2011-03-01T06:00:00Z,2011-03-01T07:00:00Z,1,0,0,D,\n"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 1"},
		{"no rows", logHeader, "no rows"},
		{"columns missing", "work_order,operation\nJ1,Saw\n", "line 1, column worker, started_at"},
		{"column twice", strings.Replace(logHeader, "worker", "operation", 1) + good, "line 1, column operation: the header names"},
		{"time", logHeader + good + strings.Replace(good, "2011-03-01T06", "2011-03-01T26", 1), "line 3, column started_at"},
		{"before 1970", logHeader + strings.Replace(good, "2011", "1911", 1), "line 2, column started_at"},
		{"negative", logHeader + strings.Replace(good, ",1,0,0", ",-1,0,0", 1), "line 2, column qty_completed"},
		{"huge", logHeader + strings.Replace(good, ",1,0,0", ",1,99999999999,0", 1), "line 2, column qty_rejected"},
		{"half", logHeader + strings.Replace(good, ",1,0,0", ",1,0,0.5", 1), "line 2, column qty_mrb"},
		{"NaN", logHeader + strings.Replace(good, ",1,0,0", ",NaN,0,0", 1), "line 2, column qty_completed"},
		{"type", logHeader + strings.Replace(good, ",D,", ",X,", 1), "line 2, column report_type"},
		{"rework", logHeader + strings.Replace(good, ",D,", ",D,maybe", 1), "line 2, column rework"},
		{"nobody", logHeader + strings.Replace(good, "W1", " ", 1), "line 2, column worker"},
		{"escape", logHeader + strings.Replace(good, "Saw", "S\x1b[2Jaw", 1), "line 2, column operation"},
		{"not UTF-8", logHeader + strings.Replace(good, "Saw", "S\xe4ge", 1), "line 2, column operation"},
		{"too few", logHeader + "J1,Saw\n", "line 2: the row has 2 fields"},
		{"quotes", logHeader + "\"J1,Saw\n", "line 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := readLog(strings.NewReader(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) || mes.ErrorCode(err) != mes.Invalid {
				t.Errorf("%d rows, error %v, want %q", len(rows), err, test.want)
			}
		})
	}
}

func TestMakePlan(t *testing.T) {
	p := planOf(t, smallLog)
	if got := p.totals(); got != smallTotals {
		t.Errorf("totals %+v, want %+v", got, smallTotals)
	}
	var orders []string
	for _, o := range p.orders {
		text := o.name
		for _, op := range o.operations {
			text += " " + op.code
		}
		orders = append(orders, fmt.Sprintf("%s %d", text, quantity(o.operations)))
	}
	if want := []string{"J1 Saw-Cut Bore 25", "J2 Bore Saw-Cut 3"}; !slices.Equal(orders, want) {
		t.Errorf("orders %q, want %q", orders, want)
	}
	var people []string
	for _, w := range p.people {
		people = append(people, string(w.Badge))
	}
	if !slices.Equal(people, []string{"W1", "W2", "W3"}) {
		t.Errorf("people %q", people)
	}
	want := map[string]int{"duplicate_row": 1, "no_length": 1, "nothing_reported": 1, "overlap": 2, "repeated_operation": 1}
	got := map[string]int{}
	for _, f := range p.found.list() {
		got[f.Code] = f.Count
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestMakePlan_orderOfSteps(t *testing.T) {
	var got []string
	p := planOf(t, smallLog)
	for _, s := range p.steps {
		got = append(got, fmt.Sprintf("%d %s", p.rows[s.session].Line, s.kind))
	}
	want := []string{
		"2 start", "2 stop", "3 start", // at seven, the setup stops before the run starts
		"4 start", "5 start", "6 start", "6 stop", "3 report", "3 stop",
		"4 report", "4 stop", "5 report", "5 stop", "7 start", "7 report", "7 stop", "8 start", "8 report", "8 stop",
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps\n%q, want\n%q", got, want)
	}
}

func TestMakePlan_idsComeFromContent(t *testing.T) {
	ids := func(text string) (all []string) {
		for _, s := range planOf(t, text).sessions {
			all = append(all, s.id)
		}
		return all
	}
	a := ids(smallLog)
	if seen := slices.Compact(slices.Sorted(slices.Values(a))); len(seen) != len(a) {
		t.Error("two rows share an id; twins are two reports")
	}
	grown := ids(smallLog + "J3,Bore,W9,2011-03-02T06:00:00Z,2011-03-02T07:00:00Z,1,0,0,D,\n")
	if !slices.Equal(grown[:len(a)], a) {
		t.Error("a row that was added changes the ids of the others")
	}
	if other := ids(strings.ReplaceAll(smallLog, "T06:00:00Z", "T07:00:00+01:00")); !slices.Equal(other, a) {
		t.Error("another way to write a time changes ids")
	}
}

func TestRecipe_isTheSameForTheSameSequence(t *testing.T) {
	ops := []plannedOperation{{code: "Saw", name: "Saw"}, {code: "Bore", name: "Bore"}}
	a, b := recipeFor("REPLAY", ops), recipeFor("REPLAY", slices.Clone(ops))
	if !reflect.DeepEqual(a, b) {
		t.Error("one sequence gives two recipes")
	}
	slices.Reverse(ops)
	if c := recipeFor("REPLAY", ops); c.product.Code == a.product.Code {
		t.Error("another order of operations is the same product")
	}
}

func TestCodes(t *testing.T) {
	for name, want := range map[string]string{"Saw": "Saw", "Saw & Cut Q.C.": "Saw-Cut-Q.C.", " ": "x", "Größe": "Gr-e"} {
		if got := plainCode(name); got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
	}
	o := &plannedOrder{}
	names := []string{"Saw & Cut", "Saw / Cut", "Saw-Cut", "20", "磨", "钻", strings.Repeat("very long ", 20), strings.Repeat("very long ", 20) + "2"}
	codes := map[string]bool{}
	for i, name := range names {
		if o.operation(name) != i {
			t.Errorf("%q is taken for another operation", name)
		}
		code := o.operations[i].code
		if codes[code] || !codeForm.MatchString(code) || onlyDigits.MatchString(code) {
			t.Errorf("%q gives the code %q, which is taken or no code", name, code)
		}
		codes[code] = true
	}
	if ownCode("W-1") != "W-1" || ownCode("W 1") == ownCode("W/1") {
		t.Error("a name that is a code stays, and two that are none differ")
	}
}

func TestSchedule_keepsTheOrder(t *testing.T) {
	var log strings.Builder
	log.WriteString(logHeader)
	for i := range 300 {
		from := time.Date(2011, 3, 1, 6, i*7%240, 0, 0, time.UTC)
		fmt.Fprintf(&log, "J%d,Op%d,W%d,%s,%s,1,0,0,D,\n", i%11, i%5, i%7, from.Format(time.RFC3339), from.Add(time.Duration(i%90)*time.Minute).Format(time.RFC3339))
	}
	p := planOf(t, log.String())
	var mu sync.Mutex
	lastOfOrder, lastOfWorker, running, most := map[int]int{}, map[int]int{}, 0, 0
	err := newSchedule(p).run(t.Context(), 8, func(_ context.Context, i int) error {
		s := p.sessions[p.steps[i].session]
		mu.Lock()
		running++
		most = max(most, running)
		if i < lastOfOrder[s.order] || i < lastOfWorker[s.worker] && p.steps[i].kind != reportStep {
			t.Errorf("step %d comes after step %d or %d", i, lastOfOrder[s.order], lastOfWorker[s.worker])
		}
		lastOfOrder[s.order] = i
		if p.steps[i].kind != reportStep {
			lastOfWorker[s.worker] = i
		}
		mu.Unlock()
		time.Sleep(10 * time.Microsecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	})
	if err != nil || len(lastOfOrder) != 11 || most < 2 {
		t.Errorf("error %v, %d orders, %d side by side", err, len(lastOfOrder), most)
	}
	stop := fmt.Errorf("enough")
	if err := newSchedule(p).run(t.Context(), 3, func(context.Context, int) error { return stop }); err != stop {
		t.Errorf("an error is %v", err)
	}
}

// writeLog writes a log to a file.
func writeLog(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replayed runs gemba replay and reads its summary.
func replayed(t *testing.T, a *plantAPI, text string, args ...string) (replaySummary, error) {
	t.Helper()
	out, errs, err := a.gemba(t, t.Context(), append([]string{"replay", writeLog(t, text), "--json"}, args...)...)
	var s replaySummary
	if out != "" {
		if bad := json.Unmarshal([]byte(out), &s); bad != nil {
			t.Fatalf("%v: %s", bad, out)
		}
	}
	if err != nil {
		t.Log(err, errs)
	}
	return s, err
}

func (s *replaySummary) totals() mes.Totals {
	return mes.Totals{Orders: s.Orders, Sessions: s.Sessions, Good: s.Good, Scrap: s.Scrap, Review: s.Review, ReworkSessions: s.ReworkSessions}
}

// storeTotals asks the store itself.
func (a *plantAPI) storeTotals(t *testing.T) mes.Totals {
	t.Helper()
	got, err := a.app.Totals(t.Context(), mes.Actor{ID: "t", Grants: []mes.Grant{{Role: mes.Viewer}}}, mes.OrderFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return *got
}

func TestReplay_twiceIsOnce(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	s, err := replayed(t, a, smallLog)
	if err != nil || s.totals() != smallTotals {
		t.Fatalf("%+v, %v", s, err)
	}
	odd := map[string]int{}
	for _, f := range s.Odd {
		odd[f.Code] = f.Count
		if !strings.HasPrefix(f.Example, "line ") {
			t.Errorf("%s has the example %q", f.Code, f.Example)
		}
	}
	for code, n := range map[string]int{"duplicate_row": 1, "no_length": 1, "overlap": 2, "no_rework": 1, "over_rework": 1} {
		if odd[code] != n {
			t.Errorf("%d rows are odd for %s, want %d (all: %v)", odd[code], code, n, odd)
		}
	}
	before := a.storeTotals(t)
	again, err := replayed(t, a, smallLog)
	if err != nil || again.totals() != smallTotals || a.storeTotals(t) != before {
		t.Errorf("the same log again: %+v, %v, store %+v", again, err, a.storeTotals(t))
	}
	if !reflect.DeepEqual(again.Odd, s.Odd) {
		t.Errorf("the same log is odd in another way: %+v, then %+v", s.Odd, again.Odd)
	}
}

func TestReplay_cutOffAnywhereEndsTheSame(t *testing.T) {
	for _, after := range []int64{3, 9, 14, 20, 27, 33, 40, 47} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			a := newPlantAPI(t, mes.Historian)
			ctx, kill := context.WithCancel(t.Context())
			a.lose = func(n int64) bool {
				if n >= after { // what is under way is done, and nobody is told
					kill()
				}
				return n >= after
			}
			if _, _, err := a.gemba(t, ctx, "replay", writeLog(t, smallLog), "--jobs", "3"); err == nil {
				t.Fatal("a replay that was cut off ends well")
			}
			a.mu.Lock() // a request that was cut off may still be on its way
			a.lose = nil
			a.mu.Unlock()
			if s, err := replayed(t, a, smallLog); err != nil || s.totals() != smallTotals || a.storeTotals(t).OpenSessions != 0 {
				t.Errorf("%+v, %v, store %+v", s, err, a.storeTotals(t))
			}
		})
	}
}

func TestReplay_survivesABusyServer(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	a.refuse = func(w http.ResponseWriter, n int64) bool {
		if n%5 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n%5 == 0
	}
	a.lose = func(n int64) bool { return n%7 == 0 }
	if s, err := replayed(t, a, smallLog); err != nil || s.totals() != smallTotals {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestReplay_aLogThatGrew(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	if _, err := replayed(t, a, smallLog); err != nil {
		t.Fatal(err)
	}
	grown := smallLog +
		"J1,Bore,W2,2011-03-02T06:00:00Z,2011-03-02T07:00:00Z,100,0,0,D,\n" + // more than was ordered
		"J1,Pack,W2,2011-03-02T07:00:00Z,2011-03-02T08:00:00Z,25,0,0,D,\n" + // an operation that J1 did not have
		"J9,Pack,W8,2011-03-02T07:00:00Z,2011-03-02T08:00:00Z,1,0,0,D,\n"
	want := mes.Totals{Orders: 3, Sessions: 10, Good: 178, Scrap: 4, Review: 4, ReworkSessions: 1}
	for range 2 {
		s, err := replayed(t, a, grown)
		if err != nil || s.totals() != want {
			t.Fatalf("%+v, %v", s, err)
		}
		if a.storeTotals(t).Sessions != want.Sessions {
			t.Fatalf("the store has %+v", a.storeTotals(t))
		}
	}
	s, err := replayed(t, a, smallLog)
	if err != nil || s.totals() != smallTotals {
		t.Errorf("the beginning again: %+v, %v", s, err)
	}
}

func TestReplay_besideOtherWork(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	other := logHeader + "K1,Weld,W1,2011-05-01T06:00:00Z,2011-05-01T07:00:00Z,7,0,0,D,\n"
	if _, err := replayed(t, a, other, "--line", "LINE"); err != nil {
		t.Fatal(err)
	}
	if s, err := replayed(t, a, smallLog, "--line", "LINE"); err != nil || s.totals() != smallTotals {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := replayed(t, a, smallLog, "--line", "HALL"); err != nil {
		t.Errorf("a log whose orders are there needs no line: %v", err)
	}
	if _, err := replayed(t, a, strings.ReplaceAll(smallLog, "J1", "K7"), "--line", "HALL"); mes.ErrorCode(err) != mes.Refused {
		t.Errorf("a site is taken for a work centre: %v", err)
	}
}

func TestReplay_failsClearly(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	future := logHeader + "J1,Saw,W1,2411-03-01T06:00:00Z,2411-03-01T07:00:00Z,1,0,0,D,\n"
	if _, err := replayed(t, a, future); err == nil {
		t.Error("a session of the future is recorded")
	}
	if _, err := replayed(t, a, strings.Replace(smallLog, ",20,1,0,", ",x,1,0,", 1)); mes.ErrorCode(err) != mes.Invalid || !strings.Contains(err.Error(), "line 3, column qty_completed") {
		t.Errorf("a malformed row gives %v", err)
	}
	weak := newPlantAPI(t, mes.Viewer)
	if _, err := replayed(t, weak, smallLog); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a viewer's key gives %v", err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(smallLog)
	f.Add(logHeader + "a,b,c,1970-01-01 00:00:00,1970-01-01 00:00:00,1.000,,0,b,n\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := readLog(strings.NewReader(text))
		if err != nil {
			return
		}
		p, err := makePlan(rows, "REPLAY")
		if err != nil {
			return
		}
		for i := range p.orders {
			if !codeForm.MatchString(p.orders[i].number) {
				t.Errorf("order %q gets the number %q", p.orders[i].name, p.orders[i].number)
			}
			for _, op := range p.orders[i].operations {
				if !codeForm.MatchString(op.code) {
					t.Errorf("operation %q gets the code %q", op.name, op.code)
				}
			}
		}
		done := 0
		if err := newSchedule(p).run(t.Context(), 1, func(context.Context, int) error { done++; return nil }); err != nil || done != len(p.steps) {
			t.Errorf("%d of %d steps: %v", done, len(p.steps), err)
		}
	})
}
