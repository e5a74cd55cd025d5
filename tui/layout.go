package tui

// A class of layout is chosen by the live size of the window, never by the name of a device.
type class int

const (
	tooSmall class = iota
	strip          // fewer than 12 rows: label and value, the message replaces the key bar
	hand           // fewer than 40 columns: one task, short labels
	half           // 40 to 79 columns
	term           // 24 × 80 and up
	wall           // 30 × 100 and up
)

// classOf chooses the layout of a window of so many columns and rows.
func classOf(width, height int) class {
	switch {
	case width < 16 || height < 6:
		return tooSmall
	case width < 40:
		return hand
	case height < 12:
		return strip
	case width < 80:
		return half
	case width >= 100 && height >= 30:
		return wall
	}
	return term
}

// An area is the part of the window that a screen may fill.
type area struct {
	width, height int
	class         class
}

// narrow tells whether there is no room for a table.
func (a area) narrow() bool { return a.class == hand }
