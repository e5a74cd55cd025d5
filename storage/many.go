package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// A many is one statement for any number of rows, in two forms. SQLite carries out a prepared statement a row, which
// spares it the unpacking; to rqlited each argument and each byte of SQL costs more than that, so it gets all rows as one
// JSON array.
type many struct {
	width   int    // arguments that a row takes
	single  string // for one row
	several string // for rowsAtOnce of them, if that is cheaper
	listed  string
}

// rowsAtOnce is how many expectations SQLite looks at in one statement: each is a single look-up, and carrying out a
// statement costs several of those.
const rowsAtOnce = 8

// eachRow gives the rows of a JSON array as v. The OFFSET keeps SQLite from putting json_each.value, which it writes out
// anew each time, in the place of every v.
const eachRow = "(SELECT value AS v FROM json_each(?) LIMIT -1 OFFSET 0)"

// inserting is the INSERT of rows with these columns, separated by commas; otherwise says what to do about rows that are
// there already, "" to refuse them.
func inserting(table, columns, otherwise string) *many {
	m := &many{width: strings.Count(columns, ",") + 1}
	into := fmt.Sprintf("INSERT INTO %s(%s) ", table, columns)
	m.single = into + "VALUES (?" + strings.Repeat(",?", m.width-1) + ")" + otherwise
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
	one := fmt.Sprintf("(SELECT %s FROM %s WHERE %s = ?) IS ?", version, table, key)
	return &many{
		width:   2,
		single:  "INSERT INTO must(ok) VALUES (" + one + ")",
		several: "INSERT INTO must(ok) VALUES (" + one + strings.Repeat(" AND "+one, rowsAtOnce-1) + ")",
		listed:  fmt.Sprintf("INSERT INTO must(ok) SELECT (SELECT %s FROM %s WHERE %s = v->>0) IS v->>1 FROM %s", version, table, key, eachRow),
	}
}

// stmts adds the statement for the rows whose arguments follow each other in args, if there are any.
func (m *many) stmts(to []stmt, args []any, listed bool) []stmt {
	switch {
	case len(args) == 0:
		return to
	case listed:
		return append(to, stmt{sql: m.listed, args: []any{string(m.list(args))}})
	}
	rows := len(args) / m.width
	if together := rows / rowsAtOnce; m.several != "" && together > 0 {
		to = append(to, stmt{sql: m.several, args: args[:together*rowsAtOnce*m.width], rows: together})
		args, rows = args[together*rowsAtOnce*m.width:], rows%rowsAtOnce
	}
	if rows > 0 {
		to = append(to, stmt{sql: m.single, args: args, rows: rows})
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
