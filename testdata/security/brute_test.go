package security

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestBruteForce is group B: guesses are few, locks outlive the program, and nobody is locked out of their own station.
func TestBruteForce(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); brute(t, newSite(t, "sqlite")) })
	if *full {
		t.Run("rqlite", func(t *testing.T) { t.Parallel(); brute(t, newSite(t, "rqlite")) })
	}
}

// try offers one password from an address, and tells as whom it was let in. An answer that only says that there is too
// much to do is none: the attacker tries again.
func (s *site) try(source net.IP, badge, password string) string {
	for range 20 {
		busy := false
		client, err := s.dialConfig(source, &ssh.ClientConfig{
			User: badge, Auth: []ssh.AuthMethod{ssh.Password(password)}, BannerCallback: func(text string) error { busy = busy || strings.Contains(text, "too many"); return nil },
		})
		if got := s.who(client, err); !busy {
			return got
		}
		time.Sleep(200 * time.Millisecond)
	}
	return "busy"
}

func brute(t *testing.T, s *site) {
	guess := func(n int) string { return fmt.Sprintf("some-wrong-secret-%d", n) }
	right := func(badge string) string { return s.person(badge).Password }

	attacker, sprayer := newSource(), newSource()
	var all sync.WaitGroup
	// One source, one account: five guesses, all at once as an attacker would, and then not even the right one.
	all.Go(func() {
		together(3, 5, func(i int) {
			check(t, "B", "a guess", "refused", s.try(attacker, "1001", guess(i)))
		})
		check(t, "B", "the right password after five guesses from here", "refused", s.try(attacker, "1001", right("1001")))
		check(t, "B", "its owner somewhere else", "as 1001", s.try(newSource(), "1001", right("1001")))
	})
	// Many sources, one account: a supervisor whom somebody wants out of the way.
	all.Go(func() {
		together(3, 11, func(i int) {
			check(t, "B", "a guess at a supervisor from anywhere", "refused", s.try(newSource(), "2001", guess(i)))
		})
		check(t, "B", "the right password after guesses from everywhere", "refused", s.try(newSource(), "2001", right("2001")))
	})
	// One source, everybody: the failures of each stay below the lock of any account, and the source is blocked.
	all.Go(func() {
		badges := []string{"1002", "1003", "1004", "1005", "1006", "3001", "3002", "3003", "4001", "4002", "nobody", "admin", "root", "test", "1", "2", "3", "4", "5", "6"}
		together(3, len(badges)+2, func(i int) {
			check(t, "B", "a guess at everybody", "refused", s.try(sprayer, badges[i%len(badges)], guess(i)))
		})
		check(t, "B", "a right password from where everybody was guessed at", "refused", s.try(sprayer, "5002", right("5002")))
		check(t, "B", "the same from somewhere else", "as 5002", s.try(newSource(), "5002", right("5002")))
	})
	// A PIN at a station: five wrong ones, and the password still opens it.
	all.Go(func() {
		sc := s.atSignIn(t, "KIOSK-ASSY")
		if sc == nil {
			return
		}
		sc.keys("1007", "\t")
		for i := range 5 {
			sc.out.mark()
			sc.keys(fmt.Sprintf("91827%d", i), "\r")
			checkThat(t, "B", "a wrong PIN", wait(15*time.Second, func() bool { return strings.Contains(sc.out.fresh(), "refused") }), "the screen shows %q", sc.out.fresh())
		}
		sc.out.mark()
		sc.keys(s.person("1007").PIN, "\r")
		checkThat(t, "B", "the right PIN after five wrong ones", !wait(3*time.Second, func() bool { return strings.Contains(sc.out.fresh(), s.person("1007").Name) }), "it signed in")
		sc.client.Close()
		if sc = s.atSignIn(t, "KIOSK-ASSY"); sc != nil {
			sc.keys("1007", "\t", right("1007"), "\r")
			checkThat(t, "B", "the password there instead", sc.shows(s.person("1007").Name, 15*time.Second), "the screen shows %q", sc.out.String())
			sc.client.Close()
		}
	})
	all.Wait()
	sc := s.atKiosk(t, "KIOSK-TURN", "2001")
	checkThat(t, "B", "the supervisor at an enrolled station meanwhile", sc != nil, "no screen")
	sc.client.Close()
	client, err := s.dial(newSource(), "2001", ssh.PublicKeys(keyFile(t, s.person("2001").File)))
	check(t, "B", "the supervisor with their own key meanwhile", "as 2001", s.who(client, err))

	// A restart forgives nothing.
	for _, trouble := range s.stop() {
		t.Error(trouble)
	}
	must(t, s.start())
	check(t, "B", "the locked account after a restart", "refused", s.try(attacker, "1001", right("1001")))
	check(t, "B", "the supervisor after a restart", "refused", s.try(newSource(), "2001", right("2001")))
	check(t, "B", "the blocked source after a restart", "refused", s.try(sprayer, "5002", right("5002")))

	// Locks are seen, and ended by whoever may.
	var page struct {
		Items []struct{ Person, Source string }
	}
	s.mustRun(t, "9001", "lockout list --json", &page)
	checkThat(t, "B", "locks are listed", len(page.Items) >= 3, "%d are", len(page.Items))
	r := s.run(t, "1002", "person unlock 2001 reason='a favour'")
	check(t, "B", "a colleague unlocks", "4", strconv.Itoa(r.status))
	s.mustRun(t, "9001", "person unlock 2001 reason='it was not her'", nil)
	check(t, "B", "after being unlocked", "as 2001", retry(func() string { return s.try(newSource(), "2001", right("2001")) }, "as 2001"))
	ledger := s.run(t, "5001", "ledger list limit=1000 --json").out
	for _, command := range []string{"sign.fail", "person.unlock"} {
		checkThat(t, "B", command+" is in the ledger", strings.Contains(ledger, `"command":"`+command+`"`), "it is not")
	}
	checkThat(t, "B", "no guess is in the ledger", !strings.Contains(ledger, "some-wrong-secret"), "one is")
	storm(t, s)
}

// atSignIn opens a station's screen and waits until it asks for a badge; nil when it does not.
func (s *site) atSignIn(t *testing.T, code string) *screen {
	t.Helper()
	client, err := s.dial(newSource(), "kiosk", ssh.PublicKeys(keyFile(t, s.station(code))))
	if err != nil {
		t.Errorf("the station %s cannot connect: %v", code, err)
		return nil
	}
	sc, err := openScreen(client, "xterm-256color", 80, 24)
	if err != nil || !sc.shows("Badge", 10*time.Second) {
		t.Errorf("the station %s asks for no badge: %v", code, err)
		return nil
	}
	return sc
}

// storm is a guesser who does not stop. What that costs is the budget of the account and of the source, not of the
// guesses; a station signs in beside it.
func storm(t *testing.T, s *site) {
	guesses, most := 100, 5*time.Second
	if *full {
		guesses, most = 10_000, 5*time.Minute
	}
	source := newSource()
	spent := s.cpu(t)
	stop := time.Now().Add(most)
	var made atomic.Int64
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		together(20, guesses, func(i int) {
			if time.Now().After(stop) {
				return
			}
			tries := 0
			client, err := s.dial(source, "1005", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
				tries++
				return fmt.Sprintf("guess-%d-%d", i, tries), nil
			}), 3))
			made.Add(int64(max(tries, 1))) // one that was not even listened to is one that was made
			if err == nil {
				client.Close()
				t.Error("a guess was right")
			}
		})
	}()
	time.Sleep(time.Second)
	began := time.Now()
	sc := s.atKiosk(t, "KIOSK-GRIND", "1005")
	took := time.Since(began)
	measure(t, "a station signs in beside a guesser, seconds", took.Seconds())
	checkThat(t, "B", "a station signs in beside a guesser", took < 4*time.Second, "after %v", took) // a second of it is typing
	sc.client.Close()
	<-finished
	used := s.cpu(t) - spent
	measure(t, "guesses of one source", float64(made.Load()))
	measure(t, "processor time for them, seconds", used.Seconds())
	if *full {
		// Twenty hashes until the source is blocked, at most 0.1 s each on a busy machine, and the handshakes.
		most := 2*time.Second + time.Duration(made.Load())*5*time.Millisecond
		checkThat(t, "B", "what the guesses cost", used < most, "%v for %d", used, made.Load())
	}
}

// cpu is the processor time that the site has used.
func (s *site) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid))
	must(t, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		must(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
