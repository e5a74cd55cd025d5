package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gemba/keys"
	"gemba/mes"
	"gemba/storage"
)

// A plantAPI is the API as far as programs need it: the same commands and queries, TLS and key checks of the real one
// over a real store, and doors that tests can shut.
type plantAPI struct {
	server  *httptest.Server
	app     *mes.App
	store   *storage.Store
	actor   mes.Actor
	key     string
	keyFile string
	ca      string

	mu     sync.Mutex
	asked  []string                                  // method and path of every request
	refuse func(w http.ResponseWriter, n int64) bool // answers instead, when it likes
	lose   func(n int64) bool                        // does the work and loses the answer
	hits   atomic.Int64
}

// newPlantAPI serves a plant with the machine L1 below LINE.
func newPlantAPI(t *testing.T, roles ...mes.Role) *plantAPI {
	t.Helper()
	folder := t.TempDir()
	store, err := storage.Open(t.Context(), storage.Options{Store: "sqlite:" + filepath.Join(folder, "floor.db"), Writer: "test", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a := &plantAPI{store: store, actor: mes.Actor{Kind: mes.ByProgram, ID: "replay", Name: "replay"}}
	for _, r := range roles {
		a.actor.Grants = append(a.actor.Grants, mes.Grant{Role: r})
	}
	a.app = mes.NewApp(store, time.Now, func() mes.ID { return mes.ID(uuid.Must(uuid.NewV7()).String()) }, func(...string) {})
	for _, e := range []*mes.DefineEquipment{
		{Code: "HALL", Name: "Hall", Level: mes.Site}, {Code: "LINE", Name: "Line", Level: mes.WorkCentre, Parent: "HALL"},
		{Code: "L1", Name: "Lathe 1", Level: mes.WorkUnit, Parent: "LINE"},
	} {
		if _, err := a.app.Do(t.Context(), mes.System("test", "test"), "", e); err != nil {
			t.Fatal(err)
		}
	}
	authority, err := keys.LoadAuthority(filepath.Join(folder, "tls"), []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.ca = authority.File()
	key, err := keys.NewAPIKey(keys.ProgramKey)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key.Reveal()
	a.keyFile = filepath.Join(folder, "key")
	if err := os.WriteFile(a.keyFile, []byte(a.key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.server.Listener = tls.NewListener(a.server.Listener, authority.ServerConfig()) // StartTLS would add a certificate of its own
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.server.Start()
	a.server.URL = strings.Replace(a.server.URL, "http:", "https:", 1)
	t.Cleanup(a.server.Close)
	return a
}

func (a *plantAPI) serve(w http.ResponseWriter, r *http.Request) {
	n := a.hits.Add(1)
	a.mu.Lock()
	a.asked = append(a.asked, r.Method+" "+r.URL.Path)
	refuse, lose := a.refuse, a.lose
	a.mu.Unlock()
	if refuse != nil && refuse(w, n) {
		return
	}
	var answer any
	var err error
	switch {
	case r.Header.Get("Authorization") != "Bearer "+a.key:
		err = mes.Faultf(mes.Unauthenticated, "this key is not known")
	case r.Method == http.MethodPost:
		answer, err = a.command(r)
	default:
		answer, err = a.query(r)
	}
	if lose != nil && lose(n) {
		panic(http.ErrAbortHandler)
	}
	status := http.StatusOK
	if err != nil {
		status = map[mes.Code]int{mes.Unauthenticated: 401, mes.Denied: 403, mes.NotFound: 404, mes.Refused: 409, mes.Conflict: 409, mes.Unavailable: 503, mes.Internal: 500}[mes.ErrorCode(err)]
		status = max(status, http.StatusBadRequest)
		answer = map[string]any{"title": "no", "status": status, "detail": mes.ErrorMessage(err), "code": mes.ErrorCode(err)}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// command finds the command of a path in the table, and does it.
func (a *plantAPI) command(r *http.Request) (any, error) {
	for i := range mes.Commands {
		spec := &mes.Commands[i]
		if spec.Path == "" {
			continue
		}
		_, pattern, _ := spec.Route()
		values, ok := match("/v1"+pattern, r.URL.Path)
		if !ok {
			continue
		}
		c := spec.New()
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(c); err != nil {
			return nil, mes.Faultf(mes.Invalid, "%v", err)
		}
		for _, f := range spec.Fields() {
			if f.InPath {
				if err := mes.Set(c, f, values[f.Name]); err != nil {
					return nil, err
				}
			}
		}
		return a.app.Do(r.Context(), a.actor, mes.ID(r.Header.Get("Idempotency-Key")), c)
	}
	return nil, mes.Faultf(mes.NotFound, "there is no %s", r.URL.Path)
}

func (a *plantAPI) query(r *http.Request) (any, error) {
	for i := range mes.Queries {
		spec := &mes.Queries[i]
		pattern, _ := spec.Route()
		values, ok := match("/v1"+pattern, r.URL.Path)
		if !ok {
			continue
		}
		q := spec.New()
		for name := range r.URL.Query() {
			if !slices.ContainsFunc(spec.Fields(), func(f mes.Field) bool { return f.Name == name && !f.InPath }) {
				return nil, mes.Faultf(mes.Invalid, "there is no parameter %q here", name)
			}
		}
		for _, f := range spec.Fields() {
			value := values[f.Name]
			if !f.InPath {
				value = r.URL.Query().Get(f.Name)
			}
			if value == "" {
				continue
			}
			if err := mes.Set(q, f, value); err != nil {
				return nil, err
			}
		}
		return q.Answer(r.Context(), a.app, a.actor)
	}
	return nil, mes.Faultf(mes.NotFound, "there is no %s", r.URL.Path)
}

// match compares a path with a pattern like /orders/{order}.
func match(pattern, path string) (map[string]string, bool) {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return nil, false
	}
	values := map[string]string{}
	for i := range p {
		if name, ok := strings.CutPrefix(p[i], "{"); ok {
			values[strings.TrimSuffix(name, "}")] = q[i]
		} else if p[i] != q[i] {
			return nil, false
		}
	}
	return values, true
}

// client opens the API with the key.
func (a *plantAPI) client(t *testing.T) *client {
	t.Helper()
	config, err := keys.ClientConfig(a.ca)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(a.server.URL, a.key, config, 4)
	c.patience = 5 * time.Second
	return c
}

// gemba runs a command with the options that reach the API.
func (a *plantAPI) gemba(t *testing.T, ctx context.Context, args ...string) (out, errs string, err error) {
	t.Helper()
	root := newReplayCommand()
	if args[0] == "shdr" {
		root = newSHDRCommand()
	}
	var stdout, stderr bytes.Buffer
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(append(args[1:], "--api", a.server.URL, "--ca", a.ca, "--key-file", a.keyFile))
	err = root.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

func TestRequest_sayWhatIsSaid(t *testing.T) {
	at := mes.At(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC))
	method, path, body, err := request(&mes.StartJob{Order: "A/1", Operation: "10", At: at, History: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := method+" "+path, "POST /orders/A%2F1/operations/10/start"; got != want {
		t.Errorf("asks %s, want %s", got, want)
	}
	if got, want := string(body), `{"at":"2026-11-23T06:00:00Z","history":true}`; got != want {
		t.Errorf("sends %s, want %s", got, want)
	}
	if _, _, body, _ = request(&mes.StopJob{Order: "1", Operation: "10"}); string(body) != `{}` {
		t.Errorf("a time that was not said is sent: %s", body)
	}
}

func TestClient_keepsTryingUnderOneID(t *testing.T) {
	a := newPlantAPI(t, mes.Historian)
	var ids []string
	a.refuse = func(w http.ResponseWriter, n int64) bool {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n < 3
	}
	a.lose = func(n int64) bool { return n == 3 } // done, and nobody was told
	r, err := a.client(t).do(t.Context(), "one-id", &mes.RegisterPerson{Badge: "7", Name: "Seven"})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Replayed || r.ID != "one-id" {
		t.Errorf("the last try gave %+v; it should be what the third had done (ids %v)", r, ids)
	}
}

func TestClient_faults(t *testing.T) {
	a := newPlantAPI(t, mes.Viewer)
	c := a.client(t)
	if _, err := c.do(t.Context(), "", &mes.RegisterPerson{Badge: "7", Name: "Seven"}); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a viewer registers people: %v", err)
	}
	c.key = "gemba_program_wrong"
	if err := c.get(t.Context(), "/me", nil, &mes.Actor{}); mes.ErrorCode(err) != mes.Unauthenticated {
		t.Errorf("a wrong key gives %v", err)
	}
	c.patience = time.Millisecond
	a.server.Close()
	if err := c.get(t.Context(), "/me", nil, &mes.Actor{}); mes.ErrorCode(err) != mes.Unavailable {
		t.Errorf("a server that is away gives %v", err)
	}
}

func TestClient_trustsOnlyTheNamedAuthority(t *testing.T) {
	a, other := newPlantAPI(t, mes.Viewer), newPlantAPI(t, mes.Viewer)
	o := clientOptions{api: a.server.URL, keyFile: a.keyFile, ca: other.ca, patience: time.Minute}
	c, err := o.open(os.Stderr, 1)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.get(t.Context(), "/me", nil, &mes.Actor{}); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("a stranger's certificate gives %v after %s", err, time.Since(began))
	}
}

func TestClientOptions_keyFiles(t *testing.T) {
	a := newPlantAPI(t, mes.Viewer)
	write := func(mode os.FileMode, text string) string {
		path := filepath.Join(t.TempDir(), "demo-credentials.json")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	demo := fmt.Sprintf(`{"ssh":"x","api":%q,"ca_file":%q,"keys":[{"name":"other","key":"no"},{"name":"replay","key":%q}]}`, a.server.URL, a.ca, a.key)
	for _, test := range []struct {
		name, text, keyName, wrong, warning string
		mode                                os.FileMode
	}{
		{name: "the demonstration's credentials", text: demo, keyName: "replay", mode: 0o600},
		{name: "open to others", text: demo, keyName: "replay", mode: 0o644, warning: "chmod 600"},
		{name: "no such key", text: demo, keyName: "nobody", mode: 0o600, wrong: "other, replay"},
		{name: "not a key", text: demo, keyName: "other", mode: 0o600, wrong: "not a gemba API key"},
		{name: "nothing", text: "", mode: 0o600, wrong: "not a gemba API key"},
		{name: "cut off", text: demo[:40], mode: 0o600, wrong: "neither an API key nor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var warned bytes.Buffer
			o := clientOptions{keyFile: write(test.mode, test.text), keyName: test.keyName, patience: time.Second}
			c, err := o.open(&warned, 1)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Fatalf("error %v, want %q", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.get(t.Context(), "/me", nil, &mes.Actor{}); err != nil {
				t.Error(err)
			}
			if !strings.Contains(warned.String(), test.warning) || test.warning == "" && warned.Len() > 0 {
				t.Errorf("warned %q, want %q", warned.String(), test.warning)
			}
		})
	}
	for _, address := range []string{"127.0.0.1:8443", "https://127.0.0.1:8443/", "https://127.0.0.1:8443/v1"} {
		if got, err := apiAddress(address); err != nil || got != defaultAPI {
			t.Errorf("%s is taken as %s, %v", address, got, err)
		}
	}
	for _, address := range []string{"http://127.0.0.1:1", "https://k:p@127.0.0.1", "https://127.0.0.1?key=x", "https://", " "} {
		if got, err := apiAddress(address); err == nil {
			t.Errorf("%s is taken as %s", address, got)
		}
	}
}
