package storage

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"gemba/mes"
)

// args adds the row, a struct of the table's type, to the arguments of a statement.
func (t *table) args(to []any, row reflect.Value) ([]any, error) {
	for i := range t.columns {
		c := &t.columns[i]
		field := row.Field(c.field)
		switch c.sort {
		case text:
			to = append(to, clean(field.String()))
		case whole:
			to = append(to, wholeArg(field))
		case float:
			f := field.Float()
			switch {
			case math.IsNaN(f):
				to = append(to, nil)
			case math.IsInf(f, 0):
				return nil, fmt.Errorf("%s.%s: %w", t.name, c.name, notKept(f))
			default:
				to = append(to, f)
			}
		case moment:
			to = append(to, timeArg(*(field.Addr().Interface().(*time.Time))))
		case document:
			d, err := documentArg(field)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.name, c.name, err)
			}
			to = append(to, d)
		}
	}
	return to, nil
}

func wholeArg(field reflect.Value) any {
	if field.Kind() != reflect.Bool {
		return field.Int()
	}
	if field.Bool() {
		return int64(1)
	}
	return int64(0)
}

func timeArg(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UnixMilli()
}

func documentArg(field reflect.Value) (any, error) {
	data, err := documentOf(field)
	if data == nil || err != nil {
		return nil, err
	}
	return string(data), nil
}

// documentOf gives the JSON of a field, nil when it is empty.
func documentOf(field reflect.Value) ([]byte, error) {
	if field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0 {
		return nil, nil
	}
	if secrets, ok := field.Interface().([]mes.Secret); ok { // which write themselves as digests everywhere else
		plain := make([]string, len(secrets))
		for i, s := range secrets {
			plain[i] = string(s)
		}
		return json.Marshal(plain)
	}
	if field.Type() != rawType {
		return json.Marshal(field.Interface())
	}
	raw := field.Bytes()
	if raw[0] != '{' && raw[0] != '[' {
		return nil, fmt.Errorf("%.20q is neither an object nor a list", raw)
	}
	return raw, nil
}

func notKept(f float64) error {
	return mes.Faultf(mes.Invalid, "%v is not a number that can be kept", f)
}

const hexDigits = "0123456789abcdef"

// appendText adds a JSON string of the text as clean gives it.
func appendText(to []byte, s string) []byte {
	s = clean(s)
	to = append(to, '"')
	start := 0
	for i := range len(s) {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' {
			continue
		}
		to = append(to, s[start:i]...)
		if b < 0x20 {
			to = append(to, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		} else {
			to = append(to, '\\', b)
		}
		start = i + 1
	}
	to = append(to, s[start:]...)
	return append(to, '"')
}

// clean gives the text as the databases can keep it: what is not UTF-8 becomes U+FFFD, and NUL too, since SQLite's
// texts end there.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
