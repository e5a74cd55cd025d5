package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gemba/mes"
)

// recordTime bounds how long a refusal or a sign-out may take to be written down.
const recordTime = 5 * time.Second

// refusals write down who was turned away. Each is in the ledger, up to a number for each source; of a flood, the next
// one that is written says how many there were.
type refusals struct {
	app   *mes.App
	log   *slog.Logger
	quota *buckets
}

func newRefusals(app *mes.App, log *slog.Logger, burst int, now func() time.Time) *refusals {
	return &refusals{app: app, log: log, quota: newBuckets(0.1, float64(burst), now)}
}

// record writes a refusal down. It never fails for the caller: who was refused stays refused.
func (r *refusals) record(ctx context.Context, actor mes.Actor, command, subject, reason string) {
	r.log.Info("refused", "command", command, "subject", subject, "reason", reason, "source", actor.Source, "key", actor.Key, "station", actor.Station)
	_, source := mes.Sources(actor, "") // of IPv6 all addresses of one network are one
	ok, before := r.quota.take(source)
	if !ok {
		return
	}
	if before > 0 {
		reason = fmt.Sprintf("%s (and %d refusals from here before)", reason, before)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	fault := mes.Faultf(mes.Unauthenticated, "%s", reason)
	if err := r.app.Refuse(ctx, actor, command, subject, fault); err != nil && mes.ErrorCode(err) != mes.Unauthenticated {
		r.log.Error("a refusal was not recorded", "command", command, "subject", subject, "error", err)
	}
}
