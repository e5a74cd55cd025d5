package storage

import (
	"errors"
	"fmt"
	"strings"

	"gemba/mes"
)

// kind says what went wrong in an engine, as far as the store acts on it.
type kind int

const (
	other          kind = iota // anything not listed: a fault of ours, such as wrong SQL
	duplicate                  // a primary key or unique name is taken; detail names table and column
	stale                      // an expectation did not hold
	checkFailed                // a CHECK did not hold; detail names it
	foreignKey                 // a row's parent is not there
	notNull                    // a column without a value; detail names it
	wrongType                  // a value of a type that the column does not hold; detail names it
	appendOnly                 // somebody tried to change or remove what may only be added to
	chainBroken                // a ledger entry that does not continue its writer's chain
	diskFull                   // no room left
	damaged                    // the file is not what SQLite wrote
	readOnly                   // the file or its disk refuses writes
	busy                       // somebody else holds the file
	unreachable                // no node took the request; nothing was done
	outcomeUnknown             // it was sent and no answer came: done or not, only the store itself can tell
)

// trouble is an error of an engine.
type trouble struct {
	kind   kind
	detail string // table.column, constraint or the engine's text
	cause  error
}

func (t *trouble) Error() string { return t.cause.Error() }
func (t *trouble) Unwrap() error { return t.cause }

// kindOf tells the kind of an engine's error, other for anything else.
func kindOf(err error) kind {
	var t *trouble
	if errors.As(err, &t) {
		return t.kind
	}
	return other
}

// detailOf tells what the error of an engine names.
func detailOf(err error) string {
	var t *trouble
	if errors.As(err, &t) {
		return t.detail
	}
	return ""
}

// Texts that our triggers raise.
const (
	raisedStale      = "precondition"
	raisedAppendOnly = "append-only"
	raisedChain      = "chain"
)

// texts maps the beginning of what SQLite says to a kind. Both engines are SQLite underneath, and rqlite hands out
// only the text, so the text is what both are read by.
var texts = []struct {
	begin string
	kind  kind
}{
	{"UNIQUE constraint failed: ", duplicate},
	{"CHECK constraint failed: ", checkFailed},
	{"FOREIGN KEY constraint failed", foreignKey},
	{"NOT NULL constraint failed: ", notNull},
	{"cannot store ", wrongType},
	{raisedStale, stale},
	{raisedAppendOnly, appendOnly},
	{raisedChain, chainBroken},
	{"database or disk is full", diskFull},
	{"database disk image is malformed", damaged},
	{"file is not a database", damaged},
	{"malformed database schema", damaged},
	{"attempt to write a readonly database", readOnly},
	{"unable to open database file", readOnly},
	{"database is locked", busy},
	{"database table is locked", busy},
	{"database schema is locked", busy},
	{"disk I/O error", damaged},
	{"database is closed", unreachable},
	{"database not open", unreachable},
	{"not leader", unreachable},
	{"leader not found", unreachable},
}

// fromText makes a trouble of what SQLite said about a statement. The statement's batch was rolled back.
func fromText(cause error) *trouble {
	text := cause.Error()
	for _, t := range texts {
		if rest, ok := strings.CutPrefix(text, t.begin); ok {
			return &trouble{kind: t.kind, detail: strings.TrimSpace(rest), cause: cause}
		}
	}
	return &trouble{kind: other, detail: text, cause: cause}
}

// shown turns an engine's error into what callers and people may see. doing says what was being done, for the log.
func shown(doing string, err error) error {
	if err == nil {
		return nil
	}
	var f *mes.Fault
	if errors.As(err, &f) || errors.Is(err, mes.ErrStale) {
		return err
	}
	cause := fmt.Errorf("%s: %w", doing, err)
	switch kindOf(err) {
	case stale:
		return mes.ErrStale
	case duplicate:
		return mes.FaultFrom(mes.Conflict, cause, "%s", taken(detailOf(err)))
	case foreignKey:
		return mes.FaultFrom(mes.Conflict, cause, "something this refers to is not there; look again and repeat")
	case diskFull:
		return mes.FaultFrom(mes.Unavailable, cause, "the disk of the database is full and nothing was saved; call your administrator, then send it again")
	case damaged:
		return mes.FaultFrom(mes.Unavailable, cause, "the database file is damaged or its disk fails; nothing more is saved; call your administrator")
	case readOnly:
		return mes.FaultFrom(mes.Unavailable, cause, "the database cannot be written to and nothing was saved; call your administrator, then send it again")
	case busy:
		return mes.FaultFrom(mes.Unavailable, cause, "the database is in use by another program; nothing was saved; send it again")
	case unreachable:
		return mes.FaultFrom(mes.Unavailable, cause, "the database does not answer and nothing was saved; send it again in a moment")
	case outcomeUnknown:
		return mes.FaultFrom(mes.Unavailable, cause, "the database did not answer in time, so it is not known yet whether this was saved; send it again with the same id, it is never done twice")
	}
	return mes.FaultFrom(mes.Internal, cause, "something went wrong while saving; nothing was changed; tell your administrator")
}

// taken says in words which name exists already, from "table.column[, table.column]".
func taken(columns string) string {
	first, _, _ := strings.Cut(columns, ",")
	table, column, _ := strings.Cut(first, ".")
	table, column = strings.ReplaceAll(table, "_", " "), strings.ReplaceAll(column, "_", " ")
	if column == "" || column == "id" {
		return fmt.Sprintf("this %s exists already; look again, or choose another", table)
	}
	return fmt.Sprintf("there is already a %s with this %s; choose another", table, column)
}
