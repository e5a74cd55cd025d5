// Package storage remembers: one store over two engines, SQLite in a file and rqlite on a cluster. Both take the same
// SQL, and neither is asked for an interactive transaction: what is to be done is decided in memory and committed as one
// batch, whose expectations refuse it when the floor has moved on meanwhile.
//
// Everything written has an entry in the ledger, in the same batch. Each node has a chain of its own there, hash upon
// hash, so that nodes never wait for each other.
package storage

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gemba/mes"
)

// Options say where a store is and who opens it.
type Options struct {
	// Store is sqlite:PATH, or rqlite:https://HOST:PORT,… with the nodes in the order to try them.
	Store string
	// Writer names this node in the ledger, for ever: "node1". Nobody else may write under it at the same time.
	Writer string
	// TLS is for talking to rqlite nodes: their authority, and our own certificate.
	TLS *tls.Config
	// Now tells the time; it is asked once, when migrations are applied.
	Now func() time.Time
	// Sign signs the head of this node's chain with the node's key, as text, and names the key. It is called for every
	// batch. Without it heads are not signed.
	Sign func(head []byte) (signature, keyID string)
	// Verify checks the signature of a writer's head, made with the key of that id; Store.Verify uses it.
	Verify func(writer, keyID string, head []byte, signature string) error
	// SignNote signs the text of a checkpoint with the node's key, as a note under a name. Without it checkpoints are not
	// signed.
	SignNote func(name, text string) (note string, err error)
	// VerifyNote checks that a note under the name holds the text, signed with a key of the writer; Store.Verify uses it.
	VerifyNote func(writer, name, text, note string) error
	// Witness is the file that this node's checkpoints, and those of others that it sees, are written to as well, outside
	// the database: what an older copy of the database is told by. Without it there is none.
	Witness string
	// SignTime is the longest time that entries wait for a checkpoint; a minute when it is not said.
	SignTime time.Duration
	// ReadOnly opens a store to look at it, also while a server runs on it. Nothing is migrated, and Commit refuses.
	ReadOnly bool
	// TracePath is the file that API calls are recorded in, on this node and whatever the engine is; "" for none.
	TracePath string
	// TraceKeep is how long calls are kept, 30 days if not said, as far as TraceSize allows: the bytes that the file may
	// take, 1 GiB if not said.
	TraceKeep time.Duration
	TraceSize int64
}

// A Store is a [mes.Store] over one of the two engines. It is safe for concurrent use.
type Store struct {
	engine     engine
	raw        engine // without the guard: for migrations and checks of the file itself
	writer     string
	sign       func([]byte) (string, string)
	verify     func(writer, keyID string, head []byte, signature string) error
	signNote   func(name, text string) (string, error)
	verifyNote func(writer, name, text, note string) error
	signTime   time.Duration
	witness    *witnessing            // nil without a file
	pulse      atomic.Pointer[pulse]  // how the committer's evidence does
	conflict   atomic.Pointer[string] // what following others found wrong
	opened     int64                  // rowid of the newest ledger entry when the store was opened
	cache      *cache
	tracer     *tracer // nil without a trace
	queue      chan *task
	closing    chan struct{}
	stopped    chan struct{} // closed when the committer is done
	readOnly   bool
	closed     sync.Once
	closeErr   error
}

var _ mes.Store = (*Store)(nil)

// Open opens a store, makes or migrates its schema, and finds the end of this node's chain. It refuses a file that
// another server uses, that is damaged, that a newer gemba made, or whose ledger has lost entries at its end.
func Open(ctx context.Context, o Options) (*Store, error) {
	e, err := openEngine(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		engine: &guard{engine: e}, raw: e, writer: o.Writer, sign: o.Sign, verify: o.Verify, signNote: o.SignNote, verifyNote: o.VerifyNote,
		signTime: cmp.Or(o.SignTime, signTime), readOnly: o.ReadOnly, cache: newCache(),
		queue: make(chan *task, 4*groupTasks), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.witness.close(), s.tracer.close(), e.close())
	}
	return s, nil
}

func openEngine(ctx context.Context, o Options) (engine, error) {
	if !o.ReadOnly && o.Writer == "" {
		return nil, errors.New("a node that writes needs a name in the ledger")
	}
	switch kind, where, _ := strings.Cut(o.Store, ":"); kind {
	case "sqlite":
		if where == "" {
			return nil, errors.New("no file is named; write sqlite:PATH")
		}
		return openSQLite(ctx, where, o.ReadOnly)
	case "rqlite":
		return openRqlite(ctx, strings.FieldsFunc(where, func(r rune) bool { return r == ',' || r == ' ' }), o.TLS)
	}
	return nil, fmt.Errorf("%q is not a store; write sqlite:PATH or rqlite:https://HOST:PORT,…", o.Store)
}

func (s *Store) start(ctx context.Context, o Options) error {
	all, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	if o.ReadOnly {
		close(s.stopped)
		applied, err := appliedMigrations(ctx, s.raw)
		if err == nil && len(applied) == 0 {
			err = errors.New("there is no gemba store here")
		}
		if err != nil {
			return err
		}
		return compatible(applied, all)
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	if err := migrate(ctx, s.raw, all, now()); err != nil {
		return err
	}
	if s.opened, err = s.newest(ctx); err != nil {
		return fmt.Errorf("read the end of the ledger: %w", err)
	}
	end, err := s.resume(ctx, o.Witness)
	if err != nil {
		return err
	}
	if o.TracePath != "" {
		if s.tracer, err = openTracer(ctx, o.TracePath, o.TraceKeep, o.TraceSize, now); err != nil {
			return err
		}
	}
	s.pulse.Store(&pulse{last: end.last.n, signed: end.signed, news: end.news, at: end.at})
	go (&committer{store: s, tip: end, sure: true, sheet: newSheet()}).run()
	return nil
}

// Engine says which database the store is on, with its version.
func (s *Store) Engine() string { return s.raw.name() }

// Writer is the name of this node in the ledger.
func (s *Store) Writer() string { return s.writer }

// Close commits what is waiting and closes the database. What comes later is refused.
func (s *Store) Close() error {
	s.closed.Do(func() {
		close(s.closing)
		<-s.stopped
		s.closeErr = errors.Join(s.witness.close(), s.engine.close(), s.tracer.close())
	})
	return s.closeErr
}
