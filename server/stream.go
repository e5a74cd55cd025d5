package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gemba/mes"
)

// streamPulse is how often a quiet stream shows that it is alive.
const streamPulse = 15 * time.Second

// stream sends topics as server-sent events for as long as the caller listens and may: event "topics", data a JSON list
// of what changed. The first event says that the stream has begun; whoever connected again looks at everything once.
func (d *apiDoor) stream(w http.ResponseWriter, r *http.Request) (any, error) {
	c := callOf(r)
	if len(c.actor.Scope(mes.ViewFloor)) == 0 {
		return nil, mes.Faultf(mes.Denied, "you may not look at this; ask who manages access")
	}
	if err := noParameters(r.URL); err != nil {
		return nil, err
	}
	leave, ok := d.streams.take(string(c.actor.Key), 0)
	if !ok {
		return nil, mes.Faultf(mes.Busy, "too many streams are open; close one of yours first")
	}
	defer leave()
	key, err := keyIn(r)
	if err != nil {
		return nil, err
	}
	box := d.options.Feed.Subscribe()
	defer box.Close()
	news := make(chan []string)
	ctx, cancel := d.untilGone(r)
	defer cancel()
	go func() {
		for {
			topics, ok := box.Wait()
			if !ok {
				return
			}
			select {
			case news <- topics:
			case <-ctx.Done():
				return
			}
		}
	}()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{})
	send := func(format string, args ...any) bool {
		_ = out.SetWriteDeadline(time.Now().Add(d.limits.WriteStall))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && out.Flush() == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if !send("event: begin\ndata: [%q]\n\n", Everything) {
		return nil, nil
	}
	pulse := time.NewTicker(streamPulse)
	defer pulse.Stop()
	for {
		var topics []string
		select {
		case <-ctx.Done():
			return nil, nil
		case <-d.ending.Done():
			send("event: end\ndata: []\n\n")
			return nil, nil
		case <-pulse.C:
		case topics = <-news:
		}
		actor, err := d.keyring.actor(ctx, key, c.origin) // may they still hear this?
		if err != nil {
			send("event: end\ndata: []\n\n")
			return nil, nil
		}
		text := d.heard(ctx, actor.Scope(mes.ViewFloor), topics)
		if topics == nil {
			text = ": still here\n\n"
		}
		if text != "" && !send("%s", text) {
			return nil, nil
		}
	}
}

// heard is the event that tells of topics, "" when none of them is for the caller.
func (d *apiDoor) heard(ctx context.Context, scope mes.Scope, topics []string) string {
	var seen []string
	for _, topic := range topics {
		if d.mayHear(ctx, scope, topic) {
			seen = append(seen, topic)
		}
	}
	if len(seen) == 0 {
		return ""
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return ""
	}
	return "event: topics\ndata: " + string(text) + "\n\n"
}

// untilGone is a context that ends when the caller is gone. That of an endpoint would end a stream after the time for
// one request.
func (d *apiDoor) untilGone(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(callOf(r).gone, cancel)
	return ctx, func() { stop(); cancel() }
}

// mayHear tells whether a topic is about the floor, and inside the scope. People, keys and sign-ins are not for streams.
func (d *apiDoor) mayHear(ctx context.Context, scope mes.Scope, topic string) bool {
	if len(scope) == 0 {
		return false
	}
	if topic == Everything {
		return true
	}
	kind, id, _ := strings.Cut(topic, ":")
	switch kind {
	case "line", "machine", string(mes.KindEquipment):
		if scope.Everywhere() {
			return true
		}
		e, err := d.options.Records.Equipment(ctx, mes.Cached, mes.ID(id))
		return err == nil && scope.Covers(e.Place())
	case string(mes.KindOrder):
		if scope.Everywhere() {
			return true
		}
		o, err := d.options.Records.Order(ctx, mes.Cached, mes.ID(id))
		return err == nil && scope.Covers(o.Place())
	case string(mes.KindProduct), string(mes.KindRevision):
		return scope.Everywhere()
	}
	return false
}
