package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"gemba/mes"
)

// Ingest is where machines send what they measure, many thousand values a second, so it has a decoder of its own: made
// for this one shape, without reflection, and with one allocation where encoding/json has ten for each value.

// ingestAtOnce and ingestOfKey bound the batches that are in memory; ingestPatience is how long others wait.
const (
	ingestAtOnce   = 32
	ingestOfKey    = 16
	ingestWaiting  = 256
	ingestPatience = 5 * time.Second
)

// knownNames bounds the names of machines and values that a decoder remembers.
const knownNames = 4096

// An ingestDecoder decodes batches, one after the other, into memory that it uses again. What it decodes is good until
// the next batch.
type ingestDecoder struct {
	lexer
	batch  mes.Ingest
	values []float64         // that the samples point to
	names  map[string]string // texts that come again and again
	items  int
}

var ingestDecoders = sync.Pool{New: func() any { return &ingestDecoder{names: map[string]string{}} }}

// read takes the body of a request, at most limit bytes.
func (d *ingestDecoder) read(r *http.Request, limit int) error {
	d.data = d.data[:0]
	if n := int(min(r.ContentLength, int64(limit))); n > cap(d.data) {
		d.data = make([]byte, 0, n+1)
	}
	for {
		if len(d.data) == cap(d.data) {
			d.data = append(d.data, 0)[:len(d.data)]
		}
		n, err := r.Body.Read(d.data[len(d.data):cap(d.data)])
		d.data = d.data[:len(d.data)+n]
		switch {
		case len(d.data) > limit:
			return mes.Faultf(mes.TooLarge, "the body is larger than %d bytes; send smaller batches", limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return mes.FaultFrom(mes.Invalid, err, "the body did not come completely; send it again")
		}
	}
}

// decode reads the body as a batch. Its digest is that of the body: the same bytes are the same batch.
func (d *ingestDecoder) decode() (*mes.Ingest, error) {
	d.reset()
	if err := d.start(); err != nil {
		return nil, err
	}
	if err := d.ingest(&d.batch); err != nil {
		return nil, err
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(d.data)
	d.batch.Digest = hex.EncodeToString(sum[:])
	return &d.batch, nil
}

// keptBytes bounds the body that an idle decoder holds on to.
const keptBytes = 1 << 20

func (d *ingestDecoder) reset() {
	d.pos, d.items = 0, 0
	d.batch = mes.Ingest{States: d.batch.States[:0], Counts: d.batch.Counts[:0], Samples: d.batch.Samples[:0], Alarms: d.batch.Alarms[:0]}
	d.values = d.values[:0]
	if len(d.names) > knownNames {
		clear(d.names)
	}
}

// release puts the decoder back for the next request.
func (d *ingestDecoder) release() {
	if cap(d.data) > keptBytes {
		d.data = nil
	}
	clear(d.batch.States)
	clear(d.batch.Counts)
	clear(d.batch.Samples)
	clear(d.batch.Alarms)
	ingestDecoders.Put(d)
}

// A fields set remembers which members of an object were there.
type fields uint32

func (d *ingestDecoder) once(seen *fields, field int, name []byte) error {
	if *seen&(1<<field) != 0 {
		return d.fault("%q stands there twice", name)
	}
	*seen |= 1 << field
	return nil
}

func (d *ingestDecoder) unknown(name []byte) error {
	if isSecretName(string(name)) {
		return errSecretInBody
	}
	return d.fault("there is no field %q", plainText(string(name), 40))
}

// object reads an object member by member. Member reads the value of a known name and tells the number of its field;
// a negative number is an unknown name.
func (d *ingestDecoder) object(number func([]byte) int, member func(int) error) error {
	if err := d.open('{'); err != nil {
		return err
	}
	var seen fields
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil || !more {
			return err
		}
		name, err := d.key()
		if err != nil {
			return err
		}
		field := number(name)
		if field < 0 {
			return d.unknown(name)
		}
		if err := d.once(&seen, field, name); err != nil {
			return err
		}
		if d.literal("null") {
			continue // like not said
		}
		if err := member(field); err != nil {
			return err
		}
	}
}

// array reads an array item by item, and counts the items of the batch.
func (d *ingestDecoder) array(item func() error) error {
	if err := d.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.more(']', first)
		if err != nil || !more {
			return err
		}
		if d.items++; d.items > mes.MaxBatch {
			return mes.Faultf(mes.TooLarge, "the batch has more than %d items; send smaller batches", mes.MaxBatch)
		}
		if err := item(); err != nil {
			return err
		}
	}
}

func (d *ingestDecoder) ingest(in *mes.Ingest) error {
	return d.object(func(name []byte) int {
		switch string(name) {
		case "machine":
			return 0
		case "source":
			return 1
		case "states":
			return 2
		case "counts":
			return 3
		case "samples":
			return 4
		case "alarms":
			return 5
		}
		return -1
	}, func(field int) error {
		switch field {
		case 0:
			return d.id(&in.Machine)
		case 1:
			return d.string(&in.Source)
		case 2:
			return d.array(func() error {
				in.States = append(in.States, mes.StateEvent{})
				return d.state(&in.States[len(in.States)-1])
			})
		case 3:
			return d.array(func() error {
				in.Counts = append(in.Counts, mes.CountEvent{})
				return d.count(&in.Counts[len(in.Counts)-1])
			})
		case 4:
			return d.array(func() error {
				in.Samples = append(in.Samples, mes.SampleEvent{})
				return d.sample(&in.Samples[len(in.Samples)-1])
			})
		}
		return d.array(func() error {
			in.Alarms = append(in.Alarms, mes.AlarmEvent{})
			return d.alarm(&in.Alarms[len(in.Alarms)-1])
		})
	})
}

// sample is read without object's calls: it is what nearly every byte of a batch is.
func (d *ingestDecoder) sample(e *mes.SampleEvent) error {
	if err := d.open('{'); err != nil {
		return err
	}
	var seen fields
	for first := true; ; first = false {
		more, err := d.more('}', first)
		if err != nil || !more {
			return err
		}
		name, err := d.key()
		if err != nil {
			return err
		}
		field := -1
		switch string(name) {
		case "machine":
			field = 0
		case "tag":
			field = 1
		case "at":
			field = 2
		case "ord":
			field = 3
		case "value":
			field = 4
		case "text":
			field = 5
		default:
			return d.unknown(name)
		}
		if err := d.once(&seen, field, name); err != nil {
			return err
		}
		if c := d.next(); c == 'n' && d.literal("null") {
			continue
		}
		switch field {
		case 0:
			err = d.id(&e.Machine)
		case 1:
			err = d.string(&e.Tag)
		case 2:
			err = d.stamp(&e.At)
		case 3:
			err = d.int(&e.Ord)
		case 4:
			var v float64
			if v, err = d.float(); err == nil {
				d.values = append(d.values, v)
				e.Value = &d.values[len(d.values)-1]
			}
		case 5:
			err = d.string(&e.Text)
		}
		if err != nil {
			return err
		}
	}
}

func (d *ingestDecoder) state(e *mes.StateEvent) error {
	return d.object(func(name []byte) int {
		switch string(name) {
		case "machine":
			return 0
		case "state":
			return 1
		case "at":
			return 2
		case "ord":
			return 3
		case "reason":
			return 4
		case "raw":
			return 5
		}
		return -1
	}, func(field int) error {
		switch field {
		case 0:
			return d.id(&e.Machine)
		case 1:
			return d.string((*string)(&e.State))
		case 2:
			return d.stamp(&e.At)
		case 3:
			return d.int(&e.Ord)
		case 4:
			return d.string(&e.Reason)
		}
		return d.string(&e.Raw)
	})
}

func (d *ingestDecoder) count(e *mes.CountEvent) error {
	return d.object(func(name []byte) int {
		switch string(name) {
		case "machine":
			return 0
		case "counter":
			return 1
		case "value":
			return 2
		case "seq":
			return 3
		case "rollover":
			return 4
		case "at":
			return 5
		case "ord":
			return 6
		}
		return -1
	}, func(field int) error {
		switch field {
		case 0:
			return d.id(&e.Machine)
		case 1:
			return d.string(&e.Counter)
		case 2:
			return d.int64(&e.Value)
		case 3:
			return d.int64(&e.Seq)
		case 4:
			return d.int64(&e.Rollover)
		case 5:
			return d.stamp(&e.At)
		}
		return d.int(&e.Ord)
	})
}

func (d *ingestDecoder) alarm(e *mes.AlarmEvent) error {
	return d.object(func(name []byte) int {
		switch string(name) {
		case "machine":
			return 0
		case "key":
			return 1
		case "at":
			return 2
		case "ord":
			return 3
		case "level":
			return 4
		case "code":
			return 5
		case "severity":
			return 6
		case "qualifier":
			return 7
		case "text":
			return 8
		}
		return -1
	}, func(field int) error {
		switch field {
		case 0:
			return d.id(&e.Machine)
		case 1:
			return d.string(&e.Key)
		case 2:
			return d.stamp(&e.At)
		case 3:
			return d.int(&e.Ord)
		case 4:
			return d.string(&e.Level)
		case 5:
			return d.string(&e.Code)
		case 6:
			return d.string(&e.Severity)
		case 7:
			return d.string(&e.Qualifier)
		}
		return d.string(&e.Text)
	})
}

// string reads a text. Short ones are names, mostly, and come again.
func (d *ingestDecoder) string(to *string) error {
	text, err := d.text()
	if err != nil {
		return err
	}
	if len(text) > 80 {
		*to = string(text)
		return nil
	}
	known, ok := d.names[string(text)]
	if !ok {
		known = string(text)
		d.names[known] = known
	}
	*to = known
	return nil
}

func (d *ingestDecoder) id(to *mes.ID) error { return d.string((*string)(to)) }

func (d *ingestDecoder) int64(to *int64) (err error) {
	*to, err = d.integer()
	return err
}

func (d *ingestDecoder) int(to *int) error {
	n, err := d.integer()
	*to = int(n)
	return err
}

// stamp reads a moment: milliseconds or RFC 3339. The usual form in UTC is read here, others as the type itself does.
func (d *ingestDecoder) stamp(to *mes.Stamp) error {
	if c := d.next(); c != '"' {
		if c != '-' && (c < '0' || c > '9') {
			return d.fault("a time is expected: RFC 3339 text, or milliseconds since 1970")
		}
		digits, _, err := d.number()
		if err != nil {
			return err
		}
		return to.UnmarshalJSON(digits)
	}
	begin := d.pos + 1
	if _, err := d.text(); err != nil {
		return err
	}
	raw := d.data[begin : d.pos-1]
	if t, ok := utcTime(raw); ok {
		to.Time = t
		return nil
	}
	return to.UnmarshalText(raw)
}

// utcTime reads 2026-11-23T06:00:00Z with up to nine decimals of the second. Not ok says nothing more than that.
func utcTime(s []byte) (t time.Time, ok bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		return t, false
	}
	part := func(from, to int) int {
		n := 0
		for _, c := range s[from:to] {
			if c < '0' || c > '9' {
				return -1
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day, hour, minute, second := part(0, 4), part(5, 7), part(8, 10), part(11, 13), part(14, 16), part(17, 19)
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return t, false
	}
	nanos := 0
	if len(s) > 20 {
		decimals := len(s) - 21
		if s[19] != '.' || decimals < 1 || decimals > 9 {
			return t, false
		}
		if nanos = part(20, len(s)-1); nanos < 0 {
			return t, false
		}
		for ; decimals < 9; decimals++ {
			nanos *= 10
		}
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
