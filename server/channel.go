package server

import (
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"
)

// Bounds of what a client may ask of its session channel, in bytes and requests.
const (
	longestCommand  = 16 << 10
	longestEnv      = 128
	mostEnv         = 16
	longestTerm     = 64
	longestModes    = 1 << 10
	mostPreparation = 64 // requests before the session runs
)

// A guardedChannel stands between a client's session channel and the SSH library: it answers itself what the library
// would do without bounds, and lets through the rest. Sizes are clamped here, before anybody allocates by them.
type guardedChannel struct {
	gossh.NewChannel

	mu            sync.Mutex
	columns, rows int
	resized       chan struct{} // holds one when the size has changed
	closed        chan struct{} // closed when the client has closed the channel or is gone
	started       bool          // a shell or command was let through; read after closed
	ended         chan struct{} // closed when its session has ended
}

func newGuardedChannel(c gossh.NewChannel) *guardedChannel {
	return &guardedChannel{NewChannel: c, resized: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{})}
}

// Accept opens the channel. Requests pass through the guard.
func (g *guardedChannel) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	ch, in, err := g.NewChannel.Accept()
	if err != nil {
		close(g.closed)
		return nil, nil, err
	}
	out := make(chan *gossh.Request)
	go func() {
		defer close(out)
		defer close(g.closed)
		env, prepared := 0, 0
		for req := range in {
			if prepared++; !g.started && prepared > mostPreparation {
				_ = req.Reply(false, nil)
				continue
			}
			switch req.Type {
			case "pty-req":
				if g.started || !g.ptyRequest(req) {
					_ = req.Reply(false, nil)
					continue
				}
			case "window-change":
				_ = req.Reply(g.windowChange(req.Payload), nil)
				continue
			case "env":
				if env++; g.started || env > mostEnv || !allowedEnv(req.Payload) {
					_ = req.Reply(false, nil)
					continue
				}
			case "shell", "exec":
				if g.started || len(req.Payload) > longestCommand || req.Type == "exec" && gossh.Unmarshal(req.Payload, &struct{ Line string }{}) != nil {
					_ = req.Reply(false, nil)
					continue
				}
				g.started = true
			default: // subsystems, agent and X11 forwarding, signals, breaks, and what else there may be
				_ = req.Reply(false, nil)
				continue
			}
			out <- req
		}
	}()
	return ch, out, nil
}

// ptyRequest clamps the size in a request for a terminal, and cuts what the library would keep of it.
func (g *guardedChannel) ptyRequest(req *gossh.Request) bool {
	var pty struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if gossh.Unmarshal(req.Payload, &pty) != nil || len(pty.Term) > longestTerm || len(pty.Modes) > longestModes {
		return false
	}
	if strings.ContainsFunc(pty.Term, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	columns, rows := g.setSize(pty.Columns, pty.Rows)
	pty.Columns, pty.Rows, pty.Width, pty.Height, pty.Modes = columns, rows, 0, 0, ""
	req.Payload = gossh.Marshal(&pty)
	return true
}

// windowChange keeps the newest size; a session that is busy sees the last one of many.
func (g *guardedChannel) windowChange(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if gossh.Unmarshal(payload, &size) != nil {
		return false
	}
	g.setSize(size.Columns, size.Rows)
	select {
	case g.resized <- struct{}{}:
	default:
	}
	return true
}

func (g *guardedChannel) setSize(columns, rows uint32) (uint32, uint32) {
	c, r := clampWindow(int(min(columns, 1<<16)), int(min(rows, 1<<16)))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.columns, g.rows = c, r
	return uint32(c), uint32(r)
}

// size is the newest size of the window.
func (g *guardedChannel) size() (columns, rows int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.columns, g.rows
}

// allowedEnv tells whether a request sets a variable that says something about the terminal or the language, in a few
// printable characters.
func allowedEnv(payload []byte) bool {
	var env struct{ Name, Value string }
	if gossh.Unmarshal(payload, &env) != nil || len(env.Name) > longestTerm || len(env.Value) > longestEnv {
		return false
	}
	switch {
	case env.Name == "TERM", env.Name == "LANG", env.Name == "COLORTERM", env.Name == "NO_COLOR":
	case strings.HasPrefix(env.Name, "LC_") && strings.Trim(env.Name[3:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "":
	default:
		return false
	}
	return !strings.ContainsFunc(env.Value, func(r rune) bool { return r < ' ' || r > '~' })
}
