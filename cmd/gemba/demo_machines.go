package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// beat is how often a simulated machine says something.
const beat = 3 * time.Second

// startMachines lets the demonstration plant's machines run. Each sends through the real API with its own key, as a
// gateway would; the group is done when all have stopped.
func startMachines(ctx context.Context, machines []demoMachine, c *demoCredentials, log *slog.Logger) (*sync.WaitGroup, error) {
	config, err := keys.ClientConfig(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("simulated machines: %w", err)
	}
	var running sync.WaitGroup
	for _, m := range machines {
		client := newClient(c.API, c.key("machine-"+m.Code), config, 1)
		s := newSimulation(m, time.Now())
		running.Go(func() {
			ticker := time.NewTicker(beat)
			defer ticker.Stop()
			for {
				batch := s.step(time.Now())
				if _, err := client.do(ctx, "", batch); err != nil && ctx.Err() == nil {
					log.Warn("A simulated machine could not send", "machine", m.Code, "error", err)
				}
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
			}
		})
	}
	return &running, nil
}

// A simulation is a machine that makes up its day: mostly running, now and then waiting, held, down or in setup.
type simulation struct {
	machine  demoMachine
	random   *rand.Rand
	state    mes.MachineCondition
	reason   string
	until    time.Time
	lastPart time.Time
	total    int64
	reject   int64
}

// newSimulation starts a machine. Machines differ, and each does the same on every start.
func newSimulation(m demoMachine, now time.Time) *simulation {
	h := fnv.New64a()
	h.Write([]byte(m.Code))
	s := &simulation{machine: m, random: rand.New(rand.NewPCG(h.Sum64(), 7)), lastPart: now}
	s.total = int64(s.random.IntN(400))
	return s
}

// spells are what a machine may do next: how likely, how long at most, and why.
var spells = []struct {
	state  mes.MachineCondition
	weight int
	most   time.Duration
	reason []string
}{
	{mes.MachineRunning, 70, 4 * time.Minute, []string{""}},
	{mes.MachineWaiting, 10, 40 * time.Second, []string{"no material", "downstream full"}},
	{mes.MachineSetup, 6, 90 * time.Second, []string{"tool change", "next job"}},
	{mes.MachineHeld, 5, 30 * time.Second, []string{"feed hold"}},
	{mes.MachineDown, 5, 60 * time.Second, []string{"tool broken", "coolant low", "door switch"}},
	{mes.MachineIdle, 4, 60 * time.Second, []string{"no order"}},
}

// step is what the machine says now: a new state if there is one, its counters, and two values.
func (s *simulation) step(now time.Time) *mes.Ingest {
	batch := &mes.Ingest{Machine: mes.ID(s.machine.Code), Source: "simulator"}
	if !now.Before(s.until) {
		s.next(now)
		batch.States = []mes.StateEvent{{State: s.state, At: mes.At(now), Reason: s.reason}}
	}
	cycle := time.Duration(s.machine.CycleS) * time.Second
	for s.state == mes.MachineRunning && now.Sub(s.lastPart) >= cycle {
		s.lastPart = s.lastPart.Add(cycle)
		s.total++
		if s.random.IntN(50) == 0 {
			s.reject++
		}
	}
	batch.Counts = []mes.CountEvent{{Counter: "total", Value: s.total, At: mes.At(now)}, {Counter: "reject", Value: s.reject, At: mes.At(now)}}
	load, temperature := 5+s.random.Float64()*5, 40+s.random.Float64()*2
	if s.state == mes.MachineRunning {
		load += 40 + s.random.Float64()*30
	}
	batch.Samples = []mes.SampleEvent{{Tag: "load", At: mes.At(now), Value: &load}, {Tag: "temperature", At: mes.At(now), Value: &temperature}}
	return batch
}

// next picks the machine's next spell.
func (s *simulation) next(now time.Time) {
	if s.state != mes.MachineRunning && s.state != "" {
		s.state, s.reason = mes.MachineRunning, ""
		s.until, s.lastPart = now.Add(30*time.Second+time.Duration(s.random.Int64N(int64(4*time.Minute)))), now
		return
	}
	pick := s.random.IntN(100)
	for _, spell := range spells {
		if pick -= spell.weight; pick < 0 {
			s.state, s.reason = spell.state, spell.reason[s.random.IntN(len(spell.reason))]
			s.until = now.Add(10*time.Second + time.Duration(s.random.Int64N(int64(spell.most))))
			s.lastPart = now
			return
		}
	}
}
