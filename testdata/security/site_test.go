package security

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gemba/storage/rqlitetest"
)

// A site is one gemba with the demonstration plant, and what its attackers know.
type site struct {
	name    string
	dir     string // its data folder is below
	options []string
	cluster *rqlitetest.Cluster
	process *os.Process
	ended   chan struct{} // closed when the process is gone
	exit    error         // of the process, once it is gone
	known   credentials
}

// credentials are what the demonstration hands out.
type credentials struct {
	SSH      string `json:"ssh"`
	API      string `json:"api"`
	CAFile   string `json:"ca_file"`
	HostKey  string `json:"ssh_host_key"`
	People   []person
	Stations []struct {
		Code string
		File string `json:"private_key_file"`
	}
	Keys []struct{ Name, Key string }
}

type person struct {
	Badge, Name, PIN, Password string
	Roles                      []string
	File                       string `json:"private_key_file"`
}

func (s *site) data() string { return filepath.Join(s.dir, "data") }

// person gives somebody of the plant by badge.
func (s *site) person(badge string) person {
	for _, p := range s.known.People {
		if p.Badge == badge {
			return p
		}
	}
	panic("the plant has no badge " + badge)
}

// key gives an API key by name.
func (s *site) key(name string) string {
	for _, k := range s.known.Keys {
		if k.Name == name {
			return k.Key
		}
	}
	panic("the plant has no key " + name)
}

// station gives the file with a station's SSH key.
func (s *site) station(code string) string {
	for _, k := range s.known.Stations {
		if k.Code == code {
			return k.File
		}
	}
	panic("the plant has no station " + code)
}

// openTime bounds the start of a site: on a busy machine the hashes of all the secrets take their time.
const openTime = 90 * time.Second

// newSite starts a gemba that nobody else attacks, and ends it with the test. The engine is sqlite or rqlite.
func newSite(t *testing.T, engine string, options ...string) *site {
	t.Helper()
	s := &site{name: t.Name() + "/" + engine, dir: t.TempDir(), options: options}
	if engine == "rqlite" {
		s.cluster = rqlitetest.Start(t, 3)
	}
	must(t, s.start())
	t.Cleanup(func() {
		for _, trouble := range s.stop() {
			t.Error(trouble)
		}
	})
	return s
}

// start runs the program and waits for its doors.
func (s *site) start() error {
	args := []string{"serve", "--demo", "--data", s.data(), "--ssh", "127.0.0.1:0", "--api", "127.0.0.1:0"}
	if s.cluster != nil {
		ca, cert, key := s.cluster.Files()
		args = append(args, "--store", s.cluster.Store(), "--store-ca", ca, "--store-cert", cert, "--store-key", key)
	}
	file := filepath.Join(s.data(), "demo-credentials.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	output, err := os.OpenFile(s.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, append(args, s.options...)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = output, output, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	s.ended = ended
	go func() {
		defer output.Close()
		runtime.LockOSThread() // the death signal is tied to the thread that forks
		err := cmd.Start()
		started <- err
		if err == nil {
			s.exit = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process = cmd.Process
	for deadline := time.Now().Add(openTime); time.Now().Before(deadline); {
		text, err := os.ReadFile(file)
		if err == nil {
			return json.Unmarshal(text, &s.known)
		}
		select {
		case <-ended:
			said, _ := os.ReadFile(s.output())
			return fmt.Errorf("gemba ended at once: %v\n%s", s.exit, said)
		case <-time.After(30 * time.Millisecond):
		}
	}
	s.kill()
	return fmt.Errorf("gemba did not open its doors in %v", openTime)
}

// output is what gemba prints; a crash would be there.
func (s *site) output() string { return filepath.Join(s.dir, "output") }

func (s *site) kill() {
	if s.process != nil {
		_ = s.process.Kill()
		<-s.ended
		s.process = nil
	}
}

// alive tells whether the process still runs.
func (s *site) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// panics finds what no attack may cause.
var panics = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|.*"panic":.*|.*a screen failed.*)$`)

// stop ends the site as a supervisor would, and tells what was wrong with it: it was dead, it did not stop in time, or
// something in it had failed.
func (s *site) stop() (troubles []string) {
	if s.process == nil {
		return nil
	}
	if !s.alive() {
		troubles = append(troubles, fmt.Sprintf("%s: gemba died: %v", s.name, s.exit))
	}
	_ = s.process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		troubles = append(troubles, s.name+": gemba did not stop in 20 s")
		s.kill()
	}
	s.process = nil
	for _, file := range []string{s.output(), s.log()} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			troubles = append(troubles, err.Error())
		}
		if found := panics.Find(text); found != nil {
			troubles = append(troubles, fmt.Sprintf("%s: %s says: %.600s", s.name, filepath.Base(file), found))
		}
	}
	return troubles
}

func (s *site) log() string { return filepath.Join(s.data(), "gemba.log") }

// memory gives the memory of the process in MB: now, and at its highest.
func (s *site) memory(t *testing.T) (now, highest float64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
	must(t, err)
	field := func(name string) float64 {
		for line := range bytes.Lines(text) {
			if words := strings.Fields(string(line)); len(words) > 1 && words[0] == name+":" {
				kB, err := strconv.ParseFloat(words[1], 64)
				must(t, err)
				return kB / 1024
			}
		}
		t.Fatalf("the system does not tell the memory of a process (%s)", name)
		return 0
	}
	return field("VmRSS"), field("VmHWM")
}

// Sites that several groups share, one for each engine. They are attacked in ways that must not disturb others.
var (
	sharedMu   sync.Mutex
	shared     = map[string]*site{}
	sharedDown []func()
)

// sharedSite gives the site of an engine that several groups attack at once.
func sharedSite(t *testing.T, engine string) *site {
	t.Helper()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if s := shared[engine]; s != nil {
		return s
	}
	s := &site{name: "shared/" + engine, dir: filepath.Join(scratch, "shared-"+engine)}
	if engine == "rqlite" {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // the first build of rqlited takes minutes
		defer cancel()
		cluster, err := rqlitetest.New(ctx, filepath.Join(scratch, "rqlite"), 3)
		must(t, err)
		s.cluster = cluster
		sharedDown = append(sharedDown, cluster.Close)
	}
	must(t, s.start())
	shared[engine] = s
	return s
}

// closeSites ends the shared sites. It is false when one of them had come to harm.
func closeSites() bool {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	whole := true
	for _, s := range shared {
		for _, trouble := range s.stop() {
			fmt.Fprintln(os.Stderr, trouble)
			whole = false
		}
	}
	for _, down := range sharedDown {
		down()
	}
	return whole
}

// onEngines runs a group on the embedded engine, and on the replicated one: always when it is short enough to be part of
// the quick form, in the full form otherwise.
func onEngines(t *testing.T, quickToo bool, group func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); group(t, sharedSite(t, "sqlite")) })
	if quickToo || *full {
		t.Run("rqlite", func(t *testing.T) { t.Parallel(); group(t, sharedSite(t, "rqlite")) })
	}
}

// addresses counts the attackers.
var addresses atomic.Uint32

// newSource gives an address on loopback that nobody has attacked from yet.
func newSource() net.IP {
	n := addresses.Add(1)
	return net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))
}

// dialFrom opens a TCP connection from an address.
func dialFrom(source net.IP, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: source}}
	return d.Dial("tcp", address)
}
