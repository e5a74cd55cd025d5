package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gemba/mes"
)

func newLedgerExportCommand() *cobra.Command {
	var o storeOptions
	var writer, to string
	cmd := &cobra.Command{
		Use:   "export [--data DIR | --store URL] [--out FILE]",
		Short: "Write the ledger as lines of JSON that can be checked anywhere",
		Long: `Writes every entry with the checkpoints and the signed heads, and the public keys in DATA/ledger.pub. Whoever has the
file can check it with "gemba ledger verify --file FILE --key ledger.pub", without a database.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var known []string
			text, err := os.ReadFile(filepath.Join(o.data, "ledger.pub"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			known = strings.Fields(string(text))
			store, err := openLedger(cmd.Context(), &o, nil)
			if err != nil {
				return err
			}
			defer store.Close()
			if to == "" || to == "-" {
				_, err := store.Export(cmd.Context(), cmd.OutOrStdout(), writer, known, time.Now())
				return err
			}
			file, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return exitError{mes.ExitConfig, err}
			}
			n, err := store.Export(cmd.Context(), file, writer, known, time.Now())
			if err = errors.Join(err, file.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d entries are in %s.\n", n, to)
			return err
		},
	}
	o.register(cmd)
	cmd.Flags().StringVar(&writer, "writer", "", "this writer's entries only")
	cmd.Flags().StringVar(&to, "out", "", "file to write to, for its owner only (default standard output)")
	return cmd
}
