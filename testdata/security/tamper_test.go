package security

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTamper is group T: what is done to the records behind gemba's back is found, and the first bad entry named.
func TestTamper(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	s.mustRun(t, "3001", "order create product=V-110 quantity=10 number=T-1", nil)
	earlier := s.copyFiles(t) // as a thief with time would have it: whole, but of before
	s.mustRun(t, "3001", "order release T-1", nil)
	s.mustRun(t, "2001", "order hold T-1 type=quality reason=checked", nil)
	s.run(t, "5002", "order release T-1")
	for _, trouble := range s.stop() {
		t.Fatal(trouble)
	}
	verify := func(dir string) (string, bool) {
		said, err := exec.Command(program, "ledger", "verify", "--data", dir).CombinedOutput()
		return strings.TrimSpace(string(said)), err == nil
	}
	said, whole := verify(s.data())
	checkThat(t, "T", "nothing was done", whole, "%s", said)

	sqlite, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Fatal("sqlite3 is needed; deploy/tools.sh says how to get it")
	}
	cases := table[struct {
		Refused []struct{ Name, SQL string }
		Found   []struct{ Name, SQL, Entry string }
	}](t, "tamper.toml")
	for _, c := range cases.Refused {
		dir := s.copyFiles(t)
		said, err := exec.Command(sqlite, filepath.Join(dir, "gemba.db"), c.SQL).CombinedOutput()
		checkThat(t, "T", c.Name, err != nil, "the database did it: %s", said)
		told, whole := verify(dir)
		checkThat(t, "T", c.Name+" leaves the ledger whole", whole, "%s", told)
	}
	for _, c := range cases.Found {
		dir := s.copyFiles(t)
		if said, err := exec.Command(sqlite, "-bail", filepath.Join(dir, "gemba.db"), c.SQL).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c.Name, err, said)
		}
		told, whole := verify(dir)
		checkThat(t, "T", c.Name, !whole && strings.Contains(told, c.Entry), "verify says: %s", told)
	}

	// The file of an hour ago in the place of today's: whole in itself, and not what the heads outside of it say.
	dir := s.copyFiles(t)
	copyFile(t, filepath.Join(earlier, "gemba.db"), filepath.Join(dir, "gemba.db"))
	told, whole := verify(dir)
	checkThat(t, "T", "the whole file rolled back", !whole, "verify says: %s", told)

	// Bytes in the middle of the file, as a failing disk or a hex editor leaves them.
	dir = s.copyFiles(t)
	file := filepath.Join(dir, "gemba.db")
	text, err := os.ReadFile(file)
	must(t, err)
	at := strings.Index(string(text), "order.hold")
	checkThat(t, "T", "the ledger is where it is", at > 0, "not in the file")
	copy(text[at:], "order.held")
	must(t, os.WriteFile(file, text, 0o600))
	told, whole = verify(dir)
	checkThat(t, "T", "bytes of an entry", !whole, "verify says: %s", told)
}

// copyFiles makes a copy of the site's data folder, with the database as it is at this moment.
func (s *site) copyFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copyFolder(t, s.data(), dir, "gemba.db")
	backup := fmt.Sprintf(".backup '%s'", filepath.Join(dir, "gemba.db"))
	if said, err := exec.Command("sqlite3", filepath.Join(s.data(), "gemba.db"), backup).CombinedOutput(); err != nil {
		t.Fatalf("copy the database: %v: %s", err, said)
	}
	return dir
}

// copyFolder copies files and folders, but not those whose names begin like one of a list.
func copyFolder(t *testing.T, from, to string, without ...string) {
	t.Helper()
	must(t, filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case slices.ContainsFunc(without, func(w string) bool { return strings.HasPrefix(name, w) }):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o600)
	}))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o600))
}
