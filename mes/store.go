package mes

import (
	"context"
	"time"
)

// Freshness says how new a read must be.
type Freshness int

const (
	// Cached may be answered from memory; what is decided on it carries expectations, so a stale one costs a retry.
	Cached Freshness = iota
	// Local asks this node's database; screens use it.
	Local
	// Fresh sees everything that was committed before it was asked, on any node.
	Fresh
)

// A Store remembers. Commit is the only way to write.
//
// Commit errors: [ErrStale] when an expectation did not hold; a Fault with code Conflict when the command id was used
// for something else or a unique name is taken, and Unavailable when it could not be known in time whether the change
// was made (sending it again with the same id is safe). A change whose id is known gives the stored receipt with
// Replayed set.
//
// Values returned by reads of one record may be shared: the caller must not change them.
type Store interface {
	Commit(ctx context.Context, c *Change) (Receipt, error)
	// Receipt gives the receipt stored for a command id, or a NotFound fault.
	Receipt(ctx context.Context, id ID) (Receipt, error)
	Records
	Screens
}

// Records are reads of one thing, for decisions. Not there is a Fault with code NotFound.
type Records interface {
	Equipment(ctx context.Context, l Freshness, code ID) (*Equipment, error)
	Product(ctx context.Context, l Freshness, code ID) (*Product, error)
	Revision(ctx context.Context, l Freshness, id ID) (*Revision, error)
	Revisions(ctx context.Context, l Freshness, product ID) ([]Revision, error)
	Order(ctx context.Context, l Freshness, ref ID) (*Order, error) // by id or number
	Operation(ctx context.Context, l Freshness, id ID) (*Operation, error)
	Session(ctx context.Context, l Freshness, id ID) (*Session, error)
	Report(ctx context.Context, l Freshness, id ID) (*Report, error)
	CorrectionOf(ctx context.Context, l Freshness, report ID) (*Report, error) // the reversal of a report
	Engagement(ctx context.Context, l Freshness, id ID) (*Engagement, error)
	Person(ctx context.Context, l Freshness, ref ID) (*Person, error) // by id or badge
	Station(ctx context.Context, l Freshness, code ID) (*Station, error)
	Credential(ctx context.Context, l Freshness, id ID) (*Credential, error)
	Key(ctx context.Context, l Freshness, id ID) (*Key, error)
	SSHKey(ctx context.Context, l Freshness, fingerprint ID) (*SSHKey, error)
	SignIn(ctx context.Context, l Freshness, id ID) (*SignIn, error)
	Lockout(ctx context.Context, l Freshness, id ID) (*Lockout, error)
	LockoutsOf(ctx context.Context, l Freshness, person ID) ([]Lockout, error)
	Principal(ctx context.Context, l Freshness, id ID) (*Principal, error)
	Reading(ctx context.Context, l Freshness, id ID) (*Reading, error)
	Counter(ctx context.Context, l Freshness, id ID) (*Counter, error)
	// StateAt gives the newest state of a machine at or before a moment.
	StateAt(ctx context.Context, machine ID, at time.Time) (*MachineState, error)
	// Readings gives the readings of a counter with from ≤ at ≤ to, in order of time.
	Readings(ctx context.Context, machine ID, counter string, from, to time.Time) ([]CounterReading, error)
}

// Page of a list: at most Limit rows (1 to 1,000; 100 if 0) after the cursor that the page before gave.
type Page struct {
	After string
	Limit int
}

// Screens are reads of many things, for people and programs. They are ordered as said, newest first where time is the
// order, and give the cursor of the next page, "" at the end. Every filter has a Scope: rows outside are not there.
type Screens interface {
	Orders(ctx context.Context, f OrderFilter) ([]OrderSummary, string, error) // by priority, due, number
	OrderDetail(ctx context.Context, s Scope, ref ID) (*OrderDetail, error)    // one order with all that belongs to it
	Queue(ctx context.Context, f QueueFilter) ([]QueueItem, error)             // what can be worked on, most urgent first
	Sessions(ctx context.Context, f SessionFilter) ([]Session, string, error)  // newest first
	Reports(ctx context.Context, f ReportFilter) ([]Report, string, error)     // newest first
	Totals(ctx context.Context, f OrderFilter) (*Totals, error)                // sums over reports and sessions
	Board(ctx context.Context, s Scope, line ID) ([]MachineTile, error)        // every machine, by line and code
	Timeline(ctx context.Context, machine ID, from, to time.Time) ([]Interval, error)
	Counts(ctx context.Context, f MachineFilter) ([]CounterReading, string, error) // oldest first
	Samples(ctx context.Context, f MachineFilter) ([]Sample, string, error)        // oldest first
	Alarms(ctx context.Context, f MachineFilter) ([]Alarm, string, error)          // oldest first
	MachineTotals(ctx context.Context, machine ID) (*MachineTotals, error)
	Entries(ctx context.Context, f LedgerFilter) ([]Entry, string, error)     // newest first
	EquipmentList(ctx context.Context, s Scope) ([]Equipment, error)          // by path
	Products(ctx context.Context, s Scope, p Page) ([]Product, string, error) // by code
	People(ctx context.Context, s Scope, p Page) ([]Person, string, error)    // by badge
	Stations(ctx context.Context, s Scope) ([]Station, error)                 // by code
	OpenSessions(ctx context.Context, s Scope, person ID) ([]Session, error)  // what a person has running or paused; "" for everybody

	Keys(ctx context.Context, f KeyFilter) ([]KeyInfo, string, error)         // API keys, newest first
	SSHKeys(ctx context.Context, f SSHKeyFilter) ([]SSHKey, error)            // by fingerprint
	SignIns(ctx context.Context, f SignInFilter) ([]SignIn, string, error)    // open ones first, then newest first
	Lockouts(ctx context.Context, f LockoutFilter) ([]Lockout, string, error) // newest failure first; those that count nothing are left out
	Signatures(ctx context.Context, record string) ([]Signature, error)       // oldest first
	Calls(ctx context.Context, f TraceFilter) ([]Call, string, error)         // newest first
}

// OrderFilter chooses work orders. Empty fields choose all.
type OrderFilter struct {
	Scope   Scope
	State   []OrderState
	Line    ID
	Product ID
	Search  string // part of the number or of the product code
	Page    Page
}

// QueueFilter chooses operations that can be worked on: ready, running, paused or held, of orders that are released, in
// progress, paused or held.
type QueueFilter struct {
	Scope   Scope
	Line    ID       // work centre
	Classes []string // or any operation dispatched to one of these equipment classes
	Limit   int
}

// SessionFilter chooses job sessions.
type SessionFilter struct {
	Scope  Scope
	Order  ID
	Person ID
	Open   bool // only running and paused ones
	Odd    bool // only those with oddities
	Page   Page
}

// ReportFilter chooses reports.
type ReportFilter struct {
	Scope  Scope
	Order  ID
	Person ID
	Kind   ReportKind
	Page   Page
}

// MachineFilter chooses rows of one machine: of one counter, tag or alarm key if Series is said, in from ≤ at < to.
type MachineFilter struct {
	Machine  ID
	Series   string
	From, To time.Time
	Page     Page
}

// LedgerFilter chooses ledger entries, in from ≤ at < to.
type LedgerFilter struct {
	Scope    Scope
	View     View
	Actor    ID
	Subject  string
	Command  string
	From, To time.Time
	Page     Page
}

// KeyFilter chooses API keys: those whose grants, or whose owner's, the scope meets.
type KeyFilter struct {
	Scope  Scope
	Person ID // owner
	Page   Page
}

// SSHKeyFilter chooses SSH keys: those of stations in scope, and of persons whose grants the scope meets.
type SSHKeyFilter struct {
	Scope   Scope
	Station ID
	Person  ID
}

// SignInFilter chooses sign-ins.
type SignInFilter struct {
	Scope  Scope
	Open   bool // only those that have not ended
	Person ID
	Node   ID
	Page   Page
}

// LockoutFilter chooses lockouts: those of persons whose grants the scope meets, and of sources.
type LockoutFilter struct {
	Scope  Scope
	Person ID
	At     time.Time // only those that lock at this moment; all if zero
	Page   Page
}
