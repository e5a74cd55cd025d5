package storage

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
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

	list   string // the columns, quoted, for SELECT
	insert *many
	update *many // of versioned rows
	must   *many // refuses unless each record, given as key and version, is as expected
	ignore *many // INSERT … ON CONFLICT DO NOTHING
}

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

// newTable makes the plan for a row type. It panics on what cannot be kept: types are fixed when the program is built,
// and a test walks them all.
func newTable(name string, row reflect.Type, versioned bool, key []string, fixed ...string) *table {
	t := &table{name: name, row: row, key: key, versioned: versioned}
	var quoted, bound, listed []string
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
		t.columns = append(t.columns, c)
		quoted = append(quoted, quote(c.name))
		if !slices.Contains(key, c.name) && !slices.Contains(fixed, c.name) {
			bound = append(bound, fmt.Sprintf("%s=?%d", quote(c.name), i+1))
			listed = append(listed, fmt.Sprintf("%s=v->>%d", quote(c.name), i))
		}
	}
	t.list = strings.Join(quoted, ",")
	t.insert, t.ignore = inserting(name, t.list, ""), inserting(name, t.list, " ON CONFLICT DO NOTHING")
	version := "1" // of rows that never change
	if versioned {
		version = "version"
		t.update = &many{
			width:  len(t.columns),
			single: fmt.Sprintf("UPDATE %s SET %s WHERE %s=?1", name, strings.Join(bound, ","), key[0]),
			listed: fmt.Sprintf("UPDATE %s SET %s FROM %s WHERE %s=v->>0", name, strings.Join(listed, ","), eachRow, key[0]),
		}
	}
	t.must = requiring(version, name, key[0])
	return t
}

// quote writes a column's name so that it is never taken for a keyword. Names that are none stay bare: rqlited packs
// batches with long statements, and that takes longer than carrying them out.
func quote(name string) string {
	switch name {
	case "order", "key", "end", "from", "to", "view":
		return `"` + name + `"`
	}
	return name
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
