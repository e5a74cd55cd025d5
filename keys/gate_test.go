package keys

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(2, 16, 3*time.Second)
		var running, most, done atomic.Int32
		for range 18 { // two run and sixteen wait: all get their turn, 0.3 s apart
			go func() {
				err := gate.Do(t.Context(), func() {
					most.Store(max(most.Load(), running.Add(1)))
					time.Sleep(300 * time.Millisecond)
					running.Add(-1)
				})
				if err == nil {
					done.Add(1)
				}
			}()
		}
		synctest.Wait()
		if err := gate.Do(t.Context(), func() { t.Error("one too many was let in") }); !errors.Is(err, ErrBusy) {
			t.Errorf("with a full queue: got %v, want ErrBusy at once", err)
		}
		time.Sleep(3 * time.Second)
		if most.Load() != 2 || done.Load() != 18 {
			t.Errorf("%d ran at once and %d of 18 finished, want 2 and 18", most.Load(), done.Load())
		}
	})
}

func TestGateServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(1, 4, time.Minute)
		var order []int
		for i := range 5 {
			go gate.Do(t.Context(), func() {
				order = append(order, i)
				time.Sleep(time.Second)
			})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, who := range order {
			if who != i {
				t.Fatalf("served %v, want the order of arrival", order)
			}
		}
		if len(order) != 5 {
			t.Fatalf("served %d of 5", len(order))
		}
	})
}

func TestGateLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(1, 1, 3*time.Second)
		go gate.Do(t.Context(), func() { time.Sleep(10 * time.Second) })
		synctest.Wait()
		start := time.Now()
		err := gate.Do(t.Context(), func() { t.Error("ran while another was running") })
		if waited := time.Since(start); !errors.Is(err, ErrBusy) || waited != 3*time.Second {
			t.Errorf("got %v after %v, want ErrBusy after 3 s", err, waited)
		}
		time.Sleep(10 * time.Second)
		ran := false
		if err := gate.Do(t.Context(), func() { ran = true }); err != nil || !ran {
			t.Errorf("a free gate answered %v", err)
		}
	})
}

func TestGateHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(1, 1, 3*time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := gate.Do(gone, func() { t.Error("ran for a caller who had left") }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		go gate.Do(t.Context(), func() { time.Sleep(2 * time.Second) })
		synctest.Wait()
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := gate.Do(soon, func() { t.Error("ran for a caller who had left") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestGateOpensAgainAfterPanic(t *testing.T) {
	gate := NewGate(1, 0, time.Second)
	func() {
		defer func() { _ = recover() }()
		_ = gate.Do(t.Context(), func() { panic("work failed") })
	}()
	if err := gate.Do(t.Context(), func() {}); err != nil {
		t.Errorf("after a panic the gate answered %v", err)
	}
}
