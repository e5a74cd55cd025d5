package storage

import (
	"context"

	"gemba/mes"
)

var workPlace = place{site: "site", line: "line", family: "family", operation: "code"}

// Session gives a job session by its id.
func (s *Store) Session(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Session, error) {
	return find[mes.Session](ctx, s, f, "session", "", id)
}

// Engagement gives what a person or machine is busy with.
func (s *Store) Engagement(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Engagement, error) {
	return find[mes.Engagement](ctx, s, f, "engagement", "", id)
}

// Sessions lists job sessions, newest first.
func (s *Store) Sessions(ctx context.Context, f mes.SessionFilter) ([]mes.Session, string, error) {
	q := selectFrom(tableFor[mes.Session]()).within(f.Scope, workPlace).
		match(`"order"`, string(f.Order)).match("person", string(f.Person))
	if f.Open {
		q.and("state IN ('running', 'paused')")
	}
	if f.Odd {
		q.and("odd IS NOT NULL")
	}
	if err := q.after(f.Page.After, "<", "from_ms", "id"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.Session](ctx, s, local, q.end("ORDER BY from_ms DESC, id DESC LIMIT ?", int64(limitOf(f.Page)+1)))
	return paged(found, err, f.Page, func(s *mes.Session) []any { return []any{s.From.UnixMilli(), s.ID} })
}

// OpenSessions gives what a person, or everybody, has running or paused, newest first.
func (s *Store) OpenSessions(ctx context.Context, scope mes.Scope, person mes.ID) ([]mes.Session, error) {
	q := selectFrom(tableFor[mes.Session]()).and("state IN ('running', 'paused')").within(scope, workPlace).match("person", string(person))
	return all[mes.Session](ctx, s, local, q.end("ORDER BY from_ms DESC, id DESC"))
}

// Report gives a report by its id.
func (s *Store) Report(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Report, error) {
	return one[mes.Report](ctx, s, levelOf(f), selectFrom(tableFor[mes.Report]()).and("id = ?", string(id)), "report", id)
}

// CorrectionOf gives the reversal of a report.
func (s *Store) CorrectionOf(ctx context.Context, f mes.Freshness, report mes.ID) (*mes.Report, error) {
	q := selectFrom(tableFor[mes.Report]()).and("corrects = ? AND corrects <> ''", string(report))
	return one[mes.Report](ctx, s, levelOf(f), q, "correction of report", report)
}

// reportsOf selects from the reports of one order, operation by operation back from the last.
func reportsOf(order mes.ID) *query {
	t := tableFor[mes.Report]()
	return newQuery(`WITH RECURSIVE chain AS (
		SELECT r.* FROM operation o JOIN report r ON r.id = o.last_report WHERE o."order" = ?
		UNION ALL SELECT r.* FROM chain c JOIN report r ON r.id = c.previous)
		SELECT `+t.list+" FROM chain", string(order))
}

// Reports lists reports, newest first.
func (s *Store) Reports(ctx context.Context, f mes.ReportFilter) ([]mes.Report, string, error) {
	q := selectFrom(tableFor[mes.Report]())
	if f.Order != "" {
		q = reportsOf(f.Order)
	}
	q.within(f.Scope, workPlace).match("person", string(f.Person)).match("kind", string(f.Kind))
	if err := q.after(f.Page.After, "<", "occurred_at_ms", "id"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.Report](ctx, s, local, q.end("ORDER BY occurred_at_ms DESC, id DESC LIMIT ?", int64(limitOf(f.Page)+1)))
	return paged(found, err, f.Page, func(r *mes.Report) []any { return []any{r.OccurredAt.UnixMilli(), r.ID} })
}
