package mes

import (
	"slices"
	"time"
)

// maxLiveKeys is how many live API keys a principal has: one, and another while the two change places.
const maxLiveKeys = 2

// A Key is an API key of a person, machine or program. Only a keyed hash of it is stored.
type Key struct {
	ID        ID        `json:"id"`        // its public first part
	Kind      ActorKind `json:"kind"`      // person, machine or program
	Principal ID        `json:"principal"` // who it stands for: id of the person, code of the machine or program
	Name      string    `json:"name"`
	Person    ID        `json:"person"`   // owner, of a person's key
	Grants    []Grant   `json:"grants"`   // of a machine's or program's key
	Networks  []string  `json:"networks"` // that it may come from; none: anywhere
	Hash      Secret    `json:"hash"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Revoked   bool      `json:"revoked"`
	Version   int64     `json:"version"`
}

// Live tells whether the key may be used at a moment.
func (k *Key) Live(now time.Time) bool { return !k.Revoked && now.Before(k.ExpiresAt) }

// A Principal is who API keys stand for. It remembers which of them may still live, so that there are never too many.
type Principal struct {
	ID      ID        `json:"id"` // kind/code
	Kind    ActorKind `json:"kind"`
	Keys    []ID      `json:"keys"`
	Version int64     `json:"version"`
}

// PrincipalID is the id of whom keys of a kind stand for.
func PrincipalID(kind ActorKind, code ID) ID { return ID(kind) + "/" + code }

// principal gives the principal of a key, a new one if there is none.
func (d *Decision) principal(k *Key) (*Principal, error) {
	id := PrincipalID(k.Kind, k.Principal)
	p, err := load(d, KindPrincipal, id, d.store.Principal)
	if ErrorCode(err) == NotFound {
		d.create(KindPrincipal, id)
		return &Principal{ID: id, Kind: k.Kind}, nil
	}
	return p, err
}

// IssueKey stores a new API key. The key itself was made and shown at the door.
type IssueKey struct {
	ID        ID        `json:"id" doc:"public first part of the key" maxLength:"16"`
	Kind      ActorKind `json:"kind" enum:"person,machine,program" doc:"whose key it is"`
	Name      string    `json:"name" doc:"what it is for" maxLength:"80"`
	Person    ID        `json:"person,omitempty" doc:"badge of the owner of a person's key"`
	Principal ID        `json:"principal,omitempty" doc:"code of the machine or program that it stands for; the machine of its grants, or a program of its own, if not said"`
	Grants    []Grant   `json:"grants,omitempty" doc:"what a machine's or program's key may do" maxItems:"50"`
	Networks  []string  `json:"networks,omitempty" doc:"networks or addresses that it may come from; anywhere if not said" maxItems:"20"`
	Hash      Secret    `json:"hash" doc:"its keyed hash"`
	Days      int       `json:"days,omitempty" doc:"days until it expires, 365 if not said" minimum:"0" maximum:"400"`
	Revoked   bool      `json:"revoked,omitempty" doc:"no longer valid"`
	Reason    string    `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *IssueKey) decide(d *Decision) error {
	networks, err := checkNetworks(c.Networks)
	if err := firstError(checkCode("id", c.ID), needText("name", c.Name, 80), checkText("reason", c.Reason, 200), err); err != nil {
		return err
	}
	if c.Days < 0 || c.Days > 400 {
		return invalid("days", "a key lasts 1 to 400 days")
	}
	if c.Hash == "" {
		return invalid("hash", "the hash is missing")
	}
	if _, err := d.Key(c.ID); err == nil {
		return refuse("key %s is known already; make another", c.ID)
	} else if ErrorCode(err) != NotFound {
		return err
	}
	k := &Key{ID: c.ID, Kind: c.Kind, Name: c.Name, Grants: c.Grants, Networks: networks, Hash: c.Hash, CreatedAt: d.Now, Revoked: c.Revoked}
	if err := c.owner(d, k); err != nil {
		return err
	}
	k.ExpiresAt = d.Now.AddDate(0, 0, c.Days)
	if c.Days == 0 {
		k.ExpiresAt = d.Now.AddDate(0, 0, 365)
	}
	d.create(KindKey, k.ID)
	d.Save(k)
	if err := d.hand(k); err != nil {
		return err
	}
	d.about("api_key", k.ID, Place{})
	d.Give("key", k.ID)
	d.Give("principal", k.Principal)
	return nil
}

// owner finds whom the key stands for, and that the actor may give it to them.
func (c *IssueKey) owner(d *Decision, k *Key) error {
	switch c.Kind {
	case ByPerson:
		p, err := d.subordinate(c.Person)
		if err != nil {
			return err
		}
		k.Person, k.Principal, k.Grants = p.ID, p.ID, nil
		return nil
	case ByMachine:
		if err := firstError(checkGrants(c.Grants, "keys"), d.mayEmpower(c.Grants)); err != nil {
			return err
		}
		code := c.Principal
		if code == "" && len(c.Grants) == 1 {
			code = c.Grants[0].Machine
		}
		if code == "" {
			k.Principal = k.ID
			return nil
		}
		m, err := d.Equipment(code)
		if err != nil {
			return err
		}
		if m.Level != WorkUnit {
			return invalid("principal", "%s is a %s; a machine's key stands for a machine", m.ID, m.Level)
		}
		k.Principal = m.ID
		return nil
	case ByProgram:
		k.Principal = k.ID
		if c.Principal != "" {
			k.Principal = c.Principal
		}
		return firstError(checkCode("principal", k.Principal), checkGrants(c.Grants, "keys"), d.mayEmpower(c.Grants))
	}
	return invalid("kind", "kind must be person, machine or program")
}

// hand gives a new key to its principal, if that has not enough of them.
func (d *Decision) hand(k *Key) error {
	p, err := d.principal(k)
	if err != nil {
		return err
	}
	var live []ID
	for _, id := range p.Keys {
		other, err := d.Key(id)
		if err != nil {
			return err
		}
		if other.Live(d.Now) {
			live = append(live, id)
			if err := d.mayEmpower(other.Grants); err != nil { // or somebody could pass for a program with more rights
				return err
			}
		}
	}
	if !k.Revoked {
		if len(live) >= maxLiveKeys {
			return refuse("%s has %d live keys (%s and %s); revoke one of them first", p.ID, len(live), live[0], live[1])
		}
		live = append(live, k.ID)
	}
	p.Keys = live
	d.Save(p)
	return nil
}

// RevokeKey ends an API key or an SSH key at once.
type RevokeKey struct {
	Key    ID     `json:"key" doc:"id of the API key, or fingerprint of the SSH key"`
	Reason string `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *RevokeKey) decide(d *Decision) error {
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	k, err := d.Key(c.Key)
	if ErrorCode(err) == NotFound {
		s, err := d.SSHKey(c.Key)
		if err != nil {
			return err
		}
		if err := d.mayRevoke(s.ID, s.Station, s.Person, nil); err != nil {
			return err
		}
		return d.revokeSSH(s)
	}
	if err != nil {
		return err
	}
	if err := d.mayRevoke(k.ID, "", k.Person, k.Grants); err != nil {
		return err
	}
	return d.revoke(k)
}

// RevokeOwnKey ends an API key or SSH key of who is signed in, at once.
type RevokeOwnKey struct {
	Key ID `json:"key" doc:"id of the API key, or fingerprint of the SSH key"`
}

func (c *RevokeOwnKey) decide(d *Decision) error {
	p, err := d.self()
	if err != nil {
		return err
	}
	k, err := d.Key(c.Key)
	switch {
	case err == nil && k.Kind == ByPerson && k.Person == p.ID:
		return d.revoke(k)
	case err == nil:
		return notFound(nameOf[KindKey], c.Key)
	case ErrorCode(err) != NotFound:
		return err
	}
	s, err := d.SSHKey(c.Key)
	if err == nil && s.Person != p.ID {
		return notFound(nameOf[KindSSHKey], c.Key)
	}
	if err != nil {
		return err
	}
	return d.revokeSSH(s)
}

func (d *Decision) revoke(k *Key) error {
	p, err := d.principal(k)
	if err != nil {
		return err
	}
	k.Revoked = true
	d.Save(k)
	if i := slices.Index(p.Keys, k.ID); i >= 0 {
		p.Keys = slices.Delete(slices.Clone(p.Keys), i, i+1)
		d.Save(p)
	}
	d.about("api_key", k.ID, Place{})
	return nil
}

// mayRevoke lets those end a key who could have given it. A key of which nothing is in their scope is not there.
func (d *Decision) mayRevoke(key, station, person ID, grants []Grant) error {
	var err error
	switch {
	case station != "":
		_, err = d.Station(station)
	case person != "":
		_, err = d.subordinate(person)
	case !d.scope.Meets(grants):
		err = notFound("key", key)
	default:
		err = d.mayEmpower(grants)
	}
	if ErrorCode(err) == NotFound {
		return notFound("key", key) // whose it is stays hidden too
	}
	return err
}
