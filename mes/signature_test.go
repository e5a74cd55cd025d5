package mes

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// inReview makes revision B of P1 ready to be released.
func (f *floor) inReview() {
	f.t.Helper()
	f.do(f.engineer, &RetireRevision{Product: "P1", Rev: "A"})
	f.do(f.engineer, &DraftRevision{Product: "P1", Rev: "B", Routing: routingP1})
	f.do(f.engineer, &SubmitRevision{Product: "P1", Rev: "B"})
}

func TestSignature_release(t *testing.T) {
	f := newFloor(t)
	f.inReview()
	release := &ReleaseRevision{Product: "P1", Rev: "B", Reason: "tried on M1"}
	with := func(a Actor, method string, age time.Duration) Actor {
		a.Proof = &Proof{Method: method, At: f.now.Add(-age)}
		return a
	}
	signed := len(f.store.signatures)
	f.refused(Unsigned, "needs your signature", f.approver, release)
	f.refused(Unsigned, "needs your signature", with(f.approver, ByPassword, ProofFor+time.Millisecond), release)
	f.refused(Unsigned, "needs your signature", with(f.approver, ByPassword, -time.Minute), release)
	f.refused(Refused, "somebody else must approve", with(f.engineer, ByPassword, 0), release) // who wrote it does not approve it, signed or not
	script := with(f.approver, ByPassword, 0)
	script.Session, script.Key = "", "k1"
	f.refused(Denied, "a key cannot sign", script, release)
	program := with(Actor{Kind: ByProgram, ID: "k2", Key: "k2", Session: "s", Person: f.approver.ID, Grants: []Grant{{Role: Approver}}}, ByPassword, 0)
	f.refused(Denied, "a key cannot sign", program, release)
	f.do(f.admin, &DisablePerson{Person: "abe", Reason: "left"})
	f.refused(Denied, "disabled", with(f.approver, ByPassword, 0), release)
	f.do(f.admin, &EnablePerson{Person: "abe", Reason: "back"})
	if n := len(f.store.signatures); n != signed {
		t.Errorf("%d signatures, then %d", signed, n)
	}

	f.approver.Station = "K1"
	signer := with(f.approver, ByBadgePIN, ProofFor)
	r, err := f.app.Do(t.Context(), signer, "", release)
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.app.Signatures(t.Context(), f.engineer, "revision/P1@B")
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	s := list[0]
	if s.Meaning != "approved" || s.Person != f.approver.ID || s.Name != "Abe" || s.Station != "K1" || s.Method != ByBadgePIN || !s.At.Equal(f.now) || s.Command != r.ID || s.Record != "revision/P1@B" {
		t.Errorf("%+v", s)
	}
	// it is bound to the record as the ledger has it
	rev, err := f.store.Revision(t.Context(), Fresh, "P1@B")
	if err != nil || s.Version != rev.Version {
		t.Errorf("signed version %d, the record has %+v, %v", s.Version, rev, err)
	}
	var detail Detail
	if err := json.Unmarshal(f.store.entries[r.N-1].Detail, &detail); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, row := range detail.Rows {
		if row.Kind == KindRevision {
			found = SignedDigest(row.After) == s.Digest
		}
	}
	if !found || s.Digest == SignedDigest([]byte("{}")) {
		t.Errorf("the digest %s is not that of the ledger's image", s.Digest)
	}
}

func TestSignature_historyAndSetUpNeedNone(t *testing.T) {
	for name, release := range map[string]func(f *floor) (Actor, Command){
		"history": func(f *floor) (Actor, Command) {
			return f.historian, &ReleaseRevision{Product: "P1", Rev: "B", History: true}
		},
		"set-up": func(f *floor) (Actor, Command) { return f.setup, &ReleaseRevision{Product: "P1", Rev: "B"} },
	} {
		f := newFloor(t)
		f.inReview()
		n := len(f.store.signatures)
		who, c := release(f)
		f.do(who, c)
		if len(f.store.signatures) != n {
			t.Errorf("%s left a signature", name)
		}
	}
	f := newFloor(t)
	f.inReview()
	f.refused(Denied, "a key cannot sign", f.historian, &ReleaseRevision{Product: "P1", Rev: "B"})
}

func TestSignature_overProduction(t *testing.T) {
	f := newFloor(t)
	f.product("P3", "valves", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1"})
	for _, number := range []string{"W-1", "W-2"} {
		f.do(f.planner, &CreateOrder{Number: number, Product: "P3", Quantity: 10})
		f.do(f.planner, &ReleaseOrder{Order: ID(number)})
	}
	f.made(f.ann, "W-1", 10, 10)
	f.do(f.ann, &CompleteJob{Order: "W-1", Operation: "10"})
	f.do(f.lead, &CompleteOrder{Order: "W-1"}) // as ordered: nothing to sign
	f.do(f.historian, &StartJob{Order: "W-2", Operation: "10", Person: f.ann.ID, History: true})
	f.do(f.historian, &ReportJob{Order: "W-2", Operation: "10", Session: f.store.operation("W-2", 10).Sessions[0], Good: 12, History: true})
	f.do(f.historian, &CompleteJob{Order: "W-2", Operation: "10"})
	f.refused(Unsigned, "needs your signature", f.lead, &CompleteOrder{Order: "W-2"})
	f.do(f.lead, &CompleteOrder{Order: "W-2"})
	for record, want := range map[string]int{"work_order/W-1": 0, "work_order/W-2": 1, "work_order/" + string(f.store.order("W-2").ID): 1} {
		list, err := f.app.Signatures(t.Context(), f.lead, record)
		if err != nil || len(list) != want || want == 1 && (list[0].Meaning != "accepted over-production" || list[0].Person != f.lead.ID) {
			t.Errorf("%s: %+v, %v", record, list, err)
		}
	}
	south := as(f.lead, Grant{Role: Lead, Site: "S2"})
	for record, code := range map[string]Code{"work_order/W-1": NotFound, "work_order/none": NotFound, "revision/none@A": NotFound, "person/ann": Invalid, "": Invalid} {
		if list, err := f.app.Signatures(t.Context(), south, record); ErrorCode(err) != code {
			t.Errorf("%s: %+v, %v", record, list, err)
		}
	}
}

// TestSignature_neverWithoutProof: whoever tries, with whatever proof, a revision is in effect only when a person who is
// not its author proved who they are at most two minutes before.
func TestSignature_neverWithoutProof(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFloor(t)
		f.inReview()
		f.now = f.now.Add(time.Hour)
		signed := len(f.store.signatures)
		for range rapid.IntRange(1, 15).Draw(rt, "tries") {
			who := rapid.SampledFrom([]Actor{f.approver, f.engineer, f.lead, f.admin, f.historian, f.feeder}).Draw(rt, "who")
			age := time.Duration(rapid.IntRange(-600, 600).Draw(rt, "age")) * time.Second
			if rapid.Bool().Draw(rt, "proof") {
				who.Proof = &Proof{Method: ByPassword, At: f.now.Add(-age)}
			}
			key := rapid.Bool().Draw(rt, "key")
			if key {
				who.Session, who.Key = "", "k1"
			}
			if rapid.Bool().Draw(rt, "widely") {
				who.Grants = append(who.Grants[:len(who.Grants):len(who.Grants)], Grant{Role: Approver})
			}
			_, err := f.app.Do(t.Context(), who, "", &ReleaseRevision{Product: "P1", Rev: "B"})
			right := who.Kind == ByPerson && who.ID != f.engineer.ID && !key && who.Proof != nil && age >= -time.Second && age <= 2*time.Minute && len(who.Scope(DefineProducts)) > 0
			if right != (err == nil) {
				rt.Fatalf("%s with proof %+v of age %s, key %v: %v", who.ID, who.Proof, age, key, err)
			}
			if right {
				if n := len(f.store.signatures); n != signed+1 || f.store.signatures[n-1].Person != who.Person {
					rt.Fatalf("%d signatures, then %d", signed, n)
				}
				return
			}
			if len(f.store.signatures) != signed {
				rt.Fatal("a refused release left a signature")
			}
		}
	})
}
