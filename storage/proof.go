package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"gemba/mes"
)

// proofForm names the form of proofs.
const proofForm = "gemba ledger 1"

// A Proof shows that an entry is in the ledger that its writer's checkpoint states, without the rest of the ledger. With
// an Earlier checkpoint it also shows that the ledger of then is how the one of now begins.
type Proof struct {
	Form        string          `json:"proof"`
	Entry       exported        `json:"entry"`
	Checkpoint  mes.Checkpoint  `json:"checkpoint"`
	Inclusion   []string        `json:"inclusion"` // hashes from the leaf up to the root, base64
	Earlier     *mes.Checkpoint `json:"earlier,omitempty"`
	Consistency []string        `json:"consistency,omitempty"`
}

// Prove makes the proof of entry n of a writer, by the newest checkpoint. With since it proves the newest checkpoint at
// or before entry since as well. A NotFound fault says what is not there (yet).
func (s *Store) Prove(ctx context.Context, writer string, n, since int64) (*Proof, error) {
	found, _, err := s.EntriesOf(ctx, EntryFilter{LedgerFilter: mes.LedgerFilter{Scope: mes.Scope{{}}}, Writer: writer, First: n, Last: n})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, mes.Faultf(mes.NotFound, "writer %s has no entry %d", writer, n)
	}
	made, err := s.checkpoints(ctx, local, newQuery(selectCheckpoints).and("writer = ?", writer).end("ORDER BY n DESC LIMIT 1"))
	if err != nil {
		return nil, shown("read the checkpoints", err)
	}
	if len(made) == 0 || made[0].N < n {
		return nil, mes.Faultf(mes.NotFound, "no checkpoint covers entry %d of %s yet; one is made every minute while gemba runs", n, writer)
	}
	tree := s.subtrees(ctx, writer)
	inclusion, err := tlog.ProveRecord(made[0].N, n-1, tree)
	if err != nil {
		return nil, shown("prove an entry", err)
	}
	p := &Proof{Form: proofForm, Entry: exported(found[0]), Checkpoint: made[0], Inclusion: proofText(inclusion)}
	if since == 0 {
		return p, nil
	}
	earlier, err := s.checkpoints(ctx, local, newQuery(selectCheckpoints).and("writer = ? AND n <= ?", writer, since).end("ORDER BY n DESC LIMIT 1"))
	if err != nil {
		return nil, shown("read the checkpoints", err)
	}
	if len(earlier) == 0 {
		return nil, mes.Faultf(mes.NotFound, "writer %s has no checkpoint at or before entry %d", writer, since)
	}
	consistency, err := tlog.ProveTree(made[0].N, earlier[0].N, tree)
	if err != nil {
		return nil, shown("prove a checkpoint", err)
	}
	p.Earlier, p.Consistency = &earlier[0], proofText(consistency)
	return p, nil
}

// ReadProof reads a proof as it was written.
func ReadProof(in io.Reader) (*Proof, error) {
	var p Proof
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	if err == nil && p.Form != proofForm {
		err = fmt.Errorf("its form is %q", p.Form)
	}
	if _, more := d.Token(); err == nil && !errors.Is(more, io.EOF) {
		err = errors.New("something follows it")
	}
	if err != nil {
		return nil, fmt.Errorf("this is no proof as \"gemba ledger prove\" writes it: %w", err)
	}
	return &p, nil
}

// Check tells whether the proof holds; verify checks the signatures of its checkpoints. It needs no store.
func (p *Proof) Check(verify func(writer, name, text, note string) error) error {
	e := mes.Entry(p.Entry)
	switch {
	case e.Digest() != e.Hash:
		return errors.New("the content of the entry does not match its hash")
	case e.Writer != p.Checkpoint.Writer || p.Earlier != nil && e.Writer != p.Earlier.Writer:
		return errors.New("the checkpoint is not of the writer of the entry")
	}
	root, err := stated(&p.Checkpoint, verify)
	if err != nil {
		return err
	}
	inclusion, err := parseProof(p.Inclusion)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(inclusion, p.Checkpoint.N, root, e.N-1, leaf(e.Hash)); err != nil {
		return fmt.Errorf("entry %d is not in the tree of the checkpoint", e.N)
	}
	if p.Earlier == nil {
		return nil
	}
	earlier, err := stated(p.Earlier, verify)
	if err != nil {
		return err
	}
	consistency, err := parseProof(p.Consistency)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(consistency, p.Checkpoint.N, root, p.Earlier.N, earlier); err != nil {
		return fmt.Errorf("the ledger of %d entries does not begin with the one of %d", p.Checkpoint.N, p.Earlier.N)
	}
	return nil
}

// stated gives the root that a checkpoint states, when its signature is right.
func stated(c *mes.Checkpoint, verify func(writer, name, text, note string) error) (tlog.Hash, error) {
	root, err := tlog.ParseHash(c.Root)
	if err != nil {
		return root, fmt.Errorf("the root of the checkpoint at entry %d is damaged", c.N)
	}
	if verify != nil {
		if err := verify(c.Writer, mes.Origin(c.Writer), c.Text(), c.Note); err != nil {
			return root, fmt.Errorf("the signature of the checkpoint at entry %d is wrong: %w", c.N, err)
		}
	}
	return root, nil
}

// exported is an entry outside the database. Its detail is written as the JSON that it is; a detail that would not come
// back byte for byte, and so not with its hash, is written as a text.
type exported mes.Entry

func (e exported) MarshalJSON() ([]byte, error) {
	type plain mes.Entry
	var compact bytes.Buffer
	row := struct {
		plain
		DetailText string `json:"detail_text,omitempty"`
	}{plain: plain(e)}
	if err := json.Compact(&compact, e.Detail); err != nil || !bytes.Equal(compact.Bytes(), e.Detail) {
		row.Detail, row.DetailText = nil, string(e.Detail)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(row); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

func (e *exported) UnmarshalJSON(text []byte) error {
	type plain mes.Entry
	var row struct {
		plain
		DetailText string `json:"detail_text"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&row); err != nil {
		return err
	}
	*e = exported(row.plain)
	if row.DetailText != "" {
		e.Detail = json.RawMessage(row.DetailText)
	} else if string(e.Detail) == "null" {
		e.Detail = nil
	}
	return nil
}

// writeJSON writes a value as one line. HTML characters stay as they are: who wrote them down hashed them so.
func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// Write writes the proof as ReadProof reads it.
func (p *Proof) Write(out io.Writer) error { return writeJSON(out, p) }

// WriteEntry writes an entry as one line of JSON, with its detail as the JSON that it is.
func WriteEntry(out io.Writer, e *mes.Entry) error { return writeJSON(out, (*exported)(e)) }
