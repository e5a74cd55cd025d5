package mes

import "slices"

// Accounts belong to operations: they are made, changed and ended here, and nowhere else.

// colleague gives a person of whom the command's verb reaches at least a part. Others are not there.
func (d *Decision) colleague(ref ID) (*Person, error) {
	p, err := d.Person(ref)
	if err == nil && !d.scope.Meets(p.Grants) {
		return nil, notFound("person", ref)
	}
	return p, err
}

// subordinate gives a person all of whose rights are within the reach of the actor.
func (d *Decision) subordinate(ref ID) (*Person, error) {
	p, err := d.colleague(ref)
	if err == nil {
		err = d.mayEmpower(p.Grants)
	}
	return p, err
}

// self gives the person who is signed in, as they are now.
func (d *Decision) self() (*Person, error) {
	p, err := d.Person(d.Actor.Person)
	if err == nil && p.Disabled {
		return nil, Faultf(Denied, "your account is disabled; ask who manages access")
	}
	return p, err
}

// manages tells whether a person can manage access everywhere.
func (p *Person) manages() bool {
	return !p.Disabled && Actor{Grants: p.Grants}.Scope(ManageAccess).Everywhere()
}

// keepManager refuses a change of a person that takes the actor's own rights away, or leaves nobody who manages access
// everywhere. Who stays becomes an expectation of the decision, so that two cannot end each other at once.
func (d *Decision) keepManager(before, after Person) error {
	loses := after.Disabled && !before.Disabled || slices.ContainsFunc(before.Grants, func(g Grant) bool { return !slices.Contains(after.Grants, g) })
	if !loses {
		return nil
	}
	if before.ID == d.Actor.Person {
		return refuse("you cannot take away your own rights; somebody else who manages access must")
	}
	if !before.manages() || after.manages() {
		return nil
	}
	return d.anotherManager(before.ID)
}

func (d *Decision) anotherManager(than ID) error {
	if id := d.Actor.Person; id != "" && id != than {
		if p, err := d.Person(id); err == nil && p.manages() {
			return nil
		}
	}
	for page := (Page{Limit: maxPage}); ; {
		people, next, err := d.store.People(d.ctx, Scope{{}}, page)
		if err != nil {
			return err
		}
		for i := range people {
			if people[i].ID == than || !people[i].manages() {
				continue
			}
			p, err := d.Person(people[i].ID)
			if err != nil {
				return err
			}
			if p.manages() {
				return nil
			}
		}
		if page.After = next; next == "" {
			return refuse("nobody else manages access everywhere; give somebody that right first")
		}
	}
}

// DisablePerson ends an account for as long as it is not enabled again. What was done under it stays.
type DisablePerson struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *DisablePerson) decide(d *Decision) error {
	return d.amend(c.Person, c.Reason, func(p *Person) error {
		if p.Disabled {
			return refuse("%s is disabled already", p.Name)
		}
		p.Disabled = true
		return nil
	})
}

// EnablePerson lets somebody in again.
type EnablePerson struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *EnablePerson) decide(d *Decision) error {
	return d.amend(c.Person, c.Reason, func(p *Person) error {
		if !p.Disabled {
			return refuse("%s is not disabled", p.Name)
		}
		p.Disabled = false
		return nil
	})
}

// amend changes the account of a person who is within reach.
func (d *Decision) amend(ref ID, reason string, step func(*Person) error) error {
	if err := needText("reason", reason, 200); err != nil {
		return err
	}
	p, err := d.subordinate(ref)
	if err != nil {
		return err
	}
	return d.alter(p, step)
}

// alter carries out a change of a person, if somebody who manages access stays.
func (d *Decision) alter(p *Person, step func(*Person) error) error {
	before := *p
	if err := step(p); err != nil {
		return err
	}
	if err := d.keepManager(before, *p); err != nil {
		return err
	}
	d.Save(p)
	d.about("person", p.ID, Place{})
	d.Give("person", p.ID)
	return nil
}

// GrantRole gives a person one more role within a scope.
type GrantRole struct {
	Person    ID     `json:"person" doc:"badge or id of the person"`
	Role      Role   `json:"role" doc:"operator, lead, planner, quality, maintenance, engineer, approver, auditor, admin, viewer, feeder or historian"`
	Site      ID     `json:"site,omitempty" doc:"facility; empty for all"`
	Line      ID     `json:"line,omitempty" doc:"work centre; empty for all"`
	Family    string `json:"family,omitempty" doc:"product line; empty for all"`
	Operation string `json:"operation,omitempty" doc:"operation code; empty for all"`
	Machine   ID     `json:"machine,omitempty" doc:"machine; empty for all"`
	Reason    string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *GrantRole) grant() Grant {
	return Grant{Role: c.Role, Site: c.Site, Line: c.Line, Family: c.Family, Operation: c.Operation, Machine: c.Machine}
}

func (c *GrantRole) decide(d *Decision) error {
	g := c.grant()
	if err := firstError(needText("reason", c.Reason, 200), checkGrants([]Grant{g}, "people")); err != nil {
		return err
	}
	p, err := d.colleague(c.Person)
	if err != nil {
		return err
	}
	if err := d.mayEmpower([]Grant{g}); err != nil {
		return err
	}
	return d.alter(p, func(p *Person) error {
		if slices.Contains(p.Grants, g) {
			return refuse("%s has this role there already", p.Name)
		}
		p.Grants = append(slices.Clip(p.Grants), g)
		return checkGrants(p.Grants, "people")
	})
}

// UngrantRole takes a role away that a person has been given, within exactly that scope.
type UngrantRole struct {
	Person    ID     `json:"person" doc:"badge or id of the person"`
	Role      Role   `json:"role" doc:"role that is taken away"`
	Site      ID     `json:"site,omitempty" doc:"facility, as it was given"`
	Line      ID     `json:"line,omitempty" doc:"work centre, as it was given"`
	Family    string `json:"family,omitempty" doc:"product line, as it was given"`
	Operation string `json:"operation,omitempty" doc:"operation code, as it was given"`
	Machine   ID     `json:"machine,omitempty" doc:"machine, as it was given"`
	Reason    string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *UngrantRole) decide(d *Decision) error {
	g := (*GrantRole)(c).grant()
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	p, err := d.colleague(c.Person)
	if err != nil {
		return err
	}
	if err := d.mayEmpower([]Grant{g}); err != nil {
		return err
	}
	return d.alter(p, func(p *Person) error {
		i := slices.Index(p.Grants, g)
		if i < 0 {
			return refuse("%s has no such role there; look at what the person may do", p.Name)
		}
		p.Grants = slices.Delete(slices.Clone(p.Grants), i, i+1)
		return nil
	})
}

// UnlockPerson lets somebody try again who was locked out for wrong secrets.
type UnlockPerson struct {
	Person ID     `json:"person" doc:"badge or id of the person"`
	Reason string `json:"reason" doc:"why" maxLength:"200"`
}

func (c *UnlockPerson) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	p, err := d.colleague(c.Person)
	if err != nil {
		return err
	}
	for _, g := range p.Grants {
		if !d.scope.Reaches(g) {
			return Faultf(Denied, "this person has rights beyond your part of the plant; ask who manages access")
		}
	}
	if err := d.clearLockouts(p.ID); err != nil {
		return err
	}
	d.about("person", p.ID, Place{})
	return nil
}
