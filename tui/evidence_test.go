package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
)

// evidenceScenes are the screens of the logs and the trace, of signatures, and of what must be done first.
var evidenceScenes = []struct {
	name, badge string
	owes        duty
	reach       func(d *driver)
}{
	{"logs", "7100", duty{}, func(d *driver) { d.goes("logs").press("f", "down") }},
	{"logs_changes", "7100", duty{}, func(d *driver) { d.goes("logs").press("f", "f") }},
	{"logs_filter", "7100", duty{}, func(d *driver) { d.goes("logs").press("/").write("7001").press("tab").write("1001") }},
	{"logs_filtered", "7100", duty{}, func(d *driver) {
		d.goes("logs").press("f", "/").write("7001").press("tab").write("1001").press("enter")
	}},
	{"logs_none", "7100", duty{}, func(d *driver) { d.goes("logs").press("/").write("9999").press("enter") }},
	{"entry_work", "7100", duty{}, func(d *driver) { d.goes("logs").press("f", "enter") }},
	{"entry_refused", "7100", duty{}, func(d *driver) {
		d.goes("logs").press("/", "tab", "tab").write("job start").press("enter").press("enter")
	}},
	{"entry_change", "7100", duty{}, func(d *driver) {
		d.goes("logs").press("f", "f", "/", "tab", "tab").write("person register").press("enter").press("enter")
	}},
	{"entry_signed", "7100", duty{}, func(d *driver) {
		d.goes("logs").press("f", "f", "/", "tab", "tab").write("revision release").press("enter").press("enter")
	}},
	{"trace", "7100", duty{}, func(d *driver) { d.goes("trace").press("down") }},
	{"trace_filter", "7100", duty{}, func(d *driver) { d.goes("trace").press("/", "tab", "tab").write("403") }},
	{"call", "7100", duty{}, func(d *driver) { d.goes("trace").press("enter") }},
	{"sign", "7700", duty{}, func(d *driver) { d.goes("revision release FLANGE-80/B").write("24") }},
	{"sign_wrong", "7700", duty{}, func(d *driver) { d.goes("revision release FLANGE-80/B").write("guess").press("enter") }},
	{"must_replace", "7100", duty{replace: mes.Password}, func(d *driver) { d.write("old secret").press("enter") }},
	{"must_replace_refused", "7100", duty{replace: mes.PIN}, func(d *driver) {
		d.write("old").press("enter").write("482913").press("enter").write("482913").press("enter")
	}},
	{"must_enrol", "7400", duty{enrol: true}, func(*driver) {}},
	{"must_enrol_code", "7400", duty{enrol: true}, func(d *driver) { d.press("enter") }},
}

// evidence furnishes what the logs, the trace and the signature show.
func (f *floor) evidence() {
	f.t.Helper()
	setup, author := mes.System("set-up", "set-up"), mes.System("author", "author")
	f.do(setup, &mes.RegisterPerson{Badge: "7700", Name: "Ivo Stein", Grants: []mes.Grant{{Role: mes.Approver}}})
	person, err := f.store.Person(f.t.Context(), mes.Local, "7700")
	if err != nil {
		f.t.Fatal(err)
	}
	f.people["7700"] = person
	for _, rev := range []string{"B", "C"} {
		from := mes.At(morning.Add(24 * time.Hour))
		until := mes.Stamp{}
		if rev == "C" {
			from, until = mes.At(morning.Add(-96*time.Hour)), mes.At(morning.Add(-48*time.Hour))
		}
		f.do(author, &mes.DraftRevision{Product: "FLANGE-80", Rev: rev, EffectiveFrom: from, EffectiveTo: until, Routing: []mes.RoutingOperation{
			{Seq: 10, Code: "SAW", Name: "Saw blanks", Line: "SAWS"}, {Seq: 20, Code: "TURN", Name: "Turn outside", Line: "LATHES"},
		}})
		f.do(author, &mes.SubmitRevision{Product: "FLANGE-80", Rev: rev})
	}
	f.do(author, &mes.RetireRevision{Product: "FLANGE-80", Rev: "A"})
	f.pass(90 * time.Second)
	ivo := f.actor("7700")
	ivo.Session, ivo.Proof, ivo.Source = "stay-7700", &mes.Proof{Method: "password", At: f.clock()}, "10.0.7.31"
	f.do(ivo, &mes.ReleaseRevision{Product: "FLANGE-80", Rev: "C"})
	f.do(setup, &mes.RegisterPerson{Badge: "7001", Name: "Anna Berg-Lund", Tending: 2, Grants: []mes.Grant{{Role: mes.Operator, Line: "LATHES"}}, Reason: "married; tends two lathes"})
	anna := f.actor("7001")
	anna.Station, anna.Source, anna.Session = "KIOSK-1", "10.0.7.21", "stay-7001"
	if _, err := f.app.Do(f.t.Context(), anna, "", &mes.StartJob{Order: "1001", Operation: "30"}); err == nil {
		f.t.Fatal("an operation that is not ready was started")
	}
	f.do(anna, &mes.StartJob{Order: "1001", Operation: "20"})
	f.pass(-90 * time.Second)
	at := func(s int) time.Time { return morning.Add(time.Duration(-s) * time.Second) }
	f.store.calls = []mes.Call{
		{ID: "req-7f3a91", At: at(1), Key: "h4Ns8RtZ", Principal: "LATHE-1", Route: "POST /v1/ingest", Status: 200, In: 1834, Out: 212, MS: 3.4, Source: "10.0.7.40"},
		{ID: "req-7f3a90", At: at(4), Key: "b2Vd6KyM", Principal: "warehouse", Route: "GET /v1/orders/{order}", Status: 404, Out: 96, MS: 0.8, Reason: "not_found", Source: "10.0.9.2"},
		{ID: "req-7f3a8f", At: at(70), Key: "x9Qw1ErT", Route: "GET /v1/people", Status: 401, Out: 101, MS: 0.2, Reason: "unknown key", Source: "10.0.9.77"},
		{ID: "req-7f3a8e", At: at(90_000), Key: "h4Ns8RtZ", Principal: "LATHE-1", Route: "POST /v1/ingest", Status: 503, In: 90412, Out: 88, MS: 15002.1, Reason: "unavailable", Source: "10.0.7.40"},
	}
}

// Calls gives what the test says that came to the API.
func (u *unreliable) Calls(_ context.Context, f mes.TraceFilter) ([]mes.Call, string, error) {
	var out []mes.Call
	for _, c := range u.calls {
		if f.Status != 0 && c.Status != f.Status || f.Key != "" && c.Key != f.Key || f.Route != "" && c.Route != f.Route || f.ID != "" && c.ID != f.ID || f.Source != "" && c.Source != f.Source {
			continue
		}
		out = append(out, c)
	}
	from := 0
	if f.Page.After != "" {
		if _, err := fmt.Sscan(f.Page.After, &from); err != nil {
			return nil, "", err
		}
	}
	next, to := "", min(from+f.Page.Limit, len(out))
	if to < len(out) {
		next = fmt.Sprint(to)
	}
	return out[min(from, len(out)):to], next, nil
}

// owing is a session of somebody at their own desk who must do something first.
func (f *floor) owing(badge string, owes duty) (Session, *clerk, *duty) {
	s, c := f.atDesk(badge)
	left := owes
	s.Owes = func() (string, bool) { return left.replace, left.enrol }
	return s, c, &left
}

func TestEvidenceScreens(t *testing.T) {
	for _, scene := range evidenceScenes {
		t.Run(scene.name, func(t *testing.T) {
			f := newFloor(t)
			furnish(f)
			f.evidence()
			s, _, _ := f.owing(scene.badge, scene.owes)
			d := f.drive(s)
			scene.reach(d)
			for _, size := range sizes {
				d.resize(size.cols, size.rows)
				golden(t, fmt.Sprintf("%s_%dx%d", scene.name, size.rows, size.cols), d.view())
				fits(t, d.view(), size.cols, size.rows)
			}
			for _, cols := range []int{16, 39, 40, 79, 80, 100} {
				for _, rows := range []int{6, 8, 11, 12, 29, 30} {
					d.resize(cols, rows)
					fits(t, d.view(), cols, rows)
				}
			}
		})
	}
}

// TestLogs_arePagedThrough: thousands of entries are read a page at a time, there and back.
func TestLogs_arePagedThrough(t *testing.T) {
	f := newFloor(t)
	door := mes.Actor{Kind: mes.BySystem, ID: "gemba/door", Name: "door", Grants: []mes.Grant{{Role: mes.Setup}}}
	for i := range 3*pagerRows + 20 {
		if err := f.app.Refuse(t.Context(), door, "door.test", fmt.Sprintf("door/%03d", i), mes.Faultf(mes.Denied, "no")); mes.ErrorCode(err) != mes.Denied {
			t.Fatal(err)
		}
	}
	d := f.drive(f.session("", "7100", 80, 24)).goes("logs").press("f", "f", "f")
	most := 0
	for range 40 {
		d.press("pgdown").view()
		most = max(most, len(d.a.top().(*logs).page.rows))
	}
	if d.sees("page 4").misses("page 4+"); most != pagerRows {
		t.Errorf("%d entries were read at once, want %d", most, pagerRows)
	}
	for range 40 {
		d.press("pgup").view()
	}
	d.sees("page 1+", "door 319")
}

func TestLogs_areFiltered(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	f.evidence()
	d := f.drive(f.session("", "7100", 80, 24)).goes("logs").press("f")
	d.press("/").write("7001").press("enter").sees("Anna Berg", "job start").misses("order release")
	d.press("esc").press("/", "tab").write("1002").press("enter").sees("1002").misses("1001")
	d.press("esc", "/", "tab").write("machine LATHE-1").press("enter").misses("job ")
	d.press("esc", "/", "tab", "tab").write("order hold").press("enter").sees("order hold").misses("job ")
	d.press("esc", "/", "tab", "tab", "tab").write("07:00").press("enter").sees("Nothing is left")
	d.press("esc", "/", "tab", "tab", "tab", "tab").write("2026-11-23 05:00").press("enter").sees("Nothing is left")
	d.press("esc", "/", "tab", "tab", "tab").write("soon").press("enter").sees("Write a time like", "Filter").press("esc", "esc")
	d.press("p").sees("/id-").press("s").sees("work_order/").press("c").sees("/job").press("esc").misses("/id-").press("esc").sees("Orders")
}

// TestEntry_tellsWhatChanged: only what is different, and marked without colour.
func TestEntry_tellsWhatChanged(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	f.evidence()
	d := f.drive(f.session("", "7100", 120, 60)).goes("logs").press("f", "f", "/", "tab", "tab").write("person register").press("enter", "enter")
	d.sees("Changed: person", "~ name", "Anna Berg → Anna Berg-Lund", "~ tending", "1 → 2", "+ grants[0].line", "LATHES", "married; tends two lathes", "Hash before")
	d.misses("badge  ", "version")
	d.press("esc", "esc").press("/", "tab", "tab").write("revision release").press("enter", "enter")
	d.sees("~ status", "in_review → released", "Signed", "approved, by Ivo Stein (password) at 06:01:30")
	d = f.drive(f.session("", "7100", 120, 60)).goes("logs").press("/", "tab", "tab").write("job start").press("enter", "enter")
	d.sees("✕ refused", "Because", "KIOSK-1, 10.0.7.21", "As it was asked for", "operation", "30")
}

func TestTrace_isFiltered(t *testing.T) {
	f := newFloor(t)
	f.evidenceCalls(250)
	d := f.drive(f.session("", "7100", 80, 24)).goes("trace").sees("page 1+").press("end", "pgdown").sees("page 2+")
	d.press("/", "tab", "tab").write("500").press("enter").sees("Nothing is left", "/500").press("esc").sees("page 1+")
	d.press("k").sees("/key-1").press("s").sees("/200").press("esc").misses("/200")
	d.press("/").write("req-7").press("enter").sees("POST /v1/ingest").misses("page").press("enter").sees("req-7", "1.5 ms")
}

func (f *floor) evidenceCalls(n int) {
	for i := range n {
		f.store.calls = append(f.store.calls, mes.Call{ID: fmt.Sprintf("req-%d", i), At: morning, Key: "key-1", Route: "POST /v1/ingest", Status: 200, MS: 1.5})
	}
}

// TestSign: what needs a signature is asked for, spelled out, and sent again under the same id with it.
func TestSign(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	f.evidence()
	s, _ := f.atDesk("7700")
	d := f.drive(s).goes("revision release FLANGE-80/B")
	d.sees("Signature", "You approve revision B of FLANGE-80", "your name, Ivo Stein")
	d.write("24Ivo").misses("24Ivo").press("enter").sees("is wrong", "Signature").misses("24Ivo")
	d.write("24Ivo").press("space").write("Stein").press("enter").sees("revision.release done")
	signed, err := f.app.Signatures(t.Context(), s.Actor, "revision/FLANGE-80@B")
	if err != nil || len(signed) != 1 || signed[0].Name != "Ivo Stein" || signed[0].Meaning != mes.MeaningApproved {
		t.Fatalf("signatures: %+v, %v", signed, err)
	}
	if d.a.actor.Proof != nil {
		t.Error("the signature is good for more than one command")
	}
}

func TestSign_isLeft(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	f.evidence()
	s, _ := f.atDesk("7700")
	d := f.drive(s).goes("revision release FLANGE-80/B").press("esc").sees("Command", "revision release FLANGE-80/B")
	if r, err := f.store.Revision(t.Context(), mes.Local, "FLANGE-80@B"); err != nil || r.Status != mes.RevisionInReview {
		t.Fatalf("the revision is %v, %v", r, err)
	}
	d.press("enter").scan("24Ivo Stein", "enter").sees("Signature", "press Enter").misses("24Ivo").press("enter").sees("revision.release done")
}

// TestDuty_nothingElseIsReachable: until a one-time secret is replaced and codes are set up, no key, scan, paste or
// command line leads anywhere.
func TestDuty_nothingElseIsReachable(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	for _, owes := range []duty{{replace: mes.Password}, {replace: mes.PIN, enrol: true}, {enrol: true}} {
		s, c, _ := f.owing("7100", owes)
		d := f.drive(s)
		before := f.entries()
		for _, key := range []string{"f10", ":", "m", "q", "o", "b", "f5", "esc", "f3", "/", "f", "1", "up", "down", "tab", "f4", "?"} {
			d.press(key)
			if d.a.help != nil {
				d.press("esc")
			}
		}
		d.scan("1001", "enter").scan("order cancel 1001 reason=x", "enter")
		d.send(tea.PasteMsg{Content: "1001\r"})
		if len(d.a.stack) != 1 || f.entries() != before || c.asked > 0 {
			t.Fatalf("%+v: something else was reached:\n%s", owes, d.view())
		}
		d.a.do("", &mes.CancelOrder{Order: "1001", Reason: "x"}, nil)
		if d.a.errand != nil {
			t.Fatal("a command was sent")
		}
		d.misses("1001/", "FLANGE").press("f12").sees("This ends your connection").press("esc")
	}
}

func TestDuty_isDoneStepByStep(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	f.do(mes.System("set-up", "set-up"), &mes.SetCredential{Person: "7400", Kind: mes.Password, Hash: "hash"})
	s, c, left := f.owing("7400", duty{replace: mes.Password, enrol: true})
	d := f.drive(s).sees("Change your password", "good for this one time")
	d.write("old secret").press("enter").write("wholly mine").press("enter").write("other").press("enter").sees("not the same").misses("wholly mine", "old secret")
	d.press("enter").write("x")
	c.err = mes.Faultf(mes.Invalid, "the password is too short: 15 characters at least")
	d.write("y").press("enter").write("xy").press("enter").sees("too short", "Change your password").misses("old secret")
	c.err = nil
	left.replace = ""
	d.write("old secret").press("enter").write("a long one of my own").press("enter").write("a long one of my own").press("enter")
	d.sees("Set up one-time codes", "telephone", "Your password is changed").press("enter")
	d.sees(givenTOTP[:4]).write("111111").press("enter").sees("code is wrong").press("esc").sees("telephone").misses(givenTOTP[:4]).press("enter")
	left.enrol = false
	d.write("123456").press("enter").sees("Orders", "One-time codes are set up").misses(givenTOTP[:4])
	if d.press("m").sees("Menu"); d.a.bound() {
		t.Error("there is still something to do first")
	}
}

// TestDuty_atAStation: who comes back to a locked screen owes what they owe then.
func TestDuty_atAStation(t *testing.T) {
	f := newFloor(t)
	furnish(f)
	s := f.session("KIOSK-1", "", 80, 24)
	left := duty{replace: mes.PIN}
	s.Desk, s.Owes = &clerk{app: f.app}, func() (string, bool) { return left.replace, left.enrol }
	d := f.drive(s).signIn("7001").sees("Change your PIN", "F12 lock").press("f12").sees("Anna Berg is away")
	d.write("247001").press("enter").sees("Change your PIN").misses("1001")
	left = duty{}
	d.press("f12").write("247001").press("enter").sees("Queue", "1001")
}

// TestTimes reads moments as people write them.
func TestTimes(t *testing.T) {
	f := newFloor(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := f.session("", "7100", 80, 24)
	s.Zone = berlin
	a := f.drive(s).a
	for said, want := range map[string]time.Time{
		"": {}, "06:30": time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC), "2026-11-20": time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC),
		"2026-11-20 06:30": time.Date(2026, 11, 20, 5, 30, 0, 0, time.UTC), "2026-07-01 12:00:05": time.Date(2026, 7, 1, 10, 0, 5, 0, time.UTC),
	} {
		if got, ok := a.readTime(said); !ok || !got.Equal(want) {
			t.Errorf("%q is read as %v, %v", said, got, ok)
		}
	}
	for _, said := range []string{"soon", "25:00", "2026-13-01", "06:30:61"} {
		if got, ok := a.readTime(said); ok {
			t.Errorf("%q is read as %v", said, got)
		}
	}
}

// TestFlat tells a document's fields by their paths, and what is empty from what is not.
func TestFlat(t *testing.T) {
	got := flat([]byte(`{"a":{"b":[1,{"c":"x"},true]},"z":0,"no":false,"none":null,"at":"0001-01-01T00:00:00Z","big":12345678901234567890}`))
	var parts []string
	for name, value := range got {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	slices.Sort(parts)
	if words := strings.Join(parts, " "); words != "a.b[0]=1 a.b[1].c=x a.b[2]=true big=12345678901234567890" {
		t.Errorf("flat gave %s", words)
	}
	if len(flat([]byte("{broken"))) != 0 || len(flat(nil)) != 0 {
		t.Error("what cannot be read has fields")
	}
}
