package security

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// TestDisplay is group V: nobody writes on somebody else's terminal.
func TestDisplay(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	texts := table[struct {
		Text []struct {
			Name, Text string
			Stored     bool
		}
	}](t, "display.toml").Text
	c := s.caller(t)
	seen := s.desk(t, "2001", 100, 30)
	// Several texts a connection, so that the suite stays short; the words are quoted as a shell would.
	quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	for i, row := range texts {
		text, err := json.Marshal(row.Text)
		must(t, err)
		// In: a text that somebody stores.
		for where, body := range map[string][3]string{
			"a product's name":  {"erp", "/v1/products", fmt.Sprintf(`{"code":"V%d","name":%s}`, i, text)},
			"an order's number": {"erp", "/v1/orders", fmt.Sprintf(`{"number":%s,"product":"P-100","quantity":1}`, text)},
			"a machine's word":  {"machines", "/v1/machines/TURN-1/state", fmt.Sprintf(`{"state":"running","raw":%s}`, text)},
		} {
			a := c.call(s.key(body[0]), "POST", body[1], body[2])
			want := "400 invalid"
			if row.Stored {
				want = "400 invalid or 200"
			}
			check(t, "V", row.Name+" in "+where, want, a.outcome())
			checkThat(t, "V", row.Name+" in the answer about "+where, plain(a.body), "%q", a.body)
		}
		a := c.call(s.key("machines"), "POST", "/v1/ingest", fmt.Sprintf(`{"machine":"TURN-1","alarms":[{"key":"v","level":"warning","text":%s}]}`, text))
		checkThat(t, "V", row.Name+" in an alarm", row.Stored || a.status == 400 || strings.Contains(a.body, "invalid"), "%s %s", a.outcome(), a.body)
		checkThat(t, "V", row.Name+" in the answer about an alarm", plain(a.body), "%q", a.body)
		// Out: a text that comes back in an answer about it.
		a = c.call(s.key("reporting"), "GET", "/v1/orders/"+url.PathEscape(row.Text), "")
		checkThat(t, "V", row.Name+" in an address", a.status/100 == 4 && plain(a.body), "%s %q", a.outcome(), a.body)
		a = c.call(s.key("reporting"), "GET", "/v1/orders?"+url.QueryEscape(row.Text)+"=1", "")
		checkThat(t, "V", row.Name+" in the name of a parameter", a.status == 400 && plain(a.body), "%s %q", a.outcome(), a.body)
		a = c.call(s.key("reporting"), "GET", "/v1/me", "", "Idempotency-Key: x", "User-Agent: "+strings.Map(headerRune, row.Text))
		check(t, "V", row.Name+" in a header", "200", a.outcome())
		// Out: a command line that is wrong.
		line := "order show " + quoted(row.Text)
		if i%3 == 1 {
			line = quoted(row.Text) + " x"
		} else if i%3 == 2 {
			line = "order list " + quoted(row.Text) + "=1"
		}
		r := s.run(t, "5002", line)
		checkThat(t, "V", row.Name+" on a command line", r.status != 0 && plain(strings.TrimSuffix(r.errs, "\n")) && r.out == "", "status %d: %q %q", r.status, r.out, r.errs)
		// On a screen: as a scan, while a colleague is at work.
		_ = seen.send("\x1b[200~" + row.Text + "\x1b[201~")
		time.Sleep(20 * time.Millisecond)
	}
	// Who is not known leaves a name behind.
	together(8, len(texts), func(i int) {
		if client, err := s.dial(newSource(), texts[i].Text, ssh.PublicKeys(newKey(t))); err == nil {
			client.Close()
			t.Errorf("%q was let in", texts[i].Text)
		}
	})
	if !wait(5*time.Second, func() bool { return len(seen.out.String()) > 2000 }) {
		t.Fatal("the screen shows nothing")
	}
	for _, foreign := range foreignControls(seen.out.String()) {
		check(t, "V", "on the screen", "", fmt.Sprintf("%q", foreign))
	}
	checkThat(t, "V", "the screen lives", alive(seen), "it is dead")
	log, err := os.ReadFile(s.log())
	must(t, err)
	bad := ""
	for line := range strings.Lines(string(log)) {
		if !plain(strings.TrimSuffix(line, "\n")) || !json.Valid([]byte(line)) {
			bad = line
		}
	}
	check(t, "V", "every line of the log", "", bad)
	var page struct{ Items []json.RawMessage }
	r := s.run(t, "5001", "ledger list limit=1000 --json")
	checkThat(t, "V", "the ledger as JSON", r.status == 0 && plain(strings.TrimSuffix(r.out, "\n")) && json.Unmarshal([]byte(r.out), &page) == nil && len(page.Items) > 50, "status %d", r.status)
	for _, line := range []string{"ledger list limit=1000", "product list limit=1000", "product list limit=1000 --json", "machine alarms TURN-1 limit=1000", "machine timeline TURN-1"} {
		r = s.run(t, "2001", line)
		checkThat(t, "V", line, r.status == 0 && plain(strings.ReplaceAll(r.out, "\n", "")), "status %d: %.300q", r.status, r.errs)
	}
}

func alive(sc *screen) bool {
	_, ok := sc.responds(101, 31)
	return ok
}

// headerRune leaves in a text what may stand in a header at all.
func headerRune(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}

// plain tells whether a text shows all that is in it: no control characters, nothing that turns, hides or joins. The
// line end of a JSON document is taken for granted.
func plain(text string) bool {
	return strings.IndexFunc(strings.TrimSuffix(text, "\n"), func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Variation_Selector)
	}) < 0
}

// own are the controls that a screen of ours is drawn with: the cursor, erasing, colours, modes, and questions to the
// terminal at the beginning.
var own = regexp.MustCompile("\x1b\\[[0-9;:]*[ABCDEFGHJKLMPSTXbdfghlmr@]|\x1b\\[[?>=<][0-9;]*[hlmucn]|\x1b\\[[?>]?[0-9;]*\\$p|\x1b\\[[0-9 ]*q|\x1b[=>78M]|\x1b\\[>?[0-9]*[cq]|\x1b\\]1?[0-9];\\?(?:\x07|\x1b\\\\)|\x1b\\[!p|\x1b\\]2;[^\x1b\x07]*(?:\x07|\x1b\\\\)|[\r\n\t\b]")

// foreignControls gives what in a terminal's output a screen of ours would not have sent.
func foreignControls(output string) []string {
	rest := own.ReplaceAllString(output, "")
	var foreign []string
	for i, r := range rest {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Variation_Selector) {
			foreign = append(foreign, rest[i:min(i+12, len(rest))])
		}
	}
	return foreign
}
