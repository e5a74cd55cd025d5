package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

func TestNobodyWithoutKey(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	good := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	mistyped := good.Reveal()[:len(good.Reveal())-1] + "!"
	never, err := keys.NewAPIKey(keys.ProgramKey)
	p.must(err)
	for name, test := range map[string]struct {
		key    string
		header []string
		status int
		code   string
	}{
		"no key":        {status: 401, code: "unauthenticated"},
		"malformed":     {key: mistyped, status: 401, code: "unauthenticated"},
		"never issued":  {key: never.Reveal(), status: 401, code: "unauthenticated"},
		"basic":         {header: []string{"Authorization: Basic dXNlcjpodW50ZXIy"}, status: 400, code: "credential_in_request"},
		"other scheme":  {header: []string{"Authorization: Digest x"}, status: 401, code: "unauthenticated"},
		"two keys":      {key: good.Reveal(), header: []string{"X-Api-Key: " + good.Reveal()}, status: 400, code: "invalid"},
		"bearer":        {key: good.Reveal(), status: 200},
		"token":         {header: []string{"Authorization: Token " + good.Reveal()}, status: 200},
		"x-api-key":     {header: []string{"X-Api-Key: " + good.Reveal()}, status: 200},
		"bearer in low": {header: []string{"Authorization: bearer " + good.Reveal()}, status: 200},
	} {
		a := p.call(c, test.key, "GET", "/v1/me", "", test.header...)
		if a.status != test.status || test.code != "" && a.json["code"] != test.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if a.status != 200 && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s is no problem", name, a.header.Get("Content-Type"))
		}
		if a.header.Get("Server") != "" {
			t.Errorf("%s: the server tells what it is: %s", name, a.header.Get("Server"))
		}
	}
	for _, address := range []string{"/v1/me?api_key=hunter2", "/v1/me?x=" + good.Reveal(), "/v1/" + good.Reveal(), "/v1/me?Password=hunter2", "/v1/orders?token=hunter2"} {
		if a := p.call(c, good.Reveal(), "GET", address, ""); a.status != 400 || a.json["code"] != "credential_in_request" {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
	log := p.log.String()
	for _, secret := range []string{"hunter2", "dXNlcjpodW50ZXIy", good.Reveal(), mistyped, never.Reveal()} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestOneAnswerToEveryUnknownAddress(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	bodies := map[string]bool{}
	for _, address := range []string{"/", "/v1", "/v1/nothing", "/v1/orders/", "/v1//orders", "/v1/orders/../orders", "/v1/sign/in", "/.env", "/v1/openapi.xml"} {
		a := p.call(c, key, "GET", address, "")
		if a.status != 404 {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
		bodies[a.body] = true
	}
	if a := p.call(c, key, "DELETE", "/v1/orders", ""); a.status != 404 || !bodies[a.body] {
		t.Errorf("another method: %d %s", a.status, a.body)
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
}

func TestStrictBodies(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.MachineKey, mes.Grant{Role: mes.Feeder}).Reveal()
	deep := strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20)
	for name, test := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"right":               {`{"state":"running"}`, 200, ""},
		"right with a time":   {`{"state":"idle","at":"2026-01-02T03:04:05.678+01:00"}`, 200, ""},
		"right with ms":       {`{"state":"idle","at":1}`, 200, ""},
		"unknown field":       {`{"state":"running","colour":"red"}`, 400, "colour"},
		"other case":          {`{"State":"running"}`, 400, ""},
		"twice":               {`{"state":"running","state":"down"}`, 400, ""},
		"twice, escaped":      {`{"state":"running","\u0073tate":"down"}`, 400, ""},
		"trailing":            {`{"state":"running"}{}`, 400, ""},
		"cut":                 {`{"state":"runn`, 400, ""},
		"not an object":       {`[]`, 400, ""},
		"null":                {`null`, 400, ""},
		"deep":                {`{"state":` + deep + `}`, 400, ""},
		"not UTF-8":           {"{\"state\":\"running\",\"raw\":\"\xff\"}", 400, ""},
		"half surrogate":      {`{"state":"running","raw":"\ud800"}`, 400, ""},
		"control character":   {"{\"state\":\"running\",\"raw\":\"a\x01\"}", 400, ""},
		"escape sequence":     {`{"state":"running","raw":"\u001b[2J"}`, 400, ""},
		"bad enum":            {`{"state":"sleeping"}`, 400, "state"},
		"wrong type":          {`{"state":7}`, 400, "state"},
		"path field in body":  {`{"state":"running","machine":"M1"}`, 400, "machine"},
		"long":                {`{"state":"running","raw":"` + strings.Repeat("x", 300) + `"}`, 400, "raw"},
		"not a time":          {`{"state":"running","at":"yesterday"}`, 400, "at"},
		"missing":             {`{}`, 400, ""},
		"empty":               {``, 400, ""},
		"too large":           {`{"state":"` + strings.Repeat("x", 300<<10) + `"}`, 413, ""},
		"number for the text": {`{"state":"running","raw":1e999}`, 400, ""},
	} {
		a := p.call(c, key, "POST", "/v1/machines/M1/state", test.body)
		if a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if test.field != "" && a.json["field"] != test.field {
			t.Errorf("%s: the field is %v: %s", name, a.json["field"], a.body)
		}
	}
	for _, header := range []string{"Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=x", "Content-Encoding: gzip", "Content-Type: application/json; charset=latin1"} {
		if a := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"running"}`, header); a.status != 400 {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
	if a := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"running"}`, "Content-Type: application/x-www-form-urlencoded"); a.status != 200 {
		t.Errorf("what curl sends by itself: %d %s", a.status, a.body)
	}
	if a := p.call(c, key, "POST", "/v1/machines/M1/state?state=running", `{"state":"running"}`); a.status != 400 {
		t.Errorf("parameters on a command: %d %s", a.status, a.body)
	}
}

func TestQueryParameters(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	for address, status := range map[string]int{
		"/v1/orders": 200, "/v1/orders?limit=3&state=released,held": 200, "/v1/orders?limit=5000": 400, "/v1/orders?limit=many": 400,
		"/v1/orders?colour=red": 400, "/v1/orders?limit=1&limit=2": 400, "/v1/orders?a;b": 400, "/v1/orders/NOPE": 404, "/v1/machines": 200,
		"/v1/machines/M1/timeline?from=2026-01-01T00:00:00Z": 200, "/v1/machines/M1/timeline?from=soon": 400, "/v1/machines/M1/counts": 200,
		"/v1/reports?kind=lost": 400, "/v1/ledger": 403, "/v1/people": 403, "/v1/equipment": 200, "/v1/me": 200, "/v1/health": 200,
	} {
		if a := p.call(c, key, "GET", address, ""); a.status != status {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
	if a := p.call(c, key, "GET", "/v1/orders", ""); a.body != `{"items":[],"next":""}`+"\n" {
		t.Errorf("an empty list: %s", a.body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.MachineKey, mes.Grant{Role: mes.Feeder}).Reveal()
	const id = "Idempotency-Key: one"
	first := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"running"}`, id)
	again := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"running"}`, id)
	other := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"down"}`, id)
	if first.status != 200 || again.status != 200 || again.json["replayed"] != true || first.json["n"] != again.json["n"] {
		t.Errorf("%s%s", first.body, again.body)
	}
	if other.status != 409 || other.json["code"] != "conflict" {
		t.Errorf("another content: %d %s", other.status, other.body)
	}
	for _, bad := range []string{"Idempotency-Key: " + strings.Repeat("x", 81), "Idempotency-Key: a b", "Idempotency-Key: ä"} {
		if a := p.call(c, key, "POST", "/v1/machines/M1/state", `{"state":"down"}`, bad); a.status != 400 {
			t.Errorf("%q: %d %s", bad, a.status, a.body)
		}
	}
	batch := `{"machine":"M1","samples":[{"tag":"load","at":"2026-01-02T03:04:05Z","value":1.5},{"tag":"","value":2}]}`
	for i := range 2 {
		a := p.call(c, key, "POST", "/v1/ingest", batch, "Idempotency-Key: batch")
		if a.status != 200 || (a.json["replayed"] == true) != (i == 1) {
			t.Errorf("batch %d: %d %s", i, a.status, a.body)
		}
	}
	if a := p.call(c, key, "POST", "/v1/ingest", strings.Replace(batch, "1.5", "1.6", 1), "Idempotency-Key: batch"); a.status != 409 {
		t.Errorf("another batch under the same id: %d %s", a.status, a.body)
	}
}

func TestRevokedKeyIsDeadAtOnce(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	persons := p.apiKey(keys.PersonKey)
	for _, k := range []keys.APIKey{key, persons} {
		if a := p.call(c, k.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	p.do(&mes.RevokeKey{Key: mes.ID(key.ID)})
	p.do(&mes.RegisterPerson{Badge: "2001", Name: "Person 2001", Disabled: true, Grants: []mes.Grant{{Role: mes.Lead}}})
	began := time.Now()
	for _, k := range []keys.APIKey{key, persons} {
		p.waitFor("the key is dead", func() bool { return p.call(c, k.Reveal(), "GET", "/v1/me", "").status == 401 })
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// Another node revokes a key: this one hears nothing, and looks again within a second.
func TestRevocationElsewhere(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	if a := p.call(c, key.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	elsewhere := mes.NewApp(p.store, time.Now, p.app.NewID, func(...string) {})
	_, err := elsewhere.Do(context.Background(), setup, "", &mes.RevokeKey{Key: mes.ID(key.ID)})
	p.must(err)
	time.Sleep(keyAge)
	if a := p.call(c, key.Reveal(), "GET", "/v1/me", ""); a.status != 401 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestWrongKeysAreTurnedAwayUnread(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	good := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	if a := p.call(c, good.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	last := 0
	for range 8 {
		never, err := keys.NewAPIKey(keys.ProgramKey)
		p.must(err)
		a := p.call(c, never.Reveal(), "GET", "/v1/me", "")
		if last = a.status; last == 429 && a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if last != 429 {
		t.Errorf("the eighth wrong key: %d", last)
	}
	if a := p.call(c, good.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
		t.Errorf("a good key in use is locked out: %d %s", a.status, a.body)
	}
	if e := p.entries(1)[0]; e.Command != "key.use" || e.Outcome != mes.NotDone {
		t.Errorf("the refusal: %+v", e)
	}
}

func TestRates(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.KeyRate = 5 })
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	codes := map[int]int{}
	for range 20 {
		codes[p.call(c, key, "GET", "/v1/me", "").status]++
	}
	if codes[200] < 10 || codes[429] < 5 {
		t.Errorf("answers: %v", codes)
	}
}

// Every command and query of the tables is in the document, and every route that the document names exists.
func TestDocument(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	a := p.call(c, key, "GET", "/v1/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	p.must(json.Unmarshal([]byte(a.body), &doc))
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	count := 0
	for i := range mes.Commands {
		if method, path, _ := mes.Commands[i].Route(); method != "" {
			if count++; doc.Paths[apiPrefix+path][strings.ToLower(method)] == nil {
				t.Errorf("%s is not in the document", mes.Commands[i].Path)
			}
		}
	}
	for i := range mes.Queries {
		path, _ := mes.Queries[i].Route()
		if count++; doc.Paths[apiPrefix+path]["get"] == nil {
			t.Errorf("%s is not in the document", mes.Queries[i].Path)
		}
		if _, known := answers[mes.Queries[i].Name]; !known {
			t.Errorf("nobody says what %s answers", mes.Queries[i].Name)
		}
	}
	described := 0
	for path, methods := range doc.Paths {
		for method := range methods {
			described++
			address := strings.NewReplacer("{", "", "}", "").Replace(path)
			if strings.HasSuffix(path, "/stream") {
				continue
			}
			if a := p.call(c, key, strings.ToUpper(method), address, ""); a.body == p.call(c, key, "GET", "/nothing", "").body {
				t.Errorf("%s %s is described but not there", method, path)
			}
		}
	}
	if described != count+2 {
		t.Errorf("%d operations are described, %d should be", described, count+2)
	}
	if a := p.call(c, key, "GET", "/v1/openapi.yaml", ""); a.status != 200 || !strings.Contains(a.body, "openapi: 3.1.0") {
		t.Errorf("YAML: %d %.200s", a.status, a.body)
	}
	if strings.Contains(a.body, "SignInPerson") || strings.Contains(a.body, `"hash"`+`:`+`{"description":"its hash`) {
		t.Error("the doors' own commands are in the document")
	}
}

func TestStream(t *testing.T) {
	p := newPlant(t)
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer, Line: "L1"})
	r, err := http.NewRequest("GET", "https://"+p.server.APIAddr()+"/v1/stream", nil)
	p.must(err)
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	res, err := p.client().Do(r)
	p.must(err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return "(end)"
	}
	if first := next(); first != `["*"]` {
		t.Fatalf("the first event: %s", first)
	}
	p.person("4001")
	p.do(&mes.DefineEquipment{Code: "L2", Name: "Other line", Level: mes.WorkCentre, Parent: "S1"})
	p.do(&mes.DefineEquipment{Code: "M2", Name: "Other lathe", Level: mes.WorkUnit, Parent: "L2"})
	p.do(&mes.SetMachineState{Machine: "M2", State: mes.MachineDown})
	p.do(&mes.SetMachineState{Machine: "M1", State: mes.MachineRunning})
	if topics := next(); topics != `["machine:M1"]` {
		t.Errorf("the stream tells %s", topics)
	}
	p.do(&mes.RevokeKey{Key: mes.ID(key.ID)})
	p.do(&mes.SetMachineState{Machine: "M1", State: mes.MachineIdle})
	if last := next(); last != `[]` {
		t.Errorf("a revoked key hears %s", last)
	}
}

// An open stream is told that the server goes down, and does not hold it up; HTTP/2 is spoken.
func TestStreamEndsAtShutdown(t *testing.T) {
	p := newPlant(t)
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer})
	client := p.client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	r, err := http.NewRequest("GET", "https://"+p.server.APIAddr()+"/v1/stream", nil)
	p.must(err)
	r.Header.Set("X-Api-Key", key.Reveal())
	res, err := client.Do(r)
	p.must(err)
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("the protocol is %s", res.Proto)
	}
	began := time.Now()
	p.must(p.server.Shutdown(context.Background()))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the shutdown took %v", took)
	}
	text, _ := io.ReadAll(res.Body)
	if !strings.HasSuffix(string(text), "event: end\ndata: []\n\n") {
		t.Errorf("the stream ended with %q", text)
	}
}

func TestHealth(t *testing.T) {
	p := newPlant(t)
	a := p.call(p.client(), p.apiKey(keys.ProgramKey).Reveal(), "GET", "/v1/health", "")
	store, _ := a.json["store"].(map[string]any)
	if a.status != 200 || a.json["status"] != "ok" || store["reachable"] != true {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPublicAddressesAreRefused(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, "10.1.2.3:22": true, "192.168.0.1:22": true, "172.16.0.1:22": true,
		"[fd00::1]:22": true, "[fe80::1]:22": true, "0.0.0.0:22": false, "[::]:22": false, ":22": false, "8.8.8.8:22": false,
		"[2001:db8::1]:22": false, "example.org:22": false, "nothing": false, "[::ffff:8.8.8.8]:22": false, "[::ffff:0.0.0.0]:1": false,
	} {
		if err := CheckAddress(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := Start(context.Background(), Options{}); err == nil {
		t.Error("a server was made from nothing")
	}
}
