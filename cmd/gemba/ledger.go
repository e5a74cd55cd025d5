package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gemba/mes"
	plaintext "gemba/mes/plain"
	"gemba/storage"
)

func newLedgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Check, show and hand out the ledger"}
	cmd.AddCommand(newLedgerVerifyCommand(), newLedgerShowCommand(), newLedgerExportCommand(), newLedgerProveCommand())
	return cmd
}

type ledgerVerifyOptions struct {
	storeOptions
	file, proof string
	keys        []string
	witnesses   []string
	json        bool
}

func newLedgerVerifyCommand() *cobra.Command {
	var o ledgerVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify [--data DIR | --store URL | --file EXPORT | --proof PROOF]",
		Short: "Prove that nobody changed the ledger behind its back",
		Long: `Walks every writer's chain from its first entry: the hash of each entry, its number, the link to the entry before,
the Merkle tree that each signed checkpoint states, the signed head, the receipts, and that every record is as its last
entry left it. Compares it with what other writers and the witness file saw of it. Names the first bad entry. It only
reads, and may run beside a server.

With --file or --proof it checks what "gemba ledger export" or "gemba ledger prove" wrote, and needs no database.`,
		Example: `  gemba ledger verify --data /var/lib/gemba
  gemba ledger verify --data /var/lib/gemba --witness other-node/ledger.heads
  gemba ledger verify --file ledger.ndjson --key ledger.pub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := o.verify(cmd.Context())
			if err != nil {
				return err
			}
			return o.tell(cmd.OutOrStdout(), result)
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "an export, instead of a store; - for standard input")
	f.StringVar(&o.proof, "proof", "", "the proof of one entry, instead of a store; - for standard input")
	f.StringSliceVar(&o.keys, "key", nil, "file of public ledger keys to trust (default DATA/ledger.pub; with --file the keys in it)")
	f.StringSliceVar(&o.witnesses, "witness", nil, "witness file to compare with, also of another node (default DATA/ledger.heads)")
	f.BoolVar(&o.json, "json", false, "one JSON document")
	return cmd
}

// verified is what verifying came to: of a store or an export, or of a proof.
type verified struct {
	*storage.Verification
	Proof *proven `json:"proof,omitempty"`
}

// proven says what a proof shows.
type proven struct {
	Writer     string `json:"writer"`
	N          int64  `json:"n"`
	Checkpoint int64  `json:"checkpoint"` // number of entries that the checkpoint is over
	Earlier    int64  `json:"earlier,omitempty"`
}

func (o *ledgerVerifyOptions) verify(ctx context.Context) (*verified, error) {
	switch {
	case o.proof != "" && o.file != "":
		return nil, exitError{mes.ExitUsage, errors.New("give --file or --proof, one at a time")}
	case o.proof != "":
		return o.verifyProof()
	case o.file != "":
		return o.verifyFile()
	}
	return o.verifyStore(ctx)
}

func (o *ledgerVerifyOptions) verifyStore(ctx context.Context) (*verified, error) {
	ring, err := o.ring(&o.storeOptions)
	if err != nil {
		return nil, err
	}
	witnesses, missing, err := o.readWitnesses()
	if err != nil {
		return nil, err
	}
	store, err := openLedger(ctx, &o.storeOptions, ring)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	result, err := store.Verify(ctx, witnesses...)
	if err != nil {
		return nil, err
	}
	if missing != "" && result.Checkpoints > 0 {
		result.Notes = append(result.Notes, missing)
	}
	result.Notes = append(result.Notes, ring.notes()...)
	return &verified{Verification: result}, nil
}

// readWitnesses reads the witness files. The node's own belongs to the store that lies in the same folder, or in the
// cluster; any other file of SQLite is taken for a copy of it, which may be older.
func (o *ledgerVerifyOptions) readWitnesses() (all []*storage.Witness, missing string, err error) {
	for _, path := range o.witnesses {
		w, err := storage.ReadWitness(path)
		if err != nil {
			return nil, "", exitError{mes.ExitConfig, err}
		}
		all = append(all, w)
	}
	if len(all) > 0 || o.file != "" {
		return all, "", nil
	}
	path := witnessFile(o.data)
	w, err := storage.ReadWitness(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Sprintf("there is no witness file %s: an older copy of the database would not be noticed", path), nil
	}
	if err != nil {
		return nil, "", err
	}
	w.Older = !o.own()
	return []*storage.Witness{w}, "", nil
}

// own tells whether the store is the data folder's own, and not a copy of it.
func (o *storeOptions) own() bool {
	file, embedded := strings.CutPrefix(o.store, "sqlite:")
	if !embedded {
		return true
	}
	given, err := os.Stat(file)
	if err != nil {
		return false
	}
	own, err := os.Stat(filepath.Join(o.data, "gemba.db"))
	return err == nil && os.SameFile(given, own)
}

// witnessFile is where a node keeps the checkpoints that it has seen.
func witnessFile(data string) string { return filepath.Join(data, "ledger.heads") }

func (o *ledgerVerifyOptions) verifyFile() (*verified, error) {
	in, err := openInput(o.file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	witnesses, _, err := o.readWitnesses()
	if err != nil {
		return nil, err
	}
	var ring *ledgerRing
	result, err := storage.VerifyExport(in, func(inFile []string) (storage.Judge, error) {
		var err error
		if ring, err = o.ringFor(inFile); err != nil {
			return storage.Judge{}, err
		}
		return storage.Judge{Head: ring.head, Note: ring.note}, nil
	}, witnesses...)
	if err != nil {
		return nil, err
	}
	if ring != nil {
		result.Notes = append(result.Notes, ring.notes()...)
	}
	if len(o.keys) == 0 {
		result.Notes = append(result.Notes, "signatures were checked with the keys in the file itself; give --key a ledger.pub that you trust")
	}
	return &verified{Verification: result}, nil
}

func (o *ledgerVerifyOptions) verifyProof() (*verified, error) {
	in, err := openInput(o.proof)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p, err := storage.ReadProof(in)
	if err != nil {
		return nil, err
	}
	if len(o.keys) == 0 {
		o.keys = []string{filepath.Join(o.data, "ledger.pub")}
	}
	ring, err := o.ringFor(nil)
	if err != nil {
		return nil, err
	}
	shown := &proven{Writer: p.Entry.Writer, N: p.Entry.N, Checkpoint: p.Checkpoint.N}
	if p.Earlier != nil {
		shown.Earlier = p.Earlier.N
	}
	result := &storage.Verification{OK: true, Writers: 1, Entries: 1, Checkpoints: 1}
	if err := p.Check(ring.note); err != nil {
		result.OK, result.Fault = false, &storage.Finding{Writer: p.Entry.Writer, N: p.Entry.N, Reason: err.Error()}
	}
	return &verified{result, shown}, nil
}

// tell prints the result; what is not whole is the error.
func (o *ledgerVerifyOptions) tell(out io.Writer, v *verified) error {
	switch {
	case o.json:
		if err := json.NewEncoder(out).Encode(v); err != nil {
			return err
		}
	case v.OK && v.Proof != nil:
		fmt.Fprintf(out, "The proof holds: entry %d of writer %s is in the ledger of %d entries that its writer signed.\n", v.Proof.N, plaintext.Text(v.Proof.Writer), v.Proof.Checkpoint)
		if v.Proof.Earlier > 0 {
			fmt.Fprintf(out, "That ledger begins with the one of %d entries, unchanged.\n", v.Proof.Earlier)
		}
	case v.OK:
		fmt.Fprintf(out, "The ledger is whole: %d entries of %d writers", v.Entries, v.Writers)
		if o.file == "" {
			fmt.Fprintf(out, ", %d records as they were left", v.Records)
		}
		fmt.Fprintln(out, ".")
		fmt.Fprintf(out, "Checkpoints: %d right, %d of them witnessed, %d anchored by other writers.\n", v.Checkpoints, v.Witnessed, v.Anchors)
	}
	if !o.json {
		for _, text := range v.Notes {
			fmt.Fprintf(out, "Note: %s.\n", plaintext.Text(text))
		}
	}
	if !v.OK {
		return fmt.Errorf("the ledger is not as it was written: %s", plaintext.Text(v.Fault.String()))
	}
	return nil
}

// openLedger opens a store to look at its ledger.
func openLedger(ctx context.Context, o *storeOptions, ring *ledgerRing) (*storage.Store, error) {
	where, err := o.where()
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	conf, err := o.tls()
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	options := storage.Options{Store: where, TLS: conf, ReadOnly: true}
	if ring != nil {
		options.Verify, options.VerifyNote = ring.head, ring.note
	}
	return storage.Open(ctx, options)
}

// openInput opens a file to read, "-" for standard input.
func openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	return file, nil
}
