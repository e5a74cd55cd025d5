package security

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestExposure is what somebody on the network sees of a site: two doors, and only from where they may be seen.
func TestExposure(t *testing.T) {
	t.Parallel()
	doorAddresses(t)
	s := newSite(t, "sqlite", "--allow", "127.0.0.1/32,127.5.0.0/16")
	inside, outside := net.IPv4(127, 5, 0, 1), net.IPv4(127, 6, 0, 1)
	for door, address := range map[string]string{"SSH": s.known.SSH, "API": strings.TrimPrefix(s.known.API, "https://")} {
		conn, err := dialFrom(outside, address)
		got := "not a byte"
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			if n, _ := conn.Read(make([]byte, 64)); n > 0 {
				got = fmt.Sprintf("%d bytes", n)
			}
			if stalled(conn, 3*time.Second) == "open" {
				got = "left open"
			}
			conn.Close()
		}
		check(t, "Y", "the "+door+" door, from a network that is not let in", "not a byte", got)
	}
	client, err := s.dial(inside, "2001", ssh.PublicKeys(keyFile(t, s.person("2001").File)))
	check(t, "Y", "the SSH door, from one that is", "as 2001", s.who(client, err))
	check(t, "Y", "the API door, from one that is", "200", s.callerFrom(t, inside).call(s.key("erp"), "GET", "/v1/me", "").outcome())
	listeners, foreign := s.sockets(t)
	check(t, "Y", "listeners", "2", fmt.Sprint(len(listeners)))
	for _, address := range listeners {
		checkThat(t, "Y", "a listener on loopback", strings.HasPrefix(address, "0100007F:"), "it is at %s", address)
	}
	check(t, "Y", "connections to others", "[]", fmt.Sprint(foreign))
	ledger := func(badge, line string) string {
		client, err := s.dial(inside, badge, ssh.PublicKeys(keyFile(t, s.person(badge).File)))
		must(t, err)
		defer client.Close()
		r, err := command(client, line, "")
		must(t, err)
		if r.status != 0 {
			t.Fatalf("%s: %s", line, r.errs)
		}
		return r.out
	}
	checkThat(t, "Y", "who was turned away is in the ledger", wait(5*time.Second, func() bool {
		return strings.Contains(ledger("5001", "ledger list limit=200 --json"), outside.String())
	}), "they are not")
	networks(t)
}

// doorAddresses are where a door may be opened.
func doorAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:0": "0", "10.1.2.3:22": "0", "192.168.1.2:22": "0", "172.31.0.1:22": "0", "[::1]:22": "0", "[fd00::1]:22": "0",
		"0.0.0.0:22": "78", "[::]:22": "78", ":22": "78", "8.8.8.8:22": "78", "[2001:db8::1]:22": "78", "100.64.0.1:22": "78", "[::ffff:8.8.8.8]:22": "78",
		"[::ffff:0.0.0.0]:22": "78", "example.org:22": "78", "0:22": "78", "172.32.0.1:22": "78", "192.169.0.1:22": "78", "224.0.0.1:22": "78", "nonsense": "78",
	} {
		for _, door := range []string{"--ssh", "--api"} {
			cmd := exec.Command(program, "serve", "--check", "--data", t.TempDir(), door, address)
			said, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			check(t, "Y", door+" "+address, want, fmt.Sprint(cmd.ProcessState.ExitCode()))
			checkThat(t, "Y", door+" "+address+" is explained", len(said) > 10, "gemba says %q", said)
		}
	}
	for _, option := range []string{"--no-auth", "--dev", "--insecure", "--anonymous", "--disable-audit", "--skip-tls"} {
		if err := exec.Command(program, "serve", "--check", "--data", t.TempDir(), option).Run(); err == nil {
			t.Errorf("there is an option %s", option)
		}
	}
}

// sockets gives where the process listens, and whom outside of this machine it is connected to.
func (s *site) sockets(t *testing.T) (listeners, foreign []string) {
	t.Helper()
	own := map[string]bool{}
	folder := fmt.Sprintf("/proc/%d/fd", s.process.Pid)
	files, err := os.ReadDir(folder)
	must(t, err)
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && strings.HasPrefix(to, "socket:[") {
			own[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/net/" + name)
		must(t, err)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || !own[f[9]] {
				continue
			}
			switch here, there, state := f[1], f[2], f[3]; {
			case state == "0A" || strings.HasPrefix(name, "udp"):
				listeners = append(listeners, here)
			case !strings.HasSuffix(strings.Split(there, ":")[0], "7F"):
				foreign = append(foreign, there)
			}
		}
	}
	return listeners, foreign
}

// networks: a key that may come from one network is nobody's in another, and one that comes from two places is told of.
func networks(t *testing.T) {
	s := newSite(t, "sqlite")
	home, away := net.IPv4(127, 9, 0, 1), net.IPv4(127, 8, 0, 1)
	var made struct{ Key string }
	s.mustRun(t, "9001", "key issue name=bound kind=program principal=bound role=viewer network=127.9.0.0/16 --json", &made)
	check(t, "Y", "a bound key at home", "200", s.callerFrom(t, home).call(made.Key, "GET", "/v1/me", "").outcome())
	check(t, "Y", "a bound key elsewhere", "401 unauthenticated", s.callerFrom(t, away).call(made.Key, "GET", "/v1/me", "").outcome())
	for _, network := range []string{"127.9.0.0/33", "nonsense", "127.9.0.1/16", "0.0.0.0/0.0.0.0"} {
		r := s.run(t, "9001", "key issue name=x kind=program principal=bad role=viewer network="+network)
		checkThat(t, "Y", "a key for the network "+network, r.status == 2 || r.status == 0 && network == "127.9.0.1/16", "status %d", r.status)
	}
	s.mustRun(t, "9001", "station enrol code=HANDHELD-1 name='Maintenance handheld' line=TURN machine=TURN-1 networks=127.9.0.0/16", nil)
	station := ssh.PublicKeys(keyFile(t, s.station("HANDHELD-1")))
	client, err := s.dial(away, "kiosk", station)
	check(t, "Y", "a station's key elsewhere", "refused", s.who(client, err))
	client, err = s.dial(home, "kiosk", station)
	check(t, "Y", "a station's key at home", "as a station", s.who(client, err))

	for _, from := range []net.IP{home, away, home, away} {
		check(t, "Y", "a key from two places", "200", s.callerFrom(t, from).call(s.key("reporting"), "GET", "/v1/me", "").outcome())
	}
	checkThat(t, "Y", "it is told of", wait(5*time.Second, func() bool {
		return strings.Contains(s.run(t, "5001", "ledger list command=alert.raise limit=50 --json").out, strings.Split(s.key("reporting"), "_")[2][:8])
	}), "it is not")
}
