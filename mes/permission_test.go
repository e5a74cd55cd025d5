package mes

import (
	"encoding/json"
	"slices"
	"testing"
)

// A trial is a command that is right on a fresh floor, made ready for who will give it.
type trial struct {
	roles []Role  // who may, written down by hand and not read from the code
	in    []Grant // scopes that reach it
	out   []Grant // scopes that do not; nil when the thing is nowhere in particular
	ready func(f *floor, who Actor) Command
}

var (
	here      = []Grant{{}, {Site: "S1"}, {Line: "L1"}, {Site: "S1", Line: "L1"}, {Family: "valves"}}
	elsewhere = []Grant{{Site: "S2"}, {Line: "L9"}, {Line: "L2"}, {Family: "presses"}, {Site: "S1", Family: "pumps"}}
	planners  = []Role{Planner, Lead, Historian, Setup}
	holders   = []Role{Quality, Lead, Maintenance}
	leads     = []Role{Lead, Historian, Setup}
	workers   = []Role{Operator, Lead, Historian, Setup}
	feeders   = []Role{Feeder, Maintenance, Setup}
	designers = []Role{Engineer, Approver, Historian, Setup}
	builders  = []Role{Admin, Historian, Setup}
	managers  = []Role{Admin, Setup}
	doors     = []Role{Kiosk, Setup}
)

// on makes a trial on an order in a state.
func on(roles []Role, state string, c func() Command) trial {
	return trial{roles, here, elsewhere, func(f *floor, _ Actor) Command { orderIn[state](f, "W"); return c() }}
}

// at makes a trial on operation 10, with an open session of who gives the command.
func at(ready func(f *floor, session ID), c func(f *floor) Command) trial {
	return trial{workers, append(here, Grant{Operation: "CUT"}), append(elsewhere, Grant{Operation: "PACK"}), func(f *floor, who Actor) Command {
		f.order("W", "P1", 10)
		s := one(f, f.do(f.lead, &StartJob{Order: "W", Operation: "10", Person: who.Person}), "session")
		if ready != nil {
			ready(f, s)
		}
		return c(f)
	}}
}

// alone makes a trial that needs nothing.
func alone(roles []Role, in, out []Grant, c Command) trial {
	return trial{roles, in, out, func(*floor, Actor) Command { return c }}
}

var routingP1 = []RoutingOperation{{Seq: 10, Code: "CUT", Name: "Cut", Line: "L1"}}

// draft makes a trial on a revision B that somebody else has drafted.
func draft(submit, release bool, c Command) trial {
	return trial{designers, []Grant{{}, {Family: "valves"}}, []Grant{{Family: "presses"}}, func(f *floor, _ Actor) Command {
		f.do(f.engineer, &RetireRevision{Product: "P1", Rev: "A"})
		f.do(f.engineer, &DraftRevision{Product: "P1", Rev: "B", Routing: routingP1})
		if submit {
			f.do(f.engineer, &SubmitRevision{Product: "P1", Rev: "B"})
		}
		if release {
			f.do(f.approver, &ReleaseRevision{Product: "P1", Rev: "B"})
		}
		return c
	}}
}

// local makes a trial on access of somebody who works at S1 only.
func local(c Command) trial {
	return trial{managers, []Grant{{}, {Site: "S1"}}, []Grant{{Site: "S2"}, {Line: "L1"}}, func(f *floor, _ Actor) Command {
		f.person("loc", Grant{Role: Operator, Site: "S1"})
		f.do(f.setup, &AddSSHKey{Fingerprint: "SHA256:old", PublicKey: "ssh-ed25519 AAAA", Person: "loc"})
		return c
	}}
}

// after makes the trial begin with commands that somebody else has given.
func (t trial) after(before ...Command) trial {
	ready := t.ready
	t.ready = func(f *floor, who Actor) Command {
		for _, c := range before {
			f.do(f.setup, c)
		}
		return ready(f, who)
	}
	return t
}

// own makes a trial of what everybody who is signed in may do with their own account, whatever their grants.
func own(ready func(f *floor, who Actor), c Command) trial {
	return trial{nil, nil, nil, func(f *floor, who Actor) Command {
		ready(f, who)
		return c
	}}
}

// station makes a trial on a station of line L1.
func station(roles []Role, invited bool, c Command) trial {
	return trial{roles, []Grant{{}, {Site: "S1"}, {Line: "L1"}}, []Grant{{Site: "S2"}, {Line: "L2"}}, func(f *floor, _ Actor) Command {
		f.do(f.setup, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
		if invited {
			f.do(f.setup, &InviteStation{Station: "K1", Hash: "code"})
		}
		return c
	}}
}

// account makes a trial on the account of somebody who works at S1 only, in a state.
func account(roles []Role, ready []Command, c Command) trial {
	return trial{roles, []Grant{{}, {Site: "S1"}}, []Grant{{Site: "S2"}, {Line: "L1"}}, func(f *floor, _ Actor) Command {
		f.person("loc", Grant{Role: Operator, Site: "S1"})
		for _, c := range ready {
			f.do(f.setup, c)
		}
		return c
	}}
}

var trials = map[string]trial{
	"order.create":       alone(planners, []Grant{{}, {Site: "S1"}, {Line: "L1"}, {Family: "valves"}}, elsewhere, &CreateOrder{Product: "P1", Quantity: 5}),
	"order.release":      on(planners, "draft", func() Command { return &ReleaseOrder{Order: "W"} }),
	"order.unrelease":    on(planners, "released", func() Command { return &UnreleaseOrder{Order: "W"} }),
	"order.hold":         on(holders, "released", func() Command { return &HoldOrder{Order: "W", Type: "tool", Reason: "worn"} }),
	"order.pause":        on(leads, "in_progress", func() Command { return &PauseOrder{Order: "W", Reason: "rush"} }),
	"order.resume":       on(leads, "paused", func() Command { return &ResumeOrder{Order: "W"} }),
	"order.complete":     on(leads, "done", func() Command { return &CompleteOrder{Order: "W"} }),
	"order.close":        on(leads, "completed", func() Command { return &CloseOrder{Order: "W"} }),
	"order.cancel":       on(planners, "released", func() Command { return &CancelOrder{Order: "W", Reason: "gone"} }),
	"order.reopen":       on([]Role{Lead}, "completed", func() Command { return &ReopenOrder{Order: "W", Reason: "wrong"} }),
	"order.split":        on(planners, "released", func() Command { return &SplitOrder{Order: "W", Quantity: 2} }),
	"order.reprioritise": on(planners, "released", func() Command { return &ReprioritiseOrder{Order: "W", Priority: 1} }),
	"order.unhold": {holders, here, elsewhere, func(f *floor, who Actor) Command {
		f.order("W", "P1", 10)
		owner := Quality
		for _, g := range who.Grants {
			if slices.Contains(holders, g.Role) {
				owner = g.Role
			}
		}
		f.do(f.quality, &HoldOrder{Order: "W", Type: "tool", Reason: "worn", Owner: owner})
		return &UnholdOrder{Order: "W"}
	}},
	"job.start": {workers, here, append(elsewhere, Grant{Operation: "PACK"}), func(f *floor, who Actor) Command {
		f.order("W", "P1", 10)
		return &StartJob{Order: "W", Operation: "10"}
	}},
	"job.pause":  at(nil, func(*floor) Command { return &PauseJob{Order: "W", Operation: "10"} }),
	"job.report": at(nil, func(*floor) Command { return &ReportJob{Order: "W", Operation: "10", Good: 1} }),
	"job.stop":   at(nil, func(*floor) Command { return &StopJob{Order: "W", Operation: "10"} }),
	"job.complete": at(nil, func(*floor) Command {
		return &CompleteJob{Order: "W", Operation: "10", Reason: "enough"}
	}),
	"job.resume": at(func(f *floor, s ID) { f.do(f.lead, &PauseJob{Order: "W", Operation: "10", Session: s}) },
		func(*floor) Command { return &ResumeJob{Order: "W", Operation: "10"} }),
	"job.correct": at(func(f *floor, s ID) { f.do(f.lead, &ReportJob{Order: "W", Operation: "10", Session: s, Good: 2}) },
		func(f *floor) Command { return &CorrectReport{Report: f.store.reports[0].ID, Reason: "wrong"} }),
	"job.skip": {leads, here, elsewhere, func(f *floor, _ Actor) Command {
		f.order("W", "P1", 10)
		return &SkipJob{Order: "W", Operation: "20", Reason: "not needed"}
	}},
	"instruction.confirm": alone(workers, []Grant{{}, {Site: "S1"}}, nil, &ConfirmInstruction{Instruction: "WI-1"}),
	"machine.state":       alone(feeders, []Grant{{}, {Site: "S1"}, {Line: "L1"}, {Machine: "M1"}}, []Grant{{Site: "S2"}, {Line: "L2"}, {Machine: "M2"}}, &SetMachineState{Machine: "M1", State: MachineIdle}),
	"machine.count":       alone(feeders, []Grant{{}, {Site: "S1"}, {Line: "L1"}, {Machine: "M1"}}, []Grant{{Site: "S2"}, {Line: "L2"}, {Machine: "M2"}}, &CountMachine{Machine: "M1", Value: 1}),
	// what is out of scope in a batch is left out of it: TestMachine_batches
	"machine.ingest":   alone(feeders, []Grant{{}, {Site: "S1"}, {Line: "L1"}, {Machine: "M1"}}, nil, &Ingest{Machine: "M1", States: []StateEvent{{State: MachineIdle}}}),
	"product.define":   alone(designers, []Grant{{}, {Family: "valves"}}, []Grant{{Family: "presses"}}, &DefineProduct{Code: "P1", Name: "Valve, new", Family: "valves"}),
	"revision.draft":   alone(designers, []Grant{{}, {Family: "valves"}, {Site: "S1"}}, []Grant{{Family: "presses"}, {Site: "S2"}}, &DraftRevision{Product: "P1", Rev: "C", Routing: routingP1}),
	"revision.submit":  draft(false, false, &SubmitRevision{Product: "P1", Rev: "B"}),
	"revision.reject":  draft(true, false, &RejectRevision{Product: "P1", Rev: "B", Reason: "no"}),
	"revision.release": draft(true, false, &ReleaseRevision{Product: "P1", Rev: "B"}),
	"revision.retire":  draft(true, true, &RetireRevision{Product: "P1", Rev: "B"}),
	"equipment.define": alone(builders, []Grant{{}, {Site: "S1"}, {Line: "L1"}}, []Grant{{Site: "S2"}, {Line: "L2"}}, &DefineEquipment{Code: "M1", Name: "Lathe", Level: WorkUnit, Parent: "L1"}),
	"station.enrol":    alone(builders, []Grant{{}, {Site: "S1"}, {Line: "L1"}}, []Grant{{Site: "S2"}, {Line: "L2"}}, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"}),
	"person.register":  alone([]Role{Admin, Historian, Setup}, []Grant{{}, {Site: "S1"}}, nil, &RegisterPerson{Badge: "new", Name: "New"}),
	"key.revoke":       local(&RevokeKey{Key: "SHA256:old"}),
	"key.issue":        local(&IssueKey{ID: "k1", Kind: ByPerson, Name: "script", Person: "loc", Hash: "h"}),
	"key.add_ssh":      local(&AddSSHKey{Fingerprint: "SHA256:new", PublicKey: "ssh-ed25519 AAAB", Person: "loc"}),
	"station.retire":   station(builders, false, &RetireStation{Station: "K1", Reason: "scrapped"}),
	"station.invite":   station(managers, false, &InviteStation{Station: "K1", Hash: "code"}),
	"station.join":     station(doors, true, &JoinStation{Station: "K1", Fingerprint: "SHA256:k1", PublicKey: "ssh-ed25519 AAAA"}),
	"person.disable":   account(managers, nil, &DisablePerson{Person: "loc", Reason: "left"}),
	"person.enable":    account(managers, []Command{&DisablePerson{Person: "loc", Reason: "left"}}, &EnablePerson{Person: "loc", Reason: "back"}),
	"person.unlock":    account([]Role{Admin, Lead, Setup}, []Command{&FailSignIn{Person: "loc", Kind: PIN, Reason: "wrong"}}, &UnlockPerson{Person: "loc", Reason: "called"}),
	"person.grant":     account(managers, nil, &GrantRole{Person: "loc", Role: Quality, Site: "S1", Reason: "trained"}),
	"person.ungrant":   account(managers, nil, &UngrantRole{Person: "loc", Role: Operator, Site: "S1", Reason: "moved"}),
	"secret.reset":     account(managers, nil, &ResetSecret{Person: "loc", Kind: PIN, Hash: "h", Reason: "forgotten"}),
	"secret.remove":    account(managers, []Command{&SetCredential{Person: "loc", Kind: TOTP, Hash: "h"}}, &RemoveSecret{Person: "loc", Kind: TOTP, Reason: "lost"}),
	"secret.rehash":    alone(doors, []Grant{{}, {Site: "S1"}}, nil, &RehashSecret{Person: "ann", Kind: PIN, Was: "old", Hash: "new"}).after(&SetCredential{Person: "ann", Kind: PIN, Hash: "old"}),
	"sign.fail":        alone(doors, []Grant{{}, {Site: "S1"}}, nil, &FailSignIn{Person: "ann", Kind: PIN, Reason: "wrong"}),
	"alert.raise":      alone(doors, []Grant{{}, {Site: "S1"}}, nil, &RaiseAlert{What: "locked_out", Subject: "person/ann", Text: "guessing"}),
	"secret.replace": own(func(f *floor, who Actor) {
		f.do(f.setup, &SetCredential{Person: who.Person, Kind: Password, Hash: "old"})
	},
		&ReplaceSecret{Kind: Password, Hash: "new"}),
	"key.add_own_ssh": own(func(*floor, Actor) {}, &AddOwnSSHKey{Fingerprint: "SHA256:mine", PublicKey: "ssh-ed25519 AAAA"}),
	"key.revoke_own": own(func(f *floor, who Actor) {
		f.do(f.setup, &AddSSHKey{Fingerprint: "SHA256:mine", PublicKey: "ssh-ed25519 AAAA", Person: who.Person})
	}, &RevokeOwnKey{Key: "SHA256:mine"}),
	"credential.set": local(&SetCredential{Person: "loc", Kind: "pin", Hash: "h"}),
	"sign.in":        alone(doors, []Grant{{}, {Site: "S1"}}, nil, &SignInPerson{Person: "ann", Method: "badge and PIN"}),
	"sign.out": {doors, []Grant{{}, {Site: "S1"}}, nil, func(f *floor, _ Actor) Command {
		return &SignOutPerson{Session: one(f, f.do(f.setup, &SignInPerson{Person: "ann", Method: "own key"}), "session"), End: "signed out"}
	}},
}

func TestPermissions(t *testing.T) {
	every := []Role{Operator, Lead, Planner, Quality, Maintenance, Engineer, Approver, Auditor, Admin, Viewer, Feeder, Historian, Kiosk, Setup}
	if len(every) != len(Roles) {
		t.Errorf("%d roles are tried, there are %d", len(every), len(Roles))
	}
	for i := range Commands {
		name := Commands[i].Name
		try, ok := trials[name]
		if !ok {
			t.Errorf("%s: nobody has written down who may", name)
			continue
		}
		f := newFloor(t)
		who := f.proven(f.person("who"))
		c := try.ready(f, who)
		before := f.store.picture()
		never := func(why string, actor Actor, codes ...Code) {
			t.Helper()
			_, err := f.app.Do(t.Context(), actor, "", c)
			if !slices.Contains(codes, ErrorCode(err)) {
				t.Errorf("%s %s gave %v (%s)", name, why, err, ErrorCode(err))
			}
			if f.store.picture() != before {
				t.Fatalf("%s %s changed something", name, why)
			}
		}
		if Commands[i].Verb == OwnAccount {
			for _, role := range every {
				never("with a person's API key as "+string(role), Actor{Kind: ByPerson, ID: who.ID, Person: who.Person, Key: "k1", Grants: []Grant{{Role: role}}}, Denied)
				never("with a program's key as "+string(role), Actor{Kind: ByProgram, ID: "k2", Key: "k2", Session: "s", Grants: []Grant{{Role: role}}}, Denied)
				never("by a station as "+string(role), Actor{Kind: ByStation, ID: "K1", Station: "K1", Grants: []Grant{{Role: role}}}, Denied)
				never("by the program itself as "+string(role), Actor{Kind: BySystem, ID: "door", Grants: []Grant{{Role: role}}}, Denied)
				f := newFloor(t)
				who := as(f.person("who"), Grant{Role: role, Site: "S2", Family: "nothing"})
				if _, err := f.app.Do(t.Context(), who, "", try.ready(f, who)); err != nil {
					t.Errorf("%s as %s: %v (%s)", name, role, err, ErrorCode(err))
				}
			}
			continue
		}
		never("by nobody", Actor{Grants: []Grant{{Role: Setup}}}, Unauthenticated)
		never("without a grant", as(who), Denied)
		never("with a role that does not exist", as(who, Grant{Role: "root"}, Grant{}), Denied)
		for _, role := range every {
			if !slices.Contains(try.roles, role) {
				never("as "+string(role), as(who, Grant{Role: role}), Denied)
				continue
			}
			for _, g := range try.out {
				g.Role = role
				never("out of scope as "+string(role), as(who, g), NotFound, Denied)
			}
			for _, g := range try.in {
				g.Role = role
				f := newFloor(t)
				who := f.proven(as(f.person("who"), g))
				c := try.ready(f, who)
				if _, err := f.app.Do(t.Context(), who, "", c); err != nil {
					t.Errorf("%s as %+v: %v (%s)", name, g, err, ErrorCode(err))
				}
			}
		}
	}
}

// as gives an actor other grants.
func as(a Actor, grants ...Grant) Actor {
	a.Grants = grants
	return a
}

// picture is all that is stored but the ledger.
func (m *memory) picture() string {
	var rows []string
	for _, text := range m.images {
		rows = append(rows, string(text))
	}
	slices.Sort(rows)
	text, err := json.Marshal([]any{rows, m.reports, m.readings, m.states, m.counts, m.samples, m.alarms, len(m.receipts)})
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}
