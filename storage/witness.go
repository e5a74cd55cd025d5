package storage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"gemba/mes"
)

// A Witness is what was kept of checkpoints outside a database, in the order in which they were seen.
type Witness struct {
	Name  string // of the file
	Heads []mes.Checkpoint
	// Older is set when the database may be an older copy than the witness: a backup.
	Older bool
}

// ReadWitness reads a witness file: a checkpoint a line, as JSON. A last line that was not written to its end is left
// out. A file that is not there is an error of [os.ErrNotExist].
func ReadWitness(path string) (*Witness, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the witness: %w", err)
	}
	defer file.Close()
	w := &Witness{Name: path}
	for in, line := bufio.NewReader(file), 1; ; line++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		var c mes.Checkpoint
		if err == nil {
			err = json.Unmarshal(text, &c)
		}
		if err == nil && (c.Writer == "" || c.N < 1) {
			err = errors.New("it is no checkpoint")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the witness %s cannot be read: %w", line, path, err)
		}
		w.Heads = append(w.Heads, c)
	}
}

// newest gives the last checkpoint of a writer, nil when there is none.
func (w *Witness) newest(writer string) *mes.Checkpoint {
	var found *mes.Checkpoint
	for i := range w.Heads {
		if c := &w.Heads[i]; c.Writer == writer && (found == nil || c.N > found.N) {
			found = c
		}
	}
	return found
}

// witnessing writes a node's witness file. Nobody waits for it: what it cannot keep now, the next checkpoint covers.
type witnessing struct {
	path    string
	queue   chan *mes.Checkpoint
	closing chan struct{}
	stopped chan struct{}

	mu   sync.Mutex
	seen map[string]int64 // newest entry that the file has of each writer
	err  error            // of the last line
}

// witness opens a witness file for adding to it, makes it when it is not there, and gives what it holds.
func witness(path string) (*witnessing, *Witness, error) {
	known, err := ReadWitness(path)
	if errors.Is(err, os.ErrNotExist) {
		known, err = &Witness{Name: path}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(mend(path), known.trim()); err != nil {
		return nil, nil, fmt.Errorf("open the witness: %w", err)
	}
	w := &witnessing{path: path, queue: make(chan *mes.Checkpoint, 64), closing: make(chan struct{}), stopped: make(chan struct{}), seen: map[string]int64{}}
	for i := range known.Heads {
		c := &known.Heads[i]
		w.seen[c.Writer] = max(w.seen[c.Writer], c.N)
	}
	go w.run()
	return w, known, nil
}

// witnessed is how many checkpoints a witness file holds for long. Each speaks for all entries before it, so what is left
// out takes nothing from what the others prove.
const witnessed = 10_000

// trim leaves the newest checkpoints in the file when it has grown to twice what is kept.
func (w *Witness) trim() error {
	if len(w.Heads) < 2*witnessed {
		return nil
	}
	w.Heads = w.Heads[len(w.Heads)-witnessed:]
	var text bytes.Buffer
	for i := range w.Heads {
		if err := writeJSON(&text, &w.Heads[i]); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(w.Name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(w.Name+".new", w.Name)
}

// mend makes the file if need be, private to its owner, and cuts off a last line that was not written to its end.
func mend(path string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	if whole := bytes.LastIndexByte(text, '\n') + 1; whole < len(text) {
		return file.Truncate(int64(whole))
	}
	return file.Chmod(0o600)
}

func (w *witnessing) run() {
	defer close(w.stopped)
	for {
		select {
		case c := <-w.queue:
			w.keep(c)
		case <-w.closing:
			for len(w.queue) > 0 {
				w.keep(<-w.queue)
			}
			return
		}
	}
}

func (w *witnessing) keep(c *mes.Checkpoint) {
	err := w.write(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	if err == nil {
		w.seen[c.Writer] = max(w.seen[c.Writer], c.N)
	}
}

func (w *witnessing) write(c *mes.Checkpoint) (err error) {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		return errors.Join(err, file.Truncate(size)) // half a line would spoil the next one
	}
	return file.Sync()
}

// add hands a checkpoint to the file.
func (w *witnessing) add(c *mes.Checkpoint) {
	if w == nil {
		return
	}
	select {
	case w.queue <- c:
	default: // the disk hangs; production does not wait for it
		w.mu.Lock()
		w.err = errors.New("its disk does not keep up")
		w.mu.Unlock()
	}
}

// knows tells whether the file has a writer's entries up to n.
func (w *witnessing) knows(writer string, n int64) bool {
	if w == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[writer] >= n
}

// failed tells why the last checkpoint is not in the file, nil when it is.
func (w *witnessing) failed() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// close waits until all that was handed over is written.
func (w *witnessing) close() error {
	if w == nil {
		return nil
	}
	close(w.closing)
	<-w.stopped
	if err := w.failed(); err != nil {
		return fmt.Errorf("write the witness %s: %w", w.path, err)
	}
	return nil
}
