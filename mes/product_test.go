package mes

import (
	"testing"
	"time"
)

func TestRevision_life(t *testing.T) {
	f := newFloor(t)
	b := func() *DraftRevision {
		return &DraftRevision{Product: "P1", Rev: "B", Routing: []RoutingOperation{{Seq: 10, Code: "CUT", Name: "Cut", Line: "L1"}}}
	}
	step := map[string]func() Command{
		"draft":   func() Command { return b() },
		"submit":  func() Command { return &SubmitRevision{Product: "P1", Rev: "B"} },
		"reject":  func() Command { return &RejectRevision{Product: "P1", Rev: "B", Reason: "no"} },
		"release": func() Command { return &ReleaseRevision{Product: "P1", Rev: "B"} },
		"retire":  func() Command { return &RetireRevision{Product: "P1", Rev: "B"} },
	}
	allowed := map[RevisionStatus][]string{RevisionDraft: {"draft", "submit"}, RevisionInReview: {"reject", "release"}, RevisionReleased: {"retire"}}
	reach := map[RevisionStatus][]string{RevisionDraft: {"draft"}, RevisionInReview: {"draft", "submit"}, RevisionReleased: {"draft", "submit", "release"},
		RevisionObsolete: {"draft", "submit", "release", "retire"}}
	for status, path := range reach {
		for name, c := range step {
			f := newFloor(t)
			f.do(f.engineer, &RetireRevision{Product: "P1", Rev: "A"})
			for _, p := range path {
				who := f.engineer
				if p == "release" {
					who = f.approver
				}
				f.do(who, step[p]())
			}
			_, err := f.app.Do(t.Context(), f.proven(f.approver), "", c())
			may := false
			for _, a := range allowed[status] {
				may = may || a == name
			}
			if may && err != nil || !may && ErrorCode(err) != Refused {
				t.Errorf("%s of a revision %s: %v", name, status, err)
			}
		}
	}
	f.do(f.engineer, b())
	f.do(f.engineer, &SubmitRevision{Product: "P1", Rev: "B"})
	f.refused(Refused, "somebody else must approve it", f.engineer, &ReleaseRevision{Product: "P1", Rev: "B"})
	f.refused(Refused, "P1@A is in effect at the same time", f.approver, &ReleaseRevision{Product: "P1", Rev: "B"})
	f.do(f.engineer, &RejectRevision{Product: "P1", Rev: "B", Reason: "overlaps"})
	f.do(f.engineer, &RetireRevision{Product: "P1", Rev: "A"})
	f.do(f.engineer, &SubmitRevision{Product: "P1", Rev: "B"})
	f.do(f.approver, &ReleaseRevision{Product: "P1", Rev: "B"})
}

func TestRevision_overlaps(t *testing.T) {
	day := func(n int) time.Time {
		if n < 0 {
			return time.Time{}
		}
		return monday.AddDate(0, 0, n)
	}
	for _, c := range []struct {
		a, b [2]int // from, to; −1 is open
		want bool
	}{{[2]int{0, 5}, [2]int{5, 9}, false}, {[2]int{0, 6}, [2]int{5, 9}, true}, {[2]int{0, -1}, [2]int{5, 9}, true}, {[2]int{9, -1}, [2]int{5, 9}, false}, {[2]int{0, -1}, [2]int{3, -1}, true}} {
		a, b := &Revision{EffectiveFrom: day(c.a[0]), EffectiveTo: day(c.a[1])}, &Revision{EffectiveFrom: day(c.b[0]), EffectiveTo: day(c.b[1])}
		if a.overlaps(b) != c.want || b.overlaps(a) != c.want {
			t.Errorf("%v and %v: %t", c.a, c.b, !c.want)
		}
	}
}

func TestRevision_routing(t *testing.T) {
	f := newFloor(t)
	good := RoutingOperation{Seq: 10, Code: "CUT", Name: "Cut", Line: "L1"}
	with := func(change func(r *RoutingOperation)) []RoutingOperation {
		r := good
		r.Seq = 20
		change(&r)
		return []RoutingOperation{good, r}
	}
	for words, routing := range map[string][]RoutingOperation{
		"at least one operation":      nil,
		"at most 200":                 make([]RoutingOperation, 201),
		"from 1 to 9999":              with(func(r *RoutingOperation) { r.Seq = 10_000 }),
		"numbers must rise":           with(func(r *RoutingOperation) { r.Seq = 10 }),
		"has no line":                 with(func(r *RoutingOperation) { r.Line = "" }),
		"is a site":                   with(func(r *RoutingOperation) { r.Line = "S1" }),
		"setup_s goes from":           with(func(r *RoutingOperation) { r.SetupS = -1 }),
		"run_ms from":                 with(func(r *RoutingOperation) { r.RunMS = 1 << 40 }),
		"routing must be":             with(func(r *RoutingOperation) { r.Code = "a b" }),
		"control or invisible":        with(func(r *RoutingOperation) { r.Name = "a\x07" }),
		"which is not an earlier":     with(func(r *RoutingOperation) { r.After = []int{20} }),
		"names a predecessor twice":   with(func(r *RoutingOperation) { r.After = []int{10, 10} }),
		"more than 20 checks":         with(func(r *RoutingOperation) { r.Checks = make([]string, 21) }),
		"routing is missing":          with(func(r *RoutingOperation) { r.Checks = []string{""} }),
		"1 to 40 letters":             with(func(r *RoutingOperation) { r.Instruction = "work instruction 7" }), // could never be confirmed
		"dots, dashes or underscores": with(func(r *RoutingOperation) { r.Skill = "\u202e" }),
	} {
		f.refused(Invalid, words, f.engineer, &DraftRevision{Product: "P1", Rev: "C", Routing: routing})
	}
	for words, line := range map[string]BOMLine{
		"bom must be":       {Component: "", QuantityPer: 1},
		"needs a quantity":  {Component: "C", QuantityPer: 0},
		"scrap_percent":     {Component: "C", QuantityPer: 1, ScrapPercent: 101},
		"tracking is":       {Component: "C", QuantityPer: 1, Tracking: "maybe"},
		"does not have":     {Component: "C", QuantityPer: 1, Operation: 99},
		"control or":        {Component: "C", QuantityPer: 1, Unit: "\t"},
		"at most 10 are":    {Component: "C", QuantityPer: 1, Unit: "kilogrammes"},
		"from 1 to 1000000": {Component: "C", QuantityPer: 1 << 60},
	} {
		f.refused(Invalid, words, f.engineer, &DraftRevision{Product: "P1", Rev: "C", Routing: []RoutingOperation{good}, BOM: []BOMLine{line}})
	}
	f.refused(Invalid, "would end before it begins", f.engineer, &DraftRevision{Product: "P1", Rev: "C", Routing: []RoutingOperation{good}, EffectiveTo: At(monday.AddDate(-1, 0, 0))})
}

// TestDefine_takesNothingOver: a code that is somebody else's cannot be written over by naming it from another scope.
func TestDefine_takesNothingOver(t *testing.T) {
	f := newFloor(t)
	f.do(f.setup, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	presses := as(f.engineer, Grant{Role: Engineer, Family: "presses"})
	south := as(f.admin, Grant{Role: Admin, Site: "S2"})
	before := f.store.picture()
	f.refused(Refused, "code P1 is taken", presses, &DefineProduct{Code: "P1", Name: "Mine", Family: "presses"})
	f.refused(Refused, "code K1 is taken", south, &EnrolStation{Code: "K1", Name: "Mine", Line: "L9"})
	f.refused(Refused, "code M1 is taken", south, &DefineEquipment{Code: "M1", Name: "Mine", Level: WorkUnit, Parent: "L9"})
	f.refused(Denied, "level site here", as(f.admin, Grant{Role: Admin, Line: "L1"}), &DefineEquipment{Code: "S1", Name: "Mine", Level: Site, Parent: "E"})
	f.refused(Denied, "level enterprise here", south, &DefineEquipment{Code: "E", Name: "Mine", Level: Enterprise})
	if f.store.picture() != before {
		t.Error("something was written over")
	}
}

func TestEquipment_define(t *testing.T) {
	f := newFloor(t)
	for words, c := range map[string]*DefineEquipment{
		"code must be":       {Code: "a b", Name: "A", Level: Area, Parent: "S1"},
		"name is missing":    {Code: "A", Level: Area, Parent: "S1"},
		"level must be":      {Code: "A", Name: "A", Level: "floor", Parent: "S1"},
		"is not a time zone": {Code: "A", Name: "A", Level: Site, TimeZone: "Mars/Base"},
		"use a name like":    {Code: "A", Name: "A", Level: Site, TimeZone: "Local"},
		"capacity goes":      {Code: "A", Name: "A", Level: WorkUnit, Parent: "L1", Capacity: 101},
		"timeout_s and":      {Code: "A", Name: "A", Level: WorkUnit, Parent: "L1", TimeoutS: -1},
		"at most 20":         {Code: "A", Name: "A", Level: WorkUnit, Parent: "L1", Classes: make([]string, 21)},
		"classes must be":    {Code: "A", Name: "A", Level: WorkUnit, Parent: "L1", Classes: []string{"\n"}},
		"does not belong":    {Code: "A", Name: "A", Level: WorkUnit, Parent: "S1"},
		"say which":          {Code: "A", Name: "A", Level: WorkUnit},
	} {
		f.refused(Invalid, words, f.admin, c)
	}
	f.refused(Refused, "cannot move", f.admin, &DefineEquipment{Code: "M1", Name: "Lathe", Level: WorkUnit, Parent: "L2"})
	f.do(f.admin, &DefineEquipment{Code: "M1", Name: "Lathe, painted", Level: WorkUnit, Parent: "L1"})
}
