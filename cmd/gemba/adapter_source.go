package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"gemba/mes"
)

// A heard line is a line with the time that it arrived at. Lost means that the machine's connection broke instead.
type heard struct {
	text string
	at   time.Time
	lost bool
}

// Bounds of a source.
const (
	maxSHDRLine  = 1 << 20 // bytes; what is more is cut off
	linesAhead   = 50_000  // that wait while the server is away
	dialTimeout  = 10 * time.Second
	longestRetry = 10 * time.Second
)

// source gives the function that reads lines from a file, from "-" for standard input, or from an adapter at
// HOST:PORT, and tells whether it is live.
func source(target string, in io.Reader, say func(string, ...any)) (read func(context.Context, chan<- heard) error, live bool, err error) {
	if target == "-" {
		return func(ctx context.Context, out chan<- heard) error { return readLines(ctx, in, out, time.Now) }, true, nil
	}
	info, err := os.Stat(target)
	if err == nil && !info.IsDir() {
		// A line of a file without a time has no time of arrival; the file's own is the same for every run.
		return func(ctx context.Context, out chan<- heard) error {
			f, err := os.Open(target)
			if err != nil {
				return err
			}
			defer f.Close()
			return readLines(ctx, f, out, info.ModTime)
		}, false, nil
	}
	host, port, split := net.SplitHostPort(target)
	if n, bad := strconv.Atoi(port); split != nil || bad != nil || n < 1 || n > 65535 {
		return nil, false, exitError{mes.ExitUsage, fmt.Errorf("%s is neither a file nor the address HOST:PORT of an adapter", target)}
	}
	s := &socket{address: net.JoinHostPort(host, port), say: say}
	return s.read, true, nil
}

// readLines passes lines on until they end.
func readLines(ctx context.Context, r io.Reader, out chan<- heard, now func() time.Time) error {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := readLine(b)
		if text != "" || err == nil {
			select {
			case out <- heard{text: text, at: now()}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads a line of any length and keeps its beginning.
func readLine(b *bufio.Reader) (string, error) {
	var line []byte
	for {
		piece, err := b.ReadSlice('\n')
		line = append(line, piece[:min(len(piece), maxSHDRLine-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimRight(string(line), "\r\n"), err
		}
	}
}

// A socket is the connection to an adapter. It connects again for as long as the program runs: machines are switched
// off at night.
type socket struct {
	address string
	say     func(string, ...any)
}

func (s *socket) read(ctx context.Context, out chan<- heard) error {
	wait, told := time.Second, false
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := s.once(ctx, out)
		if ctx.Err() != nil {
			break
		}
		if connected {
			told = false
			select {
			case out <- heard{lost: true, at: time.Now()}:
			case <-ctx.Done():
			}
		}
		if !told {
			s.say("%s: %v; connecting again", s.address, err)
			told = true
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		if sleepFor(ctx, wait) != nil {
			break
		}
		wait = min(2*wait, longestRetry)
	}
	return nil // told to stop: a stream has no other end
}

// once reads one connection until it breaks.
func (s *socket) once(ctx context.Context, out chan<- heard) (connected bool, err error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	s.say("%s: connected", s.address)
	heart := &heart{conn: conn}
	if err := heart.ping(); err != nil {
		return true, err
	}
	b := bufio.NewReaderSize(conn, 64<<10)
	for {
		text, err := readLine(b)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the adapter closed the connection")
			}
			return true, err
		}
		if err := heart.beat(text); err != nil {
			return true, err
		}
		select {
		case out <- heard{text: text, at: time.Now()}:
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// A heart keeps the heartbeat of a connection. An adapter answers * PING with * PONG and the number of milliseconds
// after which it wants the next; one that is silent for twice as long is gone.
type heart struct {
	conn  net.Conn
	every time.Duration
}

func (h *heart) ping() error {
	if err := h.conn.SetWriteDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	_, err := io.WriteString(h.conn, "* PING\n")
	return err
}

// beat takes a line as a sign of life, and learns from the first PONG how often there must be one.
func (h *heart) beat(text string) error {
	if after, isPong := strings.CutPrefix(text, "* PONG"); isPong {
		if ms, err := strconv.Atoi(strings.TrimSpace(after)); err == nil && ms > 0 && ms <= 3_600_000 && h.every == 0 {
			h.every = time.Duration(ms) * time.Millisecond
			go h.keep()
		}
	}
	if h.every > 0 {
		return h.conn.SetReadDeadline(time.Now().Add(2 * h.every))
	}
	return nil
}

// keep pings until the connection is closed: a machine that stands still says nothing by itself.
func (h *heart) keep() {
	t := time.NewTicker(h.every)
	defer t.Stop()
	for range t.C {
		if h.ping() != nil {
			return
		}
	}
}
