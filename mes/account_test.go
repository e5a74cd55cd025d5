package mes

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func (f *floor) stored(ref ID) *Person {
	f.t.Helper()
	p, err := f.store.Person(f.t.Context(), Fresh, ref)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func TestPerson_disableAndEnable(t *testing.T) {
	f := newFloor(t)
	f.refused(Invalid, "reason is missing", f.admin, &DisablePerson{Person: "ann"})
	f.refused(Invalid, "reason is missing", f.admin, &EnablePerson{Person: "ann", Reason: " "})
	f.refused(Refused, "is not disabled", f.admin, &EnablePerson{Person: "ann", Reason: "back"})
	f.do(f.admin, &DisablePerson{Person: "ann", Reason: "left"})
	f.refused(Refused, "disabled already", f.admin, &DisablePerson{Person: "ann", Reason: "left"})
	f.refused(Unauthenticated, "sign-in refused", f.setup, &SignInPerson{Person: "ann", Method: ByPassword})
	f.refused(Denied, "disabled", f.ann, &ReplaceSecret{Kind: Password, Hash: "h"}) // a session that has not ended yet
	f.do(f.admin, &EnablePerson{Person: "ann", Reason: "back"})
	f.do(f.setup, &SignInPerson{Person: "ann", Method: ByPassword})

	last := f.store.entries[slices.IndexFunc(f.store.entries, func(e Entry) bool { return e.Command == "person.disable" && e.Outcome == Done })]
	detail := string(last.Detail)
	for _, words := range []string{`"reason":"left"`, `"before":{`, `"disabled":true`} {
		if !strings.Contains(detail, words) {
			t.Errorf("the change log does not say %s: %s", words, detail)
		}
	}
	if last.View != ChangeLog || last.Subject != "person/"+string(f.ann.ID) {
		t.Errorf("%+v", last)
	}
}

func TestPerson_grantAndUngrant(t *testing.T) {
	f := newFloor(t)
	south := as(f.person("south"), Grant{Role: Admin, Site: "S2"})
	f.refused(Invalid, "reason is missing", f.admin, &GrantRole{Person: "ann", Role: Quality})
	f.refused(Invalid, `no role "setup"`, f.admin, &GrantRole{Person: "ann", Role: Setup, Reason: "x"})
	f.refused(Invalid, "grants must be", f.admin, &GrantRole{Person: "ann", Role: Quality, Line: "\x1b", Reason: "x"})
	f.do(f.admin, &GrantRole{Person: "ann", Role: Quality, Site: "S1", Reason: "trained"})
	f.refused(Refused, "there already", f.admin, &GrantRole{Person: "ann", Role: Quality, Site: "S1", Reason: "trained"})
	if got := f.stored("ann").Grants; !slices.Equal(got, []Grant{{Role: Operator}, {Role: Quality, Site: "S1"}}) {
		t.Errorf("%+v", got)
	}
	f.refused(Refused, "no such role", f.admin, &UngrantRole{Person: "ann", Role: Quality, Reason: "moved"})
	f.refused(Denied, "beyond those that you manage", south, &UngrantRole{Person: "ann", Role: Operator, Reason: "x"})
	f.do(f.admin, &UngrantRole{Person: "ann", Role: Operator, Reason: "moved"})
	f.refused(Denied, "beyond those that you manage", south, &GrantRole{Person: "south", Role: Admin, Reason: "x"})
	f.refused(NotFound, "no person ann here", south, &GrantRole{Person: "ann", Role: Viewer, Site: "S2", Reason: "x"})
	f.refused(NotFound, "no person ann here", south, &DisablePerson{Person: "ann", Reason: "x"})
	f.refused(Refused, "badge ann is taken", south, &RegisterPerson{Badge: "ann", Name: "Mine"})
	for i := range 49 {
		f.do(f.admin, &GrantRole{Person: "ann", Role: Viewer, Line: ID("L" + string(rune('A'+i%26)) + string(rune('A'+i/26))), Reason: "x"})
	}
	f.refused(Invalid, "at most 50", f.admin, &GrantRole{Person: "ann", Role: Viewer, Reason: "x"})
}

// TestPerson_somebodyManagesAccess: nobody takes their own rights away, and there is always an active person who manages
// access everywhere.
func TestPerson_somebodyManagesAccess(t *testing.T) {
	f := newFloor(t)
	for _, c := range []Command{
		&DisablePerson{Person: "ada", Reason: "x"}, &UngrantRole{Person: "ada", Role: Admin, Reason: "x"},
		&RegisterPerson{Badge: "ada", Name: "Ada", Grants: []Grant{{Role: Admin}}, Disabled: true},
		&RegisterPerson{Badge: "ada", Name: "Ada", Grants: []Grant{{Role: Lead}}},
	} {
		f.refused(Refused, "your own rights", f.admin, c)
		f.refused(Refused, "nobody else manages access everywhere", f.setup, c)
	}
	f.do(f.admin, &RegisterPerson{Badge: "ada", Name: "Ada B.", Grants: []Grant{{Role: Lead}, {Role: Admin}}}) // more is no loss
	part := f.person("part", Grant{Role: Admin, Site: "S1"})
	f.refused(Refused, "nobody else manages", f.setup, &DisablePerson{Person: "ada", Reason: "x"})
	f.do(f.setup, &DisablePerson{Person: "part", Reason: "x"})
	f.refused(Denied, "beyond those that you manage", part, &DisablePerson{Person: "ada", Reason: "x"})
	eva := f.person("eva", Grant{Role: Admin})
	f.refused(Refused, "this is your own password", f.admin, &ResetSecret{Person: "ada", Kind: Password, Hash: "h", Reason: "x"})
	f.do(eva, &DisablePerson{Person: "ada", Reason: "left"})
	f.refused(Refused, "nobody else manages", f.setup, &DisablePerson{Person: "eva", Reason: "x"})
	f.refused(Refused, "nobody else manages", f.admin, &DisablePerson{Person: "eva", Reason: "from a session that has not ended yet"})
	f.do(eva, &EnablePerson{Person: "ada", Reason: "back"})
	f.do(f.admin, &UngrantRole{Person: "eva", Role: Admin, Reason: "moved"})
}

// A racing store lets somebody else be faster: it does something before the first change is committed.
type racing struct {
	*memory
	meanwhile func()
}

func (r *racing) Commit(ctx context.Context, c *Change) (Receipt, error) {
	if do := r.meanwhile; do != nil {
		r.meanwhile = nil
		do()
	}
	return r.memory.Commit(ctx, c)
}

// Two who end each other at the same moment do not both succeed: who stays is an expectation of either.
func TestPerson_managersDoNotEndEachOther(t *testing.T) {
	f := newFloor(t)
	eva := f.person("eva", Grant{Role: Admin})
	race := &racing{f.store, func() { f.do(f.admin, &DisablePerson{Person: "eva", Reason: "x"}) }}
	slow := NewApp(race, func() time.Time { return f.now }, f.app.NewID, func(...string) {})
	_, err := slow.Do(t.Context(), eva, "", &DisablePerson{Person: "ada", Reason: "x"})
	if ErrorCode(err) != Refused || f.managers() != 1 || race.meanwhile != nil {
		t.Errorf("%v; %d manage access", err, f.managers())
	}
}

func (f *floor) managers() (n int) {
	for _, r := range f.store.rows {
		if p, ok := r.(*Person); ok && p.manages() {
			n++
		}
	}
	return n
}

// TestPerson_accounts: whatever people who manage access do to each other, somebody stays who can do so everywhere, and
// nobody has rights that nobody who acted could give.
func TestPerson_accounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFloor(t)
		people := []ID{"ada", "ann", "m1", "m2", "m3"}
		f.person("m1", Grant{Role: Admin})
		f.person("m2", Grant{Role: Admin, Site: "S1"})
		f.person("m3", Grant{Role: Admin, Site: "S2"}, Grant{Role: Lead})
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			by := f.stored(rapid.SampledFrom(people).Draw(rt, "by"))
			of := rapid.SampledFrom(people).Draw(rt, "of")
			g := Grant{Role: rapid.SampledFrom([]Role{Admin, Lead, Operator}).Draw(rt, "role"), Site: rapid.SampledFrom([]ID{"", "S1", "S2"}).Draw(rt, "site")}
			var c Command
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				c = &DisablePerson{Person: of, Reason: "x"}
			case 1:
				c = &EnablePerson{Person: of, Reason: "x"}
			case 2:
				c = &GrantRole{Person: of, Role: g.Role, Site: g.Site, Reason: "x"}
			case 3:
				c = &UngrantRole{Person: of, Role: g.Role, Site: g.Site, Reason: "x"}
			case 4:
				c = &RegisterPerson{Badge: of, Name: "N", Grants: []Grant{g}, Disabled: rapid.Bool().Draw(rt, "disabled")}
			}
			actor := Actor{Kind: ByPerson, ID: by.ID, Person: by.ID, Session: "s", Grants: by.Grants}
			before := *f.stored(of)
			_, err := f.app.Do(t.Context(), actor, "", c)
			after := *f.stored(of)
			if f.managers() == 0 {
				rt.Fatalf("%T by %s left nobody who manages access", c, by.Badge)
			}
			if err != nil {
				if before.Version != after.Version {
					rt.Fatalf("%T was refused and changed %s", c, of)
				}
				continue
			}
			reach := actor.Scope(ManageAccess)
			for _, g := range append(slices.Clone(before.Grants), after.Grants...) {
				if slices.Contains(before.Grants, g) != slices.Contains(after.Grants, g) && !reach.Reaches(g) {
					rt.Fatalf("%T by %s (%+v) changed the right %+v", c, by.Badge, by.Grants, g)
				}
			}
			if after.ID == by.ID && (after.Disabled && !before.Disabled || slices.ContainsFunc(before.Grants, func(g Grant) bool { return !slices.Contains(after.Grants, g) })) {
				rt.Fatalf("%T: %s took away their own rights", c, by.Badge)
			}
		}
	})
}

func TestPerson_unlockWithinReach(t *testing.T) {
	f := newFloor(t)
	line := as(f.person("line"), Grant{Role: Lead, Site: "S1", Line: "L1"})
	f.person("loc", Grant{Role: Operator, Site: "S1", Line: "L1"})
	f.person("far", Grant{Role: Operator, Site: "S2"})
	f.do(line, &UnlockPerson{Person: "loc", Reason: "called"})
	f.refused(Denied, "beyond your part", line, &UnlockPerson{Person: "ada", Reason: "called"})
	f.refused(NotFound, "no person far here", line, &UnlockPerson{Person: "far", Reason: "called"})
	f.refused(Invalid, "reason is missing", line, &UnlockPerson{Person: "loc"})
	f.refused(Denied, "", f.ann, &UnlockPerson{Person: "loc", Reason: "called"})
}
