package mes

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// counterVector is a run of readings with what each means.
type counterVector struct {
	Name     string   `json:"name"`
	Rollover int64    `json:"rollover"`
	Values   []int64  `json:"values"`
	At       []int    `json:"at"` // seconds; one after the other if not said
	Seqs     []int64  `json:"seqs"`
	Steps    []int64  `json:"steps"`
	Events   []string `json:"events"`
	Missing  []int64  `json:"missing"`
}

func counterVectors(t *testing.T) (list []counterVector) {
	t.Helper()
	text, err := os.ReadFile("../testdata/vectors/counters.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCounter_vectors(t *testing.T) {
	for _, v := range counterVectors(t) {
		c := &Counter{}
		total := int64(0)
		for i, value := range v.Values {
			r := &CounterReading{Value: value, At: monday.Add(time.Duration(i) * time.Second)}
			if v.At != nil {
				r.At = monday.Add(time.Duration(v.At[i]) * time.Second)
			}
			if v.Seqs != nil {
				r.Seq = v.Seqs[i]
			}
			c.read(r, v.Rollover)
			total += r.Step
			missing := int64(0)
			if v.Missing != nil {
				missing = v.Missing[i]
			}
			if r.Step != v.Steps[i] || r.Event != v.Events[i] || r.Missing != missing {
				t.Errorf("%s: reading %d of %d is +%d %q (%d missing), want +%d %q (%d missing)", v.Name, i, value, r.Step, r.Event, r.Missing, v.Steps[i], v.Events[i], missing)
			}
			if c.Total != total {
				t.Errorf("%s: total %d after steps of %d", v.Name, c.Total, total)
			}
		}
	}
}

// TestCounter_vectorsThroughTheDoor sends the same runs as single commands, as one batch, and both again.
func TestCounter_vectorsThroughTheDoor(t *testing.T) {
	for _, v := range counterVectors(t) {
		f := newFloor(t)
		f.now = monday.Add(time.Hour)
		var batch Ingest
		for i, value := range v.Values {
			e := CountEvent{Machine: "M2", Value: value, Rollover: v.Rollover, At: At(monday.Add(time.Duration(i) * time.Second))}
			if v.At != nil {
				e.At = At(monday.Add(time.Duration(v.At[i]) * time.Second))
			}
			if v.Seqs != nil {
				e.Seq = v.Seqs[i]
			}
			batch.Counts = append(batch.Counts, e)
			single := CountMachine{Machine: "M1", Value: e.Value, Seq: e.Seq, Rollover: e.Rollover, At: e.At}
			f.do(f.feeder, &single)
		}
		f.do(f.feeder, &batch)
		want := int64(0)
		for _, step := range v.Steps {
			want += step
		}
		for again := range 2 {
			for _, id := range []ID{"M1/total", "M2/total"} {
				c, err := f.store.Counter(t.Context(), Fresh, id)
				if err != nil || c.Total != want {
					t.Errorf("%s: %s counted %d (%v), want %d, round %d", v.Name, id, c.Total, err, want, again)
				}
			}
			before := len(f.store.counts)
			f.do(f.feeder, &Ingest{Machine: "M2", Counts: batch.Counts})
			for _, e := range batch.Counts {
				f.do(f.feeder, &CountMachine{Machine: "M1", Value: e.Value, Seq: e.Seq, Rollover: e.Rollover, At: e.At})
			}
			if len(f.store.counts) != before {
				t.Errorf("%s: the same readings again left %d rows, want %d", v.Name, len(f.store.counts), before)
			}
		}
	}
}

func TestCounter_atOneMoment(t *testing.T) {
	f := newFloor(t)
	for _, value := range []int64{5, 6, 6, 8} { // faster than the clock
		f.do(f.feeder, &CountMachine{Machine: "M1", Value: value})
	}
	f.do(f.feeder, &Ingest{Machine: "M1", Counts: []CountEvent{{Value: 9}, {Value: 11}, {Value: 11}}})
	c, err := f.store.Counter(t.Context(), Fresh, "M1/total")
	if err != nil || c.Total != 6 || c.Value != 11 {
		t.Fatalf("%+v %v", c, err)
	}
	steps, places := int64(0), map[int]bool{}
	for _, r := range f.store.counts {
		steps += r.Step
		if places[r.Ord] {
			t.Errorf("two readings at place %d", r.Ord)
		}
		places[r.Ord] = true
	}
	if steps != c.Total || len(f.store.counts) != 5 {
		t.Errorf("%d readings of %d pieces, want 5 of %d", len(f.store.counts), steps, c.Total)
	}
}

func TestCounter_bounds(t *testing.T) {
	f := newFloor(t)
	for _, c := range []CountMachine{
		{Value: -1}, {Value: 1<<53 + 1}, {Seq: -1}, {Rollover: -1}, {Value: 100, Rollover: 100}, {Value: 1, Counter: "a b"}, {Value: 1, Counter: "\u202e"},
	} {
		c.Machine = "M1"
		f.refused(Invalid, "", f.feeder, &c)
	}
	f.refused(NotFound, "no equipment M77 here", f.feeder, &CountMachine{Machine: "M77", Value: 1})
	f.refused(Invalid, "is a work_centre, not a machine", f.feeder, &CountMachine{Machine: "L1", Value: 1})
	f.refused(Invalid, "say which machine", f.feeder, &CountMachine{Value: 1})
	f.refused(Invalid, "ahead of the server", f.feeder, &CountMachine{Machine: "M1", At: At(f.now.Add(time.Hour))})

	// what no machine can count is refused before it overflows
	for i := range int64(4) {
		f.now = f.now.Add(time.Second)
		c := &CountMachine{Machine: "M1", Value: (1 << 50) * (1 - i%2)}
		if i < 3 {
			f.do(f.feeder, c)
		}
	}
	counter := f.store.rows[ref{KindCounter, "M1/total"}].(*Counter)
	counter.Total = maxTotal - 5
	f.store.images[ref{KindCounter, "M1/total"}] = image(counter)
	f.now = f.now.Add(time.Second)
	f.refused(Refused, "check what it sends", f.feeder, &CountMachine{Machine: "M1", Value: 1 << 51})
}

// TestCounter_moveNoOrder: machines count, people report.
func TestCounter_moveNoOrder(t *testing.T) {
	f := newFloor(t)
	f.order("W-1", "P1", 10)
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1"})
	before := *f.store.order("W-1")
	f.do(f.feeder, &CountMachine{Machine: "M1", Counter: "good", Value: 0})
	f.do(f.feeder, &CountMachine{Machine: "M1", Counter: "good", Value: 500, At: At(f.now.Add(time.Second))})
	f.do(f.feeder, &SetMachineState{Machine: "M1", State: MachineIdle})
	if after := f.store.order("W-1"); after.Version != before.Version || f.store.operation("W-1", 10).Good != 0 {
		t.Error("a machine's counter moved an order")
	}
}
