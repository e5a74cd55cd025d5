package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rqlite/gorqlite"
)

const (
	rqlitePatience = 10 * time.Second      // for one answer, when the caller sets no earlier deadline
	rqlitePause    = 50 * time.Millisecond // between two rounds over the nodes: an election takes longer than a round
)

// rqlite is the replicated engine: a list of nodes, asked one at a time. Any node will do, since followers pass requests
// on to the leader; the one that answered last is asked first.
type rqlite struct {
	nodes     []rqliteNode
	preferred atomic.Int64
	version   atomic.Pointer[string]
	transport *http.Transport
}

// A rqliteNode has a connection for each consistency level, since gorqlite keeps the level per connection.
type rqliteNode struct {
	address string
	weak    *gorqlite.Connection
	exact   *gorqlite.Connection // linearizable
}

// openRqlite reaches the cluster whose nodes listen at addresses (https://host:port, in the order to try them). It
// returns once a leader answers, and refuses nodes that do not check foreign keys.
func openRqlite(ctx context.Context, addresses []string, config *tls.Config) (*rqlite, error) {
	r := &rqlite{transport: &http.Transport{
		TLSClientConfig:       config,
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   3 * time.Second,
		ResponseHeaderTimeout: rqlitePatience,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true,
	}}
	client := &http.Client{Transport: roundTrips{r}}
	for _, address := range addresses {
		base := strings.TrimSuffix(address, "/")
		if u, err := url.Parse(base); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			return nil, fmt.Errorf("%q is not the address of a rqlite node; write https://HOST:PORT", address)
		}
		weak, err := gorqlite.OpenWithClient(base+"/?level=weak&disableClusterDiscovery=true", client)
		if err != nil {
			return nil, fmt.Errorf("rqlite node %s: %w", address, err)
		}
		exact, err := gorqlite.OpenWithClient(base+"/?level=linearizable&disableClusterDiscovery=true", client)
		if err != nil {
			return nil, fmt.Errorf("rqlite node %s: %w", address, err)
		}
		r.nodes = append(r.nodes, rqliteNode{base, weak, exact})
	}
	if len(r.nodes) == 0 {
		return nil, errors.New("no rqlite node is named; write rqlite:https://HOST:PORT,…")
	}
	if err := r.admit(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// admit asks every node that answers whether it checks foreign keys. One that does not would accept rows that the
// others refuse, and the replicas would differ from then on.
func (r *rqlite) admit(ctx context.Context) error {
	if err := r.query(ctx, fresh, stmt{sql: "SELECT 1"}, func([]string, []any) error { return nil }); err != nil {
		return fmt.Errorf("no rqlite node answers with a leader: %w", err)
	}
	for i := range r.nodes {
		unchecked := false
		err := r.ask(ctx, &r.nodes[i], gorqlite.ParameterizedStatement{Query: "PRAGMA foreign_keys"}, local, func(_ []string, v []any) error {
			unchecked = fmt.Sprint(v...) != "1"
			return nil
		})
		if err == nil && unchecked {
			return fmt.Errorf("rqlite node %s does not check foreign keys; start rqlited with -fk", r.nodes[i].address)
		}
	}
	return nil
}

// An attempt is what a round trip found out that gorqlite's errors do not say.
type attempt struct {
	connected bool // a connection was had, so that the request may have been sent
	status    int  // of the answer, 0 without one
}

type attemptKey struct{}

// roundTrips is the transport under gorqlite: it notes for each attempt how far it came.
type roundTrips struct{ r *rqlite }

func (t roundTrips) RoundTrip(req *http.Request) (*http.Response, error) {
	a, _ := req.Context().Value(attemptKey{}).(*attempt)
	if a != nil {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { a.connected = true },
		}))
	}
	resp, err := t.r.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if a != nil {
		a.status = resp.StatusCode
	}
	if v := resp.Header.Get("X-Rqlite-Version"); v != "" && t.r.version.Load() == nil {
		t.r.version.Store(&v)
	}
	return resp, nil
}

// errShort is an answer with fewer results than statements. A follower without a leader gives one with status 200, no
// results and an error that gorqlite does not look at.
var errShort = errors.New("the answer holds fewer results than there were statements")

func (r *rqlite) exec(ctx context.Context, batch []stmt) ([]int64, error) {
	statements := make([]gorqlite.ParameterizedStatement, len(batch))
	for i, s := range batch {
		statements[i] = gorqlite.ParameterizedStatement{Query: s.sql, Arguments: s.args}
	}
	ctx, cancel := context.WithTimeout(ctx, rqlitePatience)
	defer cancel()
	var affected []int64
	err := r.eachNode(ctx, func(n *rqliteNode) error {
		var a attempt
		// WriteParameterized and nothing else: /db/request and RETURNING do not roll back on every version.
		results, err := n.weak.WriteParameterizedContext(context.WithValue(ctx, attemptKey{}, &a), statements)
		var refused gorqlite.StatementErrors
		switch {
		case errors.As(err, &refused):
			return fromStatement(refused[0])
		case err != nil && (!a.connected || a.status == http.StatusServiceUnavailable):
			return &trouble{kind: unreachable, detail: n.address, cause: err} // nobody took it
		case err != nil && a.status >= 400 && a.status < 500:
			return &trouble{kind: other, detail: n.address, cause: err} // the node refuses us; asking again cannot help
		case err != nil:
			return &trouble{kind: outcomeUnknown, detail: n.address, cause: err}
		case len(results) != len(batch):
			return &trouble{kind: outcomeUnknown, detail: n.address, cause: errShort}
		}
		affected = make([]int64, len(results))
		for i := range results {
			affected[i] = results[i].RowsAffected
		}
		return nil
	})
	return affected, err
}

// fromStatement makes a trouble of what a node said about a statement of a write. What is wrong with the data is wrong
// on every node. What is wrong with the node (its disk is full, its file is damaged) is not: the others may have carried
// the batch out.
func fromStatement(cause error) *trouble {
	t := fromText(cause)
	switch t.kind {
	case diskFull, damaged, readOnly, busy, unreachable:
		t.kind = outcomeUnknown
	}
	return t
}

func (r *rqlite) query(ctx context.Context, l level, s stmt, row func([]string, []any) error) error {
	ctx, cancel := context.WithTimeout(ctx, rqlitePatience)
	defer cancel()
	statement := gorqlite.ParameterizedStatement{Query: s.sql, Arguments: s.args}
	return r.eachNode(ctx, func(n *rqliteNode) error { return r.ask(ctx, n, statement, l, row) })
}

// ask sends a query to one node.
func (r *rqlite) ask(ctx context.Context, n *rqliteNode, s gorqlite.ParameterizedStatement, l level, row func([]string, []any) error) error {
	conn := n.weak
	if l == fresh {
		conn = n.exact
	}
	results, err := conn.QueryParameterizedContext(ctx, []gorqlite.ParameterizedStatement{s})
	var refused gorqlite.StatementErrors
	switch {
	case errors.As(err, &refused):
		return fromText(refused[0])
	case err != nil:
		return &trouble{kind: unreachable, detail: n.address, cause: err}
	case len(results) != 1:
		return &trouble{kind: unreachable, detail: n.address, cause: errShort}
	}
	result := &results[0]
	for result.Next() {
		values, err := result.Slice()
		if err != nil {
			return &trouble{kind: other, cause: err}
		}
		if err := row(result.Columns(), values); err != nil {
			return err
		}
	}
	return nil
}

// eachNode calls do with one node after the other, the one that answered last first, and over again, until one answers
// or the context ends. Only an unreachable node is passed over: whatever else it says is an answer, and a request that
// may have been carried out is never sent to another node from here.
func (r *rqlite) eachNode(ctx context.Context, do func(*rqliteNode) error) error {
	for {
		var err error
		first := r.preferred.Load()
		for i := range r.nodes {
			at := (first + int64(i)) % int64(len(r.nodes))
			err = do(&r.nodes[at])
			if kindOf(err) != unreachable {
				if at != first && kindOf(err) != outcomeUnknown {
					r.preferred.Store(at)
				} else if kindOf(err) == outcomeUnknown {
					r.preferred.CompareAndSwap(first, (at+1)%int64(len(r.nodes)))
				}
				return err
			}
			if ctx.Err() != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rqlitePause):
		}
	}
}

func (r *rqlite) takesLists() bool { return true }

func (r *rqlite) name() string {
	if v := r.version.Load(); v != nil {
		return "rqlite " + *v
	}
	return "rqlite"
}

func (r *rqlite) close() error {
	for _, n := range r.nodes {
		n.weak.Close()
		n.exact.Close()
	}
	r.transport.CloseIdleConnections()
	return nil
}
