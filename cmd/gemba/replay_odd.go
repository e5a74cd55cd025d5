package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A finding is one sort of oddity: how often, and the first of them in the file.
type finding struct {
	Code    string `json:"code"`
	Count   int    `json:"count"` // rows that it concerns
	Example string `json:"example"`
}

// findings gathers oddities by code. A row counts once for each code, whoever noticed it: the log that shows it, or
// the server's receipt.
type findings struct {
	mu     sync.Mutex
	byCode map[string]*oddRows
}

type oddRows struct {
	lines   map[int]bool
	first   int
	example string
}

func newFindings() *findings { return &findings{byCode: map[string]*oddRows{}} }

// add notes an oddity of a row.
func (f *findings) add(line int, code, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.byCode[code]
	if o == nil {
		o = &oddRows{lines: map[int]bool{}, first: line + 1}
		f.byCode[code] = o
	}
	o.lines[line] = true
	if line < o.first {
		o.first, o.example = line, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...)
	}
}

// list gives all findings, the most frequent first.
func (f *findings) list() []finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []finding{}
	for code, o := range f.byCode {
		all = append(all, finding{code, len(o.lines), o.example})
	}
	slices.SortFunc(all, func(a, b finding) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code)) })
	return all
}

// findOddities notes what the log itself shows. Codes that mes uses for the same thing are its codes.
func (p *plan) findOddities() {
	type running struct {
		until time.Time
		line  int
	}
	busy := map[int]running{} // by worker: the session that ends last
	latest := map[int]int{}   // by order: the operation worked on last
	left := map[[2]int]bool{} // order and operation that others followed
	for _, i := range inOrderOfTime(p.rows) {
		r, s := &p.rows[i], &p.sessions[i]
		switch {
		case r.backwards():
			p.found.add(r.Line, "ends_before_start", "%s on %s ends %s before it begins; taken as a session of no length", r.Worker, r.Order, r.From.Sub(r.To))
		case r.To.Equal(r.From):
			p.found.add(r.Line, "no_length", "%s on %s begins and ends at %s", r.Worker, r.Order, r.From.Format(time.RFC3339))
		}
		if !r.reports() && r.Type != "S" {
			p.found.add(r.Line, "nothing_reported", "%s worked on %s of %s and reported nothing", r.Worker, r.Operation, r.Order)
		}
		if r.reports() && r.Type == "S" {
			p.found.add(r.Line, "setup_reports", "the setup of %s for %s reports pieces", r.Operation, r.Order)
		}
		if b := busy[s.worker]; r.From.Before(b.until) {
			p.found.add(r.Line, "overlap", "%s begins on %s while at work until %s (line %d)", r.Worker, r.Order, b.until.Format(time.RFC3339), b.line)
		}
		if b := busy[s.worker]; r.end().After(b.until) {
			busy[s.worker] = running{r.end(), r.Line}
		}
		key := [2]int{s.order, s.operation}
		if last, begun := latest[s.order]; begun && last != s.operation {
			left[[2]int{s.order, last}] = true
		}
		if left[key] && latest[s.order] != s.operation {
			p.found.add(r.Line, "repeated_operation", "%s comes back to %s after %s", r.Order, r.Operation, p.orders[s.order].operations[latest[s.order]].name)
		}
		latest[s.order] = s.operation
	}
}
