package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/keys"
	"gemba/mes"
	"gemba/server"
)

// An ingestTrial sends samples through the API as a machine's gateway does: TLS, an API key, an idempotency key,
// batches of a thousand, one after the other on each of four connections. The clients run in the same process, on the
// same processors as the server.
type ingestTrial struct {
	place   place
	plant   *plant
	samples *samples
	url     string
	key     string
	clients [connections]*http.Client
	batches atomic.Int64 // acknowledged
	inserts interface {  // the floor
		insert(ctx context.Context, length time.Duration) (spell, error)
		close() error
	}
	closers []func() error
}

func openIngestSQLite(ctx context.Context, s *setting) (trial, error) {
	floor, err := newPreparedInserts(ctx, s.folder)
	if err != nil {
		return nil, err
	}
	t := &ingestTrial{place: newSQLitePlace(s.folder), inserts: floor, samples: newSamples()}
	return t.open(ctx, s)
}

func openIngestRqlite(ctx context.Context, s *setting) (trial, error) {
	floor, err := newEachInserts(ctx, filepath.Join(s.folder, "floor"))
	if err != nil {
		return nil, err
	}
	place, err := newRqlitePlace(ctx, filepath.Join(s.folder, "gemba"))
	if err != nil {
		return nil, errors.Join(err, floor.close())
	}
	t := &ingestTrial{place: place, inserts: floor, samples: newSamples()}
	return t.open(ctx, s)
}

// open prepares the plant with a key, and opens its doors. It closes the trial when it fails.
func (t *ingestTrial) open(ctx context.Context, s *setting) (trial, error) {
	t.closers = append(t.closers, t.inserts.close, t.place.close)
	err := func() (err error) {
		if t.plant, err = openPlant(ctx, t.place, s.folder); err != nil {
			return err
		}
		t.closers = append(t.closers, t.plant.close)
		if err := t.plant.equip(ctx); err != nil {
			return err
		}
		return t.serve(ctx, s.folder)
	}()
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// serve opens the doors with everything that a node has, the log of requests included.
func (t *ingestTrial) serve(ctx context.Context, folder string) error {
	pepper, err := keys.LoadPepper(filepath.Join(folder, "pepper"))
	if err != nil {
		return err
	}
	authority, err := keys.LoadAuthority(filepath.Join(folder, "tls"), nil, time.Now())
	if err != nil {
		return err
	}
	host, err := keys.NewSSHKey("bench")
	if err != nil {
		return err
	}
	key, err := keys.NewAPIKey(keys.ProgramKey)
	if err != nil {
		return err
	}
	t.key = key.Reveal()
	issue := &mes.IssueKey{ID: mes.ID(key.ID), Kind: mes.ByProgram, Name: "bench", Grants: []mes.Grant{{Role: mes.Feeder}}, Hash: mes.Secret(pepper.Digest(key))}
	if _, err := t.plant.setUp(ctx, "bench", issue); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(folder, "gemba.log"))
	if err != nil {
		return err
	}
	t.closers = append(t.closers, log.Close)
	s, err := server.Start(ctx, server.Options{
		App: t.plant.app, Records: t.plant.store, Hasher: keys.NewHasher(pepper), Pepper: pepper, HostKey: host.Signer(), TLS: authority.ServerConfig(),
		SSHAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Feed: t.plant.feed, Trace: t.plant.store.RecordCall, Log: slog.New(slog.NewJSONHandler(log, nil)),
		NewModel: func(server.Visit) tea.Model { return nil }, // nobody comes through the SSH door
	})
	if err != nil {
		return err
	}
	t.closers = append(t.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return s.Shutdown(ctx)
	})
	t.url = "https://" + s.APIAddr() + "/v1/ingest"
	trust, err := keys.ClientConfig(authority.File())
	if err != nil {
		return err
	}
	for i := range t.clients {
		t.clients[i] = newClient(trust.Clone())
		t.closers = append(t.closers, func() error { t.clients[i].CloseIdleConnections(); return nil })
	}
	return nil
}

// newClient makes a client with one connection of its own.
func newClient(trust *tls.Config) *http.Client {
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: trust, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, DisableCompression: true},
	}
}

// batchesFor is how many batches are more than enough for a spell: half a million rows a second.
func batchesFor(length time.Duration) int { return int(length.Seconds()*500) + 2*connections }

func (t *ingestTrial) floor(ctx context.Context, length time.Duration) (spell, error) {
	return t.inserts.insert(ctx, length)
}

func (t *ingestTrial) ours(ctx context.Context, length time.Duration) (s spell, err error) {
	n := batchesFor(length)
	first := t.samples.take(n)
	ready, err := prepare(n, bodyBytes, func(to []byte, i int) []byte { return t.samples.appendIngest(to, first+i) })
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, ready.close()) }()
	var next atomic.Int64
	return crowd(ctx, connections, length, func(ctx context.Context, worker int) (int, error) {
		i := int(next.Add(1)) - 1
		if i >= n {
			return 0, errSpent
		}
		if err := t.send(ctx, t.clients[worker], ready.get(i)); err != nil {
			return 0, err
		}
		t.batches.Add(1)
		return batchRows, nil
	})
}

// send posts a batch and takes nothing for an answer but that all of it was new and is kept.
func (t *ingestTrial) send(ctx context.Context, client *http.Client, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", string(newID()))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var receipt struct {
		Inserted int  `json:"inserted"`
		Replayed bool `json:"replayed"`
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the API said %s: %.300s", resp.Status, answer)
	}
	if err := json.Unmarshal(answer, &receipt); err != nil {
		return fmt.Errorf("the API's receipt: %w", err)
	}
	if receipt.Replayed || receipt.Inserted != batchRows {
		return fmt.Errorf("the API kept %d of %d new rows: %.300s", receipt.Inserted, batchRows, answer)
	}
	return nil
}

func (t *ingestTrial) check(ctx context.Context) error {
	batches := t.batches.Load()
	return agree(ctx, t.place, []fact{
		{"samples", "SELECT count(*) FROM sample", batches * batchRows},
		{"receipts", "SELECT count(*) FROM receipt WHERE command = 'machine.ingest'", batches},
		{"ledger entries", "SELECT count(*) FROM ledger WHERE command = 'machine.ingest' AND outcome = 'done'", batches},
		{"entries beyond the chain", "SELECT n - (SELECT count(*) FROM ledger) FROM ledger_head", 0},
	})
}

func (t *ingestTrial) note() string {
	return fmt.Sprintf("%s; %d batches of %d samples of %d machines with %d tags over %d connections; server, clients and database share this machine",
		t.plant.store.Engine(), t.batches.Load(), batchRows, machines, len(sampleTags), connections)
}

func (t *ingestTrial) close() error { return closeAll(t.closers) }
