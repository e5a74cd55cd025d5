package storage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"time"

	"gemba/mes"
)

// exportForm names the form of exports: a line of JSON each for what it is, the keys, each writer's entries with the
// checkpoints among them and the signed end, and how much it was.
const exportForm = "gemba ledger 1"

// exportLine is a line of an export; one of its members is set.
type exportLine struct {
	Export     *exportHeader   `json:"export,omitempty"`
	Key        string          `json:"key,omitempty"` // a writer's public key
	Entry      *exported       `json:"entry,omitempty"`
	Checkpoint *mes.Checkpoint `json:"checkpoint,omitempty"`
	Head       *exportHead     `json:"head,omitempty"`
	End        *exportEnd      `json:"end,omitempty"`
}

type exportHeader struct {
	Form    string    `json:"form"`
	At      time.Time `json:"at"`
	Writers []string  `json:"writers"`
	Partial bool      `json:"partial,omitempty"` // other writers were left out
}

// exportHead is the signed end of a writer's chain.
type exportHead struct {
	Writer    string `json:"writer"`
	N         int64  `json:"n"`
	Hash      string `json:"hash"`
	AtMS      int64  `json:"at_ms"`
	Signature string `json:"signature"`
	KeyID     string `json:"key_id"`
}

type exportEnd struct {
	Writers     int   `json:"writers"`
	Entries     int64 `json:"entries"`
	Checkpoints int64 `json:"checkpoints"`
}

// Export writes the ledger, or one writer's part of it, as it is at this moment, with the keys that are known. What is
// wrong with it is not looked for here: [VerifyExport] does that, wherever the file has gone.
func (s *Store) Export(ctx context.Context, out io.Writer, writer string, known []string, now time.Time) (entries int64, err error) {
	heads, err := s.exportHeads(ctx)
	if err != nil {
		return 0, shown("read the heads of the ledger", err)
	}
	all := len(heads)
	if writer != "" {
		if heads = slices.DeleteFunc(heads, func(h exportHead) bool { return h.Writer != writer }); len(heads) == 0 {
			return 0, mes.Faultf(mes.NotFound, "the ledger has no writer %s", writer)
		}
	}
	header := exportHeader{Form: exportForm, At: now.UTC().Truncate(time.Millisecond), Writers: []string{}, Partial: len(heads) < all}
	for _, h := range heads {
		header.Writers = append(header.Writers, h.Writer)
	}
	buffered := bufio.NewWriterSize(out, 1<<16)
	if err := writeJSON(buffered, exportLine{Export: &header}); err != nil {
		return 0, err
	}
	for _, key := range known {
		if err := writeJSON(buffered, exportLine{Key: key}); err != nil {
			return 0, err
		}
	}
	end := exportEnd{Writers: len(heads)}
	for i := range heads {
		if err := s.exportWriter(ctx, buffered, &heads[i], &end); err != nil {
			return 0, shown("export the ledger", err)
		}
	}
	if err := writeJSON(buffered, exportLine{End: &end}); err != nil {
		return 0, err
	}
	return end.Entries, buffered.Flush()
}

func (s *Store) exportHeads(ctx context.Context) (heads []exportHead, err error) {
	q := stmt{sql: "SELECT writer, n, hash, at_ms, signature, key_id FROM ledger_head ORDER BY writer"}
	err = s.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
		row := scanned(values)
		heads = append(heads, exportHead{row.text(0), row.whole(1), row.text(2), row.whole(3), row.text(4), row.text(5)})
		return nil
	})
	return heads, err
}

// exportWriter writes one writer's entries up to a head, each checkpoint behind the entry that it names.
func (s *Store) exportWriter(ctx context.Context, out io.Writer, h *exportHead, end *exportEnd) error {
	for last, more := int64(0), true; more; {
		more = false
		made, err := s.checkpoints(ctx, fresh, newQuery(selectCheckpoints).and("writer = ? AND n > ? AND n <= ?", h.Writer, last, h.N).end("ORDER BY n LIMIT ?", int64(verifyPage)))
		if err != nil {
			return err
		}
		q := selectFrom(ledgerTable).and("writer = ? AND n > ? AND n <= ?", h.Writer, last, h.N).end("ORDER BY n LIMIT ?", int64(verifyPage))
		err = s.engine.query(ctx, fresh, q.stmt(), func(_ []string, values []any) error {
			var e exported
			if err := ledgerTable.scan(values, reflect.ValueOf((*mes.Entry)(&e)).Elem()); err != nil {
				return err
			}
			if err := writeJSON(out, exportLine{Entry: &e}); err != nil {
				return err
			}
			end.Entries++
			more, last = true, e.N
			for ; len(made) > 0 && made[0].N <= e.N; made = made[1:] {
				if err := writeJSON(out, exportLine{Checkpoint: &made[0]}); err != nil {
					return err
				}
				end.Checkpoints++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return writeJSON(out, exportLine{Head: h})
}

// A Judge checks signatures: of heads as [Options.Verify] does, of notes as [Options.VerifyNote] does.
type Judge struct {
	Head func(writer, keyID string, head []byte, signature string) error
	Note func(writer, name, text, note string) error
}

// VerifyExport proves that an export is whole and as its writers signed it, or names the first entry that is not, as
// [Store.Verify] does for a store. judge is given the keys that the file names itself, and says what to check signatures
// with. The error is for what is no export, or cannot be read.
func VerifyExport(in io.Reader, judge func(keys []string) (Judge, error), witnesses ...*Witness) (*Verification, error) {
	r := &exportReader{lines: bufio.NewReaderSize(in, 1<<16), judge: judge, strands: map[string]*strand{}, ended: map[string]bool{}, have: map[string]map[int64][2]string{}, wanted: map[sightingKey]bool{}}
	for _, w := range witnesses {
		for _, c := range w.Heads {
			r.witnesses.add(c, w.Name, w.Older)
			r.wanted[sightingKey{c.Writer, c.N}] = true
		}
	}
	err := r.run()
	var found *Finding
	switch {
	case errors.As(err, &found):
		r.result.Fault = found
	case err != nil:
		return nil, err
	}
	r.result.OK = r.result.Fault == nil
	r.result.Writers = len(r.strands)
	return &r.result, nil
}

type sightingKey struct {
	writer string
	n      int64
}

// An exportReader goes through an export once, in constant memory but for the checkpoints.
type exportReader struct {
	lines   *bufio.Reader
	line    int
	header  *exportHeader
	keys    []string
	judge   func([]string) (Judge, error)
	with    *Judge
	result  Verification
	strands map[string]*strand
	ended   map[string]bool // writers whose head has come
	current string
	have    map[string]map[int64][2]string // hash and root by number, for what has a checkpoint or was seen
	wanted  map[sightingKey]bool

	anchors, witnesses sightings
}

func (r *exportReader) run() error {
	for {
		line, err := r.next()
		if err != nil {
			return err
		}
		switch {
		case line.Export != nil && r.header == nil && line.Export.Form == exportForm:
			r.header = line.Export
		case r.header == nil:
			return errors.New("this is no export as \"gemba ledger export\" writes it")
		case line.Key != "" && r.with == nil:
			r.keys = append(r.keys, line.Key)
		case line.Entry != nil:
			err = r.entry((*mes.Entry)(line.Entry))
		case line.Checkpoint != nil:
			err = r.checkpoint(line.Checkpoint)
		case line.Head != nil:
			err = r.head(line.Head)
		case line.End != nil:
			return r.end(line.End)
		default:
			err = r.odd("it does not belong here")
		}
		if err != nil {
			return err
		}
	}
}

// next reads a line. One that gemba would have written otherwise is refused: a member that is there twice, or that
// nobody knows, is read differently by different programs.
func (r *exportReader) next() (*exportLine, error) {
	text, err := r.lines.ReadBytes('\n')
	r.line++
	switch {
	case errors.Is(err, io.EOF) && r.header == nil:
		return nil, errors.New("this is no export as \"gemba ledger export\" writes it")
	case errors.Is(err, io.EOF):
		return nil, &Finding{Reason: fmt.Sprintf("the file ends at line %d, before its end: it was cut off", r.line)}
	case err != nil:
		return nil, err
	}
	var line exportLine
	var again bytes.Buffer
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, r.odd("it cannot be read")
	}
	if err := writeJSON(&again, line); err != nil || !bytes.Equal(again.Bytes(), text) {
		return nil, r.odd("it is not as gemba wrote it")
	}
	return &line, nil
}

// odd is for a line that is wrong in itself; before the header nothing says that this is an export at all.
func (r *exportReader) odd(reason string) error {
	if r.header == nil {
		return errors.New("this is no export as \"gemba ledger export\" writes it")
	}
	next := int64(0)
	if s := r.strands[r.current]; s != nil {
		next = s.chain.N + 1
	}
	return &Finding{r.current, next, fmt.Sprintf("line %d of the file: %s", r.line, reason)}
}

// begun gives the strand of a writer, and the judge once the keys are known.
func (r *exportReader) begun(writer string) (*strand, error) {
	if r.with == nil {
		judge, err := r.judge(r.keys)
		if err != nil {
			return nil, err
		}
		r.with = &judge
	}
	s := r.strands[writer]
	switch {
	case r.ended[writer]:
		return nil, &Finding{writer, s.chain.N + 1, "it lies behind the end of the chain that its writer stated"}
	case s == nil && !slices.Contains(r.header.Writers, writer):
		return nil, r.odd("its writer is none of this export")
	case s == nil:
		s = &strand{chain: mes.Chain{Writer: writer}}
		r.strands[writer], r.have[writer] = s, map[int64][2]string{}
	}
	r.current = writer
	return s, nil
}

func (r *exportReader) entry(e *mes.Entry) error {
	s, err := r.begun(e.Writer)
	if err != nil {
		return err
	}
	var broken *mes.ChainFault
	if err := s.entry(e); errors.As(err, &broken) {
		return &Finding{broken.Writer, broken.N, broken.Reason}
	}
	if wrong := s.covered(); wrong != nil {
		return wrong
	}
	c, ok, err := e.Anchored()
	if err != nil {
		return &Finding{e.Writer, e.N, "the checkpoint in it cannot be read"}
	}
	if ok {
		r.anchors.add(c, "writer "+e.Writer, false)
	}
	if r.wanted[sightingKey{e.Writer, e.N}] {
		r.have[e.Writer][e.N] = [2]string{e.Hash}
	}
	r.result.Entries++
	return nil
}

func (r *exportReader) checkpoint(c *mes.Checkpoint) error {
	s, err := r.begun(c.Writer)
	if err != nil {
		return err
	}
	if wrong := s.checkpoint(c, r.with.Note); wrong != nil {
		return wrong
	}
	r.have[c.Writer][c.N] = [2]string{c.Hash, c.Root}
	r.result.Checkpoints++
	return nil
}

func (r *exportReader) head(h *exportHead) error {
	s, err := r.begun(h.Writer)
	if err != nil {
		return err
	}
	switch {
	case h.N < 1:
		return &Finding{h.Writer, h.N, fmt.Sprintf("it states the end of a ledger of %s, which has no entries", h.Writer)}
	case s.chain.N < h.N:
		return &Finding{h.Writer, s.chain.N + 1, "the entry is missing"}
	case s.chain.N > h.N || s.chain.Hash != h.Hash:
		return &Finding{h.Writer, h.N, "the chain does not end as its writer stated"}
	case r.with.Head != nil && h.Signature == "":
		return &Finding{h.Writer, h.N, "the end of the chain is not signed"}
	}
	if r.with.Head != nil {
		if err := r.with.Head(h.Writer, h.KeyID, HeadText(h.Writer, h.N, h.Hash, h.AtMS), h.Signature); err != nil {
			return &Finding{h.Writer, h.N, "the signature at the end of the chain is wrong: " + err.Error()}
		}
	}
	r.ended[h.Writer] = true
	return nil
}

// end checks that everything has come, and compares it with what was seen of it elsewhere.
func (r *exportReader) end(end *exportEnd) error {
	for _, writer := range r.header.Writers {
		if !r.ended[writer] {
			return &Finding{Writer: writer, Reason: fmt.Sprintf("the end of the ledger of %s is missing", writer)}
		}
	}
	if end.Entries != r.result.Entries || end.Checkpoints != r.result.Checkpoints || end.Writers != len(r.header.Writers) {
		return &Finding{Reason: fmt.Sprintf("the file holds %d entries and %d checkpoints, and says that it has %d and %d", r.result.Entries, r.result.Checkpoints, end.Entries, end.Checkpoints)}
	}
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return &Finding{Reason: "something follows the end of the export"}
	}
	for _, part := range []struct {
		seen    sightings
		matched *int64
	}{{r.anchors, &r.result.Anchors}, {r.witnesses, &r.result.Witnessed}} {
		by := part.seen.of()
		for _, writer := range slices.Sorted(maps.Keys(by)) {
			seen, s := by[writer], r.strands[writer]
			if s == nil && r.header.Partial {
				r.result.Notes = append(r.result.Notes, fmt.Sprintf("what was seen of %s is not compared: this export leaves it out", writer))
				continue
			}
			last := int64(0)
			if s != nil {
				last = s.chain.N
			}
			matched, fault := agree(writer, seen, last, r.have[writer])
			*part.matched += matched
			if fault != nil {
				return fault
			}
		}
	}
	return nil
}
