package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gemba/mes"
)

// Bounds of a request. A request that is tried again keeps its id, so it is done once however often it is sent.
const (
	requestTimeout = 60 * time.Second
	firstWait      = 50 * time.Millisecond
	longestWait    = 5 * time.Second
	maxAnswer      = 64 << 20
	maxConflicts   = 3 // times that others may be faster before we give up
)

// A client speaks to the keyed API for one program.
type client struct {
	base     string // scheme and address, without a slash at the end
	key      string
	http     *http.Client
	patience time.Duration // how long one request is tried when the server is away or busy
	say      func(format string, args ...any)
}

// newClient makes a client that trusts what tls says, over at most conns connections that stay open.
func newClient(base, key string, config *tls.Config, conns int) *client {
	return &client{
		base: base, key: key, patience: 2 * time.Minute, say: func(string, ...any) {},
		http: &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{
				TLSClientConfig: config, MaxIdleConns: conns, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns,
				IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
			},
			// The key belongs to the server that was named, and to no other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// do sends a command under an id and gives its receipt. Errors are Faults: the server's own, or Unavailable when it
// did not answer within the client's patience; the same command may then be sent again under the same id.
func (c *client) do(ctx context.Context, id string, command mes.Command) (mes.Receipt, error) {
	method, path, body, err := request(command)
	if err != nil {
		return mes.Receipt{}, err
	}
	var receipt mes.Receipt
	for conflicts := 0; ; conflicts++ {
		err = c.send(ctx, method, path, id, body, &receipt)
		if mes.ErrorCode(err) != mes.Conflict || conflicts == maxConflicts {
			return receipt, err
		}
		if err := sleepFor(ctx, firstWait<<conflicts); err != nil {
			return receipt, err
		}
	}
}

// get reads one thing.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.send(ctx, http.MethodGet, path, "", nil, into)
}

// listAll reads every page of a list.
func listAll[T any](ctx context.Context, c *client, path string, query url.Values) ([]T, error) {
	query = ownQuery(query)
	var all []T
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

// ownQuery copies a query, so that a page can be added to it.
func ownQuery(query url.Values) url.Values {
	own := url.Values{}
	for name, values := range query {
		own[name] = slices.Clone(values)
	}
	return own
}

// request is a command as the API takes it: what its path carries in the path, the rest as JSON. What is not said is
// left out.
func request(command mes.Command) (method, path string, body []byte, err error) {
	spec := mes.SpecOf(command)
	method, path, params := spec.Route()
	text, err := json.Marshal(command)
	if err != nil {
		return "", "", nil, fmt.Errorf("write down %s: %w", spec.Name, err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", "", nil, fmt.Errorf("write down %s: %w", spec.Name, err)
	}
	for _, name := range params {
		var value string
		if err := json.Unmarshal(fields[name], &value); err != nil {
			return "", "", nil, fmt.Errorf("write down %s: %s: %w", spec.Name, name, err)
		}
		path = strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1)
		delete(fields, name)
	}
	for name, value := range fields {
		if string(value) == "null" {
			delete(fields, name)
		}
	}
	body, err = json.Marshal(fields)
	return method, path, body, err
}

// contentID is a command id made from the command itself: whoever says the same again means the same.
func contentID(prefix string, command mes.Command) string {
	_, path, body, err := request(command)
	if err != nil {
		return prefix // sending it will say what is wrong
	}
	return prefix + digestOf(path, string(body))
}

// digestOf is short enough for a command id and long enough to be unique.
func digestOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// send makes a request until it is answered, refused, or patience ends.
func (c *client) send(ctx context.Context, method, path, id string, body []byte, into any) error {
	deadline := time.Now().Add(c.patience)
	wait, told := firstWait, false
	for {
		after, err := c.once(ctx, method, path, id, body, into)
		if code := mes.ErrorCode(err); code != mes.Unavailable && code != mes.Busy || ctx.Err() != nil {
			return err
		}
		delay := max(after, wait/2+rand.N(wait))
		if time.Now().Add(delay).After(deadline) {
			return err
		}
		if !told && wait >= time.Second {
			c.say("%v; trying again for %s", err, time.Until(deadline).Round(time.Second))
			told = true
		}
		if sleepFor(ctx, delay) != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}

// once makes a request once. The duration is what the server asks to wait before the next try.
func (c *client) once(ctx context.Context, method, path, id string, body []byte, into any) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/v1"+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", c.base, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("User-Agent", "gemba")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if id != "" {
		req.Header.Set("Idempotency-Key", id)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		return retryAfter(res.Header.Get("Retry-After")), faultOf(res, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return 0, fmt.Errorf("the answer of %s to %s %s is not what was expected: %w", c.base, method, path, err)
	}
	return 0, nil
}

// unreachable says why there was no answer. What trying again cannot mend is not Unavailable.
func (c *client) unreachable(ctx context.Context, err error) error {
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &cert):
		return fmt.Errorf("%s is not who the authority file vouches for (%w); use the --ca of that server", c.base, cert.Err)
	case errors.As(err, &alert), errors.As(err, &record):
		return fmt.Errorf("%s does not speak our TLS: %w", c.base, err)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return mes.FaultFrom(mes.Unavailable, err, "%s does not answer (%v)", c.base, err)
}

// faultOf turns an RFC 9457 answer into the Fault that it was at the server.
func faultOf(res *http.Response, answer []byte) error {
	var p struct {
		Title  string   `json:"title"`
		Detail string   `json:"detail"`
		Code   mes.Code `json:"code"`
		Field  string   `json:"field"`
	}
	if json.Unmarshal(answer, &p) != nil || p.Detail == "" && p.Title == "" {
		p.Detail = "the server answered " + res.Status
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	switch s := res.StatusCode; {
	case p.Code != "":
	case s == http.StatusTooManyRequests:
		p.Code = mes.Busy
	case s == http.StatusBadGateway, s == http.StatusServiceUnavailable, s == http.StatusGatewayTimeout:
		p.Code = mes.Unavailable
	case s == http.StatusUnauthorized:
		p.Code = mes.Unauthenticated
	case s == http.StatusForbidden:
		p.Code = mes.Denied
	case s == http.StatusNotFound:
		p.Code = mes.NotFound
	case s >= 400 && s < 500:
		p.Code = mes.Invalid
	default:
		p.Code = mes.Internal
	}
	return &mes.Fault{Code: p.Code, Message: p.Detail, Field: p.Field}
}

// retryAfter reads the header in its form of seconds. An unreasonable wish is not granted.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 30*time.Second)
}

// sleepFor waits, unless the program is stopped first.
func sleepFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
