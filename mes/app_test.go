package mes

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDo_sameIDSameReceipt(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	c := &StartJob{Order: "W-1", Operation: "10"}
	first, err := f.app.Do(t.Context(), f.ann, "cmd-1", c)
	if err != nil || first.Replayed {
		t.Fatal(first, err)
	}
	f.now = f.now.Add(time.Hour)
	entries, told := len(f.store.entries), len(f.told)
	again, err := f.app.Do(t.Context(), f.ann, "cmd-1", c) // would be refused by now: the session runs
	if err != nil || !again.Replayed || again.N != first.N || string(again.Result) != string(first.Result) {
		t.Errorf("%+v %v", again, err)
	}
	if len(f.store.entries) != entries || len(f.told) != told {
		t.Error("a command sent again left an entry or was published")
	}
	for who, c := range map[*Actor]Command{&f.ann: &StopJob{Order: "W-1", Operation: "10"}, &f.bob: c} {
		if _, err := f.app.Do(t.Context(), *who, "cmd-1", c); ErrorCode(err) != Conflict {
			t.Errorf("%s used the id for %T: %v", who.Name, c, err)
		}
	}
	if _, err := f.app.Do(t.Context(), Actor{}, "cmd-1", c); ErrorCode(err) != Unauthenticated {
		t.Errorf("nobody got %v", err)
	}
	for _, id := range []ID{ID(strings.Repeat("x", 81)), "a\nb", "\u202e"} {
		if _, err := f.app.Do(t.Context(), f.ann, id, c); ErrorCode(err) != Invalid {
			t.Errorf("id %q: %v", id, err)
		}
	}

	// a refusal does not use up the id
	late := &ReportJob{Order: "W-1", Operation: "20", Good: 1}
	if _, err := f.app.Do(t.Context(), f.ann, "cmd-2", late); ErrorCode(err) != Refused {
		t.Fatal(err)
	}
	f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1})
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "20"})
	if r, err := f.app.Do(t.Context(), f.ann, "cmd-2", late); err != nil || r.Replayed {
		t.Error(r, err)
	}
}

func TestDo_othersWereFaster(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.store.stale = maxAttempts - 1
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.store.stale = maxAttempts
	f.refused(Conflict, "look again and repeat", f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.store.trouble = Faultf(Unavailable, "the database does not answer; try again")
	f.refused(Unavailable, "try again", f.ann, &StopJob{Order: "W-1", Operation: "10"})
	f.store.trouble = errors.New("secret detail of the engine")
	if _, err := f.app.Do(t.Context(), f.ann, "", &StopJob{Order: "W-1", Operation: "10"}); strings.Contains(ErrorMessage(err), "secret") {
		t.Error(ErrorMessage(err))
	}
	f.store.trouble = nil
	f.do(f.ann, &StopJob{Order: "W-1", Operation: "10"})
}

func TestDo_ledger(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	n := len(f.store.entries)
	f.refused(Refused, "", f.ann, &StartJob{Order: "W-1", Operation: "10"})
	f.refused(Denied, "you may not plan a work order", f.ann, &CreateOrder{Product: "P1", Quantity: 1})
	f.refused(NotFound, "there is no order ·[2J here", f.ann, &StartJob{Order: "\x1b[2J", Operation: "10"})
	f.refused(Invalid, "", f.lead, &PauseOrder{Order: "W-1", Reason: strings.Repeat("x", 100_000)})
	if len(f.store.entries) != n+4 {
		t.Errorf("%d refusals are in the ledger, want 4", len(f.store.entries)-n)
	}
	for _, e := range f.store.entries[n:] {
		if e.View != ActivityLog || e.Outcome != NotDone || e.Code == "" || e.Message == "" || len(e.Detail) > maxGivenRefused+1000 || strings.IndexFunc(e.Message, hidden) >= 0 {
			t.Errorf("%+v", e)
		}
	}
	if err := f.app.Refuse(t.Context(), Actor{Kind: ByStation, ID: "K1"}, "sign.in", "person/\x1b]0;\u202e"+strings.Repeat("9", 5000), Faultf(Unauthenticated, "wrong PIN")); ErrorCode(err) != Unauthenticated {
		t.Error(err)
	}
	last := f.store.entries[len(f.store.entries)-1]
	if strings.IndexFunc(last.Subject, hidden) >= 0 || len(last.Subject) > 400 {
		t.Errorf("subject %.60q", last.Subject)
	}

	// the ledger tells every row, and no secret
	f.do(f.setup, &SetCredential{Person: "ann", Kind: "pin", Hash: "$argon2id$very-secret"})
	chain := Chain{}
	images := map[string]string{}
	for i := range f.store.entries {
		e := &f.store.entries[i]
		if err := chain.Check(e); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Detail), "very-secret") {
			t.Errorf("entry %d tells a secret", e.N)
		}
		var d Detail
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			t.Fatal(err)
		}
		for _, r := range d.Rows {
			images[string(r.Kind)+"/"+string(r.Key)] = string(r.After)
		}
	}
	for key, image := range f.store.images {
		if images[string(key.kind)+"/"+string(key.id)] != string(image) {
			t.Errorf("%v is %s, its newest entry says %s", key, image, images[string(key.kind)+"/"+string(key.id)])
		}
	}
}

func TestChain_namesTheFirstBadEntry(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	n := len(f.store.entries)
	for name, damage := range map[string]func(list []Entry) []Entry{
		"changed":  func(list []Entry) []Entry { list[5].Message = "x"; return list },
		"removed":  func(list []Entry) []Entry { return append(list[:5], list[6:]...) },
		"swapped":  func(list []Entry) []Entry { list[5], list[6] = list[6], list[5]; return list },
		"resealed": func(list []Entry) []Entry { list[5].Actor = "x"; list[5].Seal("test", 6, list[4].Hash); return list },
		"inserted": func(list []Entry) []Entry { return append(list[:6:6], append([]Entry{list[5]}, list[6:]...)...) },
	} {
		list := damage(append([]Entry(nil), f.store.entries...))
		chain, bad := Chain{}, error(nil)
		for i := range list {
			if bad = chain.Check(&list[i]); bad != nil {
				break
			}
		}
		var fault *ChainFault
		if !errors.As(bad, &fault) || fault.N < 6 || fault.N > 7 || fault.Writer != "test" {
			t.Errorf("%s of %d: %v", name, n, bad)
		}
	}
}

// TestOutOfScope_looksLikeNotThere compares what is said of a thing elsewhere and of a thing that does not exist.
func TestOutOfScope_looksLikeNotThere(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.planner, &CreateOrder{Number: "W-2", Product: "P1", Quantity: 5}) // a draft
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10"})
	report := one(f, f.do(f.ann, &ReportJob{Order: "W-1", Operation: "10", Good: 1}), "reports")
	session := f.store.operation("W-1", 10).Sessions[0]
	far := as(f.person("far"), Grant{Role: Lead, Site: "S2"}, Grant{Role: Quality, Site: "S2"}, Grant{Role: Engineer, Family: "presses"}, Grant{Role: Admin, Site: "S2"}, Grant{Role: Feeder, Site: "S2"})
	for name, try := range map[string]struct {
		there string
		c     func(id ID) Command
	}{
		"order":     {"W-1", func(id ID) Command { return &PauseOrder{Order: id, Reason: "x"} }},
		"operation": {"W-1", func(id ID) Command { return &StartJob{Order: id, Operation: "10"} }},
		"step":      {"W-1", func(id ID) Command { return &StartJob{Order: id, Operation: "99"} }},
		"draft":     {"W-2", func(id ID) Command { return &StartJob{Order: id, Operation: "10"} }},
		"hold":      {"W-1", func(id ID) Command { return &HoldOrder{Order: id, Operation: "10", Type: "tool", Reason: "x"} }},
		"report":    {string(report), func(id ID) Command { return &CorrectReport{Report: id, Reason: "x"} }},
		"machine":   {"M1", func(id ID) Command { return &SetMachineState{Machine: id, State: MachineIdle} }},
		"product":   {"P1", func(id ID) Command { return &CreateOrder{Product: id, Quantity: 1} }},
		"revision":  {"P1", func(id ID) Command { return &RetireRevision{Product: id, Rev: "A"} }},
		"station":   {"L1", func(id ID) Command { return &EnrolStation{Code: "K1", Name: "K", Line: id} }},
		"parent":    {"L1", func(id ID) Command { return &DefineEquipment{Code: "M8", Name: "M", Level: WorkUnit, Parent: id} }},
	} {
		_, there := f.app.Do(t.Context(), far, "", try.c(ID(try.there)))
		_, absent := f.app.Do(t.Context(), far, "", try.c("NOT-THERE"))
		if ErrorCode(there) != ErrorCode(absent) || strings.ReplaceAll(ErrorMessage(there), try.there, "NOT-THERE") != ErrorMessage(absent) {
			t.Errorf("%s: %q is said of what is elsewhere, %q of what is nowhere", name, ErrorMessage(there), ErrorMessage(absent))
		}
	}
	f.order("W-9", "P9", 5)
	_, there := f.app.Do(t.Context(), far, "", &StopJob{Order: "W-9", Operation: "10", Session: session})
	_, absent := f.app.Do(t.Context(), far, "", &StopJob{Order: "W-9", Operation: "10", Session: "id-none"})
	if strings.ReplaceAll(ErrorMessage(there), string(session), "id-none") != ErrorMessage(absent) {
		t.Errorf("%q and %q", ErrorMessage(there), ErrorMessage(absent))
	}
}
