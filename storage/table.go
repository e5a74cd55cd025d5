package storage

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gemba/mes"
)

// A table is where the rows of one type live. Its columns are the type's fields, by their JSON names:
//
//	string                   TEXT NOT NULL
//	bool and whole numbers   INTEGER NOT NULL
//	float64                  REAL; NULL for NaN
//	time.Time                INTEGER, Unix milliseconds, name_ms; NULL for the zero time
//	anything else            TEXT, its JSON; NULL when it is empty
//
// so that a new field needs a column in a migration and nothing else.
type table struct {
	name      string
	row       reflect.Type
	key       []string // columns of the primary key
	versioned bool     // Put with expectations, else only added to
	columns   []column

	list   string         // the columns, quoted, for SELECT
	insert map[int]string // INSERT of so many rows, by chunks; ON CONFLICT(key) DO UPDATE if versioned
	must   map[int]string // refuses unless so many records, given as key and version, are as expected
	ignore string         // INSERT … ON CONFLICT DO NOTHING of all rows of a JSON array
}

// chunks is how many rows one statement takes: few sizes, so that few statements are ever prepared, and together they
// make up any number.
var chunks = []int{64, 32, 16, 8, 4, 2, 1}

type column struct {
	name  string
	field int
	sort  sort
}

// sort is how a field is kept.
type sort int

const (
	text sort = iota
	whole
	float
	moment // time.Time
	document
)

func (s sort) sqlType() string {
	switch s {
	case whole, moment:
		return "INTEGER"
	case float:
		return "REAL"
	}
	return "TEXT"
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// eachRow gives the elements of a JSON array as v. The OFFSET keeps SQLite from putting json_each.value, which it writes
// out anew each time, in the place of every v.
const eachRow = "(SELECT value AS v FROM json_each(?) LIMIT -1 OFFSET 0)"

// newTable makes the plan for a row type. It panics on what cannot be kept: types are fixed when the program is built,
// and a test walks them all.
func newTable(name string, row reflect.Type, versioned bool, key []string, fixed ...string) *table {
	t := &table{name: name, row: row, key: key, versioned: versioned}
	var quoted, picked, set []string
	for i := range row.NumField() {
		f := row.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" || !f.IsExported() || f.Anonymous {
			panic(fmt.Sprintf("storage: field %s of %s has no JSON name to make a column of", f.Name, row))
		}
		c := column{name: tag, field: i, sort: sortOf(f.Type)}
		if c.sort == moment {
			c.name += "_ms"
		}
		picked = append(picked, fmt.Sprintf("v->>%d", i))
		t.columns = append(t.columns, c)
		quoted = append(quoted, `"`+c.name+`"`)
		if !slices.Contains(key, c.name) && !slices.Contains(fixed, c.name) {
			set = append(set, fmt.Sprintf(`"%s"=excluded."%s"`, c.name, c.name))
		}
	}
	t.list = strings.Join(quoted, ", ")
	into := fmt.Sprintf("INSERT INTO %s(%s) ", name, t.list)
	t.ignore = into + "SELECT " + strings.Join(picked, ",") + " FROM " + eachRow + " WHERE true ON CONFLICT DO NOTHING"
	version, conflict := "1", "" // of rows that never change
	if versioned {
		version, conflict = "version", fmt.Sprintf(` ON CONFLICT("%s") DO UPDATE SET %s`, key[0], strings.Join(set, ", "))
	}
	values := "(?" + strings.Repeat(",?", len(quoted)-1) + ")"
	holds := fmt.Sprintf(`(SELECT %s FROM %s WHERE "%s" = ?) IS ?`, version, name, key[0])
	t.insert, t.must = map[int]string{}, map[int]string{}
	for _, n := range chunks {
		t.insert[n] = into + "VALUES " + values + strings.Repeat(","+values, n-1) + conflict
		t.must[n] = "INSERT INTO must(ok) VALUES (" + holds + strings.Repeat(" AND "+holds, n-1) + ")"
	}
	return t
}

func sortOf(f reflect.Type) sort {
	if f == timeType {
		return moment
	}
	switch f.Kind() {
	case reflect.String:
		return text
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return whole
	case reflect.Float64:
		return float
	case reflect.Slice, reflect.Struct, reflect.Map, reflect.Pointer:
		return document
	}
	panic(fmt.Sprintf("storage: no column can keep a %s", f))
}

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

// append adds the row, a struct of the table's type, to a JSON text as an array of its columns.
func (t *table) append(to []byte, row reflect.Value) ([]byte, error) {
	for i := range t.columns {
		c := &t.columns[i]
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		to = append(to, sep)
		field := row.Field(c.field)
		switch c.sort {
		case text:
			to = appendText(to, field.String())
		case whole:
			if field.Kind() == reflect.Bool {
				to = appendBool(to, field.Bool())
			} else {
				to = strconv.AppendInt(to, field.Int(), 10)
			}
		case float:
			var err error
			if to, err = appendFloat(to, field.Float()); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.name, c.name, err)
			}
		case moment:
			to = appendTime(to, *(field.Addr().Interface().(*time.Time)))
		case document:
			var err error
			if to, err = appendDocument(to, field); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.name, c.name, err)
			}
		}
	}
	return append(to, ']'), nil
}

func appendBool(to []byte, b bool) []byte {
	if b {
		return append(to, '1')
	}
	return append(to, '0')
}

func appendTime(to []byte, at time.Time) []byte {
	if at.IsZero() {
		return append(to, "null"...)
	}
	return strconv.AppendInt(to, at.UnixMilli(), 10)
}

func appendFloat(to []byte, f float64) ([]byte, error) {
	switch {
	case math.IsNaN(f):
		return append(to, "null"...), nil
	case math.IsInf(f, 0):
		return nil, notKept(f)
	}
	return strconv.AppendFloat(to, f, 'g', -1, 64), nil
}

// appendDocument adds JSON inside JSON, not as a string: SQLite gives back exactly the text that came in, and nothing is
// escaped twice.
func appendDocument(to []byte, field reflect.Value) ([]byte, error) {
	data, err := documentOf(field)
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = []byte("null")
	}
	return append(to, data...), nil
}

const hexDigits = "0123456789abcdef"

// appendText adds a JSON string. What is not UTF-8 becomes U+FFFD, and NUL too, since SQLite's texts end there.
func appendText(to []byte, s string) []byte {
	to = append(to, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b < utf8.RuneSelf {
			to = append(to, s[start:i]...)
			switch b {
			case '"', '\\':
				to = append(to, '\\', b)
			case 0:
				to = append(to, "\ufffd"...)
			default:
				to = append(to, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			to = append(to, s[start:i]...)
			to = append(to, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += size
	}
	to = append(to, s[start:]...)
	return append(to, '"')
}

// clean gives the text as appendText keeps it.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

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
