package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gemba/mes"
)

// replayOptions are the options of gemba replay.
type replayOptions struct {
	client clientOptions
	line   string
	jobs   int
	json   bool
}

// newReplayCommand makes the command that records a log of what happened before gemba was there.
func newReplayCommand() *cobra.Command {
	o := &replayOptions{}
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Record the log of a shop floor, as it happened, through the API",
		Long: `Reads a log with the columns work_order, operation, worker, started_at, completed_at, qty_completed, qty_rejected,
qty_mrb, report_type (S setup, D production, B both) and rework (Y or empty), one session a row. It makes the products,
routings, orders and people that the log implies, and records every session at its own time.

The same log again changes nothing, and one that was interrupted goes on. The key needs the historian role.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.client.register(cmd, "replay", time.Minute)
	cmd.Flags().StringVar(&o.line, "line", "REPLAY", "work centre that new orders are made at; it is added when it is not there")
	cmd.Flags().IntVar(&o.jobs, "jobs", 16, "commands under way at once")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the summary as one JSON document")
	return cmd
}

// A replaySummary is what a replay ends with. Its totals are the API's.
type replaySummary struct {
	Orders         int64     `json:"orders"`
	Sessions       int64     `json:"sessions"`
	Good           int64     `json:"good"`
	Scrap          int64     `json:"scrap"`
	Review         int64     `json:"review"`
	ReworkSessions int64     `json:"rework_sessions"`
	RowsPerSecond  float64   `json:"rows_per_second"`
	Odd            []finding `json:"odd"`
}

func (o *replayOptions) run(ctx context.Context, path string, out, errs io.Writer) error {
	p, err := o.plan(path)
	if err != nil {
		return err
	}
	c, err := o.client.open(errs, o.jobs)
	if err != nil {
		return err
	}
	if err := firstContact(ctx, c); err != nil {
		return err
	}
	fmt.Fprintf(errs, "%s: %s sessions of %s orders and %d workers\n", path, grouped(int64(len(p.rows))), grouped(int64(len(p.orders))), len(p.people))
	r := &replay{plan: p, client: c, jobs: o.jobs, found: p.found}
	if err := r.prepare(ctx); err != nil {
		return interrupted(ctx, err)
	}
	began := time.Now()
	stop := r.showProgress(errs, began)
	err = r.play(ctx)
	stop()
	if err != nil {
		return interrupted(ctx, err)
	}
	rate := float64(len(p.rows)) / max(time.Since(began).Seconds(), 0.001)
	got, err := r.readTotals(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	s := &replaySummary{
		got.Orders, got.Sessions, got.Good, got.Scrap, got.Review, got.ReworkSessions, float64(int64(rate*10)) / 10, r.found.list(),
	}
	if err := s.print(out, o.json); err != nil {
		return err
	}
	return r.verdict(got, errs)
}

// plan reads the log and works out what it implies. Nothing has been sent when it fails.
func (o *replayOptions) plan(path string) (*plan, error) {
	switch {
	case o.jobs < 1 || o.jobs > 256:
		return nil, exitError{mes.ExitUsage, errors.New("--jobs goes from 1 to 256")}
	case len(o.line) > 35 || !codeForm.MatchString(o.line):
		return nil, exitError{mes.ExitUsage, fmt.Errorf("--line %q is not a code of 1 to 35 letters, digits, dots, dashes or underscores", o.line)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := readLog(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p, err := makePlan(rows, mes.ID(o.line))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// firstContact checks the address and the key before anything is sent. It waits less than later requests do: at the
// beginning, a server that does not answer is most likely not there.
func firstContact(ctx context.Context, c *client) error {
	patience := c.patience
	defer func() { c.patience = patience }()
	c.patience = min(patience, 10*time.Second)
	var me mes.Actor
	return c.get(ctx, "/me", nil, &me)
}

// interrupted says what to do when the program was stopped.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{mes.ExitFailed, errors.New("stopped; start it again with the same file and it goes on where it was")}
	}
	if code := mes.ErrorCode(err); code == mes.Unavailable || code == mes.Busy {
		return fmt.Errorf("%w; start it again with the same file and it goes on where it was", err)
	}
	return err
}

// showProgress tells every two seconds how far the replay is, until the function that it gives is called.
func (r *replay) showProgress(w io.Writer, began time.Time) (stop func()) {
	ticker, end, ended := time.NewTicker(2*time.Second), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				r.mu.Lock()
				done := r.done
				r.mu.Unlock()
				fmt.Fprintf(w, "%s of %s sessions, %.0f rows/s\n", grouped(int64(done)), grouped(int64(len(r.rows))), float64(done)/time.Since(began).Seconds())
			case <-end:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
	}
}

// print writes the summary: for programs as one JSON document, for people as a table.
func (s *replaySummary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	var text []byte
	add := func(name, value string) { text = fmt.Appendf(text, "%-16s %12s\n", name, value) }
	add("orders", grouped(s.Orders))
	add("sessions", grouped(s.Sessions))
	add("good", grouped(s.Good))
	add("scrap", grouped(s.Scrap))
	add("review", grouped(s.Review))
	add("rework sessions", grouped(s.ReworkSessions))
	add("rows per second", strconv.FormatFloat(s.RowsPerSecond, 'f', 1, 64))
	if len(s.Odd) > 0 {
		text = append(text, "\nodd, and kept as it happened (rows, first example)\n"...)
	}
	for _, f := range s.Odd {
		text = fmt.Appendf(text, "%-20s %8s  %s\n", f.Code, grouped(int64(f.Count)), f.Example)
	}
	_, err := w.Write(text)
	return err
}

// verdict is nil only when all of the log arrived and the API's totals are the log's.
func (r *replay) verdict(got mes.Totals, errs io.Writer) error {
	if n := len(r.refusals); n > 0 {
		slices.SortFunc(r.refusals, func(a, b refusal) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.step, b.step)) })
		for _, f := range r.refusals[:min(n, 20)] {
			fmt.Fprintf(errs, "line %d, %s: %v\n", f.line, f.step, f.err)
		}
		return exitError{mes.ExitFailed, fmt.Errorf("%d of %d rows could not be recorded; correct them, or what refuses them, and start again", n, len(r.rows))}
	}
	if want := r.totals(); !same(got, want) {
		return exitError{mes.ExitFailed, fmt.Errorf("the totals differ: the log has %s, the API has %s", inWords(want), inWords(got))}
	}
	return nil
}

func inWords(t mes.Totals) string {
	return fmt.Sprintf("%d orders, %d sessions, %d good, %d scrap, %d review, %d rework sessions", t.Orders, t.Sessions, t.Good, t.Scrap, t.Review, t.ReworkSessions)
}

// grouped writes a number with commas between the thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
