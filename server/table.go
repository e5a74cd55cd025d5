package server

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gemba/mes"
)

// longestCell bounds a cell of a table, in characters; the whole text is in the JSON.
const longestCell = 60

// forPeople writes an answer as aligned plain text: a list as a table, a thing as its fields, what belongs to it below.
// Nothing in it can do anything to a terminal.
func forPeople(answer any) string {
	switch a := answer.(type) {
	case mes.List:
		return listText(reflect.ValueOf(a.Items))
	case mes.Receipt:
		return receiptText(&a)
	}
	return thingText(reflect.ValueOf(answer))
}

func receiptText(r *mes.Receipt) string {
	rows := [][]string{{"done", r.Command}, {"id", plainText(string(r.ID), longestCell)}, {"entry", r.Writer + "/" + strconv.FormatInt(r.N, 10)}}
	if r.Inserted > 0 {
		rows = append(rows, []string{"inserted", strconv.FormatInt(r.Inserted, 10)})
	}
	var result map[string]any
	if json.Unmarshal(r.Result, &result) == nil {
		for _, name := range slices.Sorted(maps.Keys(result)) {
			text, _ := json.Marshal(result[name])
			if s, ok := result[name].(string); ok {
				text = []byte(s)
			}
			rows = append(rows, []string{name, plainText(string(text), 0)})
		}
	}
	for _, o := range r.Odd {
		rows = append(rows, []string{"odd", plainText(o.Text, 0)})
	}
	return table(nil, rows)
}

// listText is a table with a column for each simple field that has anything in it.
func listText(items reflect.Value) string {
	if !items.IsValid() || items.Kind() != reflect.Slice || items.Len() == 0 {
		return "(nothing)\n"
	}
	t := items.Type().Elem()
	if t.Kind() != reflect.Struct {
		var b strings.Builder
		for i := range items.Len() {
			b.WriteString(cell(items.Index(i)) + "\n")
		}
		return b.String()
	}
	var head []string
	rows := make([][]string, items.Len())
	for f := range t.NumField() {
		name := fieldName(t.Field(f))
		if name == "" || name == "version" || !simple(t.Field(f).Type) {
			continue
		}
		column, any := make([]string, items.Len()), false
		for i := range items.Len() {
			v := items.Index(i).Field(f)
			column[i] = cell(v)
			any = any || !v.IsZero()
		}
		if !any {
			continue
		}
		head = append(head, strings.ToUpper(name))
		for i := range rows {
			rows[i] = append(rows[i], column[i])
		}
	}
	return table(head, rows)
}

// thingText is one thing: its simple fields by line, then the things and lists in it.
func thingText(v reflect.Value) string {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return "(nothing)\n"
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return cell(v) + "\n"
	}
	var rows [][]string
	var below strings.Builder
	for f := range v.NumField() {
		name, field := fieldName(v.Type().Field(f)), v.Field(f)
		switch {
		case name == "" || field.IsZero():
		case simple(field.Type()):
			rows = append(rows, []string{name, written(field, 0)}) // a line has room for all of it
		case field.Kind() == reflect.Slice:
			if field.Len() > 0 {
				fmt.Fprintf(&below, "\n%s\n%s", strings.ToUpper(name), listText(field))
			}
		case field.Kind() == reflect.Struct:
			fmt.Fprintf(&below, "\n%s\n%s", strings.ToUpper(name), thingText(field))
		default:
			text, _ := json.Marshal(field.Interface())
			rows = append(rows, []string{name, plainText(string(text), 0)})
		}
	}
	return strings.TrimPrefix(table(nil, rows)+below.String(), "\n")
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !f.IsExported() || name == "-" {
		return ""
	}
	return name
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	rawType     = reflect.TypeFor[json.RawMessage]()
	marshalText = reflect.TypeFor[encoding.TextMarshaler]()
)

// simple tells whether a value fits into a cell.
func simple(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return t == timeType || t.Implements(marshalText)
	case reflect.Slice:
		return t != rawType && t.Elem().Kind() != reflect.Struct && simple(t.Elem())
	case reflect.Map, reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan:
		return false
	}
	return true
}

// cell is a value in a table.
func cell(v reflect.Value) string { return written(v, longestCell) }

// written is a value in at most so many characters; 0 is all of it.
func written(v reflect.Value, most int) string {
	switch {
	case v.Type() == timeType:
		t := v.Interface().(time.Time)
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format("2006-01-02T15:04:05Z")
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = written(v.Index(i), most)
		}
		return plainText(strings.Join(parts, ","), most)
	case v.Kind() == reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	text := plainText(fmt.Sprint(v.Interface()), most)
	if text == "" {
		return "-"
	}
	return text
}

// table aligns rows in columns. The head may be nil.
func table(head []string, rows [][]string) string {
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	var width []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			line.WriteString(text)
			line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(text)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
