// Command gemba is a terminal-first manufacturing execution system: one program that serves people over SSH and
// machines and programs over a keyed HTTPS API, and keeps what happened in one ledger.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // sites have time zones, also where the system has none

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"gemba/mes"
)

// An exitError carries the exit status of an error that is no Fault.
type exitError struct {
	status int
	error
}

func (e exitError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole program: tests call it with their own words and streams.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := fang.Execute(ctx, root, fang.WithVersion(version()), fang.WithErrorHandler(showError))
	return statusOf(err)
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "gemba",
		Short:             "The manufacturing execution system for the place where the work is done",
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return settle(cmd) },
	}
	root.PersistentFlags().String("config", "", "configuration file (TOML); gemba.toml in the data folder if it is there")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitError{mes.ExitUsage, err} })
	root.AddCommand(newServeCommand(), newReplayCommand(), newAdapterCommand(), newLedgerCommand(), newTraceCommand(), newAdminCommand(), newVersionCommand())
	return root
}

// showError prints what went wrong, and nothing else: the message is what the user can act on.
func showError(w io.Writer, _ fang.Styles, err error) {
	fmt.Fprintln(w, "gemba:", err)
}

func statusOf(err error) int {
	var e exitError
	switch {
	case errors.As(err, &e):
		return e.status
	case err != nil && (strings.HasPrefix(err.Error(), "unknown command ") || strings.HasPrefix(err.Error(), "accepts ")):
		return mes.ExitUsage // cobra's own words for what it cannot place
	}
	return mes.ExitStatus(err)
}
