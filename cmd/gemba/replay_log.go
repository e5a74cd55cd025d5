package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gemba/mes"
)

// logColumns are the columns that a log must have, in any order and among any others.
var logColumns = []string{"work_order", "operation", "worker", "started_at", "completed_at", "qty_completed", "qty_rejected", "qty_mrb", "report_type", "rework"}

// A logRow is one session as a log tells it: who worked on what, from when to when, and what came of it.
type logRow struct {
	Line      int // of the file, where the row begins
	Order     string
	Operation string
	Worker    string
	From, To  time.Time // UTC, to the millisecond
	Good      int64
	Scrap     int64
	Review    int64
	Type      string // S setup, D production, B both
	Rework    bool
}

// reports tells whether the row says that anything was made.
func (r *logRow) reports() bool { return r.Good > 0 || r.Scrap > 0 || r.Review > 0 }

// backwards tells whether the row ends before it begins.
func (r *logRow) backwards() bool { return r.To.Before(r.From) }

// end is when the session is taken to have ended: a row that ends before it begins lasts no time.
func (r *logRow) end() time.Time {
	if r.backwards() {
		return r.From
	}
	return r.To
}

// fields are what the row says, in a form that does not depend on how the file writes it.
func (r *logRow) fields() []string {
	return []string{
		r.Order, r.Operation, r.Worker, strconv.FormatInt(r.From.UnixMilli(), 10), strconv.FormatInt(r.To.UnixMilli(), 10),
		strconv.FormatInt(r.Good, 10), strconv.FormatInt(r.Scrap, 10), strconv.FormatInt(r.Review, 10), r.Type, strconv.FormatBool(r.Rework),
	}
}

// readLog reads a whole log, in the order of the file. The first thing that is wrong with it is the error, with its
// line and column, and then nothing of it is used.
func readLog(r io.Reader) ([]logRow, error) {
	reader := csv.NewReader(withoutBOM(r))
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, logFault(1, "", "the file is empty; it must begin with the names of its columns: %s", strings.Join(logColumns, ", "))
	}
	if err != nil {
		return nil, csvFault(err)
	}
	at, err := findColumns(header)
	if err != nil {
		return nil, err
	}
	width := len(header)
	var rows []logRow
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvFault(err)
		}
		line, _ := reader.FieldPos(0)
		if len(record) != width {
			return nil, logFault(line, "", "the row has %d fields and the header names %d columns", len(record), width)
		}
		row, err := parseRow(line, func(column string) string { return strings.TrimSpace(record[at[column]]) })
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, logFault(1, "", "the log has a header and no rows")
	}
	return rows, nil
}

// findColumns finds the columns by their names.
func findColumns(header []string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := at[name]; twice && slices.Contains(logColumns, name) {
			return nil, logFault(1, name, "the header names this column twice")
		}
		at[name] = i
	}
	var missing []string
	for _, name := range logColumns {
		if _, found := at[name]; !found {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, logFault(1, strings.Join(missing, ", "), "missing from the header; a log has the columns %s", strings.Join(logColumns, ", "))
	}
	return at, nil
}

func parseRow(line int, field func(column string) string) (logRow, error) {
	r := logRow{Line: line}
	var wrong error
	note := func(column string, err error) {
		if err != nil && wrong == nil {
			wrong = logFault(line, column, "%v", err)
		}
	}
	name := func(into *string, column string) {
		*into = field(column)
		note(column, checkName(*into))
	}
	moment := func(into *time.Time, column string) {
		t, err := parseMoment(field(column))
		*into = t
		note(column, err)
	}
	quantity := func(into *int64, column string) {
		n, err := parseQuantity(field(column))
		*into = n
		note(column, err)
	}
	name(&r.Order, "work_order")
	name(&r.Operation, "operation")
	name(&r.Worker, "worker")
	moment(&r.From, "started_at")
	moment(&r.To, "completed_at")
	quantity(&r.Good, "qty_completed")
	quantity(&r.Scrap, "qty_rejected")
	quantity(&r.Review, "qty_mrb")
	switch r.Type = strings.ToUpper(field("report_type")); r.Type {
	case "S", "D", "B":
	default:
		note("report_type", fmt.Errorf("%q is not a type of report; write S (setup), D (production) or B (both)", field("report_type")))
	}
	switch strings.ToUpper(field("rework")) {
	case "Y", "YES", "TRUE", "1":
		r.Rework = true
	case "", "N", "NO", "FALSE", "0":
	default:
		note("rework", fmt.Errorf("%q is neither Y nor empty", field("rework")))
	}
	return r, wrong
}

// checkName accepts what can be shown to people as it is.
func checkName(text string) error {
	switch {
	case text == "":
		return errors.New("it is empty; every session has an order, an operation and a worker")
	case !utf8.ValidString(text):
		return errors.New("it is not UTF-8 text; convert the file to UTF-8")
	case strings.IndexFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) >= 0:
		return fmt.Errorf("%q holds a control or invisible character", text)
	}
	return nil
}

// momentForms are the forms of time that a log may use; what says no zone is UTC.
var momentForms = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"}

func parseMoment(text string) (time.Time, error) {
	for _, form := range momentForms {
		t, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < 1970 {
			return t, fmt.Errorf("%q is before 1970", text)
		}
		return t.Truncate(time.Millisecond), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write it like 2012-01-02T07:00:00Z or 2012-01-02 07:00:00 (UTC)", text)
}

// parseQuantity reads a whole number, also in the form that spreadsheets give it: 31.0. Nothing is none.
func parseQuantity(text string) (int64, error) {
	digits := text
	if whole, fraction, found := strings.Cut(text, "."); found && strings.Trim(fraction, "0") == "" {
		digits = whole
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > mes.MaxQuantity {
		return 0, fmt.Errorf("%q is not a quantity; write a whole number from 0 to %d", text, mes.MaxQuantity)
	}
	return n, nil
}

// logFault says where a log is wrong.
func logFault(line int, column, format string, args ...any) error {
	where := fmt.Sprintf("line %d", line)
	if column != "" {
		where += ", column " + column
	}
	return mes.Faultf(mes.Invalid, "%s: %s", where, fmt.Sprintf(format, args...))
}

func csvFault(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return logFault(p.Line, fmt.Sprintf("at character %d", p.Column), "the quotation marks do not match (%v)", p.Err)
	}
	return err
}

// withoutBOM leaves out the mark that some programs put before UTF-8 text.
func withoutBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(3); string(head) == "\xef\xbb\xbf" {
		_, _ = b.Discard(3)
	}
	return b
}
