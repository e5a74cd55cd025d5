package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gemba/mes"
)

// maxOperations is how many operations a routing can have.
const maxOperations = 200

// A plan is all that a log implies, worked out before anything is sent. The same log always gives the same plan, and
// with it the same command ids.
type plan struct {
	line     mes.ID // work centre of what the plan creates
	rows     []logRow
	sessions []plannedSession // one for each row
	people   []mes.RegisterPerson
	orders   []plannedOrder // in order of their first sessions
	steps    []step         // in order of time
	found    *findings      // what the log itself shows to be odd
}

// A plannedSession is how a row becomes a job session.
type plannedSession struct {
	id        string // stem of the ids of its commands
	order     int    // index in plan.orders
	operation int    // index in the order's operations
	worker    int    // index in plan.people
}

// A plannedOrder is a work order as the log implies it.
type plannedOrder struct {
	number     string // as gemba calls it
	name       string // as the log does
	operations []plannedOperation
	start, due time.Time // of its first and last session
}

// A plannedOperation is a kind of work that an order has sessions of.
type plannedOperation struct {
	code, name string
	good       int64 // all that the log reports as completed
}

// stepKind is one of the three commands that a session consists of, in their order.
type stepKind uint8

const (
	startStep stepKind = iota
	reportStep
	stopStep
)

func (k stepKind) String() string { return [...]string{"start", "report", "stop"}[k] }

// A step is one command of a session.
type step struct {
	session int
	kind    stepKind
	at      time.Time
}

// makePlan works out what a log implies. The error names an order that cannot be, however it happened.
func makePlan(rows []logRow, line mes.ID) (*plan, error) {
	p := &plan{line: line, rows: rows, sessions: make([]plannedSession, len(rows)), found: newFindings()}
	orders, workers, alike := map[string]int{}, map[string]int{}, map[string]int{}
	for _, i := range inOrderOfTime(rows) {
		r, s := &rows[i], &p.sessions[i]
		var known bool
		if s.worker, known = workers[r.Worker]; !known {
			s.worker = len(p.people)
			workers[r.Worker] = s.worker
			p.people = append(p.people, mes.RegisterPerson{Badge: mes.ID(ownCode(r.Worker)), Name: shortName(r.Worker)})
		}
		if s.order, known = orders[r.Order]; !known {
			s.order = len(p.orders)
			orders[r.Order] = s.order
			p.orders = append(p.orders, plannedOrder{number: ownCode(r.Order), name: r.Order, start: r.From, due: r.end()})
		}
		o := &p.orders[s.order]
		if r.end().After(o.due) {
			o.due = r.end()
		}
		if s.operation = o.operation(r.Operation); len(o.operations) > maxOperations {
			return nil, logFault(r.Line, "operation", "order %s has more than %d kinds of operation; a routing has at most that many", r.Order, maxOperations)
		}
		o.operations[s.operation].good += r.Good
		content := digestOf(r.fields()...)
		alike[content]++
		s.id = "replay-" + digestOf(content, strconv.Itoa(alike[content]))
		if n := alike[content]; n > 1 {
			p.found.add(r.Line, "duplicate_row", "the same row as %s before it; taken as a report of its own", times(n-1, "one", "rows"))
		}
	}
	p.layOutSteps()
	p.findOddities()
	return p, nil
}

// inOrderOfTime gives the indices of the rows by their beginning; rows of one moment stay in the order of the file.
func inOrderOfTime(rows []logRow) []int {
	indices := make([]int, len(rows))
	for i := range indices {
		indices[i] = i
	}
	slices.SortStableFunc(indices, func(a, b int) int { return rows[a].From.Compare(rows[b].From) })
	return indices
}

// operation gives the index of an operation by its name, adding it when it is new.
func (o *plannedOrder) operation(name string) int {
	for i := range o.operations {
		if o.operations[i].name == name {
			return i
		}
	}
	code := plainCode(name)
	taken := slices.ContainsFunc(o.operations, func(other plannedOperation) bool { return other.code == code })
	if taken || onlyDigits.MatchString(code) { // a number would be taken for a sequence number
		code = markedCode(name)
	}
	o.operations = append(o.operations, plannedOperation{code: code, name: name})
	return len(o.operations) - 1
}

// layOutSteps puts the commands of all sessions into the order of their times. At one moment, sessions that began
// earlier report and stop before others start, and a session of no length starts, reports and stops.
func (p *plan) layOutSteps() {
	for i := range p.rows {
		r := &p.rows[i]
		p.steps = append(p.steps, step{i, startStep, r.From})
		if r.reports() {
			p.steps = append(p.steps, step{i, reportStep, r.end()})
		}
		p.steps = append(p.steps, step{i, stopStep, r.end()})
	}
	begins := func(s step) int {
		if s.at.Equal(p.rows[s.session].From) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(p.steps, func(a, b step) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(begins(a), begins(b)), cmp.Compare(a.session, b.session), cmp.Compare(a.kind, b.kind))
	})
}

// totals are what must come out in the end.
func (p *plan) totals() mes.Totals {
	t := mes.Totals{Orders: int64(len(p.orders)), Sessions: int64(len(p.rows))}
	for i := range p.rows {
		r := &p.rows[i]
		t.Good, t.Scrap, t.Review = t.Good+r.Good, t.Scrap+r.Scrap, t.Review+r.Review
		if r.Rework {
			t.ReworkSessions++
		}
	}
	return t
}

// kind of the job session that a row is, and whether the setup was done in the same stretch.
func (r *logRow) kind() (kind mes.SessionKind, withSetup bool) {
	switch {
	case r.Rework:
		return mes.ReworkWork, r.Type != "D"
	case r.Type == "S":
		return mes.SetupWork, false
	}
	return mes.RunWork, r.Type == "B"
}

// A recipe is how the orders with one sequence of operations are made: a product with one revision.
type recipe struct {
	product mes.DefineProduct
	draft   mes.DraftRevision
}

// firstDay is from when on a recipe holds: before any log begins. It is not the first moment of 1970, which could be
// mistaken for no time at all.
var firstDay = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

// recipeRev is the revision of every recipe: another sequence is another product.
const recipeRev = "A"

// recipeFor gives the product of a sequence of operations on a line. Its code is made from both, so that the same
// sequence is the same product in every log.
func recipeFor(line mes.ID, operations []plannedOperation) recipe {
	parts, names := []string{string(line)}, []string{}
	draft := mes.DraftRevision{Rev: recipeRev, EffectiveFrom: mes.At(firstDay)}
	for i, o := range operations {
		parts, names = append(parts, o.name), append(names, o.name)
		draft.Routing = append(draft.Routing, mes.RoutingOperation{Seq: 10 * (i + 1), Code: o.code, Name: shortName(o.name), Line: line})
	}
	draft.Product = mes.ID("RP-" + digestOf(parts...)[:12])
	return recipe{mes.DefineProduct{Code: draft.Product, Name: shortName(strings.Join(names, " → "))}, draft}
}

// quantity is what the order must have been for: the most that any of its operations completed.
func quantity(operations []plannedOperation) int64 {
	most := int64(1)
	for _, o := range operations {
		most = max(most, o.good)
	}
	return min(most, mes.MaxQuantity)
}

// Codes are printed, scanned and typed; names in a log are anything.
var (
	codeForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)
	notInCode  = regexp.MustCompile(`[^A-Za-z0-9._]+`)
	onlyDigits = regexp.MustCompile(`^[0-9]+$`)
)

// plainCode is a name in the form of a code, as near to it as may be. Different names may give the same code.
func plainCode(name string) string {
	if codeForm.MatchString(name) {
		return name
	}
	code := strings.Trim(notInCode.ReplaceAllString(name, "-"), "-_.")
	if name[len(name)-1] == '.' && code != "" {
		code += "." // as in Q.C.
	}
	return firstOf(code[:min(len(code), 33)], "x")
}

// markedCode is a code that no other name gives.
func markedCode(name string) string {
	code := plainCode(name)
	return code[:min(len(code), 33)] + "-" + digestOf(name)[:6]
}

// ownCode is the name itself where it is a code, and otherwise a code of its own: the same in every log.
func ownCode(name string) string {
	if codeForm.MatchString(name) {
		return name
	}
	return markedCode(name)
}

// longestName is how long a name for people may be, in characters.
const longestName = 80

// shortName is a name as people see it. One that is too long keeps its beginning and a mark that no other name has.
func shortName(name string) string {
	runes := []rune(name)
	if len(runes) <= longestName {
		return name
	}
	return string(runes[:longestName-8]) + "… " + digestOf(name)[:6]
}

// times is "one" or "n rows".
func times(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf("%d %s", n, many)
}
