package mes

import (
	"strings"
	"testing"
	"time"
)

func TestPerson_register(t *testing.T) {
	f := newFloor(t)
	for words, c := range map[string]*RegisterPerson{
		"badge must be":        {Badge: "a b", Name: "A"},
		"name is missing":      {Badge: "a", Name: " "},
		"control or invisible": {Badge: "a", Name: "A\u202e"},
		"tending":              {Badge: "a", Name: "A", Tending: 21},
		`no role "root"`:       {Badge: "a", Name: "A", Grants: []Grant{{Role: "root"}}},
		`no role "setup"`:      {Badge: "a", Name: "A", Grants: []Grant{{Role: Setup}}},
		`no role "kiosk"`:      {Badge: "a", Name: "A", Grants: []Grant{{Role: Kiosk}}},
		"grants must be":       {Badge: "a", Name: "A", Grants: []Grant{{Role: Viewer, Site: "\x1b[2J"}}},
		"at most 50 grants":    {Badge: "a", Name: "A", Grants: make([]Grant, 51)},
		"at most 50 skill":     {Badge: "a", Name: "A", Skills: make([]Certificate, 51)},
		"skills must be":       {Badge: "a", Name: "A", Skills: []Certificate{{Skill: "a\nb"}}},
		"language is":          {Badge: "a", Name: "A", Language: strings.Repeat("x", 6)},
	} {
		f.refused(Invalid, words, f.admin, c)
	}
}

// TestPerson_rightsAreGivenWithinOnesOwn: who manages access at one site cannot reach beyond it, by no way.
func TestPerson_rightsAreGivenWithinOnesOwn(t *testing.T) {
	f := newFloor(t)
	south := as(f.person("south"), Grant{Role: Admin, Site: "S2"})
	f.do(south, &RegisterPerson{Badge: "new", Name: "New", Grants: []Grant{{Role: Operator, Site: "S2", Line: "L9"}}})
	for name, c := range map[string]Command{
		"a grant everywhere":        &RegisterPerson{Badge: "south", Name: "South", Grants: []Grant{{Role: Admin}}},
		"a grant elsewhere":         &RegisterPerson{Badge: "new", Name: "New", Grants: []Grant{{Role: Lead, Site: "S1"}}},
		"somebody with more rights": &RegisterPerson{Badge: "ann", Name: "Ann", Disabled: true},
		"their PIN":                 &SetCredential{Person: "ada", Kind: "password", Hash: "h"},
		"a key of theirs":           &IssueKey{ID: "k1", Kind: ByPerson, Name: "k", Person: "ada", Hash: "h"},
		"an SSH key of theirs":      &AddSSHKey{Fingerprint: "SHA256:x", PublicKey: "ssh-ed25519 AAAA", Person: "ada"},
		"a program's key":           &IssueKey{ID: "k2", Kind: ByProgram, Name: "k", Grants: []Grant{{Role: Historian}}, Hash: "h"},
	} {
		if _, err := f.app.Do(t.Context(), south, "", c); ErrorCode(err) != Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.do(south, &IssueKey{ID: "k3", Kind: ByProgram, Name: "k", Grants: []Grant{{Role: Feeder, Site: "S2"}}, Hash: "h"})

	// who registers people gives no rights and takes none away
	f.refused(Denied, "only who manages access", f.historian, &RegisterPerson{Badge: "x", Name: "X", Grants: []Grant{{Role: Viewer}}})
	f.refused(Denied, "only who manages access", f.historian, &RegisterPerson{Badge: "ann", Name: "Ann"})
	f.do(f.historian, &RegisterPerson{Badge: "old", Name: "Old hand"})
	f.refused(Denied, "only who manages access", f.historian, &RegisterPerson{Badge: "old", Name: "Old hand", Disabled: true})
}

func TestKey_issueAndRevoke(t *testing.T) {
	f := newFloor(t)
	for words, c := range map[string]*IssueKey{
		"id must be":      {ID: "", Kind: ByProgram, Name: "k", Hash: "h"},
		"name is missing": {ID: "k", Kind: ByProgram, Hash: "h"},
		"hash is missing": {ID: "k", Kind: ByProgram, Name: "k"},
		"1 to 400 days":   {ID: "k", Kind: ByProgram, Name: "k", Hash: "h", Days: 401},
		"kind must be":    {ID: "k", Kind: BySystem, Name: "k", Hash: "h"},
		`no role "setup"`: {ID: "k", Kind: ByMachine, Name: "k", Hash: "h", Grants: []Grant{{Role: Setup}}},
	} {
		f.refused(Invalid, words, f.admin, c)
	}
	f.do(f.admin, &IssueKey{ID: "k", Kind: ByMachine, Name: "M1", Hash: "h", Days: 2, Grants: []Grant{{Role: Feeder, Machine: "M1"}}})
	f.refused(Refused, "known already", f.admin, &IssueKey{ID: "k", Kind: ByProgram, Name: "k", Hash: "h"})
	k, err := f.store.Key(t.Context(), Fresh, "k")
	if err != nil || !k.Live(f.now.Add(47*time.Hour)) || k.Live(f.now.Add(49*time.Hour)) {
		t.Errorf("%+v %v", k, err)
	}
	f.do(f.admin, &RevokeKey{Key: "k"})
	if k, _ = f.store.Key(t.Context(), Fresh, "k"); k.Live(f.now) {
		t.Error("a revoked key lives")
	}
	f.refused(NotFound, "no key none here", f.admin, &RevokeKey{Key: "none"})

	f.do(f.admin, &AddSSHKey{Fingerprint: "SHA256:a", PublicKey: "ssh-ed25519 AAAA ann@home\n", Person: "ann"})
	f.refused(Refused, "known already", f.admin, &AddSSHKey{Fingerprint: "SHA256:a", PublicKey: "ssh-ed25519 AAAA", Person: "bob"})
	f.refused(Invalid, "either a station or a person", f.admin, &AddSSHKey{Fingerprint: "SHA256:b", PublicKey: "ssh-ed25519 AAAA"})
	f.refused(Invalid, "control", f.admin, &AddSSHKey{Fingerprint: "SHA256:b", PublicKey: "ssh-ed25519 AAAA\nssh-rsa BBBB", Person: "ann"})
	f.do(f.admin, &RevokeKey{Key: "SHA256:a"})
	if k, _ := f.store.SSHKey(t.Context(), Fresh, "SHA256:a"); !k.Revoked || strings.HasSuffix(k.PublicKey, "\n") {
		t.Errorf("%+v", k)
	}
}

func TestSignIn(t *testing.T) {
	f := newFloor(t)
	f.do(f.setup, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	kiosk := Actor{Kind: ByStation, ID: "K1", Station: "K1", Grants: []Grant{{Role: Kiosk, Site: "S1", Line: "L1"}}}
	stay := one(f, f.do(kiosk, &SignInPerson{Person: "ann", Method: "badge and PIN"}), "session")
	f.do(kiosk, &SignOutPerson{Session: stay, End: "idle"})
	f.refused(Refused, "this sign-in ended", kiosk, &SignOutPerson{Session: stay, End: "idle"})
	f.do(f.setup, &RegisterPerson{Badge: "bob", Name: "Bob", Disabled: true})
	f.refused(Unauthenticated, "sign-in refused", kiosk, &SignInPerson{Person: "bob", Method: "badge and PIN"})
	f.refused(Denied, "", f.ann, &SignInPerson{Person: "bob", Method: "badge and PIN"})
}
