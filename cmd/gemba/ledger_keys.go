package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gemba/keys"
	"gemba/mes"
)

// A ledgerRing holds the public keys that signatures in a ledger are checked with.
type ledgerRing struct {
	known map[string]keys.VerifyKey
	from  string // where the keys are from, for people
	// trusts tells whether a writer may have signed with a key that is not here; its signatures are then left to who
	// has the key.
	trusts  func(writer string) bool
	skipped map[string]bool // writers whose signatures could not be checked
}

func newLedgerRing(lines []string, from string) (*ledgerRing, error) {
	r := &ledgerRing{known: map[string]keys.VerifyKey{}, from: from, trusts: func(string) bool { return false }, skipped: map[string]bool{}}
	for _, line := range lines {
		key, err := keys.ParseVerifyKey(line)
		if err != nil {
			return nil, fmt.Errorf("a public key in %s: %w", from, err)
		}
		r.known[key.ID()] = key
	}
	return r, nil
}

// readLedgerRing reads files of public keys, one a line.
func readLedgerRing(paths ...string) (*ledgerRing, error) {
	var lines []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.Fields(string(text))...)
	}
	r, err := newLedgerRing(lines, strings.Join(paths, ", "))
	if err == nil && len(r.known) == 0 {
		err = fmt.Errorf("there is no public key in %s", r.from)
	}
	return r, err
}

// ring gives the keys to check a store with: those that were named, or those in the data folder. An embedded store has no
// writers but those whose keys are there; in a cluster the signatures of another node, made with a key that is not here,
// are left to that node. Without any key signatures are not checked at all.
func (o *ledgerVerifyOptions) ring(at *storeOptions) (*ledgerRing, error) {
	if len(o.keys) > 0 {
		return o.ringFor(nil)
	}
	return nodeRing(at)
}

// nodeRing gives the keys in a data folder, nil when there are none.
func nodeRing(o *storeOptions) (*ledgerRing, error) {
	r, err := readLedgerRing(filepath.Join(o.data, "ledger.pub"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(o.store, "rqlite:") {
		own, err := os.ReadFile(filepath.Join(o.data, "node"))
		name := strings.TrimSpace(string(own))
		r.trusts = func(writer string) bool { return err != nil || writer != name }
	}
	return r, nil
}

// ringFor gives the keys that were named, which must be all there are; without any, those that an export names itself.
func (o *ledgerVerifyOptions) ringFor(inFile []string) (*ledgerRing, error) {
	if len(o.keys) == 0 {
		r, err := newLedgerRing(inFile, "the file")
		if err == nil {
			r.trusts = func(string) bool { return true }
		}
		return r, err
	}
	r, err := readLedgerRing(o.keys...)
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	return r, nil
}

// head checks the signature at the end of a chain.
func (r *ledgerRing) head(writer, keyID string, head []byte, signature string) error {
	if key, ok := r.known[keyID]; ok {
		return key.Verify(head, signature)
	}
	return r.unknown(writer, "key "+keyID)
}

// note checks that a note holds a text, signed with one of the keys.
func (r *ledgerRing) note(writer, name, text, note string) error {
	for _, key := range r.known {
		opened, err := key.OpenNote(name, note)
		switch {
		case errors.Is(err, keys.ErrOtherKey):
			continue
		case err != nil:
			return err
		case opened != text:
			return errors.New("it was made for another checkpoint")
		}
		return nil
	}
	if !strings.HasPrefix(note, text+"\n") {
		return errors.New("it was made for another checkpoint")
	}
	return r.unknown(writer, "a key")
}

func (r *ledgerRing) unknown(writer, which string) error {
	if !r.trusts(writer) {
		return fmt.Errorf("it is signed with %s that is not in %s", which, r.from)
	}
	r.skipped[writer] = true
	return nil
}

// notes says whose signatures could not be checked.
func (r *ledgerRing) notes() []string {
	if r == nil {
		return []string{"no signature was checked: there is no ledger.pub in the data folder; give --key one that you trust"}
	}
	var all []string
	for writer := range r.skipped {
		all = append(all, fmt.Sprintf("the signatures of %s were not checked: its key is not in %s", writer, r.from))
	}
	slices.Sort(all)
	return all
}
