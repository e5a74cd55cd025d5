package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gemba/mes"
)

func newLedgerProveCommand() *cobra.Command {
	var o storeOptions
	var writer, to string
	var n, since int64
	cmd := &cobra.Command{
		Use:   "prove --n NUMBER [--data DIR | --store URL] [--since NUMBER] [--out FILE]",
		Short: "Write the proof that one entry is in the ledger",
		Long: `Writes an entry with the newest checkpoint and the hashes that lead from one to the other (RFC 6962): whoever trusts
the writer's key can check it with "gemba ledger verify --proof FILE --key ledger.pub", without the rest of the ledger.
With --since it also shows that the ledger as an earlier checkpoint stated it is how this one begins.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n < 1 || since < 0 {
				return exitError{mes.ExitUsage, errors.New("--n is the number of the entry, from 1 on; \"gemba ledger show\" lists them")}
			}
			if writer == "" {
				own, err := os.ReadFile(filepath.Join(o.data, "node"))
				if err != nil {
					return exitError{mes.ExitUsage, errors.New("say whose entry it is with --writer; \"gemba ledger show\" lists them")}
				}
				writer = strings.TrimSpace(string(own))
			}
			store, err := openLedger(cmd.Context(), &o, nil)
			if err != nil {
				return err
			}
			defer store.Close()
			p, err := store.Prove(cmd.Context(), writer, n, since)
			if err != nil {
				return err
			}
			if to == "" || to == "-" {
				return p.Write(cmd.OutOrStdout())
			}
			file, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return exitError{mes.ExitConfig, err}
			}
			if err := errors.Join(p.Write(file), file.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The proof of entry %d is in %s.\n", n, to)
			return err
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.Int64Var(&n, "n", 0, "number of the entry")
	f.StringVar(&writer, "writer", "", "whose entry (default this node's)")
	f.Int64Var(&since, "since", 0, "prove as well that nothing was changed since the checkpoint at or before this entry")
	f.StringVar(&to, "out", "", "file to write to, for its owner only (default standard output)")
	return cmd
}
