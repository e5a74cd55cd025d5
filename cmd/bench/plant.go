package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"gemba/keys"
	"gemba/mes"
	"gemba/server"
	"gemba/storage"
)

// A plant is a store with the door over it, opened as a node opens it: heads signed, changes published.
type plant struct {
	store *storage.Store
	app   *mes.App
	feed  *server.Feed
}

func openPlant(ctx context.Context, p place, folder string) (*plant, error) {
	signing, err := keys.LoadOrCreateSigningKey(filepath.Join(folder, "ledger.key"))
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(ctx, storage.Options{
		Store: p.store(), Writer: "bench", TLS: p.tls(), Now: time.Now,
		Sign:     func(head []byte) (string, string) { return signing.Sign(head), signing.Public().ID() },
		SignNote: signing.SignNote, Witness: filepath.Join(folder, "witness.jsonl"), TracePath: filepath.Join(folder, "trace.db"),
	})
	if err != nil {
		return nil, err
	}
	feed := server.NewFeed()
	return &plant{store, mes.NewApp(store, time.Now, newID, feed.Publish), feed}, nil
}

// newID makes ids as a node does: they sort by time.
func newID() mes.ID { return mes.ID(uuid.Must(uuid.NewV7()).String()) }

// setUp carries out a command of the set-up, under an id that says who; an author does not approve.
func (p *plant) setUp(ctx context.Context, as mes.ID, c mes.Command) (mes.Receipt, error) {
	r, err := p.app.Do(ctx, mes.System(as, "benchmark"), "", c)
	if err != nil {
		return r, fmt.Errorf("%s: %w", mes.SpecOf(c).Name, err)
	}
	return r, nil
}

// What the plant of the benchmarks has.
const (
	site     = "BENCH"
	product  = "BENCH-VALVE"
	station  = "BENCH-ST1"
	machines = 12
)

// The operations of each order, on a line each.
var operations = []string{"10", "20", "30"}

func lineOf(i int) mes.ID    { return mes.ID(fmt.Sprintf("BENCH-L%d", i+1)) }
func machineOf(i int) mes.ID { return mes.ID(fmt.Sprintf("BENCH-M%02d", i+1)) }

// equip makes lines, machines and a station.
func (p *plant) equip(ctx context.Context) error {
	all := []mes.Command{
		&mes.DefineEquipment{Code: "BENCH-CO", Name: "Bench", Level: mes.Enterprise},
		&mes.DefineEquipment{Code: site, Name: "Bench", Level: mes.Site, Parent: "BENCH-CO", TimeZone: "Europe/Berlin"},
	}
	for i := range operations {
		all = append(all, &mes.DefineEquipment{Code: lineOf(i), Name: fmt.Sprintf("Line %d", i+1), Level: mes.WorkCentre, Parent: site})
	}
	for i := range machines {
		all = append(all, &mes.DefineEquipment{Code: machineOf(i), Name: fmt.Sprintf("Machine %d", i+1), Level: mes.WorkUnit, Parent: lineOf(i % len(operations))})
	}
	all = append(all, &mes.EnrolStation{Code: station, Name: "Station 1", Line: lineOf(0)})
	for _, c := range all {
		if _, err := p.setUp(ctx, "bench", c); err != nil {
			return err
		}
	}
	return nil
}

// define makes the product that all orders are for.
func (p *plant) define(ctx context.Context) error {
	routing := make([]mes.RoutingOperation, len(operations))
	for i, name := range []string{"Turning", "Milling", "Inspection"} {
		routing[i] = mes.RoutingOperation{Seq: (i + 1) * 10, Code: name, Name: name, Line: lineOf(i), RunMS: 30_000}
	}
	for _, step := range []struct {
		as mes.ID
		c  mes.Command
	}{
		{"engineer", &mes.DefineProduct{Code: product, Name: "Valve", Unit: "pcs", Family: "valves"}},
		{"engineer", &mes.DraftRevision{Product: product, Rev: "A", EffectiveFrom: mes.At(time.Now().AddDate(0, 0, -30)), Routing: routing}},
		{"engineer", &mes.SubmitRevision{Product: product, Rev: "A"}},
		{"approver", &mes.ReleaseRevision{Product: product, Rev: "A"}},
	} {
		if _, err := p.setUp(ctx, step.as, step.c); err != nil {
			return err
		}
	}
	return nil
}

// A job is a person who is signed in and has a running session on each operation of an order.
type job struct {
	actor mes.Actor
	order mes.ID
}

// job makes the i-th order and the person who works on it. Enough is reported already on the operations before the
// last that each has more to report on than a run will use up.
func (p *plant) job(ctx context.Context, i int) (job, error) {
	badge, order := mes.ID(fmt.Sprintf("B%04d", i)), mes.ID(fmt.Sprintf("BENCH-%04d", i))
	grants := []mes.Grant{{Role: mes.Operator, Site: site}}
	var person, session mes.ID
	steps := []struct {
		c     mes.Command
		gives string
		into  *mes.ID
	}{
		{&mes.RegisterPerson{Badge: badge, Name: fmt.Sprintf("Person %d", i), Grants: grants, Tending: len(operations)}, "person", &person},
		{&mes.SignInPerson{Person: badge, Method: "badge and PIN"}, "session", &session},
		{&mes.CreateOrder{Number: string(order), Product: product, Quantity: mes.MaxQuantity, Priority: 1 + i%9}, "", nil},
		{&mes.ReleaseOrder{Order: order}, "", nil},
	}
	for _, s := range steps {
		r, err := p.setUp(ctx, "bench", s.c)
		if err == nil && s.into != nil {
			*s.into, err = given(r, s.gives)
		}
		if err != nil {
			return job{}, err
		}
	}
	j := job{order: order, actor: mes.Actor{
		Kind: mes.ByPerson, ID: person, Name: fmt.Sprintf("Person %d", i), Person: person, Station: station, Session: session,
		Source: "192.0.2.7", Grants: grants,
	}}
	for n, op := range operations {
		do := []mes.Command{&mes.StartJob{Order: order, Operation: op}}
		if n < len(operations)-1 {
			do = append(do, &mes.ReportJob{Order: order, Operation: op, Good: stock >> n})
		}
		for _, c := range do {
			if _, err := p.app.Do(ctx, j.actor, newID(), c); err != nil {
				return job{}, fmt.Errorf("%s on operation %s: %w", mes.SpecOf(c).Name, op, err)
			}
		}
	}
	return j, nil
}

// stock is what the first operation has reported of an order before the measurement; the second has half of it.
const stock = int64(1) << 28

// given reads an id out of a receipt.
func given(r mes.Receipt, name string) (mes.ID, error) {
	var result map[string]json.RawMessage
	var id mes.ID
	if err := json.Unmarshal(r.Result, &result); err != nil {
		return "", err
	}
	if err := json.Unmarshal(result[name], &id); err != nil || id == "" {
		return "", errors.Join(fmt.Errorf("%s gave no %s", r.Command, name), err)
	}
	return id, nil
}

func (p *plant) close() error { return p.store.Close() }
