package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"gemba/mes"
)

// The right edge gives the same root as the tree that keeps every node, at every size, also after it was written down and
// read again.
func TestEdge_isTheTreesOwn(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			found[i] = stored[at]
		}
		return found, nil
	})
	var e edge
	for n := range int64(300) {
		if want, err := tlog.TreeHash(n, reader); err != nil || e.root() != want {
			t.Fatalf("%d entries: root %s, want %s (%v)", n, e.root(), want, err)
		}
		again, err := parseEdge(n, e.text())
		if err != nil || again.root() != e.root() {
			t.Fatalf("%d entries: %v", n, err)
		}
		hash := fmt.Sprintf("%064x", n)
		hashes, err := tlog.StoredHashes(n, []byte(hash), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		e = again
		e.add(hash)
	}
	for _, text := range []string{"", "!", e.text() + "AAAA", e.text()[4:]} {
		if _, err := parseEdge(e.n, text); err == nil {
			t.Errorf("%.20q was taken for an edge", text)
		}
	}
	if _, err := parseEdge(-1, ""); err == nil {
		t.Error("a tree of less than nothing was taken")
	}
}

// statedBy gives the numbers that a writer's checkpoints are at.
func statedBy(t testing.TB, s *Store, writer string) (numbers []int64) {
	t.Helper()
	made, err := s.checkpoints(t.Context(), fresh, newQuery(selectCheckpoints).and("writer = ?", writer).end("ORDER BY n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range made {
		numbers = append(numbers, c.N)
	}
	return numbers
}

// waitFor asks until it is so.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	for range 400 {
		if so() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("not in 10 s: %s", what)
}

func TestCheckpoint_afterAThousandEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floor.db")
	s := open(t, signing(Options{Store: "sqlite:" + path}))
	done := make(chan error, 64)
	for w := range 64 {
		go func() {
			for i := range 36 {
				if _, err := s.Commit(t.Context(), changing(t, mes.ID(fmt.Sprintf("c-%d-%d", w, i)), nil)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 64 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	numbers := statedBy(t, s, "node1")
	if len(numbers) != 2 || numbers[0] < signEntries || numbers[0] >= signEntries+groupTasks || numbers[1]-numbers[0] < signEntries || numbers[1]-numbers[0] >= signEntries+groupTasks {
		t.Errorf("checkpoints at %v of %d entries", numbers, 64*36)
	}
	if v, err := s.Verify(t.Context()); err != nil || !v.OK || v.Checkpoints != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, path); !v.OK || v.Checkpoints != 3 {
		t.Errorf("a clean stop leaves nothing uncovered: %+v", v)
	}
}

func TestCheckpoint_afterAMinuteWithNews(t *testing.T) {
	s := open(t, signing(Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db"), SignTime: 100 * time.Millisecond}))
	mustCommit(t, s, changing(t, "c1", nil))
	waitFor(t, "a checkpoint though nothing more is committed", func() bool { return len(statedBy(t, s, "node1")) == 1 })
	if h := s.LedgerHealth(time.Now()); h.Entries != 1 || h.Covered != 1 || h.Stale {
		t.Errorf("%+v", h)
	}
	time.Sleep(300 * time.Millisecond)
	if numbers := statedBy(t, s, "node1"); len(numbers) != 1 {
		t.Errorf("checkpoints at %v without news", numbers)
	}
	anchor, err := mes.Anchor("node1", noon, mes.Checkpoint{Writer: "node2", N: 1})
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, anchor)
	time.Sleep(300 * time.Millisecond)
	if numbers := statedBy(t, s, "node1"); len(numbers) != 1 {
		t.Errorf("checkpoints at %v: an anchor alone is no news", numbers)
	}
	if h := s.LedgerHealth(time.Now().Add(time.Hour)); h.Stale {
		t.Errorf("%+v: an anchor alone makes no head stale", h)
	}
}

// A node that starts again goes on with its tree where it was.
func TestCheckpoint_goesOnAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floor.db")
	n := 0
	for range 4 {
		s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + path, Writer: "node1"}))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			n++
			mustCommit(t, s, changing(t, mes.ID(fmt.Sprint("c", n)), nil))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if v := verify(t, path); !v.OK || v.Checkpoints != 4 {
		t.Errorf("%+v", v)
	}
}

// A checkpoint whose answer is lost is made once, and the one that counts is witnessed.
func TestCheckpoint_lostAnswer(t *testing.T) {
	heads := filepath.Join(t.TempDir(), "ledger.heads")
	s := open(t, signing(Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db"), SignTime: 100 * time.Millisecond, Witness: heads}))
	mustCommit(t, s, changing(t, "c1", nil))
	waitFor(t, "the first checkpoint", func() bool { return s.LedgerHealth(time.Now()).Covered == 1 })
	lost := &lossy{engine: s.engine, plan: []string{"", "after"}}
	s.engine = lost
	mustCommit(t, s, changing(t, "c2", nil)) // its batch carries a checkpoint or the next one loses its answer
	mustCommit(t, s, changing(t, "c3", nil))
	waitFor(t, "the checkpoint over the last entry", func() bool { return s.LedgerHealth(time.Now()).Covered == 3 })
	if err := s.witness.close(); err != nil {
		t.Fatal(err)
	}
	w, err := ReadWitness(heads)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context(), w); err != nil || !v.OK || v.Witnessed < 2 {
		t.Errorf("%+v, %v", v, err)
	}
	s.witness = nil
}

// Who cannot sign cannot go on: evidence that is not there is not made up for later.
func TestCheckpoint_thatCannotBeSigned(t *testing.T) {
	o := signing(Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db"), SignTime: time.Millisecond})
	o.SignNote = func(string, string) (string, error) { return "", errors.New("the key is gone") }
	s := open(t, o)
	time.Sleep(5 * time.Millisecond)
	if _, err := s.Commit(t.Context(), changing(t, "c1", nil)); mes.ErrorCode(err) != mes.Internal {
		t.Errorf("%v", err)
	}
	if v, err := s.Verify(t.Context()); err != nil || !v.OK || v.Entries != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

// Proofs hold for every entry and every earlier checkpoint, and for nothing else.
func TestProve(t *testing.T) {
	path := filepath.Join(t.TempDir(), "floor.db")
	for range 3 {
		s, err := Open(t.Context(), signing(Options{Store: "sqlite:" + path, Writer: "node1"}))
		if err != nil {
			t.Fatal(err)
		}
		for range 7 {
			mustCommit(t, s, changing(t, mes.ID(fmt.Sprint("c", s.pulse.Load().last)), nil))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, signing(Options{Store: "sqlite:" + path, ReadOnly: true}))
	judge := signing(Options{}).VerifyNote
	for n := int64(1); n <= 21; n++ {
		since := int64(0)
		if n >= 7 {
			since = n
		}
		p, err := s.Prove(t.Context(), "node1", n, since)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(judge); err != nil {
			t.Errorf("entry %d: %v", n, err)
		}
		if since > 0 && p.Earlier.N != n/7*7 {
			t.Errorf("earlier checkpoint of %d at %d", n, p.Earlier.N)
		}
		for what, spoil := range map[string]func(p *Proof){
			"entry":         func(p *Proof) { p.Entry.Actor = "somebody else" },
			"number":        func(p *Proof) { e := mes.Entry(p.Entry); e.Seal("node1", e.N%21+1, e.PrevHash); p.Entry = exported(e) },
			"writer":        func(p *Proof) { p.Checkpoint.Writer = "node2" },
			"size":          func(p *Proof) { p.Checkpoint.N++ },
			"root":          func(p *Proof) { p.Checkpoint.Root = leaf("x").String() },
			"broken root":   func(p *Proof) { p.Checkpoint.Root = "x" },
			"signature":     func(p *Proof) { p.Checkpoint.Note += "x" },
			"path":          func(p *Proof) { p.Inclusion[0] = leaf("x").String() },
			"broken path":   func(p *Proof) { p.Inclusion[0] = "x" },
			"shorter path":  func(p *Proof) { p.Inclusion = p.Inclusion[1:] },
			"earlier root":  func(p *Proof) { p.Earlier = &mes.Checkpoint{Writer: "node1", N: 3, Root: leaf("x").String()} },
			"other earlier": func(p *Proof) { c := p.Checkpoint; c.N--; p.Earlier = &c },
		} {
			spoilt := *p
			spoilt.Inclusion = append([]string{}, p.Inclusion...)
			spoil(&spoilt)
			if err := spoilt.Check(judge); err == nil {
				t.Errorf("entry %d with another %s was taken", n, what)
			}
		}
	}
	for _, test := range []struct {
		writer   string
		n, since int64
	}{{"node1", 22, 0}, {"node2", 1, 0}, {"node1", 1, 3}} {
		if _, err := s.Prove(t.Context(), test.writer, test.n, test.since); mes.ErrorCode(err) != mes.NotFound {
			t.Errorf("%v: %v", test, err)
		}
	}
}
