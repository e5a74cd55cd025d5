package mes

// ActorKind is the kind of a principal.
type ActorKind string

const (
	ByPerson  ActorKind = "person"  // somebody who signed in
	ByStation ActorKind = "station" // a kiosk or handheld with nobody signed in
	ByMachine ActorKind = "machine" // a machine's own key
	ByProgram ActorKind = "program" // a program's key
	BySystem  ActorKind = "system"  // gemba itself: set-up on the console, the watch over silent machines
)

// An Actor is who does something, as proven at the door. A person at a kiosk is both: Person is who stands there, and
// Station where. Grants are what the principal may do.
type Actor struct {
	Kind    ActorKind `json:"kind"`
	ID      ID        `json:"id"` // of the principal: person, station, key owner
	Name    string    `json:"name"`
	Person  ID        `json:"person,omitempty"`
	Station ID        `json:"station,omitempty"`
	Key     ID        `json:"key,omitempty"`     // API key or SSH key that proved it
	Session ID        `json:"session,omitempty"` // the sign-in this belongs to
	Source  string    `json:"source,omitempty"`  // network address
	Grants  []Grant   `json:"grants"`
	Proof   *Proof    `json:"-"` // who acts has just proven anew who they are; set by a door for one command
}

// Scope gives the grants that hold a verb. What is their own, people who are signed in may look after without a grant;
// who only has a person's API key may not.
func (a Actor) Scope(v Verb) Scope {
	if v == OwnAccount {
		if a.Kind == ByPerson && a.Person != "" && a.Session != "" {
			return Scope{{}}
		}
		return nil
	}
	var s Scope
	for _, g := range a.Grants {
		if g.Allows(v) {
			s = append(s, g)
		}
	}
	return s
}

// May tells whether the actor holds a verb at a place.
func (a Actor) May(v Verb, p Place) bool { return a.Scope(v).Covers(p) }

// Has tells whether the actor holds a role at all; holds are released by role.
func (a Actor) Has(r Role) bool {
	for _, g := range a.Grants {
		if g.Role == r {
			return true
		}
	}
	return false
}

// System is gemba itself at first start and on its own watch, under an id that says at what. Nobody can sign in as it:
// only code on this machine makes one.
func System(id ID, name string) Actor {
	return Actor{Kind: BySystem, ID: "gemba/" + id, Name: name, Grants: []Grant{{Role: Setup}}}
}
