package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"gemba/mes"
	"gemba/mes/plain"
)

func TestFeedKeepsEachTopicOnce(t *testing.T) {
	feed := NewFeed()
	box := feed.Subscribe()
	feed.Publish("a", "b")
	feed.Publish("b", "c", "a")
	if topics, ok := box.Wait(); !ok || !slices.Equal(topics, []string{"a", "b", "c"}) {
		t.Errorf("topics %v, %v", topics, ok)
	}
	for i := range 3 * mailboxSize {
		feed.Publish(fmt.Sprint("t", i))
	}
	feed.Publish("last")
	if topics, _ := box.Wait(); !slices.Equal(topics, []string{Everything}) {
		t.Errorf("an overfull mailbox holds %d topics", len(topics))
	}
	feed.Publish("after")
	if topics, _ := box.Wait(); !slices.Equal(topics, []string{"after"}) {
		t.Errorf("afterwards: %v", topics)
	}
	go box.Close()
	if _, ok := box.Wait(); ok {
		t.Error("a closed mailbox gives topics")
	}
	box.Close()
	feed.Publish("nobody")
	if feed.subscribers() != 0 {
		t.Error("a closed mailbox is still subscribed")
	}
}

// Whatever happens, the newest state of each topic is seen: a reader who looks after the last wake knows them all.
func TestFeedLosesNothing(t *testing.T) {
	feed := NewFeed()
	const publishers, each = 8, 500
	box := feed.Subscribe()
	seen := map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(seen) < publishers*each {
			topics, ok := box.Wait()
			if !ok {
				return
			}
			for _, topic := range topics {
				seen[topic] = true
			}
		}
	}()
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() {
			for j := range each {
				feed.Publish(fmt.Sprint(i, "/", j))
			}
		})
	}
	all.Wait()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Errorf("%d of %d topics were seen", len(seen), publishers*each)
	}
	box.Close()
}

func TestBuckets(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBuckets(2, 3, func() time.Time { return now })
	passed := 0
	for range 10 {
		if ok, _ := b.take("k"); ok {
			passed++
		}
	}
	if passed != 3 || !b.empty("k") || b.empty("other") {
		t.Errorf("%d passed at once", passed)
	}
	now = now.Add(500 * time.Millisecond)
	if ok, refused := b.take("k"); !ok || refused != 7 {
		t.Errorf("after half a second: %v, %d refused before", ok, refused)
	}
	for i := range bucketsSize + 10 {
		b.take(fmt.Sprint(i))
	}
	if len(b.left) > bucketsSize {
		t.Errorf("%d names are remembered", len(b.left))
	}
}

func TestPlaces(t *testing.T) {
	p := newPlaces(3, 2, 1)
	leave, _ := p.take("a", 0)
	p.take("a", 0)
	if _, ok := p.take("a", 0); ok {
		t.Error("a third of one name")
	}
	p.take("b", 0)
	if _, ok := p.take("c", 10*time.Millisecond); ok {
		t.Error("a fourth in total")
	}
	entered := make(chan bool)
	go func() {
		_, ok := p.take("c", 5*time.Second)
		entered <- ok
	}()
	for p.queueLength() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, ok := p.take("d", time.Minute); ok {
		t.Error("the queue has no end")
	}
	leave()
	leave()
	if !<-entered {
		t.Error("who waited was not let in")
	}
	if p.count() != 3 {
		t.Errorf("%d are inside", p.count())
	}
}

func (p *places) queueLength() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.line
}

func TestSources(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1:5": "10.0.0.1", "[::1]:5": "::1", "[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::/64", "pipe": "pipe",
	} {
		if got := sourceText(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestClampWindow(t *testing.T) {
	for given, want := range map[[2]int][2]int{
		{80, 24}: {80, 24}, {0, 0}: {80, 24}, {1, 1}: {1, 1}, {1 << 30, 1 << 30}: {400, 200}, {-5, -5}: {1, 1}, {16, 200}: {16, 200},
	} {
		if c, r := clampWindow(given[0], given[1]); [2]int{c, r} != want {
			t.Errorf("%v: %dx%d", given, c, r)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"order list":                      {"order", "list"},
		"  a\tb \n":                       {"a", "b"},
		`hold 1 reason="no material"`:     {"hold", "1", "reason=no material"},
		`a 'b "c" \d' "e 'f' \" g"`:       {"a", `b "c" \d`, `e 'f' " g`},
		`a\ b ""`:                         {"a b", ""},
		`x=$(rm) ; | & > < * ~ #`:         {"x=$(rm)", ";", "|", "&", ">", "<", "*", "~", "#"},
		"":                                nil,
		`samples=[{"tag":"a","value":1}]`: {`samples=[{tag:a,value:1}]`},
	} {
		words, err := splitWords(line)
		if err != nil || !slices.Equal(words, want) {
			t.Errorf("%q: %q, %v", line, words, err)
		}
	}
	for _, line := range []string{`a "b`, `a 'b`, `a \`} {
		if _, err := splitWords(line); mes.ErrorCode(err) != mes.Invalid {
			t.Errorf("%q: %v", line, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.String()).Draw(t, "words")
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		got, err := splitWords(strings.Join(quoted, " "))
		if err != nil || len(got) != len(words) || len(words) > 0 && !reflect.DeepEqual(got, words) {
			t.Fatalf("%q became %q, %v", words, got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	names := verbNames()
	for typed, want := range map[string]string{"ordr list": "order list", "order lsit": "order list", "jbo report": "job report", "hlep": "help"} {
		if near := nearest(typed, names); len(near) == 0 || near[0] != want {
			t.Errorf("%s: %v", typed, near)
		}
	}
	if near := nearest("make me a sandwich", names); len(near) > 0 {
		t.Errorf("nonsense is near %v", near)
	}
}

func TestPlainText(t *testing.T) {
	for text, want := range map[string]string{
		"plain ä 漢字": "plain ä 漢字", "a\x1b[2Jb": `a\x1b[2Jb`, "a\u202eb": `a\u202eb`, "zero\u200bwidth": `zero\u200bwidth`,
		"\u0085": `\u0085`, "bad\xffbyte": `bad\xffbyte`, "real\ufffd": `real\ufffd`, "tab\t": `tab\t`, "\U000e0041": `\U000e0041`,
		"\u2028": `\u2028`, "\u00ad": `\u00ad`, "x\ufe0f": `x\ufe0f`,
	} {
		if got := plainText(text, 0); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := plainText("abcdef", 4); got != "abc…" {
		t.Errorf("cut: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		if i := strings.IndexFunc(plainText(text, 0), plain.Unseen); i >= 0 {
			t.Fatalf("%q is not plain", text)
		}
		if i := strings.IndexFunc(string(plainJSON([]byte(text))), unseenInJSON); i >= 0 && !strings.Contains(text, "\xff") {
			t.Fatalf("%q is not plain JSON", text)
		}
	})
	var out bytes.Buffer
	if err := writeJSON(&out, map[string]string{"a": "x\u202e\u009b\U000e0041"}); err != nil {
		t.Fatal(err)
	}
	if out.String() != `{"a":"x\u202e\u009b\udb40\udc41"}`+"\n" {
		t.Errorf("JSON: %s", out.String())
	}
}

func TestInput(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for given, want := range map[string]string{
		"hello\r":                                             "hello\r",
		"\x1b[A\x1bOP\x1b[1;5C":                               "\x1b[A\x1bOP\x1b[1;5C",
		"\x1b\x1b[A":                                          "\x1b\x1b[A",
		"\x1b[200~scan\r\x1b[201~k":                           "\x1b[200~scan\r\x1b[201~k",
		"\x1b[200~" + long + "\x1b[201~k":                     "\x1b[200~\x1b[201~k",
		"\x1b[200~a\x1b[20~b\x1b[201~":                        "\x1b[200~a\x1b[20~b\x1b[201~",
		"\x1b[200~never ends":                                 "\x1b[200~",
		"\x1b]11;rgb:1/2/3\x07k":                              "\x1b]11;rgb:1/2/3\x07k",
		"\x1b]11;rgb:1/2/3\x1b\\k":                            "\x1b]11;rgb:1/2/3\x1b\\k",
		"\x1b]" + long + "\x07k":                              "\x1b]" + strings.Repeat("x", 4094) + "\x07k",
		"\x1b[" + strings.Repeat("1", 500) + "mk":             "\x1b[" + strings.Repeat("1", 62) + "mk",
		"\x1b[200~" + strings.Repeat("y", 4096) + "\x1b[201~": "\x1b[200~" + strings.Repeat("y", 4096) + "\x1b[201~",
	} {
		for name, from := range map[string]io.Reader{"whole": strings.NewReader(given), "by bytes": iotest.OneByteReader(strings.NewReader(given))} {
			lost := 0
			in := newInput(context.Background(), from, Limits{}.withDefaults(), func() { lost++ })
			got, err := io.ReadAll(in)
			if err != nil || string(got) != want || lost != 1 {
				t.Errorf("%s %.40q: %.60q (%d bytes), %v, lost %d", name, given, got, len(got), err, lost)
			}
		}
	}
}

func TestInputRate(t *testing.T) {
	in := newInput(context.Background(), strings.NewReader(strings.Repeat("x", 3000)), Limits{Paste: 100, InputRate: 1000}, func() {})
	began := time.Now()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 700*time.Millisecond || took > 3*time.Second {
		t.Errorf("3,000 bytes at 1,000 a second, 2,000 at once, took %v", took)
	}
}

func FuzzInput(f *testing.F) {
	f.Add([]byte("\x1b[200~a\x1b[201~\x1b]x\x07"))
	f.Fuzz(func(t *testing.T, given []byte) {
		in := newInput(context.Background(), bytes.NewReader(given), Limits{}.withDefaults(), func() {})
		got, err := io.ReadAll(in)
		if err != nil || len(got) > len(given) {
			t.Errorf("%q became %q, %v", given, got, err)
		}
	})
}

func TestForPeople(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	list := mes.List{Items: []mes.Interval{{State: "down", From: at, Reason: "belt\x1b[2J"}, {State: "running", From: at.Add(time.Minute)}}}
	want := "STATE    FROM                  REASON\n" +
		"down     2026-01-02T03:04:05Z  belt\\x1b[2J\n" +
		"running  2026-01-02T03:05:05Z  -\n"
	if got := forPeople(list); got != want {
		t.Errorf("a list:\n%s", got)
	}
	if got := forPeople(mes.List{Items: []mes.Interval{}}); got != "(nothing)\n" {
		t.Errorf("an empty list: %q", got)
	}
	actor := mes.Actor{Kind: mes.ByPerson, ID: "p", Name: "Ann", Grants: []mes.Grant{{Role: mes.Lead, Line: "L1"}}}
	want = "kind  person\nid    p\nname  Ann\n\nGRANTS\nROLE  LINE\nlead  L1\n"
	if got := forPeople(actor); got != want {
		t.Errorf("a thing:\n%s", got)
	}
	long := strings.Repeat("what to do next ", 10) + "ends here"
	if got := forPeople(keyShown{NextStep: long}); !strings.Contains(got, long) {
		t.Errorf("a long line of a thing is cut:\n%s", got)
	}
}

func TestExitStatuses(t *testing.T) {
	for code, want := range map[mes.Code]int{
		mes.Invalid: 2, mes.TooLarge: 2, mes.NotFound: 3, mes.Denied: 4, mes.Unauthenticated: 4, mes.Refused: 5, mes.Conflict: 5,
		mes.Busy: 75, mes.Unavailable: 75, mes.Internal: 1,
	} {
		if got := mes.ExitStatus(mes.Faultf(code, "x")); got != want {
			t.Errorf("%s: %d", code, got)
		}
		if p := problemOf(mes.Faultf(code, "x")); p.Status == 0 || p.Title == "" || p.Code != code {
			t.Errorf("%s: %+v", code, p)
		}
	}
	if mes.ExitStatus(nil) != 0 || mes.ExitStatus(io.EOF) != 1 {
		t.Error("no error, or not a fault")
	}
	if p := problemOf(io.ErrUnexpectedEOF); strings.Contains(p.Detail, "EOF") {
		t.Errorf("something internal is shown: %+v", p)
	}
}
