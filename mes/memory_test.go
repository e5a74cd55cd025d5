package mes

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"testing"
	"time"
)

// memory is a store in maps, for tests of rules. It keeps every promise of [Store] that deciding relies on, and checks
// one that decisions make: a record that was handed out is never changed in place.
type memory struct {
	Screens // not asked by decisions
	t       testing.TB

	rows       map[ref]Record
	images     map[ref][]byte // of each row as it was committed
	reports    []*Report
	readings   map[ID]*Reading
	signatures []*Signature
	states     []MachineState
	counts     []CounterReading
	samples    []Sample
	alarms     []Alarm
	receipts   map[ID]Receipt
	entries    []Entry
	trouble    error // what every read and commit answers, if it is set
	stale      int   // how many commits to refuse as if somebody else had been faster
}

func newMemory(t testing.TB) *memory {
	m := &memory{t: t, rows: map[ref]Record{}, images: map[ref][]byte{}, readings: map[ID]*Reading{}, receipts: map[ID]Receipt{}}
	t.Cleanup(func() {
		for key := range m.rows {
			m.untouched(key)
		}
	})
	return m
}

func (m *memory) Commit(_ context.Context, c *Change) (Receipt, error) {
	for _, e := range c.Expect {
		m.untouched(ref{e.Kind, e.ID})
	}
	if m.trouble != nil {
		return Receipt{}, m.trouble
	}
	if c.Receipt != nil {
		if known, ok := m.receipts[c.Receipt.ID]; ok {
			if known.Digest != c.Receipt.Digest || known.By != c.Receipt.By {
				return Receipt{}, Faultf(Conflict, "the id was used for something else")
			}
			known.Replayed = true
			return known, nil
		}
	}
	if m.stale > 0 {
		m.stale--
		return Receipt{}, ErrStale
	}
	for _, e := range c.Expect {
		version := int64(0)
		if r := m.rows[ref{e.Kind, e.ID}]; r != nil {
			version = VersionOf(r)
		}
		if version != e.Version {
			return Receipt{}, ErrStale
		}
	}
	prev := GenesisHash
	if n := len(m.entries); n > 0 {
		prev = m.entries[n-1].Hash
	}
	c.Entry.Seal("test", int64(len(m.entries)+1), prev)
	m.entries = append(m.entries, c.Entry)
	for _, r := range c.Put {
		key := ref{KindOf(r), r.Key()}
		m.rows[key], m.images[key] = r, image(r)
	}
	for _, row := range c.Add {
		switch r := row.(type) {
		case *Report:
			m.reports = append(m.reports, r)
		case *Reading:
			m.readings[r.ID] = r
		case *Signature:
			m.signatures = append(m.signatures, r)
		default:
			m.t.Errorf("%T is added", row)
		}
	}
	for _, rows := range c.Bulk {
		switch b := rows.(type) {
		case []MachineState:
			for _, s := range b {
				if !slices.ContainsFunc(m.states, func(o MachineState) bool {
					return o.Machine == s.Machine && o.At.Equal(s.At) && o.Nanos == s.Nanos && o.Ord == s.Ord
				}) {
					m.states = append(m.states, s)
				}
			}
		case []CounterReading:
			m.counts = append(m.counts, b...)
		case []Sample:
			m.samples = append(m.samples, b...)
		case []Alarm:
			m.alarms = append(m.alarms, b...)
		}
	}
	if c.Receipt == nil {
		return Receipt{}, nil
	}
	c.Receipt.Writer, c.Receipt.N = "test", int64(len(m.entries))
	m.receipts[c.Receipt.ID] = *c.Receipt
	return *c.Receipt, nil
}

func image(r Record) []byte {
	text, err := imageOf(r)
	if err != nil {
		panic(err)
	}
	return text
}

// untouched fails the test if a decision changed a record of the store in place.
func (m *memory) untouched(key ref) {
	r := m.rows[key]
	if r == nil {
		return
	}
	if now := image(r); !bytes.Equal(now, m.images[key]) {
		m.t.Errorf("%s %s was changed in place\n%s\n%s", key.kind, key.id, m.images[key], now)
	}
}

func get[T Record](m *memory, kind Kind, id ID) (T, error) {
	var none T
	if m.trouble != nil {
		return none, m.trouble
	}
	if r, ok := m.rows[ref{kind, id}]; ok {
		return r.(T), nil
	}
	return none, Faultf(NotFound, "the store has no %s %s", kind, id)
}

// named gives a record by another of its names.
func named[T Record](m *memory, kind Kind, id ID, has func(T) bool) (T, error) {
	for key, r := range m.rows {
		if key.kind == kind && has(r.(T)) {
			id = key.id
		}
	}
	return get[T](m, kind, id)
}

func (m *memory) Receipt(_ context.Context, id ID) (Receipt, error) {
	if r, ok := m.receipts[id]; ok {
		return r, nil
	}
	return Receipt{}, notFound("command", id)
}
func (m *memory) Equipment(_ context.Context, _ Freshness, id ID) (*Equipment, error) {
	return get[*Equipment](m, KindEquipment, id)
}
func (m *memory) Product(_ context.Context, _ Freshness, id ID) (*Product, error) {
	return get[*Product](m, KindProduct, id)
}
func (m *memory) Revision(_ context.Context, _ Freshness, id ID) (*Revision, error) {
	return get[*Revision](m, KindRevision, id)
}
func (m *memory) Revisions(_ context.Context, _ Freshness, product ID) ([]Revision, error) {
	var list []Revision
	for _, r := range m.rows {
		if rev, ok := r.(*Revision); ok && rev.Product == product {
			list = append(list, *rev)
		}
	}
	return list, nil
}
func (m *memory) Order(_ context.Context, _ Freshness, id ID) (*Order, error) {
	return named(m, KindOrder, id, func(o *Order) bool { return o.Number == string(id) })
}
func (m *memory) Operation(_ context.Context, _ Freshness, id ID) (*Operation, error) {
	return get[*Operation](m, KindOperation, id)
}
func (m *memory) Session(_ context.Context, _ Freshness, id ID) (*Session, error) {
	return get[*Session](m, KindSession, id)
}
func (m *memory) Report(_ context.Context, _ Freshness, id ID) (*Report, error) {
	for _, r := range m.reports {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, Faultf(NotFound, "the store has no report %s", id)
}
func (m *memory) CorrectionOf(_ context.Context, _ Freshness, id ID) (*Report, error) {
	for _, r := range m.reports {
		if r.Corrects == id {
			return r, nil
		}
	}
	return nil, notFound("report", id)
}
func (m *memory) Engagement(_ context.Context, _ Freshness, id ID) (*Engagement, error) {
	return get[*Engagement](m, KindEngagement, id)
}
func (m *memory) Person(_ context.Context, _ Freshness, id ID) (*Person, error) {
	return named(m, KindPerson, id, func(p *Person) bool { return p.Badge == id })
}
func (m *memory) Station(_ context.Context, _ Freshness, id ID) (*Station, error) {
	return get[*Station](m, KindStation, id)
}
func (m *memory) Credential(_ context.Context, _ Freshness, id ID) (*Credential, error) {
	return get[*Credential](m, KindCredential, id)
}
func (m *memory) Key(_ context.Context, _ Freshness, id ID) (*Key, error) {
	return get[*Key](m, KindKey, id)
}
func (m *memory) SSHKey(_ context.Context, _ Freshness, id ID) (*SSHKey, error) {
	return get[*SSHKey](m, KindSSHKey, id)
}
func (m *memory) SignIn(_ context.Context, _ Freshness, id ID) (*SignIn, error) {
	return get[*SignIn](m, KindSignIn, id)
}
func (m *memory) Counter(_ context.Context, _ Freshness, id ID) (*Counter, error) {
	return get[*Counter](m, KindCounter, id)
}
func (m *memory) Lockout(_ context.Context, _ Freshness, id ID) (*Lockout, error) {
	return get[*Lockout](m, KindLockout, id)
}
func (m *memory) LockoutsOf(_ context.Context, _ Freshness, person ID) (list []Lockout, err error) {
	for _, r := range m.rows {
		if l, ok := r.(*Lockout); ok && l.Person == person {
			list = append(list, *l)
		}
	}
	slices.SortFunc(list, func(a, b Lockout) int { return cmp.Compare(a.ID, b.ID) })
	return list, m.trouble
}
func (m *memory) Principal(_ context.Context, _ Freshness, id ID) (*Principal, error) {
	return get[*Principal](m, KindPrincipal, id)
}
func (m *memory) People(_ context.Context, s Scope, p Page) (list []Person, next string, err error) {
	for _, r := range m.rows {
		if p, ok := r.(*Person); ok && s.Meets(p.Grants) {
			list = append(list, *p)
		}
	}
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.Badge, b.Badge) })
	i, _ := slices.BinarySearchFunc(list, p.After, func(p Person, after string) int { return cmp.Compare(string(p.Badge), after) })
	if p.After != "" {
		list = list[i+1:]
	}
	if len(list) > p.Limit {
		list = list[:p.Limit]
		next = string(list[p.Limit-1].Badge)
	}
	return list, next, m.trouble
}
func (m *memory) Signatures(_ context.Context, record string) (list []Signature, err error) {
	for _, s := range m.signatures {
		if s.Record == record {
			list = append(list, *s)
		}
	}
	return list, m.trouble
}
func (m *memory) Sessions(_ context.Context, f SessionFilter) (list []Session, next string, err error) {
	for _, r := range m.rows {
		if s, ok := r.(*Session); ok && (f.Person == "" || s.Person == f.Person) {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b Session) int { return b.From.Compare(a.From) })
	return list[:min(len(list), f.Page.Limit)], "", nil
}
func (m *memory) Reading(_ context.Context, _ Freshness, id ID) (*Reading, error) {
	if r, ok := m.readings[id]; ok {
		return r, nil
	}
	return nil, notFound("reading", id)
}

func (m *memory) StateAt(_ context.Context, machine ID, at time.Time) (*MachineState, error) {
	if m.trouble != nil {
		return nil, m.trouble
	}
	var newest *MachineState
	for i := range m.states {
		s := &m.states[i]
		if s.Machine != machine || s.At.After(at) {
			continue
		}
		if newest == nil || s.At.After(newest.At) || s.At.Equal(newest.At) && (s.Nanos > newest.Nanos || s.Nanos == newest.Nanos && s.Ord > newest.Ord) {
			newest = s
		}
	}
	if newest == nil {
		return nil, notFound("state", machine)
	}
	return newest, nil
}

func (m *memory) Readings(_ context.Context, machine ID, counter string, from, to time.Time) ([]CounterReading, error) {
	var list []CounterReading
	for _, r := range m.counts {
		if r.Machine == machine && r.Counter == counter && !r.At.Before(from) && !r.At.After(to) {
			list = append(list, r)
		}
	}
	return list, nil
}

// order gives a stored order by its number.
func (m *memory) order(number string) *Order {
	m.t.Helper()
	o, err := m.Order(context.Background(), Fresh, ID(number))
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

// operation gives a stored operation.
func (m *memory) operation(number string, seq int) *Operation {
	m.t.Helper()
	op, err := m.Operation(context.Background(), Fresh, OperationID(m.order(number).ID, seq))
	if err != nil {
		m.t.Fatal(err)
	}
	return op
}

// sum adds up the standing reports of an operation.
func (m *memory) sum(number string, seq int, kind ReportKind) (n int64) {
	order := m.order(number).ID
	for _, r := range m.reports {
		if r.Order != order || r.Seq != seq || r.Kind != kind {
			continue
		}
		if r.Corrects != "" {
			n -= r.Quantity
		} else {
			n += r.Quantity
		}
	}
	return n
}
