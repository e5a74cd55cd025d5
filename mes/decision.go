package mes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// MaxSkew is how far ahead of the server a stated time may be.
const MaxSkew = 2 * time.Minute

// MaxBackdate is how far back people may state a time without a supervisor's authority.
const MaxBackdate = 24 * time.Hour

// A Decision is one attempt to carry out a command: what it reads, and the change it stages. Every record it reads
// becomes an expectation, so that nothing is committed on a view of the floor that has passed.
type Decision struct {
	Actor Actor
	ID    ID // of the command
	Now   time.Time
	NewID func() ID

	ctx     context.Context
	store   Store
	level   Freshness
	spec    *Spec
	scope   Scope
	history bool
	old     bool // the stated time is further back than MaxBackdate
	odd     []Oddity
	loaded  map[ref]*held
	saved   []ref // in the order they were first saved
	add     []any
	bulk    []any
	batches []BatchImage
	subject string
	place   Place
	result  map[string]any
}

type ref struct {
	kind Kind
	id   ID
}

// held is a record in a decision: as it was read, and as it is now.
type held struct {
	record  Record
	was     int64
	before  json.RawMessage
	changed bool
}

// about says what the ledger entry is about.
func (d *Decision) about(kind string, id ID, p Place) {
	d.subject, d.place = kind+"/"+string(id), p
}

// Give puts something into the receipt.
func (d *Decision) Give(name string, value any) { d.result[name] = value }

// Save stages a record in its new form. It may change until the decision ends.
func (d *Decision) Save(r Record) {
	key := ref{r.kind(), r.Key()}
	h := d.loaded[key]
	if h == nil {
		h = &held{record: r}
		d.loaded[key] = h
	}
	h.record = r
	if !h.changed {
		h.changed = true
		d.saved = append(d.saved, key)
	}
}

// create notes that a record must not exist yet.
func (d *Decision) create(kind Kind, id ID) {
	if d.loaded[ref{kind, id}] == nil {
		d.loaded[ref{kind, id}] = &held{}
	}
}

// Add stages rows that are only ever added.
func (d *Decision) Add(rows ...any) { d.add = append(d.add, rows...) }

// Bulk stages a slice of machine rows; the ledger keeps their number and digest.
func (d *Decision) Bulk(kind Kind, rows any, n int) {
	d.bulk = append(d.bulk, rows)
	d.batches = append(d.batches, BatchImage{Kind: kind, Count: n})
}

// load gives a record of the decision: the one it already holds, or a copy of what the store has.
func load[T any, P interface {
	*T
	Record
}](d *Decision, kind Kind, id ID, get func(context.Context, Freshness, ID) (P, error)) (P, error) {
	if h := d.loaded[ref{kind, id}]; h != nil && h.record != nil {
		return h.record.(P), nil
	}
	stored, err := get(d.ctx, d.level, id)
	if ErrorCode(err) == NotFound {
		return nil, notFound(nameOf[kind], id) // in the same words as what is out of scope
	}
	if err != nil {
		return nil, err
	}
	key := ref{kind, stored.Key()}
	if h := d.loaded[key]; h != nil && h.record != nil {
		return h.record.(P), nil
	}
	mine := *stored
	p := P(&mine)
	h := &held{record: p, was: *p.version()}
	if d.spec.View == ChangeLog {
		h.before, _ = imageOf(p)
	}
	d.loaded[key] = h
	return p, nil
}

// nameOf says what people call a kind of thing.
var nameOf = map[Kind]string{
	KindEquipment: "equipment", KindProduct: "product", KindRevision: "revision", KindOrder: "order", KindOperation: "operation",
	KindSession: "session", KindReport: "report", KindEngagement: "engagement", KindPerson: "person", KindStation: "station",
	KindCredential: "credential", KindKey: "key", KindSSHKey: "key", KindSignIn: "sign-in", KindCounter: "counter",
	KindLockout: "lockout", KindPrincipal: "principal",
}

// exists tells whether the store has a record that the decision has read, in scope or not.
func (d *Decision) exists(kind Kind, id ID) bool {
	h := d.loaded[ref{kind, id}]
	return h != nil && h.was > 0
}

// covers tells whether the command's verb holds at a place.
func (d *Decision) covers(p Place) bool { return d.scope.Covers(p) }

// within refuses what is out of scope in the words of what is not there.
func (d *Decision) within(p Place, what string, id ID) error {
	if !d.covers(p) {
		return notFound(what, id)
	}
	return nil
}

// Equipment, Product and the like give a record to decide on. Plant and products are seen by all who may command; what
// is done with them is checked at the order or the operation.

func (d *Decision) Equipment(code ID) (*Equipment, error) {
	e, err := d.anyEquipment(code)
	if err == nil && !d.covers(e.Place()) {
		return nil, notFound("equipment", code)
	}
	return e, err
}

// anyEquipment gives equipment that something already allowed refers to.
func (d *Decision) anyEquipment(code ID) (*Equipment, error) {
	return load(d, KindEquipment, code, d.store.Equipment)
}

func (d *Decision) Product(code ID) (*Product, error) {
	p, err := load(d, KindProduct, code, d.store.Product)
	if err == nil && !d.covers(Place{Family: p.Family}) {
		return nil, notFound("product", code)
	}
	return p, err
}

func (d *Decision) Revision(id ID) (*Revision, error) {
	return load(d, KindRevision, id, d.store.Revision)
}

// Order gives a work order that the command's verb covers.
func (d *Decision) Order(ref ID) (*Order, error) {
	o, err := d.anyOrder(ref)
	if err != nil {
		return nil, err
	}
	if !d.covers(o.Place()) {
		return nil, notFound("order", ref)
	}
	if err := d.entitled(o.Place()); err != nil {
		return nil, err
	}
	d.about("work_order", o.ID, o.Place())
	return o, nil
}

// anyOrder gives a work order whose operations are checked one by one instead.
func (d *Decision) anyOrder(ref ID) (*Order, error) {
	if ref == "" {
		return nil, invalid("order", "say the number of the order")
	}
	return load(d, KindOrder, ref, d.store.Order)
}

func (d *Decision) Operation(id ID) (*Operation, error) {
	return load(d, KindOperation, id, d.store.Operation)
}
func (d *Decision) Session(id ID) (*Session, error) {
	s, err := load(d, KindSession, id, d.store.Session)
	if err == nil && !d.covers(s.Place()) {
		return nil, notFound("session", id)
	}
	return s, err
}
func (d *Decision) Engagement(id ID) (*Engagement, error) {
	return load(d, KindEngagement, id, d.store.Engagement)
}
func (d *Decision) Person(ref ID) (*Person, error) {
	return load(d, KindPerson, ref, d.store.Person)
}
func (d *Decision) Station(code ID) (*Station, error) {
	s, err := load(d, KindStation, code, d.store.Station)
	if err == nil && !d.covers(s.Place()) {
		return nil, notFound("station", code)
	}
	return s, err
}
func (d *Decision) Credential(id ID) (*Credential, error) {
	return load(d, KindCredential, id, d.store.Credential)
}
func (d *Decision) Key(id ID) (*Key, error) { return load(d, KindKey, id, d.store.Key) }
func (d *Decision) SSHKey(fingerprint ID) (*SSHKey, error) {
	return load(d, KindSSHKey, fingerprint, d.store.SSHKey)
}
func (d *Decision) SignIn(id ID) (*SignIn, error) { return load(d, KindSignIn, id, d.store.SignIn) }
func (d *Decision) Counter(id ID) (*Counter, error) {
	return load(d, KindCounter, id, d.store.Counter)
}

// asHistory turns the gates of live work into oddities, for who may record history.
func (d *Decision) asHistory(history bool) error {
	if history && len(d.Actor.Scope(RecordHistory)) == 0 {
		return Faultf(Denied, "only a historian may record history; leave out history")
	}
	d.history = history
	return nil
}

// gate stops live work with a refusal, and is noted as an oddity in history.
func (d *Decision) gate(code, format string, args ...any) error {
	err := Faultf(Refused, format, args...)
	if !d.history {
		return err
	}
	d.odd = append(slices.Clip(d.odd), Oddity{code, err.Message})
	return nil
}

// occurred checks a stated time: never from the future, and not far back without authority.
func (d *Decision) occurred(at Stamp) (time.Time, error) {
	if at.IsZero() {
		return d.Now, nil
	}
	t, _ := at.split()
	if t.After(d.Now.Add(MaxSkew)) {
		return t, invalid("at", "the time is %s ahead of the server; check the clock", t.Sub(d.Now).Round(time.Second))
	}
	d.old = t.Before(d.Now.Add(-MaxBackdate))
	return t, nil
}

// entitled refuses a time far back and history where the actor has no authority for it: having it elsewhere is not
// enough.
func (d *Decision) entitled(p Place) error {
	switch records := d.Actor.May(RecordHistory, p); {
	case d.history && !records:
		return Faultf(Denied, "only a historian may record history here; leave out history")
	case d.old && !records && !d.Actor.May(Supervise, p):
		return refuse("the time is more than %d hours back; a supervisor must record it", int(MaxBackdate.Hours()))
	}
	return nil
}

// change is what the decision comes to: the receipt, the ledger entry, the expectations and the rows.
func (d *Decision) change(given json.RawMessage, digest string) (*Change, error) {
	result, err := json.Marshal(d.result)
	if err != nil {
		return nil, err
	}
	c := &Change{Add: d.add, Bulk: d.bulk}
	detail := Detail{Given: given, Result: result, Odd: d.odd, Batches: d.batches}
	for key, h := range d.loaded {
		c.Expect = append(c.Expect, Expect{key.kind, key.id, h.was})
	}
	for _, key := range d.saved {
		h := d.loaded[key]
		*h.record.version() = h.was + 1
		after, err := imageOf(h.record)
		if err != nil {
			return nil, err
		}
		c.Put = append(c.Put, h.record)
		detail.Rows = append(detail.Rows, RowImage{key.kind, key.id, h.before, after})
	}
	for _, row := range d.add {
		after, err := imageOf(row)
		if err != nil {
			return nil, err
		}
		r := row.(interface {
			Key() ID
			kind() Kind
		})
		detail.Rows = append(detail.Rows, RowImage{Kind: r.kind(), Key: r.Key(), After: after})
	}
	if c.Entry, err = d.entry(Done, "", "", detail); err != nil {
		return nil, err
	}
	c.Receipt = &Receipt{ID: d.ID, Command: d.spec.Name, At: d.Now, Digest: digest, By: d.Actor.ID, Result: result, Odd: d.odd}
	return c, nil
}

// entry is the ledger entry of the decision.
func (d *Decision) entry(outcome Outcome, code Code, message string, detail Detail) (Entry, error) {
	text, err := detail.text()
	view := d.spec.View
	if outcome == NotDone {
		view = ActivityLog
	}
	return Entry{
		ID: d.ID, At: d.Now, View: view, Command: d.spec.Name, Outcome: outcome, Code: code, Message: message,
		Kind: d.Actor.Kind, Actor: d.Actor.ID, Person: d.Actor.Person, Station: d.Actor.Station, Key: d.Actor.Key,
		Session: d.Actor.Session, Source: d.Actor.Source, Subject: d.subject, Site: d.place.Site, Line: d.place.Line, Detail: text,
	}, err
}

// digestOf ties a command id to what was asked.
func digestOf(name string, given []byte) string {
	sum := sha256.Sum256(append([]byte(name+"\x00"), given...))
	return hex.EncodeToString(sum[:16])
}
