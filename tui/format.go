package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// count writes a quantity with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	if n < 0 {
		return "-" + count(-n)
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// fitted writes a quantity at the right of a width, with its thousands apart if there is room. It is never cut: that
// would be another number.
func fitted(n int64, width int) string {
	s := count(n)
	if len(s) > width {
		s = strconv.FormatInt(n, 10)
	}
	return strings.Repeat(" ", max(width-len(s), 0)) + s
}

// clock writes how long something has been so, as hours, minutes and seconds.
func clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// span writes how long something has been so in two units at most, for a table.
func span(d time.Duration) string {
	switch s := int64(max(d, 0) / time.Second); {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd %02dh", s/86400, s/3600%24)
	}
}

// moment writes a time: the hour of today, the day otherwise.
func (a *App) moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t, now := t.In(a.s.Zone), a.now.In(a.s.Zone)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	if t.Year() == now.Year() {
		return t.Format("02.01. 15:04")
	}
	return t.Format(time.DateOnly)
}

// day writes a due date.
func (a *App) day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.s.Zone).Format(time.DateOnly)
}
