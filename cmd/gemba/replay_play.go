package main

import (
	"container/heap"
	"context"
	"fmt"
	"strconv"
	"sync"

	"gemba/mes"
)

// A playedSession is what the API said about a session of the plan.
type playedSession struct {
	order, session mes.ID
	refused        bool
}

// A refusal is a command that the API did not take.
type refusal struct {
	line int
	step stepKind
	err  error
}

// play sends every step. Steps that can see each other's doing are sent one after the other in their order, so that the
// outcome does not depend on chance; the others go side by side. The error is one that ends the replay; what
// is merely refused is kept in refusals.
func (r *replay) play(ctx context.Context) error {
	r.played = make([]playedSession, len(r.sessions))
	return newSchedule(r.plan).run(ctx, r.jobs, func(ctx context.Context, i int) error { return r.take(ctx, r.steps[i]) })
}

// take sends one step.
func (r *replay) take(ctx context.Context, s step) error {
	played := &r.played[s.session] // steps of one session never run side by side
	if played.refused {
		return nil // without its start there is nothing to report on, and a report that was refused must not be hidden by a stop
	}
	receipt, err := r.client.do(ctx, r.sessions[s.session].id+"-"+s.kind.String(), r.command(s))
	line := r.rows[s.session].Line
	switch mes.ErrorCode(err) {
	case "":
	case mes.Invalid, mes.Refused, mes.NotFound, mes.Conflict:
		played.refused = true
		r.mu.Lock()
		r.refusals = append(r.refusals, refusal{line, s.kind, err})
		r.mu.Unlock()
		return nil
	default:
		return fmt.Errorf("line %d, %s: %w", line, s.kind, err)
	}
	for _, odd := range receipt.Odd {
		r.found.add(line, odd.Code, "%s", odd.Text)
	}
	if s.kind == startStep {
		result, err := resultOf(receipt)
		if err != nil || result.Session == "" {
			return fmt.Errorf("line %d: the receipt of its start names no session", line)
		}
		played.order, played.session = result.Order, result.Session
	}
	if s.kind == stopStep {
		r.mu.Lock()
		r.done++
		r.mu.Unlock()
	}
	return nil
}

// command makes the command of a step.
func (r *replay) command(s step) mes.Command {
	row, session := &r.rows[s.session], &r.sessions[s.session]
	at := r.targets[session.order][session.operation]
	operation := strconv.Itoa(at.operation)
	switch s.kind {
	case startStep:
		kind, withSetup := row.kind()
		return &mes.StartJob{
			Order: at.order, Operation: operation, Kind: kind, WithSetup: withSetup, Person: r.people[session.worker].Badge,
			At: mes.At(s.at), History: true,
		}
	case reportStep:
		return &mes.ReportJob{
			Order: at.order, Operation: operation, Session: r.played[s.session].session,
			Good: row.Good, Scrap: part(row.Scrap), Review: part(row.Review), At: mes.At(s.at), History: true,
		}
	}
	return &mes.StopJob{Order: at.order, Operation: operation, Session: r.played[s.session].session, At: mes.At(s.at), History: true}
}

// part is a quantity of a log, which gives no reasons.
func part(quantity int64) []mes.Part {
	if quantity == 0 {
		return nil
	}
	return []mes.Part{{Quantity: quantity}}
}

// A schedule knows which steps wait for which.
type schedule struct {
	waits     []int8    // how many steps each one still waits for
	followers [][]int32 // which steps wait for each one
}

// newSchedule lets each step wait for the step before it of its order. Starts and stops also wait for the start or stop
// before them of their worker, since they see what else the worker has running; a report does not.
func newSchedule(p *plan) *schedule {
	s := &schedule{make([]int8, len(p.steps)), make([][]int32, len(p.steps))}
	ofOrder, ofWorker := make([]int, len(p.orders)), make([]int, len(p.people)) // last step, counted from 1
	for i := range p.steps {
		session := &p.sessions[p.steps[i].session]
		before := ofOrder[session.order]
		if before > 0 {
			s.follow(before-1, i)
		}
		ofOrder[session.order] = i + 1
		if p.steps[i].kind == reportStep {
			continue
		}
		if other := ofWorker[session.worker]; other > 0 && other != before {
			s.follow(other-1, i)
		}
		ofWorker[session.worker] = i + 1
	}
	return s
}

func (s *schedule) follow(before, after int) {
	s.followers[before] = append(s.followers[before], int32(after))
	s.waits[after]++
}

// run calls do for every step, at most jobs at once and the earliest first, each after those that it waits for. After
// an error no more are begun.
func (s *schedule) run(ctx context.Context, jobs int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	changed := sync.NewCond(&mu)
	defer context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		changed.Broadcast()
	})()
	ready, left := &earliest{}, len(s.waits)
	for i, n := range s.waits {
		if n == 0 {
			heap.Push(ready, int32(i))
		}
	}
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for {
				for ready.Len() == 0 && left > 0 && ctx.Err() == nil {
					changed.Wait()
				}
				if left == 0 || ctx.Err() != nil {
					return
				}
				i := heap.Pop(ready).(int32)
				mu.Unlock()
				err := do(ctx, int(i))
				mu.Lock()
				if err != nil {
					cancel(err)
					return
				}
				left--
				for _, f := range s.followers[i] {
					if s.waits[f]--; s.waits[f] == 0 {
						heap.Push(ready, f)
					}
				}
				changed.Broadcast()
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// earliest is a heap of steps: the first in time comes first.
type earliest []int32

func (e earliest) Len() int           { return len(e) }
func (e earliest) Less(i, j int) bool { return e[i] < e[j] }
func (e earliest) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *earliest) Push(x any)        { *e = append(*e, x.(int32)) }
func (e *earliest) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}
