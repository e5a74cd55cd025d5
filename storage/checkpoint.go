package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkpointEvery = time.Second // a page that commits write again and again is moved once
	walPages        = 16000       // 64 MiB: beyond this the writer pauses once, so that the log begins anew
)

// A checkpointer moves what the write-ahead log holds into the database file, beside the writer. Left to SQLite, a
// commit that happens to fill the log does it all by itself, and everybody who waits for that commit waits for that, too.
type checkpointer struct {
	db      *sql.DB
	writing *sync.Mutex // held by the writer during a batch
	dirty   atomic.Bool // there was a commit since the last round
	stop    chan struct{}
	stopped chan struct{}
	err     error // the last round's, when it failed
}

func startCheckpointer(path string, writing *sync.Mutex) *checkpointer {
	c := &checkpointer{
		db:      sql.OpenDB(connector(path, "mode=rw&_synchronous=FULL")),
		writing: writing, stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	c.db.SetMaxOpenConns(1)
	go c.run()
	return c
}

func (c *checkpointer) run() {
	defer close(c.stopped)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		if !c.dirty.Swap(false) {
			continue
		}
		pages, err := c.round()
		if err == nil && pages > walPages {
			// Only with all of it moved does the log begin anew, and while commits go on there is always a rest.
			c.writing.Lock()
			_, err = c.round()
			c.writing.Unlock()
		}
		if c.err = err; err != nil {
			c.dirty.Store(true)
		}
	}
}

// round moves what it can without waiting for anybody, and tells how many pages the log has.
func (c *checkpointer) round() (pages int, err error) {
	var busy, moved int
	err = c.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved)
	return pages, err
}

// close ends the rounds. What is left in the log is moved when the last connection closes, or else at the next start.
func (c *checkpointer) close() error {
	close(c.stop)
	<-c.stopped
	err := c.db.Close()
	if c.err != nil {
		err = errors.Join(fmt.Errorf("move the write-ahead log into the database: %w", c.err), err)
	}
	return err
}
