package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gemba/mes"
	plaintext "gemba/mes/plain"
	"gemba/storage"
)

type ledgerShowOptions struct {
	storeOptions
	writer, n, subject, actor, view, command string
	since, until                             string
	limit                                    int
	json                                     bool
}

func newLedgerShowCommand() *cobra.Command {
	var o ledgerShowOptions
	cmd := &cobra.Command{
		Use:   "show [--data DIR | --store URL]",
		Short: "Print entries of the ledger, newest first",
		Example: `  gemba ledger show --data /var/lib/gemba --view change --since 7d
  gemba ledger show --data /var/lib/gemba --subject work_order/4711 --json
  gemba ledger show --data /var/lib/gemba --n 100-120`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := o.filter(time.Now())
			if err != nil {
				return exitError{mes.ExitUsage, err}
			}
			store, err := openLedger(cmd.Context(), &o.storeOptions, nil)
			if err != nil {
				return err
			}
			defer store.Close()
			for left := o.limit; left > 0; {
				filter.Page.Limit = min(left, 1000)
				found, next, err := store.EntriesOf(cmd.Context(), filter)
				if err != nil {
					return err
				}
				for i := range found {
					if err := o.print(cmd.OutOrStdout(), &found[i]); err != nil {
						return err
					}
				}
				left -= len(found)
				if filter.Page.After = next; next == "" {
					break
				}
			}
			return nil
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.writer, "writer", "", "entries of this writer only")
	f.StringVar(&o.n, "n", "", "entry with this number, or a range: 100-120")
	f.StringVar(&o.subject, "subject", "", "entries about this: work_order/ID, person/ID …")
	f.StringVar(&o.actor, "actor", "", "entries of this person, key or program")
	f.StringVar(&o.view, "view", "", "activity, transaction or change")
	f.StringVar(&o.command, "command", "", "entries of this command: order.release …")
	f.StringVar(&o.since, "since", "", "entries from then on: 90m, 24h, 7d, 2026-11-23 or 2026-11-23T06:00:00Z")
	f.StringVar(&o.until, "until", "", "entries before then, said in the same ways")
	f.IntVar(&o.limit, "limit", 100, "at most so many entries")
	f.BoolVar(&o.json, "json", false, "one JSON document a line, everything in it")
	return cmd
}

func (o *ledgerShowOptions) filter(now time.Time) (f storage.EntryFilter, err error) {
	f.Scope, f.Writer, f.Subject, f.Actor, f.Command = mes.Scope{{}}, o.writer, o.subject, mes.ID(o.actor), o.command
	switch f.View = mes.View(o.view); f.View {
	case "", mes.ActivityLog, mes.TransactionLog, mes.ChangeLog:
	default:
		return f, fmt.Errorf("--view is activity, transaction or change, not %q", o.view)
	}
	if o.limit < 1 {
		return f, fmt.Errorf("--limit is at least 1")
	}
	if f.First, f.Last, err = parseNumbers(o.n); err != nil {
		return f, err
	}
	if f.From, err = momentOf("since", o.since, now); err != nil {
		return f, err
	}
	f.To, err = momentOf("until", o.until, now)
	return f, err
}

// parseNumbers reads a number or a range of numbers, both from 1.
func parseNumbers(text string) (first, last int64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	first, err = strconv.ParseInt(low, 10, 64)
	if err == nil {
		last, err = strconv.ParseInt(high, 10, 64)
	}
	if err != nil || first < 1 || last < first {
		return 0, 0, fmt.Errorf("--n is the number of an entry or a range like 100-120, not %q", text)
	}
	return first, last, nil
}

// momentOf reads a moment: how long ago, a day, or a time.
func momentOf(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s is a time: 90m, 24h, 7d, 2026-11-23 or 2026-11-23T06:00:00Z, not %q", flag, text)
}

// print writes one entry: all of it as JSON, or what people ask for first as a line.
func (o *ledgerShowOptions) print(out io.Writer, e *mes.Entry) error {
	if o.json {
		return storage.WriteEntry(out, e)
	}
	line := fmt.Sprintf("%s  %s/%d  %s  %s  %s", e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e.Writer, e.N, e.Outcome, e.Command, e.Actor)
	if e.Subject != "" {
		line += "  " + e.Subject
	}
	if e.Outcome != mes.Done {
		line += "  " + string(e.Code) + ": " + e.Message
	}
	_, err := fmt.Fprintln(out, plaintext.Text(line))
	return err
}
