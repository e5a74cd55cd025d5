package mes

import (
	"slices"
	"time"
)

// SessionKind is what somebody does in a job session.
type SessionKind string

const (
	SetupWork  SessionKind = "setup"
	RunWork    SessionKind = "run"
	ReworkWork SessionKind = "rework"
	Teardown   SessionKind = "teardown"
)

// SessionState is where a job session stands.
type SessionState string

const (
	SessionRunning SessionState = "running"
	SessionPaused  SessionState = "paused"
	SessionStopped SessionState = "stopped"
)

// A Session is one person's stretch of work on an operation: from start to stop, less its pauses.
type Session struct {
	ID              ID           `json:"id"`
	Order           ID           `json:"order"`
	Operation       ID           `json:"operation"`
	Seq             int          `json:"seq"`
	Site            ID           `json:"site"`
	Line            ID           `json:"line"`
	Family          string       `json:"family"`
	Code            string       `json:"code"`
	Kind            SessionKind  `json:"kind"`
	WithSetup       bool         `json:"with_setup"` // the setup was done in the same stretch
	Person          ID           `json:"person"`
	Claimed         bool         `json:"claimed"` // a program said who it was; nobody signed in
	Station         ID           `json:"station"`
	Machine         ID           `json:"machine"`
	State           SessionState `json:"state"`
	From            time.Time    `json:"from"`
	To              time.Time    `json:"to"` // zero while open
	PausedAt        time.Time    `json:"paused_at"`
	PausedMS        int64        `json:"paused_ms"` // length of all ended pauses
	Reason          string       `json:"reason"`    // of the last pause
	SnapshotVersion int          `json:"snapshot_version"`
	RecordedAt      time.Time    `json:"recorded_at"`
	Odd             []Oddity     `json:"odd"`
	Version         int64        `json:"version"`
}

// Place of the session for scopes.
func (s *Session) Place() Place {
	return Place{Site: s.Site, Line: s.Line, Family: s.Family, Operation: s.Code}
}

// Worked is the length of the session up to a moment, without its pauses.
func (s *Session) Worked(now time.Time) time.Duration {
	end := now
	if !s.To.IsZero() {
		end = s.To
	}
	if !s.PausedAt.IsZero() && s.State == SessionPaused {
		end = s.PausedAt
	}
	return end.Sub(s.From) - time.Duration(s.PausedMS)*time.Millisecond
}

// lasting is the first moment at which the session can pause or end: it cannot have paused for longer than it lasted.
func (s *Session) lasting() time.Time {
	if s.State == SessionPaused {
		return s.PausedAt
	}
	return s.From.Add(time.Duration(s.PausedMS) * time.Millisecond)
}

// after refuses a pause or an end of the session before what is known of it.
func (s *Session) after(at time.Time) error {
	switch {
	case at.Before(s.From):
		return refuse("the session began at %s; it cannot pause or end before that", s.From.Format(time.RFC3339))
	case at.Before(s.lasting()):
		return refuse("the session was under way or paused until %s; it cannot pause or end before that", s.lasting().Format(time.RFC3339))
	}
	return nil
}

// An Engagement is who (a person) or what (a machine) has job sessions running right now. It is one record each, so
// that two nodes cannot start two sessions for the same hands.
type Engagement struct {
	ID       ID    `json:"id"` // person/ID or machine/CODE
	Sessions []ID  `json:"sessions"`
	Version  int64 `json:"version"`
}

func (d *Decision) engagement(kind string, id ID) (*Engagement, error) {
	key := ID(kind) + "/" + id
	e, err := d.Engagement(key)
	if ErrorCode(err) == NotFound {
		e, err = &Engagement{ID: key}, nil
		d.create(KindEngagement, key)
	}
	return e, err
}

// engage notes that a session runs from some moment on; the gates on one person's hands and one machine's capacity are
// here.
func (d *Decision) engage(s *Session, from time.Time) error {
	hands, err := d.engagement("person", s.Person)
	if err != nil {
		return err
	}
	person, err := d.Person(s.Person)
	if err != nil {
		return err
	}
	if n := len(hands.Sessions); n > 0 && n >= max(person.Tending, 1) {
		if err := d.gate("overlap", "%s already has a running session; stop or pause it first", person.Name); err != nil {
			return err
		}
	}
	if err := d.handsFree(person, s, from); err != nil {
		return err
	}
	hands.Sessions = with(hands.Sessions, s.ID)
	d.Save(hands)
	if s.Machine == "" {
		return nil
	}
	machine, err := d.anyEquipment(s.Machine)
	if err != nil {
		return err
	}
	load, err := d.engagement("machine", s.Machine)
	if err != nil {
		return err
	}
	if len(load.Sessions) >= max(machine.Capacity, 1) {
		if err := d.gate("machine_busy", "machine %s already has %d running; stop or pause one first", machine.ID, len(load.Sessions)); err != nil {
			return err
		}
	}
	load.Sessions = with(load.Sessions, s.ID)
	d.Save(load)
	return nil
}

// handsFree refuses live work that is stated to have begun in the middle of another session of the same person that is
// over by now: labour would be counted twice. A session with pauses is given the benefit of the doubt, and history has its order
// of events instead.
func (d *Decision) handsFree(person *Person, s *Session, from time.Time) error {
	if d.history || person.Tending > 1 || !from.Before(d.Now) {
		return nil
	}
	recent, _, err := d.store.Sessions(d.ctx, SessionFilter{Scope: Scope{{}}, Person: person.ID, Page: Page{Limit: 20}})
	if err != nil {
		return err
	}
	for i := range recent {
		if r := &recent[i]; r.ID != s.ID && r.State == SessionStopped && r.PausedMS == 0 && !from.Before(r.From) && from.Before(r.To) {
			return refuse("%s was in another session until %s; begin after it", person.Name, r.To.Format(time.RFC3339))
		}
	}
	return nil
}

// disengage notes that a session no longer runs.
func (d *Decision) disengage(s *Session) error {
	hands, err := d.engagement("person", s.Person)
	if err != nil {
		return err
	}
	hands.Sessions = without(hands.Sessions, s.ID)
	d.Save(hands)
	if s.Machine == "" {
		return nil
	}
	load, err := d.engagement("machine", s.Machine)
	if err != nil {
		return err
	}
	load.Sessions = without(load.Sessions, s.ID)
	d.Save(load)
	return nil
}

func with(list []ID, id ID) []ID { return append(slices.Clone(list), id) }

// without gives nil and not an empty list: a row reads the same before and after it was stored.
func without(list []ID, id ID) []ID {
	rest := slices.DeleteFunc(slices.Clone(list), func(have ID) bool { return have == id })
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// pauseSession stops the clock of a running session.
func (d *Decision) pauseSession(op *Operation, s *Session, at time.Time, reason string) error {
	if err := s.after(at); err != nil {
		return err
	}
	s.State, s.PausedAt, s.Reason = SessionPaused, at, reason
	d.Save(s)
	op.Running--
	if op.Running == 0 && op.State == OpRunning {
		op.State = OpPaused
	}
	d.Save(op)
	return d.disengage(s)
}

// closeSession ends an open session of an operation.
func (d *Decision) closeSession(op *Operation, id ID, at time.Time) error {
	s, err := d.Session(id)
	if err != nil {
		return err
	}
	if s.State == SessionStopped {
		return refuse("session %s was stopped at %s", s.ID, s.To.Format(time.RFC3339))
	}
	if err := s.after(at); err != nil {
		return err
	}
	if s.State == SessionPaused {
		s.PausedMS += at.Sub(s.PausedAt).Milliseconds()
		s.PausedAt = time.Time{}
	} else {
		op.Running--
		if err := d.disengage(s); err != nil {
			return err
		}
	}
	if at.Equal(s.From) && d.history {
		if err := d.gate("no_length", "the session ended in the moment it began"); err != nil {
			return err
		}
	}
	s.State, s.To = SessionStopped, at
	s.Odd = append(slices.Clone(s.Odd), d.odd...)
	d.Save(s)
	op.Sessions = without(op.Sessions, s.ID)
	if op.Running == 0 && op.State == OpRunning {
		op.State = OpPaused
	}
	d.Save(op)
	return nil
}

// ownSession gives the session that a command is about: the one named, or the only open one of this person here.
func (d *Decision) ownSession(op *Operation, session, person ID) (*Session, error) {
	if session != "" {
		s, err := d.Session(session)
		if err != nil {
			return nil, err
		}
		if s.Operation != op.ID {
			return nil, invalid("session", "session %s belongs to another operation", session)
		}
		return s, d.mayActFor(s.Person, op.Place())
	}
	who, _, err := d.worker(person, op.Place())
	if err != nil {
		return nil, err
	}
	var found *Session
	for _, id := range op.Sessions {
		s, err := d.Session(id)
		if err != nil {
			return nil, err
		}
		if s.Person != who.ID {
			continue
		}
		if found != nil {
			return nil, refuse("%s has more than one open session here; say which", who.Name)
		}
		found = s
	}
	if found == nil {
		return nil, refuse("%s has no open session on operation %d; start it first", who.Name, op.Seq)
	}
	return found, nil
}

// worker gives the person whose hands do the work: who signed in, or whom a program or a lead names.
func (d *Decision) worker(named ID, p Place) (*Person, bool, error) {
	if named == "" {
		named = d.Actor.Person
	}
	if named == "" {
		return nil, false, invalid("person", "say which person does the work")
	}
	person, err := d.Person(named)
	if err != nil {
		return nil, false, err
	}
	if person.Disabled {
		return nil, false, refuse("%s is no longer active", person.Name)
	}
	return person, person.ID != d.Actor.Person, d.mayActFor(person.ID, p)
}

// mayActFor lets people act for themselves, and leads and recorders of history for others.
func (d *Decision) mayActFor(person ID, p Place) error {
	if person == d.Actor.Person || d.Actor.May(LeadWork, p) || d.history {
		return nil
	}
	return Faultf(Denied, "only a lead may do this for somebody else")
}

// StartJob begins a job session on an operation.
type StartJob struct {
	Order     ID          `json:"order" doc:"number or id of the work order"`
	Operation string      `json:"operation" doc:"number or code of the operation"`
	Kind      SessionKind `json:"kind,omitempty" enum:"setup,run,rework,teardown" doc:"what is done; run if not said"`
	WithSetup bool        `json:"with_setup,omitempty" doc:"the setup is done in the same stretch"`
	Machine   ID          `json:"machine,omitempty" doc:"code of the machine, if one is used"`
	Person    ID          `json:"person,omitempty" doc:"badge of who works, if not who asks"`
	At        Stamp       `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
	History   bool        `json:"history,omitempty" doc:"this happened before gemba was there; needs the historian role"`
}

func (c *StartJob) decide(d *Decision) error {
	if err := d.asHistory(c.History); err != nil {
		return err
	}
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	kind := c.Kind
	switch kind {
	case "":
		kind = RunWork
	case SetupWork, RunWork, ReworkWork, Teardown:
	default:
		return invalid("kind", "kind must be setup, run, rework or teardown")
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	if err := f.order.live(); err != nil {
		return err
	}
	person, claimed, err := d.worker(c.Person, op.Place())
	if err != nil {
		return err
	}
	if err := d.startable(f, op, kind, person, at); err != nil {
		return err
	}
	s := &Session{
		ID: d.NewID(), Order: op.Order, Operation: op.ID, Seq: op.Seq, Site: op.Site, Line: op.Line, Family: op.Family, Code: op.Code,
		Kind: kind, WithSetup: c.WithSetup, Person: person.ID, Claimed: claimed, Station: d.Actor.Station, State: SessionRunning,
		From: at, SnapshotVersion: f.order.Snapshot.Version, RecordedAt: d.Now,
	}
	if c.Machine != "" {
		if err := d.useMachine(s, op, c.Machine, at); err != nil {
			return err
		}
	}
	if err := d.engage(s, at); err != nil {
		return err
	}
	s.Odd = d.odd
	d.create(KindSession, s.ID)
	d.Save(s)
	op.Sessions, op.Running, op.State = with(op.Sessions, s.ID), op.Running+1, OpRunning
	if op.StartedAt.IsZero() || at.Before(op.StartedAt) {
		op.StartedAt = at
	}
	d.Save(op)
	if f.order.State == OrderReleased {
		f.order.State, f.order.StartedAt = OrderInProgress, at
		d.Save(f.order)
	}
	if d.history && !f.historic() {
		f.order.Odd = []Oddity{{"history", "recorded as history: gates were noted, not held"}}
		d.Save(f.order)
	}
	d.operation(f, op)
	d.Give("session", s.ID)
	return nil
}

// startable holds the gates before a session may begin: state, predecessors, skill, instruction.
func (d *Decision) startable(f *flow, op *Operation, kind SessionKind, person *Person, at time.Time) error {
	switch op.State {
	case OpReady, OpRunning, OpPaused:
	case OpHeld:
		return refuse("operation %d is held (%s: %s); its %s must release it first", op.Seq, op.Hold.Type, op.Hold.Reason, op.Hold.Owner)
	case OpWaiting:
		if kind == SetupWork {
			break // a machine may be set up while the pieces are on their way
		}
		if err := d.gate("not_ready", "operation %d %s waits for the operation before it; nothing has been reported there yet", op.Seq, op.Name); err != nil {
			return err
		}
	default:
		return refuse("operation %d %s is %s; nothing more is started on it", op.Seq, op.Name, op.State)
	}
	if op.State != OpWaiting && kind == RunWork && !f.fed(op) { // it was set up early, or what fed it was taken back
		if err := d.gate("not_ready", "operation %d %s waits for the operation before it; nothing is reported there now", op.Seq, op.Name); err != nil {
			return err
		}
	}
	r := &f.order.Snapshot.Routing[f.index(op)]
	if kind == ReworkWork && op.Rework <= op.Reworked {
		if err := d.gate("no_rework", "nothing of operation %d is in rework; report pieces as rework first", op.Seq); err != nil {
			return err
		}
	}
	if r.Skill != "" && !person.Certified(r.Skill, at) {
		if err := d.gate("no_skill", "operation %d needs the skill %s; %s has no valid certificate", op.Seq, r.Skill, person.Name); err != nil {
			return err
		}
	}
	if r.Instruction != "" {
		if _, err := d.store.Reading(d.ctx, d.level, ReadingID(person.ID, r.Instruction)); ErrorCode(err) == NotFound {
			if err := d.gate("unread", "%s has not confirmed instruction %s; read and confirm it first", person.Name, r.Instruction); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// useMachine puts a session on a machine that belongs to the operation's line or class and is not down.
func (d *Decision) useMachine(s *Session, op *Operation, code ID, at time.Time) error {
	m, err := d.Equipment(code)
	if err != nil {
		return err
	}
	if m.Level != WorkUnit {
		return invalid("machine", "%s is a %s, not a machine", m.ID, m.Level)
	}
	if m.Line != op.Line && (op.Class == "" || !m.inClass(op.Class)) {
		return refuse("machine %s does not belong to %s; use a machine of that line or class", m.ID, op.Line)
	}
	if err := d.machineUp(m.ID, at); err != nil {
		return err
	}
	s.Machine = m.ID
	return nil
}

// machineUp is the gate that no work begins or goes on at a machine that is down.
func (d *Decision) machineUp(machine ID, at time.Time) error {
	state, err := d.store.StateAt(d.ctx, machine, at)
	if ErrorCode(err) == NotFound {
		return nil
	}
	if err != nil || state.State != MachineDown {
		return err
	}
	return d.gate("machine_down", "machine %s is down since %s; use another one or get it running first", machine, state.At.Format(time.RFC3339))
}

// PauseJob stops the clock of a session.
type PauseJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Session   ID     `json:"session,omitempty" doc:"which session; your own if not said"`
	Reason    string `json:"reason,omitempty" doc:"why" maxLength:"200"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
}

func (c *PauseJob) decide(d *Decision) error {
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	s, err := d.ownSession(op, c.Session, "")
	if err != nil {
		return err
	}
	if s.State != SessionRunning {
		return refuse("the session is %s; only a running one can be paused", s.State)
	}
	if err := d.pauseSession(op, s, at, c.Reason); err != nil {
		return err
	}
	d.operation(f, op)
	d.Give("session", s.ID)
	return nil
}

// ResumeJob starts the clock of a paused session again.
type ResumeJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Session   ID     `json:"session,omitempty" doc:"which session; your own if not said"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
}

func (c *ResumeJob) decide(d *Decision) error {
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	if err := f.order.live(); err != nil {
		return err
	}
	if op.State == OpHeld {
		return refuse("operation %d is held (%s: %s); its %s must release it first", op.Seq, op.Hold.Type, op.Hold.Reason, op.Hold.Owner)
	}
	s, err := d.ownSession(op, c.Session, "")
	if err != nil {
		return err
	}
	if s.State != SessionPaused {
		return refuse("the session is %s; only a paused one can be resumed", s.State)
	}
	if at.Before(s.PausedAt) {
		return refuse("the session was paused at %s; it cannot resume before that", s.PausedAt.Format(time.RFC3339))
	}
	if s.Machine != "" {
		if err := d.machineUp(s.Machine, at); err != nil {
			return err
		}
	}
	if err := d.engage(s, at); err != nil {
		return err
	}
	s.PausedMS += at.Sub(s.PausedAt).Milliseconds()
	s.State, s.PausedAt = SessionRunning, time.Time{}
	d.Save(s)
	op.Running, op.State = op.Running+1, OpRunning
	d.Save(op)
	d.operation(f, op)
	d.Give("session", s.ID)
	return nil
}

// StopJob ends a session.
type StopJob struct {
	Order     ID     `json:"order" doc:"number or id of the work order"`
	Operation string `json:"operation" doc:"number or code of the operation"`
	Session   ID     `json:"session,omitempty" doc:"which session; your own if not said"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when it happened; now if not said"`
	History   bool   `json:"history,omitempty" doc:"this happened before gemba was there; needs the historian role"`
}

func (c *StopJob) decide(d *Decision) error {
	if err := d.asHistory(c.History); err != nil {
		return err
	}
	at, err := d.occurred(c.At)
	if err != nil {
		return err
	}
	f, op, err := d.find(c.Order, c.Operation)
	if err != nil {
		return err
	}
	s, err := d.ownSession(op, c.Session, "")
	if err != nil {
		return err
	}
	if err := d.closeSession(op, s.ID, at); err != nil {
		return err
	}
	d.operation(f, op)
	d.Give("session", s.ID)
	return nil
}
