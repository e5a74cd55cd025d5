package mes

import (
	"testing"
	"time"
)

func TestJob_onePairOfHands(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.order("W-2", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "Ann already has a running session", f.ann, &StartJob{Order: "W-2", Operation: "10"})
	f.do(f.ann, &PauseJob{Order: "W-1", Operation: "10", Reason: "urgent"})
	f.do(f.ann, &StartJob{Order: "W-2", Operation: "10"})
	f.refused(Refused, "Ann already has a running session", f.ann, &ResumeJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StopJob{Order: "W-2", Operation: "10"})
	f.do(f.ann, &ResumeJob{Order: "W-1", Operation: "10"})

	// who tends several machines has as many sessions
	f.do(f.setup, &RegisterPerson{Badge: "tom", Name: "Tom", Tending: 2, Grants: []Grant{{Role: Operator}}})
	p, _ := f.store.Person(t.Context(), Fresh, "tom")
	tom := Actor{Kind: ByPerson, ID: p.ID, Person: p.ID, Grants: p.Grants}
	f.do(tom, &StartJob{Order: "W-1", Operation: "10"})
	f.do(tom, &StartJob{Order: "W-2", Operation: "10"})
	f.refused(Refused, "already has a running session", tom, &StartJob{Order: "W-1", Operation: "10"})
	f.do(tom, &StopJob{Order: "W-1", Operation: "10"})
	f.do(tom, &StartJob{Order: "W-1", Operation: "10", Kind: SetupWork})
}

// TestJob_noHourTwice: stating earlier times is no way to work twice in one hour.
func TestJob_noHourTwice(t *testing.T) {
	f := newFloor(t)
	at := func(minute int) Stamp { return At(monday.Add(time.Duration(minute) * time.Minute)) }
	f.now = at(300).Time
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(0)})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10", At: at(120)})
	f.refused(Refused, "Ann was in another session until 2026-11-23T08:00:00Z; begin after it", f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(60)})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(120)})
	f.do(f.bob, &StartJob{Order: "W-1", Operation: "10", At: at(60)})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(-30)}) // a stretch before that was forgotten
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10", At: at(-10)})
}

func TestJob_machines(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.order("W-2", "P2", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1"})
	f.refused(Refused, "M1 already has 1 running; stop or pause one first", f.bob, &StartJob{Order: "W-2", Operation: "10", Machine: "M1"})
	f.refused(Refused, "does not belong to L1", f.bob, &StartJob{Order: "W-1", Operation: "10", Machine: "M3"})
	f.refused(Invalid, "is a work_centre, not a machine", f.bob, &StartJob{Order: "W-1", Operation: "10", Machine: "L1"})
	f.refused(NotFound, "no equipment M77 here", f.bob, &StartJob{Order: "W-1", Operation: "10", Machine: "M77"})
	f.do(f.bob, &StartJob{Order: "W-2", Operation: "10", Machine: "M3"}) // any lathe will do
	f.do(f.bob, &PauseJob{Order: "W-2", Operation: "10"})
	f.do(f.feeder, &SetMachineState{Machine: "M3", State: MachineDown})
	f.now = f.now.Add(time.Minute)
	f.refused(Refused, "machine M3 is down", f.bob, &ResumeJob{Order: "W-2", Operation: "10"})
	f.do(f.feeder, &SetMachineState{Machine: "M3", State: MachineIdle})
	f.do(f.bob, &ResumeJob{Order: "W-2", Operation: "10"})
	f.do(f.ann, &PauseJob{Order: "W-1", Operation: "10"})
	f.do(f.lead, &StartJob{Order: "W-1", Operation: "10", Machine: "M1"})
	f.refused(Refused, "M1 already has 1 running", f.ann, &ResumeJob{Order: "W-1", Operation: "10"})
}

func TestJob_times(t *testing.T) {
	f := newFloor(t)
	at := func(minute int) Stamp { return At(monday.Add(time.Duration(minute) * time.Minute)) }
	f.now = at(600).Time
	f.order("W-1", "P1", 10)
	job := func(c Command) { f.t.Helper(); f.do(f.ann, c) }
	f.refused(Invalid, "ahead of the server", f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(603)})
	f.refused(Refused, "more than 24 hours back; a supervisor must record it", f.ann, &StartJob{Order: "W-1", Operation: "10", At: at(-1000)})
	job(&StartJob{Order: "W-1", Operation: "10", At: at(0)})
	f.refused(Refused, "cannot pause or end before that", f.ann, &PauseJob{Order: "W-1", Operation: "10", At: at(-5)})
	f.refused(Invalid, "a report cannot be earlier", f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1, At: at(-5)})
	job(&PauseJob{Order: "W-1", Operation: "10", At: at(60)})
	f.refused(Refused, "was paused at", f.ann, &ResumeJob{Order: "W-1", Operation: "10", At: at(59)})
	f.refused(Refused, "cannot pause or end before that", f.ann, &StopJob{Order: "W-1", Operation: "10", At: at(59)})
	job(&ResumeJob{Order: "W-1", Operation: "10", At: at(120)})
	f.refused(Refused, "cannot pause or end before that", f.ann, &StopJob{Order: "W-1", Operation: "10", At: at(59)})
	f.refused(Refused, "cannot pause or end before that", f.ann, &PauseJob{Order: "W-1", Operation: "10", At: at(30)})
	s, _ := f.store.Session(t.Context(), Fresh, f.store.operation("W-1", 10).Sessions[0])
	if got := s.Worked(at(180).Time); got != 2*time.Hour {
		t.Errorf("worked %s, want 2h", got)
	}
	job(&StopJob{Order: "W-1", Operation: "10", At: at(150)})
	s, _ = f.store.Session(t.Context(), Fresh, s.ID)
	if got := s.Worked(f.now); got != 90*time.Minute || s.State != SessionStopped {
		t.Errorf("worked %s, want 1h30m", got)
	}
	job(&StartJob{Order: "W-1", Operation: "10"})
	job(&StopJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "has no open session on operation 10; start it first", f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.refused(Refused, "was stopped at", f.ann, &StopJob{Order: "W-1", Operation: "10", Session: s.ID})
	f.refused(Refused, "was stopped at", f.ann, &ReportJob{Order: "W-1", Operation: "10", Session: s.ID, Good: 1})
	f.do(f.lead, &StartJob{Order: "W-1", Operation: "10", Person: "bob", At: at(-1000)}) // a supervisor may
}

func TestJob_backDatingCountsWhereItIsAuthorized(t *testing.T) {
	f := newFloor(t)
	old := At(monday.AddDate(0, 0, -3))
	both := f.person("lou", Grant{Role: Lead, Site: "S2"}, Grant{Role: Operator})
	f.order("W-1", "P1", 10)
	f.order("W-9", "P9", 10)
	f.refused(Refused, "a supervisor must record it", both, &StartJob{Order: "W-1", Operation: "10", At: old})
	f.do(both, &StartJob{Order: "W-9", Operation: "10", At: old})

	recorder := Actor{Kind: ByProgram, ID: "key-s2", Grants: []Grant{{Role: Historian, Site: "S2"}, {Role: Lead}}}
	f.refused(Denied, "only a historian may record history here", recorder, &StartJob{Order: "W-1", Operation: "10", Person: "bob", History: true})
	f.do(recorder, &StartJob{Order: "W-9", Operation: "10", Person: "bob", History: true, At: old})
	f.refused(Denied, "only a historian may record history", f.lead, &StartJob{Order: "W-1", Operation: "10", History: true})
}

func TestJob_forSomebodyElse(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	session := f.store.operation("W-1", 10).Sessions[0]
	for _, c := range []Command{
		&StartJob{Order: "W-1", Operation: "10", Person: "ann"},
		&PauseJob{Order: "W-1", Operation: "10", Session: session},
		&ReportJob{Order: "W-1", Operation: "10", Session: session, Good: 1},
		&StopJob{Order: "W-1", Operation: "10", Session: session},
	} {
		f.refused(Denied, "only a lead may do this for somebody else", f.bob, c)
	}
	f.do(f.lead, &PauseJob{Order: "W-1", Operation: "10", Session: session})
	f.refused(Denied, "only a lead", f.bob, &ResumeJob{Order: "W-1", Operation: "10", Session: session})
	f.do(f.lead, &ResumeJob{Order: "W-1", Operation: "10", Session: session})
	f.do(f.lead, &ReportJob{Order: "W-1", Operation: "10", Session: session, Good: 2})
	if r := f.store.reports[0]; r.Person != f.ann.Person {
		t.Errorf("the report is %s's", r.Person)
	}
	f.refused(Invalid, "belongs to another operation", f.ann, &StopJob{Order: "W-1", Operation: "20", Session: session})
	f.refused(NotFound, "no session none here", f.ann, &StopJob{Order: "W-1", Operation: "10", Session: "none"})

	// a program says who works; a person who left does not
	program := Actor{Kind: ByProgram, ID: "key-1", Grants: []Grant{{Role: Lead}}}
	f.refused(Invalid, "say which person", program, &StartJob{Order: "W-1", Operation: "10"})
	f.refused(NotFound, "no person zoe here", program, &StartJob{Order: "W-1", Operation: "10", Person: "zoe"})
	f.do(program, &StartJob{Order: "W-1", Operation: "10", Person: "bob"})
	f.do(f.setup, &RegisterPerson{Badge: "cai", Name: "Cai", Disabled: true})
	f.refused(Refused, "Cai is no longer active", program, &StartJob{Order: "W-1", Operation: "10", Person: "cai"})
	sessions := f.store.operation("W-1", 10).Sessions
	if s, _ := f.store.Session(t.Context(), Fresh, sessions[len(sessions)-1]); !s.Claimed || s.Person != f.bob.Person {
		t.Errorf("%+v", s)
	}
}

func TestJob_skillAndInstruction(t *testing.T) {
	f := newFloor(t)
	f.product("PS", "valves", RoutingOperation{Seq: 10, Code: "WELD", Line: "L1", Skill: "welding", Instruction: "WI-7.2"})
	f.order("W-1", "PS", 10)
	f.refused(Refused, "needs the skill welding", f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.setup, &RegisterPerson{Badge: "ann", Name: "Ann", Grants: []Grant{{Role: Operator}}, Skills: []Certificate{{Skill: "welding", Until: f.now.Add(time.Hour)}}})
	f.refused(Refused, "has not confirmed instruction WI-7.2; read and confirm it first", f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &ConfirmInstruction{Instruction: "WI-7.2"})
	f.refused(Refused, "confirmed WI-7.2 already", f.ann, &ConfirmInstruction{Instruction: "WI-7.2"})
	f.refused(Denied, "only a person can confirm", Actor{Kind: ByProgram, ID: "k", Grants: []Grant{{Role: Operator}}}, &ConfirmInstruction{Instruction: "WI-7.2"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.now = f.now.Add(2 * time.Hour)
	f.refused(Refused, "needs the skill welding", f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: At(f.now.Add(-90 * time.Minute))}) // it was valid then
}

// TestJob_history: gates that live work is stopped at become oddities; states, identity and arithmetic hold.
func TestJob_history(t *testing.T) {
	f := newFloor(t)
	f.product("PS", "valves", RoutingOperation{Seq: 10, Code: "CUT", Line: "L1"}, RoutingOperation{Seq: 20, Code: "WELD", Line: "L1", Skill: "welding", Instruction: "WI-7"})
	f.order("W-1", "PS", 10)
	f.do(f.feeder, &SetMachineState{Machine: "M1", State: MachineDown, At: At(monday.AddDate(-1, 0, 0))})
	begin := At(monday.AddDate(0, -1, 0))
	start := &StartJob{Order: "W-1", Operation: "20", Person: "ann", Machine: "M1", At: begin, History: true}
	f.do(f.historian, start)
	f.do(f.historian, start) // the same hands again
	op := f.store.operation("W-1", 20)
	var got []string
	s, _ := f.store.Session(t.Context(), Fresh, op.Sessions[1])
	for _, o := range s.Odd {
		got = append(got, o.Code)
	}
	want := []string{"not_ready", "no_skill", "unread", "machine_down", "overlap", "machine_busy"}
	if len(got) != len(want) {
		t.Fatalf("oddities %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("oddities %v, want %v", got, want)
			break
		}
	}
	f.do(f.historian, &ReportJob{Order: "W-1", Operation: "20", Session: s.ID, Good: 7, Scrap: []Part{{1, ""}}, At: begin, History: true})
	if r := f.store.reports[0]; len(r.Odd) != 1 || r.Odd[0].Code != "over_available" {
		t.Errorf("oddities of the report: %v", r.Odd)
	}
	f.do(f.historian, &StopJob{Order: "W-1", Operation: "20", Session: s.ID, At: begin, History: true})
	s, _ = f.store.Session(t.Context(), Fresh, s.ID)
	if last := s.Odd[len(s.Odd)-1]; last.Code != "no_length" {
		t.Errorf("the last oddity is %s", last.Code)
	}
	if o := f.store.order("W-1"); len(o.Odd) != 1 || o.Odd[0].Code != "history" {
		t.Errorf("oddities of the order: %v", o.Odd)
	}
	f.refused(Invalid, "whole number", f.historian, &ReportJob{Order: "W-1", Operation: "20", Session: op.Sessions[0], Good: -1, History: true})
	f.refused(Refused, "cannot pause or end before that", f.historian, &StopJob{Order: "W-1", Operation: "20", Session: op.Sessions[0], At: At(begin.AddDate(0, 0, -1)), History: true})
	f.refused(Refused, "waits for the operation before it", f.bob, &StartJob{Order: "W-1", Operation: "20"}) // live work is still gated
}

// TestJob_pausedOrHeldOrders: nobody's clock runs on under a paused or held order, and everybody can leave.
func TestJob_pausedOrHeldOrders(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", At: At(f.now.Add(90 * time.Second))}) // a clock that is ahead stops nobody
	f.do(f.bob, &StartJob{Order: "W-1", Operation: "10"})
	f.do(f.lead, &PauseOrder{Order: "W-1", Reason: "rush order"})
	for _, id := range f.store.operation("W-1", 10).Sessions {
		if s, _ := f.store.Session(t.Context(), Fresh, id); s.State != SessionPaused || s.PausedAt.Before(s.From) {
			t.Errorf("a session of a paused order is %s since %s", s.State, s.PausedAt)
		}
	}
	for _, c := range []Command{&ResumeJob{Order: "W-1", Operation: "10"}, &ReportJob{Order: "W-1", Operation: "10", Good: 1},
		&CompleteJob{Order: "W-1", Operation: "10", Reason: "x"}, &StartJob{Order: "W-1", Operation: "10"}} {
		f.refused(Refused, "is paused; resume the order first", f.bob, c)
	}
	f.now = f.now.Add(2 * time.Minute)
	f.do(f.bob, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.quality, &HoldOrder{Order: "W-1", Type: "material", Reason: "wrong alloy"})
	f.refused(Refused, "is held (material: wrong alloy); its quality must release it first", f.ann, &ResumeJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.quality, &UnholdOrder{Order: "W-1"})
	f.do(f.lead, &ResumeOrder{Order: "W-1"})
	f.made(f.ann, "W-1", 10, 10)
}
