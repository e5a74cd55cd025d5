package server

import (
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// atOnce makes a doorman answer without the wait, and gives the waits that it would have kept.
func atOnce(s *Server) *doorman {
	d := s.ssh.doorman
	d.sleep = func(context.Context, time.Duration) {}
	return d
}

// guess tries a password from a source.
func guess(d *doorman, source, badge, password string) error {
	_, err := d.bySecret(context.Background(), doorActor(source, ""), badge, mes.Password, password)
	return err
}

// failures counts the failed sign-ins in the ledger: one for each secret that was checked.
func (p *plant) failures() (n int) {
	for _, e := range p.entries(1000) {
		if e.Command == "sign.fail" {
			n++
		}
	}
	return n
}

// A lock holds after a restart and on every node, until its time is over or a supervisor ends it.
func TestLockSurvivesARestart(t *testing.T) {
	p := newPlant(t)
	d := atOnce(p.server)
	for i := range 5 {
		if err := guess(d, "10.1.1.1", "1001", "some-wrong-secret"); mes.ErrorCode(err) != mes.Unauthenticated {
			t.Fatal(i, err)
		}
	}
	if n := p.failures(); n != 5 {
		t.Errorf("%d failures are in the ledger", n)
	}
	if e := p.entries(1)[0]; e.Command != "alert.raise" || !strings.Contains(string(e.Detail), "locked_out") {
		t.Errorf("the lock raised no alert: %+v", e)
	}
	again := atOnce(p.open())
	for name, node := range map[string]*doorman{"the same node": d, "a node that just started": again} {
		if err := guess(node, "10.1.1.1", "1001", operatorPassword); mes.ErrorCode(err) != mes.Unauthenticated {
			t.Errorf("%s: the right password of a locked badge: %v", name, err)
		}
		if err := guess(node, "10.1.1.2", "1001", operatorPassword); err != nil {
			t.Errorf("%s: from another source: %v", name, err)
		}
	}
	p.do(&mes.UnlockPerson{Person: "1001", Reason: "was here"})
	p.waitFor("the nodes know of it", func() bool { return len(d.lockout.held())+len(again.lockout.held()) == 0 })
	for name, node := range map[string]*doorman{"the same node": d, "a node that just started": again} {
		if err := guess(node, "10.1.1.1", "1001", operatorPassword); err != nil {
			t.Errorf("%s: after the unlock: %v", name, err)
		}
	}
	for range 5 {
		_ = guess(d, "10.1.1.1", "1001", "some-wrong-secret")
	}
	p.ahead.Store(int64(16 * time.Minute))
	if err := guess(again, "10.1.1.1", "1001", operatorPassword); err != nil {
		t.Errorf("after its time: %v", err)
	}
}

// Whoever guesses from outside keeps nobody out of their own station, and gets no more than the number of checks.
func TestNobodyCanBeLockedOutOfTheirStation(t *testing.T) {
	p := newPlant(t)
	d := atOnce(p.server)
	checked := 0
	for i := range 200 {
		before := p.failures()
		_ = guess(d, fmt.Sprint("10.1.1.", i), "2001", "some-wrong-secret")
		checked += p.failures() - before
		if checked > badgeFailures {
			t.Fatalf("%d guesses at one badge were checked", checked)
		}
	}
	if err := guess(d, "10.9.9.9", "2001", operatorPassword); err == nil {
		t.Error("the badge is not locked elsewhere")
	}
	station, err := p.store.Station(context.Background(), mes.Local, "K1")
	p.must(err)
	for kind, secret := range map[string]string{mes.PIN: operatorPIN, mes.Password: operatorPassword} {
		if _, err := d.bySecret(context.Background(), stationActor(station, "10.1.1.1", "key"), "2001", kind, secret); err != nil {
			t.Errorf("with the %s at the station: %v", kind, err)
		}
	}
}

// A locked PIN leaves the password.
func TestLockedPINLeavesThePassword(t *testing.T) {
	p := newPlant(t)
	d := atOnce(p.server)
	station, err := p.store.Station(context.Background(), mes.Local, "K1")
	p.must(err)
	at := func(kind, secret string) error {
		_, err := d.bySecret(context.Background(), stationActor(station, "10.1.1.1", "key"), "1001", kind, secret)
		return err
	}
	for range 5 {
		_ = at(mes.PIN, "111222")
	}
	if err := at(mes.PIN, operatorPIN); err == nil {
		t.Error("the PIN is not locked")
	}
	if err := at(mes.Password, operatorPassword); err != nil {
		t.Errorf("the password: %v", err)
	}
}

// Ten thousand guesses cost no more than the number of hashes that one source has, whatever it guesses at.
func TestGuessesAreBudgeted(t *testing.T) {
	p := newPlant(t)
	d := atOnce(p.server)
	var all sync.WaitGroup
	for worker := range 20 {
		all.Go(func() {
			for i := range 500 {
				badge := []string{"1001", "2001", fmt.Sprint("nobody", worker, i)}[i%3]
				if err := guess(d, "10.1.1.1", badge, fmt.Sprint("guess number ", worker, i)); err == nil {
					t.Error("a guess was right")
				}
			}
		})
	}
	all.Wait()
	if n := p.failures(); n > sourceFailures {
		t.Errorf("%d of 10,000 guesses were checked", n)
	}
	if err := guess(d, "10.1.1.1", "1001", operatorPassword); err == nil {
		t.Error("the source is not blocked")
	}
}

// A flood of guesses from many sources, over real connections, leaves an enrolled station its sign-in.
func TestStationSignsInDuringAFlood(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.StrangersFrom, o.Limits.Strangers = 5, 60 })
	_, key := p.sshKey("", "K1")
	stop := make(chan struct{})
	var guesses atomic.Int64
	var all sync.WaitGroup
	for worker := range 60 {
		all.Go(func() {
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(worker%30+1))}, Timeout: time.Second}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := from.Dial("tcp", p.server.SSHAddr())
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
				config := &gossh.ClientConfig{User: fmt.Sprint("200", worker%4), Auth: []gossh.AuthMethod{gossh.Password("some-wrong-secret")}, HostKeyCallback: gossh.InsecureIgnoreHostKey()}
				guesses.Add(1)
				if c, _, _, err := gossh.NewClientConn(conn, "", config); err == nil {
					t.Error("a guess was right")
					c.Close()
				}
				conn.Close()
			}
		})
	}
	time.Sleep(2 * time.Second)
	for range 3 {
		began := time.Now()
		client, err := p.dial("kiosk", gossh.PublicKeys(key.Signer()))
		p.must(err)
		connected := time.Since(began)
		open(t, client, 80, 24)
		v := <-p.visits
		opened := time.Since(began)
		if _, _, err := v.SignIn(context.Background(), "1001", operatorPIN); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > slowdown*2*time.Second {
			t.Errorf("the station's sign-in took %v: connected after %v, at the screen after %v", took, connected, opened)
		}
		client.Close()
	}
	close(stop)
	all.Wait()
	t.Logf("%d guesses meanwhile", guesses.Load())
	if guesses.Load() < 60 {
		t.Errorf("only %d guesses were made: this was no flood", guesses.Load())
	}
}

// Unknown, wrong, locked, disabled and expired are told in the same words, after the same time.
func TestOneAnswerInOneTime(t *testing.T) {
	p := newPlant(t)
	for _, badge := range []mes.ID{"3001", "3002", "3003"} {
		p.person(badge, mes.Grant{Role: mes.Operator})
	}
	p.do(&mes.DisablePerson{Person: "3001", Reason: "left"})
	hash, err := p.hasher.Hash(context.Background(), operatorPassword, keys.Ordinary)
	p.must(err)
	p.do(&mes.ResetSecret{Person: "3002", Kind: mes.Password, Hash: mes.Secret(hash), Reason: "forgotten"})
	p.ahead.Store(int64(mes.OneTimeFor + time.Second))
	d := p.server.ssh.doorman
	for i := range badgeFailures {
		quick := newDoorman(p.server.ssh.options, d.refusals)
		quick.sleep = func(context.Context, time.Duration) {}
		_ = guess(quick, fmt.Sprint("10.3.3.", i), "3003", "some-wrong-secret")
	}
	cases := map[string][2]string{
		"unknown": {"nobody", operatorPassword}, "wrong": {"1001", "some-wrong-secret"}, "locked": {"3003", operatorPassword},
		"disabled": {"3001", operatorPassword}, "expired": {"3002", operatorPassword},
	}
	const rounds = 6
	took := map[string][]time.Duration{}
	texts := map[string]bool{}
	var mu sync.Mutex
	for round := range rounds {
		var all sync.WaitGroup
		for name, c := range cases {
			all.Go(func() {
				began := time.Now()
				err := guess(d, fmt.Sprintf("10.4.%d.%d", round, len(name)), c[0], c[1])
				mu.Lock()
				defer mu.Unlock()
				took[name] = append(took[name], time.Since(began))
				if err == nil {
					t.Errorf("%s was let in", name)
					return
				}
				texts[err.Error()] = true
			})
		}
		all.Wait()
	}
	if len(texts) != 1 {
		t.Errorf("the answers differ: %v", texts)
	}
	low, high := math.Inf(1), 0.0
	for name, times := range took {
		slices.Sort(times)
		median := times[len(times)/2].Seconds()
		t.Logf("%s: median %.4f s", name, median)
		low, high = min(low, median), max(high, median)
	}
	if high-low > 0.05*low {
		t.Errorf("the medians lie %.1f %% apart", 100*(high-low)/low)
	}
}

// Whoever comes to manage access gets the costlier hash at the next sign-in, and the sign-in still works.
func TestRehashAtSignIn(t *testing.T) {
	p := newPlant(t)
	d := atOnce(p.server)
	hash := func() string {
		c, err := p.store.Credential(context.Background(), mes.Fresh, mes.CredentialID(p.idOf("1001"), mes.Password))
		p.must(err)
		return string(c.Hash)
	}
	before := hash()
	p.must(guess(d, "10.1.1.1", "1001", operatorPassword))
	if hash() != before {
		t.Error("a hash was made anew without need")
	}
	p.do(&mes.GrantRole{Person: "1001", Role: mes.Admin, Reason: "promoted"})
	p.must(guess(d, "10.1.1.1", "1001", operatorPassword))
	if after := hash(); after == before || p.hasher.NeedsRehash(after, keys.Administrator) {
		t.Error("the hash of an administrator is not the costlier one")
	}
	p.must(guess(d, "10.1.1.1", "1001", operatorPassword))
}

func (p *plant) idOf(badge mes.ID) mes.ID {
	p.t.Helper()
	person, err := p.store.Person(context.Background(), mes.Fresh, badge)
	p.must(err)
	return person.ID
}
