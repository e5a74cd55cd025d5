package mes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func (f *floor) credential(person ID, kind string) *Credential {
	f.t.Helper()
	c, err := f.store.Credential(f.t.Context(), Fresh, CredentialID(person, kind))
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func TestSecret_resetAndReplace(t *testing.T) {
	f := newFloor(t)
	f.refused(Refused, "you have no password to replace", f.ann, &ReplaceSecret{Kind: Password, Hash: "h"})
	f.refused(Invalid, "reason is missing", f.admin, &ResetSecret{Person: "ann", Kind: Password, Hash: "h"})
	f.refused(Invalid, "hash is missing", f.admin, &ResetSecret{Person: "ann", Kind: Password, Reason: "x"})
	f.refused(Invalid, `no "totp" to set`, f.admin, &ResetSecret{Person: "ann", Kind: TOTP, Hash: "h", Reason: "x"})
	f.refused(Invalid, `no "word" to set`, f.ann, &ReplaceSecret{Kind: "word", Hash: "h"})
	f.do(f.admin, &ResetSecret{Person: "ann", Kind: Password, Hash: "once", Reason: "new here"})
	c := f.credential(f.ann.ID, Password)
	if !c.OneTime || !c.ExpiresAt.Equal(f.now.Add(15*time.Minute)) || !c.Usable(f.now.Add(15*time.Minute-1)) || c.Usable(f.now.Add(15*time.Minute)) || len(c.History) != 0 {
		t.Errorf("%+v", c)
	}
	f.now = f.now.Add(16 * time.Minute)
	f.refused(Refused, "has expired", f.ann, &ReplaceSecret{Kind: Password, Hash: "mine"})
	f.do(f.admin, &ResetSecret{Person: "ann", Kind: Password, Hash: "once more", Reason: "too late"})
	f.refused(Refused, "was changed meanwhile", f.ann, &ReplaceSecret{Kind: Password, Hash: "mine", Was: "once"})
	f.do(f.ann, &ReplaceSecret{Kind: Password, Hash: "mine", Was: "once more"})
	c = f.credential(f.ann.ID, Password)
	if c.OneTime || !c.ExpiresAt.IsZero() || c.Hash != "mine" || !c.Usable(f.now.AddDate(10, 0, 0)) || len(c.History) != 0 {
		t.Errorf("what was made for one use is remembered: %+v", c)
	}
	for i := range 7 {
		f.do(f.ann, &ReplaceSecret{Kind: Password, Hash: Secret(fmt.Sprint("mine ", i))})
	}
	f.do(f.admin, &ResetSecret{Person: "ann", Kind: Password, Hash: "once again", Reason: "forgotten"})
	c = f.credential(f.ann.ID, Password)
	if want := []Secret{"mine 6", "mine 5", "mine 4", "mine 3", "mine 2"}; !slices.Equal(c.History, want) {
		t.Errorf("%q, want %q", c.History, want)
	}
	if bytes.Contains(allEntries(t, f), []byte("mine")) || bytes.Contains(allEntries(t, f), []byte("once again")) {
		t.Error("a hash is in the ledger")
	}
	// a person's own, and of nobody else
	f.do(f.admin, &SetCredential{Person: "bob", Kind: PIN, Hash: "bob's"})
	f.do(f.bob, &ReplaceSecret{Kind: PIN, Hash: "bob's new"})
	if f.credential(f.bob.ID, PIN).Hash != "bob's new" || f.credential(f.ann.ID, Password).Hash != "once again" {
		t.Error("somebody else's secret was replaced")
	}
}

func allEntries(t *testing.T, f *floor) []byte {
	text, err := json.Marshal(f.store.entries)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSecret_oneTimeCodes(t *testing.T) {
	f := newFloor(t)
	f.refused(Unauthenticated, "sign-in refused", f.setup, &SignInPerson{Person: "ada", Method: ByPassword, Step: 5})
	f.do(f.admin, &ReplaceSecret{Kind: TOTP, Hash: "sealed", Step: 100})
	f.refused(Refused, "have one-time codes already", f.admin, &ReplaceSecret{Kind: TOTP, Hash: "another", Step: 101})
	for _, step := range []int64{99, 100} {
		f.refused(Unauthenticated, "sign-in refused", f.setup, &SignInPerson{Person: "ada", Method: ByPassword, Step: step})
	}
	f.do(f.setup, &SignInPerson{Person: "ada", Method: ByPassword, Step: 101})
	f.refused(Unauthenticated, "sign-in refused", f.setup, &SignInPerson{Person: "ada", Method: ByPassword, Step: 101})
	f.refused(Refused, "somebody else must remove", f.admin, &RemoveSecret{Person: "ada", Kind: TOTP, Reason: "lost"})
	eva := f.person("eva", Grant{Role: Admin})
	f.refused(Invalid, "reset a password instead", eva, &RemoveSecret{Person: "ada", Kind: Password, Reason: "lost"})
	f.refused(Invalid, "reason is missing", eva, &RemoveSecret{Person: "ada", Kind: TOTP})
	f.do(eva, &RemoveSecret{Person: "ada", Kind: TOTP, Reason: "lost"})
	if c := f.credential(f.admin.ID, TOTP); c.Usable(f.now) || len(c.History) != 0 {
		t.Errorf("%+v", c)
	}
	f.refused(Unauthenticated, "sign-in refused", f.setup, &SignInPerson{Person: "ada", Method: ByPassword, Step: 102})
	f.refused(Refused, "has no totp", eva, &RemoveSecret{Person: "ada", Kind: TOTP, Reason: "lost"})
	f.refused(Refused, "has no pin", eva, &RemoveSecret{Person: "ada", Kind: PIN, Reason: "lost"})
	f.do(f.admin, &ReplaceSecret{Kind: TOTP, Hash: "new", Step: 7})
}

func TestSecret_rehash(t *testing.T) {
	f := newFloor(t)
	f.do(f.admin, &SetCredential{Person: "ann", Kind: Password, Hash: "old"})
	f.refused(Refused, "was changed meanwhile", f.setup, &RehashSecret{Person: "ann", Kind: Password, Was: "older", Hash: "new"})
	f.refused(NotFound, "", f.setup, &RehashSecret{Person: "ann", Kind: PIN, Was: "", Hash: "new"})
	f.do(f.setup, &RehashSecret{Person: "ann", Kind: Password, Was: "old", Hash: "new"})
	if c := f.credential(f.ann.ID, Password); c.Hash != "new" || len(c.History) != 0 {
		t.Errorf("%+v", c)
	}
}

// A secret shows nothing of itself but whether it changed.
func TestSecret_isNeverShown(t *testing.T) {
	c := Credential{ID: "p/password", Hash: "canary-1", History: []Secret{"canary-2"}}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %s %v %q", c, c.Hash, c.History, c.Hash), string(image(&c))} {
		if strings.Contains(text, "canary") {
			t.Error(text)
		}
	}
}
