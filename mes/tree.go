package mes

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AnchorCommand is the command name of an entry that takes another writer's checkpoint into a node's own chain.
const AnchorCommand = "ledger.anchor"

// A Checkpoint is what a writer says of its entries up to a number: the root of the Merkle tree over them, the hash of
// the last one, and when it said so, signed with its key. Leaf i of the tree is the hash of entry i + 1, as its 64 hex
// digits; leaves and nodes are hashed as RFC 6962 says.
//
// Two checkpoints of one writer that do not fit together prove that it told two stories, whatever became of the
// database.
type Checkpoint struct {
	Writer string    `json:"writer"`
	N      int64     `json:"n"`
	Root   string    `json:"root"` // base64
	Hash   string    `json:"hash"` // of entry N
	At     time.Time `json:"at"`
	// Rows is how many machine rows of each kind the writer had surely put in by then. There may be more: those of a batch
	// whose answer got lost are not counted.
	Rows map[Kind]int64 `json:"rows,omitempty"`
	Note string         `json:"note"` // Text, signed: a note as golang.org/x/mod/sumdb/note defines it
}

// Origin names the tree of a writer in its notes. It has neither spaces nor plus signs, as the form of notes demands.
func Origin(writer string) string {
	return "gemba/" + strings.ReplaceAll(url.QueryEscape(writer), "+", "%20")
}

// Text is what is signed of a checkpoint: origin, size and root, as programs that know transparency logs read them, and
// then what is our own.
func (c *Checkpoint) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\nhash %s\nat %s\n", Origin(c.Writer), c.N, c.Root, c.Hash, c.At.UTC().Format(time.RFC3339Nano))
	for _, kind := range slices.Sorted(maps.Keys(c.Rows)) {
		text += fmt.Sprintf("rows %q %d\n", string(kind), c.Rows[kind])
	}
	return text
}

// Anchor is the change by which a node takes the checkpoint of another writer into its own chain. The same node takes
// the same checkpoint once.
func Anchor(by string, at time.Time, c Checkpoint) (*Change, error) {
	given, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	actor := System("ledger", "ledger")
	detail := Detail{Given: given, Result: json.RawMessage("{}")}
	text, err := detail.text()
	if err != nil {
		return nil, err
	}
	at = at.UTC().Truncate(time.Millisecond)
	id := ID(fmt.Sprintf("anchor:%s:%s:%d", by, c.Writer, c.N))
	return &Change{
		Entry: Entry{
			ID: id, At: at, View: ActivityLog, Command: AnchorCommand, Outcome: Done, Kind: actor.Kind, Actor: actor.ID,
			Subject: "ledger/" + c.Writer, Detail: text,
		},
		Receipt: &Receipt{ID: id, Command: AnchorCommand, At: at, Digest: digestOf(AnchorCommand, given), By: actor.ID, Result: detail.Result},
	}, nil
}

// Anchored gives the checkpoint that an entry took into its chain; ok is false for entries of other commands.
func (e *Entry) Anchored() (c Checkpoint, ok bool, err error) {
	if e.Command != AnchorCommand || e.Outcome != Done {
		return c, false, nil
	}
	var detail Detail
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		return c, false, err
	}
	err = json.Unmarshal(detail.Given, &c)
	return c, err == nil, err
}

// GivenDigest is the digest that the receipt of a command has, computed from the command as the ledger keeps it: an
// ingest states its own, since the ledger does not keep its items.
func GivenDigest(command string, given json.RawMessage) string {
	if command == "machine.ingest" {
		var brief struct {
			Digest string `json:"digest"`
		}
		if json.Unmarshal(given, &brief) == nil {
			return brief.Digest
		}
	}
	return digestOf(command, given)
}

// LedgerHealth is how the evidence of this node's ledger does.
type LedgerHealth struct {
	Entries   int64     `json:"entries" doc:"number of this node's newest ledger entry"`
	Covered   int64     `json:"covered" doc:"number of the newest entry that a checkpoint covers"`
	SignedAt  time.Time `json:"signed_at" doc:"when the newest checkpoint was made; the start of gemba without one"`
	Stale     bool      `json:"stale" doc:"whether entries have waited for a checkpoint for longer than five minutes"`
	Unwritten string    `json:"unwritten,omitempty" doc:"why the newest checkpoint is not in the witness file"`
	Conflict  string    `json:"conflict,omitempty" doc:"what was found when the ledgers of other nodes were followed and does not fit"`
}
