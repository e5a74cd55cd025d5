package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gemba/mes"
)

func init() {
	huma.ValidateStrictCasing = true // otherwise "Quantity" passes for "quantity", and a field could be said twice
}

// A document is the OpenAPI 3.1 description of the API in the making. Its schemas are also what bodies and parameters
// are checked against, so it cannot say anything that does not hold.
type document struct {
	config   huma.Config
	registry huma.Registry
	problem  *huma.Schema
	receipt  *huma.Schema
}

// answers tells what the items of a query's list are, or the one thing that it gives.
var answers = map[string]struct {
	of   any
	list bool
}{
	"order.list":       {mes.OrderSummary{}, true},
	"order.show":       {mes.OrderDetail{}, false},
	"queue.list":       {mes.QueueItem{}, true},
	"session.list":     {mes.Session{}, true},
	"report.list":      {mes.Report{}, true},
	"totals.show":      {mes.Totals{}, false},
	"machine.list":     {mes.MachineTile{}, true},
	"machine.timeline": {mes.Interval{}, true},
	"machine.counts":   {mes.CounterReading{}, true},
	"machine.samples":  {mes.Sample{}, true},
	"machine.alarms":   {mes.Alarm{}, true},
	"machine.totals":   {mes.MachineTotals{}, false},
	"ledger.list":      {mes.Entry{}, true},
	"equipment.list":   {mes.Equipment{}, true},
	"product.list":     {mes.Product{}, true},
	"revision.list":    {mes.Revision{}, true},
	"person.list":      {mes.Person{}, true},
	"person.show":      {mes.PersonDetail{}, false},
	"key.list":         {mes.KeyInfo{}, true},
	"sshkey.list":      {mes.SSHKey{}, true},
	"signin.list":      {mes.SignIn{}, true},
	"lockout.list":     {mes.Lockout{}, true},
	"signature.list":   {mes.Signature{}, true},
	"trace.list":       {mes.Call{}, true},
	"station.list":     {mes.Station{}, true},
	"command.show":     {mes.Receipt{}, false},
	"me.show":          {mes.Actor{}, false},
}

func newDocument(version string) *document {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[mes.Stamp](), reflect.TypeFor[stampForm]())
	registry.RegisterTypeAlias(reflect.TypeFor[json.RawMessage](), reflect.TypeFor[anyForm]())
	doc := &document{registry: registry}
	doc.config = huma.Config{OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "gemba", Version: cmp.Or(version, "unreleased"),
			Description: "The shop floor for machines and programs. Every POST is a command: with an Idempotency-Key it may be sent again and is done once. " +
				"Every error is a problem (RFC 9457) whose code says what kind it is.",
		},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"key":    {Type: "http", Scheme: "bearer", Description: "an API key of gemba; the word Token does as well as Bearer"},
				"header": {Type: "apiKey", In: "header", Name: "X-Api-Key"},
			},
		},
		Security: []map[string][]string{{"key": {}}, {"header": {}}},
	}}
	doc.problem = registry.Schema(reflect.TypeFor[problem](), true, "")
	doc.receipt = registry.Schema(reflect.TypeFor[mes.Receipt](), true, "")
	return doc
}

// command describes a command of the table, and gives the schema of its body.
func (doc *document) command(spec *mes.Spec) (*huma.Operation, *huma.Schema) {
	method, path, params := spec.Route()
	t := reflect.TypeOf(spec.New()).Elem()
	body := doc.registry.Schema(t, true, "")
	if len(params) > 0 {
		whole := doc.registry.SchemaFromRef(body.Ref)
		delete(doc.registry.Map(), strings.TrimPrefix(body.Ref, "#/components/schemas/"))
		body = without(whole, params)
	}
	op := doc.operation(spec.Name, method, path, spec.Help, spec.Fields())
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "Idempotency-Key", In: "header", Description: "id of the command: the same id does it once, and gives the same answer each time",
		Schema: &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(80)},
	})
	op.RequestBody = &huma.RequestBody{Required: len(body.Required) > 0 || body.Ref != "", Content: jsonContent(body)}
	op.Responses["200"] = &huma.Response{Description: "what the command gave; an id that was used before gives what it gave then", Content: jsonContent(doc.receipt)}
	return op, body
}

// query describes a query of the table, and gives the schema of all its fields.
func (doc *document) query(spec *mes.QuerySpec) (*huma.Operation, *huma.Schema) {
	path, _ := spec.Route()
	t := reflect.TypeOf(spec.New()).Elem()
	ref := doc.registry.Schema(t, true, "")
	whole := doc.registry.SchemaFromRef(ref.Ref)
	delete(doc.registry.Map(), strings.TrimPrefix(ref.Ref, "#/components/schemas/"))
	whole = without(whole, nil)
	op := doc.operation(spec.Name, http.MethodGet, path, spec.Help, spec.Fields())
	for _, f := range spec.Fields() {
		if f.InPath {
			continue
		}
		schema := *whole.Properties[f.Name]
		p := &huma.Param{Name: f.Name, In: "query", Description: f.Doc, Required: !f.Optional, Schema: &schema}
		if schema.Description = ""; schema.Type == huma.TypeArray {
			p.Style, p.Explode = "form", ptr(false)
		}
		op.Parameters = append(op.Parameters, p)
	}
	answer := answers[spec.Name]
	schema := doc.registry.Schema(reflect.TypeOf(answer.of), true, "")
	if answer.list {
		schema = &huma.Schema{
			Type: huma.TypeObject, Required: []string{"items", "next"},
			Properties: map[string]*huma.Schema{
				"items": {Type: huma.TypeArray, Items: schema},
				"next":  {Type: huma.TypeString, Description: "cursor of the next page, for after; empty at the end"},
			},
		}
	}
	op.Responses["200"] = &huma.Response{Description: spec.Help, Content: jsonContent(schema)}
	return op, whole
}

func (doc *document) health() *huma.Operation {
	op := doc.operation("health.show", http.MethodGet, "/health", "how this node does", nil)
	schema := doc.registry.Schema(reflect.TypeFor[Health](), true, "")
	op.Responses["200"] = &huma.Response{Description: "the node does its work", Content: jsonContent(schema)}
	op.Responses["503"] = &huma.Response{Description: "the store does not answer", Content: jsonContent(schema)}
	return op
}

func (doc *document) stream() *huma.Operation {
	op := doc.operation("stream.open", http.MethodGet, "/stream", "what changes, as it changes (server-sent events)", nil)
	op.Responses["200"] = &huma.Response{
		Description: "events begin, topics and end; the data of topics is a JSON list like [\"work_order:ID\",\"line:CODE\",\"machine:CODE\"], or [\"*\"] for everything",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	return op
}

// operation is what all descriptions have in common.
func (doc *document) operation(name, method, path, help string, fields []mes.Field) *huma.Operation {
	noun, _, _ := strings.Cut(name, ".")
	op := &huma.Operation{
		OperationID: strings.NewReplacer(".", "-", "_", "-").Replace(name), Method: method, Path: apiPrefix + path, Summary: help, Tags: []string{noun},
		Responses: map[string]*huma.Response{"default": {
			Description: "what is wrong",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: doc.problem}},
		}},
	}
	for _, f := range fields {
		if f.InPath {
			op.Parameters = append(op.Parameters, &huma.Param{
				Name: f.Name, In: "path", Required: true, Description: f.Doc, Schema: &huma.Schema{Type: huma.TypeString},
			})
		}
	}
	return op
}

// without copies an object's schema, leaving some properties out.
func without(whole *huma.Schema, names []string) *huma.Schema {
	s := &huma.Schema{Type: whole.Type, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for name, property := range whole.Properties {
		if !slices.Contains(names, name) {
			s.Properties[name] = property
		}
	}
	for _, name := range whole.Required {
		if !slices.Contains(names, name) {
			s.Required = append(s.Required, name)
		}
	}
	s.PrecomputeMessages()
	return s
}

func jsonContent(s *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: s}}
}

func ptr[T any](v T) *T { return &v }

// conforms tells whether a document fits a schema. The fault names the first field that does not.
func conforms(registry huma.Registry, schema *huma.Schema, text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return mes.FaultFrom(mes.Invalid, err, "the body is not JSON")
	}
	var found huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &found)
	for _, err := range found.Errors {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			return mes.FaultFrom(mes.Invalid, err, "the body does not fit; /v1/openapi.json says what does")
		}
		field := plainText(strings.TrimPrefix(detail.Location, "."), 80)
		if field == "" {
			return mes.Faultf(mes.Invalid, "the body does not fit: %s", plainText(detail.Message, 200))
		}
		return fieldFault(field, "%s: %s", field, plainText(detail.Message, 200))
	}
	return nil
}

// stampForm is how a mes.Stamp is written.
type stampForm struct{}

// Schema describes both forms of a moment.
func (stampForm) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Description: "a moment: RFC 3339 text, or milliseconds since 1970 UTC",
		OneOf: []*huma.Schema{
			{Type: huma.TypeString, Format: "date-time"},
			{Type: huma.TypeInteger, Minimum: ptr(0.0)},
			{Type: huma.TypeString, MaxLength: ptr(0)},
		},
	}
	for _, form := range s.OneOf {
		form.PrecomputeMessages()
	}
	return s
}

// anyForm is any JSON value.
type anyForm struct{}

// Schema describes nothing in particular.
func (anyForm) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Description: "any JSON value"} }
