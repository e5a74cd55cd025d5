package mes

import (
	"context"
	"time"
)

// A Call is one request at the API, as the trace keeps it: who asked for what, what came of it and how long it took.
// No secret, no body and no query is in it.
type Call struct {
	ID        string    `json:"id"` // of the request; the answer carries it too
	At        time.Time `json:"at"`
	Key       ID        `json:"key"`       // public first part of the API key, as it was sent
	Principal ID        `json:"principal"` // whom the key stands for, if it was right
	Route     string    `json:"route"`     // "GET /v1/orders/{order}"
	Status    int       `json:"status"`    // HTTP status
	In        int64     `json:"in"`        // bytes of the request's body
	Out       int64     `json:"out"`       // bytes of the answer's body
	MS        float64   `json:"ms"`        // milliseconds until the answer had been written
	Reason    string    `json:"reason"`    // why it was refused
	Source    string    `json:"source"`    // network address, without port
}

// TraceFilter chooses calls, in from ≤ at < to. Empty fields choose all.
type TraceFilter struct {
	ID        string
	Key       ID
	Principal ID
	Route     string
	Status    int
	Source    string
	From, To  time.Time
	Page      Page
}

// Calls lists calls at the API, newest first. They belong to no place, so only who may read the ledger everywhere sees
// them.
func (a *App) Calls(ctx context.Context, actor Actor, f TraceFilter) ([]Call, string, error) {
	s, err := sees(actor, ViewLedger)
	if err != nil {
		return nil, "", err
	}
	if !s.Everywhere() {
		return nil, "", Faultf(Denied, "the trace is of the whole plant, and you look after a part; ask who manages access")
	}
	f.Page = f.Page.bounded()
	return a.store.Calls(ctx, f)
}
