package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// A many is one statement for any number of rows, in two forms. SQLite takes rows as arguments of prepared statements,
// which spares it the unpacking; to rqlited each argument and each byte of SQL costs more than that, so it gets all rows
// as one JSON array.
type many struct {
	width  int            // arguments that a row takes
	bound  map[int]string // for so many rows at once
	listed string
}

// chunks is how many rows a statement takes at once: few sizes, so that few statements are ever prepared, and together
// they make up any number.
var chunks = []int{256, 64, 32, 16, 8, 4, 2, 1}

// eachRow gives the rows of a JSON array as v. The OFFSET keeps SQLite from putting json_each.value, which it writes out
// anew each time, in the place of every v.
const eachRow = "(SELECT value AS v FROM json_each(?) LIMIT -1 OFFSET 0)"

// inserting is the INSERT of rows with these columns, separated by commas; otherwise says what to do about rows that are
// there already, "" to refuse them.
func inserting(table, columns, otherwise string) *many {
	m := &many{width: strings.Count(columns, ",") + 1, bound: map[int]string{}}
	into := fmt.Sprintf("INSERT INTO %s(%s) ", table, columns)
	row := "(?" + strings.Repeat(",?", m.width-1) + ")"
	for _, n := range chunks {
		m.bound[n] = into + "VALUES " + row + strings.Repeat(","+row, n-1) + otherwise
	}
	picked := make([]string, m.width)
	for i := range picked {
		picked[i] = fmt.Sprintf("v->>%d", i)
	}
	m.listed = into + "SELECT " + strings.Join(picked, ",") + " FROM " + eachRow + " WHERE true" + otherwise
	return m
}

// requiring refuses the batch unless each record, given as its key and its version, is there; a version of NULL is for
// one that is not there.
func requiring(version, table, key string) *many {
	m := &many{width: 2, bound: map[int]string{}, listed: fmt.Sprintf("INSERT INTO must(ok) SELECT (SELECT %s FROM %s WHERE %s = v->>0) IS v->>1 FROM %s", version, table, key, eachRow)}
	holds := fmt.Sprintf("(SELECT %s FROM %s WHERE %s = ?) IS ?", version, table, key)
	for _, n := range chunks {
		m.bound[n] = "INSERT INTO must(ok) VALUES (" + holds + strings.Repeat(" AND "+holds, n-1) + ")"
	}
	return m
}

// stmts adds the statements for the rows whose arguments follow each other in args.
func (m *many) stmts(to []stmt, args []any, listed bool) []stmt {
	if len(args) == 0 {
		return to
	}
	if listed {
		return append(to, stmt{m.listed, []any{string(m.list(args))}})
	}
	for _, n := range chunks {
		text, width := m.bound[n], n*m.width
		for text != "" && len(args) >= width {
			to = append(to, stmt{text, args[:width:width]})
			args = args[width:]
		}
	}
	return to
}

// list writes rows as a JSON array of arrays.
func (m *many) list(args []any) []byte {
	to := make([]byte, 0, len(args)*16)
	for i, arg := range args {
		switch {
		case i == 0:
			to = append(to, "[["...)
		case i%m.width == 0:
			to = append(to, "],["...)
		default:
			to = append(to, ',')
		}
		switch v := arg.(type) {
		case string:
			to = appendText(to, v)
		case int64:
			to = strconv.AppendInt(to, v, 10)
		case float64:
			to = strconv.AppendFloat(to, v, 'g', -1, 64)
		default:
			to = append(to, "null"...)
		}
	}
	return append(to, "]]"...)
}
