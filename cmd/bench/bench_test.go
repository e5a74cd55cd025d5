package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Smoke runs of the benchmarks that need no other process: they give figures, check what they wrote, and leave nothing.
func TestRun_onSQLite(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "figures", "bench.json")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-quick", "-only", "reports-sqlite,ingest-sqlite", "-dir", dir, "-out", out}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var figures []map[string]any
	if err := json.Unmarshal(text, &figures); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var names []string
	for _, f := range figures {
		names = append(names, f["name"].(string))
		for _, field := range []string{"value", "floor", "ratio", "p50", "p99", "goal"} {
			if n, ok := f[field].(float64); !ok || n <= 0 {
				t.Errorf("%s: %s is %v", f["name"], field, f[field])
			}
		}
		if f["unit"] == "" || f["note"] == "" || len(f["rounds"].([]any)) != rounds || len(f["floor_rounds"].([]any)) != rounds {
			t.Errorf("incomplete: %v", f)
		}
	}
	if !slices.Equal(names, []string{"reports-sqlite", "ingest-sqlite"}) {
		t.Errorf("figures of %v", names)
	}
	for _, want := range append(names, "asked for", "p99 ms", "SQLite") {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, stdout.String())
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRun_refusesWrongOptions(t *testing.T) {
	for _, args := range [][]string{{"-only", "reports-paper"}, {"-seconds", "0"}, {"reports-sqlite"}, {"-no-such-option"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: exit %d, %q", args, code, stderr.String())
		}
	}
}

// brokenTrial has acknowledged more than it holds.
type brokenTrial struct{ closed bool }

func (t *brokenTrial) floor(context.Context, time.Duration) (spell, error) {
	return spell{units: 1, took: time.Millisecond}, nil
}
func (t *brokenTrial) ours(context.Context, time.Duration) (spell, error) {
	return spell{units: 1, took: time.Millisecond, latencies: []time.Duration{time.Millisecond}}, nil
}
func (t *brokenTrial) check(context.Context) error {
	return errors.New("reports: 1 are there and 2 were acknowledged")
}
func (t *brokenTrial) note() string { return "broken" }
func (t *brokenTrial) close() error { t.closed = true; return nil }

// What the database does not hold is no figure, and fails the whole run.
func TestAll_failsLoudly(t *testing.T) {
	broken := &brokenTrial{}
	b := benchmark{name: "broken", unit: "reports/s", open: func(context.Context, *setting) (trial, error) { return broken, nil }}
	dir := t.TempDir()
	out := filepath.Join(dir, "bench.json")
	var stdout, stderr bytes.Buffer
	err := all(t.Context(), &setting{length: time.Millisecond}, []benchmark{b}, dir, out, &stdout, &stderr)
	if err == nil || !strings.Contains(err.Error(), "1 are there and 2 were acknowledged") {
		t.Errorf("error %v", err)
	}
	if !broken.closed {
		t.Error("not closed")
	}
	if text, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(text)) != "[]" {
		t.Errorf("figures %s, %v", text, err)
	}
}

func TestAgree_namesWhatDiffers(t *testing.T) {
	p := newSQLitePlace(t.TempDir())
	db, err := openBare(t.Context(), p.path, "CREATE TABLE report (id TEXT NOT NULL) STRICT")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO report VALUES ('a'), ('b')"); err != nil {
		t.Fatal(err)
	}
	count := "SELECT count(*) FROM report"
	if err := agree(t.Context(), p, []fact{{"reports", count, 2}}); err != nil {
		t.Error(err)
	}
	err = agree(t.Context(), p, []fact{{"reports", count, 3}, {"orders", "SELECT count(*) FROM work_order", 0}})
	if err == nil || !strings.Contains(err.Error(), "reports: 2 are there and 3 were acknowledged") || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("error %v", err)
	}
}

func TestCrowd_countsWhatWasAcknowledged(t *testing.T) {
	var done [8]int
	s, err := crowd(t.Context(), len(done), 20*time.Millisecond, func(_ context.Context, worker int) (int, error) {
		if done[worker] == 50 {
			return 0, errSpent
		}
		time.Sleep(10 * time.Microsecond)
		done[worker]++
		return 2, nil
	})
	total := 0
	for _, n := range done {
		total += n
	}
	if err != nil || total == 0 || s.units != 2*total || len(s.latencies) != total || s.took <= 0 {
		t.Errorf("%d steps gave %d units with %d latencies in %v, %v", total, s.units, len(s.latencies), s.took, err)
	}
	failure := errors.New("refused")
	if _, err := crowd(t.Context(), 4, time.Minute, func(_ context.Context, worker int) (int, error) {
		if worker == 2 {
			return 0, failure
		}
		return 1, nil
	}); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}

// No batch repeats a sample, or the store would leave it out and the figure would be of nothing.
func TestSamples_neverRepeat(t *testing.T) {
	s := newSamples()
	seen := map[string]bool{}
	for batch := range 3 * machines {
		for i := range batchRows {
			tag, at, _ := s.row(batch, i)
			key := string(s.machine(batch)) + tag + at.Format(time.RFC3339Nano)
			if seen[key] {
				t.Fatalf("batch %d repeats %s", batch, key)
			}
			seen[key] = true
		}
		var body struct{ Samples []json.RawMessage }
		text := s.appendIngest(nil, batch)
		if err := json.Unmarshal(text, &body); err != nil || len(body.Samples) != batchRows || len(text) > bodyBytes {
			t.Fatalf("batch %d: %d samples in %d bytes, %v", batch, len(body.Samples), len(text), err)
		}
	}
}

func TestPrepare_keepsBodiesApart(t *testing.T) {
	b, err := prepare(3, 4, func(to []byte, i int) []byte { return append(to, "abc"[:i+1]...) })
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "ab", "abc"} {
		if got := string(b.get(i)); got != want {
			t.Errorf("body %d is %q, want %q", i, got, want)
		}
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	if _, err := prepare(1, 4, func(to []byte, _ int) []byte { return append(to, "too long"...) }); err == nil {
		t.Error("a body beyond its size was taken")
	}
}

func TestMedianAndPercentile(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("median of three is %v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four is %v", got)
	}
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for p, want := range map[int]time.Duration{50: 50, 99: 99, 100: 100, 1: 1} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("percentile %d is %d", p, got)
		}
	}
	if percentile(nil, 99) != 0 || median(nil) != 0 || ratio(1, 0) != 0 {
		t.Error("nothing is not nothing")
	}
}
