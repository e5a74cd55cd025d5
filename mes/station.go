package mes

import "time"

// A Station is a kiosk or handheld, known by its own SSH key. Its key alone opens the sign-in screen and nothing else.
type Station struct {
	ID      ID     `json:"id"` // its code
	Name    string `json:"name"`
	Site    ID     `json:"site"`
	Line    ID     `json:"line"`    // work centre whose queue it shows
	Machine ID     `json:"machine"` // machine it stands at, if one
	Retired bool   `json:"retired"`
	Version int64  `json:"version"`
}

// Place of the station for scopes.
func (s *Station) Place() Place { return Place{Site: s.Site, Line: s.Line} }

// EnrolStation adds a station or changes where it stands.
type EnrolStation struct {
	Code    ID     `json:"code" doc:"code of the station" maxLength:"40"`
	Name    string `json:"name" doc:"name for people" maxLength:"80"`
	Line    ID     `json:"line" doc:"work centre where it stands"`
	Machine ID     `json:"machine,omitempty" doc:"machine it stands at"`
	Retired bool   `json:"retired,omitempty" doc:"no longer in use"`
}

func (c *EnrolStation) decide(d *Decision) error {
	if err := checkCode("code", c.Code); err != nil {
		return err
	}
	if err := needText("name", c.Name, 80); err != nil {
		return err
	}
	line, err := d.Equipment(c.Line)
	if err != nil {
		return err
	}
	if line.Level != WorkCentre {
		return invalid("line", "%s is a %s; a station stands at a work centre", line.ID, line.Level)
	}
	if c.Machine != "" {
		m, err := d.Equipment(c.Machine)
		if err != nil {
			return err
		}
		if m.Level != WorkUnit || m.Line != line.ID {
			return invalid("machine", "%s is not a machine of %s", m.ID, line.ID)
		}
	}
	s, err := d.Station(c.Code)
	if ErrorCode(err) == NotFound && d.exists(KindStation, c.Code) {
		return refuse("station code %s is taken; choose another", c.Code)
	}
	if ErrorCode(err) == NotFound {
		s, err = &Station{ID: c.Code}, nil
		d.create(KindStation, c.Code)
	}
	if err != nil {
		return err
	}
	s.Name, s.Site, s.Line, s.Machine, s.Retired = c.Name, line.Site, line.ID, c.Machine, c.Retired
	d.Save(s)
	d.about("station", s.ID, s.Place())
	return nil
}

// A SignIn is one person's stay at a door: from sign-in to sign-out.
type SignIn struct {
	ID      ID        `json:"id"`
	Person  ID        `json:"person"`
	Station ID        `json:"station"`
	SSHKey  ID        `json:"ssh_key"`
	Source  string    `json:"source"`
	Method  string    `json:"method"` // "badge and PIN", "password", "own key"
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	End     string    `json:"end"` // how it ended: "signed out", "idle", "connection lost" …
	Version int64     `json:"version"`
}

// SignInPerson notes that a person proved who they are. The proof itself is checked at the door, before this.
type SignInPerson struct {
	Person ID     `json:"person" doc:"who signs in"`
	Method string `json:"method" doc:"how it was proven" maxLength:"40"`
}

func (c *SignInPerson) decide(d *Decision) error {
	if err := checkText("method", c.Method, 40); err != nil {
		return err
	}
	p, err := d.Person(c.Person)
	if err != nil {
		return err
	}
	if p.Disabled {
		return Faultf(Unauthenticated, "sign-in refused; ask your supervisor")
	}
	s := &SignIn{ID: d.NewID(), Person: p.ID, Station: d.Actor.Station, SSHKey: d.Actor.Key, Source: d.Actor.Source, Method: c.Method, From: d.Now}
	d.create(KindSignIn, s.ID)
	d.Save(s)
	d.about("person", p.ID, Place{})
	d.Give("session", s.ID)
	return nil
}

// SignOutPerson notes that a stay ended.
type SignOutPerson struct {
	Session ID     `json:"session" doc:"the sign-in that ends"`
	End     string `json:"end" doc:"how it ended" maxLength:"40"`
}

func (c *SignOutPerson) decide(d *Decision) error {
	if err := checkText("end", c.End, 40); err != nil {
		return err
	}
	s, err := d.SignIn(c.Session)
	if err != nil {
		return err
	}
	if !s.To.IsZero() {
		return refuse("this sign-in ended at %s", s.To.Format(time.RFC3339))
	}
	s.To, s.End = d.Now, c.End
	d.Save(s)
	d.about("person", s.Person, Place{})
	return nil
}
