package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gemba/mes"
)

// A floor is a small plant over a store, worked through the one door as people and machines would.
type floor struct {
	t   testing.TB
	app *mes.App
	n   atomic.Int64
}

var (
	engineer = mes.Actor{Kind: mes.ByPerson, ID: "p-engineer", Grants: []mes.Grant{{Role: mes.Engineer}, {Role: mes.Setup}}}
	approver = mes.System("approver", "approver")
	lead     = mes.Actor{Kind: mes.ByPerson, ID: "p-lead", Person: "p-lead", Grants: []mes.Grant{{Role: mes.Lead}}}
	feeder   = mes.Actor{Kind: mes.ByProgram, ID: "k-feeder", Key: "k-feeder", Grants: []mes.Grant{{Role: mes.Feeder}, {Role: mes.Viewer}}}
)

// newFloor defines a site with a line, a machine and a product of two operations.
func newFloor(t testing.TB, s *Store) *floor {
	f := &floor{t: t}
	start := time.Now().UTC()
	f.app = mes.NewApp(s, time.Now, func() mes.ID {
		return mes.ID(fmt.Sprintf("%013x-%09x", start.UnixMilli(), f.n.Add(1)))
	}, func(...string) {})
	f.do(engineer, &mes.DefineEquipment{Code: "S1", Name: "Site", Level: mes.Site, TimeZone: "Europe/Berlin"})
	f.do(engineer, &mes.DefineEquipment{Code: "L1", Name: "Line", Level: mes.WorkCentre, Parent: "S1"})
	f.do(engineer, &mes.DefineEquipment{Code: "M1", Name: "Lathe", Level: mes.WorkUnit, Parent: "L1", Classes: []string{"lathe"}, Capacity: 100})
	f.do(engineer, &mes.DefineProduct{Code: "P1", Name: "Valve", Family: "valves"})
	f.do(engineer, &mes.DraftRevision{Product: "P1", Rev: "A", Routing: []mes.RoutingOperation{
		{Seq: 10, Code: "TURN", Name: "Turn", Line: "L1", RunMS: 1000},
		{Seq: 20, Code: "PACK", Name: "Pack", Line: "L1", RunMS: 500},
	}})
	f.do(engineer, &mes.SubmitRevision{Product: "P1", Rev: "A"})
	f.do(approver, &mes.ReleaseRevision{Product: "P1", Rev: "A"})
	return f
}

func (f *floor) do(actor mes.Actor, c mes.Command) mes.Receipt {
	f.t.Helper()
	r, err := f.app.Do(context.Background(), actor, "", c)
	if err != nil {
		f.t.Fatalf("%T: %v (%v)", c, err, cause(err))
	}
	return r
}

// operator registers somebody who works.
func (f *floor) operator(badge string) mes.Actor {
	f.t.Helper()
	r := f.do(engineer, &mes.RegisterPerson{Badge: mes.ID(badge), Name: "Operator " + badge, Tending: 20})
	var given struct {
		Person mes.ID `json:"person"`
	}
	if err := json.Unmarshal(r.Result, &given); err != nil {
		f.t.Fatal(err)
	}
	return mes.Actor{Kind: mes.ByPerson, ID: given.Person, Person: given.Person, Grants: []mes.Grant{{Role: mes.Operator}}}
}

// cause tells what is behind a fault, for whoever reads a failed test.
func cause(err error) error { return errors.Unwrap(err) }

// order makes and releases an order.
func (f *floor) order(number string, quantity int64) {
	f.t.Helper()
	f.do(lead, &mes.CreateOrder{Number: number, Product: "P1", Quantity: quantity})
	f.do(lead, &mes.ReleaseOrder{Order: mes.ID(number)})
}
