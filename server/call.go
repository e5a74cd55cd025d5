package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"gemba/mes"
)

// A call is one request, as the trace and the log tell of it: never with a key, only with its id, and with no word that
// came in the request.
type call struct {
	id     string
	key    mes.ID // public first part of the key that came, whether it was good or not
	actor  mes.Actor
	origin origin
	at     time.Time
	began  time.Time
	gone   context.Context // ends when the caller is gone
	code   mes.Code        // of a refusal
	reason string          // of a refusal
	status int
	in     int64 // bytes of the body that were read
	out    int64 // bytes of the answer
}

// callKey is where the call is in the context of a request.
type callKey struct{}

func callOf(r *http.Request) *call { return r.Context().Value(callKey{}).(*call) }

// longestReason bounds what the trace says about a refusal, in characters.
const longestReason = 200

// refuse notes why the request was refused. Where the text could repeat what somebody typed, it says the kind and the
// field only.
func (c *call) refuse(err error) {
	c.code = mes.ErrorCode(err)
	c.reason = string(c.code)
	switch c.code {
	case mes.Invalid, mes.NotFound, mes.TooLarge:
		if field := faultField(err); field != "" {
			c.reason += ": " + plainText(field, 40)
		}
	case mes.Unauthenticated:
		if cause := errors.Unwrap(err); cause != nil { // the caller is not told it
			err = cause
		}
		c.reason += ": " + plainText(err.Error(), longestReason)
	default:
		c.reason += ": " + plainText(mes.ErrorMessage(err), longestReason)
	}
}

// routeOf is the route that a request takes, "-" for none.
func (d *apiDoor) routeOf(r *http.Request) string {
	pattern := r.Pattern // as the mux has left it, if the request came so far
	if pattern == "" {
		_, pattern = d.mux.Handler(r)
	}
	if pattern == "" || pattern == "/" {
		return "-"
	}
	return pattern
}

// trace tells of a request that is over.
func (d *apiDoor) trace(r *http.Request, c *call) {
	made := mes.Call{
		ID: c.id, At: c.at, Key: c.key, Principal: c.actor.ID, Route: d.routeOf(r), Status: c.status, In: c.in, Out: c.out,
		MS: float64(time.Since(c.began).Microseconds()) / 1000, Reason: c.reason, Source: c.origin.address,
	}
	d.log.Info("request", "id", made.ID, "key", made.Key, "source", made.Source, "method", plainText(r.Method, 10), "route", made.Route,
		"status", made.Status, "bytes", made.Out, "ms", time.Since(c.began).Milliseconds(), "refusal", c.code)
	if d.options.Trace != nil {
		d.options.Trace(made)
	}
}

func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// A tracedBody counts what is read of a request.
type tracedBody struct {
	io.ReadCloser
	call *call
}

func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.call.in += int64(n)
	return n, err
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
	w.call.out += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *tracedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
