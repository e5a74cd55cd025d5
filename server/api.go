package server

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"gemba/mes"
)

// Bounds of HTTP that nobody needs to change.
const (
	httpHeaderTime = 5 * time.Second
	httpReadTime   = 15 * time.Second
	httpWriteTime  = 15 * time.Second
	httpIdleTime   = 60 * time.Second
	http2Streams   = 50 // of one connection
)

// An apiDoor lets machines and programs in.
type apiDoor struct {
	options  Options
	limits   Limits
	log      *slog.Logger
	keyring  *keyring
	rate     *buckets
	batches  *places
	streams  *places
	callers  *callers
	server   *http.Server
	mux      *http.ServeMux
	innocent map[string]map[string]bool // of a route: parameters that only look like secrets
	sessions func() int                 // open SSH sessions
	started  time.Time
	away     func() int64 // connections that were turned away
	changed  *Mailbox
	ending   context.Context // ends when the server goes down
	stop     context.CancelFunc
}

func newAPIDoor(ctx context.Context, o Options, refusals *refusals, sessions func() int) (*apiDoor, error) {
	d := &apiDoor{
		options: o, limits: o.Limits, log: o.Log, keyring: newKeyring(o, refusals), sessions: sessions, started: o.Now(),
		rate:     newBuckets(float64(o.Limits.KeyRate), 2*float64(o.Limits.KeyRate), o.Now),
		batches:  newPlaces(ingestAtOnce, ingestOfKey, ingestWaiting),
		streams:  newPlaces(o.Limits.Streams, o.Limits.StreamsOf, 0),
		callers:  newCallers(o.Limits),
		mux:      http.NewServeMux(),
		innocent: map[string]map[string]bool{},
		changed:  o.Feed.Subscribe(),
	}
	ending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.ending, d.stop = ending, func() { cancel(); d.changed.Close() }
	if err := d.route(); err != nil {
		d.stop()
		return nil, err
	}
	go d.keyring.watch(d.changed)
	d.server = &http.Server{
		Handler: d, TLSConfig: o.TLS.Clone(), ReadHeaderTimeout: httpHeaderTime, ReadTimeout: httpReadTime, WriteTimeout: httpWriteTime,
		IdleTimeout: httpIdleTime, MaxHeaderBytes: o.Limits.HeaderBytes, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: http2Streams},
		ErrorLog: log.New(httpLog{o.Log}, "", 0), ConnContext: withCaller, DisableGeneralOptionsHandler: true,
	}
	d.server.RegisterOnShutdown(d.stop)
	d.server.RegisterOnShutdown(d.callers.dismiss)
	return d, nil
}

// serve answers what comes in through a listener, until shutdown.
func (d *apiDoor) serve(l net.Listener) error {
	return d.server.ServeTLS(callerListener{l, d.callers}, "", "")
}

// ServeHTTP answers a request: who is it, may they ask so much, and then the route.
func (d *apiDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{id: requestID(), gone: r.Context(), began: time.Now(), at: d.options.Now(), origin: originOf(r.RemoteAddr)}
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	r.Body = &tracedBody{ReadCloser: r.Body, call: c}
	out := &tracedWriter{ResponseWriter: w, call: c}
	h := w.Header()
	h.Set("X-Request-Id", c.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
			d.log.Error("a request failed", "id", c.id, "panic", fault, "stack", string(debug.Stack()))
			d.fail(out, r, mes.Faultf(mes.Internal, "%s", mes.ErrorMessage(errors.New(""))))
		}
		d.trace(r, c)
	}()
	if err := d.admit(r, c); err != nil {
		d.fail(out, r, err)
		return
	}
	d.mux.ServeHTTP(out, r)
}

// admit tells who makes a request, and whether they may make another one now.
func (d *apiDoor) admit(r *http.Request, c *call) error {
	key, err := keyIn(r)
	c.key = mes.ID(key.ID)
	known := func(parameter string) bool { return d.innocent[d.routeOf(r)][parameter] }
	switch {
	case secretInAddress(r.URL, known):
		return errSecretInAddress
	case secretInHeader(r.Header):
		return errSecretInHeader
	case err != nil:
		return err
	}
	if c.actor, err = d.keyring.actor(r.Context(), key, c.origin); err != nil {
		return err
	}
	if !callerOf(r).known() {
		return errTooManyCallers
	}
	if ok, _ := d.rate.take(key.ID); !ok {
		return mes.Faultf(mes.Busy, "more than %d requests a second came with this key; send fewer, or larger batches", d.limits.KeyRate)
	}
	if r.URL.Path != path.Clean(r.URL.Path) || !strings.HasPrefix(r.URL.Path, "/") {
		return errNoRoute
	}
	return nil
}

// errNoRoute is the one answer to every address that there is not.
var errNoRoute = mes.Faultf(mes.NotFound, "there is nothing at this address; /v1/openapi.json lists what there is")

// fail answers with a problem, and notes it for the log.
func (d *apiDoor) fail(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r)
	c.refuse(err)
	if c.code == mes.Internal || c.code == mes.Unavailable {
		d.log.Error("a request could not be answered", "id", c.id, "route", d.routeOf(r), "error", err, "cause", errors.Unwrap(err))
	}
	if c.status != 0 {
		return // the answer has begun
	}
	writeProblem(w, err)
}

// httpLog takes what net/http has to say, which is about broken connections, mostly.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Write(p []byte) (int, error) {
	l.log.Debug("http", "message", plainText(strings.TrimSpace(string(p)), 300))
	return len(p), nil
}
