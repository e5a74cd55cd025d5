package server

import (
	"context"
	"runtime"
	"time"

	"gemba/mes"
)

// healthTime bounds the look at the store.
const healthTime = 2 * time.Second

// Health is how a node does.
type Health struct {
	Status   string      `json:"status" enum:"ok,failing" doc:"ok, or failing when the store does not answer"`
	UptimeS  int64       `json:"uptime_s" doc:"seconds since the doors opened"`
	Sessions int         `json:"ssh_sessions" doc:"open SSH sessions"`
	Streams  int         `json:"streams" doc:"open event streams"`
	Batches  int         `json:"batches" doc:"ingest batches being worked on"`
	Callers  int         `json:"api_connections" doc:"open API connections, those without a key included"`
	Away     int64       `json:"turned_away" doc:"connections closed since the doors opened because they came from a network that is not let in"`
	Readers  int         `json:"feed_subscribers" doc:"open mailboxes of the live feed"`
	Memory   uint64      `json:"heap_bytes" doc:"memory in use, without what can be freed"`
	Routines int         `json:"goroutines" doc:"goroutines"`
	Store    StoreHealth `json:"store" doc:"the database"`

	Ledger mes.LedgerHealth `json:"ledger" doc:"the evidence of this node's ledger"`
}

// StoreHealth is how the store does, as seen from here.
type StoreHealth struct {
	Reachable bool    `json:"reachable" doc:"whether it answered"`
	MS        float64 `json:"ms" doc:"how long the answer took, milliseconds"`
}

// look asks the store something small and counts what is open. A store that says there is no such thing has answered.
func (d *apiDoor) look(ctx context.Context) Health {
	began := time.Now()
	_, err := d.options.Records.Equipment(ctx, mes.Local, "health-probe")
	took := time.Since(began)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	h := Health{
		Status: "ok", UptimeS: int64(d.options.Now().Sub(d.started).Seconds()), Sessions: d.sessions(), Streams: d.streams.count(),
		Batches: d.batches.count(), Callers: d.callers.count(), Away: d.away(), Readers: d.options.Feed.subscribers(), Memory: memory.HeapAlloc, Routines: runtime.NumGoroutine(),
		Store: StoreHealth{Reachable: err == nil || mes.ErrorCode(err) == mes.NotFound, MS: float64(took.Microseconds()) / 1000},
	}
	if d.options.Ledger != nil {
		h.Ledger = d.options.Ledger(d.options.Now())
	}
	if !h.Store.Reachable {
		h.Status = "failing"
	}
	return h
}
