package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gemba/mes"
	plaintext "gemba/mes/plain"
	"gemba/storage"
)

// tracePath is where a node records API calls.
func tracePath(data string) string { return filepath.Join(data, "trace.db") }

type traceOptions struct {
	data                       string
	id, key, principal, source string
	route, status              string
	since, until               string
	limit                      int
	follow, json               bool
}

func newTraceCommand() *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace [--data DIR]",
		Short: "Search the API calls of this node",
		Long: `Shows API calls that this node has answered or refused, newest first: when, status, how long it took, how
many bytes came and went, route, whose key, from where, and why it was refused. It only reads, and may run
beside a server. Over the API and SSH the same is "trace list".`,
		Example: `  gemba trace --status 4xx --since 24h
  gemba trace --principal TURN-1 --follow
  gemba trace --id 7f3a09c2d1e8b456`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := o.filter(time.Now())
			if err != nil {
				return exitError{mes.ExitUsage, err}
			}
			trace, err := storage.OpenTrace(cmd.Context(), tracePath(o.data))
			if err != nil {
				return err
			}
			defer trace.Close()
			show := func(calls []mes.Call) error { return showCalls(cmd.OutOrStdout(), calls, o.json) }
			if o.follow {
				return trace.Follow(cmd.Context(), filter, show)
			}
			for left := o.limit; left > 0; {
				filter.Page.Limit = min(left, 1000)
				calls, next, err := trace.Calls(cmd.Context(), filter)
				if err != nil {
					return err
				}
				if err := show(calls); err != nil || next == "" {
					return err
				}
				left, filter.Page.After = left-len(calls), next
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "data", "folder of this node")
	f.StringVar(&o.id, "id", "", "only the call with this id, as X-Request-Id told its caller")
	f.StringVar(&o.key, "key", "", "only calls with the key of this id (the id, never the key itself)")
	f.StringVar(&o.principal, "principal", "", "only calls of this person, machine or program")
	f.StringVar(&o.route, "route", "", `only calls of this route, like "POST /v1/ingest"`)
	f.StringVar(&o.status, "status", "", "only answers with this status, like 401 or 4xx")
	f.StringVar(&o.source, "source", "", "only calls from this network address")
	f.StringVar(&o.since, "since", "", "only calls from then on: 90m, 24h, 7d, 2026-11-23 or 2026-11-23T06:00:00Z")
	f.StringVar(&o.until, "until", "", "only calls before then, said in the same ways")
	f.IntVar(&o.limit, "limit", 100, "at most so many")
	f.BoolVarP(&o.follow, "follow", "f", false, "show the newest, oldest first, and then go on as calls come")
	f.BoolVar(&o.json, "json", false, "one JSON document a line")
	return cmd
}

func (o *traceOptions) filter(now time.Time) (mes.TraceFilter, error) {
	f := mes.TraceFilter{ID: o.id, Key: mes.ID(o.key), Principal: mes.ID(o.principal), Route: o.route, Source: o.source, Page: mes.Page{Limit: o.limit}}
	var err error
	if f.Status, err = statusFilter(o.status); err != nil {
		return f, err
	}
	if f.From, err = momentOf("since", o.since, now); err != nil {
		return f, err
	}
	if f.To, err = momentOf("until", o.until, now); err != nil {
		return f, err
	}
	if o.limit < 1 || o.limit > 1_000_000 || o.follow && o.limit > 1000 {
		return f, errors.New("--limit goes from 1 to 1000000, with --follow to 1000")
	}
	return f, nil
}

// statusFilter reads 401 or 4xx; the latter is 4.
func statusFilter(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	digits := text
	if len(text) == 3 && text[1:] == "xx" {
		digits = text[:1]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || len(digits) == 1 && (n < 1 || n > 5) || len(digits) != 1 && (n < 100 || n > 599) {
		return 0, fmt.Errorf("--status is like 401 or 4xx, not %q", text)
	}
	return n, nil
}

// showCalls writes calls, one a line. What callers sent is shown so that it does nothing to the terminal.
func showCalls(out io.Writer, calls []mes.Call, asJSON bool) error {
	encoder := json.NewEncoder(out)
	for i := range calls {
		c := &calls[i]
		if asJSON {
			if err := encoder.Encode(c); err != nil {
				return err
			}
			continue
		}
		who := string(c.Principal)
		if c.Key != "" {
			who += "/" + string(c.Key)
		}
		if who == "" {
			who = "-"
		}
		line := fmt.Sprintf("%s  %3d %8.1f ms %8d in %8d out  %-34s %-22s %-15s %s  %s", c.At.Local().Format("2006-01-02 15:04:05.000"), c.Status,
			c.MS, c.In, c.Out, plaintext.Text(c.Route), plaintext.Text(who), plaintext.Text(c.Source), plaintext.Text(c.ID), plaintext.Text(c.Reason))
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
