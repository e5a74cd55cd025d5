package storage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"gemba/mes"
)

const (
	signEntries = 1000        // a checkpoint is due after so many entries,
	signTime    = time.Minute // or after so long when there was news
)

const (
	checkpointColumns = "writer, n, root, hash, at_ms, machine_rows, note"
	selectCheckpoints = "SELECT " + checkpointColumns + " FROM ledger_checkpoint"
	insertCheckpoint  = "INSERT INTO ledger_checkpoint(" + checkpointColumns + ", edge) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	selectEdge        = "SELECT " + checkpointColumns + ", edge FROM ledger_checkpoint WHERE writer = ? ORDER BY n DESC LIMIT 1"
	selectSince       = "SELECT n, prev_hash, hash, command FROM ledger WHERE writer = ? AND n > ? ORDER BY n LIMIT ?"
)

// An edge is the right edge of the Merkle tree over a writer's entries: all that it takes to go on with the tree. The
// zero edge is that of the empty tree.
type edge struct {
	n     int64
	nodes [63]tlog.Hash // the full subtree of 2^i leaves, where bit i of n is set
}

// leaf is the tree's hash of an entry.
func leaf(hash string) tlog.Hash { return tlog.RecordHash([]byte(hash)) }

// add appends the entry with this hash.
func (e *edge) add(hash string) {
	h := leaf(hash)
	level := 0
	for ; e.n>>level&1 == 1; level++ {
		h = tlog.NodeHash(e.nodes[level], h)
	}
	e.nodes[level] = h
	e.n++
}

// root is the hash that stands for all entries.
func (e *edge) root() tlog.Hash {
	if e.n == 0 {
		empty, _ := tlog.TreeHash(0, nil) // needs nothing to be read
		return empty
	}
	level := bits.TrailingZeros64(uint64(e.n))
	h := e.nodes[level]
	for level++; e.n>>level != 0; level++ {
		if e.n>>level&1 == 1 {
			h = tlog.NodeHash(e.nodes[level], h)
		}
	}
	return h
}

// text writes the edge down: base64 of its subtrees, the largest first.
func (e *edge) text() string {
	var all []byte
	for level := bits.Len64(uint64(e.n)) - 1; level >= 0; level-- {
		if e.n>>level&1 == 1 {
			all = append(all, e.nodes[level][:]...)
		}
	}
	return base64.StdEncoding.EncodeToString(all)
}

// parseEdge reads the edge of a tree with n leaves.
func parseEdge(n int64, text string) (edge, error) {
	all, err := base64.StdEncoding.DecodeString(text)
	if err != nil || n < 0 || len(all) != bits.OnesCount64(uint64(n))*tlog.HashSize {
		return edge{}, errors.New("it is damaged")
	}
	e := edge{n: n}
	for level := bits.Len64(uint64(n)) - 1; level >= 0; level-- {
		if n>>level&1 == 1 {
			copy(e.nodes[level][:], all)
			all = all[tlog.HashSize:]
		}
	}
	return e, nil
}

// checkpoint states the tree as it is, signed if this node has a key.
func (s *Store) checkpoint(t *tip, at time.Time) (*mes.Checkpoint, error) {
	c := &mes.Checkpoint{Writer: s.writer, N: t.last.n, Root: t.tree.root().String(), Hash: t.last.hash, At: at.UTC().Truncate(time.Millisecond), Rows: maps.Clone(t.rows)}
	c.Note = c.Text()
	if s.signNote == nil {
		return c, nil
	}
	var err error
	if c.Note, err = s.signNote(mes.Origin(s.writer), c.Note); err != nil {
		return nil, fmt.Errorf("sign the checkpoint at entry %d: %w", c.N, err)
	}
	return c, nil
}

// checkpointStmt keeps a checkpoint, with the edge of its tree.
func checkpointStmt(c *mes.Checkpoint, e *edge) stmt {
	var rows any
	if len(c.Rows) > 0 {
		text, _ := json.Marshal(c.Rows) // texts and numbers always have a JSON form
		rows = string(text)
	}
	return stmt{sql: insertCheckpoint, args: []any{c.Writer, c.N, c.Root, c.Hash, c.At.UnixMilli(), rows, c.Note, e.text()}}
}

// scanCheckpoint reads a row of checkpointColumns.
func scanCheckpoint(values []any) (mes.Checkpoint, error) {
	var c mes.Checkpoint
	err := scanned(values).into(0, &c.Writer, &c.N, &c.Root, &c.Hash, &c.At, &c.Rows, &c.Note)
	return c, err
}

// checkpoints gives what a query on ledger_checkpoint finds.
func (s *Store) checkpoints(ctx context.Context, l level, q *query) ([]mes.Checkpoint, error) {
	var found []mes.Checkpoint
	err := s.engine.query(ctx, l, q.stmt(), func(_ []string, values []any) error {
		c, err := scanCheckpoint(values)
		found = append(found, c)
		return err
	})
	return found, err
}

// A tip is where a writer's chain and tree end.
type tip struct {
	last   link
	tree   edge               // over the entries up to last
	news   bool               // there were entries since the last checkpoint that are no anchors
	signed int64              // entry of the last checkpoint
	at     time.Time          // when it was made
	rows   map[mes.Kind]int64 // machine rows that were surely put in
}

// add takes an entry in. Anchors are no news: two idle nodes would go on about each other's anchors for ever.
func (t *tip) add(n int64, hash, command string) {
	t.last = link{n, hash}
	t.tree.add(hash)
	t.news = t.news || command != mes.AnchorCommand
}

// due tells whether a checkpoint should be made.
func (t *tip) due(now time.Time, every time.Duration) bool {
	return t.last.n-t.signed >= signEntries || t.news && now.Sub(t.at) >= every
}

// stated notes that a checkpoint was kept.
func (t *tip) stated(c *mes.Checkpoint) {
	t.signed, t.at = c.N, c.At
	if c.N == t.last.n {
		t.news = false
	}
}

// extend reads what the database has of the writer's chain behind the tip.
func (s *Store) extend(ctx context.Context, writer string, t *tip) error {
	for more := true; more; {
		more = false
		q := stmt{sql: selectSince, args: []any{writer, t.last.n, int64(verifyPage)}}
		err := s.engine.query(ctx, fresh, q, func(_ []string, values []any) error {
			row := scanned(values)
			if row.whole(0) != t.last.n+1 || row.text(1) != t.last.hash {
				return &trouble{kind: damaged, detail: "ledger", cause: fmt.Errorf("entry %d of %s does not continue the ledger", t.last.n+1, writer)}
			}
			t.add(row.whole(0), row.text(2), row.text(3))
			more = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findTip finds a writer's tip: from its newest checkpoint and the entries since.
func (s *Store) findTip(ctx context.Context, writer string, now time.Time) (tip, error) {
	t := tip{last: genesis, at: now, rows: map[mes.Kind]int64{}}
	err := s.engine.query(ctx, fresh, stmt{sql: selectEdge, args: []any{writer}}, func(_ []string, values []any) error {
		c, err := scanCheckpoint(values)
		if err == nil {
			t.tree, err = parseEdge(c.N, textOf(values[len(values)-1]))
		}
		if err == nil && t.tree.root().String() != c.Root {
			err = errors.New("its tree does not have its root")
		}
		if err != nil {
			return fmt.Errorf("the checkpoint of %s at entry %s: %w; find out with \"gemba ledger verify\" and restore a backup", writer, strconv.FormatInt(c.N, 10), err)
		}
		t.last, t.signed, t.at = link{c.N, c.Hash}, c.N, c.At
		maps.Copy(t.rows, c.Rows)
		return nil
	})
	if err != nil {
		return t, err
	}
	return t, s.extend(ctx, writer, &t)
}

// subtrees gives a [tlog.HashReader] over the stored entries of a writer. Subtrees are built from their leaves when they
// are asked for: proofs are seldom wanted, and keeping every node would double what a commit writes.
func (s *Store) subtrees(ctx context.Context, writer string) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, at := tlog.SplitStoredHashIndex(index)
			from, to := at<<level, (at+1)<<level // entries from+1 to to
			var e edge
			for more := true; more && e.n < to-from; {
				more = false
				q := stmt{sql: "SELECT hash FROM ledger WHERE writer = ? AND n > ? AND n <= ? ORDER BY n LIMIT ?", args: []any{writer, from + e.n, to, int64(10 * verifyPage)}}
				err := s.engine.query(ctx, local, q, func(_ []string, values []any) error {
					e.add(textOf(values[0]))
					more = true
					return nil
				})
				if err != nil {
					return nil, err
				}
			}
			if e.n != to-from {
				return nil, fmt.Errorf("entries %d to %d of %s are not all there", from+1, to, writer)
			}
			found[i] = e.root()
		}
		return found, nil
	})
}

// proofText writes the hashes of a proof.
func proofText(hashes []tlog.Hash) []string {
	all := make([]string, len(hashes))
	for i, h := range hashes {
		all[i] = h.String()
	}
	return all
}

// parseProof reads the hashes of a proof.
func parseProof(all []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(all))
	for i, text := range all {
		var err error
		if hashes[i], err = tlog.ParseHash(strings.TrimSpace(text)); err != nil {
			return nil, fmt.Errorf("hash %d of the proof is damaged", i+1)
		}
	}
	return hashes, nil
}
