package widget

import "strings"

// A Column of a table. Width is in cells; the flexible column, of which there is one, takes what is left.
type Column struct {
	Title string
	Width int
	Right bool
	Flex  bool
}

// Table lays rows of cells out under column titles. Every row has a cell for every column. What stands at the right of
// its column is a number, and a number is never cut: it would be another one.
type Table struct {
	Columns []Column
	Rows    [][]Span

	plan plan
}

// A plan is how a table is laid out in a width.
type plan struct {
	width, rows int // that it was made for
	columns     []int
	tight       bool // thousands are not apart
}

const (
	gap       = 2 // between columns
	leastText = 6 // cells that the flexible column keeps when numbers need room
)

// widths gives the width of each column; columns that do not fit any more are 0, from the right. Numbers that are wider
// than their column take what they need from columns that are wider than their text, then thousands are written
// together, then the flexible column is cut.
func (t *Table) widths(width int) []int {
	if t.plan.columns != nil && t.plan.width == width && t.plan.rows == len(t.Rows) {
		return t.plan.columns
	}
	t.plan = plan{width: width, rows: len(t.Rows)}
	w, missing := t.wanted(width)
	for i := len(w) - 1; i >= 0 && missing > 0; i-- {
		if c := t.Columns[i]; !c.Right {
			take := max(min(w[i]-max(t.content(i), Width(c.Title)), missing), 0)
			w[i], missing = w[i]-take, missing-take
		}
	}
	if missing > 0 {
		t.plan.tight = true
		w, missing = t.wanted(width)
	}
	for i := range w {
		if t.Columns[i].Flex {
			w[i] -= max(min(w[i]-leastText, missing), 0)
		}
	}
	left := width - 3 // the mark before, a margin behind
	flex, whole := -1, true
	for i, c := range t.Columns {
		whole = whole && left >= w[i]
		if !whole {
			w[i] = 0
			continue
		}
		if c.Flex {
			flex = i
		}
		left -= w[i] + gap
	}
	if flex >= 0 {
		w[flex] += max(left+gap, 0)
	}
	t.plan.columns = w
	return w
}

// wanted gives the width that each column would like, and how much of what the numbers want is not there.
func (t *Table) wanted(width int) (w []int, missing int) {
	w = make([]int, len(t.Columns))
	total, grown := 3-gap, 0
	for i, c := range t.Columns {
		w[i] = c.Width
		if c.Right {
			w[i] = max(w[i], t.content(i))
		}
		grown += w[i] - c.Width
		total += w[i] + gap
	}
	return w, max(min(total-width, grown), 0)
}

// content is how wide the widest cell of a column is.
func (t *Table) content(column int) int {
	widest := 0
	for _, row := range t.Rows {
		widest = max(widest, Width(t.text(row, column)))
	}
	return widest
}

// text of a cell.
func (t *Table) text(cells []Span, column int) string {
	if t.plan.tight && t.Columns[column].Right {
		return together(cells[column].Text)
	}
	return cells[column].Text
}

// together writes the thousands of a number without a space between them.
func together(s string) string {
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	var b strings.Builder
	for i := range len(s) {
		if s[i] != ' ' || !digit(i-1) || !digit(i+1) {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Head is the line of column titles.
func (t *Table) Head(width int) Line {
	cells := make([]Span, len(t.Columns))
	for i, c := range t.Columns {
		cells[i] = Span{c.Title, Dim}
	}
	return t.line(cells, width, false)
}

// Line is a row of the table; the lit one carries a mark besides its colour.
func (t *Table) Line(row int, width int, lit bool) Line {
	return t.line(t.Rows[row], width, lit)
}

func (t *Table) line(cells []Span, width int, lit bool) Line {
	l := Line{Lit: lit}
	mark := Span{"  ", Plain}
	if lit {
		mark = Span{"▌ ", Act}
	}
	l.Spans = append(l.Spans, mark)
	first := true
	for i, w := range t.widths(width) {
		if w == 0 {
			continue
		}
		if !first {
			l.Spans = append(l.Spans, Span{"  ", Plain})
		}
		first = false
		text := Left(t.text(cells, i), w)
		if t.Columns[i].Right {
			text = Right(t.text(cells, i), w)
		}
		tone := cells[i].Tone
		if lit && tone == Plain {
			tone = Strong
		}
		l.Spans = append(l.Spans, Span{text, tone})
	}
	return l
}

// A List keeps which of its items the keys act on, and which part of it is in view.
type List struct {
	Len    int
	Cursor int
	top    int
	page   int // items that were in view last
}

// Move goes up or down by so many items and stays within the list.
func (l *List) Move(by int) { l.Cursor = max(min(l.Cursor+by, l.Len-1), 0) }

// Page is how many items one page moves by.
func (l *List) Page() int { return max(l.page-1, 1) }

// Window gives the items in view when so many fit, so that the cursor is one of them.
func (l *List) Window(fit int) (from, to int) {
	fit = max(fit, 1)
	l.Move(0)
	l.page = fit
	l.top = max(min(l.top, l.Len-fit), 0)
	if l.Cursor < l.top {
		l.top = l.Cursor
	}
	if l.Cursor >= l.top+fit {
		l.top = l.Cursor - fit + 1
	}
	return l.top, min(l.top+fit, l.Len)
}
