package mes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gemba/mes"
	"gemba/storage"
	"gemba/storage/rqlitetest"
)

// TestFloor drives random work through the one door over the real store, and holds what is stored against a model that
// knows nothing of the rules' code. Numbers in comments are those of the invariants.
func TestFloor(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		drive(t, storage.Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")}, 12, 400)
	})
	t.Run("rqlite", func(t *testing.T) {
		c := rqlitetest.Start(t, 1)
		drive(t, storage.Options{Store: c.Store(), TLS: c.TLS()}, 3, 110)
	})
}

// start of the worlds' time: far from the clock of any database, so that a time of its making would be seen (16).
var epoch = time.Date(2031, 3, 4, 6, 0, 0, 0, time.UTC)

// drive runs worlds one after the other on one store.
func drive(t *testing.T, o storage.Options, worlds, steps int) {
	o.Writer = "node1"
	o.Now = func() time.Time { return epoch }
	s, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, value := range map[string]string{"rapid.checks": fmt.Sprint(worlds), "rapid.nofailfile": "true"} {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, before) })
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := newWorld(rt, s, fmt.Sprintf("w%d", n))
		for range rapid.IntRange(steps/2, steps).Draw(rt, "steps") {
			w.step()
		}
		w.check()
	})
}

// A world is one plant on the store, with its own names, clock and model.
type world struct {
	*rapid.T
	ctx    context.Context
	store  *storage.Store
	app    *mes.App
	prefix string
	now    time.Time
	dice   *rand.Rand
	ids    int
	from   int64 // entries of the ledger before this world
	sees   mes.Actor
	people map[string]mes.Actor
	orders []*order
	byID   map[mes.ID]*order
	jobs   map[mes.ID]*job
	made   map[mes.ID]*made
	past   []done
	counts int // accepted commands
}

// The model: what people would write on a board.

type order struct {
	number, state, from string // from: where a hold goes back to
	id                  mes.ID
	ordered, limit      int64
	tolerance           int64
	ops                 []*op
}

type op struct {
	seq                                          int
	before                                       []int // positions of its predecessors
	optional, batch, skipped, over               bool
	good, scrap, rework, review, returned, count int64
}

type job struct {
	kind            mes.SessionKind
	person, machine string
	o               *order
	op              int
	state           string // running, paused, stopped
}

type made struct {
	o        *order
	op       int
	kind     mes.ReportKind
	work     mes.SessionKind
	quantity int64
	back     bool // taken back
}

type done struct {
	id      mes.ID
	who     string
	command mes.Command
	receipt mes.Receipt
}

// input is what has reached an operation.
func (o *order) input(i int) int64 {
	var feeds func(i int) []int
	feeds = func(i int) (list []int) {
		for _, j := range o.ops[i].before {
			if o.ops[j].skipped {
				list = append(list, feeds(j)...)
			} else {
				list = append(list, j)
			}
		}
		return list
	}
	least := int64(-1)
	for _, j := range feeds(i) {
		if least < 0 || o.ops[j].good < least {
			least = o.ops[j].good
		}
	}
	if least < 0 {
		return o.limit
	}
	return least
}

func (o *op) used() int64 { return o.good + o.scrap + o.rework - o.returned }

// proven is somebody who can sign what needs a signature.
func (w *world) proven(who string) mes.Actor {
	a := w.people[who]
	a.Proof = &mes.Proof{Method: mes.ByPassword, At: w.now}
	return a
}

func (w *world) name(s string) mes.ID { return mes.ID(w.prefix + "-" + s) }

func newWorld(t *rapid.T, s *storage.Store, prefix string) *world {
	w := &world{T: t, ctx: context.Background(), store: s, prefix: prefix, now: epoch, people: map[string]mes.Actor{}, byID: map[mes.ID]*order{}, jobs: map[mes.ID]*job{}, made: map[mes.ID]*made{}}
	w.app = mes.NewApp(s, func() time.Time { return w.now }, func() mes.ID { w.ids++; return w.name(fmt.Sprintf("id%05d", w.ids)) }, func(...string) {})
	w.sees = mes.Actor{Kind: mes.ByPerson, ID: "sees", Grants: []mes.Grant{{Role: mes.Auditor}}}
	if entries, _, err := w.app.Ledger(w.ctx, w.sees, mes.LedgerFilter{Page: mes.Page{Limit: 1}}); err != nil {
		t.Fatal(err)
	} else if len(entries) > 0 {
		w.from = entries[0].N
	}
	setup := mes.System("test", "test")
	must := func(actor mes.Actor, c mes.Command) mes.Receipt {
		r, err := w.app.Do(w.ctx, actor, "", c)
		if err != nil {
			t.Fatalf("%T: %v (%v)", c, err, errors.Unwrap(err))
		}
		w.counts++
		return r
	}
	must(setup, &mes.DefineEquipment{Code: w.name("S1"), Name: "North", Level: mes.Site})
	must(setup, &mes.DefineEquipment{Code: w.name("S2"), Name: "South", Level: mes.Site})
	must(setup, &mes.DefineEquipment{Code: w.name("L1"), Name: "Line", Level: mes.WorkCentre, Parent: w.name("S1")})
	must(setup, &mes.DefineEquipment{Code: w.name("M1"), Name: "Lathe", Level: mes.WorkUnit, Parent: w.name("L1")})
	must(setup, &mes.DefineEquipment{Code: w.name("M2"), Name: "Mill", Level: mes.WorkUnit, Parent: w.name("L1"), Capacity: 2})
	for name, grants := range map[string][]mes.Grant{
		"ann": {{Role: mes.Operator}}, "bob": {{Role: mes.Operator, Site: w.name("S1")}}, "tom": {{Role: mes.Operator}}, "lea": {{Role: mes.Lead}},
		"pia": {{Role: mes.Planner}}, "quinn": {{Role: mes.Quality}}, "mo": {{Role: mes.Maintenance}},
		"out": {{Role: mes.Operator, Site: w.name("S2")}, {Role: mes.Lead, Line: "L-else"}, {Role: mes.Quality, Family: "else"}, {Role: mes.Planner, Site: w.name("S2")}},
		"nil": {{Role: mes.Viewer}},
	} {
		tending := 1
		if name == "tom" {
			tending = 2
		}
		r := must(setup, &mes.RegisterPerson{Badge: w.name(name), Name: name, Grants: grants, Tending: tending})
		var given struct{ Person mes.ID }
		if err := json.Unmarshal(r.Result, &given); err != nil {
			t.Fatal(err)
		}
		w.people[name] = mes.Actor{Kind: mes.ByPerson, ID: given.Person, Name: name, Person: given.Person, Session: w.name("stay-" + name), Grants: grants}
	}
	w.people["feeder"] = mes.Actor{Kind: mes.ByMachine, ID: w.name("key"), Name: "adapter", Grants: []mes.Grant{{Role: mes.Feeder}}}
	w.people["nobody"] = mes.Actor{Grants: []mes.Grant{{Role: mes.Lead}}}
	engineer := mes.Actor{Kind: mes.ByPerson, ID: "eve", Grants: []mes.Grant{{Role: mes.Engineer}}}
	approver := mes.System("approver", "approver")
	for code, routing := range routings {
		var list []mes.RoutingOperation
		for _, r := range routing {
			step := mes.RoutingOperation{Seq: r.seq, Code: fmt.Sprintf("OP%d", r.seq), Name: "Step", Line: w.name("L1"), Optional: r.optional, Batch: r.batch}
			for _, j := range r.before {
				step.After = append(step.After, routing[j].seq)
			}
			list = append(list, step)
		}
		must(setup, &mes.DefineProduct{Code: w.name(code), Name: code, Family: "f"})
		must(engineer, &mes.DraftRevision{Product: w.name(code), Rev: "A", Routing: list})
		must(engineer, &mes.SubmitRevision{Product: w.name(code), Rev: "A"})
		must(approver, &mes.ReleaseRevision{Product: w.name(code), Rev: "A"})
	}
	return w
}

// routings: a straight one with a step that may be skipped, and one that branches and comes together as a batch.
var routings = map[string][]op{
	"PA": {{seq: 10}, {seq: 20, before: []int{0}, optional: true}, {seq: 30, before: []int{1}}},
	"PB": {{seq: 10}, {seq: 20, before: []int{0}}, {seq: 30, before: []int{0}, optional: true}, {seq: 40, before: []int{1, 2}, batch: true}},
	"PC": {{seq: 5}},
}

// draw gives a number from 0 to most, all alike. Rapid's own numbers lean to small ones, which is right for shrinking
// and wrong for choosing: each step has one of them, and chooses by it.
func (w *world) draw(most int) int { return w.dice.IntN(most + 1) }

func pickOf[T any](w *world, list ...T) T { return list[w.draw(len(list)-1)] }

// step does one thing.
func (w *world) step() {
	w.dice = rand.New(rand.NewPCG(rapid.Uint64().Draw(w.T, "step"), uint64(w.ids)))
	w.now = w.now.Add(time.Duration(w.draw(600)) * time.Second)
	if dice := w.draw(99); len(w.past) > 0 && dice < 12 {
		w.again(dice)
		return
	}
	who, c := w.command()
	if w.draw(9) < 7 {
		if likely, next := w.sensible(); next != nil {
			who, c = likely, next
		}
	}
	if w.draw(24) == 0 {
		who = pickOf(w, "ann", "bob", "tom", "lea", "pia", "quinn", "mo", "out", "nil", "feeder", "nobody")
	}
	id := w.name(fmt.Sprintf("c%05d", w.ids))
	w.ids++
	r, err := w.app.Do(w.ctx, w.proven(who), id, c)
	if err != nil {
		switch mes.ErrorCode(err) {
		case mes.Invalid, mes.Denied, mes.NotFound, mes.Refused, mes.Unauthenticated:
		default:
			w.Fatalf("%s %T %+v: %v (%s, %v)", who, c, c, err, mes.ErrorCode(err), errors.Unwrap(err))
		}
		return
	}
	if r.Replayed || r.ID != id {
		w.Fatalf("%T: a new command gave the receipt %+v", c, r)
	}
	w.Logf("%s %T %+v: %s", who, c, c, r.Result)
	w.counts++
	w.past = append(w.past, done{id, who, c, r})
	w.apply(who, c, r)
	switch c.(type) {
	case *mes.PauseOrder, *mes.HoldOrder, *mes.CancelOrder, *mes.CompleteJob, *mes.CorrectReport, *mes.SplitOrder:
		for _, o := range w.orders {
			w.checkOrder(o, func(mes.Kind, mes.ID, any) {})
		}
	}
}

// again sends an earlier command once more (12): as it was, with another content, or as somebody else.
func (w *world) again(dice int) {
	p := pickOf(w, w.past...)
	before := w.entries()
	switch {
	case dice < 8:
		r, err := w.app.Do(w.ctx, w.proven(p.who), p.id, p.command)
		if err != nil || !r.Replayed || r.N != p.receipt.N || r.Writer != p.receipt.Writer || !bytes.Equal(r.Result, p.receipt.Result) || !r.At.Equal(p.receipt.At) {
			w.Fatalf("%T again gave %+v (%v), want %+v", p.command, r, err, p.receipt)
		}
		if after := w.entries(); after != before {
			w.Fatalf("%T again left %d entries", p.command, after-before)
		}
	case dice < 10:
		if r, err := w.app.Do(w.ctx, w.proven(p.who), p.id, &mes.CreateOrder{Product: w.name("PC"), Quantity: 77, Number: string(w.name("X"))}); err == nil {
			w.Fatalf("the id %s was taken twice: %+v", p.id, r)
		}
	default:
		if r, err := w.app.Do(w.ctx, w.people["out"], p.id, p.command); err == nil && p.who != "out" {
			w.Fatalf("the receipt of %s was given to somebody else: %+v", p.id, r)
		}
	}
}

// entries is the number of the newest ledger entry.
func (w *world) entries() int64 {
	list, _, err := w.app.Ledger(w.ctx, w.sees, mes.LedgerFilter{Page: mes.Page{Limit: 1}})
	if err != nil {
		w.Fatal(err)
	}
	return list[0].N
}

// at gives a stated time: mostly none, sometimes a little back or ahead, sometimes further than anybody may.
func (w *world) at() mes.Stamp {
	switch w.draw(19) {
	case 0, 1, 2:
		return mes.At(w.now.Add(-time.Duration(w.draw(5400)) * time.Second))
	case 3:
		return mes.At(w.now.Add(time.Minute))
	case 4:
		return mes.At(w.now.Add(pickOf(w, -30*time.Hour, time.Hour)))
	}
	return mes.Stamp{}
}

// command makes one, with somebody who would give it.
func (w *world) command() (string, mes.Command) {
	if len(w.orders) < 2 || len(w.orders) < 7 && w.draw(14) == 0 {
		c := &mes.CreateOrder{Number: string(w.name(fmt.Sprintf("W%d", len(w.orders)))), Product: w.name(pickOf(w, "PA", "PB", "PC")),
			Quantity: int64(w.draw(20)), Tolerance: pickOf(w, 0, 0, 10, 50)}
		return "pia", c
	}
	o := pickOf(w, w.orders...)
	ref := pickOf(w, mes.ID(o.number), mes.ID(o.number), o.id)
	worker := pickOf(w, "ann", "bob", "tom", "lea")
	i := w.draw(len(o.ops) - 1)
	operation := pickOf(w, fmt.Sprint(o.ops[i].seq), fmt.Sprintf("OP%d", o.ops[i].seq))
	few := func() int64 { return int64(w.draw(9)) - 1 }
	parts := func() (list []mes.Part) {
		if n := few(); n > 5 {
			list = append(list, mes.Part{Quantity: n - 5, Reason: "R"})
		}
		return list
	}
	session := mes.ID("")
	if len(w.jobs) > 0 && w.draw(3) == 0 {
		session = pickOf(w, sorted(w.jobs)...)
		if j := w.jobs[session]; w.draw(4) > 0 {
			o, i, worker = j.o, j.op, j.person
			ref, operation = o.id, fmt.Sprint(o.ops[i].seq)
		}
	}
	switch w.draw(44) {
	case 0, 1, 2:
		return "pia", &mes.ReleaseOrder{Order: ref}
	case 3:
		return "pia", &mes.UnreleaseOrder{Order: ref}
	case 4:
		return "lea", &mes.PauseOrder{Order: ref, Reason: "rush"}
	case 5, 6:
		return "lea", &mes.ResumeOrder{Order: ref}
	case 7:
		return "quinn", &mes.HoldOrder{Order: ref, Operation: pickOf(w, "", operation), Type: "quality", Reason: "burrs", Owner: pickOf(w, mes.Quality, mes.Quality, mes.Maintenance)}
	case 8, 9, 10:
		return pickOf(w, "quinn", "mo"), &mes.UnholdOrder{Order: ref, Operation: pickOf(w, "", operation)}
	case 11, 12, 13:
		return "lea", &mes.CompleteOrder{Order: ref, ShortReason: pickOf(w, "", "enough"), At: w.at()}
	case 14:
		return "lea", &mes.CloseOrder{Order: ref}
	case 15:
		if w.draw(3) > 0 {
			return "lea", &mes.ReopenOrder{Order: ref, Reason: "miscounted"}
		}
		return "pia", &mes.CancelOrder{Order: ref, Reason: "gone"}
	case 16:
		return "pia", &mes.SplitOrder{Order: ref, Quantity: few(), Number: string(w.name(fmt.Sprintf("W%d", len(w.orders))))}
	case 17:
		return "pia", &mes.ReprioritiseOrder{Order: ref, Priority: w.draw(10)}
	case 18, 19, 20, 21, 22, 23:
		return worker, &mes.StartJob{Order: ref, Operation: operation, At: w.at(), Kind: pickOf[mes.SessionKind](w, "", "", "", mes.RunWork, mes.SetupWork, mes.ReworkWork),
			Machine: pickOf(w, "", w.name("M1"), w.name("M2"))}
	case 24:
		return worker, &mes.PauseJob{Order: ref, Operation: operation, Session: session, At: w.at()}
	case 25, 26:
		return worker, &mes.ResumeJob{Order: ref, Operation: operation, Session: session, At: w.at()}
	case 27, 28, 29, 30, 31, 32, 33:
		return worker, &mes.ReportJob{Order: ref, Operation: operation, Session: session, At: w.at(), Good: max(few(), 0) * 2, Scrap: parts(), Rework: parts(), Review: parts()}
	case 34, 35, 36:
		return worker, &mes.StopJob{Order: ref, Operation: operation, Session: session, At: w.at()}
	case 37, 38, 39:
		return worker, &mes.CompleteJob{Order: ref, Operation: operation, Reason: pickOf(w, "", "enough"), At: w.at()}
	case 40:
		return "lea", &mes.SkipJob{Order: ref, Operation: operation, Reason: "not needed"}
	case 41, 42:
		c := &mes.CorrectReport{Report: "none", Reason: "miscounted", Quantity: few()}
		if len(w.made) > 0 {
			c.Report = pickOf(w, sorted(w.made)...)
		}
		if w.draw(3) == 0 {
			c.Instead, c.Why = pickOf(w, "good", "scrap", "rework", "review"), "R"
		}
		return pickOf(w, worker, "lea"), c
	case 43:
		return "feeder", &mes.SetMachineState{Machine: pickOf(w, w.name("M1"), w.name("M2")), State: pickOf(w, mes.MachineRunning, mes.MachineDown, mes.MachineIdle), At: w.at()}
	}
	return "feeder", &mes.CountMachine{Machine: w.name("M1"), Counter: "good", Value: int64(w.draw(50)), At: w.at()}
}

// sensible makes what somebody would do next, going by the model; nil when there is nothing to do on the order chosen.
func (w *world) sensible() (string, mes.Command) {
	if len(w.orders) < 4 {
		return "", nil
	}
	if w.draw(9) < 6 {
		if who, c := w.goOn(); c != nil {
			return who, c
		}
	}
	o := pickOf(w, w.orders...)
	ref := mes.ID(o.number)
	switch o.state {
	case "draft":
		return "pia", &mes.ReleaseOrder{Order: ref}
	case "held":
		return pickOf(w, "quinn", "mo"), &mes.UnholdOrder{Order: ref}
	case "paused":
		return "lea", &mes.ResumeOrder{Order: ref}
	case "completed":
		if w.draw(2) == 0 {
			return "lea", &mes.CloseOrder{Order: ref}
		}
		return "lea", &mes.ReopenOrder{Order: ref, Reason: "miscounted"}
	case "closed", "cancelled":
		return "", nil
	}
	if !slices.ContainsFunc(o.ops, func(p *op) bool { return !p.over && !p.skipped }) && w.draw(3) == 0 {
		return "lea", &mes.CompleteOrder{Order: ref, ShortReason: pickOf(w, "", "enough")}
	}
	i := w.draw(len(o.ops) - 1)
	p, operation := o.ops[i], fmt.Sprint(o.ops[i].seq)
	var free []string
	for _, who := range []string{"ann", "bob", "tom"} {
		if !slices.ContainsFunc(sorted(w.jobs), func(id mes.ID) bool { return w.jobs[id].person == who && w.jobs[id].state == "running" }) {
			free = append(free, who)
		}
	}
	switch {
	case len(free) == 0 || p.over || p.skipped:
		return "", nil
	case p.rework > p.returned && w.draw(1) == 0:
		return pickOf(w, free...), &mes.StartJob{Order: ref, Operation: operation, Kind: mes.ReworkWork}
	case o.input(i) <= p.used():
		return "", nil
	}
	return pickOf(w, free...), &mes.StartJob{Order: ref, Operation: operation, Machine: pickOf(w, "", "", w.name("M1"), w.name("M2"))}
}

// goOn makes what somebody would do next in an open session; nil when there is none on an order in progress.
func (w *world) goOn() (string, mes.Command) {
	var open []mes.ID
	for _, id := range sorted(w.jobs) {
		if j := w.jobs[id]; j.state != "stopped" && j.o.state == "in_progress" {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return "", nil
	}
	id := pickOf(w, open...)
	j := w.jobs[id]
	p, ref := j.o.ops[j.op], mes.ID(j.o.number)
	operation := fmt.Sprint(p.seq)
	left := j.o.input(j.op) - p.used()
	if j.kind == mes.ReworkWork {
		left = p.rework - p.returned
	}
	switch what := w.draw(9); {
	case what < 4 && left > 0:
		c := &mes.ReportJob{Order: ref, Operation: operation, Session: id, Good: int64(w.draw(int(left)))}
		if rest := left - c.Good + int64(w.draw(5)/4); rest > 0 {
			if n := int64(w.draw(int(rest))); n > 0 {
				*pickOf(w, &c.Scrap, &c.Rework, &c.Review) = []mes.Part{{Quantity: n, Reason: "R"}}
			}
		}
		return j.person, c
	case what < 6:
		return j.person, &mes.StopJob{Order: ref, Operation: operation, Session: id, At: w.at()}
	case what < 8 && j.state == "running":
		return j.person, &mes.PauseJob{Order: ref, Operation: operation, Session: id, At: w.at()}
	case what < 8:
		return j.person, &mes.ResumeJob{Order: ref, Operation: operation, Session: id, At: w.at()}
	}
	return "lea", &mes.CompleteJob{Order: ref, Operation: operation, Reason: pickOf(w, "", "enough")}
}

// sorted gives the keys of a map in a fixed order.
func sorted[V any](m map[mes.ID]V) []mes.ID {
	list := make([]mes.ID, 0, len(m))
	for id := range m {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// outcome is what receipts say.
type outcome struct {
	Order, Session, Report, Correction, Split mes.ID
	Number                                    string
	SplitNumber                               string `json:"split_number"`
	Operation                                 int
	Reports                                   []mes.ID
	Good, Short, Over                         int64
}

// move changes the state of an order in the model, from one of the states that allow it.
func (w *world) move(o *order, c mes.Command, to string, from ...string) {
	if !slices.Contains(from, o.state) {
		w.Fatalf("%T was accepted on order %s, which is %s", c, o.number, o.state)
	}
	o.state = to
}

// apply writes an accepted command on the model's board, and refuses what should not have been accepted (1, 6, 7, 15).
func (w *world) apply(who string, c mes.Command, r mes.Receipt) {
	if slices.Contains([]string{"out", "nil", "nobody"}, who) {
		if _, plans := c.(*mes.CreateOrder); !plans {
			w.Fatalf("%s may do nothing here, and did %T %+v", who, c, c)
		}
	}
	var got outcome
	if err := json.Unmarshal(r.Result, &got); err != nil {
		w.Fatal(err)
	}
	o := w.byID[got.Order]
	at := -1
	if o != nil {
		at = slices.IndexFunc(o.ops, func(p *op) bool { return p.seq == got.Operation })
	}
	switch c := c.(type) {
	case *mes.CreateOrder:
		o = &order{number: c.Number, id: got.Order, state: "draft", ordered: c.Quantity, tolerance: int64(c.Tolerance)}
		o.limit = o.ordered + o.ordered*o.tolerance/100
		for _, p := range routings[strings.TrimPrefix(string(c.Product), w.prefix+"-")] {
			o.ops = append(o.ops, &p)
		}
		w.orders, w.byID[o.id] = append(w.orders, o), o
	case *mes.ReleaseOrder:
		w.move(o, c, "released", "draft")
	case *mes.UnreleaseOrder:
		w.move(o, c, "draft", "released")
		for _, p := range o.ops {
			p.skipped = false
		}
	case *mes.PauseOrder:
		w.move(o, c, "paused", "in_progress")
		w.pauseAll(func(j *job) bool { return j.o == o })
	case *mes.ResumeOrder:
		w.move(o, c, "in_progress", "paused")
	case *mes.HoldOrder:
		if c.Operation == "" {
			o.from = o.state
			w.move(o, c, "held", "released", "in_progress", "paused")
		}
		w.pauseAll(func(j *job) bool { return j.o == o && (c.Operation == "" || j.op == at) })
	case *mes.UnholdOrder:
		if c.Operation == "" {
			w.move(o, c, o.from, "held")
		}
	case *mes.CompleteOrder:
		w.move(o, c, "completed", "in_progress")
		if got.Good+got.Short-got.Over != o.ordered || got.Good > o.limit {
			w.Fatalf("order %s of %d: good %d, short %d, over %d", o.number, o.ordered, got.Good, got.Short, got.Over)
		}
		for i, p := range o.ops {
			if !p.over && !p.skipped && o.input(i) > 0 {
				w.Fatalf("order %s was completed before its operation %d", o.number, p.seq)
			}
		}
	case *mes.CloseOrder:
		w.move(o, c, "closed", "completed")
	case *mes.ReopenOrder:
		w.move(o, c, "in_progress", "completed")
	case *mes.CancelOrder:
		w.move(o, c, "cancelled", "draft", "released", "in_progress", "paused", "held")
		for _, p := range o.ops {
			if p.count > 0 {
				w.Fatalf("order %s was cancelled with reports", o.number)
			}
		}
		w.stopAll(func(j *job) bool { return j.o == o })
	case *mes.SplitOrder:
		if !slices.Contains([]string{"draft", "released", "in_progress", "paused"}, o.state) {
			w.Fatalf("order %s was split while %s", o.number, o.state)
		}
		child := &order{number: got.SplitNumber, id: got.Split, state: "released", ordered: c.Quantity, tolerance: o.tolerance}
		if o.state == "draft" {
			child.state = "draft"
		}
		o.ordered -= c.Quantity
		for _, p := range o.ops {
			child.ops = append(child.ops, &op{seq: p.seq, before: p.before, optional: p.optional, batch: p.batch})
		}
		for _, x := range []*order{o, child} {
			x.limit = x.ordered + x.ordered*x.tolerance/100
		}
		w.orders, w.byID[child.id] = append(w.orders, child), child
	case *mes.StartJob:
		if o.state == "released" {
			o.state = "in_progress"
		}
		w.live(o, at, c)
		kind := c.Kind
		if kind == "" {
			kind = mes.RunWork
		}
		if kind == mes.RunWork && o.input(at) <= 0 {
			w.Fatalf("operation %d of %s was started with nothing to work on", o.ops[at].seq, o.number)
		}
		w.jobs[got.Session] = &job{kind: kind, person: who, machine: string(c.Machine), o: o, op: at, state: "running"}
		w.hands()
	case *mes.PauseJob:
		w.jobs[got.Session].state = "paused"
	case *mes.ResumeJob:
		w.live(o, at, c)
		w.jobs[got.Session].state = "running"
		w.hands()
	case *mes.StopJob:
		w.jobs[got.Session].state = "stopped"
	case *mes.ReportJob:
		w.live(o, at, c)
		j := w.jobs[got.Session]
		if j.state == "stopped" || j.o != o || j.op != at || j.person != who && who != "lea" {
			w.Fatalf("%s reported on the session %+v", who, j)
		}
		ids := got.Reports
		add := func(kind mes.ReportKind, q int64) {
			if q > 0 {
				w.made[ids[0]] = &made{o, at, kind, j.kind, q, false}
				w.book(w.made[ids[0]], +1)
				ids = ids[1:]
			}
		}
		add(mes.GoodPieces, c.Good)
		for _, p := range c.Scrap {
			add(mes.ScrapPieces, p.Quantity)
		}
		for _, p := range c.Rework {
			add(mes.ReworkPieces, p.Quantity)
		}
		for _, p := range c.Review {
			add(mes.ReviewPieces, p.Quantity)
		}
		w.sound(o)
	case *mes.CorrectReport:
		m := w.made[c.Report]
		if m.back || m.o.state != "in_progress" && m.o.state != "paused" {
			w.Fatalf("a report of order %s, which is %s, was corrected (before: %t)", m.o.number, m.o.state, m.back)
		}
		m.back = true
		w.book(m, -1)
		if c.Quantity > 0 {
			right := *m
			right.quantity, right.back = c.Quantity, false
			if c.Instead != "" {
				right.kind = mes.ReportKind(c.Instead)
			}
			w.made[got.Report] = &right
			w.book(&right, +1)
		}
		w.sound(m.o)
	case *mes.CompleteJob:
		w.live(o, at, c)
		o.ops[at].over = true
		w.stopAll(func(j *job) bool { return j.o == o && j.op == at })
	case *mes.SkipJob:
		if !o.ops[at].optional || o.ops[at].count > 0 {
			w.Fatalf("operation %d of %s was skipped", o.ops[at].seq, o.number)
		}
		o.ops[at].skipped = true
	}
}

// live fails if an operation cannot be worked on.
func (w *world) live(o *order, at int, c mes.Command) {
	if o.state != "in_progress" || o.ops[at].over || o.ops[at].skipped {
		w.Fatalf("%T was accepted on operation %d of order %s, which is %s", c, o.ops[at].seq, o.number, o.state)
	}
}

func (w *world) pauseAll(of func(*job) bool) {
	for _, j := range w.jobs {
		if of(j) && j.state == "running" {
			j.state = "paused"
		}
	}
}

func (w *world) stopAll(of func(*job) bool) {
	for _, j := range w.jobs {
		if of(j) {
			j.state = "stopped"
		}
	}
}

// hands counts what everybody and every machine has running (6, 7).
func (w *world) hands() {
	load := map[string]int{}
	for _, j := range w.jobs {
		if j.state == "running" {
			load[j.person]++
			load[j.machine]++
		}
	}
	for who, most := range map[string]int{"ann": 1, "bob": 1, "lea": 1, "tom": 2, string(w.name("M1")): 1, string(w.name("M2")): 2} {
		if load[who] > most {
			w.Fatalf("%s has %d running at once", who, load[who])
		}
	}
}

// book counts a report in, or out.
func (w *world) book(m *made, sign int64) {
	p, n := m.o.ops[m.op], sign*m.quantity
	p.count += sign
	switch m.kind {
	case mes.GoodPieces:
		p.good += n
	case mes.ScrapPieces:
		p.scrap += n
	case mes.ReworkPieces:
		p.rework += n
	case mes.ReviewPieces:
		p.review += n
		return
	}
	if m.work == mes.ReworkWork {
		p.returned += n
	}
}

// sound checks quantities (1, 2, 3).
func (w *world) sound(o *order) {
	for i, p := range o.ops {
		if p.used() > o.input(i) || min(p.good, p.scrap, p.rework, p.review, p.rework-p.returned) < 0 || p.good > o.limit {
			w.Fatalf("operation %d of %s got %d: %+v", p.seq, o.number, o.input(i), *p)
		}
	}
}

// check holds everything that is stored against the model.
func (w *world) check() {
	current := map[string][]byte{} // stored rows, as the ledger would picture them
	keep := func(kind mes.Kind, key mes.ID, row any) {
		text, err := json.Marshal(row)
		if err != nil {
			w.Fatal(err)
		}
		current[string(kind)+"/"+string(key)] = text
	}
	listed, _, err := w.app.Orders(w.ctx, w.sees, mes.OrderFilter{Search: w.prefix + "-W", Page: mes.Page{Limit: 1000}})
	if err != nil || len(listed) != len(w.orders) {
		w.Fatalf("%d orders are listed (%v), want %d", len(listed), err, len(w.orders))
	}
	for _, o := range w.orders {
		w.checkOrder(o, keep)
	}
	w.checkLedger(current)
}

// checkOrder holds one order and all that belongs to it against the model, and gives the rows to keep.
func (w *world) checkOrder(o *order, keep func(mes.Kind, mes.ID, any)) {
	d, err := w.app.Order(w.ctx, w.sees, o.id)
	if err != nil {
		w.Fatal(err)
	}
	if string(d.Order.State) != o.state || d.Order.Ordered != o.ordered || d.Order.Number != o.number {
		w.Fatalf("order %s is %s of %d, want %s of %d", d.Order.Number, d.Order.State, d.Order.Ordered, o.state, o.ordered)
	}
	keep(mes.KindOrder, o.id, d.Order)
	open := 0
	for i := range d.Sessions {
		s := &d.Sessions[i]
		keep(mes.KindSession, s.ID, s)
		w.checkSession(s)
		if s.State != mes.SessionStopped {
			open++
		}
	}
	for i := range d.Operations {
		keep(mes.KindOperation, d.Operations[i].ID, d.Operations[i])
		w.checkOperation(o, i, d)
	}
	if final := o.state == "closed" || o.state == "cancelled"; final && open > 0 {
		w.Fatalf("order %s is %s with %d open sessions", o.number, o.state, open)
	}
	if o.state == "closed" && d.Order.Ordered != d.Order.Good+d.Order.Short-d.Order.Over { // 4
		w.Fatalf("order %s closed with %+v", o.number, d.Order)
	}
	for i := range d.Reports {
		r := &d.Reports[i]
		keep(mes.KindReport, r.ID, r)
		w.checkReport(r)
	}
}

func (w *world) checkSession(s *mes.Session) {
	j := w.jobs[s.ID]
	if j == nil || string(s.State) != j.state || s.Kind != j.kind || s.Person != w.people[j.person].ID {
		w.Fatalf("session %+v, want %+v", s, j)
	}
	if !s.To.IsZero() && s.To.Before(s.From) || s.PausedMS < 0 || s.Worked(w.now.Add(2*mes.MaxSkew)) < 0 { // 7
		w.Fatalf("session from %s to %s, paused %d ms since %s", s.From, s.To, s.PausedMS, s.PausedAt)
	}
}

func (w *world) checkOperation(o *order, i int, d *mes.OrderDetail) {
	got, want := d.Operations[i], o.ops[i]
	if got.Good != want.good || got.Scrap != want.scrap || got.Rework != want.rework || got.Review != want.review || got.Reworked != want.returned || got.Reports != want.count {
		w.Fatalf("operation %d of %s is %+v, want %+v", got.Seq, o.number, got, *want)
	}
	running, open := 0, 0
	for _, j := range w.jobs {
		if j.o == o && j.op == i && j.state != "stopped" {
			open++
			if j.state == "running" {
				running++
			}
		}
	}
	if got.Running != running || len(got.Sessions) != open {
		w.Fatalf("operation %d of %s has %d of %d sessions running, want %d of %d", got.Seq, o.number, got.Running, len(got.Sessions), running, open)
	}
	if running > 0 && got.State != mes.OpRunning || got.State == mes.OpRunning && running == 0 || want.skipped != (got.State == mes.OpSkipped) {
		w.Fatalf("operation %d of %s is %s with %d running (skipped: %t)", got.Seq, o.number, got.State, running, want.skipped)
	}
	sums := map[mes.ReportKind]int64{} // every total is a sum over reports
	for _, r := range d.Reports {
		if r.Seq != got.Seq {
			continue
		}
		if r.Corrects == "" {
			sums[r.Kind] += r.Quantity
		} else {
			sums[r.Kind] -= r.Quantity
		}
	}
	if len(d.Reports) < 200 && (sums[mes.GoodPieces] != got.Good || sums[mes.ScrapPieces] != got.Scrap || sums[mes.ReworkPieces] != got.Rework || sums[mes.ReviewPieces] != got.Review) {
		w.Fatalf("operation %d of %s: reports add up to %v, and it says %+v", got.Seq, o.number, sums, got)
	}
}

func (w *world) checkReport(r *mes.Report) {
	if r.Quantity < 1 || r.SnapshotVersion < 1 || r.Command == "" { // 2, 8
		w.Fatalf("%+v", r)
	}
	if r.OccurredAt.After(r.RecordedAt.Add(mes.MaxSkew)) || r.RecordedAt.Before(epoch) || r.RecordedAt.After(w.now) { // 13, 16
		w.Fatalf("occurred %s, recorded %s, now %s", r.OccurredAt, r.RecordedAt, w.now)
	}
	if r.OccurredAt.Before(r.RecordedAt.Add(-mes.MaxBackdate)) && r.Corrects == "" && r.Person != w.people["lea"].ID {
		byLead := slices.ContainsFunc(w.past, func(p done) bool { return p.id == r.Command && p.who == "lea" })
		if !byLead {
			w.Fatalf("%s reported %s back", r.Person, r.RecordedAt.Sub(r.OccurredAt))
		}
	}
	if r.Corrects != "" {
		wrong := w.made[r.Corrects]
		if wrong == nil || !wrong.back || wrong.quantity != r.Quantity || wrong.kind != r.Kind || r.Reason == "" {
			w.Fatalf("the reversal %+v of %+v", r, wrong)
		}
	} else if m := w.made[r.ID]; m == nil || m.quantity != r.Quantity || m.kind != r.Kind {
		w.Fatalf("report %+v, want %+v", r, m)
	}
}

// checkLedger reads this world's part of the chain (14): every entry seals the one before it, every accepted command
// has one and only one, every row is as its newest entry pictures it, and what is final was not written again (8).
func (w *world) checkLedger(current map[string][]byte) {
	var entries []mes.Entry
	for after := ""; ; {
		page, next, err := w.app.Ledger(w.ctx, w.sees, mes.LedgerFilter{Page: mes.Page{After: after, Limit: 1000}})
		if err != nil {
			w.Fatal(err)
		}
		for _, e := range page {
			if e.N > w.from {
				entries = append(entries, e)
			}
		}
		if after = next; next == "" || len(page) > 0 && page[len(page)-1].N <= w.from {
			break
		}
	}
	slices.Reverse(entries)
	chain := mes.Chain{}
	if w.from > 0 {
		chain = mes.Chain{Writer: "node1", N: w.from, Hash: entries[0].PrevHash}
	}
	images, final := map[string]mes.RowImage{}, map[string]string{}
	accepted := 0
	for i := range entries {
		e := &entries[i]
		if err := chain.Check(e); err != nil {
			w.Fatal(err)
		}
		if e.Actor == "" && e.Outcome == mes.Done || e.At.Before(epoch) || e.At.After(w.now) { // 15, 16
			w.Fatalf("entry %+v", e)
		}
		if e.Outcome != mes.Done {
			continue
		}
		accepted++
		var d mes.Detail
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			w.Fatal(err)
		}
		for _, row := range d.Rows {
			key := string(row.Kind) + "/" + string(row.Key)
			var belongs struct {
				Order, ID mes.ID
				State     string
			}
			if err := json.Unmarshal(row.After, &belongs); err != nil {
				w.Fatal(err)
			}
			if over := final[string(belongs.Order)]; over != "" && row.Kind != mes.KindOrder || final[string(row.Key)] != "" && row.Kind == mes.KindOrder {
				w.Fatalf("%s wrote %s, which is %s%s", e.Command, key, over, final[string(row.Key)])
			}
			images[key] = row
		}
		for _, row := range d.Rows {
			var o struct{ State string }
			if row.Kind == mes.KindOrder && json.Unmarshal(row.After, &o) == nil && (o.State == "closed" || o.State == "cancelled") {
				final[string(row.Key)] = o.State
			}
		}
		if e.Command == "machine.count" || e.Command == "machine.state" {
			if slices.ContainsFunc(d.Rows, func(r mes.RowImage) bool { return r.Kind != mes.KindCounter }) { // 15
				w.Fatalf("a machine wrote %s", e.Detail)
			}
		}
	}
	if accepted != w.counts {
		w.Fatalf("%d entries of what was done, want %d", accepted, w.counts)
	}
	for key, row := range current {
		if !reflect.DeepEqual(said(w, row), said(w, images[key].After)) {
			w.Fatalf("%s is\n%s\nand its newest entry says\n%s", key, row, images[key].After)
		}
	}
}

// said is what JSON says besides zeroes, which the ledger leaves out.
func said(t interface{ Fatal(...any) }, text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return withoutZeroes(v)
}

func withoutZeroes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name] = withoutZeroes(member); v[name] == nil {
				delete(v, name)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = withoutZeroes(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" || v == "0001-01-01T00:00:00Z" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}
