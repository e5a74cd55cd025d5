package security

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// cutTime is how long a change of access may take to reach whoever is there already: a second, and what a busy machine
// needs to notice that it has passed.
const cutTime = 2 * time.Second

// TestSessions is group S: a session lasts as long as the right to it.
func TestSessions(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); sessions(t, newSite(t, "sqlite"), nil) })
	t.Run("rqlite", func(t *testing.T) {
		t.Parallel()
		one := newSite(t, "rqlite")
		other := one.beside(t)
		sessions(t, one, other)
	})
}

// beside starts a second node on the same database. Its people are those of the first.
func (s *site) beside(t *testing.T) *site {
	t.Helper()
	other := &site{name: s.name + "/second", dir: t.TempDir(), cluster: s.cluster, options: s.options}
	copyFolder(t, s.data(), other.data(), "gemba.db", "node", "ledger.key", "ledger.pub", "gemba.log", "demo-credentials.json")
	must(t, other.start())
	t.Cleanup(func() {
		for _, trouble := range other.stop() {
			t.Error(trouble)
		}
	})
	return other
}

// sessions runs the group at one site; what concerns sessions on other nodes is looked at from the second, if there is
// one.
func sessions(t *testing.T, s, other *site) {
	at := s
	if other != nil {
		at = other
	}
	const administrator = "9001"
	do := func(line string) { t.Helper(); s.mustRun(t, administrator, line, nil) }
	cut := func(name string, sc *screen, act func()) {
		t.Helper()
		began := time.Now()
		act()
		gone := sc.gone(cutTime)
		checkThat(t, "S", name, gone, "the session lives %v later", time.Since(began))
	}

	cut("an account is disabled", at.desk(t, "1002", 80, 24), func() { do("person disable 1002 reason='left'") })
	client, err := at.dial(newSource(), "1002", ssh.PublicKeys(keyFile(t, s.person("1002").File)))
	check(t, "S", "a disabled account comes back", "refused", at.who(client, err))
	do("person enable 1002 reason='came back'")
	check(t, "S", "an account is enabled", "as 1002", retry(func() string {
		client, err := at.dial(newSource(), "1002", ssh.PublicKeys(keyFile(t, s.person("1002").File)))
		return at.who(client, err)
	}, "as 1002"))

	// Rights change: whoever is at work goes on with the new ones or comes again, and the old ones do nothing.
	worker := at.as(t, "1003")
	session, err := openScreen(worker, "xterm", 80, 24)
	must(t, err)
	do("person ungrant 1003 role=operator site=NORTH line=MILL reason='other work'")
	checkThat(t, "S", "a right is taken", session.gone(cutTime), "the session lives")
	check(t, "S", "what it allowed", "4", retry(func() string { return fmt.Sprint(at.run(t, "1003", "order list").status) }, "4"))
	do("person grant 1003 role=viewer site=NORTH reason='looks only'")
	check(t, "S", "a right is given", "0", retry(func() string { return fmt.Sprint(at.run(t, "1003", "order list").status) }, "0"))
	check(t, "S", "and no more than that", "4", fmt.Sprint(at.run(t, "1003", "job start 1001/20").status))

	// Keys.
	key, id := s.issue(t, "viewer", "")
	check(t, "S", "a new API key", "200", at.caller(t).call(key, "GET", "/v1/orders", "").outcome())
	stream, end := at.listen(t, key)
	do("key revoke " + id)
	check(t, "S", "a revoked API key", "401 unauthenticated", retry(func() string { return at.caller(t).call(key, "GET", "/v1/orders", "").outcome() }, "401 unauthenticated"))
	checkThat(t, "S", "a stream with a revoked key", wait(cutTime, func() bool { return stream.ended() }), "it is still open")
	end()

	extra := newKey(t)
	s.mustRunWith(t, "1004", "key add", string(ssh.MarshalAuthorizedKey(extra.PublicKey())), nil)
	client, err = at.dial(newSource(), "1004", ssh.PublicKeys(extra))
	must(t, err)
	sc, err := openScreen(client, "xterm", 80, 24)
	must(t, err)
	cut("an SSH key is revoked", sc, func() { do("key revoke '" + ssh.FingerprintSHA256(extra.PublicKey()) + "'") })
	client, err = at.dial(newSource(), "1004", ssh.PublicKeys(extra))
	check(t, "S", "a revoked SSH key comes back", "refused", at.who(client, err))

	// A station.
	sc, err = openScreen(at.kiosk(t, "KIOSK-MILL"), "xterm", 80, 24)
	must(t, err)
	cut("a station is retired", sc, func() { do("station retire KIOSK-MILL reason='scrapped'") })
	client, err = at.dial(newSource(), "kiosk", ssh.PublicKeys(keyFile(t, s.station("KIOSK-MILL"))))
	check(t, "S", "a retired station comes back", "refused", at.who(client, err))

	if other == nil {
		screens(t, s)
		restart(t, s)
	}
}

// retry asks until an answer is as wanted, for as long as a change may take to arrive, and gives the last answer.
func retry(ask func() string, want string) (got string) {
	wait(cutTime, func() bool { got = ask(); return got == want })
	return got
}

// A listener holds a live stream open.
type listener struct{ done chan struct{} }

func (l *listener) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// listen opens the live stream with a key.
func (s *site) listen(t *testing.T, key string) (*listener, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, "GET", s.known.API+"/v1/stream", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+key)
	c := s.caller(t)
	c.client.Timeout = 0
	res, err := c.client.Do(r)
	must(t, err)
	l := &listener{make(chan struct{})}
	go func() {
		defer close(l.done)
		defer res.Body.Close()
		var sink [4096]byte
		for {
			if _, err := res.Body.Read(sink[:]); err != nil {
				return
			}
		}
	}()
	return l, cancel
}

// atKiosk signs somebody in at a station.
func (s *site) atKiosk(t *testing.T, code, badge string) *screen {
	t.Helper()
	sc, err := openScreen(s.kiosk(t, code), "xterm-256color", 80, 24)
	must(t, err)
	if !sc.shows("Badge", 10*time.Second) {
		t.Fatalf("%s does not ask for a badge: %q", code, sc.out.String())
	}
	p := s.person(badge)
	sc.keys(p.Badge, "\t", p.PIN, "\r")
	if !sc.shows(p.Name, 10*time.Second) {
		t.Fatalf("%s cannot sign in at %s: %q", badge, code, sc.out.String())
	}
	return sc
}

// screens is about who stands at a terminal.
func screens(t *testing.T, s *site) {
	sc := s.atKiosk(t, "KIOSK-TURN", "1001")
	time.Sleep(500 * time.Millisecond)
	sc.out.mark()
	sc.keys("\x1b[24~") // F12
	locked := wait(5*time.Second, func() bool { return strings.Contains(sc.out.fresh(), "PIN") })
	checkThat(t, "S", "a screen is locked", locked, "it shows %q", sc.out.fresh())
	sc.out.mark()
	sc.responds(90, 25)
	for _, business := range []string{"1001/", "P-100", "1003", "1009", "Pump", "Valve"} {
		checkThat(t, "S", "a locked screen shows no "+business, !strings.Contains(sc.out.fresh(), business), "it shows %q", sc.out.fresh())
	}
	sc.out.mark()
	sc.keys("918273", "\r")
	time.Sleep(1500 * time.Millisecond)
	checkThat(t, "S", "a wrong PIN unlocks nothing", !strings.Contains(sc.out.fresh(), "P-100"), "it shows %q", sc.out.fresh())
	sc.out.mark()
	sc.keys(s.person("1001").PIN, "\r")
	checkThat(t, "S", "the right PIN unlocks", wait(5*time.Second, func() bool { return strings.Contains(sc.out.fresh(), "P-1") || strings.Contains(sc.out.fresh(), "V-1") }), "it shows %q", sc.out.fresh())

	// Each sign-in is a session of its own.
	ids := map[string]bool{}
	for range 3 {
		var me struct{ Session string }
		s.mustRun(t, "2001", "me show --json", &me)
		ids[me.Session] = true
	}
	checkThat(t, "S", "every sign-in is a session of its own", len(ids) == 3 && !ids[""], "%v", ids)

	// A line that goes dead in one direction is a sign-out.
	s.desk(t, "2002", 80, 24).client.Close()
	checkThat(t, "S", "a closed line is a sign-out", wait(5*time.Second, func() bool {
		return strings.Contains(s.run(t, "5001", "signin list limit=100 --json").out, "connection lost")
	}), "it is not among the sign-ins")
}

// restart: nobody stays signed in over one.
func restart(t *testing.T, s *site) {
	sc := s.atKiosk(t, "KIOSK-ASSY", "1006")
	for _, trouble := range s.stop() {
		t.Error(trouble)
	}
	checkThat(t, "S", "a stop ends every session", sc.gone(10*time.Second), "it lives")
	must(t, s.start())
	again, err := openScreen(s.kiosk(t, "KIOSK-ASSY"), "xterm-256color", 80, 24)
	must(t, err)
	checkThat(t, "S", "after a restart a station asks who is there", again.shows("Badge", 10*time.Second) && !strings.Contains(again.out.String(), s.person("1006").Name), "it shows %q", again.out.String())
}
