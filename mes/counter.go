package mes

import (
	"cmp"
	"time"
)

// A Counter is the last durable value of a machine's counter, and what was counted since the first reading.
type Counter struct {
	ID       ID        `json:"id"` // machine/counter
	Machine  ID        `json:"machine"`
	Name     string    `json:"name"`
	Value    int64     `json:"value"`
	At       time.Time `json:"at"`
	Nanos    int       `json:"nanos"`
	Seq      int64     `json:"seq"`
	Rollover int64     `json:"rollover"`
	Total    int64     `json:"total"` // sum of all steps
	Version  int64     `json:"version"`
}

// A CounterReading is one reading with the step that it means. The natural key is machine, counter, At, Nanos, Ord.
type CounterReading struct {
	Machine    ID        `json:"machine"`
	Counter    string    `json:"counter"`
	At         time.Time `json:"at"`
	Nanos      int       `json:"nanos"`
	Ord        int       `json:"ord"`
	Seq        int64     `json:"seq"`
	Value      int64     `json:"value"`
	Step       int64     `json:"step"` // pieces since the reading before
	Event      string    `json:"event"`
	Missing    int64     `json:"missing"` // readings that the sequence says are missing before this one
	RecordedAt time.Time `json:"recorded_at"`
}

// What a reading can mean besides a plain step.
const (
	FirstReading    = "first"    // nothing to compare with
	RolloverReading = "rollover" // the counter passed its declared rollover
	ResetReading    = "reset"    // the counter started again
	LateReading     = "late"     // older than one that is known: counts nothing
	RepeatedReading = "repeated" // a sequence number that is known: counts nothing
)

// A CountEvent is a counter reading as it comes in. Counters are absolute: a reading that is lost costs nothing.
type CountEvent struct {
	Machine  ID     `json:"machine,omitempty" doc:"code of the machine, if not said for the whole batch"`
	Counter  string `json:"counter,omitempty" doc:"name of the counter: good, reject, total …; total if not said" maxLength:"40"`
	Value    int64  `json:"value" doc:"what the counter shows" minimum:"0"`
	Seq      int64  `json:"seq,omitempty" doc:"number of the reading, if the machine numbers them" minimum:"0"`
	Rollover int64  `json:"rollover,omitempty" doc:"value at which the counter starts again from 0, if it does" minimum:"0"`
	At       Stamp  `json:"at,omitempty,omitzero" doc:"when; now if not said"`
	Ord      int    `json:"ord,omitempty" doc:"order of several at one moment" minimum:"0" maximum:"1000000"`
}

// read takes the next reading of a counter and tells what it means. Time goes by milliseconds and what is below.
func (c *Counter) read(r *CounterReading, rollover int64) {
	known := c.Version > 0 || !c.At.IsZero()
	later := r.At.After(c.At) || r.At.Equal(c.At) && r.Nanos >= c.Nanos
	switch {
	case !known:
		r.Event = FirstReading
	case r.Seq > 0 && r.Seq == c.Seq:
		r.Event = RepeatedReading
		return
	case !later, r.Seq > 0 && r.Seq < c.Seq:
		r.Event = LateReading
		return
	case r.Value >= c.Value:
		r.Step = r.Value - c.Value
	case rollover > c.Value && r.Value+rollover-c.Value <= rollover/2: // a larger step is a reset soon after the start
		r.Event, r.Step = RolloverReading, r.Value+rollover-c.Value
	default:
		r.Event, r.Step = ResetReading, r.Value
	}
	if known && r.Seq > c.Seq+1 && c.Seq > 0 {
		r.Missing = r.Seq - c.Seq - 1
	}
	c.Value, c.At, c.Nanos, c.Total = r.Value, r.At, r.Nanos, c.Total+r.Step
	c.Seq, c.Rollover = max(c.Seq, r.Seq), rollover
}

// instant is a moment of one counter.
type instant struct {
	counter ID
	at      time.Time
	nanos   int
}

func (t *intake) counts() error {
	var rows []CounterReading
	counters := map[ID]*Counter{}
	batch := map[instant][]CounterReading{} // what this batch holds of a counter at one moment
	for i := range t.in.Counts {
		e := &t.in.Counts[i]
		name := cmp.Or(e.Counter, "total")
		code, err := t.machine(e.Machine)
		var at time.Time
		var nanos int
		if err == nil {
			at, nanos, err = t.when(e.At)
		}
		switch {
		case err != nil:
		case e.Value < 0 || e.Seq < 0 || e.Rollover < 0 || e.Value > 1<<53 || e.Seq > 1<<53 || e.Rollover > 1<<53:
			err = invalid("value", "value, seq and rollover are whole numbers from 0 to 9007199254740992")
		case e.Rollover > 0 && e.Value >= e.Rollover:
			err = invalid("value", "%d cannot be: the counter starts again at %d", e.Value, e.Rollover)
		default:
			err = checkCode("counter", ID(name))
		}
		if err == nil {
			err = checkOrd(e.Ord)
		}
		if err != nil {
			t.reject("counts", i, err)
			continue
		}
		id := code + "/" + ID(name)
		c := counters[id]
		if c == nil {
			c, err = t.d.Counter(id)
			if ErrorCode(err) == NotFound {
				c, err = &Counter{ID: id, Machine: code, Name: name}, nil
				t.d.create(KindCounter, id)
			}
			if err != nil {
				return err
			}
			counters[id] = c
		}
		r := CounterReading{Machine: code, Counter: name, At: at, Nanos: nanos, Ord: e.Ord, Seq: e.Seq, Value: e.Value, RecordedAt: t.d.Now}
		when := instant{id, at, nanos}
		duplicate, err := t.known(&r, batch[when])
		if err != nil {
			return err
		}
		if duplicate {
			continue
		}
		if c.Total > maxTotal-e.Value {
			t.reject("counts", i, refuse("counter %s would come to more than %d; check what it sends", name, int64(maxTotal)))
			continue
		}
		c.read(&r, cmp.Or(e.Rollover, c.Rollover))
		if r.Event == LateReading {
			t.late++
		}
		rows = append(rows, r)
		batch[when] = append(batch[when], r)
		if r.Event != LateReading && r.Event != RepeatedReading {
			t.d.Save(c)
		}
	}
	if len(rows) > 0 {
		t.d.Bulk(KindCount, rows, len(rows))
	}
	return nil
}

// known tells whether the very same reading is there already: a gateway that sends again after a broken line. Another
// value at the same moment is not the same reading, and finds a place of its own after it.
func (t *intake) known(r *CounterReading, batch []CounterReading) (bool, error) {
	stored, err := t.d.store.Readings(t.d.ctx, r.Machine, r.Counter, r.At, r.At)
	if err != nil {
		return false, err
	}
	taken, same, last := false, false, r.Ord
	for _, list := range [][]CounterReading{stored, batch} {
		for i := range list {
			s := &list[i]
			if s.Nanos != r.Nanos {
				continue
			}
			if s.Ord == r.Ord && s.Value == r.Value {
				return true, nil
			}
			taken, same, last = taken || s.Ord == r.Ord, same || s.Value == r.Value, max(last, s.Ord)
		}
	}
	if taken && !same {
		r.Ord = last + 1
	}
	return taken && same, nil
}
