package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync"

	"gemba/mes"
)

// A replay plays a plan through the API.
type replay struct {
	*plan
	client  *client
	jobs    int       // commands under way at once
	targets [][]place // by order and operation of the plan: where sessions are recorded
	found   *findings

	mu       sync.Mutex
	played   []playedSession
	done     int // sessions that have been stopped
	refusals []refusal
}

// A place is an operation of an order in gemba.
type place struct {
	order     mes.ID // number
	operation int    // sequence number
}

// prepare makes what the plan needs and is not there yet: people, plant, products, orders. What is there is left as it
// is, whoever made it: a log that has grown goes on with the orders that its beginning made.
func (r *replay) prepare(ctx context.Context) error {
	if err := r.registerPeople(ctx); err != nil {
		return err
	}
	r.targets = make([][]place, len(r.orders))
	var makeLine sync.Mutex
	lineThere := false
	line := func() error {
		makeLine.Lock()
		defer makeLine.Unlock()
		if lineThere {
			return nil
		}
		err := r.defineLine(ctx)
		lineThere = err == nil
		return err
	}
	recipes := newOnce()
	return inParallel(ctx, r.jobs, len(r.orders), func(ctx context.Context, i int) error {
		err := r.prepareOrder(ctx, i, line, recipes)
		if err != nil {
			return fmt.Errorf("order %s: %w", r.orders[i].name, err)
		}
		return nil
	})
}

// registerPeople adds the workers that gemba does not know. They get no rights.
func (r *replay) registerPeople(ctx context.Context) error {
	people, err := listAll[mes.Person](ctx, r.client, "/people", url.Values{"limit": {"1000"}})
	if err != nil {
		return err
	}
	known := map[mes.ID]bool{}
	for i := range people {
		known[people[i].Badge] = true
	}
	return inParallel(ctx, r.jobs, len(r.people), func(ctx context.Context, i int) error {
		p := &r.people[i]
		if known[p.Badge] {
			return nil
		}
		if _, err := r.client.do(ctx, contentID("replay-person-", p), p); err != nil {
			return fmt.Errorf("worker %s: %w", p.Name, err)
		}
		return nil
	})
}

// defineLine adds the plan's work centre, below a site of its own.
func (r *replay) defineLine(ctx context.Context) error {
	equipment, err := listAll[mes.Equipment](ctx, r.client, "/equipment", nil)
	if err != nil {
		return err
	}
	known := map[mes.ID]mes.Level{}
	for i := range equipment {
		known[equipment[i].ID] = equipment[i].Level
	}
	site := r.line + "-SITE"
	switch level, there := known[r.line]; {
	case there && level != mes.WorkCentre:
		return mes.Faultf(mes.Refused, "%s is a %s; orders are made at a work centre, so choose another --line", r.line, level)
	case there:
		return nil
	}
	define := []mes.DefineEquipment{
		{Code: site, Name: "Site of replayed logs", Level: mes.Site},
		{Code: r.line, Name: "Replayed logs", Level: mes.WorkCentre, Parent: site},
	}
	for i := range define {
		if _, there := known[define[i].Code]; there {
			continue
		}
		if _, err := r.client.do(ctx, contentID("replay-plant-", &define[i]), &define[i]); err != nil {
			return fmt.Errorf("work centre %s: %w", r.line, err)
		}
	}
	return nil
}

// prepareOrder finds the order's operations in gemba, creating the order when it is not there. An order that runs
// without an operation that the log now shows keeps its snapshot; the operation goes on in an order beside it.
func (r *replay) prepareOrder(ctx context.Context, i int, line func() error, recipes *once) error {
	o := &r.orders[i]
	r.targets[i] = make([]place, len(o.operations))
	for part := 1; ; part++ {
		number := mes.ID(o.number)
		if part > 1 {
			number = mes.ID(fmt.Sprintf("%s-c%d", o.number[:min(len(o.number), 36)], part))
		}
		detail, err := r.released(ctx, number)
		if mes.ErrorCode(err) == mes.NotFound {
			return r.createOrder(ctx, i, number, part, line, recipes)
		}
		if err != nil {
			return err
		}
		missing := false
		for j := range o.operations {
			if r.targets[i][j].order != "" {
				continue
			}
			if seq := operationNamed(detail.Operations, o.operations[j]); seq > 0 {
				r.targets[i][j] = place{number, seq}
			} else {
				missing = true
			}
		}
		if !missing {
			return nil
		}
	}
}

// released gives an order with its operations, releasing it when it is still a draft: the log says that work began.
func (r *replay) released(ctx context.Context, number mes.ID) (*mes.OrderDetail, error) {
	var detail mes.OrderDetail
	path := "/orders/" + url.PathEscape(string(number))
	if err := r.client.get(ctx, path, nil, &detail); err != nil {
		return nil, err
	}
	if detail.Order.State != mes.OrderDraft {
		return &detail, nil
	}
	release := &mes.ReleaseOrder{Order: number, At: mes.At(detail.Order.PlannedStart)}
	if _, err := r.client.do(ctx, contentID("replay-release-", release)+"-"+strconv.FormatInt(detail.Order.Version, 10), release); err != nil {
		return nil, err
	}
	detail = mes.OrderDetail{}
	return &detail, r.client.get(ctx, path, nil, &detail)
}

func operationNamed(operations []mes.Operation, wanted plannedOperation) int {
	for k := range operations {
		if operations[k].Name == shortName(wanted.name) {
			return operations[k].Seq
		}
	}
	return 0
}

// createOrder creates and releases an order with the operations that have no place yet.
func (r *replay) createOrder(ctx context.Context, i int, number mes.ID, part int, line func() error, recipes *once) error {
	o := &r.orders[i]
	var operations []plannedOperation
	for j := range o.operations {
		if r.targets[i][j].order != "" {
			continue
		}
		operations = append(operations, o.operations[j])
		r.targets[i][j] = place{number, 10 * len(operations)}
	}
	if part > 1 {
		r.found.add(r.firstLine(i), "continued", "order %s was released without %s; that goes on as order %s", o.name, operations[0].name, number)
	}
	if err := line(); err != nil {
		return err
	}
	how := recipeFor(r.line, operations)
	if err := recipes.do(string(how.draft.Product), func() error { return r.defineRecipe(ctx, how) }); err != nil {
		return err
	}
	create := &mes.CreateOrder{
		Number: string(number), Product: how.draft.Product, Rev: recipeRev, Quantity: quantity(operations),
		PlannedStart: mes.At(o.start), Due: mes.At(o.due),
	}
	if _, err := r.client.do(ctx, contentID("replay-order-", create), create); err != nil {
		return err
	}
	_, err := r.released(ctx, number)
	return err
}

// firstLine is the first line of the log that is about an order.
func (r *replay) firstLine(order int) int {
	for i := range r.sessions {
		if r.sessions[i].order == order {
			return r.rows[i].Line
		}
	}
	return 1
}

// defineRecipe takes a product to a released revision, from wherever it stands.
func (r *replay) defineRecipe(ctx context.Context, how recipe) error {
	product, rev := how.draft.Product, how.draft.Rev
	revisions, err := listAll[mes.Revision](ctx, r.client, "/products/"+url.PathEscape(string(product))+"/revisions", nil)
	if mes.ErrorCode(err) == mes.NotFound {
		_, err = r.client.do(ctx, contentID("replay-product-", &how.product), &how.product)
	}
	if err != nil {
		return fmt.Errorf("product %s: %w", product, err)
	}
	status, version := mes.RevisionStatus(""), int64(0)
	for i := range revisions {
		if revisions[i].Rev == rev {
			status, version = revisions[i].Status, revisions[i].Version
		}
	}
	var steps []mes.Command
	switch status {
	case "":
		steps = append(steps, &how.draft)
		fallthrough
	case mes.RevisionDraft:
		steps = append(steps, &mes.SubmitRevision{Product: product, Rev: rev})
		fallthrough
	case mes.RevisionInReview:
		steps = append(steps, &mes.ReleaseRevision{Product: product, Rev: rev, History: true})
	}
	for _, s := range steps {
		// The version is part of the id: a revision that was given back in between is handed in anew. That one program
		// is author and approver is kept with the revision; it says nothing about the log.
		if _, err := r.client.do(ctx, contentID("replay-revision-", s)+"-"+strconv.FormatInt(version, 10), s); err != nil {
			return fmt.Errorf("product %s: %w", product, err)
		}
	}
	return nil
}

// resultOf reads what a receipt gives.
func resultOf(receipt mes.Receipt) (result struct {
	Order   mes.ID `json:"order"`
	Session mes.ID `json:"session"`
}, err error) {
	err = json.Unmarshal(receipt.Result, &result)
	return result, err
}

// once does things by name, each a single time even when many ask at once.
type once struct {
	mu   sync.Mutex
	done map[string]func() error
}

func newOnce() *once { return &once{done: map[string]func() error{}} }

func (o *once) do(name string, f func() error) error {
	o.mu.Lock()
	if o.done[name] == nil {
		o.done[name] = sync.OnceValue(f)
	}
	f = o.done[name]
	o.mu.Unlock()
	return f()
}

// inParallel calls f for 0 … n−1, at most jobs at once, and gives the first error. After an error no more are begun.
func inParallel(ctx context.Context, jobs, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(jobs, n) {
		workers.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
