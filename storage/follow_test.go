package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gemba/mes"
	"gemba/storage/rqlitetest"
)

// heard collects topics.
type heard struct {
	mu     sync.Mutex
	topics []string
}

func (h *heard) publish(topics ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics = append(h.topics, topics...)
}

func (h *heard) has(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.topics, topic)
}

// following runs Follow until the test ends.
func following(t testing.TB, s *Store) *heard {
	t.Helper()
	h := &heard{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Follow(ctx, 100*time.Millisecond, h.publish) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return h
}

// What one node changes, the other nodes know within a second, and say so.
func TestFollow_changesReachOtherNodes(t *testing.T) {
	c := rqlitetest.Start(t, 1)
	one := open(t, Options{Store: c.Store(), TLS: c.TLS(), Writer: "node1"})
	two := open(t, Options{Store: c.Store(), TLS: c.TLS(), Writer: "node2"})
	person := func(version int64, role mes.Role) *mes.Person {
		return &mes.Person{ID: "p1", Badge: "B1", Name: "Anna", Grants: []mes.Grant{{Role: role}}, Version: version}
	}
	mustCommit(t, one, changing(t, "c1", []mes.Record{person(1, mes.Operator)}))
	if p, err := two.Person(t.Context(), mes.Cached, "p1"); err != nil || p.Version != 1 {
		t.Fatal(p, err)
	}
	mustCommit(t, one, changing(t, "c2", []mes.Record{person(2, mes.Lead)})) // before anybody follows
	h, own := following(t, two), following(t, one)
	for i, role := range []mes.Role{mes.Viewer, mes.Planner, mes.Operator} {
		mustCommit(t, one, changing(t, mes.ID(fmt.Sprint("d", i)), []mes.Record{person(int64(i+3), role)}))
		began := time.Now()
		waitFor(t, "the change on the other node", func() bool {
			p, err := two.Person(t.Context(), mes.Cached, "B1")
			return err == nil && p.Version == int64(i+3) && p.Grants[0].Role == role
		})
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	}
	waitFor(t, "the topic", func() bool { return h.has("person:p1") })
	if own.has("person:p1") {
		t.Error("a node told itself what it did")
	}
}

// An embedded store has nobody to follow.
func TestFollow_alone(t *testing.T) {
	s := open(t, Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")})
	s.Follow(t.Context(), time.Hour, func(...string) { t.Error("heard something") })
}

func TestOutdate(t *testing.T) {
	s := &Store{cache: newCache()}
	s.cache.put(product("P1", 3))
	for _, test := range []struct {
		subject, detail string
		want            []string
	}{
		{"", `{"rows":[{"kind":"product","key":"P1","after":{"id":"P1","version":4}}]}`, []string{"product:P1"}},
		{"", `{"rows":[{"kind":"operation","key":"o/10","after":{"id":"o/10","order":"o","line":"L1","version":1}}]}`, []string{"work_order:o", "line:L1"}},
		{"", `{"rows":[{"kind":"report","key":"r","after":{"id":"r"}}]}`, nil},
		{"", `{"rows":[{"kind":"made_up","key":"r","after":{"id":"r"}}]}`, nil},
		{"machine/M1", `{"batches":[{"kind":"sample","count":3}]}`, []string{"machine:M1"}},
		{"", `{"batches":[{"kind":"sample","count":3}]}`, []string{everything}},
		{"", `{"rows":[{"kind":"product","key":"P1","after":7}]}`, []string{everything}},
		{"", `not JSON`, []string{everything}},
	} {
		if got := s.outdate(test.subject, []byte(test.detail)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.detail, got, test.want)
		}
	}
	if _, ok := s.cache.get(mes.KindProduct, "P1"); ok {
		t.Error("what another node changed is still there")
	}
	s.cache.put(product("P1", 3)) // who read it before the change and comes late
	if _, ok := s.cache.get(mes.KindProduct, "P1"); ok {
		t.Error("an old version came back")
	}
	s.cache.put(product("P1", 4))
	s.cache.outdate(mes.KindProduct, "P1", 4)
	if v, ok := s.cache.version(mes.KindProduct, "P1"); !ok || v != 4 {
		t.Error("the new version was not kept")
	}
}

// pair is two nodes on one cluster that work, follow each other and stop; the database and their witness files stay.
type pair struct {
	t       *testing.T
	cluster *rqlitetest.Cluster
	folders [2]string
	backup  []byte // of the database half-way
	ends    [2]int64
}

func (p *pair) options(i int) Options {
	return signing(Options{Store: p.cluster.Store(), TLS: p.cluster.TLS(), Writer: fmt.Sprint("node", i+1), SignTime: 200 * time.Millisecond, Witness: filepath.Join(p.folders[i], "ledger.heads")})
}

// work lets both nodes work until each has the other's newest checkpoint.
func (p *pair) work(stretch string) {
	p.t.Helper()
	var stores [2]*Store
	for i := range stores {
		s, err := Open(p.t.Context(), p.options(i))
		if err != nil {
			p.t.Fatal(err)
		}
		stores[i] = s
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() { s.Follow(ctx, 100*time.Millisecond, func(...string) {}) })
		for k := range 5 {
			id := fmt.Sprintf("%s-%d-%d", stretch, i, k)
			mustCommit(p.t, s, changing(p.t, mes.ID(id), []mes.Record{product(id, 1)}))
		}
	}
	for i, s := range stores {
		other := stores[1-i]
		waitFor(p.t, "the anchor of the other's newest checkpoint", func() bool {
			h := other.LedgerHealth(time.Now())
			return h.Covered >= p.ends[1-i]+5 && s.witness.knows(other.writer, h.Covered) && h.Conflict == ""
		})
	}
	cancel()
	wg.Wait()
	for i, s := range stores {
		if err := s.Close(); err != nil {
			p.t.Fatal(err)
		}
		p.ends[i] = s.pulse.Load().last
	}
}

// database takes or puts back the whole database of the cluster.
func (p *pair) database(load []byte) []byte {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.cluster.TLS()}}
	var resp *http.Response
	var err error
	if load == nil {
		resp, err = client.Get(p.cluster.URLs()[0] + "/db/backup?fmt=delete")
	} else {
		resp, err = client.Post(p.cluster.URLs()[0]+"/db/load", "application/octet-stream", bytes.NewReader(load))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatal(resp.Status, string(text), err)
	}
	return text
}

func (p *pair) verify(witnesses ...int) *Verification {
	p.t.Helper()
	o := p.options(0)
	o.ReadOnly = true
	s, err := Open(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	var all []*Witness
	for _, i := range witnesses {
		w, err := ReadWitness(p.options(i).Witness)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, w)
	}
	v, err := s.Verify(p.t.Context(), all...)
	if err != nil {
		p.t.Fatal(err, cause(err))
	}
	return v
}

// Two nodes hold each other's word: what is done to the chain of one stands in the chain of the other, and what is done
// to both stands in their witness files.
func TestCluster_nodesWitnessEachOther(t *testing.T) {
	p := &pair{t: t, cluster: rqlitetest.Start(t, 1), folders: [2]string{t.TempDir(), t.TempDir()}}
	p.work("first")
	older, at := p.database(nil), p.ends
	p.work("second")
	whole := p.database(nil)
	if v := p.verify(0, 1); !v.OK || v.Writers != 2 || v.Anchors < 4 || v.Witnessed < 8 {
		t.Fatalf("untouched: %+v", v)
	}
	raw, err := openRqlite(t.Context(), p.cluster.URLs(), p.cluster.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.close()

	t.Run("a chain written anew with a stolen key", func(t *testing.T) {
		defer p.database(whole)
		forge(t, raw, "node1", 3, true, elsewhere)
		v := p.verify()
		if v.OK || v.Fault.Writer != "node1" || v.Fault.N > 3 || !strings.Contains(v.Fault.Reason, "writer node2 saw") {
			t.Errorf("%v", v.Fault)
		}
	})
	t.Run("a chain cut with a stolen key", func(t *testing.T) {
		defer p.database(whole)
		batch := []stmt{}
		for text := range strings.SplitSeq(unlocked, ";") {
			if text = strings.TrimSpace(text); text != "" {
				batch = append(batch, stmt{sql: text})
			}
		}
		n := at[0]
		for _, text := range []string{"DELETE FROM ledger WHERE writer = 'node1' AND n > ?", "DELETE FROM ledger_checkpoint WHERE writer = 'node1' AND n > ?", "DELETE FROM receipt WHERE writer = 'node1' AND n > ?"} {
			batch = append(batch, stmt{sql: text, args: []any{n}})
		}
		batch = append(append(batch, stmt{sql: "DELETE FROM product WHERE id LIKE 'second-0-%'"}), lockAgain(t)...)
		if _, err := raw.exec(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		forge(t, raw, "node1", n, false, func(*mes.Entry) {})
		v := p.verify()
		if v.OK || v.Fault.Writer != "node1" || v.Fault.N != n+1 || !strings.Contains(v.Fault.Reason, "writer node2 saw") {
			t.Errorf("%v", v.Fault)
		}
	})
	t.Run("an older copy of all of it", func(t *testing.T) {
		defer p.database(whole)
		p.database(older)
		if v := p.verify(); !v.OK {
			t.Fatalf("an older copy is whole in itself: %v", v.Fault)
		}
		for i := range p.folders {
			if v := p.verify(i); v.OK || !strings.Contains(v.Fault.Reason, "older copy") {
				t.Errorf("witness of node%d: %v", i+1, v.Fault)
			}
			if s, err := Open(t.Context(), p.options(i)); err == nil || !strings.Contains(err.Error(), "older copy") {
				t.Errorf("node%d goes on: %v", i+1, err)
				s.Close()
			}
		}
	})
	t.Run("an older copy under a running node", func(t *testing.T) {
		defer p.database(whole)
		s := open(t, p.options(0))
		mustCommit(t, s, changing(t, "more", nil))
		p.database(older)
		if _, err := s.Commit(t.Context(), changing(t, "more-still", nil)); mes.ErrorCode(err) != mes.Unavailable {
			t.Errorf("it goes on where the older copy ends: %v", err)
		}
		if n, err := s.tail(t.Context(), "node1"); err != nil || n.n != at[0] {
			t.Errorf("the older copy ends at entry %d, %v", n.n, err)
		}
	})
	t.Run("two histories of one node", func(t *testing.T) {
		defer p.database(whole)
		p.database(older)
		o := p.options(0)
		o.Witness = filepath.Join(t.TempDir(), "ledger.heads") // somebody set the witness aside
		s := open(t, o)
		for k := range 20 {
			mustCommit(t, s, changing(t, mes.ID(fmt.Sprint("other-", k)), nil))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		v := p.verify(1)
		if v.OK || v.Fault.Writer != "node1" || v.Fault.N < 1 || v.Fault.N > at[0]+1 {
			t.Errorf("node2 saw another history: %v", v.Fault)
		}
	})
	if v := p.verify(1); !v.OK {
		t.Errorf("put back: %v", v.Fault)
	}
}

// A node that follows and finds that a ledger does not fit says so to the watch.
func TestFollow_tellsTheWatch(t *testing.T) {
	c := rqlitetest.Start(t, 1)
	one := open(t, signing(Options{Store: c.Store(), TLS: c.TLS(), Writer: "node1", SignTime: 100 * time.Millisecond}))
	o := signing(Options{Store: c.Store(), TLS: c.TLS(), Writer: "node2", SignTime: 100 * time.Millisecond})
	two := open(t, o)
	mustCommit(t, one, changing(t, "c1", nil))
	following(t, two)
	waitFor(t, "the first anchor", func() bool {
		found, _, err := two.Entries(t.Context(), mes.LedgerFilter{Scope: everywhere, Command: mes.AnchorCommand})
		return err == nil && len(found) == 1
	})
	if h := two.LedgerHealth(time.Now()); h.Conflict != "" {
		t.Fatal(h.Conflict)
	}
	forged := stmt{sql: "INSERT INTO ledger_checkpoint SELECT writer, n + 1, root, hash, at_ms, machine_rows, note, edge FROM ledger_checkpoint WHERE writer = 'node1'"}
	if _, err := one.raw.exec(t.Context(), []stmt{forged}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the watch tells", func() bool { return two.LedgerHealth(time.Now()).Conflict != "" })
}
