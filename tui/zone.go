package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
)

// findZone learns in which time zone the people here live: that of the station's site or, on somebody's own connection,
// of the plant if all of its sites agree. As long as it is not known, times are in UTC.
func (a *App) findZone() tea.Cmd {
	if a.zoned {
		return nil
	}
	app, actor, parent, site := a.s.App, a.actor, a.s.Context, mes.ID("")
	if a.s.Station != nil {
		site = a.s.Station.Site
	}
	return func() tea.Msg {
		ctx, done := context.WithTimeout(parent, patience)
		defer done()
		plant, err := app.Equipment(ctx, actor)
		if err != nil {
			return nil
		}
		zone, err := time.LoadLocation(zoneOf(plant, site))
		if err != nil {
			return nil
		}
		return answerMsg{func(a *App) tea.Cmd {
			a.s.Zone, a.zoned = zone, true
			return nil
		}}
	}
}

// zoneOf is the zone of a site, or the one that all sites have in common; UTC if there is none.
func zoneOf(plant []mes.Equipment, site mes.ID) string {
	common := ""
	for i := range plant {
		e := &plant[i]
		if e.Level != mes.Site || site != "" && e.ID != site {
			continue
		}
		if common != "" && common != e.TimeZone {
			return "UTC"
		}
		common = e.TimeZone
	}
	return common
}
