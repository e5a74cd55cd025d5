package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// readers is how many queries SQLite answers at once; WAL lets them run beside the writer.
const readers = 4

// sqlite is the embedded engine: one file, one writing connection, a few reading ones.
type sqlite struct {
	lock   *os.File // held as long as the engine is open for writing
	write  *sql.DB
	mu     sync.Mutex                     // one batch at a time
	conn   *sql.Conn                      // the writing connection …
	raw    *sqlite3.SQLiteConn            // … as the driver has it: see run
	stmts  map[string]*sqlite3.SQLiteStmt // its statements, by their text
	values []driver.NamedValue            // arguments of the statement that runs
	moving *checkpointer
	closed bool
	read   *sql.DB
	reads  sync.Map // SQL text to *sql.Stmt
}

// openSQLite opens the file at path, makes it when it is not there, and keeps other programs that would write to it
// out. With readOnly it opens what is there for reading only, also while a server runs on it.
func openSQLite(ctx context.Context, path string, readOnly bool) (*sqlite, error) {
	s := &sqlite{stmts: map[string]*sqlite3.SQLiteStmt{}}
	if readOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("there is no database at %s: %w", path, err)
		}
		s.read = sql.OpenDB(connector(path, "mode=ro&_query_only=on"))
		s.read.SetMaxOpenConns(readers)
		if err := s.read.PingContext(ctx); err != nil {
			return nil, errors.Join(openFailed(path, err), s.close())
		}
		return s, nil
	}
	if err := s.claim(path); err != nil {
		return nil, err
	}
	s.write = sql.OpenDB(connector(path, "mode=rw&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL"))
	s.write.SetMaxOpenConns(1)
	s.read = sql.OpenDB(connector(path, "mode=rw&_query_only=on"))
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	var err error
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return nil, errors.Join(openFailed(path, err), s.close())
	}
	if err := s.conn.Raw(func(c any) error {
		s.raw = c.(*sqlite3.SQLiteConn)
		return nil
	}); err != nil {
		return nil, errors.Join(openFailed(path, err), s.close())
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(openFailed(path, err), s.close())
	}
	s.moving = startCheckpointer(path, &s.mu)
	return s, nil
}

func openFailed(path string, err error) error {
	if fromText(err).kind == damaged || kindOf(err) == damaged {
		return fmt.Errorf("the database %s is damaged; restore a backup: %w", path, err)
	}
	return fmt.Errorf("open database %s: %w", path, err)
}

// check looks through the file for damage.
func (s *sqlite) check(ctx context.Context) error {
	var found string
	if err := s.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return fromText(err)
	}
	if found != "ok" {
		return &trouble{kind: damaged, detail: found, cause: errors.New(found)}
	}
	return nil
}

// claim makes the file, private to its owner, and locks out other writers: two servers on one file would each keep a
// ledger chain and a cache of their own.
func (s *sqlite) claim(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the database: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock of database %s: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("the database %s is in use by another gemba; stop that one first, or choose another file", path)
		}
		return fmt.Errorf("lock database %s: %w", path, err)
	}
	s.lock = lock
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		lock.Close()
		return fmt.Errorf("open database %s: %w", path, err)
	}
	return errors.Join(file.Chmod(0o600), file.Close())
}

// dialer opens connections with everything set that must be set on each one.
type dialer struct {
	driver *sqlite3.SQLiteDriver
	dsn    string
}

func (d dialer) Connect(context.Context) (driver.Conn, error) { return d.driver.Open(d.dsn) }
func (d dialer) Driver() driver.Driver                        { return d.driver }

func connector(path, options string) driver.Connector {
	return dialer{
		// recursive_triggers: without it REPLACE removes rows past the triggers that guard the ledger.
		// trusted_schema: a doctored file cannot make a view or trigger call what has side effects.
		driver: &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
			for _, pragma := range []string{"recursive_triggers=ON", "trusted_schema=OFF", "cell_size_check=ON", "cache_size=-65536", "temp_store=MEMORY", "wal_autocheckpoint=0", "journal_size_limit=67108864"} {
				if _, err := c.Exec("PRAGMA "+pragma, nil); err != nil {
					return fmt.Errorf("set %s: %w", pragma, err)
				}
			}
			return nil
		}},
		dsn: (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() + "?" + options + "&_foreign_keys=on&_busy_timeout=5000&_mutex=no", // each connection serves one goroutine at a time
	}
}

func (s *sqlite) exec(ctx context.Context, batch []stmt) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, &trouble{kind: unreachable, cause: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.closed {
		return nil, &trouble{kind: readOnly, cause: errors.New("the database is not open for writing")}
	}
	// From here on the caller's patience plays no part: a batch takes milliseconds, and giving up in the middle of one
	// would make an unknown outcome of a sure one.
	if err := s.run("BEGIN IMMEDIATE", nil, 1); err != nil {
		return nil, fromText(err)
	}
	affected := make([]int64, len(batch))
	for i, st := range batch {
		n, err := s.carryOut(st)
		if err != nil {
			return nil, s.rollback(fromText(err))
		}
		affected[i] = n
	}
	if err := s.run("COMMIT", nil, 1); err != nil {
		t := fromText(err)
		switch t.kind {
		case foreignKey, busy:
		case diskFull: // the record that would have made it hold did not fit, and is not looked for again after the rollback
		default:
			t.kind = outcomeUnknown // a disk that fails in COMMIT may have kept what it was given
		}
		return nil, s.rollback(t)
	}
	s.moving.dirty.Store(true)
	return affected, nil
}

// carryOut runs one statement of a batch, and counts the rows that it changes if that is asked for.
func (s *sqlite) carryOut(st stmt) (changed int64, err error) {
	if !st.counted {
		return 0, s.run(st.sql, st.args, max(st.rows, 1))
	}
	before, err := s.changes()
	if err == nil {
		err = s.run(st.sql, st.args, max(st.rows, 1))
	}
	if err != nil {
		return 0, err
	}
	after, err := s.changes()
	return after - before, err
}

// rollback undoes the open transaction and returns the error that led there. SQLite itself has rolled back after some
// errors, a full disk among them; then there is nothing left to undo.
func (s *sqlite) rollback(t *trouble) error {
	if s.raw.AutoCommit() {
		return t
	}
	if err := s.run("ROLLBACK", nil, 1); err != nil {
		t.cause = errors.Join(t.cause, fmt.Errorf("roll back: %w", err))
	}
	return t
}

// run carries out a statement on the writing connection once for each of its rows of arguments. It goes to the driver's
// Query by hand: that binds all arguments and steps in one crossing into C, where Exec crosses once an argument.
func (s *sqlite) run(text string, args []any, rows int) error {
	prepared := s.stmts[text]
	if prepared == nil {
		p, err := s.raw.Prepare(text)
		if err != nil {
			return err
		}
		prepared = p.(*sqlite3.SQLiteStmt)
		s.stmts[text] = prepared
	}
	width := len(args) / rows
	for ; rows > 0; rows, args = rows-1, args[width:] {
		s.values = s.values[:0]
		for i, arg := range args[:width] {
			s.values = append(s.values, driver.NamedValue{Ordinal: i + 1, Value: arg})
		}
		result, err := prepared.QueryContext(context.Background(), s.values)
		if err != nil {
			return err
		}
		if err := result.Close(); err != nil {
			return err
		}
	}
	return nil
}

// changes is how many rows the writing connection has ever changed.
func (s *sqlite) changes() (int64, error) {
	rows, err := s.raw.Query("SELECT total_changes()", nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var n [1]driver.Value
	if err := rows.Next(n[:]); err != nil {
		return 0, err
	}
	return n[0].(int64), nil
}

func (s *sqlite) query(ctx context.Context, _ level, st stmt, row func([]string, []any) error) error {
	if err := ctx.Err(); err != nil {
		return &trouble{kind: unreachable, cause: err}
	}
	prepared, err := s.prepareRead(ctx, st.sql)
	if err != nil {
		return fromText(err)
	}
	// A context that can end costs mattn a goroutine a query. Queries are pages and end by themselves; the context is
	// looked at between rows.
	rows, err := prepared.QueryContext(context.WithoutCancel(ctx), st.args...)
	if err != nil {
		return fromText(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fromText(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return &trouble{kind: unreachable, cause: err}
		}
		if err := rows.Scan(into...); err != nil {
			return fromText(err)
		}
		if err := row(columns, values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fromText(err)
	}
	return nil
}

func (s *sqlite) prepareRead(ctx context.Context, text string) (*sql.Stmt, error) {
	if p, ok := s.reads.Load(text); ok {
		return p.(*sql.Stmt), nil
	}
	prepared, err := s.read.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if p, raced := s.reads.LoadOrStore(text, prepared); raced {
		prepared.Close()
		return p.(*sql.Stmt), nil
	}
	return prepared, nil
}

func (s *sqlite) takesLists() bool { return false }

func (s *sqlite) name() string {
	version, _, _ := sqlite3.Version()
	return "SQLite " + version
}

func (s *sqlite) close() error {
	var errs []error
	if s.moving != nil {
		errs = append(errs, s.moving.close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.reads.Range(func(_, p any) bool {
		errs = append(errs, p.(*sql.Stmt).Close())
		return true
	})
	for _, p := range s.stmts {
		errs = append(errs, p.Close())
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
