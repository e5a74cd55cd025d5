package storage

import (
	"context"
	"slices"
	"strings"

	"gemba/mes"
)

// Order gives a work order by id or number.
func (s *Store) Order(ctx context.Context, f mes.Freshness, ref mes.ID) (*mes.Order, error) {
	return find[mes.Order](ctx, s, f, "order", "number", ref)
}

// Operation gives an operation of a released order by its id.
func (s *Store) Operation(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Operation, error) {
	return find[mes.Operation](ctx, s, f, "operation", "", id)
}

// noDue is the due date of orders that have none, in the order of urgency: after all others.
const noDue = "COALESCE(w.due_ms, 253402300800000)"

var orderPlace = place{site: "w.site", line: "w.line", family: "w.family"}

// choose adds an order filter's conditions, on work_order w.
func choose(q *query, f mes.OrderFilter) *query {
	q.within(f.Scope, orderPlace)
	among(q, "w.state", f.State)
	q.match("w.line", string(f.Line)).match("w.product", string(f.Product))
	if f.Search != "" {
		like := literal(f.Search)
		q.and(`(w.number LIKE ? ESCAPE '\' OR w.product LIKE ? ESCAPE '\')`, like, like)
	}
	return q
}

// Orders lists work orders by priority, due date and number.
func (s *Store) Orders(ctx context.Context, f mes.OrderFilter) ([]mes.OrderSummary, string, error) {
	q := newQuery(`SELECT w.id, w.number, w.product, w.family, w.site, w.line, w.state, w.ordered, w.unit, w.priority, w.due_ms, w.released_at_ms,
		(SELECT o.good FROM operation o WHERE o."order" = w.id ORDER BY o.seq DESC LIMIT 1),
		(SELECT sum(o.scrap) FROM operation o WHERE o."order" = w.id),
		(SELECT count(*) FROM operation o WHERE o."order" = w.id),
		(SELECT count(*) FROM operation o WHERE o."order" = w.id AND o.state IN ('completed', 'skipped')),
		(SELECT sum(o.running) FROM operation o WHERE o."order" = w.id),
		` + noDue + ` FROM work_order w`)
	choose(q, f)
	if err := q.after(f.Page.After, ">", "w.priority", noDue, "w.number"); err != nil {
		return nil, "", err
	}
	q.end("ORDER BY w.priority, "+noDue+", w.number LIMIT ?", int64(limitOf(f.Page)+1))
	var found []mes.OrderSummary
	var due []int64
	var bad error
	err := s.each(ctx, q, "list orders", func(v scanned) {
		var o mes.OrderSummary
		if err := v.into(0, &o.ID, &o.Number, &o.Product, &o.Family, &o.Site, &o.Line, &o.State, &o.Ordered, &o.Unit, &o.Priority, &o.Due, &o.ReleaseAt,
			&o.Good, &o.Scrap, &o.Ops, &o.OpsDone, &o.Running); err != nil {
			bad = err
		}
		found, due = append(found, o), append(due, v.whole(17))
	})
	if err == nil {
		err = shown("list orders", bad)
	}
	return paged(found, err, f.Page, func(o *mes.OrderSummary) []any {
		return []any{o.Priority, due[limitOf(f.Page)-1], o.Number}
	})
}

// detailRows is how many sessions and reports an order's detail shows; the lists page through all of them.
const detailRows = 200

// OrderDetail gives one order with its operations, sessions and reports. It is there for who may see the order or one of
// its operations: an operator of the second line must see what the first hands on.
func (s *Store) OrderDetail(ctx context.Context, scope mes.Scope, ref mes.ID) (*mes.OrderDetail, error) {
	q := newQuery("SELECT "+prefixed("w", tableFor[mes.Order]())+" FROM work_order w").and("(w.id = ? OR w.number = ?)", string(ref), string(ref))
	order, err := one[mes.Order](ctx, s, local, q.end("ORDER BY w.id <> ?", string(ref)), "order", ref)
	if err != nil {
		return nil, err
	}
	d := &mes.OrderDetail{Order: *order}
	id := string(order.ID)
	if d.Operations, err = all[mes.Operation](ctx, s, local, selectFrom(tableFor[mes.Operation]()).and(`"order" = ?`, id).end("ORDER BY seq")); err != nil {
		return nil, err
	}
	if !scope.Covers(order.Place()) && !slices.ContainsFunc(d.Operations, func(o mes.Operation) bool { return scope.Covers(o.Place()) }) {
		return nil, mes.Faultf(mes.NotFound, "there is no order %s here", ref)
	}
	page := mes.Page{Limit: detailRows}
	if d.Sessions, _, err = s.Sessions(ctx, mes.SessionFilter{Scope: scope, Order: order.ID, Page: page}); err != nil {
		return nil, err
	}
	if d.Reports, _, err = s.Reports(ctx, mes.ReportFilter{Scope: scope, Order: order.ID, Page: page}); err != nil {
		return nil, err
	}
	d.Availability()
	return d, nil
}

// prefixed gives a table's columns with the name it has in a query.
func prefixed(name string, t *table) string {
	return name + "." + strings.ReplaceAll(t.list, ",", ","+name+".")
}

// Queue lists the operations that can be worked on, most urgent first.
func (s *Store) Queue(ctx context.Context, f mes.QueueFilter) ([]mes.QueueItem, error) {
	// What an operation can take in depends on the whole order, so the few orders that are found are read as a whole.
	q := newQuery(`SELECT o.id, w.id FROM operation o JOIN work_order w ON w.id = o."order"`).
		and("o.state IN ('ready', 'running', 'paused', 'held')").
		and("w.state IN ('released', 'in_progress', 'paused', 'held')").
		within(f.Scope, place{site: "o.site", line: "o.line", family: "o.family", operation: "o.code"})
	switch {
	case f.Line != "" && len(f.Classes) > 0:
		classes, args := classList(f.Classes)
		q.and("(o.line = ? OR o.class IN "+classes+")", append([]any{string(f.Line)}, args...)...)
	case f.Line != "":
		q.and("o.line = ?", string(f.Line))
	case len(f.Classes) > 0:
		classes, args := classList(f.Classes)
		q.and("o.class IN "+classes, args...)
	}
	limit := limitOf(mes.Page{Limit: f.Limit})
	q.end("ORDER BY w.priority, "+noDue+", w.number, o.seq LIMIT ?", int64(limit))
	type found struct{ operation, order mes.ID }
	var list []found
	var orders []mes.ID
	seen := map[mes.ID]bool{}
	if err := s.each(ctx, q, "list the queue", func(v scanned) {
		list = append(list, found{v.id(0), v.id(1)})
		if !seen[v.id(1)] {
			seen[v.id(1)] = true
			orders = append(orders, v.id(1))
		}
	}); err != nil || len(list) == 0 {
		return nil, err
	}
	details, err := s.flows(ctx, orders)
	if err != nil {
		return nil, err
	}
	items := make([]mes.QueueItem, 0, len(list))
	for _, at := range list {
		d := details[at.order]
		if d == nil {
			continue // gone from the queue between the two reads
		}
		for i := range d.Operations {
			if op := &d.Operations[i]; op.ID == at.operation {
				items = append(items, mes.QueueItem{
					Order: d.Order.ID, Number: d.Order.Number, OrderIs: d.Order.State, Product: d.Order.Product, Unit: d.Order.Unit,
					Ordered: d.Order.Ordered, Priority: d.Order.Priority, Due: d.Order.Due, Operation: op.ID, Seq: op.Seq, Code: op.Code,
					Name: op.Name, Site: op.Site, Line: op.Line, State: op.State, Good: op.Good, Scrap: op.Scrap,
					Available: d.Available[i], Running: op.Running, Sessions: op.Sessions,
				})
			}
		}
	}
	return items, nil
}

func classList(classes []string) (string, []any) {
	args := make([]any, len(classes))
	for i, c := range classes {
		args[i] = c
	}
	return "(?" + strings.Repeat(", ?", len(classes)-1) + ")", args
}

// flows gives orders with their operations and what each can take in.
func (s *Store) flows(ctx context.Context, ids []mes.ID) (map[mes.ID]*mes.OrderDetail, error) {
	orders, err := all[mes.Order](ctx, s, local, among(selectFrom(tableFor[mes.Order]()), "id", ids))
	if err != nil {
		return nil, err
	}
	operations, err := all[mes.Operation](ctx, s, local, among(selectFrom(tableFor[mes.Operation]()), `"order"`, ids).end(`ORDER BY "order", seq`))
	if err != nil {
		return nil, err
	}
	details := make(map[mes.ID]*mes.OrderDetail, len(orders))
	for i := range orders {
		details[orders[i].ID] = &mes.OrderDetail{Order: orders[i]}
	}
	for i := range operations {
		if d := details[operations[i].Order]; d != nil {
			d.Operations = append(d.Operations, operations[i])
		}
	}
	for _, d := range details {
		d.Availability()
	}
	return details, nil
}

// sign is what a report r counts for: a correction takes back what it corrects.
const sign = "iif(r.corrects = '', 1, -1)"

func sumOf(kind mes.ReportKind) string {
	return "sum(" + sign + " * r.quantity * (r.kind = '" + string(kind) + "'))"
}

// Totals sums reports and sessions over the orders of a filter. A correction takes back what it corrects.
func (s *Store) Totals(ctx context.Context, f mes.OrderFilter) (*mes.Totals, error) {
	var t mes.Totals
	var bad error
	keep := func(fields ...any) func(scanned) {
		return func(v scanned) {
			if err := v.into(0, fields...); err != nil {
				bad = err
			}
		}
	}
	var oddSessions, oddReports int64
	for _, part := range []struct {
		sql  string
		into func(scanned)
	}{
		{"SELECT count(*) FROM work_order w", keep(&t.Orders)},
		{`SELECT count(*), sum(s.kind = 'rework'), sum(s.state <> 'stopped'), sum(s.odd IS NOT NULL)
			FROM work_order w JOIN job_session s ON s."order" = w.id`, keep(&t.Sessions, &t.ReworkSessions, &t.OpenSessions, &oddSessions)},
		{"SELECT sum(" + sign + "), " + sumOf("good") + ", " + sumOf("scrap") + ", " + sumOf("rework") + ", " + sumOf("review") + `, sum(r.odd IS NOT NULL)
			FROM work_order w JOIN report r ON r."order" = w.id`,
			keep(&t.Reports, &t.Good, &t.Scrap, &t.Rework, &t.Review, &oddReports)},
	} {
		if err := s.each(ctx, choose(newQuery(part.sql), f), "sum up orders", part.into); err != nil {
			return nil, err
		}
	}
	t.Odd = oddSessions + oddReports
	return &t, shown("sum up orders", bad)
}
