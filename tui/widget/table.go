package widget

// A Column of a table. Width is in cells; the flexible column, of which there is one, takes what is left.
type Column struct {
	Title string
	Width int
	Right bool
	Flex  bool
}

// Table lays rows of cells out under column titles. Every row has a cell for every column.
type Table struct {
	Columns []Column
	Rows    [][]Span
}

const gap = 2 // between columns

// widths gives the width of each column; columns that do not fit any more are 0, from the right.
func (t *Table) widths(width int) []int {
	w := make([]int, len(t.Columns))
	left := width - 3 // the mark before, a margin behind
	flex := -1
	for i, c := range t.Columns {
		if c.Flex {
			flex = i
		}
		if left < c.Width {
			break
		}
		w[i] = c.Width
		left -= c.Width + gap
	}
	if flex >= 0 && w[flex] > 0 {
		w[flex] += max(left+gap, 0)
	}
	return w
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
		text := Left(cells[i].Text, w)
		if t.Columns[i].Right {
			text = Right(cells[i].Text, w)
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
