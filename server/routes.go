package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gemba/mes"
)

// apiPrefix stands before every path.
const apiPrefix = "/v1"

// requestTime bounds the work on one request, so that an answer still finds its way back before the connection's time
// is over.
const requestTime = 12 * time.Second

// An endpoint answers a request of a known caller with a value, or with an error.
type endpoint func(w http.ResponseWriter, r *http.Request) (any, error)

// route makes every route, and the document that describes them, from the tables.
func (d *apiDoor) route() error {
	doc := newDocument(d.options.Version)
	api := huma.NewAPI(doc.config, humago.NewAdapter(d.mux, ""))
	for i := range mes.Commands {
		spec := &mes.Commands[i]
		if spec.Path == "" {
			continue
		}
		op, body := doc.command(spec)
		if spec.Name == "machine.ingest" {
			d.add(api, op, d.ingest)
			continue
		}
		d.add(api, op, d.command(spec, body, doc.registry))
	}
	for i := range mes.Queries {
		spec := &mes.Queries[i]
		op, whole := doc.query(spec)
		d.add(api, op, d.query(spec, whole, doc.registry))
		if names := innocent(reflect.TypeOf(spec.New())); len(names) > 0 {
			d.innocent[op.Method+" "+op.Path] = names
		}
	}
	d.add(api, doc.health(), d.health)
	d.add(api, doc.stream(), d.stream)
	asJSON, asYAML := &huma.Operation{Method: http.MethodGet, Path: apiPrefix + "/openapi.json"}, &huma.Operation{Method: http.MethodGet, Path: apiPrefix + "/openapi.yaml"}
	text, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	d.handle(api, asJSON, raw("application/json", text))
	if text, err = api.OpenAPI().YAML(); err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	d.handle(api, asYAML, raw("application/yaml", text))
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { d.fail(w, r, errNoRoute) })
	return nil
}

// add makes a route and describes it.
func (d *apiDoor) add(api huma.API, op *huma.Operation, answer endpoint) {
	api.OpenAPI().AddOperation(op)
	d.handle(api, op, answer)
}

// handle makes a route.
func (d *apiDoor) handle(api huma.API, op *huma.Operation, answer endpoint) {
	api.Adapter().Handle(op, func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		bounded, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		value, err := answer(w, r.WithContext(bounded))
		if err != nil && bounded.Err() != nil && mes.ErrorCode(err) == mes.Internal {
			err = mes.FaultFrom(mes.Unavailable, err, "this took too long; send it again, with the same id if it was a command")
		}
		if err != nil {
			d.fail(w, r, err)
			return
		}
		if value == nil {
			return // it has answered itself
		}
		text, err := json.Marshal(value)
		if err != nil {
			d.fail(w, r, fmt.Errorf("write the answer: %w", err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(text, '\n'))
	})
}

// raw answers with a text that never changes.
func raw(kind string, text []byte) endpoint {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text)
		return nil, nil
	}
}

// command carries out a command of the table.
func (d *apiDoor) command(spec *mes.Spec, schema *huma.Schema, registry huma.Registry) endpoint {
	fields, harmless := spec.Fields(), innocent(reflect.TypeOf(spec.New()))
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		id, err := commandID(r)
		if err != nil {
			return nil, err
		}
		if err := noParameters(r.URL); err != nil {
			return nil, err
		}
		body, err := d.body(w, r, harmless)
		if err != nil {
			return nil, err
		}
		if err := conforms(registry, schema, body); err != nil {
			return nil, err
		}
		command := spec.New()
		if err := decodeInto(command, body); err != nil {
			return nil, err
		}
		if err := setPath(command, fields, r); err != nil {
			return nil, err
		}
		return d.options.App.Do(r.Context(), callOf(r).actor, id, command)
	}
}

// ingest carries out machine.ingest, which has a decoder of its own.
func (d *apiDoor) ingest(_ http.ResponseWriter, r *http.Request) (any, error) {
	c := callOf(r)
	id, err := commandID(r)
	if err != nil {
		return nil, err
	}
	if err := firstFault(noParameters(r.URL), isJSON(r)); err != nil {
		return nil, err
	}
	leave, ok := d.batches.take(string(c.actor.Key), ingestPatience)
	if !ok {
		return nil, mes.Faultf(mes.Busy, "too many batches come at once; send this one again in a moment")
	}
	defer leave()
	decoder := ingestDecoders.Get().(*ingestDecoder)
	defer decoder.release()
	if err := decoder.read(r, d.limits.IngestBytes); err != nil {
		return nil, err
	}
	batch, err := decoder.decode()
	if err != nil {
		return nil, err
	}
	return d.options.App.Do(r.Context(), c.actor, id, batch)
}

// query answers a query of the table.
func (d *apiDoor) query(spec *mes.QuerySpec, schema *huma.Schema, registry huma.Registry) endpoint {
	fields := spec.Fields()
	return func(_ http.ResponseWriter, r *http.Request) (any, error) {
		q := spec.New()
		given, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, mes.Faultf(mes.Invalid, "the address is not written right")
		}
		for name, values := range given {
			i := slices.IndexFunc(fields, func(f mes.Field) bool { return f.Name == name && !f.InPath })
			switch {
			case i < 0:
				return nil, fieldFault(plainText(name, 40), "there is no parameter %q here", plainText(name, 40))
			case len(values) > 1:
				return nil, fieldFault(name, "%s is said twice", name)
			}
			if err := mes.Set(q, fields[i], values[0]); err != nil {
				return nil, err
			}
		}
		if err := setPath(q, fields, r); err != nil {
			return nil, err
		}
		text, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		if err := conforms(registry, schema, text); err != nil {
			return nil, err
		}
		return q.Answer(r.Context(), d.options.App, callOf(r).actor)
	}
}

// setPath puts what the address says into the fields.
func setPath(target any, fields []mes.Field, r *http.Request) error {
	for _, f := range fields {
		if !f.InPath {
			continue
		}
		if err := mes.Set(target, f, r.PathValue(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// body reads a request's JSON document. None is an empty one. Harmless names only look like those of secrets.
func (d *apiDoor) body(w http.ResponseWriter, r *http.Request, harmless map[string]bool) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(d.limits.BodyBytes)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, mes.Faultf(mes.TooLarge, "the body is larger than %d bytes", d.limits.BodyBytes)
	case err != nil:
		return nil, mes.FaultFrom(mes.Invalid, err, "the body did not come completely; send it again")
	case len(body) == 0:
		return []byte("{}"), nil
	}
	if err := isJSON(r); err != nil {
		return nil, err
	}
	return body, checkJSON(body, harmless)
}

// isJSON refuses a body that says to be something else. What curl and many libraries say unless told otherwise is taken
// for nothing said: the body itself must be JSON all the same.
func isJSON(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fieldFault("Content-Encoding", "send the body as it is, not packed")
	}
	kind := r.Header.Get("Content-Type")
	if kind == "" || kind == "application/x-www-form-urlencoded" {
		return nil
	}
	base, params, err := mime.ParseMediaType(kind)
	if charset := strings.ToLower(params["charset"]); err != nil || base != "application/json" || charset != "" && charset != "utf-8" {
		return fieldFault("Content-Type", "send JSON, with Content-Type: application/json")
	}
	return nil
}

// decodeInto fills a command from a document that conforms to its schema.
func decodeInto(target any, document []byte) error {
	err := json.Unmarshal(document, target)
	var fault *mes.Fault
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &kind):
		return fieldFault(kind.Field, "%s cannot be %s", kind.Field, kind.Value)
	}
	return mes.FaultFrom(mes.Invalid, err, "the body does not fit; /v1/openapi.json says what does")
}

// commandID is the id that the caller gives a command, so that sending it again does it once.
func commandID(r *http.Request) (mes.ID, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	if id := given[0]; len(given) > 1 || id == "" || len(id) > 80 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", fieldFault("Idempotency-Key", "an Idempotency-Key has 1 to 80 printable characters")
	}
	return mes.ID(given[0]), nil
}

func noParameters(u *url.URL) error {
	if u.RawQuery != "" {
		return mes.Faultf(mes.Invalid, "there are no parameters here; send fields in the body")
	}
	return nil
}

func fieldFault(field, format string, args ...any) error {
	f := mes.Faultf(mes.Invalid, format, args...)
	f.Field = field
	return f
}

func firstFault(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// health answers whether the node does its work.
func (d *apiDoor) health(w http.ResponseWriter, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTime)
	defer cancel()
	h := d.look(ctx)
	if !h.Store.Reachable {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(h)
		return nil, nil
	}
	return h, nil
}
