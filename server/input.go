package server

import (
	"bytes"
	"context"
	"io"
	"time"
)

// longestControl bounds a control sequence (CSI) that is passed on, in bytes. Real keys and answers need a dozen.
const longestControl = 64

var (
	pasteStart = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// An input is what somebody types, scans and pastes, cut to what a program can hold: the parser behind it collects a
// paste or an escape sequence until its end comes, which a hostile client never sends. What is too long is dropped and
// its end is kept; and bytes come no faster than the rate, so that it is the client who waits, not the server's memory
// that grows. At the end of the input it calls lost.
type input struct {
	from  io.Reader
	ctx   context.Context
	most  int // bytes of one paste or string sequence
	rate  *pace
	lost  func()
	state inputState
	held  int    // bytes of the present paste or sequence
	tail  []byte // first bytes of a sequence or last bytes of a paste, to know it and its end
	paste []byte // what was pasted so far
	buf   []byte // read, filtered, not yet handed on
}

type inputState int

const (
	typing    inputState = iota
	escape               // after ESC
	control              // after ESC [
	text                 // after ESC ], P, X, ^, _: until ESC \ or BEL
	textClose            // there, after ESC
	pasting              // between the marks of bracketed paste
)

func newInput(ctx context.Context, from io.Reader, l Limits, lost func()) *input {
	return &input{from: from, ctx: ctx, most: l.Paste, rate: &pace{rate: float64(l.InputRate), left: 2 * float64(l.InputRate), at: time.Now()}, lost: lost}
}

func (in *input) Read(p []byte) (int, error) {
	var raw [1024]byte
	for len(in.buf) == 0 {
		n, err := in.from.Read(raw[:])
		in.rate.wait(in.ctx, n)
		in.filter(raw[:n])
		if err != nil && len(in.buf) == 0 {
			in.lost()
			return 0, io.EOF
		}
	}
	n := copy(p, in.buf)
	in.buf = in.buf[n:]
	return n, nil
}

// filter appends to buf what may pass.
func (in *input) filter(raw []byte) {
	for _, b := range raw {
		if in.pass(b) {
			in.buf = append(in.buf, b)
		}
	}
}

func (in *input) pass(b byte) bool {
	switch in.state {
	case typing:
		if b == 0x1b {
			in.state, in.held, in.tail = escape, 1, append(in.tail[:0], b)
		}
		return true
	case escape:
		in.held++
		in.tail = append(in.tail, b)
		switch b {
		case '[':
			in.state = control
		case ']', 'P', 'X', '^', '_':
			in.state = text
		case 0x1b:
			in.held, in.tail = 1, in.tail[:1]
		default:
			in.state = typing
		}
		return true
	case control:
		in.held++
		if len(in.tail) < len(pasteStart) {
			in.tail = append(in.tail, b)
		}
		if b >= 0x40 && b <= 0x7e || b < 0x20 { // its final byte, or not a sequence at all
			in.state = typing
			if in.held == len(pasteStart) && bytes.Equal(in.tail, pasteStart) {
				in.state, in.held, in.tail = pasting, 0, in.tail[:0]
			}
			return true
		}
		return in.held <= longestControl
	case text, textClose:
		in.held++
		switch {
		case b == 0x07, in.state == textClose && b == '\\':
			in.state = typing
			return true
		case b == 0x1b:
			in.state = textClose
			return true
		}
		in.state = text
		return in.held <= in.most
	}
	in.hold(b)
	return false
}

// hold keeps a pasted byte until the paste is whole. Part of a paste would be a wrong scan, so one that is too long
// comes out empty.
func (in *input) hold(b byte) {
	in.held++
	if in.held <= in.most+len(pasteEnd) {
		in.paste = append(in.paste, b)
	}
	if len(in.tail) == len(pasteEnd) {
		in.tail = append(in.tail[:0], in.tail[1:]...)
	}
	if in.tail = append(in.tail, b); !bytes.Equal(in.tail, pasteEnd) {
		return
	}
	if in.held <= in.most+len(pasteEnd) {
		in.buf = append(in.buf, in.paste...)
	} else {
		in.buf = append(in.buf, pasteEnd...)
	}
	in.state, in.paste = typing, nil
}

// A pace lets bytes through at a rate.
type pace struct {
	rate float64 // bytes a second
	left float64 // that may pass at once
	at   time.Time
}

// wait takes n bytes, and waits when they came too fast.
func (p *pace) wait(ctx context.Context, n int) {
	now := time.Now()
	p.left = min(2*p.rate, p.left+p.rate*now.Sub(p.at).Seconds()) - float64(n)
	p.at = now
	if p.left < 0 {
		pause(ctx, time.Duration(-p.left/p.rate*float64(time.Second)))
	}
}
