package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3"

	"gemba/storage/rqlitetest"
)

// A place is a database on this machine: what the store under measurement runs on, and what it is checked with.
type place interface {
	store() string // as storage.Options names it
	tls() *tls.Config
	// number asks the database itself, past the store, for one number.
	number(ctx context.Context, query string) (int64, error)
	close() error
}

// A sqlitePlace is a database file.
type sqlitePlace struct{ path string }

func newSQLitePlace(folder string) *sqlitePlace {
	return &sqlitePlace{filepath.Join(folder, "gemba.db")}
}

func (p *sqlitePlace) store() string    { return "sqlite:" + p.path }
func (p *sqlitePlace) tls() *tls.Config { return nil }
func (p *sqlitePlace) close() error     { return nil }

func (p *sqlitePlace) number(ctx context.Context, query string) (n int64, err error) {
	db, err := sql.Open("sqlite3", "file:"+p.path+"?mode=ro&_query_only=on&_busy_timeout=5000")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}

// A rqlitePlace is one rqlited process of its own.
type rqlitePlace struct {
	cluster *rqlitetest.Cluster
	client  *rqliteClient
}

func newRqlitePlace(ctx context.Context, folder string) (*rqlitePlace, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	c, err := rqlitetest.New(ctx, folder, 1)
	if err != nil {
		return nil, err
	}
	return &rqlitePlace{c, newRqliteClient(c.URLs()[0], c.TLS())}, nil
}

func (p *rqlitePlace) store() string    { return p.cluster.Store() }
func (p *rqlitePlace) tls() *tls.Config { return p.cluster.TLS() }

func (p *rqlitePlace) number(ctx context.Context, query string) (int64, error) {
	return p.client.number(ctx, query)
}

func (p *rqlitePlace) close() error {
	p.client.close()
	p.cluster.Close()
	return nil
}
