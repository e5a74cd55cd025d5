package mes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestReport_bounds(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	parts := func(n int, q int64) (list []Part) {
		for range n {
			list = append(list, Part{q, "X"})
		}
		return list
	}
	for words, c := range map[string]ReportJob{
		"nothing is reported":          {},
		"good must be a whole number":  {Good: -1},
		"from 0 to 1000000000":         {Good: MaxQuantity + 1},
		"scrap must be a whole number": {Scrap: []Part{{0, "X"}}},
		"rework must be a whole":       {Rework: []Part{{-3, "X"}}},
		"review must be a whole":       {Review: []Part{{1 << 62, "X"}}},
		"scrap needs a reason":         {Scrap: []Part{{1, "  "}}},
		"at most 20 reasons":           {Rework: parts(21, 1)},
		"at most 80 are kept":          {Scrap: []Part{{1, strings.Repeat("x", 81)}}},
		"control or invisible":         {Scrap: []Part{{1, "a\u202eb"}}},
		"lot holds a control":          {Good: 1, Lot: "\a"},
		"one report takes at most":     {Good: MaxQuantity, Review: parts(20, MaxQuantity)},
	} {
		c.Order, c.Operation = "W-1", "10"
		f.refused(Invalid, words, f.ann, &c)
	}
	f.refused(Refused, "11 are reported and at most 10 can be", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 9, Scrap: []Part{{2, "X"}}})
	f.refused(Refused, "11 are reported or set aside and at most 10 can be", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 9, Review: []Part{{2, "X"}}})

	// however much history there is, sums stay countable
	hist := f.historian
	f.do(hist, &StartJob{Order: "W-1", Operation: "10", Person: "bob", History: true})
	op := f.store.operation("W-1", 10)
	op.Good = maxTotal - 5
	f.store.images[ref{KindOperation, op.ID}] = image(op)
	f.refused(Refused, "check the quantity", hist, &ReportJob{Order: "W-1", Operation: "10", Session: op.Sessions[1], Good: 6, History: true})
}

func TestReport_allKindsInOne(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1"})
	result := f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 3, Scrap: []Part{{1, "DIM-OOS"}, {1, "CRACK"}}, Rework: []Part{{2, "BURR"}}, Review: []Part{{1, "?"}}, Lot: "L-7"})
	if result["available"] != 3.0 || len(result["reports"].([]any)) != 5 {
		t.Errorf("%v", result)
	}
	for kind, want := range map[ReportKind]int64{GoodPieces: 3, ScrapPieces: 2, ReworkPieces: 2, ReviewPieces: 1} {
		if got := f.store.sum("W-1", 10, kind); got != want {
			t.Errorf("%d %s, want %d", got, kind, want)
		}
	}
	for _, r := range f.store.reports {
		if r.SnapshotVersion != 1 || r.Lot != "L-7" || r.Machine != "M1" || r.Person != f.ann.Person || r.Command == "" || r.Quantity < 1 {
			t.Errorf("%+v", r)
		}
	}
}

func TestReport_tolerance(t *testing.T) {
	f := newFloor(t)
	f.do(f.planner, &CreateOrder{Number: "W-1", Product: "P1", Quantity: 10, Tolerance: 20})
	f.do(f.planner, &ReleaseOrder{Order: "W-1"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	if got := f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 10})["available"]; got != 0.0 {
		t.Errorf("%v are offered", got)
	}
	f.refused(Refused, "3 are reported and at most 2 can be", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 3})
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 2})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &CorrectReport{Report: f.store.reports[0].ID, Reason: "one less", Quantity: 9}) // still above what is ordered
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "20"})
	f.refused(Refused, "at most 11 can be", f.ann, &ReportJob{Order: "W-1", Operation: "20", Good: 12})
}

func TestReport_rework(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P9", 10)
	job := func(c Command) map[string]any { f.t.Helper(); return f.do(f.ann, c) }
	job(&StartJob{Order: "W-1", Operation: "10"})
	sent := one(f, job(&ReportJob{Order: "W-1", Operation: "10", Rework: []Part{{4, "BURR"}}}), "reports")
	job(&StopJob{Order: "W-1", Operation: "10"})
	job(&StartJob{Order: "W-1", Operation: "10", Kind: ReworkWork})
	f.refused(Refused, "5 are reported from rework and 4 are there", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 5})
	f.refused(Refused, "6 are reported from rework and 4 are there", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1, Rework: []Part{{5, "AGAIN"}}})
	f.refused(Refused, "5 are reported from rework and 4 are there", f.ann, &ReportJob{Order: "W-1", Operation: "10", Review: []Part{{5, "?"}}})
	back := one(f, job(&ReportJob{Order: "W-1", Operation: "10", Good: 2}), "reports")
	job(&ReportJob{Order: "W-1", Operation: "10", Scrap: []Part{{1, "TORN"}}})
	if got := job(&ReportJob{Order: "W-1", Operation: "10", Rework: []Part{{1, "AGAIN"}}})["available"]; got != 6.0 {
		t.Errorf("%v are available, want 6: four went to rework, two came back good, one as scrap, one is there again", got)
	}
	f.refused(Refused, "came back from rework already; correct those reports first", f.ann, &CorrectReport{Report: sent, Reason: "never sent"})
	f.refused(Refused, "came back from rework already", f.ann, &CorrectReport{Report: sent, Reason: "fewer", Quantity: 2})
	job(&CorrectReport{Report: back, Reason: "was not good yet"})
	job(&CorrectReport{Report: sent, Reason: "one less", Quantity: 3})
	f.refused(Refused, "3 are reported from rework and 2 are there", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 3})
	job(&ReportJob{Order: "W-1", Operation: "10", Good: 2})
	job(&StopJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "nothing of operation 10 is in rework", f.ann, &StartJob{Order: "W-1", Operation: "10", Kind: ReworkWork})
	op := f.store.operation("W-1", 10)
	if op.used() != op.Good+op.Scrap || op.Rework != op.Reworked {
		t.Errorf("%+v", op)
	}
}

func TestReport_corrections(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P2", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	first := one(f, f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 8}), "reports")
	f.made(f.bob, "W-1", 20, 6)

	f.refused(Invalid, "reason is missing", f.ann, &CorrectReport{Report: first, Quantity: 7})
	f.refused(Invalid, "quantity must be", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: -1})
	f.refused(Invalid, "quantity must be", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: MaxQuantity + 1})
	f.refused(Invalid, "instead must be", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: 1, Instead: "gone"})
	f.refused(Invalid, "say how many are scrap instead", f.ann, &CorrectReport{Report: first, Reason: "x", Instead: "scrap"})
	f.refused(Invalid, "scrap needs a reason", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: 8, Instead: "scrap"})
	f.refused(Invalid, "control", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: 8, Instead: "scrap", Why: "\r"})
	f.refused(NotFound, "no report none here", f.ann, &CorrectReport{Report: "none", Reason: "x"})
	f.refused(Denied, "only a lead", f.bob, &CorrectReport{Report: first, Reason: "x"})
	f.refused(Refused, "has already used 6 and would have received only 0", f.ann, &CorrectReport{Report: first, Reason: "x"})
	f.refused(Refused, "has already used 6 and would have received only 5", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: 5})
	f.refused(Refused, "operation 10 has already used 11", f.ann, &CorrectReport{Report: first, Reason: "x", Quantity: 11})
	if n := len(f.store.reports); n != 2 {
		t.Fatalf("refused corrections left %d reports, want 2", n)
	}

	result := f.do(f.ann, &CorrectReport{Report: first, Reason: "miscounted", Quantity: 7})
	back, right := one(f, result, "correction"), one(f, result, "report")
	f.refused(Refused, "corrected already", f.ann, &CorrectReport{Report: first, Reason: "x"})
	f.refused(Refused, "is a correction itself", f.ann, &CorrectReport{Report: back, Reason: "x"})
	reversal, _ := f.store.Report(t.Context(), Fresh, back)
	if reversal.Corrects != first || reversal.Quantity != 8 || reversal.Reason != "miscounted" || reversal.Kind != GoodPieces {
		t.Errorf("the reversal is %+v", reversal)
	}
	f.do(f.lead, &CorrectReport{Report: right, Reason: "one was bad", Quantity: 6})
	if op := f.store.operation("W-1", 10); op.Good != 6 || op.Reports != 1 || f.store.sum("W-1", 10, GoodPieces) != 6 {
		t.Errorf("%+v", op)
	}

	// not while the order is held or after it is completed
	f.do(f.quality, &HoldOrder{Order: "W-1", Type: "quality", Reason: "check"})
	last := f.store.reports[len(f.store.reports)-1].ID
	f.refused(Refused, "is held", f.lead, &CorrectReport{Report: last, Reason: "x", Quantity: 7})
	f.do(f.quality, &UnholdOrder{Order: "W-1"})
	f.do(f.lead, &CompleteJob{Order: "W-1", Operation: "10", Reason: "x"})
	f.do(f.lead, &CompleteJob{Order: "W-1", Operation: "20", Reason: "x"})
	f.do(f.lead, &CompleteOrder{Order: "W-1", ShortReason: "x"})
	f.refused(Refused, "a supervisor must reopen it", f.lead, &CorrectReport{Report: last, Reason: "x", Quantity: 7})
	f.do(f.lead, &ReopenOrder{Order: "W-1", Reason: "one more"})
	f.do(f.lead, &CorrectReport{Report: last, Reason: "one more", Quantity: 7})
	f.do(f.lead, &CompleteOrder{Order: "W-1", ShortReason: "x"})
	f.do(f.lead, &CloseOrder{Order: "W-1"})
	f.refused(Refused, "nothing under it changes any more", f.lead, &CorrectReport{Report: f.store.reports[len(f.store.reports)-1].ID, Reason: "x"})
}

// TestReport_correctionsOfHistory: what history made negative may stay so, and may not get worse.
func TestReport_correctionsOfHistory(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P2", 10)
	hist := f.historian
	f.do(hist, &StartJob{Order: "W-1", Operation: "20", Person: "ann", History: true})
	s := f.store.operation("W-1", 20).Sessions[0]
	r := one(f, f.do(hist, &ReportJob{Order: "W-1", Operation: "20", Session: s, Good: 5, History: true}), "reports")
	f.refused(Refused, "has already used 6", hist, &CorrectReport{Report: r, Reason: "x", Quantity: 6})
	f.do(hist, &CorrectReport{Report: r, Reason: "x", Quantity: 4})
}

func TestPart_forms(t *testing.T) {
	var c ReportJob
	if err := json.Unmarshal([]byte(`{"order":"W","scrap":[{"quantity":2,"reason":"DIM-OOS"},{"quantity":1}]}`), &c); err != nil || len(c.Scrap) != 2 || c.Scrap[0] != (Part{2, "DIM-OOS"}) {
		t.Errorf("JSON gives %v %v", c.Scrap, err)
	}
	for text, want := range map[string]Part{"2:DIM-OOS": {2, "DIM-OOS"}, "3": {3, ""}, "1:a:b": {1, "a:b"}, "-4:x": {-4, "x"}} {
		var p Part
		if err := p.fromWord(text); err != nil || p != want {
			t.Errorf("%q gives %v %v, want %v", text, p, err, want)
		}
	}
	for _, text := range []string{"", ":", "x", "1.5:x", "1e3:x", "99999999999999999999:x", " 2:x", "NaN"} {
		if err := new(Part).fromWord(text); ErrorCode(err) != Invalid {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

func FuzzPart(f *testing.F) {
	f.Add("2:DIM-OOS")
	f.Add("9223372036854775808:x")
	f.Fuzz(func(t *testing.T, text string) {
		var p, again Part
		if err := p.fromWord(text); err != nil {
			if ErrorCode(err) != Invalid || strings.IndexFunc(err.Error(), hidden) >= 0 {
				t.Errorf("%q gives %q (%s)", text, err, ErrorCode(err))
			}
			return
		}
		if err := again.fromWord(fmt.Sprint(p)); err != nil || again != p {
			t.Errorf("%q is %v, and that is %v (%v)", text, p, again, err)
		}
	})
}
