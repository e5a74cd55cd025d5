package storage

import (
	"sync"

	"gemba/mes"
)

// cacheLimit bounds each kind's part of the cache, in records.
const cacheLimit = 50_000

// cache holds records as they were last committed or read. A record in it is never changed; a newer version takes its
// place. What is decided on a stale one fails its expectation, so it costs a retry and never a wrong result.
type cache struct {
	mu    sync.RWMutex
	kinds map[mes.Kind]map[mes.ID]mes.Record
	named map[nameKey]mes.ID  // other names of records: order number, badge
	least map[recordKey]int64 // versions of records that other nodes wrote: who read an older one is too late
}

type nameKey struct {
	kind mes.Kind
	name mes.ID
}

func newCache() *cache {
	return &cache{kinds: map[mes.Kind]map[mes.ID]mes.Record{}, named: map[nameKey]mes.ID{}, least: map[recordKey]int64{}}
}

func (c *cache) get(kind mes.Kind, id mes.ID) (mes.Record, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r, ok := c.kinds[kind][id]
	return r, ok
}

// getNamed finds a record by its id or another name.
func (c *cache) getNamed(kind mes.Kind, ref mes.ID) (mes.Record, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if r, ok := c.kinds[kind][ref]; ok {
		return r, true
	}
	id, ok := c.named[nameKey{kind, ref}]
	if !ok {
		return nil, false
	}
	r, ok := c.kinds[kind][id]
	return r, ok && otherName(r) == ref
}

// put keeps a record, unless a newer version is there already: a slow reader must not undo a commit.
func (c *cache) put(r mes.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind, id := mes.KindOf(r), r.Key()
	of := c.kinds[kind]
	if of == nil {
		of = map[mes.ID]mes.Record{}
		c.kinds[kind] = of
	}
	known, ok := of[id]
	if ok && mes.VersionOf(known) > mes.VersionOf(r) {
		return
	}
	if least, ok := c.least[recordKey{kind, id}]; ok {
		if mes.VersionOf(r) < least {
			return
		}
		delete(c.least, recordKey{kind, id})
	}
	if !ok && len(of) >= cacheLimit {
		for victim := range of { // any will do: whatever is needed comes back with one read
			c.remove(kind, victim)
			if len(of) < cacheLimit*9/10 {
				break
			}
		}
	}
	of[id] = r
	if name := otherName(r); name != "" {
		c.named[nameKey{kind, name}] = id
	}
}

// drop forgets a record that turned out stale.
func (c *cache) drop(kind mes.Kind, id mes.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(kind, id)
}

// outdate forgets a record that is older than a version which another node wrote, and keeps older ones out from now on.
func (c *cache) outdate(kind mes.Kind, id mes.ID, version int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.kinds[kind][id]; ok {
		if mes.VersionOf(known) >= version {
			return
		}
		c.remove(kind, id)
	}
	if len(c.least) >= cacheLimit {
		clear(c.least) // it is for reads that are under way, and there are not so many
	}
	c.least[recordKey{kind, id}] = version
}

func (c *cache) remove(kind mes.Kind, id mes.ID) {
	if r, ok := c.kinds[kind][id]; ok {
		delete(c.named, nameKey{kind, otherName(r)})
		delete(c.kinds[kind], id)
	}
}

// version tells the version of a record, if it is known.
func (c *cache) version(kind mes.Kind, id mes.ID) (int64, bool) {
	r, ok := c.get(kind, id)
	if !ok {
		return 0, false
	}
	return mes.VersionOf(r), true
}

// otherName is the unique name that people know a record by, besides its id.
func otherName(r mes.Record) mes.ID {
	switch v := r.(type) {
	case *mes.Order:
		return mes.ID(v.Number)
	case *mes.Person:
		return v.Badge
	}
	return ""
}
