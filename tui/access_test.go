package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
)

// accessScenes are the screens of who manages access, and of one's own account, each reached with keys.
var accessScenes = []struct {
	name, badge string
	reach       func(d *driver)
}{
	{"menu_admin", "7400", func(d *driver) { d.press("m") }},
	{"people", "7400", func(d *driver) { d.goes("people") }},
	{"people_search", "7400", func(d *driver) { d.goes("people").press("/").write("lead") }},
	{"person", "7400", func(d *driver) { d.goes("people").press("enter") }},
	{"person_locked", "7400", func(d *driver) { d.goes("people").press("f", "enter") }},
	{"person_add", "7400", func(d *driver) { d.goes("people").press("a").write("7600").press("tab").write("Nina Holt") }},
	{"person_reset", "7400", func(d *driver) { d.goes("people").press("enter", "w").write("forgot it") }},
	{"once_password", "7400", func(d *driver) { d.goes("people").press("enter", "w").write("forgot it").press("enter") }},
	{"once_pin", "7400", func(d *driver) { d.goes("people").press("enter", "n").write("new badge").press("enter") }},
	{"grant", "7400", func(d *driver) { d.goes("people").press("enter", "g", "right", "tab").write("HAL").press("tab") }},
	{"grant_pick", "7400", func(d *driver) { d.goes("people").press("enter", "g", "tab", "tab", "f4", "down") }},
	{"grant_wrong", "7400", func(d *driver) {
		d.goes("people").press("enter", "g", "tab").write("HALL").press("enter").write("early shift").press("enter")
	}},
	{"disable", "7400", func(d *driver) { d.goes("people").press("enter", "d").write("left the plant") }},
	{"keys", "7400", func(d *driver) { d.goes("keys").press("f", "f", "f", "f") }},
	{"key", "7400", func(d *driver) { d.goes("keys").press("enter") }},
	{"key_issue", "7400", func(d *driver) {
		d.goes("keys").press("a").press("right", "tab").write("scales").press("tab").write("scale log")
	}},
	{"once_key", "7400", func(d *driver) {
		d.goes("keys").press("a").press("right", "tab").write("scales").press("tab").write("scale log").press("enter")
	}},
	{"key_revoke", "7400", func(d *driver) { d.goes("keys").press("x").write("lost") }},
	{"stations", "7400", func(d *driver) { d.goes("stations") }},
	{"station_form", "7400", func(d *driver) { d.goes("stations").press("down", "down", "enter") }},
	{"once_station", "7400", func(d *driver) { d.goes("stations").press("down", "i", "enter") }},
	{"station_retire", "7400", func(d *driver) { d.goes("stations").press("x").write("broken") }},
	{"unlock", "7100", func(d *driver) { d.goes("unlock").write("7001") }},
	{"account", "7001", func(d *driver) { d.goes("account") }},
	{"replace", "7001", func(d *driver) { d.goes("account").press("enter").write("old secret").press("enter").write("new") }},
	{"add_key", "7001", func(d *driver) { d.goes("account").press("k").write("ssh-ed25519 AAAAC3Nza anna@desk") }},
	{"enrol", "7001", func(d *driver) { d.goes("account").press("down", "down", "enter").write("123") }},
	{"enrol_qr", "7001", func(d *driver) { d.goes("account").press("down", "down", "enter", "f4") }},
}

// goes opens a place by its word.
func (d *driver) goes(word string) *driver { return d.press(":").write(word).press("enter") }

func TestAccessScreens(t *testing.T) {
	for _, scene := range accessScenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			f.access()
			s, _ := f.atDesk(scene.badge)
			d := f.drive(s)
			scene.reach(d)
			for _, size := range sizes {
				d.resize(size.cols, size.rows)
				golden(t, fmt.Sprintf("%s_%dx%d", scene.name, size.rows, size.cols), d.view())
				fits(t, d.view(), size.cols, size.rows)
			}
		})
	}
}

// TestPlaces_areOfferedToWhoMayGoThere: what is not offered is refused on the command line as well.
func TestPlaces_areOfferedToWhoMayGoThere(t *testing.T) {
	f := newFloor(t)
	f.access()
	for badge, offered := range map[string]map[string]bool{
		"7001": {"people": false, "keys": false, "stations": true, "unlock": true, "account": true},
		"7002": {"people": false, "keys": false, "stations": false, "unlock": false, "account": true},
		"7300": {"people": false, "keys": false, "stations": false, "unlock": false, "account": true},
		"7400": {"people": true, "keys": true, "stations": true, "unlock": true, "account": true},
	} {
		f.people[badge] = f.person(badge)
		s, _ := f.atDesk(badge)
		for word, may := range offered {
			d := f.drive(s).goes(word)
			if got := d.a.top().Title() != "Command"; got != may {
				t.Errorf("%s may go to %s: %v, want %v\n%s", badge, word, got, may, d.view())
			}
			if !may {
				d.sees("There is no command")
			}
		}
	}
}

// TestAccess_commandsOfOthersAreRefusedByTheFloor: the screens are no barrier, the App is.
func TestAccess_commandsOfOthersAreRefusedByTheFloor(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7002")
	for _, line := range []string{
		`person disable 7400 reason="x"`, `person grant 7002 role=admin reason="x"`, `person unlock 7100 reason="x"`, `key revoke h4Ns8RtZ`,
		`station retire KIOSK-1 reason="x"`, `station enrol code=K9 name=x line=SAWS`, `person register badge=9 name=x`,
	} {
		f.drive(s).press(":").write(line).press("enter").sees("✕ You may not")
	}
	if p := f.person("7400"); p.Disabled || len(f.person("7002").Grants) != 1 {
		t.Error("somebody without the right has changed an account")
	}
}

// person reads somebody as the store has them.
func (f *floor) person(badge string) *mes.Person {
	f.t.Helper()
	p, err := f.store.Person(f.t.Context(), mes.Local, mes.ID(badge))
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func TestPeople_searchAndFilter(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").sees("Anna Berg", "operator, lead", "! LOCKED", "7400").misses("Uwe Grau")
	d.press("/").write("anna").sees("Anna Berg").misses("Otto Klein").press("esc").sees("Otto Klein")
	d.press("f").sees("locked out", "Lea Wolf").misses("Anna Berg").press("f").sees("Uwe Grau", "✕ DISABLED").misses("Lea Wolf")
	f.pass(16 * time.Minute)
	d.press("F", "f5").misses("Lea Wolf").sees("Nobody here")
}

func TestPeople_movesByItself(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("down").sees("▌ 7002")
	f.topics = nil
	f.do(f.actor("7400"), &mes.RegisterPerson{Badge: "6999", Name: "Early Bird"})
	d.send(feedMsg{f.topics})
	d.sees("Early Bird", "▌ 7002")
	d.send(feedMsg{[]string{everything}})
	d.sees("▌ 7002")
}

func TestPerson_add(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("a")
	d.press("enter").sees("Badge is missing").write("7001").press("enter").write("Twin").press("enter").sees("Badge 7001 is somebody's already")
	if got := f.person("7001").Name; got != "Anna Berg" {
		t.Fatalf("adding wrote over %s", got)
	}
	d.press("f2").write("77 00").press("enter").sees("✕").press("f2").write("7700").press("tab", "tab", "tab", "right", "right", "enter").sees("Twin has an account now")
	p := f.person("7700")
	if p.Name != "Twin" || len(p.Grants) != 1 || p.Grants[0] != (mes.Grant{Role: mes.Lead}) {
		t.Errorf("added %+v", p)
	}
}

func TestPerson_changeKeepsEverythingElse(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	before := f.person("7001")
	f.drive(s).goes("people").press("enter", "c", "f2").write("Anna Stein").press("enter").sees("Anna Stein")
	after := f.person("7001")
	if after.Name != "Anna Stein" || len(after.Grants) != len(before.Grants) || after.Disabled {
		t.Errorf("changed to %+v", after)
	}
}

func TestPerson_disableAndEnable(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("down", "enter", "d", "enter").sees("Reason is missing").write("left").press("enter")
	d.sees("Disable account: done", "✕ DISABLED", "d enable")
	if !f.person("7002").Disabled {
		t.Error("7002 is not disabled")
	}
	d.press("d").write("came back").press("enter").sees("✓ ACTIVE")
}

func TestPerson_unlock(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("f", "enter").sees("! LOCKED", "from 10.0.3.99", "Enter unlock")
	d.press("enter").write("she called").press("enter").sees("✓ ACTIVE").misses("10.0.3.99")
}

// TestUnlock_byBadge is what a lead has, who may not see the list of people.
func TestUnlock_byBadge(t *testing.T) {
	f := newFloor(t)
	f.access()
	f.do(mes.System("setup", "setup"), &mes.GrantRole{Person: "7001", Role: mes.Lead, Reason: "deputy"})
	s, _ := f.atDesk("7001")
	s.Actor.Grants = f.person("7001").Grants
	d := f.drive(s).goes("unlock").write("9999").press("enter").write("stands here").press("enter").sees("✕", "9999")
	d.press("up", "f2").scan("7100", "enter").press("enter").sees("Unlock a person: done")
	l, err := f.store.Lockout(t.Context(), mes.Local, mes.PairLockout(f.people["7100"].ID, "10.0.3.99"))
	if err != nil || !l.Until.IsZero() {
		t.Errorf("still locked: %+v, %v", l, err)
	}
}

func TestPerson_grantIsCheckedAgainstThePlant(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("down", "enter", "g")
	d.press("right", "tab", "f4").sees("HAL", "Halle").press("enter").sees("[HAL")
	d.press("tab").write("SAWZ").press("enter").write("x").press("enter").sees("There is no line SAWZ here")
	d.press("f4").sees("SAWS", "LATHES").press("/").write("saw").press("enter", "enter").sees("[SAWS")
	d.press("tab", "f4").sees("flanges").press("enter").press("tab", "f4").sees("TURN", "Turn outside").press("esc", "enter").sees("Give a role: done", "line SAWS")
	want := mes.Grant{Role: mes.Lead, Site: "HAL", Line: "SAWS", Family: "flanges"}
	if g := f.person("7002").Grants; len(g) != 2 || g[1] != want {
		t.Errorf("granted %+v", g)
	}
	d.press("g", "right", "tab").write("HAL").press("tab").write("SAWS").press("tab").write("flanges").press("enter").write("again").press("enter").sees("is given there already")
	d.press("esc", "esc").press("down", "enter").sees("Take a role away", "lead", "family flanges").write("over").press("enter").sees("Take a role away: done")
	if g := f.person("7002").Grants; len(g) != 1 {
		t.Errorf("left %+v", g)
	}
}

// TestPerson_ownRightsAreNotOffered: nobody changes what they may do themselves.
func TestPerson_ownRightsAreNotOffered(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	f.drive(s).goes("people").press("/").write("7400").press("enter", "enter").sees("Ada Root").misses("give role", "reset", "disable", "Enter")
}

func TestOnce_leavesNoTrace(t *testing.T) {
	f := newFloor(t)
	f.access()
	for name, leave := range map[string]func(d *driver){
		"enter": func(d *driver) { d.press("enter") }, "esc": func(d *driver) { d.press("esc") }, "lock": func(d *driver) { d.press("f12", "esc") },
	} {
		s, c := f.atDesk("7400")
		d := f.drive(s).goes("people").press("enter", "w").write("forgot it").press("enter").sees(givenPassword)
		d.press("q", ":", "x", "tab", "down", "f10", "f5").scan("7001", "enter").sees(givenPassword) // nothing else loses it
		leave(d)
		d.misses(givenPassword)
		for range 3 {
			d.press("esc").misses(givenPassword)
		}
		if c.asked != 1 {
			t.Errorf("%s: the desk was asked %d times", name, c.asked)
		}
	}
}

// TestOnce_windowIsDrawnAnew: what a terminal remembers of the window is written over.
func TestOnce_windowIsDrawnAnew(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("people").press("enter", "w").write("forgot it").press("enter")
	o := d.a.top().(*once)
	_, cmd := d.a.Update(keyOf("enter"))
	if !clears(cmd) || o.secret != "" {
		t.Errorf("the window is cleared: %v, the secret is kept: %v", clears(cmd), o.secret != "")
	}
}

// clears tells whether a command, or one that it holds, clears the window.
func clears(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	msg := cmd()
	if fmt.Sprintf("%T", msg) == fmt.Sprintf("%T", tea.ClearScreen()) {
		return true
	}
	for _, part := range commandsIn(msg) {
		if clears(part) {
			return true
		}
	}
	return false
}

func TestOnce_fitsEverySecretIntoASmallWindow(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("keys").press("a").press("right", "tab").write("scales").press("tab").write("scale log").press("enter").resize(20, 16)
	if got := strings.Join(strings.Fields(d.view()), ""); !strings.Contains(got, givenKey) {
		t.Errorf("the key is cut:\n%s", d.view())
	}
}

// TestDesk_whatFailsShowsNothing: a refusal leaves the form as it was, and nothing is asked twice by itself.
func TestDesk_whatFailsShowsNothing(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, c := f.atDesk("7400")
	c.err = mes.Faultf(mes.Unavailable, "the store does not answer; try again")
	d := f.drive(s).goes("people").press("enter", "w").write("forgot it").press("enter").sees("The store does not answer", "forgot it").misses(givenPassword)
	d.fire(time.Minute)
	if c.asked != 1 {
		t.Errorf("the desk was asked %d times", c.asked)
	}
	c.err = nil
	d.press("enter").sees(givenPassword)
}

func TestDesk_nothingIsOfferedWithoutOne(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	s.Desk = nil
	f.drive(s).goes("people").press("down", "enter").sees("g give role").misses("password", "PIN", "SSH key")
	f.drive(s).goes("keys").misses("issue")
	f.drive(s).goes("stations").misses("invite")
}

func TestKeys_issue(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("keys").sees("spindle gateway", "LATHE-1", "7001 Anna Berg", "shift report").misses("warehouse export")
	d.press("a").press("tab").write("LATHE-7").press("enter").write("probe").press("enter").sees("There is no machine LATHE-7 here")
	d.press("f4").sees("LATHE-2", "SAW-1").press("down", "enter").sees("[LATHE-2")
	d.press("tab", "tab", "tab").write("10.0.7.300").press("enter").sees("✕")
	d.press("f2").write("10.0.7.31 10.0.9.0/24").press("tab", "f2").write("401").press("enter").sees("1 to 400 days")
	d.press("f2").write("30").press("enter").sees(givenKey, "machine LATHE-2", "30 days").press("enter").sees("probe")
	k, err := f.store.Key(t.Context(), mes.Local, "4T9XkQ2m")
	if err != nil {
		t.Fatal(err)
	}
	if k.Principal != "LATHE-2" || len(k.Networks) != 2 || k.Grants[0] != (mes.Grant{Role: mes.Feeder, Machine: "LATHE-2"}) || k.ExpiresAt.Sub(k.CreatedAt) != 30*24*time.Hour {
		t.Errorf("issued %+v", k)
	}
}

func TestKeys_issueToAPerson(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("keys").press("a", "right", "right").sees("with the roles that the person has").misses("Role", "Site")
	d.press("tab").write("nobody").press("tab").write("report").press("enter").sees("✕")
	d.press("shift+tab", "f4").sees("Otto Klein").misses("Uwe Grau").press("/").write("otto").press("enter", "enter", "enter").sees(givenKey, "person 7002")
}

func TestKeys_revoke(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("keys").press("/").write("spindle").press("enter", "enter").sees("Key", "10.0.7.0/24", "feeder", "x revoke")
	d.press("x", "enter").sees("Reason is missing").write("scrapped").press("enter").sees("✕ REVOKED").misses("x revoke")
	d.press("esc", "esc").misses("spindle").press("f", "f", "f").sees("spindle gateway", "✕ REVOKED")
}

func TestStations_addInviteRetire(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	d := f.drive(s).goes("stations").sees("KIOSK-1", "✓ ENROLLED", "KIOSK-3", "○ NO KEY").misses("CART-9")
	d.press("a").write("KIOSK-1").press("enter").write("Twin").press("enter").write("SAWS").press("enter").sees("Station KIOSK-1 is there already")
	d.press("f2").write("KIOSK-4").press("tab", "tab", "f2").write("HAL").press("enter").sees("There is no line HAL here")
	d.press("f2").write("SAWS").press("tab", "f4").sees("SAW-1").misses("LATHE-1").press("enter").press("tab").write("10.0.300.1").press("enter").sees("✕")
	d.press("f2").write("10.0.8.44").press("enter").sees("KIOSK-4", "Add a station: done")
	d.press("end", "i", "enter").sees(givenCode, "ssh -p 2222 enrol@10.0.7.2", "15 minutes").press("enter").misses(givenCode).sees("◇ INVITED")
	d.press("x", "enter").sees("Reason is missing").write("moved").press("enter").sees("Station KIOSK-4 is retired").misses("INVITED")
	d.press("f").sees("✕ RETIRED", "KIOSK-4", "CART-9").misses("i invite")
}

func TestStations_changeKeepsTheCode(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7400")
	f.drive(s).goes("stations").press("down", "down", "enter", "f2").write("Right side").press("enter").sees("Change a station: done", "Right side", "10.0.8.0/24")
	st, err := f.store.Station(t.Context(), mes.Local, "KIOSK-3")
	if err != nil || st.Name != "Right side" || st.Machine != "LATHE-2" || len(st.Networks) != 2 || st.Retired {
		t.Errorf("changed to %+v, %v", st, err)
	}
}

// TestStations_auditorOnlyReads: nothing is offered that would be refused.
func TestStations_auditorOnlyReads(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7100")
	f.drive(s).goes("stations").sees("KIOSK-1").misses("change", "invite", "retire", "add")
}

func TestAccount_replace(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, c := f.atDesk("7001")
	d := f.drive(s).goes("account").sees("Anna Berg", "Password", "PIN", "One-time codes", "not set up", "KIOSK-1", "shift report")
	d.press("enter").sees("At least 15 characters").write("old secret").press("enter").write("five small words here").press("enter").write("five small words there").press("enter")
	d.sees("The two new ones are not the same").misses("five")
	if c.asked != 0 {
		t.Fatal("the desk was asked")
	}
	d.write("five small words here").press("enter").write("five small words here").press("enter").sees("Your password is changed")
	d.press("enter").write("wrong").press("enter").write("x").press("enter").write("x").press("enter").sees("The old password is wrong").misses("*")
}

func TestAccount_ownKeys(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7001")
	d := f.drive(s).goes("account").press("k")
	d.send(tea.PasteMsg{Content: "hello there\n"})
	d.press("enter").sees("This is no public key").press("f2")
	d.send(tea.PasteMsg{Content: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC anna@desk\n"})
	d.press("enter").sees("Known from now on: SHA256:30")
	d.press("down", "down", "down").sees("Enter revoke").press("enter").sees("for good").press("enter").sees("Revoked: SHA256:")
}

func TestAccount_atAStationNoKeyIsAdded(t *testing.T) {
	f := newFloor(t)
	f.access()
	s := f.session("KIOSK-1", "7001", 80, 24)
	s.Desk = &clerk{app: f.app}
	s.Actor.Session = "stay"
	f.drive(s).goes("account").sees("Anna Berg", "Enter change").misses("add SSH key")
}

func TestEnrol(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7001")
	d := f.drive(s).goes("account").press("down", "down", "enter").sees("JBSW Y3DP EHPK", "█", "type the code that the app shows")
	d.press("enter").sees("Code is missing").write("999999").press("enter").sees("The code is wrong", "JBSW")
	d.write("123456").press("enter").sees("One-time codes are set up", "One-time codes").misses("JBSW", "not set up")
	lea, _ := f.atDesk("7100")
	f.drive(lea).goes("account").sees("One-time codes").misses("not set up")
}

func TestEnrol_lockHidesTheSecret(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7001")
	f.drive(s).goes("account").press("down", "down", "enter").sees("JBSW").press("f12", "esc").misses("JBSW")
}

// TestEnrol_asText: a terminal of ASCII only, or a small one, has the secret as text.
func TestEnrol_asText(t *testing.T) {
	f := newFloor(t)
	f.access()
	s, _ := f.atDesk("7001")
	s.Term = "vt220"
	f.drive(s).goes("account").press("down", "down", "enter").sees("JBSW Y3DP").misses("#", "QR")
	s.Term = "xterm"
	d := f.drive(s).resize(20, 16).goes("account").press("down", "down", "enter")
	if got := strings.Join(strings.Fields(d.view()), ""); !strings.Contains(got, givenTOTP) {
		t.Errorf("the secret is cut:\n%s", d.view())
	}
}
