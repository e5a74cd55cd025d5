package mes

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Level of equipment in the ISA-95 hierarchy.
type Level string

const (
	Enterprise Level = "enterprise"
	Site       Level = "site" // facility
	Area       Level = "area"
	WorkCentre Level = "work_centre" // line
	WorkUnit   Level = "work_unit"   // machine
)

// parentOf says what may hold what.
var parentOf = map[Level][]Level{Enterprise: nil, Site: {Enterprise, ""}, Area: {Site}, WorkCentre: {Area, Site}, WorkUnit: {WorkCentre}}

// Equipment is a node of the plant. Site and Line repeat the path above it, because scopes ask for them at every step.
type Equipment struct {
	ID         ID       `json:"id"` // its code
	Name       string   `json:"name"`
	Level      Level    `json:"level"`
	Parent     ID       `json:"parent"`
	Site       ID       `json:"site"`
	Line       ID       `json:"line"`
	TimeZone   string   `json:"time_zone"`
	Classes    []string `json:"classes"`     // equipment classes of a work unit: "lathe"
	Capacity   int      `json:"capacity"`    // job sessions a work unit runs at once
	TimeoutS   int      `json:"timeout_s"`   // seconds of silence after which a machine's state is unknown; 0 never
	MicrostopS int      `json:"microstop_s"` // stops shorter than this many seconds are counted, not asked about
	Version    int64    `json:"version"`
}

// Place of the equipment for scopes.
func (e *Equipment) Place() Place {
	p := Place{Site: e.Site, Line: e.Line}
	if e.Level == WorkUnit {
		p.Machine = e.ID
	}
	return p
}

func (e *Equipment) inClass(class string) bool {
	return slices.Contains(e.Classes, class)
}

// DefineEquipment adds a node to the plant, or changes its name and settings. Its place in the plant never moves.
type DefineEquipment struct {
	Code       ID       `json:"code" doc:"code of the equipment" maxLength:"40"`
	Name       string   `json:"name" doc:"name for people" maxLength:"80"`
	Level      Level    `json:"level" enum:"enterprise,site,area,work_centre,work_unit" doc:"level in the plant"`
	Parent     ID       `json:"parent,omitempty" doc:"code of the equipment above"`
	TimeZone   string   `json:"time_zone,omitempty" doc:"IANA time zone of a site" maxLength:"60"`
	Classes    []string `json:"classes,omitempty" doc:"equipment classes of a machine" maxItems:"20"`
	Capacity   int      `json:"capacity,omitempty" doc:"job sessions a machine runs at once, 1 if not said" minimum:"0" maximum:"100"`
	TimeoutS   int      `json:"timeout_s,omitempty" doc:"seconds of silence after which the state is unknown" minimum:"0" maximum:"86400"`
	MicrostopS int      `json:"microstop_s,omitempty" doc:"stops shorter than this many seconds are only counted" minimum:"0" maximum:"86400"`
	Reason     string   `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *DefineEquipment) decide(d *Decision) error {
	if err := checkCode("code", c.Code); err != nil {
		return err
	}
	if err := firstError(needText("name", c.Name, 80), checkText("reason", c.Reason, 200)); err != nil {
		return err
	}
	allowed, ok := parentOf[c.Level]
	if !ok {
		return invalid("level", "level must be enterprise, site, area, work_centre or work_unit")
	}
	if _, err := loadZone(c.TimeZone); err != nil {
		return invalid("time_zone", "%q is not a time zone; use a name like Europe/Berlin", c.TimeZone)
	}
	if c.Capacity < 0 || c.Capacity > 100 {
		return invalid("capacity", "capacity goes from 1 to 100 job sessions")
	}
	if c.TimeoutS < 0 || c.TimeoutS > 86_400 || c.MicrostopS < 0 || c.MicrostopS > 86_400 {
		return invalid("timeout_s", "timeout_s and microstop_s go from 0 to 86400 seconds")
	}
	if len(c.Classes) > 20 {
		return invalid("classes", "a machine has at most 20 equipment classes")
	}
	for _, class := range c.Classes {
		if err := checkCode("classes", ID(class)); err != nil {
			return err
		}
	}
	e := &Equipment{ID: c.Code, Level: c.Level, Parent: c.Parent}
	if c.Level == Site {
		e.Site = c.Code
	}
	if c.Level == WorkCentre {
		e.Line = c.Code
	}
	if c.Parent != "" {
		parent, err := d.Equipment(c.Parent)
		if err != nil {
			return err
		}
		if !slices.Contains(allowed, parent.Level) {
			return invalid("parent", "a %s does not belong below a %s", c.Level, parent.Level)
		}
		e.Site, e.TimeZone = cmp.Or(e.Site, parent.Site), parent.TimeZone
		e.Line = cmp.Or(e.Line, parent.Line)
	} else if len(allowed) > 0 && !slices.Contains(allowed, "") {
		return invalid("parent", "say which equipment the %s belongs to", c.Level)
	}
	if !d.scope.spans(e.Place()) {
		return Faultf(Denied, "you may not define equipment of level %s here; ask who looks after the whole of it", c.Level)
	}
	known, err := d.store.Equipment(d.ctx, d.level, c.Code)
	switch {
	case err == nil && !d.covers(known.Place()):
		return refuse("code %s is taken; choose another", c.Code)
	case err == nil && (known.Level != c.Level || known.Parent != c.Parent):
		return refuse("%s is a %s below %q and cannot move; define another code", c.Code, known.Level, known.Parent)
	case err == nil:
		if e, err = d.Equipment(c.Code); err != nil {
			return err
		}
	case ErrorCode(err) != NotFound:
		return err
	default:
		d.create(KindEquipment, e.ID)
	}
	e.Name, e.TimeZone = c.Name, cmp.Or(c.TimeZone, e.TimeZone)
	e.Classes, e.Capacity = c.Classes, max(c.Capacity, 1)
	e.TimeoutS, e.MicrostopS = c.TimeoutS, c.MicrostopS
	d.Save(e)
	d.about("equipment", e.ID, e.Place())
	return nil
}

func loadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" {
		return nil, errors.New("the zone of this computer has no name of its own")
	}
	return time.LoadLocation(name)
}
