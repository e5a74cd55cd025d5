package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gemba/mes"
	"gemba/storage/rqlitetest"
)

// lossy is an engine whose answers get lost: before a batch is carried out, or after.
type lossy struct {
	engine
	mu   sync.Mutex
	plan []string // what happens to the next batches: "before", "after", "late"; then all is well
	late []stmt
}

var errLost = &trouble{kind: outcomeUnknown, cause: errors.New("no answer")}

func (l *lossy) exec(ctx context.Context, batch []stmt) ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := ""
	if len(l.plan) > 0 {
		next, l.plan = l.plan[0], l.plan[1:]
	}
	switch next {
	case "before":
		return nil, errLost
	case "after":
		if _, err := l.engine.exec(ctx, batch); err != nil {
			return nil, err
		}
		return nil, errLost
	case "late": // it arrives after the next one
		l.late = batch
		return nil, errLost
	}
	if l.late == nil {
		return l.engine.exec(ctx, batch)
	}
	affected, err := l.engine.exec(ctx, batch)
	if _, again := l.engine.exec(ctx, l.late); again == nil {
		return nil, errors.New("the same batch was carried out twice")
	}
	l.late = nil
	return affected, err
}

// Whatever becomes of an answer, the change is made once, and its caller hears so.
func TestCommit_lostAnswers(t *testing.T) {
	for _, plan := range [][]string{{"before"}, {"after"}, {"before", "after"}, {"after", "before"}, {"before", "before", "after"}, {"late"}, {"before", "late", "after"}} {
		t.Run(fmt.Sprint(plan), func(t *testing.T) {
			s := open(t, Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")})
			s.engine = &lossy{engine: s.engine, plan: plan}
			first := mustCommit(t, s, changing(t, "c1", []mes.Record{product("P1", 1)}))
			second := mustCommit(t, s, changing(t, "c2", []mes.Record{product("P1", 2)}))
			if first.N != 1 || second.N != 2 {
				t.Errorf("entries %d and %d", first.N, second.N)
			}
			if v, err := s.Verify(t.Context()); err != nil || !v.OK || v.Entries != 2 || v.Receipts != 2 {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// A bulk change whose answer got lost counts its rows as new, since nobody can tell any more.
func TestCommit_bulkCountsWhatIsNew(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		rows := make([]mes.Sample, 1000)
		for i := range rows {
			rows[i] = mes.Sample{Machine: "M1", Tag: "load", At: noon.Add(time.Duration(i) * time.Millisecond), Value: float64(i)}
		}
		for i, test := range []struct {
			rows []mes.Sample
			want int64
		}{{rows[:600], 600}, {rows[400:], 400}, {rows, 0}} {
			c := changing(t, mes.ID(fmt.Sprint("c", i)), nil)
			c.Bulk = []any{test.rows}
			if r := mustCommit(t, s, c); r.Inserted != test.want {
				t.Errorf("%d rows were new, want %d", r.Inserted, test.want)
			}
		}
	})
}

// Members of a group do not fail for each other.
func TestCommit_neighboursOfTheWrong(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		mustCommit(t, s, changing(t, "first", []mes.Record{product("P0", 1), &mes.Person{ID: "p0", Badge: "B0", Version: 1}}))
		s.cache = newCache() // nothing is known beforehand; the database itself must tell
		var wg sync.WaitGroup
		var good atomic.Int64
		for i := range 60 {
			wg.Go(func() {
				id := mes.ID(fmt.Sprint("c", i))
				var err error
				var want mes.Code
				switch i % 5 {
				case 0: // a badge that somebody has
					_, err = s.Commit(t.Context(), changing(t, id, []mes.Record{&mes.Person{ID: id, Badge: "B0", Version: 1}}))
					want = mes.Conflict
				case 1: // done before
					_, err = s.Commit(t.Context(), changing(t, "first", nil))
				case 2: // the product of a revision is not there
					_, err = s.Commit(t.Context(), changing(t, id, []mes.Record{&mes.Revision{ID: id, Product: "nowhere", Version: 1}}))
					want = mes.Conflict
				case 3: // decided on a version that has passed
					_, err = s.Commit(t.Context(), changing(t, id, []mes.Record{product("P0", 7)}))
					if !errors.Is(err, mes.ErrStale) {
						t.Errorf("stale: %v", err)
					}
					return
				default:
					_, err = s.Commit(t.Context(), changing(t, id, []mes.Record{product("P"+string(id), 1)}))
					good.Add(1)
				}
				if mes.ErrorCode(err) != want {
					t.Errorf("change %d: %v, want %q", i, err, want)
				}
			})
		}
		wg.Wait()
		if v, err := s.Verify(t.Context()); err != nil || !v.OK || v.Entries != 1+good.Load() {
			t.Errorf("%d good: %+v, %v", good.Load(), v, err)
		}
	})
}

// The leader is killed again and again while many work: what was acknowledged is there, once, and what was not known was
// found out. Every command is sent again under its id until it has an answer.
func TestCluster_leaderKilledUnderLoad(t *testing.T) {
	c := rqlitetest.Start(t, 3)
	s := open(t, Options{Store: c.Store(), TLS: c.TLS()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const workers, kills = 16, 3
	var stop atomic.Bool
	var wg sync.WaitGroup
	acknowledged := make([]map[mes.ID]int64, workers)
	var unknown, refused atomic.Int64
	for w := range workers {
		acknowledged[w] = map[mes.ID]int64{}
		wg.Go(func() {
			for i := 0; !stop.Load() && ctx.Err() == nil; i++ {
				id := mes.ID(fmt.Sprintf("c-%d-%d", w, i))
				for ctx.Err() == nil {
					short, done := context.WithTimeout(ctx, 500*time.Millisecond) // less than an election takes
					r, err := s.Commit(short, changing(t, id, []mes.Record{product(string(id), 1)}))
					done()
					if err == nil {
						acknowledged[w][id] = r.N
						break
					}
					if mes.ErrorCode(err) != mes.Unavailable {
						t.Errorf("%s: %v (%v)", id, err, cause(err))
						refused.Add(1)
						break
					}
					unknown.Add(1)
				}
			}
		})
	}
	for range kills {
		time.Sleep(700 * time.Millisecond)
		leader, err := c.WaitLeader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.Kill9(leader)
		time.Sleep(2 * time.Second)
		if err := c.Restart(leader); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	stop.Store(true)
	wg.Wait()
	total := 0
	entries := map[int64]mes.ID{}
	for w := range workers {
		for id, n := range acknowledged[w] {
			total++
			if other, taken := entries[n]; taken {
				t.Errorf("entry %d was given to %s and %s", n, id, other)
			}
			entries[n] = id
			r, err := s.Receipt(ctx, id)
			if err != nil || r.N != n {
				t.Errorf("%s was acknowledged as entry %d: %+v, %v", id, n, r, err)
			}
		}
	}
	v, err := s.Verify(ctx)
	if err != nil || !v.OK || v.Entries != int64(total) || v.Receipts != int64(total) {
		t.Errorf("%d acknowledged: %+v, %v", total, v, err)
	}
	if total < 100 || unknown.Load() == 0 {
		t.Errorf("too quiet to prove anything: %d acknowledged, %d without an answer in time", total, unknown.Load())
	}
	t.Logf("%d acknowledged, %d asked again, over %d kills", total, unknown.Load(), kills)
}

// Two nodes on one cluster keep a chain each and see each other's work.
func TestCluster_twoWriters(t *testing.T) {
	c := rqlitetest.Start(t, 1)
	one := open(t, Options{Store: c.Store(), TLS: c.TLS(), Writer: "node1"})
	two := open(t, Options{Store: c.Store(), TLS: c.TLS(), Writer: "node2"})
	mustCommit(t, one, changing(t, "first", []mes.Record{product("P1", 1)}))
	var wg sync.WaitGroup
	for w, s := range []*Store{one, two, one, two} {
		wg.Go(func() {
			for i := range 20 {
				level := mes.Cached
				for {
					p, err := s.Product(t.Context(), level, "P1")
					if err != nil {
						t.Error(err)
						return
					}
					next := *p
					next.Version++
					_, err = s.Commit(t.Context(), changing(t, mes.ID(fmt.Sprintf("c-%d-%d", w, i)), []mes.Record{&next}))
					if err == nil {
						break
					}
					if !errors.Is(err, mes.ErrStale) {
						t.Error(err)
						return
					}
					level = mes.Fresh
				}
			}
		})
	}
	wg.Wait()
	v, err := one.Verify(t.Context())
	if err != nil || !v.OK || v.Writers != 2 || v.Entries != 81 {
		t.Errorf("%+v, %v", v, err)
	}
	if p, err := two.Product(t.Context(), mes.Fresh, "P1"); err != nil || p.Version != 81 {
		t.Errorf("%+v, %v", p, err)
	}
}
