package main

import (
	"context"
	"net/url"
	"sync"

	"gemba/mes"
)

// readTotals asks the API what came of the log. The sums over the line are the answer when nothing else was made
// there. Where there was, by people or from another log, the sessions and reports that this log made are read back and
// added up.
func (r *replay) readTotals(ctx context.Context) (mes.Totals, error) {
	want := r.totals()
	var got mes.Totals
	if err := r.client.get(ctx, "/totals", url.Values{"line": {string(r.line)}}, &got); err != nil {
		return got, err
	}
	if same(got, want) {
		return got, nil
	}
	return r.addUp(ctx)
}

// same compares what a log says with what the API says.
func same(a, b mes.Totals) bool {
	return a.Orders == b.Orders && a.Sessions == b.Sessions && a.ReworkSessions == b.ReworkSessions &&
		a.Good == b.Good && a.Scrap == b.Scrap && a.Review == b.Review
}

// addUp reads the sessions of this log and their reports back, order by order.
func (r *replay) addUp(ctx context.Context) (mes.Totals, error) {
	ours := map[mes.ID]map[mes.ID]bool{} // by order
	orders := map[int]bool{}             // of the log: one that goes on in another is still one
	var ids []mes.ID
	for i := range r.played {
		p := &r.played[i]
		if p.session == "" {
			continue
		}
		if ours[p.order] == nil {
			ours[p.order] = map[mes.ID]bool{}
			ids = append(ids, p.order)
		}
		ours[p.order][p.session] = true
		orders[r.sessions[i].order] = true
	}
	total := mes.Totals{Orders: int64(len(orders))}
	var mu sync.Mutex
	err := inParallel(ctx, r.jobs, len(ids), func(ctx context.Context, i int) error {
		query := url.Values{"order": {string(ids[i])}, "limit": {"1000"}}
		sessions, err := listAll[mes.Session](ctx, r.client, "/sessions", query)
		if err != nil {
			return err
		}
		reports, err := listAll[mes.Report](ctx, r.client, "/reports", query)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		count(&total, ours[ids[i]], sessions, reports)
		return nil
	})
	return total, err
}

// count adds the sessions that are ours and those of their reports that stand.
func count(total *mes.Totals, ours map[mes.ID]bool, sessions []mes.Session, reports []mes.Report) {
	for i := range sessions {
		if s := &sessions[i]; ours[s.ID] {
			total.Sessions++
			if s.Kind == mes.ReworkWork {
				total.ReworkSessions++
			}
		}
	}
	takenBack := map[mes.ID]bool{}
	for i := range reports {
		takenBack[reports[i].Corrects] = true
	}
	for i := range reports {
		switch r := &reports[i]; {
		case !ours[r.Session] || r.Corrects != "" || takenBack[r.ID]:
		case r.Kind == mes.GoodPieces:
			total.Good += r.Quantity
		case r.Kind == mes.ScrapPieces:
			total.Scrap += r.Quantity
		case r.Kind == mes.ReviewPieces:
			total.Review += r.Quantity
		}
	}
}
