package mes

import (
	"slices"
	"testing"
	"time"
)

func (f *floor) station(code ID) *Station {
	f.t.Helper()
	s, err := f.store.Station(f.t.Context(), Fresh, code)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestStation_join(t *testing.T) {
	f := newFloor(t)
	join := func(key ID) *JoinStation {
		return &JoinStation{Station: "K1", Fingerprint: key, PublicKey: "ssh-ed25519 AAAA"}
	}
	f.do(f.admin, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Networks: []string{"10.1.2.3/24"}})
	f.refused(Refused, "not valid any more", f.setup, join("SHA256:a"))
	f.refused(Invalid, "hash is missing", f.admin, &InviteStation{Station: "K1"})
	f.do(f.admin, &InviteStation{Station: "K1", Hash: "first"})
	f.do(f.admin, &InviteStation{Station: "K1", Hash: "second"})
	if s := f.station("K1"); s.Code != "second" || !s.CodeUntil.Equal(f.now.Add(15*time.Minute)) || !slices.Equal(s.Networks, []string{"10.1.2.0/24"}) {
		t.Errorf("%+v", s)
	}
	f.now = f.now.Add(15 * time.Minute)
	f.refused(Refused, "not valid any more", f.setup, join("SHA256:a"))
	f.do(f.admin, &InviteStation{Station: "K1", Hash: "third"})
	f.now = f.now.Add(15*time.Minute - time.Millisecond)
	f.do(f.setup, join("SHA256:a"))
	f.refused(Refused, "not valid any more", f.setup, join("SHA256:b")) // a code is good for one key
	f.do(f.admin, &InviteStation{Station: "K1", Hash: "fourth"})
	f.refused(Refused, "known already", f.setup, join("SHA256:a"))
	f.do(f.setup, join("SHA256:b"))
	if s := f.station("K1"); s.Code != "" || !slices.Equal(s.Keys, []ID{"SHA256:a", "SHA256:b"}) {
		t.Errorf("%+v", s)
	}
	f.do(f.admin, &RevokeKey{Key: "SHA256:a", Reason: "old computer"})
	if s := f.station("K1"); !slices.Equal(s.Keys, []ID{"SHA256:b"}) {
		t.Errorf("%+v", s)
	}
	f.refused(NotFound, "no station K9 here", f.setup, &JoinStation{Station: "K9", Fingerprint: "SHA256:c", PublicKey: "ssh-ed25519 AAAA"})
	south := as(f.person("south"), Grant{Role: Admin, Site: "S2"})
	f.refused(NotFound, "no station K1 here", south, &InviteStation{Station: "K1", Hash: "mine"})
	f.refused(NotFound, "no key SHA256:b here", south, &RevokeKey{Key: "SHA256:b"})
	f.refused(Invalid, "is not a network", f.admin, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Networks: []string{"plant.example"}})
	for i := range 9 {
		f.do(f.admin, &AddSSHKey{Fingerprint: ID("SHA256:more" + string(rune('0'+i))), PublicKey: "ssh-ed25519 AAAA", Station: "K1"})
	}
	f.refused(Refused, "has 10 keys", f.admin, &AddSSHKey{Fingerprint: "SHA256:last", PublicKey: "ssh-ed25519 AAAA", Station: "K1"})
}

func TestStation_retire(t *testing.T) {
	f := newFloor(t)
	f.do(f.admin, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	f.do(f.admin, &AddSSHKey{Fingerprint: "SHA256:a", PublicKey: "ssh-ed25519 AAAA", Station: "K1", Networks: []string{"10.0.0.1"}})
	f.do(f.admin, &InviteStation{Station: "K1", Hash: "code"})
	f.refused(Invalid, "reason is missing", f.admin, &RetireStation{Station: "K1"})
	f.do(f.admin, &RetireStation{Station: "K1", Reason: "stolen"})
	gone := func() {
		t.Helper()
		s := f.station("K1")
		k, err := f.store.SSHKey(t.Context(), Fresh, "SHA256:a")
		if err != nil || !s.Retired || len(s.Keys) != 0 || s.Code != "" || !s.CodeUntil.IsZero() || !k.Revoked {
			t.Errorf("%+v, %+v, %v", s, k, err)
		}
	}
	gone()
	kiosk := Actor{Kind: ByStation, ID: "K1", Station: "K1", Grants: []Grant{{Role: Kiosk}}}
	f.refused(Refused, "retired already", f.admin, &RetireStation{Station: "K1", Reason: "stolen"})
	f.refused(Refused, "enrol it again", f.admin, &InviteStation{Station: "K1", Hash: "code"})
	f.refused(Refused, "enrol it again", f.admin, &AddSSHKey{Fingerprint: "SHA256:b", PublicKey: "ssh-ed25519 AAAA", Station: "K1"})
	f.refused(Refused, "not valid any more", f.setup, &JoinStation{Station: "K1", Fingerprint: "SHA256:b", PublicKey: "ssh-ed25519 AAAA"})
	f.refused(Unauthenticated, "sign-in refused", kiosk, &SignInPerson{Person: "ann", Method: ByBadgePIN})
	f.do(f.admin, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1"})
	if s := f.station("K1"); s.Retired || len(s.Keys) != 0 {
		t.Errorf("%+v", s)
	}
	f.do(kiosk, &SignInPerson{Person: "ann", Method: ByBadgePIN})
	f.do(f.admin, &EnrolStation{Code: "K1", Name: "Kiosk", Line: "L1", Retired: true})
	gone()
}

func TestSignIn_isWhereTheStationStands(t *testing.T) {
	f := newFloor(t)
	f.do(f.admin, &EnrolStation{Code: "K9", Name: "Kiosk", Line: "L9"})
	kiosk := Actor{Kind: ByStation, ID: "K9", Station: "K9", Grants: []Grant{{Role: Kiosk}}}
	stay := one(f, f.do(kiosk, &SignInPerson{Person: "ann", Method: ByBadgePIN}), "session")
	f.do(kiosk, &SignOutPerson{Session: stay, End: "idle"})
	for _, e := range f.store.entries[len(f.store.entries)-2:] {
		if e.Site != "S2" || e.Line != "L9" || e.Station != "K9" || e.View != ActivityLog {
			t.Errorf("%+v", e)
		}
	}
}

func TestAlert(t *testing.T) {
	f := newFloor(t)
	before := len(f.store.rows)
	f.do(f.setup, &RaiseAlert{What: "key_in_two_places", Subject: "api_key/k1", Text: "from 192.0.2.1 and 198.51.100.7 within a minute"})
	if e := f.store.entries[len(f.store.entries)-1]; e.Subject != "api_key/k1" || e.View != ActivityLog || e.Command != "alert.raise" {
		t.Errorf("%+v", e)
	}
	if len(f.store.rows) != before {
		t.Error("an alert changed something")
	}
	f.refused(Invalid, "what must be", f.setup, &RaiseAlert{What: "a b", Subject: "x", Text: "y"})
	f.refused(Invalid, "text is missing", f.setup, &RaiseAlert{What: "x", Subject: "x"})
	f.refused(Invalid, "control", f.setup, &RaiseAlert{What: "x", Subject: "x\x1b[2J", Text: "y"})
}
