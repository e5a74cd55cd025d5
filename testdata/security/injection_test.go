package security

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// inner are words of what is inside; no answer to anybody has them.
var inner = []string{"sqlite", "SELECT ", "syntax error", "no such", "constraint", "goroutine", ".go:", "panic", "stack", "/tmp/", "rqlite", "raft:"}

// TestInjection is group I: no text is ever taken for a command, by whatever is behind.
func TestInjection(t *testing.T) {
	t.Parallel()
	onEngines(t, false, func(t *testing.T, s *site) {
		payloads := table[struct{ Payload []string }](t, "injection.toml").Payload
		const mark = "/tmp/gemba-injected"
		_ = os.Remove(mark)
		_ = os.Remove(mark + ".db")
		before := s.counts(t)
		var orders struct {
			Items []struct{ Number, Product string }
		}
		s.mustRun(t, "3001", "order list limit=1000 --json", &orders)
		having := func(text string) (n int) { // what stands for any letter elsewhere stands for itself here
			for _, o := range orders.Items {
				if strings.Contains(strings.ToLower(o.Number+"\n"+o.Product), strings.ToLower(text)) {
					n++
				}
			}
			return n
		}
		c := s.caller(t)
		for i, p := range payloads {
			name := fmt.Sprintf("%q", p)
			quick := func(where string, a answer, took time.Duration) {
				told := ""
				for _, word := range inner {
					if strings.Contains(a.body, word) && !strings.Contains(p, word) {
						told = word
					}
				}
				checkThat(t, "I", name+" "+where, a.status != 0 && a.status < 500 && told == "" && took < 3*time.Second,
					"%s after %v, telling of %q: %.300s", a.outcome(), took, told, a.body)
			}
			ask := func(where, key, method, path, body string, headers ...string) answer {
				began := time.Now()
				a := c.call(key, method, path, body, headers...)
				quick(where, a, time.Since(began))
				return a
			}
			escaped := url.PathEscape(p)
			text, err := json.Marshal(p)
			must(t, err)

			a := ask("as an order", s.key("reporting"), "GET", "/v1/orders/"+escaped, "")
			checkThat(t, "I", name+" names no order", a.status/100 == 4, "%s %.200s", a.outcome(), a.body)
			a = ask("as a search", s.key("reporting"), "GET", "/v1/orders?q="+url.QueryEscape(p), "")
			found := -1
			if a.status == 200 {
				found = strings.Count(a.body, `"number":`)
			}
			checkThat(t, "I", name+" finds no order", a.status == 400 || found == having(p), "%s, %d orders", a.outcome(), found)
			ask("as a line", s.key("reporting"), "GET", "/v1/queue?line="+url.QueryEscape(p), "")
			ask("as a cursor", s.key("reporting"), "GET", "/v1/orders?after="+url.QueryEscape(p), "")
			ask("as a limit", s.key("reporting"), "GET", "/v1/orders?limit="+url.QueryEscape(p), "")
			ask("as a subject of the ledger", s.key("reporting"), "GET", "/v1/ledger?subject="+url.QueryEscape(p), "")
			ask("as a machine", s.key("reporting"), "GET", "/v1/machines/"+escaped+"/timeline", "")
			ask("as a time", s.key("reporting"), "GET", "/v1/machines/TURN-1/timeline?from="+url.QueryEscape(p), "")
			a = ask("as a product's code", s.key("erp"), "POST", "/v1/products", `{"code":`+string(text)+`,"name":"x"}`)
			check(t, "I", name+" is no code", "400 invalid or 200", a.outcome())

			// A name is text: it comes back letter by letter, or was refused.
			code := fmt.Sprintf("INJ-%s-%d", strings.ToUpper(s.engine()), i)
			a = ask("as a product's name", s.key("erp"), "POST", "/v1/products", `{"code":"`+code+`","name":`+string(text)+`}`)
			if a.status == 200 {
				list := c.call(s.key("erp"), "GET", "/v1/products?limit=1000", "")
				var products struct{ Items []struct{ ID, Name string } }
				must(t, json.Unmarshal([]byte(list.body), &products))
				stored := ""
				for _, product := range products.Items {
					if product.ID == code {
						stored = product.Name
					}
				}
				check(t, "I", name+" is stored letter by letter", p, stored)
			} else {
				check(t, "I", name+" is refused as a name", "400 invalid", a.outcome())
			}
			ask("as the text of an alarm", s.key("machines"), "POST", "/v1/ingest", `{"machine":"TURN-1","alarms":[{"key":"inj","level":"warning","text":`+string(text)+`}]}`)
			if i%8 == 0 || *full {
				line := "order show '" + strings.ReplaceAll(p, "'", `'\''`) + "'"
				r := s.run(t, "5002", line)
				helped := p == "--help" && r.status == 0
				checkThat(t, "I", name+" over SSH", helped || r.status > 1 && r.out == "", "status %d: %s%s", r.status, r.out, r.errs)
			}
		}
		for _, file := range []string{mark, mark + ".db"} {
			_, err := os.Stat(file)
			checkThat(t, "I", "no file "+file, os.IsNotExist(err), "it is there")
		}
		after := s.counts(t)
		check(t, "I", "orders and people", before, after)
		log, err := os.ReadFile(s.log())
		must(t, err)
		broken := ""
		for line := range strings.Lines(string(log)) {
			if !json.Valid([]byte(line)) {
				broken = line
			}
		}
		check(t, "I", "every line of the log is one JSON document", "", broken)
	})
}

func (s *site) engine() string {
	if s.cluster != nil {
		return "rqlite"
	}
	return "sqlite"
}

// counts says how many orders and people there are.
func (s *site) counts(t *testing.T) string {
	t.Helper()
	var orders, people struct{ Items []json.RawMessage }
	s.mustRun(t, "2001", "order list limit=1000 --json", &orders)
	s.mustRun(t, "9001", "person list limit=1000 --json", &people)
	return fmt.Sprint(len(orders.Items), " orders, ", len(people.Items), " people")
}
