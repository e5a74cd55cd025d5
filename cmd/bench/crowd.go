package main

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

// crowd calls step over and over from n goroutines at once until the time is up or one fails, and adds up what they
// did. A step tells how many units it had acknowledged. Steps that have begun are finished and counted, and so is the
// time they take.
func crowd(ctx context.Context, n int, length time.Duration, step func(ctx context.Context, worker int) (int, error)) (spell, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	spells, errs := make([]spell, n), make([]error, n)
	begin, cpu := time.Now(), cpuTime()
	end := begin.Add(length)
	for w := range n {
		wait.Go(func() {
			s := &spells[w]
			for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
				units, err := step(ctx, w)
				if errors.Is(err, errSpent) {
					return
				}
				if err != nil {
					errs[w] = err
					cancel()
					return
				}
				then := now
				now = time.Now()
				s.units += units
				s.latencies = append(s.latencies, now.Sub(then))
			}
		})
	}
	wait.Wait()
	total := spell{took: time.Since(begin), cpu: cpuTime() - cpu}
	for i := range spells {
		total.units += spells[i].units
		total.latencies = append(total.latencies, spells[i].latencies...)
	}
	return total, errors.Join(errs...)
}

// errSpent is how a step says that what was made ready for it is used up.
var errSpent = errors.New("nothing is left to do")

// together calls do for 0 to n-1, up to 64 at once, for setting things up.
func together(n int, do func(i int) error) error {
	var wait sync.WaitGroup
	errs := make([]error, n)
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// cpuTime is the processor time that this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
