-- The floor as it first was. Columns are the fields of the row types in mes, by the rule that table.go states; the order
-- of tables is parents first. Statements are separated by a line of four dashes and carried out as one batch.

CREATE TABLE schema_migration (
	n INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	digest TEXT NOT NULL,
	at_ms INTEGER NOT NULL
) STRICT
----
-- An expectation is a row that is never written: INSERT INTO must(ok) refuses the whole batch unless ok is true.
CREATE VIEW must(ok) AS SELECT 1 WHERE false
----
CREATE TRIGGER must_hold INSTEAD OF INSERT ON must WHEN NEW.ok IS NOT 1
BEGIN
	SELECT RAISE(ABORT, 'precondition');
END
----
-- What every command gave, so that sending it again gives the same and does nothing.
CREATE TABLE receipt (
	id TEXT NOT NULL PRIMARY KEY,
	principal TEXT NOT NULL,
	digest TEXT NOT NULL,
	command TEXT NOT NULL,
	writer TEXT NOT NULL,
	n INTEGER NOT NULL,
	result TEXT,
	odd TEXT,
	at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
----
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
-- The ledger: one chain of entries a writer. It must have no other UNIQUE: each would be one more way for REPLACE to
-- remove an entry.
CREATE TABLE ledger (
	writer TEXT NOT NULL,
	n INTEGER NOT NULL,
	id TEXT NOT NULL,
	at_ms INTEGER,
	"view" TEXT NOT NULL,
	command TEXT NOT NULL,
	outcome TEXT NOT NULL,
	code TEXT NOT NULL,
	message TEXT NOT NULL,
	kind TEXT NOT NULL,
	actor TEXT NOT NULL,
	person TEXT NOT NULL,
	station TEXT NOT NULL,
	"key" TEXT NOT NULL,
	session TEXT NOT NULL,
	source TEXT NOT NULL,
	subject TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	detail TEXT,
	prev_hash TEXT NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (writer, n)
) STRICT
----
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER ledger_continues BEFORE INSERT ON ledger
WHEN (NEW.n - 1, NEW.prev_hash) IS NOT (SELECT n, hash FROM ledger WHERE writer = NEW.writer ORDER BY n DESC LIMIT 1)
	AND (NEW.n, NEW.prev_hash, EXISTS (SELECT 1 FROM ledger WHERE writer = NEW.writer))
		IS NOT (1, '0000000000000000000000000000000000000000000000000000000000000000', 0)
BEGIN
	SELECT RAISE(ABORT, 'chain: the entry does not continue the chain of its writer');
END
----
-- REPLACE can also aim at a rowid; a new entry always has the highest.
CREATE TRIGGER ledger_grows AFTER INSERT ON ledger WHEN NEW.rowid <> (SELECT max(rowid) FROM ledger)
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE VIEW activity AS SELECT * FROM ledger WHERE "view" = 'activity'
----
CREATE VIEW transactions AS SELECT * FROM ledger WHERE "view" = 'transaction'
----
CREATE VIEW changes AS SELECT * FROM ledger WHERE "view" = 'change'
----
-- Where each chain ends, signed, so that cutting off its end shows.
CREATE TABLE ledger_head (
	writer TEXT NOT NULL PRIMARY KEY,
	n INTEGER NOT NULL,
	hash TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	signature TEXT NOT NULL,
	key_id TEXT NOT NULL
) STRICT
----
-- What each writer stated of its entries, as the root of a Merkle tree, signed. The edge is what the tree goes on from.
CREATE TABLE ledger_checkpoint (
	writer TEXT NOT NULL,
	n INTEGER NOT NULL CHECK (n > 0),
	root TEXT NOT NULL,
	hash TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	machine_rows TEXT,
	note TEXT NOT NULL,
	edge TEXT NOT NULL,
	PRIMARY KEY (writer, n)
) STRICT, WITHOUT ROWID
----
CREATE TRIGGER ledger_checkpoint_no_update BEFORE UPDATE ON ledger_checkpoint
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER ledger_checkpoint_no_delete BEFORE DELETE ON ledger_checkpoint
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER ledger_checkpoint_grows BEFORE INSERT ON ledger_checkpoint
WHEN NEW.n <= (SELECT n FROM ledger_checkpoint WHERE writer = NEW.writer ORDER BY n DESC LIMIT 1)
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TABLE equipment (
	id TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	level TEXT NOT NULL,
	parent TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	classes TEXT,
	capacity INTEGER NOT NULL,
	timeout_s INTEGER NOT NULL,
	microstop_s INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE INDEX equipment_parent ON equipment(parent)
----
CREATE TABLE product (
	id TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	unit TEXT NOT NULL,
	family TEXT NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE revision (
	id TEXT NOT NULL PRIMARY KEY,
	product TEXT NOT NULL REFERENCES product(id),
	rev TEXT NOT NULL,
	status TEXT NOT NULL,
	effective_from_ms INTEGER,
	effective_to_ms INTEGER,
	author TEXT NOT NULL,
	released_by TEXT NOT NULL,
	released_at_ms INTEGER,
	routing TEXT,
	bom TEXT,
	odd TEXT,
	version INTEGER NOT NULL
) STRICT
----
CREATE INDEX revision_product ON revision(product, rev)
----
CREATE TABLE person (
	id TEXT NOT NULL PRIMARY KEY,
	badge TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	grants TEXT,
	skills TEXT,
	tending INTEGER NOT NULL,
	language TEXT NOT NULL,
	disabled INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE station (
	id TEXT NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	machine TEXT NOT NULL,
	networks TEXT,
	keys TEXT,
	code TEXT NOT NULL,
	code_until_ms INTEGER,
	retired INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE credential (
	id TEXT NOT NULL PRIMARY KEY,
	person TEXT NOT NULL REFERENCES person(id),
	kind TEXT NOT NULL,
	hash TEXT NOT NULL,
	one_time INTEGER NOT NULL,
	expires_at_ms INTEGER,
	history TEXT,
	step INTEGER NOT NULL,
	set_at_ms INTEGER,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE lockout (
	id TEXT NOT NULL PRIMARY KEY,
	person TEXT NOT NULL,
	source TEXT NOT NULL,
	failures INTEGER NOT NULL,
	recent TEXT,
	first_ms INTEGER,
	last_ms INTEGER,
	until_ms INTEGER,
	streak INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE INDEX lockout_person ON lockout(person)
----
CREATE TABLE principal (
	id TEXT NOT NULL PRIMARY KEY,
	kind TEXT NOT NULL,
	keys TEXT,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE api_key (
	id TEXT NOT NULL PRIMARY KEY,
	kind TEXT NOT NULL,
	principal TEXT NOT NULL,
	name TEXT NOT NULL,
	person TEXT NOT NULL,
	grants TEXT,
	networks TEXT,
	hash TEXT NOT NULL,
	created_at_ms INTEGER,
	expires_at_ms INTEGER,
	revoked INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE ssh_key (
	id TEXT NOT NULL PRIMARY KEY,
	station TEXT NOT NULL,
	person TEXT NOT NULL,
	public_key TEXT NOT NULL,
	networks TEXT,
	created_at_ms INTEGER,
	revoked INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE TABLE sign_in (
	id TEXT NOT NULL PRIMARY KEY,
	person TEXT NOT NULL REFERENCES person(id),
	station TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	node TEXT NOT NULL,
	ssh_key TEXT NOT NULL,
	source TEXT NOT NULL,
	method TEXT NOT NULL,
	from_ms INTEGER,
	to_ms INTEGER,
	"end" TEXT NOT NULL,
	version INTEGER NOT NULL
) STRICT
----
CREATE INDEX sign_in_from ON sign_in(to_ms IS NULL, from_ms, id)
----
CREATE TABLE signature (
	id TEXT NOT NULL PRIMARY KEY,
	record TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest TEXT NOT NULL,
	meaning TEXT NOT NULL,
	person TEXT NOT NULL REFERENCES person(id),
	name TEXT NOT NULL,
	station TEXT NOT NULL,
	method TEXT NOT NULL,
	at_ms INTEGER,
	command TEXT NOT NULL
) STRICT, WITHOUT ROWID
----
CREATE INDEX signature_record ON signature(record)
----
CREATE TRIGGER signature_no_update BEFORE UPDATE ON signature
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER signature_no_delete BEFORE DELETE ON signature
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TABLE instruction_reading (
	id TEXT NOT NULL PRIMARY KEY,
	person TEXT NOT NULL REFERENCES person(id),
	instruction TEXT NOT NULL,
	at_ms INTEGER
) STRICT, WITHOUT ROWID
----
CREATE TABLE work_order (
	id TEXT NOT NULL PRIMARY KEY,
	number TEXT NOT NULL UNIQUE,
	product TEXT NOT NULL REFERENCES product(id),
	revision TEXT NOT NULL REFERENCES revision(id),
	family TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	state TEXT NOT NULL,
	held_from TEXT NOT NULL,
	hold TEXT,
	ordered INTEGER NOT NULL CHECK (ordered > 0),
	unit TEXT NOT NULL,
	tolerance INTEGER NOT NULL,
	priority INTEGER NOT NULL,
	due_ms INTEGER,
	planned_start_ms INTEGER,
	snapshot TEXT,
	split_from TEXT NOT NULL,
	good INTEGER NOT NULL,
	short INTEGER NOT NULL,
	over INTEGER NOT NULL,
	short_reason TEXT NOT NULL,
	signed_by TEXT NOT NULL,
	created_at_ms INTEGER,
	created_by TEXT NOT NULL,
	released_at_ms INTEGER,
	started_at_ms INTEGER,
	completed_at_ms INTEGER,
	closed_at_ms INTEGER,
	odd TEXT,
	version INTEGER NOT NULL
) STRICT
----
CREATE INDEX work_order_urgency ON work_order(priority, COALESCE(due_ms, 253402300800000), number)
----
CREATE INDEX work_order_product ON work_order(product)
----
CREATE INDEX work_order_open ON work_order(priority, COALESCE(due_ms, 253402300800000), number) WHERE state IN ('released', 'in_progress', 'paused', 'held')
----
-- What is closed or cancelled never changes again.
CREATE TRIGGER work_order_final BEFORE UPDATE ON work_order WHEN OLD.state IN ('closed', 'cancelled')
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TABLE operation (
	id TEXT NOT NULL PRIMARY KEY,
	"order" TEXT NOT NULL REFERENCES work_order(id),
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	family TEXT NOT NULL,
	seq INTEGER NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	class TEXT NOT NULL,
	setup_s INTEGER NOT NULL,
	run_ms INTEGER NOT NULL,
	optional INTEGER NOT NULL,
	state TEXT NOT NULL,
	held_from TEXT NOT NULL,
	hold TEXT,
	planned INTEGER NOT NULL,
	good INTEGER NOT NULL,
	scrap INTEGER NOT NULL,
	rework INTEGER NOT NULL,
	review INTEGER NOT NULL,
	reworked INTEGER NOT NULL,
	reports INTEGER NOT NULL,
	last_report TEXT NOT NULL,
	sessions TEXT,
	running INTEGER NOT NULL,
	reason TEXT NOT NULL,
	started_at_ms INTEGER,
	completed_at_ms INTEGER,
	version INTEGER NOT NULL,
	CONSTRAINT nothing_below_zero CHECK (good >= 0 AND scrap >= 0 AND rework >= 0 AND review >= 0 AND reworked >= 0 AND reports >= 0)
) STRICT, WITHOUT ROWID
----
CREATE INDEX operation_order ON operation("order", seq)
----
CREATE TABLE job_session (
	id TEXT NOT NULL PRIMARY KEY,
	"order" TEXT NOT NULL REFERENCES work_order(id),
	operation TEXT NOT NULL REFERENCES operation(id),
	seq INTEGER NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	family TEXT NOT NULL,
	code TEXT NOT NULL,
	kind TEXT NOT NULL,
	with_setup INTEGER NOT NULL,
	person TEXT NOT NULL,
	claimed INTEGER NOT NULL,
	station TEXT NOT NULL,
	machine TEXT NOT NULL,
	state TEXT NOT NULL,
	from_ms INTEGER,
	to_ms INTEGER,
	paused_at_ms INTEGER,
	paused_ms INTEGER NOT NULL,
	reason TEXT NOT NULL,
	snapshot_version INTEGER NOT NULL,
	recorded_at_ms INTEGER,
	odd TEXT,
	version INTEGER NOT NULL,
	CONSTRAINT ends_after_it_begins CHECK (to_ms IS NULL OR to_ms >= from_ms)
) STRICT
----
CREATE INDEX job_session_from ON job_session(from_ms, id)
----
CREATE INDEX job_session_order ON job_session("order", from_ms)
----
CREATE INDEX job_session_person ON job_session(person, from_ms)
----
CREATE INDEX job_session_open ON job_session(person) WHERE state IN ('running', 'paused')
----
CREATE TABLE engagement (
	id TEXT NOT NULL PRIMARY KEY,
	sessions TEXT,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID
----
CREATE TABLE report (
	id TEXT NOT NULL PRIMARY KEY,
	"order" TEXT NOT NULL REFERENCES work_order(id),
	operation TEXT NOT NULL REFERENCES operation(id),
	seq INTEGER NOT NULL,
	session TEXT NOT NULL,
	site TEXT NOT NULL,
	line TEXT NOT NULL,
	family TEXT NOT NULL,
	code TEXT NOT NULL,
	work TEXT NOT NULL,
	kind TEXT NOT NULL,
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	reason TEXT NOT NULL,
	lot TEXT NOT NULL,
	person TEXT NOT NULL,
	station TEXT NOT NULL,
	machine TEXT NOT NULL,
	occurred_at_ms INTEGER,
	recorded_at_ms INTEGER,
	command TEXT NOT NULL,
	corrects TEXT NOT NULL,
	previous TEXT NOT NULL,
	snapshot_version INTEGER NOT NULL,
	odd TEXT
) STRICT
----
CREATE INDEX report_at ON report(occurred_at_ms, id)
----
-- A report is taken back once.
CREATE UNIQUE INDEX report_corrects ON report(corrects) WHERE corrects <> ''
----
CREATE TRIGGER report_no_update BEFORE UPDATE ON report
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER report_no_delete BEFORE DELETE ON report
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TABLE counter (
	id TEXT NOT NULL PRIMARY KEY,
	machine TEXT NOT NULL,
	name TEXT NOT NULL,
	value INTEGER NOT NULL,
	at_ms INTEGER,
	nanos INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	rollover INTEGER NOT NULL,
	total INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID
----
CREATE INDEX counter_machine ON counter(machine)
----
CREATE TABLE counter_reading (
	machine TEXT NOT NULL,
	counter TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	nanos INTEGER NOT NULL,
	ord INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	value INTEGER NOT NULL,
	step INTEGER NOT NULL,
	event TEXT NOT NULL,
	missing INTEGER NOT NULL,
	recorded_at_ms INTEGER,
	PRIMARY KEY (machine, counter, at_ms, nanos, ord)
) STRICT, WITHOUT ROWID
----
CREATE TABLE machine_state (
	machine TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	nanos INTEGER NOT NULL,
	ord INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	raw TEXT NOT NULL,
	source TEXT NOT NULL,
	late INTEGER NOT NULL,
	recorded_at_ms INTEGER,
	PRIMARY KEY (machine, at_ms, nanos, ord)
) STRICT, WITHOUT ROWID
----
CREATE TABLE alarm (
	machine TEXT NOT NULL,
	"key" TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	nanos INTEGER NOT NULL,
	ord INTEGER NOT NULL,
	level TEXT NOT NULL,
	code TEXT NOT NULL,
	severity TEXT NOT NULL,
	qualifier TEXT NOT NULL,
	text TEXT NOT NULL,
	recorded_at_ms INTEGER,
	PRIMARY KEY (machine, "key", at_ms, nanos, ord)
) STRICT, WITHOUT ROWID
----
CREATE TABLE sample (
	machine TEXT NOT NULL,
	tag TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	nanos INTEGER NOT NULL,
	ord INTEGER NOT NULL,
	value REAL,
	text TEXT NOT NULL,
	PRIMARY KEY (machine, tag, at_ms, nanos, ord)
) STRICT, WITHOUT ROWID
----
-- What machines said is never changed. The ledger knows its rows by their number only, so the file guards what they say.
CREATE TRIGGER counter_reading_no_update BEFORE UPDATE ON counter_reading
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER counter_reading_no_delete BEFORE DELETE ON counter_reading
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER machine_state_no_update BEFORE UPDATE ON machine_state
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER machine_state_no_delete BEFORE DELETE ON machine_state
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER alarm_no_update BEFORE UPDATE ON alarm
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER alarm_no_delete BEFORE DELETE ON alarm
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER sample_no_update BEFORE UPDATE ON sample
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
----
CREATE TRIGGER sample_no_delete BEFORE DELETE ON sample
BEGIN
	SELECT RAISE(ABORT, 'append-only');
END
