package storage

import (
	"context"
	"time"

	"gemba/mes"
)

// Counter gives a machine's counter by its id.
func (s *Store) Counter(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Counter, error) {
	return find[mes.Counter](ctx, s, f, "counter", "", id)
}

// StateAt gives the newest state of a machine at or before a moment.
func (s *Store) StateAt(ctx context.Context, machine mes.ID, at time.Time) (*mes.MachineState, error) {
	q := selectFrom(tableFor[mes.MachineState]()).and("machine = ? AND at_ms <= ?", string(machine), at.UnixMilli())
	return one[mes.MachineState](ctx, s, local, q.end("ORDER BY at_ms DESC, nanos DESC, ord DESC"), "state of machine", machine)
}

// Readings gives the readings of a counter with from ≤ at ≤ to, in order of time.
func (s *Store) Readings(ctx context.Context, machine mes.ID, counter string, from, to time.Time) ([]mes.CounterReading, error) {
	q := selectFrom(tableFor[mes.CounterReading]()).and("machine = ? AND counter = ? AND at_ms BETWEEN ? AND ?", string(machine), counter, from.UnixMilli(), to.UnixMilli())
	return all[mes.CounterReading](ctx, s, local, q.end("ORDER BY at_ms, nanos, ord"))
}

// Timeline gives the states of a machine from one moment to another, oldest first, clipped to them, without gap or
// overlap. Before the first state that was ever heard the machine is unknown; the newest one has no end yet.
func (s *Store) Timeline(ctx context.Context, machine mes.ID, from, to time.Time) ([]mes.Interval, error) {
	intervals := []mes.Interval{{State: mes.MachineUnknown, From: from}}
	before, err := s.StateAt(ctx, machine, from)
	switch {
	case err == nil:
		intervals[0] = interval(before, from)
	case mes.ErrorCode(err) != mes.NotFound:
		return nil, err
	}
	q := selectFrom(tableFor[mes.MachineState]()).and("machine = ? AND at_ms > ? AND at_ms < ?", string(machine), from.UnixMilli(), to.UnixMilli())
	states, err := all[mes.MachineState](ctx, s, local, q.end("ORDER BY at_ms, nanos, ord"))
	if err != nil {
		return nil, err
	}
	for i := range states {
		st, last := &states[i], &intervals[len(intervals)-1]
		switch {
		case last.State == st.State && last.Reason == st.Reason && last.Raw == st.Raw:
		case !st.At.After(last.From): // several within a millisecond: the last one holds
			*last = interval(st, last.From)
		default:
			last.To = st.At
			intervals = append(intervals, interval(st, st.At))
		}
	}
	// What comes after the stretch ends the last interval at its end; nothing after it leaves it open.
	if later, err := s.StateAt(ctx, machine, time.UnixMilli(1<<52)); err == nil && !later.At.Before(to) {
		intervals[len(intervals)-1].To = to
	} else if err != nil && mes.ErrorCode(err) != mes.NotFound {
		return nil, err
	}
	return intervals, nil
}

func interval(s *mes.MachineState, from time.Time) mes.Interval {
	return mes.Interval{State: s.State, From: from, Reason: s.Reason, Raw: s.Raw, Source: s.Source}
}

// series is a query of one machine's rows in a stretch of time, oldest first. name is the column that tells its series
// apart; every row of one machine has a place in the order that no other has.
func series[T any](ctx context.Context, s *Store, f mes.MachineFilter, name string, key func(*T) []any) ([]T, string, error) {
	q := selectFrom(tableFor[T]()).and("machine = ?", string(f.Machine)).match(name, f.Series)
	if !f.From.IsZero() {
		q.and("at_ms >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		q.and("at_ms < ?", f.To.UnixMilli())
	}
	if err := q.after(f.Page.After, ">", "at_ms", "nanos", "ord", name); err != nil {
		return nil, "", err
	}
	found, err := all[T](ctx, s, local, q.end("ORDER BY at_ms, nanos, ord, "+name+" LIMIT ?", int64(limitOf(f.Page)+1)))
	return paged(found, err, f.Page, key)
}

// Counts lists counter readings of a machine, oldest first.
func (s *Store) Counts(ctx context.Context, f mes.MachineFilter) ([]mes.CounterReading, string, error) {
	return series(ctx, s, f, "counter", func(r *mes.CounterReading) []any { return []any{r.At.UnixMilli(), r.Nanos, r.Ord, r.Counter} })
}

// Samples lists values of a machine, oldest first.
func (s *Store) Samples(ctx context.Context, f mes.MachineFilter) ([]mes.Sample, string, error) {
	return series(ctx, s, f, "tag", func(r *mes.Sample) []any { return []any{r.At.UnixMilli(), r.Nanos, r.Ord, r.Tag} })
}

// Alarms lists conditions of a machine, oldest first.
func (s *Store) Alarms(ctx context.Context, f mes.MachineFilter) ([]mes.Alarm, string, error) {
	return series(ctx, s, f, `"key"`, func(r *mes.Alarm) []any { return []any{r.At.UnixMilli(), r.Nanos, r.Ord, r.Key} })
}

// Board gives every machine, or those of one line, as they are now, by line and code.
func (s *Store) Board(ctx context.Context, scope mes.Scope, line mes.ID) ([]mes.MachineTile, error) {
	newest := func(column string) string {
		return "(SELECT m." + column + " FROM machine_state m WHERE m.machine = e.id ORDER BY m.at_ms DESC, m.nanos DESC, m.ord DESC LIMIT 1)"
	}
	running := func(what string) string {
		return "(SELECT " + what + " FROM engagement g, json_each(g.sessions) j JOIN job_session s ON s.id = j.value WHERE g.id = 'machine/' || e.id AND s.state = 'running' ORDER BY s.from_ms DESC LIMIT 1)"
	}
	// A machine may say again what it said before: its state began after the newest other one.
	since := `(SELECT min(m.at_ms) FROM machine_state m WHERE m.machine = e.id AND m.at_ms > COALESCE(
		(SELECT o.at_ms FROM machine_state o WHERE o.machine = e.id AND o.state <> ` + newest("state") + ` ORDER BY o.at_ms DESC LIMIT 1), -1))`
	q := newQuery(`SELECT e.id, e.name, e.site, e.line, e.timeout_s, `+newest("state")+`, `+since+`, `+newest("reason")+`, `+newest("raw")+`,
		`+running(`(SELECT w.number FROM work_order w WHERE w.id = s."order")`)+`, `+running("s.seq")+`,
		`+running("(SELECT p.name FROM person p WHERE p.id = s.person)")+`,
		COALESCE((SELECT c.total FROM counter c WHERE c.id = e.id || '/total'), (SELECT c.total FROM counter c WHERE c.id = e.id || '/good')),
		max(COALESCE(`+newest("at_ms")+`, 0), COALESCE((SELECT max(c.at_ms) FROM counter c WHERE c.machine = e.id), 0)),
		(WITH RECURSIVE condition(k) AS (
				SELECT min("key") FROM alarm WHERE machine = e.id
				UNION ALL
				SELECT (SELECT min("key") FROM alarm WHERE machine = e.id AND "key" > condition.k) FROM condition WHERE k IS NOT NULL
			), newest AS (
				SELECT (SELECT json_array(at_ms, level, text) FROM alarm WHERE machine = e.id AND "key" = condition.k ORDER BY at_ms DESC, nanos DESC, ord DESC LIMIT 1) AS a FROM condition
			) SELECT a->>2 FROM newest WHERE a->>1 IN ('warning', 'fault') ORDER BY a->>0 DESC LIMIT 1)
		FROM equipment e`).and("e.level = 'work_unit'").within(scope, place{site: "e.site", line: "e.line", machine: "e.id"}).match("e.line", string(line))
	var tiles []mes.MachineTile
	var bad error
	err := s.each(ctx, q.end("ORDER BY e.line, e.id"), "read the board", func(v scanned) {
		var t mes.MachineTile
		if err := v.into(0, &t.Machine, &t.Name, &t.Site, &t.Line, &t.TimeoutS, &t.State, &t.Since, &t.Reason, &t.Raw, &t.Order, &t.Seq, &t.Person, &t.Total); err != nil {
			bad = err
		}
		if heard := v.whole(13); heard > 0 {
			t.HeardAt = time.UnixMilli(heard).UTC()
		}
		t.Alarm = v.text(14)
		tiles = append(tiles, t)
	})
	if err == nil {
		err = shown("read the board", bad)
	}
	return tiles, err
}

// MachineTotals counts what is stored of a machine.
func (s *Store) MachineTotals(ctx context.Context, machine mes.ID) (*mes.MachineTotals, error) {
	t := &mes.MachineTotals{Counters: map[string]int64{}}
	q := newQuery(`SELECT (SELECT count(*) FROM machine_state WHERE machine = ?), (SELECT count(*) FROM machine_state WHERE machine = ? AND late),
		(SELECT count(*) FROM counter_reading WHERE machine = ?), (SELECT count(*) FROM counter_reading WHERE machine = ? AND event = 'late'),
		(SELECT count(*) FROM sample WHERE machine = ?), (SELECT count(*) FROM alarm WHERE machine = ?)`)
	for range 6 {
		q.args = append(q.args, string(machine))
	}
	if err := s.each(ctx, q, "count a machine's rows", func(v scanned) {
		for i, field := range []*int64{&t.States, &t.Late, &t.Counts, &t.LateRead, &t.Samples, &t.Alarms} {
			*field = v.whole(i)
		}
	}); err != nil {
		return nil, err
	}
	err := s.each(ctx, newQuery("SELECT name, total FROM counter").and("machine = ?", string(machine)), "read a machine's counters", func(v scanned) {
		t.Counters[v.text(0)] = v.whole(1)
	})
	return t, err
}
