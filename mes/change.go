package mes

import (
	"encoding/json"
	"time"
)

// A Kind names a sort of stored thing: in expectations, in the ledger, in topics, and as the table that holds it.
type Kind string

const (
	KindEquipment    Kind = "equipment"
	KindProduct      Kind = "product"
	KindRevision     Kind = "revision"
	KindOrder        Kind = "work_order"
	KindOperation    Kind = "operation"
	KindSession      Kind = "job_session"
	KindReport       Kind = "report"
	KindEngagement   Kind = "engagement"
	KindPerson       Kind = "person"
	KindStation      Kind = "station"
	KindCredential   Kind = "credential"
	KindKey          Kind = "api_key"
	KindSSHKey       Kind = "ssh_key"
	KindSignIn       Kind = "sign_in"
	KindLockout      Kind = "lockout"
	KindPrincipal    Kind = "principal"
	KindSignature    Kind = "signature"
	KindReading      Kind = "instruction_reading"
	KindCounter      Kind = "counter"
	KindCount        Kind = "counter_reading"
	KindMachineState Kind = "machine_state"
	KindAlarm        Kind = "alarm"
	KindSample       Kind = "sample"
)

// A Record is a stored thing with a version. Its type fixes its kind; the version starts at 1 and rises with each
// change, so that a decision made on an old one is noticed.
type Record interface {
	Key() ID
	kind() Kind
	version() *int64
}

// KindOf tells the kind of a record.
func KindOf(r Record) Kind { return r.kind() }

// VersionOf tells the version of a record.
func VersionOf(r Record) int64 { return *r.version() }

// An Expect is a condition of a change: the record is still at this version. Version 0 expects that it does not exist.
type Expect struct {
	Kind    Kind
	ID      ID
	Version int64
}

// A Change is all that one command does, to be committed at once or not at all, in this order: receipt, ledger entry,
// expectations, Put, Add, Bulk.
type Change struct {
	Entry   Entry    // exactly one ledger entry; Writer, N, PrevHash and Hash are set by the store
	Receipt *Receipt // nil for a refusal: it leaves an entry but does not use up the command's id
	Expect  []Expect // every record the decision was made on
	Put     []Record // versioned records in their new form, Version already raised; parents before children
	Add     []any    // pointers to insert-only rows: *Report, *Reading, *Signature; parents before children
	Bulk    []any    // slices of machine rows ([]Sample, []CounterReading, []MachineState, []Alarm): a row whose natural key is there already is left alone
}

// A Receipt is what a command gave. The same command id always gives the same one.
type Receipt struct {
	ID       ID              `json:"id"`      // the command's id
	Command  string          `json:"command"` // its name in the table
	At       time.Time       `json:"at"`
	Digest   string          `json:"-"` // of name and content: the same id with another content is refused
	By       ID              `json:"-"` // principal; an id belongs to who used it first
	Writer   string          `json:"writer"`
	N        int64           `json:"n"`      // ledger entry of the writer
	Result   json.RawMessage `json:"result"` // what the command's help says, as JSON
	Odd      []Oddity        `json:"odd,omitempty"`
	Inserted int64           `json:"inserted"`           // bulk rows that were new; not part of what is stored
	Replayed bool            `json:"replayed,omitempty"` // the command had been done before; nothing happened now
}

// An Oddity is a gate that live work would have been stopped at, in history that happened all the same.
type Oddity struct {
	Code string `json:"code"` // short and stable: "overlap", "not_ready", "no_length" …
	Text string `json:"text"`
}

// Topics names what changed, for the live feed: "work_order:ID", "machine:CODE", "line:CODE" and the like.
func (c *Change) Topics() []string {
	var topics []string
	seen := map[string]bool{}
	add := func(kind string, id ID) {
		if t := kind + ":" + string(id); id != "" && !seen[t] {
			seen[t] = true
			topics = append(topics, t)
		}
	}
	for _, r := range c.Put {
		switch v := r.(type) {
		case *Operation:
			add("work_order", v.Order)
			add("line", v.Line)
		case *Order:
			add("work_order", v.ID)
			add("line", v.Line)
		case *Session:
			add("work_order", v.Order)
			add("machine", v.Machine)
		default:
			add(string(r.kind()), r.Key())
		}
	}
	for _, b := range c.Bulk {
		switch rows := b.(type) {
		case []MachineState:
			for i := range rows {
				add("machine", rows[i].Machine)
			}
		case []CounterReading:
			for i := range rows {
				add("machine", rows[i].Machine)
			}
		case []Alarm:
			for i := range rows {
				add("machine", rows[i].Machine)
			}
		}
	}
	return topics
}
