package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A rqliteClient speaks to a node with nothing in between: what a floor on rqlite is made with.
type rqliteClient struct {
	base string
	http *http.Client
}

func newRqliteClient(base string, config *tls.Config) *rqliteClient {
	return &rqliteClient{base, &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
}

// post sends a list of statements, each a list of a text and its arguments, and gives the first result.
func (c *rqliteClient) post(ctx context.Context, path string, statements []byte) (*rqliteResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(statements))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []rqliteResult `json:"results"`
		Error   string         `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, resp.Status, err)
	}
	if len(answer.Results) == 0 || answer.Error != "" || answer.Results[0].Error != "" {
		return nil, fmt.Errorf("%s: %s: %.300s", path, resp.Status, body)
	}
	return &answer.Results[0], nil
}

type rqliteResult struct {
	Affected int64   `json:"rows_affected"`
	Values   [][]any `json:"values"`
	Error    string  `json:"error"`
}

// execute carries out one statement.
func (c *rqliteClient) execute(ctx context.Context, statement ...any) (int64, error) {
	body, err := json.Marshal([][]any{statement})
	if err != nil {
		return 0, err
	}
	r, err := c.post(ctx, "/db/execute", body)
	if err != nil {
		return 0, err
	}
	return r.Affected, nil
}

// number asks for one number, and sees everything that was committed before.
func (c *rqliteClient) number(ctx context.Context, query string) (int64, error) {
	body, err := json.Marshal([][]any{{query}})
	if err != nil {
		return 0, err
	}
	r, err := c.post(ctx, "/db/query?level=linearizable", body)
	if err != nil {
		return 0, err
	}
	if len(r.Values) != 1 || len(r.Values[0]) != 1 {
		return 0, fmt.Errorf("%s: not one number", query)
	}
	n, ok := r.Values[0][0].(float64)
	if !ok {
		return 0, fmt.Errorf("%s: %v is not a number", query, r.Values[0][0])
	}
	return int64(n), nil
}

func (c *rqliteClient) close() { c.http.CloseIdleConnections() }
