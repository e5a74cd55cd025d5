// Package mes is the shop floor: what there is (equipment, products, work orders, operations, job sessions, reports,
// machines, people, stations), the states these may be in, what may happen to them, and who may make it happen.
//
// It does no I/O, owns no clock and draws no random number: the store, the time and the ids are handed in. The terms
// are those of ISA-95, MESA-11, ISO 22400 and PackML.
//
// # One door
//
// Every write is a [Command] given to [App.Do]: it is authorized, decided in pure Go on what the store says, and
// committed together with its ledger entry, all or nothing. The table [Commands] names them all; API routes, SSH verbs,
// the command palette and the permission tests are made from it. Reads go through the App as well and show only what
// the actor's grants cover.
//
// # A work order's life
//
//	draft → released → in_progress ⇄ paused → completed → closed
//	released | in_progress | paused → held → back;  draft … → cancelled while nothing was reported
//
// # An operation's life
//
//	waiting → ready → running ⇄ paused → completed
//	ready | running | paused → held → back;  waiting | ready → skipped (optional ones, with a reason)
//
// # Quantities
//
// Quantities are whole numbers of the product's unit; something that is weighed is counted in the smallest unit that
// matters (grams, not tonnes). Reports are never edited: a correction is a linked reversal, and every total is a sum
// over reports.
package mes
