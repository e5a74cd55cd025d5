package tui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

func TestSignIn_wrongPINTellsAndKeepsTheBadge(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).write("7001").press("enter").write("13579")
	d.misses("13579").sees("*****").press("enter").sees("Badge or PIN is wrong", "7001")
	d.write("247001").press("enter").sees("Queue")
}

func TestSignIn_badgeByScannerOrPaste(t *testing.T) {
	f := newFloor(t)
	f.drive(f.session("KIOSK-1", "", 80, 24)).scan("7001", "enter", "ctrl+j").write("247001").press("enter").sees("Queue")
	d := f.drive(f.session("KIOSK-1", "", 80, 24))
	d.send(tea.PasteMsg{Content: "7001\r"})
	d.write("247001").press("enter").sees("Queue")
}

// TestSignIn_aScanIsNeverAPIN: whoever comes to a locked screen scans their badge, and the PIN field has the focus then.
func TestSignIn_aScanIsNeverAPIN(t *testing.T) {
	f := newFloor(t)
	for name, give := range map[string]func(*driver){
		"enter": func(d *driver) { d.scan("7002", "enter", "ctrl+j") },
		"tab":   func(d *driver) { d.scan("7002", "tab") },
		"paste": func(d *driver) { d.send(tea.PasteMsg{Content: "7002\r"}) },
	} {
		d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("f12").write("24")
		asked := d.a.signin.asked
		give(d)
		if d.a.signin.asked != asked {
			t.Fatalf("%s: a badge was sent as a PIN:\n%s", name, d.view())
		}
		d.sees("[**** ").misses("7001", "7002").write("247002").press("enter").sees("Welcome, Otto Klein")
	}
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).write("70").scan("7002", "enter").sees("[7002 ")
	d.write("247002").press("enter").sees("Welcome, Otto Klein")
}

// TestSignIn_whatFollowsABadgeIsItsPIN: a PIN that comes in one burst with its Enter, as over a slow line or in a paste, is
// a PIN, and stands readable nowhere.
func TestSignIn_whatFollowsABadgeIsItsPIN(t *testing.T) {
	f := newFloor(t)
	for name, give := range map[string]func(*driver){
		"burst":          func(d *driver) { d.scan("247001", "enter") },
		"part of it":     func(d *driver) { d.write("24").scan("7001", "enter", "ctrl+j") },
		"tab, then sent": func(d *driver) { d.scan("247001", "tab").misses("247001").press("enter") },
		"paste":          func(d *driver) { d.send(tea.PasteMsg{Content: "247001\r"}) },
		"badge twice":    func(d *driver) { d.scan("7001", "enter").scan("247001", "enter") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, badge := range []func(*driver){
				func(d *driver) { d.scan("7001", "enter") }, func(d *driver) { d.write("7001").press("enter") },
			} {
				d := f.drive(f.session("KIOSK-1", "", 80, 24))
				badge(d)
				give(d)
				d.sees("Welcome, Anna Berg")
			}
		})
	}
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).write("7001").press("enter")
	for _, r := range "13579" {
		d.send(keyOf(string(r)))
		if strings.Contains(d.view(), "135") {
			t.Fatalf("a PIN is readable:\n%s", d.view())
		}
	}
	d.press("enter").sees("Badge or PIN is wrong").misses("13579")
	locked := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("f12").scan("247001", "enter")
	locked.misses("247001").press("up", "f2").write("7002").sees("[7002 ")
}

// TestSignIn_halfOfOneIsNotLeftStanding: the next person must not give their PIN to a badge that somebody left there.
func TestSignIn_halfOfOneIsNotLeftStanding(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).scan("7001", "enter").write("24").sees("7001")
	f.pass(signInPatience - time.Second)
	d.fire(time.Second)
	d.sees("7001")
	f.pass(time.Second)
	d.fire(time.Second)
	d.misses("7001", "*").scan("7002", "enter").write("247002").press("enter").sees("Welcome, Otto Klein")
}

func TestSignIn_saysThatItIsChecking(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).write("7001").press("enter").write("247001")
	d.slow = true
	d.press("enter").sees("Checking").press("b").sees("Checking")
	d.answer()
	d.sees("Welcome, Anna Berg")
}

func TestSignIn_nothingWorksBefore(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	d := f.drive(f.session("KIOSK-1", "", 80, 24))
	d.press("f10", "f1", "f5", "f3", "esc", "f12").sees("Sign in").misses("1001")
	if d.a.help != nil || len(d.a.stack) != 0 {
		t.Error("something opened before anybody signed in")
	}
}

func TestLock_hidesDataAndKeepsTheDraft(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.press("enter", "s", "r").write("3").press("tab", "1", "tab").write("BURR")
	d.press("f12").sees("Locked", "Anna Berg is away").misses("1001", "BURR", "FLANGE", "LATHES ·")
	d.press("b", "o").misses("Machines")
	d.press("f2").write("247001").press("enter").sees("Report", "[3 ", "BURR")
	d.press("enter").sees("Booked 3 good, 1 scrap")
}

func TestLock_goingBackLeavesNothingBehindIt(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "r").write("3").press("f12").write("247001")
	d.slow = true
	d.press("enter", "esc", "f3", "esc")
	d.answer()
	d.sees("Report", "[3 ")
}

func TestLock_anotherPersonGetsTheirOwnScreens(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	f.sawn("1001", 12)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("enter", "s", "f12")
	d.press("up", "f2").write("7002").press("enter").write("247002").press("enter").sees("Welcome, Otto Klein", "Queue")
	if len(d.outs) != 1 || d.outs[0] != "Anna Berg: somebody else signed in" {
		t.Errorf("stays ended as %q", d.outs)
	}
	d.press("enter").sees("1 at work", "Enter start")
}

func TestLock_signOut(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").press("f12", "f3")
	d.sees("Signed out", "nobody signed in")
	if len(d.outs) != 1 || d.quit {
		t.Errorf("stays ended as %q, quit %v", d.outs, d.quit)
	}
	own := f.drive(f.session("", "7001", 80, 24)).press("f12", "f12").sees("This ends your connection").press("esc").sees("Queue").press("L", "enter")
	if !own.quit || len(own.outs) != 1 {
		t.Errorf("an own connection: stays ended as %q, quit %v", own.outs, own.quit)
	}
}

func TestIdle(t *testing.T) {
	f := newFloor(t)
	f.release("1001", 50)
	for _, c := range []struct {
		name, station, badge, key string
		idle, after               time.Duration
		locked, ended             bool
	}{
		{"operator, not yet", "KIOSK-1", "7001", "down", 0, 299 * time.Second, false, false},
		{"operator", "KIOSK-1", "7001", "down", 0, 5 * time.Minute, true, false},
		{"administrator", "KIOSK-1", "7400", "down", 0, 3 * time.Minute, true, false},
		{"configured", "KIOSK-1", "7001", "down", time.Minute, time.Minute, true, false},
		{"never", "KIOSK-1", "7001", "down", -1, 48 * time.Hour, false, false},
		{"own connection", "", "7100", "down", 0, 5 * time.Minute, false, true},
		{"list of who only looks", "", "7300", "down", 0, 5 * time.Minute, false, true},
		{"wall board", "", "7300", "b", 0, 48 * time.Hour, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := f.session(c.station, "", 80, 24)
			if c.station == "" {
				s = f.session("", c.badge, 80, 24)
			}
			s.Idle = c.idle
			d := f.drive(s)
			if c.station != "" {
				d.signIn(c.badge)
			}
			d.press(c.key)
			f.pass(c.after)
			d.send(feedMsg{[]string{"work_order:x"}}) // a screen that moves is nobody's presence
			d.fire(time.Second)
			if d.a.locked != c.locked || d.quit != c.ended {
				t.Errorf("locked is %v and ended %v after %v", d.a.locked, d.quit, c.after)
			}
		})
	}
}

func TestEnd(t *testing.T) {
	f := newFloor(t)
	d := f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001")
	d.send(Quit{"maintenance"})
	if v := d.a.View(); !d.quit || v.AltScreen || !strings.Contains(v.Content, "going down (maintenance)") {
		t.Errorf("quit %v, alternate screen %v: %s", d.quit, v.AltScreen, v.Content)
	}
	d.resize(20, 16)
	if v := d.a.View().Content; !strings.Contains(v, "(maintenance)") || strings.Contains(v, widget.Ellipsis) {
		t.Errorf("in a small window the farewell is %q", v)
	}
	d = f.drive(f.session("KIOSK-1", "", 80, 24))
	d.send(feedEndMsg{})
	if !d.quit {
		t.Error("the end of the feed did not end the session")
	}
}

// lines is a feed that gives what the test puts into it.
type lines chan []string

func (l lines) Wait() ([]string, bool) {
	topics, ok := <-l
	return topics, ok
}

func TestFeed_isAskedAgainAfterEachChange(t *testing.T) {
	f := newFloor(t)
	s := f.session("", "7100", 80, 24)
	feed := make(lines, 1)
	a := New(s).(*App)
	a.s.Feed = feed
	feed <- []string{"work_order:1"}
	msg := a.waitFeed()()
	if got := msg.(feedMsg).topics; len(got) != 1 {
		t.Fatalf("the feed gave %q", got)
	}
	if _, cmd := a.Update(msg); cmd == nil {
		t.Error("nothing waits for the next change")
	}
	close(feed)
	if _, ok := a.waitFeed()().(feedEndMsg); !ok {
		t.Error("the end of the feed was not noticed")
	}
}

func TestQueue_beginsOnOnesOwnWork(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	anna := f.actor("7001")
	f.do(anna, &mes.StartJob{Order: "1002", Operation: "20"})
	f.drive(f.session("KIOSK-1", "", 80, 24)).signIn("7001").sees("▌ P5  1002/20", "you: Turn")
}
