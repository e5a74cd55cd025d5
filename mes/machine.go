package mes

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"
)

// MachineCondition is the state of a machine, in the terms of ISO 22400.
type MachineCondition string

const (
	MachineRunning MachineCondition = "running"
	MachineSetup   MachineCondition = "setup"
	MachineWaiting MachineCondition = "waiting" // starved or blocked
	MachineHeld    MachineCondition = "held"    // by the operator
	MachineDown    MachineCondition = "down"
	MachineIdle    MachineCondition = "idle" // no order
	MachinePlanned MachineCondition = "planned"
	MachineUnknown MachineCondition = "unknown"
)

// MachineConditions lists every condition.
var MachineConditions = []MachineCondition{MachineRunning, MachineSetup, MachineWaiting, MachineHeld, MachineDown, MachineIdle, MachinePlanned, MachineUnknown}

// Known tells whether the condition is one of ours.
func (c MachineCondition) Known() bool {
	return slices.Contains(MachineConditions, c)
}

// A MachineState is the moment a machine's state became what it says. A machine's timeline is these moments: each
// interval ends where the next begins, so there is no gap and no overlap, and a late one finds its place by its time.
// The natural key is machine, At, Nanos, Ord.
type MachineState struct {
	Machine    ID               `json:"machine"`
	At         time.Time        `json:"at"`
	Nanos      int              `json:"nanos"` // of At below the millisecond
	Ord        int              `json:"ord"`   // order of several values at one moment
	State      MachineCondition `json:"state"`
	Reason     string           `json:"reason"`
	Raw        string           `json:"raw"` // the machine's own word
	Source     string           `json:"source"`
	Late       bool             `json:"late"` // came after a newer one
	RecordedAt time.Time        `json:"recorded_at"`
}

// A Sample is a value that a machine sent. NaN means that Text holds it. The natural key is machine, tag, At, Nanos, Ord.
type Sample struct {
	Machine ID        `json:"machine"`
	Tag     string    `json:"tag"`
	At      time.Time `json:"at"`
	Nanos   int       `json:"nanos"`
	Ord     int       `json:"ord"`
	Value   float64   `json:"value"`
	Text    string    `json:"text"`
}

// An Alarm is the moment a condition of a machine became normal, a warning or a fault. The natural key is machine, Key,
// At, Nanos, Ord.
type Alarm struct {
	Machine    ID        `json:"machine"`
	Key        string    `json:"key"`
	At         time.Time `json:"at"`
	Nanos      int       `json:"nanos"`
	Ord        int       `json:"ord"`
	Level      string    `json:"level"` // normal, warning, fault, unavailable
	Code       string    `json:"code"`
	Severity   string    `json:"severity"`
	Qualifier  string    `json:"qualifier"`
	Text       string    `json:"text"`
	RecordedAt time.Time `json:"recorded_at"`
}

// An Interval is a stretch of a machine's timeline. To is zero for the one that is still going on.
type Interval struct {
	State  MachineCondition `json:"state"`
	From   time.Time        `json:"from"`
	To     time.Time        `json:"to,omitzero"`
	Reason string           `json:"reason,omitempty"`
	Raw    string           `json:"raw,omitempty"`
	Source string           `json:"source,omitempty"`
}

// A StateEvent is a machine state as it comes in.
type StateEvent struct {
	Machine ID               `json:"machine,omitempty" doc:"code of the machine, if not said for the whole batch"`
	State   MachineCondition `json:"state" enum:"running,setup,waiting,held,down,idle,planned,unknown" doc:"what it became"`
	At      Stamp            `json:"at,omitempty,omitzero" doc:"when; now if not said"`
	Ord     int              `json:"ord,omitempty" doc:"order of several at one moment" minimum:"0" maximum:"1000000"`
	Reason  string           `json:"reason,omitempty" doc:"why" maxLength:"200"`
	Raw     string           `json:"raw,omitempty" doc:"the machine's own word" maxLength:"200"`
}

// A SampleEvent is a value as it comes in: a number, or text.
type SampleEvent struct {
	Machine ID       `json:"machine,omitempty" doc:"code of the machine, if not said for the whole batch"`
	Tag     string   `json:"tag" doc:"name of the value" maxLength:"80"`
	At      Stamp    `json:"at,omitempty,omitzero" doc:"when; now if not said"`
	Ord     int      `json:"ord,omitempty" doc:"order of several at one moment" minimum:"0" maximum:"1000000"`
	Value   *float64 `json:"value,omitempty" doc:"the number"`
	Text    string   `json:"text,omitempty" doc:"or the text" maxLength:"1000"`
}

// An AlarmEvent is a condition as it comes in.
type AlarmEvent struct {
	Machine   ID     `json:"machine,omitempty" doc:"code of the machine, if not said for the whole batch"`
	Key       string `json:"key" doc:"name of the condition" maxLength:"80"`
	At        Stamp  `json:"at,omitempty,omitzero" doc:"when; now if not said"`
	Ord       int    `json:"ord,omitempty" doc:"order of several at one moment" minimum:"0" maximum:"1000000"`
	Level     string `json:"level" enum:"normal,warning,fault,unavailable" doc:"what it became"`
	Code      string `json:"code,omitempty" doc:"the machine's code" maxLength:"80"`
	Severity  string `json:"severity,omitempty" doc:"the machine's severity" maxLength:"40"`
	Qualifier string `json:"qualifier,omitempty" doc:"HIGH, LOW …" maxLength:"40"`
	Text      string `json:"text,omitempty" doc:"what it says" maxLength:"500"`
}

// SetMachineState records one state of one machine. It never starts, completes or closes an order.
type SetMachineState struct {
	Machine ID               `json:"machine" doc:"code of the machine"`
	State   MachineCondition `json:"state" enum:"running,setup,waiting,held,down,idle,planned,unknown" doc:"what it became"`
	At      Stamp            `json:"at,omitempty,omitzero" doc:"when; now if not said"`
	Reason  string           `json:"reason,omitempty" doc:"why" maxLength:"200"`
	Raw     string           `json:"raw,omitempty" doc:"the machine's own word" maxLength:"200"`
}

func (c *SetMachineState) decide(d *Decision) error {
	in := Ingest{States: []StateEvent{{Machine: c.Machine, State: c.State, At: c.At, Reason: c.Reason, Raw: c.Raw}}}
	return in.single(d)
}

// CountMachine records one counter reading of one machine.
type CountMachine struct {
	Machine  ID     `json:"machine" doc:"code of the machine"`
	Counter  string `json:"counter,omitempty" doc:"name of the counter: good, reject, total …; total if not said" maxLength:"40"`
	Value    int64  `json:"value" doc:"what the counter shows" minimum:"0"`
	Seq      int64  `json:"seq,omitempty" doc:"number of the reading, if the machine numbers them" minimum:"0"`
	Rollover int64  `json:"rollover,omitempty" doc:"value at which the counter starts again from 0, if it does" minimum:"0"`
	At       Stamp  `json:"at,omitempty,omitzero" doc:"when; now if not said"`
}

func (c *CountMachine) decide(d *Decision) error {
	in := Ingest{Counts: []CountEvent{{Machine: c.Machine, Counter: c.Counter, Value: c.Value, Seq: c.Seq, Rollover: c.Rollover, At: c.At}}}
	return in.single(d)
}

// MaxBatch is the most items one ingest takes.
const MaxBatch = 10_000

// Ingest takes a batch of what machines say. Each item stands for itself: bad ones are listed in the result with their
// index and the reason, good ones are kept, and one that came before is not kept twice.
type Ingest struct {
	Machine ID            `json:"machine,omitempty" doc:"code of the machine, for items that do not say one"`
	Source  string        `json:"source,omitempty" doc:"what sends: an adapter's name" maxLength:"40"`
	States  []StateEvent  `json:"states,omitempty" doc:"machine states" maxItems:"10000"`
	Counts  []CountEvent  `json:"counts,omitempty" doc:"counter readings" maxItems:"10000"`
	Samples []SampleEvent `json:"samples,omitempty" doc:"values" maxItems:"10000"`
	Alarms  []AlarmEvent  `json:"alarms,omitempty" doc:"conditions" maxItems:"10000"`
	Digest  string        `json:"-"` // of the batch as it came, if the door knows it already
}

// A Rejection says why an item of a batch was not kept.
type Rejection struct {
	Kind    string `json:"kind"` // states, counts, samples or alarms
	Index   int    `json:"index"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// intake is an ingest being decided.
type intake struct {
	d        *Decision
	in       *Ingest
	source   string
	machines map[ID]error // what is known of each machine: nil when the actor may feed it
	lastCode ID
	lastErr  error
	late     int
	rejected []Rejection
	failed   error // the store could not answer: the batch as a whole is not decided
}

func (c *Ingest) decide(d *Decision) error {
	if n := len(c.States) + len(c.Counts) + len(c.Samples) + len(c.Alarms); n == 0 {
		return invalid("samples", "the batch is empty; send states, counts, samples or alarms")
	} else if n > MaxBatch {
		return Faultf(TooLarge, "the batch has %d items; send at most %d at once", n, MaxBatch)
	}
	if err := checkText("source", c.Source, 40); err != nil {
		return err
	}
	t := &intake{d: d, in: c, source: cmp.Or(c.Source, d.Actor.Name), machines: map[ID]error{}}
	if err := t.states(); err != nil {
		return err
	}
	if err := t.counts(); err != nil {
		return err
	}
	t.samples()
	t.alarms()
	if t.failed != nil {
		return t.failed
	}
	if len(t.rejected) > 0 {
		d.Give("rejected", t.rejected)
	}
	d.Give("received", len(c.States)+len(c.Counts)+len(c.Samples)+len(c.Alarms)-len(t.rejected))
	d.Give("late", t.late)
	if c.Machine != "" {
		if m, err := d.Equipment(c.Machine); err == nil {
			d.about("machine", m.ID, m.Place())
		}
	}
	return nil
}

// single decides a batch of one item: its rejection is the command's refusal.
func (c *Ingest) single(d *Decision) error {
	if len(c.States) > 0 {
		c.Machine = c.States[0].Machine
	} else {
		c.Machine = c.Counts[0].Machine
	}
	t := &intake{d: d, in: c, source: d.Actor.Name, machines: map[ID]error{}}
	if err := t.states(); err != nil {
		return err
	}
	if err := t.counts(); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if len(t.rejected) > 0 {
		return Faultf(t.rejected[0].Code, "%s", t.rejected[0].Message)
	}
	m, err := d.Equipment(c.Machine)
	if err != nil {
		return err
	}
	d.about("machine", m.ID, m.Place())
	d.Give("late", t.late)
	return nil
}

func (t *intake) reject(kind string, index int, err error) {
	t.rejected = append(t.rejected, Rejection{kind, index, ErrorCode(err), ErrorMessage(err)})
}

// machine gives the machine of an item, or why it cannot be fed.
func (t *intake) machine(code ID) (ID, error) {
	if code == "" {
		code = t.in.Machine
	}
	if code != "" && code == t.lastCode {
		return code, t.lastErr
	}
	if code == "" {
		return "", invalid("machine", "say which machine it is")
	}
	err, known := t.machines[code]
	if !known {
		m, found := t.d.Equipment(code)
		switch {
		case found != nil:
			if ErrorCode(found) != NotFound {
				t.failed = found
			}
			err = found
		case m.Level != WorkUnit:
			err = invalid("machine", "%s is a %s, not a machine", m.ID, m.Level)
		}
		t.machines[code] = err
	}
	t.lastCode, t.lastErr = code, err
	return code, err
}

// when checks a stamp: what is not said is now, and nothing comes from the future.
func (t *intake) when(s Stamp) (time.Time, int, error) {
	if s.IsZero() {
		return t.d.Now, 0, nil
	}
	if s.After(t.d.Now.Add(MaxSkew)) {
		return time.Time{}, 0, invalid("at", "the time is %s ahead of the server; set the machine's clock", s.Sub(t.d.Now).Round(time.Second))
	}
	at, nanos := s.split()
	return at, nanos, nil
}

// moment is where a row stands in a machine's time.
type moment struct {
	at    time.Time
	nanos int
	ord   int
}

// checkOrd bounds the order of several rows at one moment.
func checkOrd(ord int) error {
	if ord < 0 || ord > 1_000_000 {
		return invalid("ord", "ord goes from 0 to 1000000")
	}
	return nil
}

func (t *intake) states() error {
	var rows []MachineState
	newest := map[ID]moment{}
	for i := range t.in.States {
		e := &t.in.States[i]
		code, err := t.machine(e.Machine)
		if err == nil && !e.State.Known() {
			err = invalid("state", "%q is not a machine state; use running, setup, waiting, held, down, idle, planned or unknown", e.State)
		}
		var at time.Time
		var nanos int
		if err == nil {
			at, nanos, err = t.when(e.At)
		}
		if err == nil {
			err = firstError(checkText("reason", e.Reason, 200), checkText("raw", e.Raw, 200), checkOrd(e.Ord))
		}
		if err != nil {
			t.reject("states", i, err)
			continue
		}
		last, known := newest[code]
		if !known {
			s, err := t.d.store.StateAt(t.d.ctx, code, t.d.Now.Add(MaxSkew))
			if err == nil {
				last = moment{s.At, s.Nanos, s.Ord}
			} else if ErrorCode(err) != NotFound {
				return err
			}
		}
		ord := e.Ord
		if e.At.IsZero() && ord == 0 && at.Equal(last.at) { // several within the millisecond in which they came
			nanos, ord = last.nanos, last.ord+1
		}
		late := at.Before(last.at)
		if late {
			t.late++
		} else {
			last = moment{at, nanos, ord}
		}
		newest[code] = last
		rows = append(rows, MachineState{code, at, nanos, ord, e.State, e.Reason, e.Raw, t.source, late, t.d.Now})
	}
	if len(rows) > 0 {
		t.d.Bulk(KindMachineState, rows, len(rows))
	}
	return nil
}

func (t *intake) samples() {
	rows := make([]Sample, 0, len(t.in.Samples))
	for i := range t.in.Samples {
		e := &t.in.Samples[i]
		code, err := t.machine(e.Machine)
		var at time.Time
		var nanos int
		if err == nil {
			at, nanos, err = t.when(e.At)
		}
		value := math.NaN()
		if e.Value != nil {
			value = *e.Value
		}
		switch {
		case err != nil:
		case e.Tag == "":
			err = invalid("tag", "a sample needs a tag")
		case e.Value != nil && (math.IsNaN(value) || math.IsInf(value, 0)):
			err = invalid("value", "the value is not a number")
		case e.Value == nil && e.Text == "":
			err = invalid("value", "a sample needs a value or a text")
		default:
			err = firstError(checkText("tag", e.Tag, 80), checkText("text", e.Text, 1000), checkOrd(e.Ord))
		}
		if err != nil {
			t.reject("samples", i, err)
			continue
		}
		rows = append(rows, Sample{code, e.Tag, at, nanos, e.Ord, value, e.Text})
	}
	if len(rows) > 0 {
		t.d.Bulk(KindSample, rows, len(rows))
	}
}

func (t *intake) alarms() {
	var rows []Alarm
	for i := range t.in.Alarms {
		e := &t.in.Alarms[i]
		code, err := t.machine(e.Machine)
		var at time.Time
		var nanos int
		if err == nil {
			at, nanos, err = t.when(e.At)
		}
		switch {
		case err != nil:
		case e.Key == "":
			err = invalid("key", "an alarm needs the name of its condition")
		case e.Level != "normal" && e.Level != "warning" && e.Level != "fault" && e.Level != "unavailable":
			err = invalid("level", "level must be normal, warning, fault or unavailable")
		default:
			err = firstError(checkText("key", e.Key, 80), checkText("code", e.Code, 80), checkText("severity", e.Severity, 40),
				checkText("qualifier", e.Qualifier, 40), checkText("text", e.Text, 500), checkOrd(e.Ord))
		}
		if err != nil {
			t.reject("alarms", i, err)
			continue
		}
		rows = append(rows, Alarm{code, e.Key, at, nanos, e.Ord, e.Level, e.Code, e.Severity, e.Qualifier, e.Text, t.d.Now})
	}
	if len(rows) > 0 {
		t.d.Bulk(KindAlarm, rows, len(rows))
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// brief is what the ledger keeps of an ingest as given: where it came from and how much it was. What it held is in the
// tables.
func (c *Ingest) brief() json.RawMessage {
	text, _ := json.Marshal(map[string]any{"machine": c.Machine, "source": c.Source, "states": len(c.States), "counts": len(c.Counts),
		"samples": len(c.Samples), "alarms": len(c.Alarms), "digest": c.Digest})
	return text
}
