package storage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"gemba/mes"
)

// levelOf tells how fresh the database must be asked. Cached is for reads whose result carries an expectation: if
// memory does not have it, any recent state will do.
func levelOf(f mes.Freshness) level {
	if f == mes.Fresh {
		return fresh
	}
	return local
}

// find gives the record of a kind by its id, or by another unique name in the column alias, if it has one.
func find[T any, P interface {
	*T
	mes.Record
}](ctx context.Context, s *Store, f mes.Freshness, what, alias string, ref mes.ID) (P, error) {
	t := tableFor[T]()
	kind := mes.Kind(t.name)
	if f == mes.Cached {
		if r, ok := s.cache.getNamed(kind, ref); ok {
			return r.(P), nil
		}
	}
	q := selectFrom(t)
	if alias == "" {
		q.and("id = ?", string(ref))
	} else {
		q.and("(id = ? OR "+alias+" = ?)", string(ref), string(ref))
		q.end("ORDER BY id <> ?", string(ref))
	}
	r, err := one[T](ctx, s, levelOf(f), q, what, ref)
	if err != nil {
		return nil, err
	}
	s.cache.put(P(r))
	return r, nil
}

// one gives the first row that a query finds, or a NotFound fault that names what was looked for.
func one[T any](ctx context.Context, s *Store, l level, q *query, what string, ref mes.ID) (*T, error) {
	q.end("LIMIT 1")
	found, err := all[T](ctx, s, l, q)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, mes.Faultf(mes.NotFound, "there is no %s %s here", what, ref)
	}
	return &found[0], nil
}

// all gives every row that a query finds, of a type that has a table.
func all[T any](ctx context.Context, s *Store, l level, q *query) ([]T, error) {
	t := tableFor[T]()
	var found []T
	err := s.engine.query(ctx, l, q.stmt(), func(_ []string, values []any) error {
		var row T
		if err := t.scan(values, reflect.ValueOf(&row).Elem()); err != nil {
			return err
		}
		found = append(found, row)
		return nil
	})
	return found, shown("read "+t.name, err)
}

// each calls row with every row that a query finds, for results that have no table.
func (s *Store) each(ctx context.Context, q *query, doing string, row func(v scanned)) error {
	err := s.engine.query(ctx, local, q.stmt(), func(_ []string, values []any) error {
		row(values)
		return nil
	})
	return shown(doing, err)
}

// scanned is a row of values, read by position.
type scanned []any

func (v scanned) text(i int) string { return textOf(v[i]) }
func (v scanned) id(i int) mes.ID   { return mes.ID(textOf(v[i])) }
func (v scanned) whole(i int) int64 {
	n, _ := wholeOf(v[i])
	return n
}

// into reads values from position i on into the fields that are pointed to, by the same rules as tables.
func (v scanned) into(i int, fields ...any) error {
	for at, p := range fields {
		f := reflect.ValueOf(p).Elem()
		if err := setField(f, sortOf(f.Type()), v[i+at]); err != nil {
			return err
		}
	}
	return nil
}

// A query is a SELECT that grows by its conditions. Texts are fixed; whatever varies is an argument, so that few
// different statements are ever prepared.
type query struct {
	head, tail string
	conditions []string
	args, last []any
}

func selectFrom(t *table) *query { return newQuery("SELECT " + t.list + " FROM " + t.name) }

func newQuery(head string, args ...any) *query { return &query{head: head, args: args} }

// and adds a condition.
func (q *query) and(condition string, args ...any) *query {
	q.conditions = append(q.conditions, condition)
	q.args = append(q.args, args...)
	return q
}

// match adds the condition that a column has a value, unless the value is empty.
func (q *query) match(column, value string) *query {
	if value == "" {
		return q
	}
	return q.and(column+" = ?", value)
}

// end adds what comes after the conditions.
func (q *query) end(tail string, args ...any) *query {
	q.tail += " " + tail
	q.last = append(q.last, args...)
	return q
}

func (q *query) stmt() stmt {
	text := q.head
	if len(q.conditions) > 0 {
		text += " WHERE " + strings.Join(q.conditions, " AND ")
	}
	return stmt{sql: text + q.tail, args: append(append([]any{}, q.args...), q.last...)}
}

// place names the columns that say where a row is; "" for what its kind does not have.
type place struct{ site, line, family, operation, machine string }

// within keeps what a scope does not cover out of the result, as [mes.Grant.Covers] does: an empty field of the grant
// covers everything, and an empty field of the row is not compared.
func (q *query) within(scope mes.Scope, p place) *query {
	if scope.Everywhere() {
		return q
	}
	grants := make([][5]string, len(scope))
	for i, g := range scope {
		grants[i] = [5]string{string(g.Site), string(g.Line), g.Family, g.Operation, string(g.Machine)}
	}
	list, _ := json.Marshal(grants) // strings always have a JSON form
	condition := "EXISTS (SELECT 1 FROM json_each(?) g WHERE true"
	for i, column := range []string{p.site, p.line, p.family, p.operation, p.machine} {
		if column != "" {
			at := "g.value->>" + string(rune('0'+i))
			condition += " AND (" + at + " = '' OR " + column + " = '' OR " + column + " = " + at + ")"
		}
	}
	return q.and(condition+")", string(list))
}

// meets keeps people out of the result whom a scope does not reach, as [mes.Scope.Meets] does: grants is the JSON of what
// they have been given, NULL for nothing.
func (q *query) meets(scope mes.Scope, grants string) *query {
	if scope.Everywhere() {
		return q
	}
	if len(scope) == 0 {
		return q.and("false")
	}
	own := make([][5]string, len(scope))
	for i, g := range scope {
		own[i] = [5]string{string(g.Site), string(g.Line), g.Family, g.Operation, string(g.Machine)}
	}
	list, _ := json.Marshal(own) // strings always have a JSON form
	condition := "(" + grants + " IS NULL OR EXISTS (SELECT 1 FROM json_each(" + grants + ") h, json_each(?) g WHERE true"
	for i, field := range []string{"site", "line", "family", "operation", "machine"} {
		at, its := "g.value->>"+string(rune('0'+i)), "h.value->>'"+field+"'"
		condition += " AND (" + at + " = '' OR COALESCE(" + its + ", '') = '' OR " + its + " = " + at + ")"
	}
	return q.and(condition+"))", string(list))
}

// between adds the condition that a moment is in from ≤ at < to; a zero time is no end.
func (q *query) between(column string, from, to time.Time) *query {
	if !from.IsZero() {
		q.and(column+" >= ?", from.UnixMilli())
	}
	if !to.IsZero() {
		q.and(column+" < ?", to.UnixMilli())
	}
	return q
}

// among adds the condition that a column has one of the values, unless there are none.
func among[S ~string](q *query, column string, values []S) *query {
	if len(values) == 0 {
		return q
	}
	list, _ := json.Marshal(values)
	return q.and(column+" IN (SELECT value FROM json_each(?))", string(list))
}

// A cursor is the sort key of a page's last row, opaque to those who pass it on.

func cursor(key ...any) string {
	data, _ := json.Marshal(key) // texts and numbers always have a JSON form
	return base64.RawURLEncoding.EncodeToString(data)
}

// after continues behind a cursor: columns are the sort key, in the order and direction ("<" or ">") of the query.
func (q *query) after(given, direction string, columns ...string) error {
	if given == "" {
		return nil
	}
	var key []any
	data, err := base64.RawURLEncoding.DecodeString(given)
	if err == nil {
		err = json.Unmarshal(data, &key)
	}
	if err != nil || len(key) != len(columns) {
		return badCursor
	}
	for i, k := range key {
		switch v := k.(type) {
		case string:
		case float64:
			key[i] = int64(v)
		default:
			return badCursor
		}
	}
	q.and("("+strings.Join(columns, ", ")+") "+direction+" (?"+strings.Repeat(", ?", len(columns)-1)+")", key...)
	return nil
}

var badCursor = &mes.Fault{Code: mes.Invalid, Field: "after", Message: "this is not a page's cursor; leave it out to begin at the first page"}

// paged asks for one row more than the page holds, to know whether there is another page.
func paged[T any](found []T, err error, p mes.Page, key func(*T) []any) ([]T, string, error) {
	limit := limitOf(p)
	if err != nil || len(found) <= limit {
		return found, "", err
	}
	found = found[:limit]
	return found, cursor(key(&found[limit-1])...), nil
}

func limitOf(p mes.Page) int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

// literal is a LIKE pattern that finds a text anywhere, with the text's own wildcards taken literally.
func literal(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
