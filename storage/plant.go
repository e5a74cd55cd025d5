package storage

import (
	"context"

	"gemba/mes"
)

// Equipment gives a node of the plant by its code.
func (s *Store) Equipment(ctx context.Context, f mes.Freshness, code mes.ID) (*mes.Equipment, error) {
	return find[mes.Equipment](ctx, s, f, "equipment", "", code)
}

// EquipmentList gives the plant, each node behind the one it belongs to.
func (s *Store) EquipmentList(ctx context.Context, scope mes.Scope) ([]mes.Equipment, error) {
	q := newQuery(`WITH RECURSIVE path(id, at) AS (
		SELECT id, '/' || id FROM equipment WHERE parent = ''
		UNION ALL
		SELECT e.id, path.at || '/' || e.id FROM equipment e JOIN path ON e.parent = path.id
	) SELECT ` + equipmentColumns + ` FROM equipment JOIN path USING (id)`)
	q.within(scope, place{site: "site", line: "line", machine: "iif(level = 'work_unit', equipment.id, '')"})
	return all[mes.Equipment](ctx, s, local, q.end("ORDER BY path.at"))
}

var equipmentColumns = tableFor[mes.Equipment]().list

// Product gives a product by its code.
func (s *Store) Product(ctx context.Context, f mes.Freshness, code mes.ID) (*mes.Product, error) {
	return find[mes.Product](ctx, s, f, "product", "", code)
}

// Products lists products by code.
func (s *Store) Products(ctx context.Context, scope mes.Scope, p mes.Page) ([]mes.Product, string, error) {
	q := selectFrom(tableFor[mes.Product]()).within(scope, place{family: "family"})
	if err := q.after(p.After, ">", "id"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.Product](ctx, s, local, q.end("ORDER BY id LIMIT ?", int64(limitOf(p)+1)))
	return paged(found, err, p, func(p *mes.Product) []any { return []any{p.ID} })
}

// Revision gives a product revision by its id.
func (s *Store) Revision(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Revision, error) {
	return find[mes.Revision](ctx, s, f, "revision", "", id)
}

// Revisions lists the revisions of a product by their names.
func (s *Store) Revisions(ctx context.Context, f mes.Freshness, product mes.ID) ([]mes.Revision, error) {
	return all[mes.Revision](ctx, s, levelOf(f), selectFrom(tableFor[mes.Revision]()).and("product = ?", string(product)).end("ORDER BY rev"))
}

// Station gives a station by its code.
func (s *Store) Station(ctx context.Context, f mes.Freshness, code mes.ID) (*mes.Station, error) {
	return find[mes.Station](ctx, s, f, "station", "", code)
}

// Stations lists stations by code.
func (s *Store) Stations(ctx context.Context, scope mes.Scope) ([]mes.Station, error) {
	q := selectFrom(tableFor[mes.Station]()).within(scope, place{site: "site", line: "line"})
	return all[mes.Station](ctx, s, local, q.end("ORDER BY id"))
}
