package storage

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// An engine is a database. It is all that differs between the two that the store runs on.
type engine interface {
	// exec runs the statements in order, all or nothing, and tells how many rows each that is counted changed. An error is a
	// *trouble; unless its kind is outcomeUnknown, nothing was changed.
	exec(ctx context.Context, batch []stmt) ([]int64, error)

	// query calls row for each row of the result until it returns an error. Values are nil, int64, float64 or string;
	// whole numbers may come as float64. Both slices belong to the engine and are good until row returns.
	query(ctx context.Context, level level, s stmt, row func(columns []string, values []any) error) error

	// takesLists tells whether many rows should come as one JSON array; else they come as a statement with rows.
	takesLists() bool

	// name says which engine and version answers, for people.
	name() string

	close() error
}

// A stmt is one SQL statement with its arguments: nil, int64, float64 or string. With rows it is carried out that many
// times, each with the next so many arguments; only an engine that does not take lists is given such. Of one that is
// counted it is told how many rows it changed.
type stmt struct {
	sql     string
	args    []any
	rows    int
	counted bool
}

// A level says how fresh a query must be.
type level int

const (
	// local is for screens: what was committed through this engine is seen; on rqlite a deposed leader may answer for
	// as long as its lease lasts.
	local level = iota
	// fresh is for decisions: everything committed before the query began is seen, whoever committed it.
	fresh
)

// guard lets only the statements through that a running store has any use for. A stray PRAGMA, BEGIN or DROP sent to
// rqlite can make replicas differ for good, and there is one place that can make sure that none is ever sent: this.
type guard struct {
	engine
	known sync.Map // texts that passed
}

func (g *guard) exec(ctx context.Context, batch []stmt) ([]int64, error) {
	for _, s := range batch {
		if err := g.check(s.sql, "INSERT INTO ", "UPDATE ", "DELETE FROM "); err != nil {
			return nil, err
		}
	}
	return g.engine.exec(ctx, batch)
}

func (g *guard) query(ctx context.Context, l level, s stmt, row func([]string, []any) error) error {
	if err := g.check(s.sql, "SELECT ", "WITH "); err != nil {
		return err
	}
	return g.engine.query(ctx, l, s, row)
}

func (g *guard) check(sql string, allowed ...string) error {
	if _, ok := g.known.Load(sql); ok {
		return nil
	}
	body := strings.TrimRight(sql, " \t\n;")
	for _, prefix := range allowed {
		if strings.HasPrefix(sql, prefix) && !strings.Contains(body, ";") {
			g.known.Store(sql, true)
			return nil
		}
	}
	return fmt.Errorf("not a statement that the store sends: %.60q", sql)
}
