package keys

import (
	"context"
	"errors"
	"time"
)

// ErrBusy says that too many people sign in at this moment. Nothing was checked, so it never counts as a failed
// attempt.
var ErrBusy = errors.New("too many sign-ins at this moment; try again in a few seconds")

// A Gate bounds work that is expensive by design. Without it, everybody who can reach the sign-in screen could make
// the node spend gigabytes of memory. It lets a few callers through at once, lets some more wait their turn in order
// of arrival, and turns the others away at once.
type Gate struct {
	running  chan struct{}
	waiting  chan struct{}
	patience time.Duration
}

// NewGate makes a gate that lets running callers work at once and lets waiting more wait, each for at most patience.
func NewGate(running, waiting int, patience time.Duration) *Gate {
	return &Gate{
		running:  make(chan struct{}, running),
		waiting:  make(chan struct{}, waiting),
		patience: patience,
	}
}

// Do runs work when it is the caller's turn. Errors: [ErrBusy] when the queue is full or the wait too long, the
// context's own when it ends first. Work has not begun then. Work that has begun is not interrupted.
func (g *Gate) Do(ctx context.Context, work func()) error {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer func() { <-g.running }()
	work()
	return nil
}

// enter takes a place among the running. A place that becomes free goes to the longest waiting caller: the runtime
// serves blocked senders in order, and a newcomer finds the channel full again.
func (g *Gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return ErrBusy
	}
	timeout := time.NewTimer(g.patience)
	defer timeout.Stop()
	select {
	case g.running <- struct{}{}:
		return nil
	case <-timeout.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
