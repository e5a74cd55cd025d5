package mes

import (
	"slices"
	"time"
)

// A Person is somebody of the plant, known by badge. What they may do is in their grants; how they prove who they are
// is in credentials, kept apart.
type Person struct {
	ID       ID            `json:"id"`
	Badge    ID            `json:"badge"`
	Name     string        `json:"name"`
	Grants   []Grant       `json:"grants"`
	Skills   []Certificate `json:"skills"`
	Tending  int           `json:"tending"` // sessions that may run at once, 1 for most
	Language string        `json:"language"`
	Disabled bool          `json:"disabled"`
	Version  int64         `json:"version"`
}

// A Certificate says that a person has a skill until a day; zero is for good.
type Certificate struct {
	Skill string    `json:"skill"`
	Until time.Time `json:"until,omitzero"`
}

// Certified tells whether the person holds a valid certificate of a skill.
func (p *Person) Certified(skill string, at time.Time) bool {
	return slices.ContainsFunc(p.Skills, func(c Certificate) bool {
		return c.Skill == skill && (c.Until.IsZero() || at.Before(c.Until))
	})
}

// RegisterPerson adds a person or changes their name, skills and grants. Grants need the right to manage access.
type RegisterPerson struct {
	Badge    ID            `json:"badge" doc:"number on the badge" maxLength:"40"`
	Name     string        `json:"name" doc:"name for people" maxLength:"80"`
	Grants   []Grant       `json:"grants,omitempty" doc:"what the person may do" maxItems:"50"`
	Skills   []Certificate `json:"skills,omitempty" doc:"skill certificates" maxItems:"50"`
	Tending  int           `json:"tending,omitempty" doc:"sessions that may run at once, 1 if not said" minimum:"0" maximum:"20"`
	Language string        `json:"language,omitempty" doc:"en or de" maxLength:"5"`
	Disabled bool          `json:"disabled,omitempty" doc:"no longer active"`
	Reason   string        `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *RegisterPerson) decide(d *Decision) error {
	if err := checkCode("badge", c.Badge); err != nil {
		return err
	}
	if err := firstError(needText("name", c.Name, 80), checkText("reason", c.Reason, 200)); err != nil {
		return err
	}
	if c.Tending < 0 || c.Tending > 20 {
		return invalid("tending", "tending goes from 1 to 20")
	}
	if len(c.Skills) > 50 {
		return invalid("skills", "at most 50 skill certificates")
	}
	for _, s := range c.Skills {
		if err := checkCode("skills", ID(s.Skill)); err != nil {
			return err
		}
	}
	if err := firstError(checkGrants(c.Grants, "people"), checkText("language", c.Language, 5)); err != nil {
		return err
	}
	manages := len(d.Actor.Scope(ManageAccess)) > 0
	p, err := d.Person(c.Badge)
	if ErrorCode(err) == NotFound {
		p, err = &Person{ID: d.NewID(), Badge: c.Badge}, nil
		d.create(KindPerson, p.ID)
	}
	if err != nil {
		return err
	}
	if p.Version > 0 && !d.scope.Meets(p.Grants) {
		return refuse("badge %s is taken; choose another", c.Badge)
	}
	if !manages && (len(c.Grants) > 0 || p.Version > 0 && (len(p.Grants) > 0 || c.Disabled != p.Disabled)) {
		return Faultf(Denied, "only who manages access may give grants or change somebody who has them")
	}
	if manages {
		if err := firstError(d.mayEmpower(p.Grants), d.mayEmpower(c.Grants)); err != nil {
			return err
		}
	}
	return d.alter(p, func(p *Person) error {
		p.Name, p.Skills, p.Tending, p.Language, p.Disabled = c.Name, c.Skills, max(c.Tending, 1), c.Language, c.Disabled
		if manages {
			p.Grants = c.Grants
		}
		return nil
	})
}

// A Reading says that a person confirmed to have read a work instruction's revision.
type Reading struct {
	ID          ID        `json:"id"` // person/instruction
	Person      ID        `json:"person"`
	Instruction string    `json:"instruction"`
	At          time.Time `json:"at"`
}

// ReadingID is the id of a person's reading of an instruction revision.
func ReadingID(person ID, instruction string) ID { return person + "/" + ID(instruction) }

// ConfirmInstruction says that who is signed in has read a work instruction's revision.
type ConfirmInstruction struct {
	Instruction string `json:"instruction" doc:"work instruction revision" maxLength:"60"`
}

func (c *ConfirmInstruction) decide(d *Decision) error {
	if err := checkCode("instruction", ID(c.Instruction)); err != nil {
		return err
	}
	if d.Actor.Person == "" {
		return Faultf(Denied, "only a person can confirm an instruction; sign in first")
	}
	id := ReadingID(d.Actor.Person, c.Instruction)
	if _, err := d.store.Reading(d.ctx, d.level, id); err == nil {
		return refuse("you have confirmed %s already", c.Instruction)
	} else if ErrorCode(err) != NotFound {
		return err
	}
	d.Add(&Reading{ID: id, Person: d.Actor.Person, Instruction: c.Instruction, At: d.Now})
	d.about("instruction", ID(c.Instruction), Place{})
	return nil
}

// nameOf gives a person's name for a message.
func (d *Decision) nameOf(person ID) string {
	if p, err := d.Person(person); err == nil {
		return p.Name
	}
	return "somebody"
}
