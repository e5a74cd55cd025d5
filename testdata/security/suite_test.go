package security

import (
	"bytes"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

var full = flag.Bool("security.full", false, "run the whole suite, with the outside tools, and write build/security.json")

// program is the gemba that is attacked, and scratch the folder of this run. Both are gone when it ends.
var program, scratch string

//go:embed *.toml
var tables embed.FS

// TestMain builds the program, runs the suite and sums it up.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // most of the time goes by waiting for what must time out
		panic(err)
	}
	status := 1
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		began := time.Now()
		status = m.Run()
		if !closeSites() {
			status = 1
		}
		if !sumUp(time.Since(began)) {
			status = 1
		}
	}
	os.RemoveAll(scratch)
	os.Exit(status)
}

func prepare() (err error) {
	if scratch, err = os.MkdirTemp("", "gemba-security"); err != nil {
		return err
	}
	program = filepath.Join(scratch, "gemba")
	build := exec.Command("go", "build", "-o", program, "gemba/cmd/gemba")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build gemba: %w\n%s", err, said)
	}
	return nil
}

// A tally is what a group came to.
type tally struct {
	Cases       int      `json:"cases"`
	Differences []string `json:"differences"`
}

var (
	talliesMu sync.Mutex
	tallies   = map[string]*tally{}
)

// groups are all there are, by letter. One that the run was to include and that checked nothing is a failure of its own.
var groups = map[string]string{
	"A": "authentication", "B": "brute force", "C": "timing", "D": "SSH protocol", "E": "SSH load", "F": "terminal sizes",
	"G": "keys and scans", "H": "HTTP", "I": "injection", "K": "API keys", "P": "permissions", "S": "sessions", "T": "tampering",
	"V": "display", "X": "secrets", "Y": "exposure and tools",
}

// check counts a case and compares what came of it with what is right. Several right outcomes are separated by " or ".
func check(t *testing.T, group, name, want, got string) bool {
	t.Helper()
	if groups[group] == "" {
		t.Fatalf("there is no group %q", group)
	}
	ok := slices.ContainsFunc(strings.Split(want, " or "), func(w string) bool { return meets(w, got) })
	talliesMu.Lock()
	defer talliesMu.Unlock()
	g := tallies[group]
	if g == nil {
		g = &tally{Differences: []string{}}
		tallies[group] = g
	}
	g.Cases++
	if !ok {
		g.Differences = append(g.Differences, fmt.Sprintf("%s: want %s, got %s", name, want, got))
		t.Errorf("%s %s: want %s, got %s", group, name, want, got)
	}
	return ok
}

// meets tells whether an outcome is one that was wanted, part by part: 4xx is any answer of that class.
func meets(want, got string) bool {
	if want == got {
		return true
	}
	w, g := strings.Split(want, ", "), strings.Split(got, ", ")
	return len(w) == len(g) && !slices.ContainsFunc(w, func(string) bool { return got == "" }) && slices.EqualFunc(w, g, func(w, g string) bool {
		return w == g || w == "4xx" && len(g) >= 3 && g[0] == '4'
	})
}

// checkThat counts a case that is right or wrong; otherwise says what was seen instead.
func checkThat(t *testing.T, group, name string, right bool, otherwise string, args ...any) bool {
	t.Helper()
	got := "right"
	if !right {
		got = fmt.Sprintf(otherwise, args...)
	}
	return check(t, group, name, "right", got)
}

// sumUp prints the cases of each group, and in the full form keeps them. It is false when anything differed.
func sumUp(took time.Duration) bool {
	talliesMu.Lock()
	defer talliesMu.Unlock()
	cases, differences := 0, 0
	var letters []string
	for letter, g := range tallies {
		letters = append(letters, letter)
		cases += g.Cases
		differences += len(g.Differences)
	}
	slices.Sort(letters)
	for _, letter := range letters {
		g := tallies[letter]
		fmt.Printf("%s %-20s %6d cases, %d differences\n", letter, groups[letter], g.Cases, len(g.Differences))
	}
	fmt.Printf("security: %d cases, %d differences, %.0f s\n", cases, differences, took.Seconds())
	if *full {
		if err := keepReport(cases, differences, took); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return false
		}
	}
	return differences == 0
}

// keepReport writes build/security.json.
func keepReport(cases, differences int, took time.Duration) error {
	text, err := json.MarshalIndent(map[string]any{
		"at": time.Now().UTC().Format(time.RFC3339), "form": "full", "seconds": int(took.Seconds()), "cases": cases,
		"differences": differences, "groups": tallies, "measured": measured,
	}, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join("..", "..", "build", "security.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// measured holds the figures of a run for its report.
var measured = map[string]float64{}

// measure notes a figure.
func measure(t *testing.T, name string, value float64) {
	t.Helper()
	t.Logf("%s: %.3g", name, value)
	talliesMu.Lock()
	defer talliesMu.Unlock()
	measured[name] = value
}

// table reads the cases of a group. A name that the cases do not have is an error: a misspelt expectation must not pass.
func table[T any](t *testing.T, file string) T {
	t.Helper()
	var into T
	text, err := tables.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&into)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		t.Fatalf("%s: unknown names %v", file, unknown)
	}
	return into
}

// must ends a test whose preparation failed: that is no finding about gemba.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needTool ends a test of the full form that cannot run, and says what to install.
func needTool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("the full form needs %s; on Debian or Ubuntu: apt-get install %s", name, debian)
	}
	return path
}
