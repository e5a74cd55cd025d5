package mes

import (
	"slices"
	"strings"
	"time"
)

// maxSSHKeys bounds the live SSH keys of one station.
const maxSSHKeys = 10

// An SSHKey is the public key of a station or of a person.
type SSHKey struct {
	ID        ID        `json:"id"` // SHA256 fingerprint
	Station   ID        `json:"station"`
	Person    ID        `json:"person"`
	PublicKey string    `json:"public_key"`
	Networks  []string  `json:"networks"` // that it may come from; none: anywhere
	CreatedAt time.Time `json:"created_at"`
	Revoked   bool      `json:"revoked"`
	Version   int64     `json:"version"`
}

// AddSSHKey lets a station or a person be known by an SSH key.
type AddSSHKey struct {
	Fingerprint ID       `json:"fingerprint" doc:"SHA256 fingerprint" maxLength:"80"`
	PublicKey   string   `json:"public_key" doc:"in authorized_keys form" maxLength:"2000"`
	Station     ID       `json:"station,omitempty" doc:"code of the station"`
	Person      ID       `json:"person,omitempty" doc:"or badge of the person"`
	Networks    []string `json:"networks,omitempty" doc:"networks or addresses that it may come from; anywhere if not said" maxItems:"20"`
	Reason      string   `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *AddSSHKey) decide(d *Decision) error {
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	k, err := d.newSSHKey(c.Fingerprint, c.PublicKey)
	if err != nil {
		return err
	}
	if k.Networks, err = checkNetworks(c.Networks); err != nil {
		return err
	}
	if (c.Station == "") == (c.Person == "") {
		return invalid("station", "say either a station or a person")
	}
	if c.Station != "" {
		s, err := d.Station(c.Station)
		if err != nil {
			return err
		}
		return d.equip(s, k)
	}
	p, err := d.subordinate(c.Person)
	if err != nil {
		return err
	}
	k.Person = p.ID
	d.Save(k)
	return nil
}

// AddOwnSSHKey lets who is signed in be known by an SSH key of theirs. It is not done at a station, where somebody else
// may come to stand.
type AddOwnSSHKey struct {
	Fingerprint ID     `json:"fingerprint" doc:"SHA256 fingerprint" maxLength:"80"`
	PublicKey   string `json:"public_key" doc:"in authorized_keys form" maxLength:"2000"`
}

func (c *AddOwnSSHKey) decide(d *Decision) error {
	p, err := d.self()
	if err != nil {
		return err
	}
	if d.Actor.Station != "" {
		return Faultf(Denied, "keys are not added at a station; sign in at your own desk")
	}
	k, err := d.newSSHKey(c.Fingerprint, c.PublicKey)
	if err != nil {
		return err
	}
	k.Person = p.ID
	d.Save(k)
	return nil
}

// newSSHKey makes a key that nobody has yet.
func (d *Decision) newSSHKey(fingerprint ID, line string) (*SSHKey, error) {
	line = strings.TrimSpace(line) // authorized_keys lines end in a newline
	if err := firstError(checkText("fingerprint", string(fingerprint), 80), checkText("public_key", line, 2000)); err != nil {
		return nil, err
	}
	if fingerprint == "" || line == "" {
		return nil, invalid("public_key", "the public key is missing")
	}
	if _, err := d.SSHKey(fingerprint); err == nil {
		return nil, refuse("the key %s is known already", fingerprint)
	} else if ErrorCode(err) != NotFound {
		return nil, err
	}
	d.create(KindSSHKey, fingerprint)
	d.about("ssh_key", fingerprint, Place{})
	d.Give("key", fingerprint)
	return &SSHKey{ID: fingerprint, PublicKey: line, CreatedAt: d.Now}, nil
}

// equip gives a station a key.
func (d *Decision) equip(s *Station, k *SSHKey) error {
	if s.Retired {
		return refuse("station %s is retired; enrol it again first", s.ID)
	}
	if len(s.Keys) >= maxSSHKeys {
		return refuse("station %s has %d keys; revoke those that it no longer has", s.ID, len(s.Keys))
	}
	k.Station = s.ID
	s.Keys = append(slices.Clip(s.Keys), k.ID)
	d.Save(k)
	d.Save(s)
	d.about("ssh_key", k.ID, s.Place())
	return nil
}

// revokeSSH ends an SSH key.
func (d *Decision) revokeSSH(k *SSHKey) error {
	d.about("ssh_key", k.ID, Place{})
	if k.Station != "" {
		s, err := load(d, KindStation, k.Station, d.store.Station)
		if err != nil {
			return err
		}
		if i := slices.Index(s.Keys, k.ID); i >= 0 {
			s.Keys = slices.Delete(slices.Clone(s.Keys), i, i+1)
			d.Save(s)
		}
		d.about("ssh_key", k.ID, s.Place())
	}
	k.Revoked = true
	d.Save(k)
	return nil
}
