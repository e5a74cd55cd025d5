package mes

import "time"

// InvitationFor is how long a station's one-time code may be used.
const InvitationFor = 15 * time.Minute

// A Station is a kiosk or handheld, known by its own SSH key. Its key alone opens the sign-in screen and nothing else.
type Station struct {
	ID        ID        `json:"id"` // its code
	Name      string    `json:"name"`
	Site      ID        `json:"site"`
	Line      ID        `json:"line"`     // work centre whose queue it shows
	Machine   ID        `json:"machine"`  // machine it stands at, if one
	Networks  []string  `json:"networks"` // that it may come from; none: anywhere
	Keys      []ID      `json:"keys"`     // fingerprints of its SSH keys that are not revoked
	Code      Secret    `json:"code"`     // hash of the one-time code that a key may be added with
	CodeUntil time.Time `json:"code_until"`
	Retired   bool      `json:"retired"`
	Version   int64     `json:"version"`
}

// Place of the station for scopes.
func (s *Station) Place() Place { return Place{Site: s.Site, Line: s.Line} }

// EnrolStation adds a station or changes where it stands.
type EnrolStation struct {
	Code     ID       `json:"code" doc:"code of the station" maxLength:"40"`
	Name     string   `json:"name" doc:"name for people" maxLength:"80"`
	Line     ID       `json:"line" doc:"work centre where it stands"`
	Machine  ID       `json:"machine,omitempty" doc:"machine it stands at"`
	Networks []string `json:"networks,omitempty" doc:"networks or addresses that it may come from; anywhere if not said" maxItems:"20"`
	Retired  bool     `json:"retired,omitempty" doc:"no longer in use"`
	Reason   string   `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *EnrolStation) decide(d *Decision) error {
	if err := checkCode("code", c.Code); err != nil {
		return err
	}
	networks, err := checkNetworks(c.Networks)
	if err := firstError(needText("name", c.Name, 80), checkText("reason", c.Reason, 200), err); err != nil {
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
	s.Name, s.Site, s.Line, s.Machine, s.Networks = c.Name, line.Site, line.ID, c.Machine, networks
	s.Retired = false
	d.Save(s)
	d.about("station", s.ID, s.Place())
	if c.Retired {
		return d.retire(s)
	}
	return nil
}

// RetireStation takes a station out of use: its keys open nothing any more. Enrolled again it needs new ones.
type RetireStation struct {
	Station ID     `json:"station" doc:"code of the station"`
	Reason  string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *RetireStation) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	s, err := d.Station(c.Station)
	if err != nil {
		return err
	}
	if s.Retired {
		return refuse("station %s is retired already", s.ID)
	}
	d.about("station", s.ID, s.Place())
	return d.retire(s)
}

func (d *Decision) retire(s *Station) error {
	for _, id := range s.Keys {
		k, err := d.SSHKey(id)
		if err != nil {
			return err
		}
		k.Revoked = true
		d.Save(k)
	}
	s.Retired, s.Keys, s.Code, s.CodeUntil = true, nil, "", time.Time{}
	d.Save(s)
	return nil
}

// InviteStation lets a station make itself known by a one-time code, once, within [InvitationFor]. The code was made and
// is shown at the door; here is its hash.
type InviteStation struct {
	Station ID     `json:"station" doc:"code of the station"`
	Hash    Secret `json:"hash" doc:"hash of the one-time code"`
}

func (c *InviteStation) decide(d *Decision) error {
	if c.Hash == "" {
		return invalid("hash", "the hash is missing")
	}
	s, err := d.Station(c.Station)
	if err != nil {
		return err
	}
	if s.Retired {
		return refuse("station %s is retired; enrol it again first", s.ID)
	}
	s.Code, s.CodeUntil = c.Hash, d.Now.Add(InvitationFor)
	d.Save(s)
	d.about("station", s.ID, s.Place())
	d.Give("until", s.CodeUntil)
	return nil
}

// JoinStation makes a station known by the SSH key that it has. The door has checked its one-time code, which is good
// for no second key.
type JoinStation struct {
	Station     ID     `json:"station" doc:"code of the station"`
	Fingerprint ID     `json:"fingerprint" doc:"SHA256 fingerprint" maxLength:"80"`
	PublicKey   string `json:"public_key" doc:"in authorized_keys form" maxLength:"2000"`
}

func (c *JoinStation) decide(d *Decision) error {
	s, err := d.Station(c.Station)
	if err != nil {
		return err
	}
	if s.Code == "" || !d.Now.Before(s.CodeUntil) {
		return refuse("the code is not valid any more; ask for another")
	}
	k, err := d.newSSHKey(c.Fingerprint, c.PublicKey)
	if err != nil {
		return err
	}
	s.Code, s.CodeUntil = "", time.Time{}
	return d.equip(s, k)
}
