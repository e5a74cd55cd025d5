package mes

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// View says which of the three logs an entry belongs to.
type View string

const (
	ActivityLog    View = "activity"    // who came, left, was refused, looked after what
	TransactionLog View = "transaction" // what work was performed, when, by whom, where
	ChangeLog      View = "change"      // every edit of plant, products, people, grants and keys, before and after
)

// Outcome of a command, as the ledger keeps it.
type Outcome string

const (
	Done    Outcome = "done"
	NotDone Outcome = "refused"
)

// An Entry is one line of the ledger. Writers (nodes) each have their own chain: entry n carries the hash of n − 1.
type Entry struct {
	Writer   string          `json:"writer"`
	N        int64           `json:"n"`
	ID       ID              `json:"id"` // of the command
	At       time.Time       `json:"at"`
	View     View            `json:"view"`
	Command  string          `json:"command"`
	Outcome  Outcome         `json:"outcome"`
	Code     Code            `json:"code"`    // of a refusal
	Message  string          `json:"message"` // of a refusal
	Kind     ActorKind       `json:"kind"`    // who did it
	Actor    ID              `json:"actor"`
	Person   ID              `json:"person"`
	Station  ID              `json:"station"`
	Key      ID              `json:"key"`
	Session  ID              `json:"session"` // the sign-in
	Source   string          `json:"source"`
	Subject  string          `json:"subject"` // what it was about: "work_order/ID"
	Site     ID              `json:"site"`
	Line     ID              `json:"line"`
	Detail   json.RawMessage `json:"detail"` // a Detail, as JSON
	PrevHash string          `json:"prev_hash"`
	Hash     string          `json:"hash"`
}

// Detail is what an entry holds besides its columns: the command as given, what it gave, what was odd, and every row
// that it wrote, so that the ledger alone tells the state of every record.
type Detail struct {
	Given   json.RawMessage `json:"given,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Odd     []Oddity        `json:"odd,omitempty"`
	Rows    []RowImage      `json:"rows,omitempty"`
	Batches []BatchImage    `json:"batches,omitempty"`
}

// RowImage is a row as the entry's command left it and, in the change log, as it was before.
type RowImage struct {
	Kind   Kind            `json:"kind"`
	Key    ID              `json:"key"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after"`
}

// BatchImage stands for machine rows that came in bulk. The digest of what came is in the command as given.
type BatchImage struct {
	Kind  Kind `json:"kind"`
	Count int  `json:"count"`
}

// text writes the detail as JSON. What it holds is JSON already and is put together as it is: this is done for every
// command, and reading all of it again to write it would cost more than the rest of the decision.
func (d *Detail) text() (json.RawMessage, error) {
	size := len(d.Given) + len(d.Result) + 64
	for i := range d.Rows {
		size += len(d.Rows[i].Before) + len(d.Rows[i].After) + 96
	}
	to := append(make([]byte, 0, size), '{')
	part := func(name string, value []byte) {
		if len(value) == 0 {
			return
		}
		if len(to) > 1 {
			to = append(to, ',')
		}
		to = append(append(append(append(to, '"'), name...), '"', ':'), value...)
	}
	part("given", d.Given)
	part("result", d.Result)
	if len(d.Odd) > 0 {
		odd, err := json.Marshal(d.Odd)
		if err != nil {
			return nil, err
		}
		part("odd", odd)
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		if i == 0 {
			part("rows", []byte{'['})
		} else {
			to = append(to, ',')
		}
		key, err := json.Marshal(r.Key)
		if err != nil {
			return nil, err
		}
		to = append(append(append(to, `{"kind":"`...), r.Kind...), `","key":`...)
		to = append(to, key...)
		if len(r.Before) > 0 {
			to = append(append(to, `,"before":`...), r.Before...)
		}
		to = append(append(append(to, `,"after":`...), r.After...), '}')
	}
	if len(d.Rows) > 0 {
		to = append(to, ']')
	}
	if len(d.Batches) > 0 {
		batches, err := json.Marshal(d.Batches)
		if err != nil {
			return nil, err
		}
		part("batches", batches)
	}
	return append(to, '}'), nil
}

// GenesisHash is the previous hash of a chain's first entry.
const GenesisHash = "0000000000000000000000000000000000000000000000000000000000000000"

// Seal places the entry in a chain: writer, number, previous hash, and the hash over all of it.
func (e *Entry) Seal(writer string, n int64, prev string) {
	e.Writer, e.N, e.PrevHash = writer, n, prev
	e.Hash = e.Digest()
}

// Digest is the SHA-256, in hex, over every field but Hash, each preceded by its length, in the order of the struct.
// Every node gives the same digest for the same entry.
func (e *Entry) Digest() string {
	h := sha256.New()
	buf := make([]byte, 0, 768)
	text := func(s string) {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	text("gemba ledger entry 1")
	text(e.Writer)
	buf = binary.AppendVarint(buf, e.N)
	text(string(e.ID))
	buf = binary.AppendVarint(buf, e.At.UnixMilli())
	for _, s := range [...]string{string(e.View), e.Command, string(e.Outcome), string(e.Code), e.Message, string(e.Kind),
		string(e.Actor), string(e.Person), string(e.Station), string(e.Key), string(e.Session), e.Source, e.Subject,
		string(e.Site), string(e.Line)} {
		text(s)
	}
	buf = binary.AppendUvarint(buf, uint64(len(e.Detail)))
	h.Write(buf)
	h.Write(e.Detail)
	buf = buf[:0]
	text(e.PrevHash)
	h.Write(buf)
	return hex.EncodeToString(h.Sum(buf[:0]))
}

// A ChainFault names the first entry of a chain that is not as it was written.
type ChainFault struct {
	Writer string `json:"writer"`
	N      int64  `json:"n"`
	Reason string `json:"reason"`
	// Linked is set when the entry holds together by itself and only does not follow the one before: either of the two
	// may have been replaced, and what comes after tells which.
	Linked bool `json:"-"`
}

func (f *ChainFault) Error() string {
	return fmt.Sprintf("entry %d of writer %s: %s", f.N, f.Writer, f.Reason)
}

// A Chain checks the entries of one writer, given in order of n. The zero Chain expects the first entry.
type Chain struct {
	Writer string
	N      int64
	Hash   string
}

// Check takes the next entry, or says what is wrong with it.
func (c *Chain) Check(e *Entry) error {
	if c.N == 0 {
		c.Writer, c.Hash = e.Writer, GenesisHash
	}
	switch {
	case e.N > c.N+1:
		return &ChainFault{Writer: c.Writer, N: c.N + 1, Reason: "the entry is missing"}
	case e.N != c.N+1:
		return &ChainFault{Writer: c.Writer, N: e.N, Reason: "the number is out of order"}
	case e.Digest() != e.Hash:
		return &ChainFault{Writer: c.Writer, N: e.N, Reason: "its content does not match its hash"}
	case e.PrevHash != c.Hash:
		return &ChainFault{Writer: c.Writer, N: e.N, Reason: "it does not carry the hash of the entry before it", Linked: true}
	}
	c.N, c.Hash = e.N, e.Hash
	return nil
}
