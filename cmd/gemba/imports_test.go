package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The arrows between the rooms run one way. What a room may import of ours is listed here; what is not listed is not
// allowed, and a room that is not listed may not be.
var allowedImports = map[string][]string{
	"gemba/mes":                        {},
	"gemba/keys":                       {},
	"gemba/storage":                    {"gemba/mes"},
	"gemba/storage/rqlitetest":         {},
	"gemba/storage/rqlitetest/cluster": {"gemba/storage/rqlitetest"},
	"gemba/mes/plain":                  {},
	"gemba/tui":                        {"gemba/mes", "gemba/tui/text", "gemba/tui/widget"},
	"gemba/tui/text":                   {},
	"gemba/tui/widget":                 {"gemba/tui/text", "gemba/mes/plain"},
	"gemba/server":                     {"gemba/mes", "gemba/mes/plain", "gemba/keys"},
	"gemba/testdata/plant":             {},
	"gemba/cmd/bench":                  {"gemba/mes", "gemba/keys", "gemba/server", "gemba/storage", "gemba/storage/rqlitetest"},
	"gemba/cmd/gemba":                  {"gemba/mes", "gemba/mes/plain", "gemba/keys", "gemba/server", "gemba/storage", "gemba/tui", "gemba/testdata/plant"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "gemba/...", "gemba/testdata/plant").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		room, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		allowed, known := allowedImports[room]
		if !known {
			t.Errorf("room %s is not in the list of allowed imports; add it with what it may import", room)
		}
		for _, name := range strings.Fields(imports) {
			if strings.HasPrefix(name, "gemba/") && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s, which it may not", room, name)
			}
		}
	}
}

// mes is the floor's rules alone: the standard library, and nothing of it that reads, writes, dials or tells the time
// by itself.
func TestImportsOfMES(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, "gemba/mes").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if strings.Contains(name, ".") || slices.Contains([]string{"os", "io/fs", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "database/sql", "log", "log/slog"}, name) {
			t.Errorf("mes imports %s; it does no I/O and draws no random number", name)
		}
	}
}
