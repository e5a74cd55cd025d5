package mes

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestKey_principals(t *testing.T) {
	f := newFloor(t)
	feeds := []Grant{{Role: Feeder, Machine: "M1"}}
	principal := func(c *IssueKey) ID {
		t.Helper()
		f.do(f.admin, c)
		k, err := f.store.Key(t.Context(), Fresh, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return k.Principal
	}
	for want, c := range map[ID]*IssueKey{
		"M1":     {ID: "k1", Kind: ByMachine, Name: "M1", Hash: "h", Grants: feeds},
		"M2":     {ID: "k2", Kind: ByMachine, Name: "M2", Hash: "h", Principal: "M2", Grants: feeds},
		"k3":     {ID: "k3", Kind: ByMachine, Name: "gateway", Hash: "h", Grants: []Grant{{Role: Feeder, Site: "S1"}}},
		"k4":     {ID: "k4", Kind: ByProgram, Name: "ERP", Hash: "h", Grants: []Grant{{Role: Planner}}},
		"erp":    {ID: "k5", Kind: ByProgram, Name: "ERP", Hash: "h", Principal: "erp", Grants: []Grant{{Role: Planner}}},
		f.ann.ID: {ID: "k6", Kind: ByPerson, Name: "script", Hash: "h", Person: "ann"},
	} {
		if got := principal(c); got != want {
			t.Errorf("%s stands for %s, want %s", c.ID, got, want)
		}
	}
	f.refused(NotFound, "no equipment M7 here", f.admin, &IssueKey{ID: "k7", Kind: ByMachine, Name: "x", Hash: "h", Principal: "M7", Grants: feeds})
	f.refused(Invalid, "stands for a machine", f.admin, &IssueKey{ID: "k7", Kind: ByMachine, Name: "x", Hash: "h", Principal: "L1", Grants: feeds})
	f.refused(Invalid, "principal must be", f.admin, &IssueKey{ID: "k7", Kind: ByProgram, Name: "x", Hash: "h", Principal: "a b", Grants: feeds})
	f.refused(Invalid, "is not a network", f.admin, &IssueKey{ID: "k7", Kind: ByProgram, Name: "x", Hash: "h", Networks: []string{"10.0.0.0/33"}, Grants: feeds})
	f.do(f.admin, &IssueKey{ID: "k7", Kind: ByProgram, Name: "x", Hash: "h", Networks: []string{"10.0.0.9/8", "10.1.1.1"}, Grants: feeds})
	if k, _ := f.store.Key(t.Context(), Fresh, "k7"); !slices.Equal(k.Networks, []string{"10.0.0.0/8", "10.1.1.1"}) {
		t.Errorf("%q", k.Networks)
	}

	// nobody adds a key to a principal that can do more than they could give, nor ends one, nor hears of one far away
	south := as(f.person("south"), Grant{Role: Admin, Site: "S2"})
	f.refused(Denied, "beyond those that you manage", south, &IssueKey{ID: "k8", Kind: ByProgram, Name: "x", Hash: "h", Principal: "erp", Grants: []Grant{{Role: Viewer, Site: "S2"}}})
	f.refused(Denied, "beyond those that you manage", south, &RevokeKey{Key: "k5"})
	f.refused(NotFound, "no key k3 here", south, &RevokeKey{Key: "k3"})
	f.refused(NotFound, "no key nothing here", south, &RevokeKey{Key: "nothing"})
}

// TestKey_atMostTwoLive: in whatever order keys are issued, revoked and expire, a principal has at most two that live,
// and always gets one when it has fewer.
func TestKey_atMostTwoLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFloor(t)
		type issued struct {
			id, principal ID
			until         time.Time
			revoked       bool
		}
		var all []issued
		live := func(principal ID) (n int) {
			for _, k := range all {
				if k.principal == principal && !k.revoked && f.now.Before(k.until) {
					n++
				}
			}
			return n
		}
		for i := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "do") {
			case 0, 1:
				c := &IssueKey{ID: ID(fmt.Sprint("k", i)), Name: "k", Hash: "h", Days: rapid.IntRange(1, 5).Draw(rt, "days")}
				principal := rapid.SampledFrom([]ID{f.ann.ID, f.bob.ID, "M1", "erp"}).Draw(rt, "principal")
				switch principal {
				case "M1":
					c.Kind, c.Grants = ByMachine, []Grant{{Role: Feeder, Machine: "M1"}}
				case "erp":
					c.Kind, c.Principal, c.Grants = ByProgram, "erp", []Grant{{Role: Planner}}
				default:
					c.Kind, c.Person = ByPerson, principal
				}
				_, err := f.app.Do(t.Context(), f.admin, "", c)
				if full := live(principal) >= 2; full && ErrorCode(err) != Refused || !full && err != nil {
					rt.Fatalf("%s has %d live keys, one more gave %v", principal, live(principal), err)
				}
				if err == nil {
					all = append(all, issued{c.ID, principal, f.now.AddDate(0, 0, c.Days), false})
				}
			case 2:
				if len(all) == 0 {
					continue
				}
				k := &all[rapid.IntRange(0, len(all)-1).Draw(rt, "key")]
				by, c := f.admin, Command(&RevokeKey{Key: k.id, Reason: "changed"})
				if k.principal == f.ann.ID {
					by, c = f.ann, &RevokeOwnKey{Key: k.id}
				}
				f.do(by, c)
				k.revoked = true
			case 3:
				f.now = f.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "hours")) * time.Hour)
			}
			alive := map[ID]int{}
			for _, r := range f.store.rows {
				if k, ok := r.(*Key); ok && k.Live(f.now) {
					alive[k.Principal]++
				}
			}
			for principal, n := range alive {
				if n > 2 || n != live(principal) {
					rt.Fatalf("%s has %d live keys, want %d", principal, n, live(principal))
				}
			}
		}
	})
}

func TestKey_own(t *testing.T) {
	f := newFloor(t)
	f.do(f.ann, &AddOwnSSHKey{Fingerprint: "SHA256:ann", PublicKey: "ssh-ed25519 AAAA ann@home\n"})
	f.refused(Refused, "known already", f.bob, &AddOwnSSHKey{Fingerprint: "SHA256:ann", PublicKey: "ssh-ed25519 AAAA"})
	f.refused(NotFound, "no key SHA256:ann here", f.bob, &RevokeOwnKey{Key: "SHA256:ann"})
	f.refused(NotFound, "no key SHA256:none here", f.bob, &RevokeOwnKey{Key: "SHA256:none"})
	f.do(f.admin, &IssueKey{ID: "k1", Kind: ByPerson, Name: "script", Hash: "h", Person: "ann"})
	f.do(f.admin, &IssueKey{ID: "k2", Kind: ByProgram, Name: "ERP", Hash: "h", Grants: []Grant{{Role: Viewer}}})
	f.refused(NotFound, "no key k1 here", f.bob, &RevokeOwnKey{Key: "k1"})
	f.refused(NotFound, "no key k2 here", f.bob, &RevokeOwnKey{Key: "k2"})
	f.do(f.ann, &RevokeOwnKey{Key: "k1"})
	f.do(f.ann, &RevokeOwnKey{Key: "SHA256:ann"})
	if k, _ := f.store.SSHKey(t.Context(), Fresh, "SHA256:ann"); !k.Revoked || k.Person != f.ann.ID {
		t.Errorf("%+v", k)
	}
	kiosk := f.ann
	kiosk.Station = "K1"
	f.refused(Denied, "at your own desk", kiosk, &AddOwnSSHKey{Fingerprint: "SHA256:passerby", PublicKey: "ssh-ed25519 AAAA"})
	script := f.ann
	script.Session, script.Key = "", "k1"
	f.refused(Denied, "you may not", script, &AddOwnSSHKey{Fingerprint: "SHA256:script", PublicKey: "ssh-ed25519 AAAA"})
}
