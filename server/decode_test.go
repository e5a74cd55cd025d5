package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gemba/mes"
)

// decodeBatch runs the fast decoder over a body.
func decodeBatch(body []byte) (*mes.Ingest, error) {
	d := &ingestDecoder{names: map[string]string{}}
	if err := d.read(httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)), 8<<20); err != nil {
		return nil, err
	}
	return d.decode()
}

// referenceBatch is what the fast decoder must agree with: encoding/json, behind the strict check that other bodies
// pass, with exact names and no null items.
func referenceBatch(body []byte) (*mes.Ingest, error) {
	if err := checkJSON(body, map[string]bool{"key": true}); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	if err := exactNames(members, reflect.TypeFor[mes.Ingest]()); err != nil {
		return nil, err
	}
	items := 0
	for name, of := range map[string]reflect.Type{
		"states": reflect.TypeFor[mes.StateEvent](), "counts": reflect.TypeFor[mes.CountEvent](),
		"samples": reflect.TypeFor[mes.SampleEvent](), "alarms": reflect.TypeFor[mes.AlarmEvent](),
	} {
		if members[name] == nil || string(members[name]) == "null" {
			continue
		}
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(members[name], &list); err != nil {
			return nil, err
		}
		for _, item := range list {
			if items++; item == nil || items > mes.MaxBatch {
				return nil, fmt.Errorf("a null item, or too many")
			}
			if err := exactNames(item, of); err != nil {
				return nil, err
			}
		}
	}
	var in mes.Ingest
	return &in, json.Unmarshal(body, &in)
}

func exactNames(members map[string]json.RawMessage, t reflect.Type) error {
	known := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = name != "-"
	}
	for name := range members {
		if !known[name] {
			return fmt.Errorf("unknown name %q", name)
		}
	}
	return nil
}

// same tells whether two batches say the same; empty and missing lists are the same.
func same(a, b *mes.Ingest) bool {
	x, y := *a, *b
	x.Digest, y.Digest = "", ""
	one, _ := json.Marshal(x)
	two, _ := json.Marshal(y)
	if !bytes.Equal(one, two) || len(x.Samples) != len(y.Samples) {
		return false
	}
	for i := range x.Samples {
		v, w := x.Samples[i].Value, y.Samples[i].Value
		if (v == nil) != (w == nil) || v != nil && math.Float64bits(*v) != math.Float64bits(*w) {
			return false
		}
	}
	return true
}

var batches = []string{
	`{"machine":"M1","source":"adapter","samples":[{"tag":"load","at":"2026-11-23T06:00:00.123456789Z","value":1.25},{"tag":"x","text":"ä\n\u00e4"}]}`,
	`{"states":[{"machine":"M1","state":"running","at":1700000000000,"ord":3,"reason":"r","raw":"w"}],"counts":[{"counter":"good","value":5,"seq":7,"rollover":1000,"at":null}]}`,
	`{"alarms":[{"key":"k","level":"fault","code":"1","severity":"s","qualifier":"HIGH","text":"\ud83d\ude00"}]}`,
	`{"samples":[{"value":-0},{"value":0.1},{"value":1e22},{"value":123456789012345678},{"value":5e-324},{"value":9007199254740993},{"value":0.30000000000000004}]}`,
	` { "machine" : null , "samples" : [ ] , "states" : null } `,
	`{"samples":[{"at":"2026-02-29T00:00:00Z"}]}`, `{"samples":[{"at":"2024-02-29T23:59:59Z"}]}`, `{"samples":[{"at":"2026-11-23T07:00:00+01:00"}]}`,
	`{"samples":[{"at":""}]}`, `{"samples":[{"at":"2026\u002d11-23T06:00:00Z"}]}`, `{"samples":[{"at":-1}]}`, `{"samples":[{"at":1e3}]}`, `{"samples":[{"at":true}]}`,
	`{"samples":[{"at":253402300800000}]}`, `{"samples":[{"at":"1969-12-31T23:59:59Z"}]}`, `{"samples":[{"at":"2026-11-23T06:00:00,5Z"}]}`,
	`{"samples":[{"value":1e999}]}`, `{"samples":[{"value":01}]}`, `{"samples":[{"value":.5}]}`, `{"samples":[{"value":1.}]}`, `{"samples":[{"value":"1"}]}`,
	`{"samples":[{"ord":1.5}]}`, `{"samples":[{"ord":9223372036854775807}]}`, `{"samples":[{"ord":9223372036854775808}]}`, `{"samples":[{"ord":-9223372036854775808}]}`,
	`{"samples":[{"tag":"a","tag":"b"}]}`, `{"samples":[{"Tag":"a"}]}`, `{"samples":[null]}`, `{"samples":{}}`, `{"samples":[{}],"samples":[]}`, `{"digest":"x"}`, `{"Digest":"x"}`,
	`{"samples":[{}]}x`, `{"samples":[{},]}`, `{"samples":[{}`, `{"samples":[{"tag":"\x"}]}`, `{"samples":[{"tag":"\ud800"}]}`, `{"samples":[{"tag":"\ud800\u0041"}]}`,
	"{\"samples\":[{\"tag\":\"\x01\"}]}", "{\"samples\":[{\"tag\":\"\xff\"}]}", ``, `null`, `[]`, `{}`, `{"samples":[{"tag":"\u0000"}]}`,
}

func TestDecoderAgreesWithReference(t *testing.T) {
	for _, body := range batches {
		agree(t, []byte(body))
	}
}

func FuzzIngest(f *testing.F) {
	for _, body := range batches {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}

func agree(t *testing.T, body []byte) {
	t.Helper()
	got, err := decodeBatch(body)
	want, reference := referenceBatch(body)
	switch {
	case (err == nil) != (reference == nil):
		t.Errorf("%q: decoder %v, reference %v", body, err, reference)
	case err == nil && !same(got, want):
		t.Errorf("%q: decoder %+v, reference %+v", body, got, want)
	case err != nil && mes.ErrorCode(err) != mes.Invalid && mes.ErrorCode(err) != mes.TooLarge && mes.ErrorCode(err) != credentialInRequest:
		t.Errorf("%q: %v is not the sender's fault", body, err)
	}
}

// FuzzCheckJSON: what the strict check passes, encoding/json reads; what it refuses is broken, repeats a name, is too
// deep or is not UTF-8.
func FuzzCheckJSON(f *testing.F) {
	for _, body := range batches {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkJSON(body, nil) == nil && (!json.Valid(body) || !utf8.Valid(body)) {
			t.Errorf("%q was passed", body)
		}
	})
}

func TestDecoderForgetsTheBatchBefore(t *testing.T) {
	d := &ingestDecoder{names: map[string]string{}}
	read := func(body string) *mes.Ingest {
		t.Helper()
		if err := d.read(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), 1<<20); err != nil {
			t.Fatal(err)
		}
		in, err := d.decode()
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	first := read(`{"machine":"M1","samples":[{"tag":"a","value":1,"text":"x","ord":5,"at":1},{"tag":"b","value":2}]}`)
	digest := first.Digest
	second := read(`{"samples":[{"tag":"c"}]}`)
	if s := second.Samples; second.Machine != "" || len(s) != 1 || s[0].Value != nil || s[0].Text != "" || s[0].Ord != 0 || !s[0].At.IsZero() {
		t.Errorf("the batch before shines through: %+v", second)
	}
	if second.Digest == digest || len(digest) != 64 {
		t.Errorf("digests %s and %s", digest, second.Digest)
	}
}

func TestIngestLimits(t *testing.T) {
	if _, err := decodeBatch([]byte(`{"samples":[` + strings.Repeat(`{},`, mes.MaxBatch) + `{}]}`)); mes.ErrorCode(err) != mes.TooLarge {
		t.Errorf("too many items: %v", err)
	}
	d := &ingestDecoder{names: map[string]string{}}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", 2000)))
	r.ContentLength = -1
	if err := d.read(r, 1000); mes.ErrorCode(err) != mes.TooLarge {
		t.Errorf("too many bytes: %v", err)
	}
	if cap(d.data) > 4000 {
		t.Errorf("%d bytes were allocated", cap(d.data))
	}
}

func BenchmarkIngestDecode(b *testing.B) {
	body := batchAt(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1000)
	d := &ingestDecoder{names: map[string]string{}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d.data = append(d.data[:0], body...)
		if _, err := d.decode(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}
