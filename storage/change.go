package storage

import (
	"context"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"gemba/mes"
)

// A task is a change made ready for the committer: everything that does not depend on its place in the ledger is
// written out already, by the goroutine that brings it.
type task struct {
	ctx     context.Context
	entry   mes.Entry
	receipt *mes.Receipt // nil for a refusal
	expect  []mes.Expect // one a record, those of the records put included
	put     []mes.Record
	rows    []lot       // of put and add
	bulk    []lot       // rows that are left alone when they are there already
	size    int         // bulk rows
	done    chan result // takes one result without waiting
}

type result struct {
	receipt mes.Receipt
	err     error
}

// A lot is rows of one table as arguments of its insert or its update, one row after the other.
type lot struct {
	table  *table
	update bool
	args   []any
}

// prepare makes a task of a change.
func prepare(ctx context.Context, c *mes.Change) (*task, error) {
	t := &task{ctx: ctx, entry: c.Entry, put: c.Put, done: make(chan result, 1)}
	tidy(&t.entry)
	if c.Receipt != nil {
		r := *c.Receipt
		t.receipt = &r
	}
	expected := make(map[recordKey]int64, len(c.Expect)+len(c.Put))
	expect := func(kind mes.Kind, id mes.ID, version int64) error {
		if tableOfKind[kind] == nil {
			return mes.Faultf(mes.Internal, "there is no table of %s", kind)
		}
		key := recordKey{kind, id}
		known, again := expected[key]
		if again && known != version {
			return mes.ErrStale
		}
		if !again {
			expected[key] = version
			t.expect = append(t.expect, mes.Expect{Kind: kind, ID: id, Version: version})
		}
		return nil
	}
	for _, e := range c.Expect {
		if err := expect(e.Kind, e.ID, e.Version); err != nil {
			return nil, err
		}
	}
	for i, r := range c.Put {
		kind := mes.KindOf(r)
		for _, before := range c.Put[:i] {
			if mes.KindOf(before) == kind && before.Key() == r.Key() {
				return nil, mes.Faultf(mes.Internal, "%s %s is put twice in one change", kind, r.Key())
			}
		}
		if err := expect(kind, r.Key(), mes.VersionOf(r)-1); err != nil {
			return nil, err
		}
		if err := t.write(reflect.ValueOf(r), true, mes.VersionOf(r) > 1); err != nil {
			return nil, err
		}
	}
	for _, row := range c.Add {
		if err := t.write(reflect.ValueOf(row), false, false); err != nil {
			return nil, err
		}
	}
	for _, rows := range c.Bulk {
		if err := t.writeBulk(reflect.ValueOf(rows)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

type recordKey struct {
	kind mes.Kind
	id   mes.ID
}

// write adds a row, given as a pointer to its struct, to the lot it belongs to.
func (t *task) write(row reflect.Value, versioned, update bool) error {
	if row.Kind() != reflect.Pointer || row.IsNil() {
		return mes.Faultf(mes.Internal, "a change holds a %s where a pointer to a row belongs", row.Type())
	}
	table := tableOfType[row.Type().Elem()]
	if table == nil || table.versioned != versioned {
		return mes.Faultf(mes.Internal, "a change cannot hold a %s here", row.Type())
	}
	l := lotFor(&t.rows, table, update)
	var err error
	l.args, err = table.args(l.args, row.Elem())
	return err
}

func lotFor(in *[]lot, table *table, update bool) *lot {
	for i := range *in {
		if (*in)[i].table == table && (*in)[i].update == update {
			return &(*in)[i]
		}
	}
	*in = append(*in, lot{table: table, update: update})
	return &(*in)[len(*in)-1]
}

// writeBulk writes out a slice of rows that are left alone when they are there already.
func (t *task) writeBulk(rows reflect.Value) error {
	if rows.Kind() != reflect.Slice || tableOfType[rows.Type().Elem()] == nil {
		return mes.Faultf(mes.Internal, "a change cannot hold a %s in bulk", rows.Type())
	}
	table, n := tableOfType[rows.Type().Elem()], rows.Len()
	if n == 0 {
		return nil
	}
	l := lot{table: table, args: make([]any, 0, n*len(table.columns))}
	for i := range n {
		var err error
		if l.args, err = table.args(l.args, rows.Index(i)); err != nil {
			return err
		}
	}
	t.bulk = append(t.bulk, l)
	t.size += n
	return nil
}

// tidy makes the texts of an entry what the database will give back, so that its hash holds for what is stored.
func tidy(e *mes.Entry) {
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			if was := f.String(); was != clean(was) {
				f.SetString(clean(was))
			}
		}
	}
	if !utf8.Valid(e.Detail) {
		e.Detail = []byte(clean(string(e.Detail)))
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
}

// receiptArgs adds the receipt's row in the order of receiptColumns.
func receiptArgs(to []any, r *mes.Receipt) ([]any, error) {
	result, err := documentArg(reflect.ValueOf(r.Result))
	if err != nil {
		return nil, fmt.Errorf("receipt %s: %w", r.ID, err)
	}
	odd, err := documentArg(reflect.ValueOf(r.Odd))
	if err != nil {
		return nil, fmt.Errorf("receipt %s: %w", r.ID, err)
	}
	return append(to, clean(string(r.ID)), clean(string(r.By)), r.Digest, r.Command, r.Writer, r.N, result, odd, timeArg(r.At)), nil
}
