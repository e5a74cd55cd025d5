package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gemba/mes"
)

// adapterOptions are the options of gemba adapter shdr.
type adapterOptions struct {
	client     clientOptions
	machine    string
	batch      int
	executions []string
	counts     []string
	json       bool
}

// newAdapterCommand makes the command whose verbs bring machines in.
func newAdapterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "adapter", Short: "Bring in what machines say, through the API"}
	cmd.AddCommand(newSHDRCommand())
	return cmd
}

func newSHDRCommand() *cobra.Command {
	o := &adapterOptions{}
	cmd := &cobra.Command{
		Use:   "shdr FILE|HOST:PORT",
		Short: "Bring in the lines of an MTConnect adapter",
		Long: `Reads the SHDR lines of an MTConnect adapter from a file, from standard input (-) or from its port, and sends states,
counts, alarms and samples with their own times. The same lines again add nothing. While the server is away it keeps
trying; a connection to a machine is made again for as long as the program runs. The key needs the feeder role.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.client.register(cmd, "", 10*time.Minute)
	f := cmd.Flags()
	f.StringVar(&o.machine, "machine", "", "code of the machine")
	f.IntVar(&o.batch, "batch", 1000, "items sent at once")
	f.StringSliceVar(&o.executions, "execution-key", nil, "key of the execution state, besides the usual names")
	f.StringSliceVar(&o.counts, "count-key", nil, "KEY or KEY=COUNTER of a part count, besides the usual names")
	f.BoolVar(&o.json, "json", false, "print the summary as one JSON document")
	return cmd
}

// An adapterSummary is what an adapter ends with.
type adapterSummary struct {
	Machine mes.ID `json:"machine"`
	adapterTally
	Rejected int `json:"rejected"` // items that the server did not take
	Stored   int `json:"stored"`   // items that were new to it
}

func (o *adapterOptions) run(ctx context.Context, target string, in io.Reader, out, errs io.Writer) error {
	switch {
	case o.machine == "":
		return exitError{mes.ExitUsage, errors.New("say which machine this is: --machine CODE")}
	case o.batch < 1 || o.batch > mes.MaxBatch:
		return exitError{mes.ExitUsage, fmt.Errorf("--batch goes from 1 to %d", mes.MaxBatch)}
	}
	say := func(format string, args ...any) { fmt.Fprintf(errs, format+"\n", args...) }
	read, live, err := source(target, in, say)
	if err != nil {
		return err
	}
	c, err := o.client.open(errs, 2, o.machine, "machine-"+o.machine, "adapter", "machine", "feeder", "machines")
	if err != nil {
		return err
	}
	a := &adapter{
		items: newItemizer(mes.ID(o.machine), o.executions, o.counts), parser: newSHDRParser(), client: c, batch: o.batch, live: live, say: say,
	}
	err = a.pump(ctx, read)
	s := &adapterSummary{mes.ID(o.machine), a.items.tally, a.rejected, a.stored}
	if printed := s.print(out, o.json); err == nil {
		err = printed
	}
	if err == nil && a.rejected > 0 {
		err = exitError{mes.ExitFailed, fmt.Errorf("%d items were not taken; the first: %s", a.rejected, a.reason)}
	}
	return err
}

// An adapter carries lines from a source to the API.
type adapter struct {
	items    *itemizer
	parser   *shdrParser
	client   *client
	batch    int
	live     bool // lines come as the machine says them
	unsent   *mes.Ingest
	newest   time.Time
	rejected int
	stored   int
	reason   string // of the first rejection
	say      func(string, ...any)
}

// Bounds of a batch.
const (
	maxBatchText = 1 << 20                // bytes of text in one batch; the API takes 8 MiB of body, and JSON may write a byte as six
	flushAfter   = 500 * time.Millisecond // that an item from a live source waits for others
	farewellTime = 10 * time.Second       // to send the rest when told to stop
)

// pump reads until the source ends, and sends as it reads. A source that is ahead waits in a queue, so that it is
// listened to while the server is away. Told to stop, it sends what it has heard.
func (a *adapter) pump(ctx context.Context, read func(context.Context, chan<- heard) error) error {
	lines, ended := make(chan heard, linesAhead), make(chan error, 1)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(lines)
		ended <- read(reading, lines)
	}()
	ticker := time.NewTicker(flushAfter)
	defer ticker.Stop()
	for {
		least := a.batch // a batch is sent when it is full
		select {
		case h, more := <-lines:
			if !more {
				return errors.Join(<-ended, a.end(ctx))
			}
			a.take(h)
		case <-ticker.C:
			if a.live { // the same file gives the same batches however fast it is read
				least = 1
			}
		case <-ctx.Done():
			return a.farewell(ctx, lines)
		}
		if err := a.flush(ctx, least); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// end sends what is left when the source has ended.
func (a *adapter) end(ctx context.Context) error {
	if a.parser.unfinished() {
		a.items.tally.Ignored["unfinished"]++
	}
	return a.flush(ctx, 1)
}

// farewell sends what was heard before the program was told to stop. A file that was not read to its end is an error,
// a stream has no end.
func (a *adapter) farewell(ctx context.Context, lines <-chan heard) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	for heardAll := false; !heardAll; {
		select {
		case h, more := <-lines:
			if heardAll = !more; more {
				a.take(h)
			}
		default:
			heardAll = true
		}
	}
	if err := a.flush(ctx, 1); err != nil {
		return fmt.Errorf("stopped before everything was sent: %w", err)
	}
	if !a.live {
		return exitError{mes.ExitFailed, errors.New("stopped; start it again with the same file and nothing is stored twice")}
	}
	return nil
}

// take reads one line.
func (a *adapter) take(h heard) {
	tally := &a.items.tally
	if h.lost {
		a.parser = newSHDRParser()
		a.items.lost(h.at)
		return
	}
	tally.Lines++
	line, complete := a.parser.parse(h.text)
	if !complete {
		return
	}
	if line.at.Before(a.newest) && !line.at.IsZero() {
		tally.Late++
	}
	if line.at.After(a.newest) {
		a.newest = line.at
	}
	if line.ignored != "" {
		tally.Ignored[line.ignored]++
		return
	}
	if line.at.IsZero() {
		line.at = h.at
	}
	a.items.add(line.values, line.at)
}

// flush sends full batches, and the last one too when at least that many items wait. A batch that could not be sent
// stays, and is the first to be sent again.
func (a *adapter) flush(ctx context.Context, least int) error {
	for {
		if a.unsent == nil {
			if n := a.items.pending(); n == 0 || n < least && a.items.size < maxBatchText {
				return nil
			}
			a.unsent = a.items.take(a.batch)
		}
		if err := a.send(ctx, a.unsent); err != nil {
			return err
		}
		a.unsent = nil
	}
}

// send sends one batch. Its id is its content: after an answer that was lost, the same batch is not stored twice.
func (a *adapter) send(ctx context.Context, batch *mes.Ingest) error {
	receipt, err := a.client.do(ctx, contentID("shdr-", batch), batch)
	if err != nil {
		return err
	}
	var result struct {
		Rejected []mes.Rejection `json:"rejected"`
	}
	if err := json.Unmarshal(receipt.Result, &result); err != nil {
		return fmt.Errorf("the receipt of a batch is not what was expected: %w", err)
	}
	if len(result.Rejected) > 0 && a.rejected == 0 {
		a.reason = result.Rejected[0].Message
		a.say("not taken: %s", a.reason)
	}
	a.rejected += len(result.Rejected)
	if !receipt.Replayed {
		a.stored += int(receipt.Inserted)
	}
	return nil
}

// print writes the summary: for programs as one JSON document, for people as a table.
func (s *adapterSummary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	var text []byte
	add := func(name string, n int) { text = fmt.Appendf(text, "%-16s %12s\n", name, grouped(int64(n))) }
	add("lines", s.Lines)
	add("late lines", s.Late)
	add("states", s.States)
	add("counts", s.Counts)
	add("alarms", s.Alarms)
	add("samples", s.Samples)
	add("rejected", s.Rejected)
	add("stored new", s.Stored)
	for _, kind := range slices.Sorted(maps.Keys(s.Ignored)) {
		add("ignored "+kind, s.Ignored[kind])
	}
	_, err := w.Write(text)
	return err
}
