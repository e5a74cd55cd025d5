package main

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"gemba/mes"
)

// executionStates are the machine's words for what its program does, in our terms.
var executionStates = map[string]mes.MachineCondition{
	"ACTIVE":                mes.MachineRunning,
	"READY":                 mes.MachineIdle,
	"PROGRAM_COMPLETED":     mes.MachineIdle,
	"WAIT":                  mes.MachineWaiting,
	"FEED_HOLD":             mes.MachineHeld,
	"INTERRUPTED":           mes.MachineHeld,
	"OPTIONAL_STOP":         mes.MachineHeld,
	"PROGRAM_OPTIONAL_STOP": mes.MachineHeld,
	"PROGRAM_STOPPED":       mes.MachineHeld,
	"STOPPED":               mes.MachineDown,
	"UNAVAILABLE":           mes.MachineUnknown,
}

// modeStates are the functional modes that say more than the execution does.
var modeStates = map[string]mes.MachineCondition{
	"SETUP":       mes.MachineSetup,
	"TEARDOWN":    mes.MachineSetup,
	"MAINTENANCE": mes.MachinePlanned,
}

// Names that machines give to what we look for. Keys are compared without regard to case and to a device's name before
// a colon.
var (
	executionKeys = []string{"pexecution", "p1execution", "execution", "exec"}
	countKeys     = []string{
		"ppartcount", "p1partcount", "partcount", "part_count", "PartCountAct", "PartCountAll",
		"PartCountGood=good", "PartCountBad=reject",
	}
	modeKeys  = []string{"fmode", "pfmode", "functionalmode", "functional_mode", "pfunctionalmode"}
	estopKeys = []string{"estop", "e_stop", "emergencystop", "emergency_stop"}
)

// A role is what a key means to us besides its value.
type role struct {
	is      string // execution, mode, estop or count
	counter string
}

// An itemizer turns what a machine's adapter says into items for the API.
type itemizer struct {
	roles     map[string]role
	counterOf map[string]string // by counter: the key that it counts for
	execution string            // the machine's words, as last heard
	mode      string
	estop     string
	said      mes.MachineCondition // state that was sent last
	ords      ords
	out       mes.Ingest
	size      int // bytes of text in out, about
	tally     adapterTally
}

// adapterTally counts what came in.
type adapterTally struct {
	Lines   int            `json:"lines"`
	States  int            `json:"states"`
	Counts  int            `json:"counts"`
	Alarms  int            `json:"alarms"`
	Samples int            `json:"samples"`
	Late    int            `json:"late"` // lines older than the newest before them
	Ignored map[string]int `json:"ignored"`
}

// newItemizer knows the given names of keys and the usual ones. A count key may say its counter: KEY=COUNTER.
func newItemizer(machine mes.ID, execution, count []string) *itemizer {
	z := &itemizer{roles: map[string]role{}, counterOf: map[string]string{}}
	z.out.Machine, z.out.Source = machine, "shdr"
	z.tally.Ignored = map[string]int{}
	for _, key := range append(executionKeys[:len(executionKeys):len(executionKeys)], execution...) {
		z.roles[strings.ToLower(key)] = role{is: "execution"}
	}
	for _, key := range modeKeys {
		z.roles[key] = role{is: "mode"}
	}
	for _, key := range estopKeys {
		z.roles[key] = role{is: "estop"}
	}
	for _, key := range append(countKeys[:len(countKeys):len(countKeys)], count...) {
		key, counter, _ := strings.Cut(key, "=")
		z.roles[strings.ToLower(key)] = role{"count", firstOf(counter, "total")}
	}
	return z
}

// roleOf tells what a key means.
func (z *itemizer) roleOf(key string) role {
	if i := strings.LastIndexByte(key, ':'); i >= 0 {
		key = key[i+1:]
	}
	return z.roles[strings.ToLower(key)]
}

// add takes what a line said at a time.
func (z *itemizer) add(values []shdrValue, at time.Time) {
	for _, v := range values {
		switch {
		case v.condition != nil:
			z.alarm(v, at)
		case v.value == "":
			z.tally.Ignored["empty_value"]++
		default:
			z.value(v, at)
		}
	}
}

func (z *itemizer) value(v shdrValue, at time.Time) {
	word := strings.ToUpper(v.value)
	switch r := z.roleOf(v.key); r.is {
	case "execution":
		z.execution = word
		z.state(at, v.value, "")
	case "mode":
		z.mode = word
		z.sample(v, at)
		z.changed(at, v.value, "functional mode")
	case "estop":
		z.estop = word
		z.sample(v, at)
		z.changed(at, v.value, "emergency stop")
	case "count":
		if n, ok := wholeNumber(v.value); ok {
			z.count(v.key, r.counter, n, at)
		} else {
			z.sample(v, at)
		}
	default:
		z.sample(v, at)
	}
}

// condition is the state that the machine's words come to: an emergency stop is above all, then what the machine is
// there for, then what its program does.
func (z *itemizer) condition() (state mes.MachineCondition, known bool) {
	if z.estop == "TRIGGERED" {
		return mes.MachineDown, true
	}
	if z.execution == "UNAVAILABLE" {
		return mes.MachineUnknown, true
	}
	if state, known = modeStates[z.mode]; known {
		return state, true
	}
	if z.execution == "" {
		return mes.MachineUnknown, false
	}
	if state, known = executionStates[z.execution]; !known {
		state = mes.MachineUnknown
	}
	return state, true
}

// state sends the state with the word that it came from. Every word of the execution is sent, whether it changes the
// state or not.
func (z *itemizer) state(at time.Time, raw, reason string) {
	state, _ := z.condition()
	z.said = state
	z.tally.States++
	z.size += len(raw) + len(reason)
	z.out.States = append(z.out.States, mes.StateEvent{State: state, At: mes.At(at), Ord: z.ords.next("state", at), Reason: reason, Raw: plain(raw, 200)})
}

// changed sends the state when another word than the execution has changed it.
func (z *itemizer) changed(at time.Time, raw, reason string) {
	if state, known := z.condition(); known && state != z.said {
		z.state(at, raw, reason)
	}
}

// lost sends that nothing is known of the machine any more.
func (z *itemizer) lost(at time.Time) {
	z.execution = "UNAVAILABLE"
	z.state(at, "UNAVAILABLE", "no connection to the machine")
}

// count sends a reading. Two keys never feed one counter: the second has a counter of its own.
func (z *itemizer) count(key, counter string, value int64, at time.Time) {
	if owner, taken := z.counterOf[counter]; taken && owner != key {
		counter = ownCode(key)
	}
	z.counterOf[counter] = key
	z.tally.Counts++
	z.out.Counts = append(z.out.Counts, mes.CountEvent{Counter: counter, Value: value, At: mes.At(at), Ord: z.ords.next("count/"+counter, at)})
}

func (z *itemizer) sample(v shdrValue, at time.Time) {
	e := mes.SampleEvent{Tag: plain(v.key, 80), At: mes.At(at), Ord: z.ords.next("sample/"+v.key, at)}
	if n, ok := number(v.value); ok {
		e.Value = &n
	} else if e.Text = plain(v.value, 1000); e.Text == "" {
		z.tally.Ignored["empty_value"]++
		return
	}
	z.tally.Samples++
	z.size += len(e.Text)
	z.out.Samples = append(z.out.Samples, e)
}

func (z *itemizer) alarm(v shdrValue, at time.Time) {
	c := v.condition
	z.tally.Alarms++
	z.size += len(c.text)
	z.out.Alarms = append(z.out.Alarms, mes.AlarmEvent{
		Key: plain(v.key, 80), At: mes.At(at), Ord: z.ords.next("alarm/"+v.key, at), Level: c.level,
		Code: plain(c.code, 80), Severity: plain(c.severity, 40), Qualifier: plain(c.qualifier, 40), Text: plain(c.text, 500),
	})
}

// pending is how many items wait to be sent.
func (z *itemizer) pending() int {
	return len(z.out.States) + len(z.out.Counts) + len(z.out.Samples) + len(z.out.Alarms)
}

// take gives a batch of at most n of the items that wait.
func (z *itemizer) take(n int) *mes.Ingest {
	batch := mes.Ingest{Machine: z.out.Machine, Source: z.out.Source}
	batch.States, z.out.States, n = cut(z.out.States, n)
	batch.Counts, z.out.Counts, n = cut(z.out.Counts, n)
	batch.Alarms, z.out.Alarms, n = cut(z.out.Alarms, n)
	batch.Samples, z.out.Samples, _ = cut(z.out.Samples, n)
	z.size = 0
	return &batch
}

// cut takes at most n from the front of a list, and tells how many more there may be.
func cut[T any](list []T, n int) (taken, rest []T, more int) {
	k := min(n, len(list))
	return list[:k:k], list[k:], n - k
}

// ords numbers the values of one series at one moment. It forgets what lies far back, in two halves, so that it does
// not grow for as long as a machine runs.
type ords struct{ young, old map[string]int }

const maxOrds = 200_000

func (o *ords) next(series string, at time.Time) int {
	key := series + "\x00" + strconv.FormatInt(at.UnixNano(), 36)
	n, known := o.young[key]
	if !known {
		n = o.old[key]
	}
	if len(o.young) >= maxOrds {
		o.old, o.young = o.young, nil
	}
	if o.young == nil {
		o.young = map[string]int{}
	}
	o.young[key] = n + 1
	return n
}

// number reads a decimal number, and nothing else that Go would take for one.
func number(text string) (float64, bool) {
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// wholeNumber reads a count, also one written 12.0.
func wholeNumber(text string) (int64, bool) {
	n, ok := number(text)
	if !ok || n < 0 || n > 1<<53 || n != float64(int64(n)) {
		return 0, false
	}
	return int64(n), true
}

// plain is a text that may be shown on a terminal, cut to a length in characters.
func plain(text string, longest int) string {
	clean := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text))
	if runes := []rune(clean); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return clean
}
