package security

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A place is where somebody is when hostile input comes: the keys that lead there from the first screen.
type place struct{ name, badge, keys string }

// TestKeyboard is group G: no byte, sequence, paste or barcode harms a screen or does somebody's work.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	inputs := table[struct {
		Input []struct {
			Name string
			Send []string
		}
	}](t, "keyboard.toml").Input
	before := s.work(t)
	places := []place{{"the sign-in", "", ""}, {"the queue", "1001", ""}, {"the orders", "1001", "o"}}
	if *full {
		places = append(places, place{"the board", "1002", "b"}, place{"the help", "1002", "?"}, place{"the palette", "1002", ":"}, place{"an order", "1002", "o\r"})
	}
	t.Run("places", func(t *testing.T) {
		for _, at := range places {
			t.Run(at.name, func(t *testing.T) {
				t.Parallel()
				v := &visitor{t: t, s: s, at: at}
				for _, c := range inputs {
					v.hostile(c.Name, func(text string) string { return string(bytesOf(text)) }, c.Send...)
				}
			})
		}
		// Bytes and sequences one by one: every key there is. Somebody who may only look presses them, so that whatever
		// changes was not for the keys to change.
		t.Run("every key", func(t *testing.T) {
			t.Parallel()
			v := &visitor{t: t, s: s, at: place{"the queue", "5002", ""}}
			plain := func(text string) string { return text }
			for b := range 256 {
				v.hostile(fmt.Sprintf("byte %#02x", b), plain, string([]byte{byte(b)}))
			}
			for final := byte('@'); final <= '~'; final++ {
				v.hostile(fmt.Sprintf("CSI %c", final), plain, "\x1b["+string(final))
				v.hostile(fmt.Sprintf("CSI 1;9 %c", final), plain, "\x1b[1;9"+string(final))
				v.hostile(fmt.Sprintf("SS3 %c", final), plain, "\x1bO"+string(final))
				v.hostile(fmt.Sprintf("Alt-%c", final), plain, "\x1b"+string(final))
			}
			for n := range 35 {
				v.hostile(fmt.Sprintf("CSI %d ~", n), plain, fmt.Sprintf("\x1b[%d~", n))
			}
		})
	})
	after := s.work(t)
	check(t, "G", "work that changed", fmt.Sprint(before), fmt.Sprint(after))

	// A paste that never ends stays small, and the screen beside it alive.
	sc, other := s.desk(t, "1003", 80, 24), s.desk(t, "1004", 80, 24)
	size := 300_000
	if *full {
		size = 10 << 20
	}
	grown, _ := s.memory(t)
	go func() { _ = sc.send("\x1b[200~" + strings.Repeat("x", size)) }()
	time.Sleep(500 * time.Millisecond)
	took, alive := other.responds(91, 27)
	checkThat(t, "G", "a colleague during an endless paste", alive && took < time.Second, "alive: %v, after %v", alive, took)
	time.Sleep(2 * time.Second)
	took, alive = sc.responds(92, 28)
	checkThat(t, "G", "the screen during an endless paste", alive && took < 2*time.Second, "alive: %v, after %v", alive, took)
	now, _ := s.memory(t)
	checkThat(t, "G", "memory during an endless paste", now-grown < 30, "it grew from %.0f to %.0f MB", grown, now)
}

// work counts the transactions in the ledger that people did: what hostile input must not add to.
func (s *site) work(t *testing.T) int {
	t.Helper()
	after, count := "", 0
	for {
		line := "ledger list view=transaction limit=1000 --json"
		if after != "" {
			line = "ledger list view=transaction limit=1000 after=" + after + " --json"
		}
		var page struct {
			Items []struct{ Person, Command, Outcome string }
			Next  string
		}
		s.mustRun(t, "5001", line, &page)
		for _, e := range page.Items {
			if e.Person != "" && e.Outcome == "done" {
				count++
			}
		}
		if after = page.Next; after == "" {
			return count
		}
	}
}

// A visitor sends hostile input again and again, and comes back when a key has ended the visit.
type visitor struct {
	t      *testing.T
	s      *site
	at     place
	screen *screen
	n      uint32
}

func (v *visitor) arrive() {
	v.t.Helper()
	if v.at.badge == "" {
		client := v.s.kiosk(v.t, "KIOSK-GRIND")
		sc, err := openScreen(client, "xterm-256color", 80, 24)
		must(v.t, err)
		v.screen = sc
	} else {
		v.screen = v.s.desk(v.t, v.at.badge, 80, 24)
	}
	time.Sleep(150 * time.Millisecond)
	v.screen.keys(v.at.keys)
	time.Sleep(100 * time.Millisecond)
}

// hostile sends pieces of input and looks whether the screen lives. A key may end the visit, but only in good order.
func (v *visitor) hostile(name string, fill func(string) string, pieces ...string) {
	v.t.Helper()
	if v.screen == nil {
		v.arrive()
	}
	for i, piece := range pieces {
		if i > 0 {
			time.Sleep(60 * time.Millisecond)
		}
		_ = v.screen.send(fill(piece))
	}
	v.n++
	_, alive := v.screen.responds(80+v.n%40, 24+v.n%7)
	right := alive
	if !alive && v.screen.gone(3*time.Second) {
		right = !strings.Contains(v.screen.out.String(), "screen failed")
	}
	checkThat(v.t, "G", name+" at "+v.at.name, right, "the screen is dead: %.200q", v.screen.out.fresh())
	if !alive {
		v.screen.client.Close()
		v.screen = nil
	}
}

// count gives how many things an API list has.
func count(a answer) int {
	var list struct{ Items []json.RawMessage }
	if json.Unmarshal([]byte(a.body), &list) != nil {
		return -1
	}
	return len(list.Items)
}
