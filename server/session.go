package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	wishtea "charm.land/wish/v2/bubbletea"
	gossh "golang.org/x/crypto/ssh"

	"gemba/mes"
)

// endGrace is how long a session may take to end before its connection is closed.
const endGrace = 3 * time.Second

// A Visit is one SSH session with a terminal, as the screens see it.
type Visit struct {
	Context context.Context // ends with the session
	Actor   mes.Actor       // the station, or the person whose own connection it is
	Station *mes.Station    // nil for a person's own connection
	Person  *mes.Person     // nil until somebody signs in

	// SignIn checks badge and secret of somebody who stands at the station, and records the sign-in. Its errors are
	// Faults; a refusal comes after a delay that grows with each.
	SignIn func(ctx context.Context, badge, secret string) (mes.Actor, *mes.Person, error)
	// SignOut records that the person left, and how. What is still signed in when the session ends is signed out then.
	SignOut func(ctx context.Context, actor mes.Actor, how string)

	Desk *Desk // makes and takes secrets, in this session
	// Owes tells what whoever is signed in now does before anything else: replace the password or PIN for one use that they
	// came with, and set up one-time codes.
	Owes func() (replace string, enrol bool)

	Feed          *Mailbox // what changes; closed when the session ends
	Term          string
	Env           []string // NAME=value, only what tells about terminal and language
	Width, Height int
}

// A session is one client's use of the SSH door: a screen, or a command.
type session struct {
	door  *sshDoor
	ssh   ssh.Session
	conn  *gossh.ServerConn
	guard *guardedChannel
	id    *identity
	log   *slog.Logger
	done  chan struct{} // closed when it has ended

	number int64 // the older, the smaller

	replacing sync.Mutex // held while a secret of the person is replaced in this session

	mu     sync.Mutex
	how    string      // why it ends, "" while it goes on
	quit   func()      // asks the running program to end
	person *mes.Person // who is signed in
	actor  mes.Actor   // and what they act as
	owes   owes        // and must do first
	since  secretTimes // and since when their secrets are
}

func newSession(d *sshDoor, sess ssh.Session, conn *gossh.ServerConn, guard *guardedChannel, id *identity) *session {
	return &session{
		door: d, ssh: sess, conn: conn, guard: guard, id: id, done: make(chan struct{}), number: d.count.Add(1),
		log: d.log.With("who", id.name(), "source", id.source),
	}
}

// run is the whole session.
func (s *session) run() {
	defer close(s.done)
	status := mes.ExitFailed
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a session failed", "panic", r, "stack", string(debug.Stack()))
		}
		_ = s.ssh.Exit(status)
	}()
	if !s.door.enter(s) {
		s.say(farewells[endShutdown])
		status = mes.ExitLater
		return
	}
	defer s.door.exit(s)
	stay := s.door.limits.PersonStay
	if s.id.station != nil {
		stay = s.door.limits.StationStay
	}
	ctx, cancel := context.WithCancel(s.ssh.Context())
	defer cancel()
	defer time.AfterFunc(stay, func() { s.end(endTime) }).Stop()
	go func() {
		<-s.guard.closed
		s.end(endLost)
		cancel()
	}()
	status = s.serve(ctx)
}

// serve does what the client came for, and gives the exit status.
func (s *session) serve(ctx context.Context) int {
	command := s.ssh.RawCommand()
	_, _, terminal := s.ssh.Pty()
	switch {
	case s.id.joined != nil:
		s.say(fmt.Sprintf("This key is now the key of %s (%s). Connect again with it, as any user but %s.",
			plainText(string(s.id.joined.ID), 40), plainText(s.id.joined.Name, 80), enrolUser))
		return mes.ExitDone
	case s.id.station != nil && command != "":
		s.say("This is a station. Sign in first: connect without a command, or with your own key.")
		s.door.doorman.refusals.record(ctx, s.id.door(), "sign.in", "station/"+string(s.id.station.ID), "a command without a person")
		return mes.ExitDenied
	case command == "" && !terminal:
		s.say("This needs a terminal, or a command. Try: ssh HOST help")
		return mes.ExitUsage
	}
	if s.id.person != nil {
		e := &entrant{person: s.id.person, owes: s.id.owes, since: s.id.since}
		if _, err := s.admit(ctx, e, s.id.method, s.id.step); err != nil {
			s.say(mes.ErrorMessage(err))
			return mes.ExitStatus(err)
		}
	}
	defer func() { s.leave(context.WithoutCancel(ctx), cmp.Or(s.ending(), endLeft)) }()
	if command != "" {
		return s.runVerb(ctx, command, terminal)
	}
	return s.show(ctx)
}

// runVerb carries out a command line. Whoever sends one has just proven who they are, on this very connection: that is
// proof for a signature too.
func (s *session) runVerb(ctx context.Context, command string, terminal bool) int {
	actor := s.actor
	actor.Proof = &mes.Proof{Method: s.id.method, At: s.id.at}
	v := &verb{app: s.door.options.App, actor: actor, desk: s.desk(), in: s.ssh, out: s.ssh, errs: s.ssh.Stderr(), terminal: terminal}
	status := v.run(ctx, command)
	if words := farewells[s.ending()]; words != "" {
		s.say(words)
	}
	return status
}

// show runs the screens. This is the only place that knows how a program, its input and its painter belong together.
func (s *session) show(ctx context.Context) int {
	pty, _, _ := s.ssh.Pty()
	columns, rows := s.guard.size()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	box := s.door.options.Feed.Subscribe()
	defer box.Close()
	visit := Visit{
		Context: ctx, Actor: s.id.door(), Station: s.id.station, SignIn: s.signIn, SignOut: s.signOut,
		Desk: s.desk(), Owes: s.owed, Feed: box, Term: pty.Term, Env: s.ssh.Environ(), Width: columns, Height: rows,
	}
	if s.id.person != nil {
		visit.Actor, visit.Person = s.actor, s.person
	}
	program := tea.NewProgram(s.door.options.NewModel(visit), append(wishtea.MakeOptions(s.ssh),
		tea.WithContext(ctx),
		tea.WithoutSignalHandler(),
		tea.WithFilter(bounded),
		tea.WithWindowSize(columns, rows),
		tea.WithInput(newInput(ctx, s.ssh, s.door.limits, func() { s.end(endLost) })),
		tea.WithFPS(s.door.limits.FPS),
	)...)
	s.door.takeOver(s, s.sameAs)
	if !s.running(func() { go program.Quit() }) {
		return mes.ExitLater
	}
	go s.resize(ctx, program)
	_, err := program.Run()
	switch {
	case errors.Is(err, tea.ErrProgramPanic):
		s.end(endFault)
		s.log.Error("a screen failed", "error", err)
	case err != nil && s.ending() == "":
		s.end(endLost)
	}
	if words := farewells[s.ending()]; words != "" {
		s.say(words)
	}
	if s.ending() == endFault {
		return mes.ExitFailed
	}
	return mes.ExitDone
}

// bounded keeps the sizes in a program in bounds, and the program in the foreground: a real suspend would stop the
// whole server.
func bounded(_ tea.Model, msg tea.Msg) tea.Msg {
	switch msg := msg.(type) {
	case tea.SuspendMsg:
		return tea.ResumeMsg{}
	case tea.WindowSizeMsg:
		msg.Width, msg.Height = clampWindow(msg.Width, msg.Height)
		return msg
	}
	return msg
}

// resizeEvery is the shortest time between two sizes: nobody drags a window faster, and each costs a whole frame.
const resizeEvery = 20 * time.Millisecond

// resize tells the program the newest size of the window.
func (s *session) resize(ctx context.Context, program *tea.Program) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.guard.resized:
			columns, rows := s.guard.size()
			program.Send(tea.WindowSizeMsg{Width: columns, Height: rows})
			pause(ctx, resizeEvery)
		}
	}
}

// running notes how the program is asked to end; false when the session is ending already.
func (s *session) running(quit func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quit = quit
	return s.how == ""
}

// end asks the session to end. The first reason counts. Who does not end in time loses the connection.
func (s *session) end(how string) {
	s.mu.Lock()
	if s.how != "" {
		s.mu.Unlock()
		return
	}
	s.how = how
	quit := s.quit
	s.mu.Unlock()
	if quit != nil {
		quit()
	}
	time.AfterFunc(endGrace, func() {
		select {
		case <-s.done:
		default:
			_ = s.conn.Close()
		}
	})
}

func (s *session) ending() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.how
}

// say writes a line for the person at the other end.
func (s *session) say(words string) {
	var w io.Writer = s.ssh.Stderr()
	if _, _, terminal := s.ssh.Pty(); terminal {
		w = s.ssh
	}
	_, _ = fmt.Fprintln(w, words)
}

// signIn is Visit.SignIn.
func (s *session) signIn(ctx context.Context, badge, secret string) (mes.Actor, *mes.Person, error) {
	if s.id.station == nil {
		return mes.Actor{}, nil, mes.Faultf(mes.Denied, "this connection is yours already; connect from a station to sign in there")
	}
	kind := kindOf(secret)
	e, err := s.door.doorman.bySecret(ctx, s.id.door(), badge, kind, secret)
	if err != nil {
		return mes.Actor{}, nil, err
	}
	how := endOther
	if before, _ := s.signedIn(); before != nil && before.ID == e.person.ID {
		how = endBack
	}
	s.leave(context.WithoutCancel(ctx), how)
	method := byBadgePIN
	if kind == mes.Password {
		method = byBadgePassword
	}
	actor, err := s.admit(ctx, e, method, 0)
	if err != nil {
		return mes.Actor{}, nil, err
	}
	return actor, e.person, nil
}

// signOut is Visit.SignOut.
func (s *session) signOut(ctx context.Context, actor mes.Actor, how string) {
	s.mu.Lock()
	current := s.actor.Session
	s.mu.Unlock()
	if actor.Session != "" && actor.Session == current {
		s.leave(ctx, how)
	}
}

// admit records that a person is here, and makes them the one who acts. What they have open beyond their number ends.
func (s *session) admit(ctx context.Context, e *entrant, method string, step int64) (mes.Actor, error) {
	if s.id.station != nil {
		s.door.takeOver(s, of(e.person.ID))
	}
	receipt, err := s.door.options.App.Do(ctx, s.id.door(), "", &mes.SignInPerson{Person: e.person.ID, Method: method, Step: step, Node: s.door.options.Node})
	if err != nil {
		return mes.Actor{}, err
	}
	var given struct {
		Session mes.ID `json:"session"`
	}
	if err := json.Unmarshal(receipt.Result, &given); err != nil {
		return mes.Actor{}, fmt.Errorf("read the receipt of a sign-in: %w", err)
	}
	s.mu.Lock()
	s.person, s.actor, s.owes, s.since = e.person, s.id.actor(e.person, given.Session), e.owes, e.since
	actor := s.actor
	s.mu.Unlock()
	s.recheck() // what changed since the proof came before this session could be told
	return actor, nil
}

// owed is Visit.Owes.
func (s *session) owed() (replace string, enrol bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owes.secret, s.owes.codes
}

// replaced notes that the person has a new secret of a kind by what they did here: that does not end this session.
func (s *session) replaced(ctx context.Context, kind string) {
	person, since := s.signedIn()
	if person == nil {
		return
	}
	now, err := s.door.doorman.secretsOf(ctx, person.ID)
	if err != nil {
		s.log.Warn("a new secret could not be read; the session may end", "person", person.ID, "error", err)
		now = since
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = now
	if kind == mes.TOTP {
		s.owes.codes = false
	} else if s.owes.secret == kind {
		s.owes.secret = ""
	}
}

// desk makes and takes secrets in this session.
func (s *session) desk() *Desk {
	d := *s.door.desk
	d.here = s
	return &d
}

// leave records that whoever is signed in left.
func (s *session) leave(ctx context.Context, how string) {
	s.mu.Lock()
	person, session := s.person, s.actor.Session
	s.person, s.actor, s.owes = nil, mes.Actor{}, owes{}
	s.mu.Unlock()
	if person == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if _, err := s.door.options.App.Do(ctx, s.id.door(), "", &mes.SignOutPerson{Session: session, End: plainText(how, 40)}); err != nil {
		s.log.Error("a sign-out was not recorded", "person", person.ID, "session", session, "error", err)
	}
}
