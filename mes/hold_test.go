package mes

import "testing"

func TestHold_ownedByARole(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.refused(Invalid, "a hold is for quality, material", f.quality, &HoldOrder{Order: "W-1", Type: "mood", Reason: "x"})
	f.refused(Invalid, "reason is missing", f.quality, &HoldOrder{Order: "W-1", Type: "quality"})
	f.refused(Invalid, "cannot release holds", f.quality, &HoldOrder{Order: "W-1", Type: "quality", Reason: "x", Owner: "operator"})
	f.refused(Invalid, "cannot release holds", f.quality, &HoldOrder{Order: "W-1", Type: "quality", Reason: "x", Owner: "\x1b[2J"})
	f.refused(Denied, "", f.ann, &HoldOrder{Order: "W-1", Type: "quality", Reason: "x"})
	for _, owner := range []struct {
		role Role
		who  Actor
	}{{Quality, f.quality}, {Maintenance, f.maintenance}, {Lead, f.lead}} {
		for _, operation := range []string{"", "10"} {
			f.do(f.lead, &HoldOrder{Order: "W-1", Operation: operation, Type: "tool", Reason: "worn", Owner: owner.role})
			for _, other := range []Actor{f.quality, f.maintenance, f.lead} {
				if !other.Has(owner.role) {
					f.refused(Refused, "this hold belongs to "+string(owner.role), other, &UnholdOrder{Order: "W-1", Operation: operation})
				}
			}
			f.refused(Refused, "", f.quality, &HoldOrder{Order: "W-1", Operation: operation, Type: "quality", Reason: "x"})
			f.do(owner.who, &UnholdOrder{Order: "W-1", Operation: operation, Note: "replaced"})
		}
	}

	// the role counts where the hold is
	both := f.person("lou", Grant{Role: Quality, Site: "S2"}, Grant{Role: Lead, Site: "S1"})
	f.do(f.quality, &HoldOrder{Order: "W-1", Type: "quality", Reason: "burrs"})
	f.refused(Refused, "this hold belongs to quality", both, &UnholdOrder{Order: "W-1"})
	f.do(f.quality, &UnholdOrder{Order: "W-1"})
	if o := f.store.order("W-1"); o.State != OrderReleased || o.Hold != (Hold{}) || o.HeldFrom != "" {
		t.Errorf("%+v", o)
	}
}

func TestHold_pausesWhatRuns(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1"})
	f.do(f.quality, &HoldOrder{Order: "W-1", Operation: "10", Type: "quality", Reason: "burrs"})
	for _, c := range []Command{&ResumeJob{Order: "W-1", Operation: "10"}, &ReportJob{Order: "W-1", Operation: "10", Good: 1}, &StartJob{Order: "W-1", Operation: "10"}} {
		f.refused(Refused, "operation 10 is held (quality: burrs)", f.ann, c)
	}
	f.order("W-2", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-2", Operation: "10", Machine: "M1"}) // hands and machine are free
	f.do(f.ann, &StopJob{Order: "W-2", Operation: "10"})
	f.refused(Refused, "is held", f.lead, &CompleteJob{Order: "W-1", Operation: "10", Reason: "x"})
	f.do(f.quality, &UnholdOrder{Order: "W-1", Operation: "10"})
	f.do(f.ann, &ResumeJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1})
}
