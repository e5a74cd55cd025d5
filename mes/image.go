package mes

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"time"
)

// imageOf writes a record as the ledger keeps it: the JSON that encoding/json gives, without the members that are zero.
// A ledger entry holds several records and is written for every command; most of their members are zero, and a reader
// fills them in again.
func imageOf(row any) (json.RawMessage, error) {
	v := reflect.ValueOf(row).Elem()
	known, ok := imagePlans.Load(v.Type())
	if !ok {
		known, _ = imagePlans.LoadOrStore(v.Type(), planImage(v.Type()))
	}
	to := append(make([]byte, 0, 512), '{')
	for _, m := range known.([]member) {
		f := v.Field(m.field)
		if f.IsZero() {
			continue
		}
		if len(to) > 1 {
			to = append(to, ',')
		}
		to = append(to, m.name...)
		var err error
		if to, err = appendMember(to, f, m.plain); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

var imagePlans sync.Map // reflect.Type to []member

// A member is a field of a record as its image has it.
type member struct {
	field int
	name  string // `"name":`
	plain bool   // a text, number or truth with no way of its own to be written
}

func planImage(t reflect.Type) []member {
	var members []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		plain := f.Type == reflect.TypeFor[time.Time]() || !f.Type.Implements(reflect.TypeFor[json.Marshaler]())
		members = append(members, member{i, `"` + name + `":`, plain})
	}
	return members
}

func appendMember(to []byte, f reflect.Value, plain bool) ([]byte, error) {
	if plain {
		switch f.Kind() {
		case reflect.String:
			if s := f.String(); !needsEscape(s) {
				return append(append(append(to, '"'), s...), '"'), nil
			}
		case reflect.Bool:
			return append(to, "true"...), nil // false is left out
		case reflect.Struct:
			if at, ok := f.Interface().(time.Time); ok {
				return append(at.AppendFormat(append(to, '"'), time.RFC3339Nano), '"'), nil
			}
		}
	}
	text, err := json.Marshal(f.Interface())
	return append(to, text...), err
}

// needsEscape tells whether a text may not stand between quotes as it is.
func needsEscape(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return true
		}
	}
	return false
}
