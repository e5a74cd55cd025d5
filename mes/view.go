package mes

import "time"

// OrderSummary is a work order as a list shows it.
type OrderSummary struct {
	ID        ID         `json:"id"`
	Number    string     `json:"number"`
	Product   ID         `json:"product"`
	Family    string     `json:"family"`
	Site      ID         `json:"site"`
	Line      ID         `json:"line"`
	State     OrderState `json:"state"`
	Ordered   int64      `json:"ordered"`
	Unit      string     `json:"unit"`
	Priority  int        `json:"priority"`
	Due       time.Time  `json:"due"`
	Good      int64      `json:"good"`       // of the last operation
	Scrap     int64      `json:"scrap"`      // of all operations
	Ops       int        `json:"operations"` // how many
	OpsDone   int        `json:"done"`       // completed or skipped
	Running   int        `json:"running"`    // sessions that run now
	ReleaseAt time.Time  `json:"released_at"`
}

// OrderDetail is a work order with all that belongs to it.
type OrderDetail struct {
	Order      Order       `json:"order"`
	Operations []Operation `json:"operations"` // in order of their numbers
	Available  []int64     `json:"available"`  // of each operation: what can still be reported
	Sessions   []Session   `json:"sessions"`   // newest first, at most 200
	Reports    []Report    `json:"reports"`    // newest first, at most 200
}

// Availability fills in what each operation can still report.
func (o *OrderDetail) Availability() {
	f := &flow{order: &o.Order}
	for i := range o.Operations {
		f.ops = append(f.ops, &o.Operations[i])
	}
	o.Available = make([]int64, len(f.ops))
	if len(f.ops) != len(o.Order.Snapshot.Routing) {
		return
	}
	for i, op := range f.ops {
		o.Available[i] = max(f.available(op), 0)
	}
}

// QueueItem is an operation that can be worked on.
type QueueItem struct {
	Order     ID         `json:"order"`
	Number    string     `json:"number"`
	OrderIs   OrderState `json:"order_state"`
	Product   ID         `json:"product"`
	Unit      string     `json:"unit"`
	Ordered   int64      `json:"ordered"`
	Priority  int        `json:"priority"`
	Due       time.Time  `json:"due"`
	Operation ID         `json:"operation"`
	Seq       int        `json:"seq"`
	Code      string     `json:"code"`
	Name      string     `json:"name"`
	Site      ID         `json:"site"`
	Line      ID         `json:"line"`
	State     OpState    `json:"state"`
	Good      int64      `json:"good"`
	Scrap     int64      `json:"scrap"`
	Available int64      `json:"available"`
	Running   int        `json:"running"`
	Sessions  []ID       `json:"sessions"` // open ones
}

// MachineTile is a machine as the board shows it.
type MachineTile struct {
	Machine  ID               `json:"machine"`
	Name     string           `json:"name"`
	Site     ID               `json:"site"`
	Line     ID               `json:"line"`
	State    MachineCondition `json:"state"`
	Since    time.Time        `json:"since"`
	Reason   string           `json:"reason"`
	Raw      string           `json:"raw"`
	TimeoutS int              `json:"timeout_s"`
	Order    string           `json:"order"`     // number of the order of a running session
	Seq      int              `json:"operation"` // and its operation
	Person   string           `json:"person"`    // and who works
	Total    int64            `json:"total"`     // of its counter "total", or "good" if it has none
	HeardAt  time.Time        `json:"heard_at"`  // newest state or reading
	Alarm    string           `json:"alarm"`     // newest condition that is not normal
}

// Totals are sums over work orders.
type Totals struct {
	Orders         int64 `json:"orders"`
	Sessions       int64 `json:"sessions"`
	ReworkSessions int64 `json:"rework_sessions"`
	OpenSessions   int64 `json:"open_sessions"`
	Reports        int64 `json:"reports"` // that stand
	Good           int64 `json:"good"`
	Scrap          int64 `json:"scrap"`
	Rework         int64 `json:"rework"`
	Review         int64 `json:"review"`
	Odd            int64 `json:"odd"` // sessions and reports with oddities
}

// MachineTotals counts what is stored of a machine.
type MachineTotals struct {
	States   int64            `json:"states"`
	Late     int64            `json:"late_states"`
	Counts   int64            `json:"counts"`
	LateRead int64            `json:"late_counts"`
	Samples  int64            `json:"samples"`
	Alarms   int64            `json:"alarms"`
	Counters map[string]int64 `json:"counters"` // total of each counter
}
