package mes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMachine_lateStatesFindTheirPlace(t *testing.T) {
	f := newFloor(t)
	f.now = monday.Add(time.Hour)
	at := func(minute int) Stamp { return At(monday.Add(time.Duration(minute) * time.Minute)) }
	f.do(f.feeder, &SetMachineState{Machine: "M1", State: MachineRunning, At: at(0)})
	f.do(f.feeder, &SetMachineState{Machine: "M1", State: MachineIdle, At: at(30)})
	if late := f.do(f.feeder, &SetMachineState{Machine: "M1", State: MachineDown, At: at(10)})["late"]; late != 1.0 {
		t.Errorf("late is %v", late)
	}
	result := f.do(f.feeder, &Ingest{Machine: "M1", States: []StateEvent{{State: MachineRunning, At: at(40)}, {State: MachineHeld, At: at(20)}, {State: MachineIdle, At: at(50)}}})
	if result["late"] != 1.0 || result["received"] != 3.0 {
		t.Errorf("%v", result)
	}
	for minute, want := range map[int]MachineCondition{5: MachineRunning, 15: MachineDown, 25: MachineHeld, 35: MachineIdle, 45: MachineRunning, 55: MachineIdle} {
		if s, err := f.store.StateAt(t.Context(), "M1", at(minute).Time); err != nil || s.State != want {
			t.Errorf("minute %d: %v %v, want %s", minute, s, err, want)
		}
	}
	// work that is stated to have begun while the machine was down
	f.order("W-1", "P1", 5)
	f.refused(Refused, "M1 is down since 2026-11-23T06:10:00Z", f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1", At: at(12)})
	f.do(f.ann, &StartJob{Order: "W-1", Operation: "10", Machine: "M1", At: at(41)})
}

func TestMachine_severalStatesInOneMoment(t *testing.T) {
	f := newFloor(t)
	for _, s := range []MachineCondition{MachineRunning, MachineDown, MachineRunning, MachineIdle} {
		f.do(f.feeder, &SetMachineState{Machine: "M1", State: s})
	}
	f.do(f.feeder, &Ingest{Machine: "M1", States: []StateEvent{{State: MachineHeld}, {State: MachineSetup}}})
	if s, _ := f.store.StateAt(t.Context(), "M1", f.now); s.State != MachineSetup || len(f.store.states) != 6 {
		t.Errorf("%d states, the last %s", len(f.store.states), s.State)
	}
}

func TestMachine_badItemsAloneAreLeftOut(t *testing.T) {
	f := newFloor(t)
	number := func(v float64) *float64 { return &v }
	future := At(f.now.Add(time.Hour))
	result := f.do(f.feeder, &Ingest{Machine: "M1", Source: "adapter",
		States: []StateEvent{{State: MachineRunning}, {State: "flying"}, {State: MachineIdle, Machine: "M77"}, {State: MachineIdle, At: future},
			{State: MachineIdle, Reason: "a\x00b"}, {State: MachineIdle, Raw: strings.Repeat("x", 201)}, {State: MachineIdle, Ord: -1}},
		Counts: []CountEvent{{Value: 1}, {Value: -1}, {Value: 2, Machine: "L1"}, {Value: 3, Ord: 2_000_000}},
		Samples: []SampleEvent{{Tag: "temp", Value: number(20.5)}, {Tag: "mode", Text: "AUTO"}, {Tag: ""}, {Tag: "x"}, {Tag: strings.Repeat("t", 81)},
			{Tag: "x", Text: "\x1b]0;"}, {Tag: strings.Repeat("t", 81), Text: "a"}, {Tag: "x", Text: "a", Ord: -5}},
		Alarms: []AlarmEvent{{Key: "coolant", Level: "fault"}, {Key: "", Level: "fault"}, {Key: "coolant", Level: "bad"}, {Key: "c", Level: "normal", Text: "\u200b"}, {Key: "c", Level: "normal", Ord: -1}},
	})
	if result["received"] != 5.0 {
		t.Errorf("received %v", result["received"])
	}
	want := "states 1 invalid, states 2 not_found, states 3 invalid, states 4 invalid, states 5 invalid, states 6 invalid, " +
		"counts 1 invalid, counts 2 invalid, counts 3 invalid, " +
		"samples 2 invalid, samples 3 invalid, samples 4 invalid, samples 5 invalid, samples 6 invalid, samples 7 invalid, " +
		"alarms 1 invalid, alarms 2 invalid, alarms 3 invalid, alarms 4 invalid"
	var rejected []Rejection
	text, _ := json.Marshal(result["rejected"])
	if err := json.Unmarshal(text, &rejected); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rejected {
		got = append(got, fmt.Sprintf("%s %d %s", r.Kind, r.Index, r.Code))
		if strings.IndexFunc(r.Message, hidden) >= 0 {
			t.Errorf("the reason %q is not plain", r.Message)
		}
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("rejected\n%s, want\n%s", strings.Join(got, ", "), want)
	}
	if len(f.store.states) != 1 || len(f.store.counts) != 1 || len(f.store.samples) != 2 || len(f.store.alarms) != 1 {
		t.Errorf("kept %d states, %d counts, %d samples, %d alarms", len(f.store.states), len(f.store.counts), len(f.store.samples), len(f.store.alarms))
	}
}

func TestMachine_batches(t *testing.T) {
	f := newFloor(t)
	f.refused(Invalid, "the batch is empty", f.feeder, &Ingest{Machine: "M1"})
	f.refused(TooLarge, "at most 10000", f.feeder, &Ingest{Machine: "M1", Samples: make([]SampleEvent, MaxBatch+1)})
	f.refused(Invalid, "control", f.feeder, &Ingest{Machine: "M1", Source: "a\tb", States: []StateEvent{{State: MachineIdle}}})

	// a store that does not answer refuses the batch as a whole: nothing of it is given up
	f.store.trouble = Faultf(Unavailable, "the database does not answer; try again")
	f.refused(Unavailable, "", f.feeder, &Ingest{Machine: "M1", Samples: []SampleEvent{{Tag: "a", Text: "b"}}})
	f.refused(Unavailable, "", f.feeder, &SetMachineState{Machine: "M1", State: MachineIdle})
	f.store.trouble = nil

	// a key of one machine feeds that machine
	own := Actor{Kind: ByMachine, ID: "key-m1", Name: "M1", Grants: []Grant{{Role: Feeder, Machine: "M1"}}}
	f.do(own, &SetMachineState{Machine: "M1", State: MachineRunning})
	f.refused(NotFound, "no equipment M2 here", own, &SetMachineState{Machine: "M2", State: MachineRunning})
	f.refused(NotFound, "no equipment M77 here", own, &SetMachineState{Machine: "M77", State: MachineRunning})
}

func TestMachine_silenceIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name string
		tile MachineTile
		want MachineCondition
	}{
		{"never heard", MachineTile{}, MachineUnknown},
		{"no time-out", MachineTile{State: MachineRunning, HeardAt: monday.Add(-time.Hour)}, MachineRunning},
		{"in time", MachineTile{State: MachineRunning, TimeoutS: 60, HeardAt: monday.Add(-time.Minute)}, MachineRunning},
		{"too long", MachineTile{State: MachineRunning, TimeoutS: 60, HeardAt: monday.Add(-61 * time.Second)}, MachineUnknown},
	} {
		c.tile.silence(monday)
		if c.tile.State != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.tile.State, c.want)
		}
	}
}
