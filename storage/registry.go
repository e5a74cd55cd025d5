package storage

import (
	"reflect"

	"gemba/mes"
)

// tables lists every table of records and rows, parents before children: a batch writes them in this order, so that
// foreign keys hold at every step.
var tables = []*table{
	record[mes.Equipment](mes.KindEquipment),
	record[mes.Product](mes.KindProduct),
	record[mes.Revision](mes.KindRevision),
	record[mes.Person](mes.KindPerson),
	record[mes.Station](mes.KindStation),
	record[mes.Credential](mes.KindCredential),
	record[mes.Lockout](mes.KindLockout),
	record[mes.Principal](mes.KindPrincipal),
	record[mes.Key](mes.KindKey),
	record[mes.SSHKey](mes.KindSSHKey),
	record[mes.SignIn](mes.KindSignIn),
	rows[mes.Reading](mes.KindReading, "id"),
	rows[mes.Signature](mes.KindSignature, "id"),
	record[mes.Order](mes.KindOrder),
	record[mes.Operation](mes.KindOperation, "order", "seq"),
	record[mes.Session](mes.KindSession),
	record[mes.Engagement](mes.KindEngagement),
	rows[mes.Report](mes.KindReport, "id"),
	record[mes.Counter](mes.KindCounter),
	rows[mes.CounterReading](mes.KindCount, "machine", "counter", "at_ms", "nanos", "ord"),
	rows[mes.MachineState](mes.KindMachineState, "machine", "at_ms", "nanos", "ord"),
	rows[mes.Alarm](mes.KindAlarm, "machine", "key", "at_ms", "nanos", "ord"),
	rows[mes.Sample](mes.KindSample, "machine", "tag", "at_ms", "nanos", "ord"),
}

// record is the table of versioned records of one kind. Columns that the id fixes are left out of updates, which spares
// their indexes.
func record[T any](kind mes.Kind, fixed ...string) *table {
	return newTable(string(kind), reflect.TypeFor[T](), true, []string{"id"}, fixed...)
}

// rows is the table of rows of one kind that are only ever added.
func rows[T any](kind mes.Kind, key ...string) *table {
	return newTable(string(kind), reflect.TypeFor[T](), false, key)
}

var (
	tableOfKind = index(func(t *table, _ int) (mes.Kind, *table) { return mes.Kind(t.name), t })
	tableOfType = index(func(t *table, _ int) (reflect.Type, *table) { return t.row, t })
	orderOf     = index(func(t *table, i int) (*table, int) { return t, i }) // place in tables
)

func index[K comparable, V any](by func(*table, int) (K, V)) map[K]V {
	m := make(map[K]V, len(tables))
	for i, t := range tables {
		k, v := by(t, i)
		m[k] = v
	}
	return m
}

// tableFor gives the table of a row type.
func tableFor[T any]() *table { return tableOfType[reflect.TypeFor[T]()] }
