package storage

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"
)

// scan fills a struct of the table's type from values in the order of t.list.
func (t *table) scan(values []any, row reflect.Value) error {
	if len(values) != len(t.columns) {
		return fmt.Errorf("table %s: %d values for %d columns", t.name, len(values), len(t.columns))
	}
	for i := range t.columns {
		c := &t.columns[i]
		if err := setField(row.Field(c.field), c.sort, values[i]); err != nil {
			return fmt.Errorf("%s.%s: %w", t.name, c.name, err)
		}
	}
	return nil
}

func setField(field reflect.Value, s sort, value any) error {
	if value == nil {
		field.SetZero()
		if s == float {
			field.SetFloat(math.NaN())
		}
		return nil
	}
	switch s {
	case text:
		v, ok := value.(string)
		if !ok {
			return fmt.Errorf("%T where text belongs", value)
		}
		field.SetString(v)
	case whole:
		v, ok := wholeOf(value)
		if !ok {
			return fmt.Errorf("%T where a whole number belongs", value)
		}
		if field.Kind() == reflect.Bool {
			field.SetBool(v != 0)
		} else {
			field.SetInt(v)
		}
	case float:
		switch v := value.(type) {
		case float64:
			field.SetFloat(v)
		case int64:
			field.SetFloat(float64(v))
		default:
			return fmt.Errorf("%T where a number belongs", value)
		}
	case moment:
		v, ok := wholeOf(value)
		if !ok {
			return fmt.Errorf("%T where a time belongs", value)
		}
		field.Set(reflect.ValueOf(time.UnixMilli(v).UTC()))
	case document:
		v, ok := value.(string)
		if !ok {
			return fmt.Errorf("%T where JSON belongs", value)
		}
		if field.Type() == rawType {
			field.SetBytes([]byte(v))
			return nil
		}
		field.SetZero()
		return json.Unmarshal([]byte(v), field.Addr().Interface())
	}
	return nil
}

// wholeOf reads a whole number, which rqlite hands out as a float.
func wholeOf(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v)
	}
	return 0, false
}

func textOf(value any) string {
	s, _ := value.(string)
	return s
}
