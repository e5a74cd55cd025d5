package mes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
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

// The kinds of credentials.
const (
	Password = "password"
	PIN      = "pin"  // at an enrolled station only
	TOTP     = "totp" // a time-based one-time code, beside a password or a key
)

const (
	// OneTimeFor is how long a secret that somebody else has set may be used.
	OneTimeFor = 15 * time.Minute
	// historyLength is how many replaced hashes are kept, so that an old secret is not taken again.
	historyLength = 5
)

// A Credential is how a person proves who they are: kind password, pin or totp.
type Credential struct {
	ID        ID        `json:"id"` // person/kind
	Person    ID        `json:"person"`
	Kind      string    `json:"kind"`
	Hash      Secret    `json:"hash"`       // Argon2id in PHC form, of a totp the sealed secret; "" when it was removed
	OneTime   bool      `json:"one_time"`   // somebody else set it: it must be replaced before anything else
	ExpiresAt time.Time `json:"expires_at"` // of a one-time secret
	History   []Secret  `json:"history"`    // replaced hashes, newest first
	Step      int64     `json:"step"`       // newest time step of a totp that was used: no code counts twice
	SetAt     time.Time `json:"set_at"`
	Version   int64     `json:"version"`
}

// CredentialID is the id of a person's credential of a kind.
func CredentialID(person ID, kind string) ID { return person + "/" + ID(kind) }

// Usable tells whether the secret may be used at a moment.
func (c *Credential) Usable(now time.Time) bool {
	return c.Hash != "" && (c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt))
}

// replace puts another hash in the place of the one that is there. What a person chose once is remembered; what the
// program made for one use is not.
func (c *Credential) replace(hash Secret, now time.Time) {
	if c.Hash != "" && !c.OneTime && c.Kind != TOTP {
		kept := c.History[:min(len(c.History), historyLength-1)]
		c.History = append([]Secret{c.Hash}, kept...)
	}
	c.Hash, c.SetAt, c.OneTime, c.ExpiresAt = hash, now, false, time.Time{}
}

// checkSecret refuses a kind that is not among those that are allowed, and a hash that is missing.
func checkSecret(kind string, hash Secret, allowed ...string) error {
	if !slices.Contains(allowed, kind) {
		return invalid("kind", "there is no %q to set here", kind)
	}
	if hash == "" {
		return invalid("hash", "the hash is missing")
	}
	return nil
}

// credential gives a person's credential of a kind, a new one if there is none.
func (d *Decision) credential(person ID, kind string) (*Credential, error) {
	id := CredentialID(person, kind)
	c, err := d.Credential(id)
	if ErrorCode(err) == NotFound {
		d.create(KindCredential, id)
		return &Credential{ID: id, Person: person, Kind: kind}, nil
	}
	return c, err
}

// SetCredential replaces a person's password, PIN or one-time codes. The hash is made at the door; no secret comes this
// far.
type SetCredential struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Kind   string `json:"kind" enum:"password,pin,totp" doc:"which proof"`
	Hash   Secret `json:"hash" doc:"its hash"`
}

func (c *SetCredential) decide(d *Decision) error {
	if err := checkSecret(c.Kind, c.Hash, Password, PIN, TOTP); err != nil {
		return err
	}
	p, err := d.subordinate(c.Person)
	if err != nil {
		return err
	}
	cr, err := d.credential(p.ID, c.Kind)
	if err != nil {
		return err
	}
	cr.replace(c.Hash, d.Now)
	cr.Step = 0
	d.Save(cr)
	d.about("person", p.ID, Place{})
	return nil
}

// ResetSecret gives a person who lost a password or PIN a new one for one use: it must be replaced within [OneTimeFor],
// and before anything else is done. It clears the person's lockouts.
type ResetSecret struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Kind   string `json:"kind" enum:"password,pin" doc:"which proof"`
	Hash   Secret `json:"hash" doc:"its hash"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *ResetSecret) decide(d *Decision) error {
	if err := firstError(checkSecret(c.Kind, c.Hash, Password, PIN), needText("reason", c.Reason, 200)); err != nil {
		return err
	}
	p, err := d.subordinate(c.Person)
	if err != nil {
		return err
	}
	if p.ID == d.Actor.Person {
		return refuse("this is your own %s; replace it, with the one that you have", c.Kind)
	}
	cr, err := d.credential(p.ID, c.Kind)
	if err != nil {
		return err
	}
	cr.replace(c.Hash, d.Now)
	cr.OneTime, cr.ExpiresAt = true, d.Now.Add(OneTimeFor)
	d.Save(cr)
	if err := d.clearLockouts(p.ID); err != nil {
		return err
	}
	d.about("person", p.ID, Place{})
	d.Give("until", cr.ExpiresAt)
	return nil
}

// ReplaceSecret puts a person's new secret in the place of their own old one, which the door has checked, or lets them
// begin with one-time codes, of which the door has checked the first.
type ReplaceSecret struct {
	Kind string `json:"kind" enum:"password,pin,totp" doc:"which proof"`
	Hash Secret `json:"hash" doc:"hash of the new secret"`
	Was  Secret `json:"was,omitempty" doc:"hash that the old secret was checked with; refused when it has changed since"`
	Step int64  `json:"step,omitempty" doc:"time step of the one-time code that was checked"`
}

func (c *ReplaceSecret) decide(d *Decision) error {
	if err := checkSecret(c.Kind, c.Hash, Password, PIN, TOTP); err != nil {
		return err
	}
	p, err := d.self()
	if err != nil {
		return err
	}
	cr, err := d.credential(p.ID, c.Kind)
	if err != nil {
		return err
	}
	switch {
	case c.Kind == TOTP && cr.Hash != "":
		return refuse("you have one-time codes already; ask who manages access to remove them first")
	case c.Kind == TOTP:
	case cr.Hash == "":
		return refuse("you have no %s to replace; ask who manages access for one", c.Kind)
	case !cr.Usable(d.Now):
		return refuse("your one-time %s has expired; ask for another", c.Kind)
	case c.Was != "" && c.Was != cr.Hash:
		return refuse("your %s was changed meanwhile; sign in anew", c.Kind)
	}
	cr.replace(c.Hash, d.Now)
	cr.Step = c.Step
	d.Save(cr)
	d.about("person", p.ID, Place{})
	return nil
}

// RemoveSecret takes a person's PIN or one-time codes away, when a badge or a telephone is lost.
type RemoveSecret struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Kind   string `json:"kind" enum:"pin,totp" doc:"which proof"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *RemoveSecret) decide(d *Decision) error {
	if c.Kind != PIN && c.Kind != TOTP {
		return invalid("kind", "only a pin or totp can be removed; reset a password instead")
	}
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	p, err := d.subordinate(c.Person)
	if err != nil {
		return err
	}
	if p.ID == d.Actor.Person {
		return refuse("somebody else must remove your %s", c.Kind)
	}
	cr, err := d.Credential(CredentialID(p.ID, c.Kind))
	if err != nil && ErrorCode(err) != NotFound {
		return err
	}
	if err != nil || cr.Hash == "" {
		return refuse("%s has no %s", p.Name, c.Kind)
	}
	cr.replace("", d.Now)
	cr.Step = 0
	d.Save(cr)
	d.about("person", p.ID, Place{})
	return nil
}

// RehashSecret stores the same secret by newer parameters. A door does it when somebody has signed in.
type RehashSecret struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Kind   string `json:"kind" enum:"password,pin" doc:"which proof"`
	Was    Secret `json:"was" doc:"hash that the secret was checked with"`
	Hash   Secret `json:"hash" doc:"its hash by newer parameters"`
}

func (c *RehashSecret) decide(d *Decision) error {
	if err := checkSecret(c.Kind, c.Hash, Password, PIN); err != nil {
		return err
	}
	p, err := d.Person(c.Person)
	if err != nil {
		return err
	}
	cr, err := d.Credential(CredentialID(p.ID, c.Kind))
	if err != nil {
		return err
	}
	if cr.Hash == "" || cr.Hash != c.Was {
		return refuse("the %s was changed meanwhile", c.Kind)
	}
	cr.Hash = c.Hash
	d.Save(cr)
	d.about("person", p.ID, Place{})
	return nil
}
