package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
	"gemba/storage"
)

func newLedgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Check the ledger"}
	cmd.AddCommand(newLedgerVerifyCommand())
	return cmd
}

func newLedgerVerifyCommand() *cobra.Command {
	var o storeOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [--data DIR | --store URL]",
		Short: "Prove that nobody changed the ledger behind its back",
		Long: `Walks every writer's chain from its first entry: the hash of each entry, its number, the link to the entry before,
the signed head, the receipts, and that every record is as its last entry left it. Names the first bad entry. It only
reads, and may run beside a server.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			where, err := o.where()
			if err != nil {
				return exitError{mes.ExitConfig, err}
			}
			conf, err := o.tls()
			if err != nil {
				return exitError{mes.ExitConfig, err}
			}
			store, err := storage.Open(cmd.Context(), storage.Options{Store: where, TLS: conf, ReadOnly: true, Verify: headVerifier(o.data, strings.HasPrefix(where, "sqlite:"))})
			if err != nil {
				return err
			}
			defer store.Close()
			result, err := store.Verify(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(result); err != nil {
					return err
				}
			} else if result.OK {
				fmt.Fprintf(cmd.OutOrStdout(), "The ledger is whole: %d entries of %d writers, %d records as they were left.\n", result.Entries, result.Writers, result.Records)
			}
			if !result.OK {
				return fmt.Errorf("the ledger is not as it was written: %s", result.Fault)
			}
			return nil
		},
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON document")
	return cmd
}

// headVerifier checks heads with the public keys in the data folder. An embedded store has no writers but those whose
// keys are there; in a cluster the head of another node, signed by a key that is not here, is left to that node.
func headVerifier(data string, embedded bool) func(writer, keyID string, head []byte, signature string) error {
	text, err := os.ReadFile(filepath.Join(data, "ledger.pub"))
	if err != nil {
		return nil
	}
	known := map[string]keys.VerifyKey{}
	for _, line := range strings.Fields(string(text)) {
		key, err := keys.ParseVerifyKey(line)
		if err != nil {
			return func(string, string, []byte, string) error {
				return errors.New("a public key in ledger.pub is damaged")
			}
		}
		known[key.ID()] = key
	}
	own, err := os.ReadFile(filepath.Join(data, "node"))
	name := strings.TrimSpace(string(own))
	return func(writer, keyID string, head []byte, signature string) error {
		key, ok := known[keyID]
		switch {
		case ok:
			return key.Verify(head, signature)
		case embedded || err == nil && writer == name:
			return fmt.Errorf("it is signed with key %s, which is not in ledger.pub", keyID)
		}
		return nil
	}
}
