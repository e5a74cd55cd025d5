package storage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration is one file of migrations/, NNNN_name.sql: statements with a line ---- between them, carried out as one
// batch, once in the life of a store. There is no way back but a backup.
type migration struct {
	n          int64
	name       string
	digest     string // SHA-256 of the file
	statements []string
}

func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, rest, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n != int64(len(all)+1) {
			return nil, fmt.Errorf("migration %s: its number must be %04d", name, len(all)+1)
		}
		sum := sha256.Sum256(data)
		m := migration{n: n, name: strings.TrimSuffix(rest, ".sql"), digest: hex.EncodeToString(sum[:])}
		for _, s := range strings.Split(string(data), "\n----\n") {
			if s = strings.TrimSpace(s); s != "" {
				m.statements = append(m.statements, s)
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// migrate brings the store's schema up to what this program knows. Several servers may do it at once: each migration is
// one batch that ends with its own number under a primary key, so that it happens once. A store that is newer than this
// program, or was made by other files, is refused untouched.
func migrate(ctx context.Context, e engine, all []migration, now time.Time) error {
	for _, m := range all {
		for {
			applied, err := appliedMigrations(ctx, e)
			if err != nil {
				return fmt.Errorf("read the version of the database: %w", err)
			}
			if err := compatible(applied, all); err != nil {
				return err
			}
			if applied[m.n] != "" {
				break
			}
			var batch []stmt
			for _, s := range m.statements {
				batch = append(batch, stmt{sql: s})
			}
			batch = append(batch, stmt{sql: "INSERT INTO schema_migration(n, name, digest, at_ms) VALUES (?, ?, ?, ?)",
				args: []any{m.n, m.name, m.digest, now.UnixMilli()}})
			_, failed := e.exec(ctx, batch)
			if failed == nil {
				break
			}
			// Another server may have been faster, or the answer was lost: what counts is what is there now.
			applied, err = appliedMigrations(ctx, e)
			if err == nil && applied[m.n] != "" {
				break
			}
			if kindOf(failed) != outcomeUnknown || ctx.Err() != nil {
				return fmt.Errorf("migration %d (%s): %w", m.n, m.name, errors.Join(failed, err))
			}
		}
	}
	return nil
}

// compatible tells whether a store with these migrations (number to digest) can be used by this program.
func compatible(applied map[int64]string, all []migration) error {
	for n, digest := range applied {
		if n > int64(len(all)) {
			return fmt.Errorf("the database is at version %d and this gemba knows %d; start a newer gemba", n, len(all))
		}
		if m := all[n-1]; m.digest != digest {
			return fmt.Errorf("the database was made by another edition of migration %d (%s); start the gemba that made it", n, m.name)
		}
	}
	return nil
}

func appliedMigrations(ctx context.Context, e engine) (map[int64]string, error) {
	there := false
	err := e.query(ctx, fresh, stmt{sql: "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration'"}, func([]string, []any) error {
		there = true
		return nil
	})
	applied := map[int64]string{}
	if err != nil || !there {
		return applied, err
	}
	err = e.query(ctx, fresh, stmt{sql: "SELECT n, digest FROM schema_migration"}, func(_ []string, v []any) error {
		n, ok := wholeOf(v[0])
		if !ok || n < 1 {
			return fmt.Errorf("the table schema_migration holds a row that no migration wrote")
		}
		applied[n] = textOf(v[1])
		return nil
	})
	return applied, err
}
