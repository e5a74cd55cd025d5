package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
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
	server   *http.Server
	mux      *http.ServeMux
	sessions func() int // open SSH sessions
	started  time.Time
	changed  *Mailbox
	ending   context.Context // ends when the server goes down
	stop     context.CancelFunc
}

func newAPIDoor(ctx context.Context, o Options, refusals *refusals, sessions func() int) (*apiDoor, error) {
	d := &apiDoor{
		options: o, limits: o.Limits, log: o.Log, keyring: newKeyring(o, refusals), sessions: sessions, started: o.Now(),
		rate:    newBuckets(float64(o.Limits.KeyRate), 2*float64(o.Limits.KeyRate), o.Now),
		batches: newPlaces(ingestAtOnce, ingestOfKey, ingestWaiting),
		streams: newPlaces(o.Limits.Streams, o.Limits.StreamsOf, 0),
		mux:     http.NewServeMux(),
		changed: o.Feed.Subscribe(),
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
		ErrorLog: log.New(httpLog{o.Log}, "", 0),
	}
	d.server.RegisterOnShutdown(d.stop)
	return d, nil
}

// serve answers what comes in through a listener, until shutdown.
func (d *apiDoor) serve(l net.Listener) error {
	bounded := &boundedListener{Listener: l, places: newPlaces(d.limits.Connections, d.limits.ConnectionsFrom, 0), log: d.log}
	return d.server.ServeTLS(bounded, "", "")
}

// A call is one request as the log tells of it, and who makes it.
type call struct {
	id     string
	actor  mes.Actor
	route  string
	code   mes.Code // of a refusal
	status int
	bytes  int64
	gone   context.Context // ends when the caller is gone
}

// callKey is where the call is in the context of a request.
type callKey struct{}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// ServeHTTP answers a request: who is it, may they ask so much, and then the route.
func (d *apiDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{id: requestID(), route: "-", gone: r.Context()}
	began := time.Now()
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
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
		d.log.Info("request", "id", c.id, "key", c.actor.Key, "source", sourceText(r.RemoteAddr), "method", plainText(r.Method, 10), "route", c.route,
			"status", c.status, "bytes", c.bytes, "ms", time.Since(began).Milliseconds(), "refusal", c.code)
	}()
	if err := d.admit(r, c); err != nil {
		d.fail(out, r, err)
		return
	}
	d.mux.ServeHTTP(out, r)
}

// admit tells who makes a request, and whether they may make another one now.
func (d *apiDoor) admit(r *http.Request, c *call) error {
	if secretInAddress(r.URL) {
		return mes.Faultf(credentialInRequest, "a key or password is in the address, where logs may keep it; send the key as Authorization: Bearer KEY, and revoke this one")
	}
	key, err := keyIn(r)
	if err != nil {
		return err
	}
	if c.actor, err = d.keyring.actor(r.Context(), key, sourceText(r.RemoteAddr)); err != nil {
		return err
	}
	if ok, _ := d.rate.take(key.ID); !ok {
		return mes.Faultf(mes.Busy, "more than %d requests a second came with this key; send fewer, or larger batches", d.limits.KeyRate)
	}
	if r.URL.Path != path.Clean(r.URL.Path) {
		return errNoRoute
	}
	return nil
}

// errNoRoute is the one answer to every address that there is not.
var errNoRoute = mes.Faultf(mes.NotFound, "there is nothing at this address; /v1/openapi.json lists what there is")

// fail answers with a problem, and notes it for the log.
func (d *apiDoor) fail(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r)
	c.code = mes.ErrorCode(err)
	if c.code == mes.Internal || c.code == mes.Unavailable {
		d.log.Error("a request could not be answered", "id", c.id, "route", c.route, "error", err, "cause", errors.Unwrap(err))
	}
	if c.status != 0 {
		return // the answer has begun
	}
	writeProblem(w, err)
}

// secretNames are parameters that somebody may put a secret into.
var secretNames = map[string]bool{
	"api_key": true, "apikey": true, "api-key": true, "x-api-key": true, "access_token": true, "token": true, "bearer": true,
	"authorization": true, "password": true, "passwd": true, "pwd": true, "pin": true, "secret": true, "key": true,
}

// secretInAddress tells whether a key or password was put into the address.
func secretInAddress(u *url.URL) bool {
	if strings.Contains(u.Path, "gemba_") || strings.Contains(u.RawQuery, "gemba_") || u.User != nil {
		return true
	}
	for name := range u.Query() {
		if secretNames[strings.ToLower(name)] {
			return true
		}
	}
	return false
}

func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A tracedWriter notes what was answered.
type tracedWriter struct {
	http.ResponseWriter
	call *call
}

func (w *tracedWriter) WriteHeader(status int) {
	if w.call.status == 0 {
		w.call.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *tracedWriter) Write(p []byte) (int, error) {
	if w.call.status == 0 {
		w.call.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.call.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *tracedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// httpLog takes what net/http has to say, which is about broken connections, mostly.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Write(p []byte) (int, error) {
	l.log.Debug("http", "message", plainText(strings.TrimSpace(string(p)), 300))
	return len(p), nil
}

// A boundedListener lets so many connections be open, in total and of one source. More are closed at once.
type boundedListener struct {
	net.Listener
	places *places
	log    *slog.Logger
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		leave, ok := l.places.take(sourceOf(conn.RemoteAddr()), 0)
		if ok {
			return &countedConn{conn, leave}, nil
		}
		l.log.Warn("HTTPS connection refused: too many", "source", sourceOf(conn.RemoteAddr()))
		_ = conn.Close()
	}
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
