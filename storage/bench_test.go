package storage

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gemba/mes"
	"gemba/storage/rqlitetest"
)

// Reports through the one door, 64 operators at once, each on an order of their own.
func BenchmarkReports(b *testing.B) {
	onBothBench(b, func(b *testing.B, s *Store) {
		const workers = 64
		f := newFloor(b, s)
		actors := make([]mes.Actor, workers)
		for i := range workers {
			number := fmt.Sprintf("W%03d", i)
			actors[i] = f.operator(fmt.Sprintf("B%03d", i))
			f.order(number, 1_000_000_000)
			f.do(actors[i], &mes.StartJob{Order: mes.ID(number), Operation: "10"})
		}
		var mu sync.Mutex
		var took []time.Duration
		var wg sync.WaitGroup
		var next atomic.Int64
		before := processorTime(b)
		b.ResetTimer()
		for w := range workers {
			wg.Go(func() {
				var mine []time.Duration
				for next.Add(1) <= int64(b.N) {
					begin := time.Now()
					f.do(actors[w], &mes.ReportJob{Order: mes.ID(fmt.Sprintf("W%03d", w)), Operation: "10", Good: 1})
					mine = append(mine, time.Since(begin))
				}
				mu.Lock()
				took = append(took, mine...)
				mu.Unlock()
			})
		}
		wg.Wait()
		b.StopTimer()
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		slices.Sort(took)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// Samples as bulk rows, 1,000 a change, from four senders.
func BenchmarkSamples(b *testing.B) {
	onBothBench(b, func(b *testing.B, s *Store) {
		const senders, batch = 4, 1000
		var wg sync.WaitGroup
		var next atomic.Int64
		before := processorTime(b)
		b.ResetTimer()
		for w := range senders {
			wg.Go(func() {
				for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
					rows := make([]mes.Sample, batch)
					for j := range rows {
						rows[j] = mes.Sample{Machine: mes.ID(fmt.Sprint("M", w)), Tag: fmt.Sprint("tag", j%20), At: noon.Add(time.Duration(i*batch+j) * time.Millisecond), Value: float64(j) * 1.25}
					}
					c := changing(b, mes.ID(fmt.Sprint("c", i)), nil)
					c.Bulk = []any{rows}
					if _, err := s.Commit(context.Background(), c); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N*batch), "cpu-ns/row")
		b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "rows/s")
	})
}

func onBothBench(b *testing.B, bench func(b *testing.B, s *Store)) {
	b.Run("sqlite", func(b *testing.B) {
		bench(b, open(b, Options{Store: "sqlite:" + filepath.Join(b.TempDir(), "floor.db")}))
	})
	b.Run("rqlite", func(b *testing.B) {
		c := rqlitetest.Start(b, 1)
		bench(b, open(b, Options{Store: c.Store(), TLS: c.TLS()}))
	})
}

// processorTime is what this process has used: it tells cost apart from what else the machine is doing.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
