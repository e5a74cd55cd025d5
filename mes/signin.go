package mes

import (
	"strings"
	"time"
)

// A SignIn is one person's stay at a door: from sign-in to sign-out.
type SignIn struct {
	ID      ID        `json:"id"`
	Person  ID        `json:"person"`
	Station ID        `json:"station"`
	Site    ID        `json:"site"` // where the station stands
	Line    ID        `json:"line"`
	Node    ID        `json:"node"` // machine of the door
	SSHKey  ID        `json:"ssh_key"`
	Source  string    `json:"source"`
	Method  string    `json:"method"` // "badge and PIN", "password", "own key"
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	End     string    `json:"end"` // how it ended: "signed out", "idle", "connection lost" …
	Version int64     `json:"version"`
}

// Place of the sign-in for scopes.
func (s *SignIn) Place() Place { return Place{Site: s.Site, Line: s.Line} }

// How people prove who they are, as the ledger says it. A door may add what was needed besides.
const (
	ByOwnKey   = "own key"
	ByPassword = "password"
	ByBadgePIN = "badge and PIN"
)

// secretOf tells which secret a method of sign-in has proven, "" when it was none that could be guessed.
func secretOf(method string) string {
	switch {
	case strings.Contains(method, "PIN"):
		return PIN
	case strings.Contains(method, ByPassword):
		return Password
	}
	return ""
}

// errSignIn is the answer to all who are not let in.
var errSignIn = Faultf(Unauthenticated, "sign-in refused; ask your supervisor")

// SignInPerson notes that a person proved who they are. The proof itself is checked at the door, before this. A right
// secret ends the lockouts that wrong ones led to; while one holds it is not let in.
type SignInPerson struct {
	Person ID     `json:"person" doc:"who signs in"`
	Method string `json:"method" doc:"how it was proven" maxLength:"40"`
	Node   ID     `json:"node,omitempty" doc:"machine of the door" maxLength:"40"`
	Step   int64  `json:"step,omitempty" doc:"time step of the one-time code, if one was given; none counts twice"`
}

func (c *SignInPerson) decide(d *Decision) error {
	if err := firstError(checkText("method", c.Method, 40), checkText("node", string(c.Node), 40)); err != nil {
		return err
	}
	p, err := d.Person(c.Person)
	if err != nil {
		return err
	}
	d.about("person", p.ID, Place{})
	if p.Disabled {
		return errSignIn
	}
	s := &SignIn{ID: d.NewID(), Person: p.ID, Station: d.Actor.Station, SSHKey: d.Actor.Key, Source: d.Actor.Source, Node: c.Node, Method: c.Method, From: d.Now}
	if s.Station != "" {
		at, err := d.Station(s.Station)
		if err != nil {
			return err
		}
		if at.Retired {
			return errSignIn
		}
		s.Site, s.Line = at.Site, at.Line
		d.about("person", p.ID, s.Place())
	}
	if err := d.rightSecret(p.ID, secretOf(c.Method)); err != nil {
		return err
	}
	if c.Step != 0 {
		totp, err := d.Credential(CredentialID(p.ID, TOTP))
		if err != nil && ErrorCode(err) != NotFound {
			return err
		}
		if err != nil || totp.Hash == "" || c.Step <= totp.Step {
			return errSignIn
		}
		totp.Step = c.Step
		d.Save(totp)
	}
	d.create(KindSignIn, s.ID)
	d.Save(s)
	d.Give("session", s.ID)
	return nil
}

// rightSecret forgets the failures that a right secret answers for: those of the same secret at this station, or from
// this source and, as far as it is away from stations, from everywhere. What has locked is not opened by it.
func (d *Decision) rightSecret(person ID, kind string) error {
	if kind == "" {
		return nil
	}
	pairSource, source := Sources(d.Actor, kind)
	pair, err := d.lockout(PairLockout(person, pairSource), person, pairSource)
	if err != nil {
		return err
	}
	everywhere, err := d.lockout(PersonLockout(person), person, "")
	if err != nil {
		return err
	}
	of, err := d.lockout(SourceLockout(source), "", source)
	if err != nil {
		return err
	}
	enrolled := d.Actor.Station != ""
	if _, locked := Locked(d.Now, enrolled, pair, everywhere, of); locked {
		return errSignIn
	}
	if enrolled {
		everywhere = pair
	}
	for _, l := range []*Lockout{pair, everywhere} {
		if !l.clean() {
			l.clear()
			d.Save(l)
		}
	}
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
	d.about("person", s.Person, s.Place())
	return nil
}
