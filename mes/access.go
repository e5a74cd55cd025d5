package mes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// A Secret is a stored proof: a password hash, a keyed hash of an API key. It is stored as it is, and everywhere else,
// the ledger above all, only its digest is seen.
type Secret string

// MarshalJSON writes a digest that tells whether it changed, and nothing else.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte(`""`), nil
	}
	sum := sha256.Sum256([]byte("gemba secret\x00" + string(s)))
	return json.Marshal("sha256:" + hex.EncodeToString(sum[:16]))
}

// String keeps a secret out of every log line.
func (s Secret) String() string { return "(secret)" }

// A Credential is how a person proves who they are: kind password or pin.
type Credential struct {
	ID      ID        `json:"id"` // person/kind
	Person  ID        `json:"person"`
	Kind    string    `json:"kind"`
	Hash    Secret    `json:"hash"` // Argon2id in PHC form
	SetAt   time.Time `json:"set_at"`
	Version int64     `json:"version"`
}

// CredentialID is the id of a person's credential of a kind.
func CredentialID(person ID, kind string) ID { return person + "/" + ID(kind) }

// SetCredential replaces a person's password or PIN. The hash is made at the door; no secret comes this far.
type SetCredential struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Kind   string `json:"kind" enum:"password,pin" doc:"which proof"`
	Hash   Secret `json:"hash" doc:"its hash"`
}

func (c *SetCredential) decide(d *Decision) error {
	if c.Kind != "password" && c.Kind != "pin" {
		return invalid("kind", "kind must be password or pin")
	}
	if c.Hash == "" {
		return invalid("hash", "the hash is missing")
	}
	p, err := d.Person(c.Person)
	if err != nil {
		return err
	}
	if err := d.mayEmpower(p.Grants); err != nil {
		return err
	}
	id := CredentialID(p.ID, c.Kind)
	cr, err := d.Credential(id)
	if ErrorCode(err) == NotFound {
		cr, err = &Credential{ID: id, Person: p.ID, Kind: c.Kind}, nil
		d.create(KindCredential, id)
	}
	if err != nil {
		return err
	}
	cr.Hash, cr.SetAt = c.Hash, d.Now
	d.Save(cr)
	d.about("person", p.ID, Place{})
	return nil
}

// A Key is an API key of a person, machine or program. Only a keyed hash of it is stored.
type Key struct {
	ID        ID        `json:"id"`   // its public first part
	Kind      ActorKind `json:"kind"` // person, machine or program
	Name      string    `json:"name"`
	Person    ID        `json:"person"` // owner, of a person's key
	Grants    []Grant   `json:"grants"` // of a machine's or program's key
	Hash      Secret    `json:"hash"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Revoked   bool      `json:"revoked"`
	Version   int64     `json:"version"`
}

// Live tells whether the key may be used at a moment.
func (k *Key) Live(now time.Time) bool { return !k.Revoked && now.Before(k.ExpiresAt) }

// IssueKey stores a new API key. The key itself was made and shown at the door.
type IssueKey struct {
	ID      ID        `json:"id" doc:"public first part of the key" maxLength:"16"`
	Kind    ActorKind `json:"kind" enum:"person,machine,program" doc:"whose key it is"`
	Name    string    `json:"name" doc:"what it is for" maxLength:"80"`
	Person  ID        `json:"person,omitempty" doc:"badge of the owner of a person's key"`
	Grants  []Grant   `json:"grants,omitempty" doc:"what a machine's or program's key may do" maxItems:"50"`
	Hash    Secret    `json:"hash" doc:"its keyed hash"`
	Days    int       `json:"days,omitempty" doc:"days until it expires, 365 if not said" minimum:"0" maximum:"400"`
	Revoked bool      `json:"revoked,omitempty" doc:"no longer valid"`
}

func (c *IssueKey) decide(d *Decision) error {
	if err := firstError(checkCode("id", c.ID), needText("name", c.Name, 80)); err != nil {
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
	k := &Key{ID: c.ID, Kind: c.Kind, Name: c.Name, Grants: c.Grants, Hash: c.Hash, CreatedAt: d.Now, Revoked: c.Revoked}
	switch c.Kind {
	case ByPerson:
		p, err := d.Person(c.Person)
		if err != nil {
			return err
		}
		k.Person, k.Grants = p.ID, nil
		if err := d.mayEmpower(p.Grants); err != nil {
			return err
		}
	case ByMachine, ByProgram:
		if err := firstError(checkGrants(c.Grants, "keys"), d.mayEmpower(c.Grants)); err != nil {
			return err
		}
	default:
		return invalid("kind", "kind must be person, machine or program")
	}
	k.ExpiresAt = d.Now.AddDate(0, 0, c.Days)
	if c.Days == 0 {
		k.ExpiresAt = d.Now.AddDate(0, 0, 365)
	}
	d.create(KindKey, k.ID)
	d.Save(k)
	d.about("api_key", k.ID, Place{})
	d.Give("key", k.ID)
	return nil
}

// RevokeKey ends an API key or an SSH key at once.
type RevokeKey struct {
	Key ID `json:"key" doc:"id of the API key, or fingerprint of the SSH key"`
}

func (c *RevokeKey) decide(d *Decision) error {
	k, err := d.Key(c.Key)
	if ErrorCode(err) == NotFound {
		s, err := d.SSHKey(c.Key)
		if err != nil {
			return err
		}
		if err := d.mayRevoke(s.Station, s.Person, nil); err != nil {
			return err
		}
		s.Revoked = true
		d.Save(s)
		d.about("ssh_key", s.ID, Place{})
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.mayRevoke("", k.Person, k.Grants); err != nil {
		return err
	}
	k.Revoked = true
	d.Save(k)
	d.about("api_key", k.ID, Place{})
	return nil
}

// mayRevoke lets those end a key who could have given it.
func (d *Decision) mayRevoke(station, person ID, grants []Grant) error {
	if station != "" {
		_, err := d.Station(station)
		return err
	}
	if person != "" {
		p, err := d.Person(person)
		if err != nil {
			return err
		}
		grants = p.Grants
	}
	return d.mayEmpower(grants)
}

// An SSHKey is the public key of a station or of a person.
type SSHKey struct {
	ID        ID        `json:"id"` // SHA256 fingerprint
	Station   ID        `json:"station"`
	Person    ID        `json:"person"`
	PublicKey string    `json:"public_key"`
	CreatedAt time.Time `json:"created_at"`
	Revoked   bool      `json:"revoked"`
	Version   int64     `json:"version"`
}

// AddSSHKey lets a station or a person be known by an SSH key.
type AddSSHKey struct {
	Fingerprint ID     `json:"fingerprint" doc:"SHA256 fingerprint" maxLength:"80"`
	PublicKey   string `json:"public_key" doc:"in authorized_keys form" maxLength:"2000"`
	Station     ID     `json:"station,omitempty" doc:"code of the station"`
	Person      ID     `json:"person,omitempty" doc:"or badge of the person"`
}

func (c *AddSSHKey) decide(d *Decision) error {
	line := strings.TrimSpace(c.PublicKey) // authorized_keys lines end in a newline
	if err := firstError(checkText("fingerprint", string(c.Fingerprint), 80), checkText("public_key", line, 2000)); err != nil {
		return err
	}
	if _, err := d.SSHKey(c.Fingerprint); err == nil {
		return refuse("the key %s is known already", c.Fingerprint)
	} else if ErrorCode(err) != NotFound {
		return err
	}
	k := &SSHKey{ID: c.Fingerprint, PublicKey: line, CreatedAt: d.Now}
	switch {
	case c.Fingerprint == "" || line == "":
		return invalid("public_key", "the public key is missing")
	case (c.Station == "") == (c.Person == ""):
		return invalid("station", "say either a station or a person")
	case c.Station != "":
		s, err := d.Station(c.Station)
		if err != nil {
			return err
		}
		k.Station = s.ID
	default:
		p, err := d.Person(c.Person)
		if err != nil {
			return err
		}
		k.Person = p.ID
		if err := d.mayEmpower(p.Grants); err != nil {
			return err
		}
	}
	d.create(KindSSHKey, k.ID)
	d.Save(k)
	d.about("ssh_key", k.ID, Place{})
	return nil
}
