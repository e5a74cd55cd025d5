package server

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// Every request is told of once, whatever came of it: by its id, with the id of its key and never with the key.
func TestEveryCallIsTraced(t *testing.T) {
	var calls callsOf
	p := newPlant(t, calls.trace)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}, mes.Grant{Role: mes.Feeder})
	revoked := p.apiKey(keys.ProgramKey)
	p.do(&mes.RevokeKey{Key: mes.ID(revoked.ID)})
	good := key.Reveal()
	seen := map[string]bool{}
	for _, test := range []struct {
		name, key, method, path, body string
		route, reason                 string
		status                        int
	}{
		{"a read", good, "GET", "/v1/orders?q=canary", "", "GET /v1/orders", "", 200},
		{"a command", good, "POST", "/v1/machines/M1/state", `{"state":"running"}`, "POST /v1/machines/{machine}/state", "", 200},
		{"a batch", good, "POST", "/v1/ingest", `{"machine":"M1","samples":[{"tag":"a","value":1}]}`, "POST /v1/ingest", "", 200},
		{"the document", good, "GET", "/v1/openapi.json", "", "GET /v1/openapi.json", "", 200},
		{"no key", "", "GET", "/v1/orders", "", "GET /v1/orders", "unauthenticated: send an API key", 401},
		{"a malformed key", "canary", "GET", "/v1/orders/canary", "", "GET /v1/orders/{order}", "unauthenticated: malformed API key", 401},
		{"a revoked key", revoked.Reveal(), "GET", "/v1/orders", "", "GET /v1/orders", "unauthenticated: revoked API key", 401},
		{"nobody's address", good, "GET", "/canary", "", "-", "not_found", 404},
		{"nobody's address without a key", "", "POST", "/canary", `{"a":1}`, "-", "unauthenticated: send an API key", 401},
		{"another method", good, "DELETE", "/v1/orders", "", "-", "not_found", 404},
		{"an unknown thing", good, "GET", "/v1/orders/canary", "", "GET /v1/orders/{order}", "not_found", 404},
		{"a wrong value", good, "POST", "/v1/machines/M1/state", `{"state":"canary"}`, "POST /v1/machines/{machine}/state", "invalid: state", 400},
		{"what is not JSON", good, "POST", "/v1/machines/M1/state", `{canary`, "POST /v1/machines/{machine}/state", "invalid", 400},
		{"not allowed", good, "GET", "/v1/ledger", "", "GET /v1/ledger", "denied: ", 403},
		{"a secret", good, "GET", "/v1/me?password=canary", "", "GET /v1/me", "credential_in_request: ", 400},
		{"too large", good, "POST", "/v1/orders", `{"a":"` + strings.Repeat("canary", 50_000) + `"}`, "POST /v1/orders", "too_large", 413},
	} {
		a := p.call(c, test.key, test.method, test.path, test.body)
		id := a.header.Get("X-Request-Id")
		if a.status != test.status || len(id) != 16 || seen[id] {
			t.Errorf("%s: %d with id %q", test.name, a.status, id)
		}
		seen[id] = true
		made, found := calls.find(id)
		if !found {
			t.Errorf("%s: it is not in the trace", test.name)
			continue
		}
		if made.Route != test.route || made.Status != test.status || !strings.HasPrefix(made.Reason, test.reason) || (test.reason == "") != (made.Reason == "") {
			t.Errorf("%s: the trace tells %+v", test.name, made)
		}
		if made.Out != int64(len(a.body)) || made.In > int64(len(test.body)) || test.status == 200 && made.In != int64(len(test.body)) {
			t.Errorf("%s: %d bytes came and %d went", test.name, made.In, made.Out)
		}
		if made.Source != "127.0.0.1" || made.At.IsZero() || made.MS <= 0 || made.MS > 10_000 {
			t.Errorf("%s: from %s at %s in %v ms", test.name, made.Source, made.At, made.MS)
		}
		wantKey, wantPrincipal := mes.ID(""), mes.ID("")
		switch test.key {
		case good:
			wantKey, wantPrincipal = mes.ID(key.ID), mes.ID(key.ID)
		case revoked.Reveal():
			wantKey = mes.ID(revoked.ID)
		}
		if made.Key != wantKey || made.Principal != wantPrincipal && test.status != 400 {
			t.Errorf("%s: key %q of %q", test.name, made.Key, made.Principal)
		}
	}
	if n := len(calls.all()); n != len(seen) {
		t.Errorf("%d calls are traced, %d were made", n, len(seen))
	}
	text, err := json.Marshal(calls.all())
	p.must(err)
	for _, secret := range []string{"canary", good, revoked.Reveal()} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q is in the trace", secret)
		}
	}
}

// A stream is told of when it ends.
func TestStreamIsTracedAtItsEnd(t *testing.T) {
	var calls callsOf
	p := newPlant(t, calls.trace)
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	r, err := http.NewRequest("GET", "https://"+p.server.APIAddr()+"/v1/stream", nil)
	p.must(err)
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	res, err := p.client().Do(r)
	p.must(err)
	defer res.Body.Close()
	_, err = bufio.NewReader(res.Body).ReadString('\n')
	p.must(err)
	if n := len(calls.all()); n != 0 {
		t.Errorf("%d calls are traced while the stream is open", n)
	}
	time.Sleep(50 * time.Millisecond)
	p.must(res.Body.Close())
	p.waitFor("the stream is traced", func() bool { return len(calls.all()) == 1 })
	made := calls.all()[0]
	if made.ID != res.Header.Get("X-Request-Id") || made.Route != "GET /v1/stream" || made.Status != 200 || made.Out == 0 || made.MS < 50 {
		t.Errorf("the trace tells %+v", made)
	}
}
