package mes

import (
	"slices"
	"time"
)

// A Product is what orders make.
type Product struct {
	ID      ID     `json:"id"` // its code
	Name    string `json:"name"`
	Unit    string `json:"unit"`   // what quantities count: "pcs", "g"
	Family  string `json:"family"` // product line; scopes ask for it
	Version int64  `json:"version"`
}

// RevisionStatus is where a product revision stands: draft → in_review → released → obsolete, and back to draft when
// rejected.
type RevisionStatus string

const (
	RevisionDraft    RevisionStatus = "draft"
	RevisionInReview RevisionStatus = "in_review"
	RevisionReleased RevisionStatus = "released"
	RevisionObsolete RevisionStatus = "obsolete"
)

// A Revision is how a product is made from some day on: its routing and bill of material. Released is never edited.
type Revision struct {
	ID            ID                 `json:"id"` // product@rev
	Product       ID                 `json:"product"`
	Rev           string             `json:"rev"`
	Status        RevisionStatus     `json:"status"`
	EffectiveFrom time.Time          `json:"effective_from"`
	EffectiveTo   time.Time          `json:"effective_to"` // zero: open
	Author        ID                 `json:"author"`
	ReleasedBy    ID                 `json:"released_by"`
	ReleasedAt    time.Time          `json:"released_at"`
	Routing       []RoutingOperation `json:"routing"`
	BOM           []BOMLine          `json:"bom"`
	Odd           []Oddity           `json:"odd"`
	Version       int64              `json:"version"`
}

// A RoutingOperation is one step of how a product is made.
type RoutingOperation struct {
	Seq         int      `json:"seq" doc:"10, 20, 30 …" minimum:"1" maximum:"9999"`
	Code        string   `json:"code" doc:"what kind of work it is" maxLength:"40"`
	Name        string   `json:"name" doc:"name for people" maxLength:"80"`
	Line        ID       `json:"line" doc:"work centre where it is done"`
	Class       string   `json:"class,omitempty" doc:"or any machine of this equipment class"`
	SetupS      int      `json:"setup_s,omitempty" doc:"planned setup, seconds" minimum:"0"`
	RunMS       int      `json:"run_ms,omitempty" doc:"planned run time per unit (ISO 22400 PRI), milliseconds" minimum:"0"`
	Optional    bool     `json:"optional,omitempty" doc:"may be skipped with a reason"`
	Batch       bool     `json:"batch,omitempty" doc:"starts only when its predecessors are completed"`
	After       []int    `json:"after,omitempty" doc:"sequence numbers of its predecessors; the one before it if not said"`
	Skill       string   `json:"skill,omitempty" doc:"skill certificate that a person needs" maxLength:"40"`
	Instruction string   `json:"instruction,omitempty" doc:"work instruction revision that a person must have read" maxLength:"60"`
	Checks      []string `json:"checks,omitempty" doc:"required checks"`
}

// A BOMLine is a component of a product.
type BOMLine struct {
	Component    ID     `json:"component"`
	QuantityPer  int64  `json:"quantity_per"`
	Unit         string `json:"unit"`
	Operation    int    `json:"operation"` // where it is consumed
	ScrapPercent int    `json:"scrap_percent,omitempty"`
	Backflush    bool   `json:"backflush,omitempty"`
	Tracking     string `json:"tracking,omitempty" enum:"none,lot,serial"`
}

// RevisionID is the id of a product's revision.
func RevisionID(product ID, rev string) ID { return product + "@" + ID(rev) }

// EffectiveAt tells whether the revision is in effect at a moment.
func (r *Revision) EffectiveAt(t time.Time) bool {
	return !t.Before(r.EffectiveFrom) && (r.EffectiveTo.IsZero() || t.Before(r.EffectiveTo))
}

// overlaps tells whether two revisions would be in effect at the same moment.
func (r *Revision) overlaps(o *Revision) bool {
	return (r.EffectiveTo.IsZero() || o.EffectiveFrom.Before(r.EffectiveTo)) &&
		(o.EffectiveTo.IsZero() || r.EffectiveFrom.Before(o.EffectiveTo))
}

// Snapshot is what an order is made from, frozen at release. An engineering change makes a new one with a higher
// version; it never changes one.
type Snapshot struct {
	Revision ID                 `json:"revision"`
	Version  int                `json:"version"`
	Routing  []RoutingOperation `json:"routing"`
	BOM      []BOMLine          `json:"bom"`
}

// Planned times beyond these are slips: a month of setup, a month for one unit.
const maxSetupS, maxRunMS = 31 * 86_400, 31 * 86_400_000

// checkBOM makes sure that a bill of material can be consumed.
func checkBOM(lines []BOMLine, routing []RoutingOperation) error {
	if len(lines) > 1000 {
		return invalid("bom", "a bill of material has at most 1000 lines")
	}
	for _, b := range lines {
		if err := firstError(checkCode("bom", b.Component), checkText("bom", b.Unit, 10)); err != nil {
			return err
		}
		switch {
		case b.QuantityPer <= 0 || b.QuantityPer > MaxQuantity:
			return invalid("bom", "component %s needs a quantity from 1 to %d", b.Component, MaxQuantity)
		case b.ScrapPercent < 0 || b.ScrapPercent > 100:
			return invalid("bom", "component %s: scrap_percent goes from 0 to 100", b.Component)
		case b.Tracking != "" && b.Tracking != "none" && b.Tracking != "lot" && b.Tracking != "serial":
			return invalid("bom", "component %s: tracking is none, lot or serial", b.Component)
		case b.Operation != 0 && !slices.ContainsFunc(routing, func(r RoutingOperation) bool { return r.Seq == b.Operation }):
			return invalid("bom", "component %s is consumed at operation %d, which the routing does not have", b.Component, b.Operation)
		}
	}
	return nil
}

// checkRouting makes sure that a routing can be worked: unique rising numbers, predecessors that come before.
func checkRouting(routing []RoutingOperation) error {
	if len(routing) == 0 {
		return invalid("routing", "a revision needs at least one operation")
	}
	if len(routing) > 200 {
		return invalid("routing", "a routing has at most 200 operations")
	}
	var seen []int
	for i := range routing {
		r := &routing[i]
		switch {
		case r.Seq < 1 || r.Seq > 9999:
			return invalid("routing", "sequence numbers go from 1 to 9999")
		case i > 0 && r.Seq <= routing[i-1].Seq:
			return invalid("routing", "operation %d comes after %d; sequence numbers must rise", r.Seq, routing[i-1].Seq)
		case r.Line == "":
			return invalid("routing", "operation %d has no line; say the work centre where it is done", r.Seq)
		case r.SetupS < 0 || r.SetupS > maxSetupS || r.RunMS < 0 || r.RunMS > maxRunMS:
			return invalid("routing", "operation %d: setup_s goes from 0 to %d, run_ms from 0 to %d", r.Seq, maxSetupS, maxRunMS)
		case len(r.After) > len(seen):
			return invalid("routing", "operation %d names a predecessor twice, or one that is not earlier", r.Seq)
		case len(r.Checks) > 20:
			return invalid("routing", "operation %d has more than 20 checks", r.Seq)
		}
		if err := checkCode("routing", ID(r.Code)); err != nil {
			return err
		}
		if err := needText("routing", r.Name, 80); err != nil {
			return err
		}
		for _, code := range []string{r.Class, r.Skill, r.Instruction} {
			if code == "" {
				continue
			}
			if err := checkCode("routing", ID(code)); err != nil {
				return err
			}
		}
		for _, check := range r.Checks {
			if err := needText("routing", check, 80); err != nil {
				return err
			}
		}
		for _, p := range r.After {
			if !slices.Contains(seen, p) {
				return invalid("routing", "operation %d comes after %d, which is not an earlier operation", r.Seq, p)
			}
		}
		seen = append(seen, r.Seq)
	}
	return nil
}

// DefineProduct adds a product or changes its name.
type DefineProduct struct {
	Code   ID     `json:"code" doc:"code of the product" maxLength:"40"`
	Name   string `json:"name" doc:"name for people" maxLength:"80"`
	Unit   string `json:"unit,omitempty" doc:"what quantities count, pcs if not said" maxLength:"10"`
	Family string `json:"family,omitempty" doc:"product line" maxLength:"40"`
	Reason string `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *DefineProduct) decide(d *Decision) error {
	if err := checkCode("code", c.Code); err != nil {
		return err
	}
	if err := firstError(needText("name", c.Name, 80), checkText("reason", c.Reason, 200)); err != nil {
		return err
	}
	if c.Family != "" {
		if err := checkCode("family", ID(c.Family)); err != nil {
			return err
		}
	}
	if err := checkText("unit", c.Unit, 10); err != nil {
		return err
	}
	if err := d.within(Place{Family: c.Family}, "product", c.Code); err != nil {
		return err
	}
	p, err := d.Product(c.Code)
	if ErrorCode(err) == NotFound && d.exists(KindProduct, c.Code) {
		return refuse("product code %s is taken; choose another", c.Code)
	}
	if ErrorCode(err) == NotFound {
		p, err = &Product{ID: c.Code, Unit: c.Unit, Family: c.Family}, nil
		d.create(KindProduct, p.ID)
	}
	if err != nil {
		return err
	}
	if p.Version > 0 && (c.Family != p.Family || c.Unit != "" && c.Unit != p.Unit) {
		return refuse("product %s keeps its unit %s and product line %q; define another code", p.ID, p.Unit, p.Family)
	}
	if p.Unit == "" {
		p.Unit = "pcs"
	}
	p.Name = c.Name
	d.Save(p)
	d.about("product", p.ID, Place{Family: p.Family})
	return nil
}

// DraftRevision writes a new revision of a product, or rewrites one that is still a draft.
type DraftRevision struct {
	Product       ID                 `json:"product" doc:"code of the product"`
	Rev           string             `json:"rev" doc:"revision, like A or 03" maxLength:"20"`
	EffectiveFrom Stamp              `json:"effective_from,omitempty,omitzero" doc:"from when on it holds; now if not said"`
	EffectiveTo   Stamp              `json:"effective_to,omitempty,omitzero" doc:"until when; open if not said"`
	Routing       []RoutingOperation `json:"routing" doc:"operations in order"`
	BOM           []BOMLine          `json:"bom,omitempty" doc:"components"`
	Reason        string             `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *DraftRevision) decide(d *Decision) error {
	product, err := d.Product(c.Product)
	if err != nil {
		return err
	}
	if err := firstError(checkCode("rev", ID(c.Rev)), checkText("reason", c.Reason, 200)); err != nil {
		return err
	}
	if err := checkRouting(c.Routing); err != nil {
		return err
	}
	for i := range c.Routing {
		line, err := d.Equipment(c.Routing[i].Line)
		if err != nil {
			return err
		}
		if line.Level != WorkCentre {
			return invalid("routing", "%s is a %s; operations are done at a work centre", line.ID, line.Level)
		}
	}
	if err := checkBOM(c.BOM, c.Routing); err != nil {
		return err
	}
	id := RevisionID(product.ID, c.Rev)
	r, err := d.Revision(id)
	if ErrorCode(err) == NotFound {
		r, err = &Revision{ID: id, Product: product.ID, Rev: c.Rev, Status: RevisionDraft}, nil
		d.create(KindRevision, id)
	}
	if err != nil {
		return err
	}
	if r.Status != RevisionDraft {
		return refuse("revision %s is %s; only a draft can be rewritten, so write another revision", id, r.Status)
	}
	from, _ := c.EffectiveFrom.split()
	if c.EffectiveFrom.IsZero() {
		from = d.Now
	}
	to, _ := c.EffectiveTo.split()
	if c.EffectiveTo.IsZero() {
		to = time.Time{}
	} else if !to.After(from) {
		return invalid("effective_to", "the revision would end before it begins")
	}
	r.EffectiveFrom, r.EffectiveTo, r.Author = from, to, d.Actor.ID
	r.Routing, r.BOM = c.Routing, c.BOM
	d.Save(r)
	d.about("revision", id, Place{Family: product.Family})
	d.Give("revision", id)
	return nil
}

// SubmitRevision hands a draft to somebody else for review.
type SubmitRevision struct {
	Product ID     `json:"product" doc:"code of the product"`
	Rev     string `json:"rev" doc:"revision"`
	Reason  string `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *SubmitRevision) decide(d *Decision) error {
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	return d.revise(c.Product, c.Rev, func(r *Revision) error {
		if r.Status != RevisionDraft {
			return refuse("revision %s is %s; only a draft can be submitted", r.ID, r.Status)
		}
		r.Status = RevisionInReview
		return nil
	})
}

// RejectRevision gives a revision back to its author.
type RejectRevision struct {
	Product ID     `json:"product" doc:"code of the product"`
	Rev     string `json:"rev" doc:"revision"`
	Reason  string `json:"reason" doc:"what is wrong with it" maxLength:"200"`
}

func (c *RejectRevision) decide(d *Decision) error {
	if err := needText("reason", c.Reason, 200); err != nil {
		return err
	}
	return d.revise(c.Product, c.Rev, func(r *Revision) error {
		if r.Status != RevisionInReview {
			return refuse("revision %s is %s; only one in review can be rejected", r.ID, r.Status)
		}
		r.Status = RevisionDraft
		return nil
	})
}

// ReleaseRevision puts a revision into effect. Author and approver are two people, and the approver signs; a program that
// records history may be both, and the revision then says so.
type ReleaseRevision struct {
	Product ID     `json:"product" doc:"code of the product"`
	Rev     string `json:"rev" doc:"revision"`
	History bool   `json:"history,omitempty" doc:"this happened before gemba was there; needs the historian role"`
	Reason  string `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *ReleaseRevision) decide(d *Decision) error {
	if err := firstError(checkText("reason", c.Reason, 200), d.asHistory(c.History)); err != nil {
		return err
	}
	product, err := d.Product(c.Product)
	if err != nil {
		return err
	}
	if err := d.entitled(Place{Family: product.Family}); err != nil {
		return err
	}
	return d.revise(c.Product, c.Rev, func(r *Revision) error {
		if r.Status != RevisionInReview {
			return refuse("revision %s is %s; submit it for review first", r.ID, r.Status)
		}
		if r.Author == d.Actor.ID {
			if err := d.gate("one_pair_of_eyes", "revision %s is released by its author; somebody else must approve it", r.ID); err != nil {
				return err
			}
		}
		others, err := d.store.Revisions(d.ctx, d.level, r.Product)
		if err != nil {
			return err
		}
		for i := range others {
			if o := &others[i]; o.ID != r.ID && o.Status == RevisionReleased && r.overlaps(o) {
				return refuse("revision %s is in effect at the same time; end it first or choose another day", o.ID)
			}
		}
		d.Save(product) // two releases of one product must see each other
		r.Status, r.ReleasedBy, r.ReleasedAt, r.Odd = RevisionReleased, d.Actor.ID, d.Now, d.odd
		d.Save(r)
		if c.History {
			return nil
		}
		return d.sign(r, MeaningApproved)
	})
}

// RetireRevision ends a released revision from now on.
type RetireRevision struct {
	Product ID     `json:"product" doc:"code of the product"`
	Rev     string `json:"rev" doc:"revision"`
	Reason  string `json:"reason,omitempty" doc:"why" maxLength:"200"`
}

func (c *RetireRevision) decide(d *Decision) error {
	if err := checkText("reason", c.Reason, 200); err != nil {
		return err
	}
	return d.revise(c.Product, c.Rev, func(r *Revision) error {
		if r.Status != RevisionReleased {
			return refuse("revision %s is %s; only a released one can be retired", r.ID, r.Status)
		}
		r.Status = RevisionObsolete
		return nil
	})
}

// revise loads a revision, applies a step to it and saves it.
func (d *Decision) revise(product ID, rev string, step func(*Revision) error) error {
	p, err := d.Product(product)
	if err != nil {
		return err
	}
	r, err := d.Revision(RevisionID(p.ID, rev))
	if err != nil {
		return err
	}
	if err := step(r); err != nil {
		return err
	}
	d.Save(r)
	d.about("revision", r.ID, Place{Family: p.Family})
	d.Give("revision", r.ID)
	return nil
}
