package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"time"
)

// A benchmark compares what gemba reaches with its floor.
type benchmark struct {
	name  string
	unit  string
	goal  float64       // value that is asked for
	p99   time.Duration // latency that 99 of 100 must stay below, 0 when none is asked for
	about string
	open  func(ctx context.Context, s *setting) (trial, error)
}

// benchmarks lists every benchmark there is; a new one is a row here and a file with its trial.
var benchmarks = []benchmark{
	{"reports-sqlite", "reports/s", 8000, 20 * time.Millisecond,
		"job reports through App.Do, 64 at once, on SQLite; floor: single commits of one row, one after the other", openReportsSQLite},
	{"reports-rqlite", "reports/s", 2500, 0,
		"job reports through App.Do, 64 at once, on one rqlited; floor: single inserts, 64 at once", openReportsRqlite},
	{"ingest-sqlite", "rows/s", 150_000, 0,
		"samples through the keyed HTTPS API, batches of 1,000 over four connections, on SQLite; floor: prepared inserts, 1,000 a transaction", openIngestSQLite},
	{"ingest-rqlite", "rows/s", 60_000, 0,
		"samples through the keyed HTTPS API, batches of 1,000 over four connections, on one rqlited; floor: json_each inserts of 1,000, four at once", openIngestRqlite},
}

// setting is what all benchmarks of a run have in common.
type setting struct {
	folder string        // of this benchmark's own, on the disk that is measured
	orders int           // work orders of the plant
	length time.Duration // of one round of one side
}

// A trial is a benchmark that is set up: both sides ready to work, in turns, for about a given time each.
type trial interface {
	floor(ctx context.Context, length time.Duration) (spell, error)
	ours(ctx context.Context, length time.Duration) (spell, error)
	// check asks the database itself whether it holds everything that was acknowledged.
	check(ctx context.Context) error
	// note says in a line what was done, for readers of the figures.
	note() string
	close() error
}

// A spell is one side's work for a while. Only what was acknowledged counts.
type spell struct {
	units     int
	took      time.Duration
	cpu       time.Duration   // processor time of this process meanwhile
	latencies []time.Duration // of each request, in no order; nil when they are not of interest
}

func (s spell) rate() float64 { return float64(s.units) / s.took.Seconds() }

// rounds is how often the sides take turns. An odd number has a median that was really measured.
const rounds = 5

// measure runs a benchmark.
func (b *benchmark) measure(ctx context.Context, s *setting) (f Figure, err error) {
	t, err := b.open(ctx, s)
	if err != nil {
		return f, fmt.Errorf("set up: %w", err)
	}
	defer func() { err = errors.Join(err, t.close()) }()
	floor := func(length time.Duration) (sp spell, err error) {
		pprof.Do(ctx, pprof.Labels("side", "floor"), func(ctx context.Context) { sp, err = t.floor(ctx, length) })
		if err != nil {
			err = fmt.Errorf("floor: %w", err)
		}
		return sp, err
	}
	// What is cold costs only once: pages, plans, connections, and the first fill of the caches.
	if _, err := floor(s.length / 2); err != nil {
		return f, err
	}
	if _, err := t.ours(ctx, s.length); err != nil {
		return f, err
	}
	f = Figure{Name: b.name, Unit: b.unit, Goal: b.goal, GoalP99: milliseconds(b.p99)}
	var total spell
	for round := range rounds {
		for side := range 2 {
			runtime.GC() // each side cleans up its own garbage
			if side == round%2 {
				sp, err := floor(s.length)
				if err != nil {
					return f, err
				}
				f.FloorRounds = append(f.FloorRounds, rounded(sp.rate()))
				continue
			}
			sp, err := t.ours(ctx, s.length)
			if err != nil {
				return f, err
			}
			f.Rounds = append(f.Rounds, rounded(sp.rate()))
			total.units, total.cpu, total.latencies = total.units+sp.units, total.cpu+sp.cpu, append(total.latencies, sp.latencies...)
		}
	}
	if err := t.check(ctx); err != nil {
		return f, fmt.Errorf("the database does not hold what was acknowledged: %w", err)
	}
	f.Value, f.Floor = median(f.Rounds), median(f.FloorRounds)
	f.Ratio = ratio(f.Value, f.Floor)
	f.P50, f.P99 = milliseconds(percentile(total.latencies, 50)), milliseconds(percentile(total.latencies, 99))
	f.CPU = rounded(float64(total.cpu.Microseconds()) / float64(max(total.units, 1)))
	f.Note = t.note()
	return f, nil
}
