package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gemba/mes"
)

// told is what a line says, written short: key=value, key!level/code/severity/qualifier/text, or #ignored.
func told(l shdrLine) string {
	var parts []string
	for _, v := range l.values {
		if c := v.condition; c != nil {
			parts = append(parts, v.key+"!"+strings.Join([]string{c.level, c.code, c.severity, c.qualifier, c.text}, "/"))
		} else {
			parts = append(parts, v.key+"="+v.value)
		}
	}
	if l.ignored != "" {
		parts = append(parts, "#"+l.ignored)
	}
	return strings.Join(parts, " ")
}

func TestSHDRParser_forms(t *testing.T) {
	for _, test := range []struct{ name, text, at, want string }{
		{"one value", "2021-04-01T06:00:00Z|speed|120", "06:00:00", "speed=120"},
		{"pairs", "2021-04-01T06:00:00.1234567Z|a|1|b|x y|c|", "06:00:00.1234567", "a=1 b=x y c="},
		{"nanoseconds", "2021-04-01T06:00:00.123456789Z|a|1", "06:00:00.123456789", "a=1"},
		{"offset", "2021-04-01T08:00:00+02:00|a|1", "06:00:00", "a=1"},
		{"no zone is UTC", "2021-04-01T06:00:00.5|a|1", "06:00:00.5", "a=1"},
		{"duration", "2021-04-01T06:00:00Z@12.5|a|1", "06:00:00", "a=1"},
		{"no time", "|a|1", "", "a=1"},
		{"no time and no bar", "a|1|b|2", "", "a=1 b=2"},
		{"carriage return", "2021-04-01T06:00:00Z|a|1\r", "06:00:00", "a=1"},
		{"spaces", "2021-04-01T06:00:00Z| a | 1 ", "06:00:00", "a=1"},
		{"value missing", "2021-04-01T06:00:00Z|a", "06:00:00", "a="},
		{"fault", "2021-04-01T06:00:00Z|temp|FAULT|E7|3|HIGH|too hot", "06:00:00", "temp!fault/E7/3/HIGH/too hot"},
		{"normal", "2021-04-01T06:00:00Z|temp|NORMAL||||", "06:00:00", "temp!normal////"},
		{"lower case", "2021-04-01T06:00:00Z|temp|warning|1|||", "06:00:00", "temp!warning/1///"},
		{"condition that is cut short", "2021-04-01T06:00:00Z|temp_cond|NORMAL", "06:00:00", "temp_cond!normal////"},
		{"unavailable condition", "2021-04-01T06:00:00Z|temp|UNAVAILABLE||||", "06:00:00", "temp!unavailable////"},
		{"unavailable value", "2021-04-01T06:00:00Z|a|UNAVAILABLE|b|UNAVAILABLE|c|1", "06:00:00", "a=UNAVAILABLE b=UNAVAILABLE c=1"},
		{"two conditions", "2021-04-01T06:00:00Z|t|NORMAL|||||u|FAULT|9||LOW|cold", "06:00:00", "t!normal//// u!fault/9//LOW/cold"},
		{"a value called normal", "2021-04-01T06:00:00Z|mode|NORMAL|b|2", "06:00:00", "mode=NORMAL b=2"},
		{"message", "2021-04-01T06:00:00Z|note|M12|change the tool", "06:00:00", "note=M12: change the tool"},
		{"quoted bars", `2021-04-01T06:00:00Z|temp|FAULT|E7|3|HIGH|"hot \| very"`, "06:00:00", "temp!fault/E7/3/HIGH/hot | very"},
		{"a quotation mark", `2021-04-01T06:00:00Z|size|3/4"|b|"x`, "06:00:00", `size=3/4" b="x`},
		{"asset", "2021-04-01T06:00:00Z|@ASSET@|T1|CuttingTool|<CuttingTool/>", "06:00:00", "#asset"},
		{"asset removed", "2021-04-01T06:00:00Z|@REMOVE_ALL_ASSETS@|CuttingTool", "06:00:00", "#remove_all_assets"},
		{"pong", "* PONG 10000", "", "#command"},
		{"command", "*adapterVersion:2", "", "#command"},
		{"blank", "  ", "", "#empty"},
		{"no time at all", "tomorrow|a|1", "", "#malformed"},
		{"impossible time", "2021-13-41T06:00:00Z|a|1", "", "#malformed"},
		{"before 1970", "1921-04-01T06:00:00Z|a|1", "", "#malformed"},
		{"only a time", "2021-04-01T06:00:00Z", "", "#malformed"},
		{"one word", "hello", "", "#malformed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, complete := newSHDRParser().parse(test.text)
			at := ""
			if !line.at.IsZero() {
				at = line.at.Format("15:04:05.999999999")
			}
			if !complete || told(line) != test.want || line.ignored == "" && at != test.at {
				t.Errorf("%q at %q, want %q at %q", told(line), at, test.want, test.at)
			}
		})
	}
}

func TestSHDRParser_remembersConditions(t *testing.T) {
	p := newSHDRParser()
	var got []string
	for _, text := range []string{"|temp|FAULT|E7|3|HIGH|hot", "|temp|NORMAL", "|temp|UNAVAILABLE", "|speed|UNAVAILABLE"} {
		line, _ := p.parse(text)
		got = append(got, told(line))
	}
	if want := []string{"temp!fault/E7/3/HIGH/hot", "temp!normal////", "temp!unavailable////", "speed=UNAVAILABLE"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSHDRParser_manyLines(t *testing.T) {
	p := newSHDRParser()
	var got []string
	for _, text := range []string{
		"2021-04-01T06:00:00Z|@ASSET@|T1|CuttingTool|--multiline--AB", "<Tool>", "2021-04-01T06:00:01Z|a|1", "--multiline--XY", "--multiline--AB",
		"2021-04-01T06:00:02Z|program|--multiline--C", "G0 X1", "G1 X2", "--multiline--C", "2021-04-01T06:00:03Z|a|2",
	} {
		if line, complete := p.parse(text); complete {
			got = append(got, told(line))
		}
	}
	if want := []string{"#asset", "program=G0 X1\nG1 X2", "a=2"}; !slices.Equal(got, want) || p.unfinished() {
		t.Errorf("%q, want %q", got, want)
	}
}

// smallStream has of everything that a machine says: states, counts, alarms, samples, a late line, two values of one
// moment, an asset and a command.
const smallStream = `2021-04-01T06:00:00.0000001Z|avail|AVAILABLE|fmode|PRODUCTION|estop|ARMED|execution|READY|partcount|7
2021-04-01T06:00:00.0000001Z|temp|NORMAL||||
2021-04-01T06:00:01Z|execution|ACTIVE|speed|100
2021-04-01T06:00:01Z|speed|101
2021-04-01T06:00:02Z|fmode|SETUP
2021-04-01T06:00:03Z|execution|FEED_HOLD
2021-04-01T06:00:04Z|fmode|PRODUCTION
2021-04-01T06:00:05Z|partcount|8|program|
2021-04-01T06:00:04.5Z|speed|50
2021-04-01T06:00:06Z|temp|FAULT|E7|3|HIGH|too hot
2021-04-01T06:00:07Z|estop|TRIGGERED
2021-04-01T06:00:08Z|estop|ARMED|execution|STOPPED
2021-04-01T06:00:08.5Z|@REMOVE_ASSET@|T1
* PONG 1000
2021-04-01T06:00:09Z|execution|UNAVAILABLE|partcount|UNAVAILABLE
`

func itemsOf(text string, execution, count []string) *itemizer {
	z, p := newItemizer("L1", execution, count), newSHDRParser()
	for _, line := range strings.Split(text, "\n") {
		if l, complete := p.parse(line); complete {
			z.add(l.values, l.at)
		}
	}
	return z
}

func TestItemizer_states(t *testing.T) {
	var got []string
	for _, s := range itemsOf(smallStream, nil, nil).out.States {
		got = append(got, fmt.Sprintf("%s %s %s", s.At.Format("05.9999999"), s.State, s.Raw))
	}
	want := []string{
		"00.0000001 idle READY", "01 running ACTIVE", "02 setup SETUP", "03 setup FEED_HOLD", "04 held PRODUCTION",
		"07 down TRIGGERED", "08 held ARMED", "08 down STOPPED", "09 unknown UNAVAILABLE",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want\n%q", got, want)
	}
}

func TestItemizer_valuesOfOneMomentKeepTheirOrder(t *testing.T) {
	z := itemsOf(smallStream, nil, nil)
	var got []string
	for _, s := range z.out.Samples {
		if s.Tag == "speed" {
			got = append(got, fmt.Sprintf("%s #%d %v", s.At.Format("05.9"), s.Ord, *s.Value))
		}
	}
	if want := []string{"01 #0 100", "01 #1 101", "04.5 #0 50"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i, s := range z.out.States {
		if i > 0 && s.At.Equal(z.out.States[i-1].At.Time) && s.Ord != z.out.States[i-1].Ord+1 {
			t.Errorf("states of one moment have the order %d after %d", s.Ord, z.out.States[i-1].Ord)
		}
	}
}

func TestItemizer_counters(t *testing.T) {
	text := "|cell:PartCountAct|5|mycount|3|PartCountBad|1|p2|4.0|Path2:execution|WAIT|PartCountGood|-1\n|state|FEED_HOLD|partcount|5.5"
	z := itemsOf(text, []string{"state"}, []string{"mycount=pallets", "p2"})
	var counts, states []string
	for _, c := range z.out.Counts {
		counts = append(counts, fmt.Sprintf("%s %d", c.Counter, c.Value))
	}
	for _, s := range z.out.States {
		states = append(states, string(s.State))
	}
	if want := []string{"total 5", "pallets 3", "reject 1", "p2 4"}; !slices.Equal(counts, want) {
		t.Errorf("counts %q, want %q", counts, want)
	}
	if want := []string{"waiting", "held"}; !slices.Equal(states, want) {
		t.Errorf("states %q, want %q", states, want)
	}
	if len(z.out.Samples) != 2 {
		t.Errorf("what is no count is not kept as a value: %+v", z.out.Samples)
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "-0.5e3": true, "+7": true, "": false, "NaN": false, "Inf": false, "0x10": false, "1_000": false, "1e999": false, "1 2": false, "e": false} {
		if _, ok := number(text); ok != want {
			t.Errorf("%q is a number: %v", text, ok)
		}
	}
}

func TestItemizer_takesBatches(t *testing.T) {
	z := itemsOf(smallStream, nil, nil)
	all, sum := z.pending(), 0
	for z.pending() > 0 {
		b := z.take(4)
		n := len(b.States) + len(b.Counts) + len(b.Alarms) + len(b.Samples)
		if sum += n; n > 4 || n == 0 || b.Machine != "L1" {
			t.Fatalf("a batch of %d for %q", n, b.Machine)
		}
	}
	if tally := z.tally; sum != all || all != tally.States+tally.Counts+tally.Alarms+tally.Samples {
		t.Errorf("%d of %d items came out, tally %+v", sum, all, tally)
	}
}

// adapted runs gemba adapter shdr and reads its summary.
func adapted(t *testing.T, a *plantAPI, target string, args ...string) (adapterSummary, error) {
	t.Helper()
	out, errs, err := a.gemba(t, t.Context(), append([]string{"shdr", target, "--machine", "L1", "--json"}, args...)...)
	var s adapterSummary
	if bad := json.Unmarshal([]byte(out), &s); bad != nil && err == nil {
		t.Fatalf("%v: %s %s", bad, out, errs)
	}
	return s, err
}

// stored is what the store has of the machine.
func (a *plantAPI) stored(t *testing.T) mes.MachineTotals {
	t.Helper()
	got, err := a.app.MachineTotals(t.Context(), mes.Actor{ID: "t", Grants: []mes.Grant{{Role: mes.Viewer}}}, "L1")
	if err != nil {
		t.Fatal(err)
	}
	return *got
}

func writeStream(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "machine.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAdapter_fileArrivesWholeAndOnce(t *testing.T) {
	a := newPlantAPI(t, mes.Feeder)
	path := writeStream(t, smallStream)
	first, err := adapted(t, a, path, "--batch", "5")
	if err != nil {
		t.Fatal(err)
	}
	want := adapterTally{States: 9, Counts: 2, Alarms: 2, Samples: 11, Late: 1, Ignored: map[string]int{"command": 1, "remove_asset": 1, "empty_value": 1}}
	if want.Lines = strings.Count(smallStream, "\n"); !reflect.DeepEqual(first.adapterTally, want) {
		t.Errorf("told %+v, want %+v", first.adapterTally, want)
	}
	got := a.stored(t)
	if got.States != 9 || got.Counts != 2 || got.Alarms != 2 || got.Samples != 11 || first.Stored != 24 || first.Rejected != 0 {
		t.Errorf("stored %+v, summary %+v", got, first)
	}
	for _, batch := range []string{"5", "3", "1000"} { // the same batches, and others of the same lines
		again, err := adapted(t, a, path, "--batch", batch)
		if err != nil || again.Stored != 0 || !reflect.DeepEqual(a.stored(t), got) {
			t.Errorf("again in batches of %s: %+v, %v, store %+v", batch, again, err, a.stored(t))
		}
	}
}

func TestAdapter_waitsForTheServer(t *testing.T) {
	a := newPlantAPI(t, mes.Feeder)
	a.refuse = func(w http.ResponseWriter, n int64) bool {
		away := n > 1 && n < 5
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	}
	a.lose = func(n int64) bool { return n == 6 }
	if s, err := adapted(t, a, writeStream(t, smallStream), "--batch", "5"); err != nil || a.stored(t).Samples != 11 {
		t.Errorf("%+v, %v, store %+v", s, err, a.stored(t))
	}
}

func TestAdapter_failsClearly(t *testing.T) {
	a := newPlantAPI(t, mes.Feeder)
	if _, err := adapted(t, a, "/nowhere/at:all"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("no file and no address: %v", err)
	}
	_, _, err := a.gemba(t, t.Context(), "shdr", writeStream(t, smallStream), "--machine", "NOBODY")
	if err == nil || !strings.Contains(err.Error(), "NOBODY") {
		t.Errorf("a machine that is not there: %v", err)
	}
	s, err := adapted(t, a, writeStream(t, "2921-04-01T06:00:00Z|speed|1\n2021-04-01T06:00:00Z|speed|1\n"))
	if err == nil || s.Rejected != 1 || s.Stored != 1 {
		t.Errorf("a value of the future: %+v, %v", s, err)
	}
	if _, err := adapted(t, newPlantAPI(t, mes.Viewer), writeStream(t, smallStream)); mes.ErrorCode(err) != mes.Denied {
		t.Errorf("a viewer's key: %v", err)
	}
}

// TestAdapter_socket speaks to a machine that answers pings, breaks off, comes back, and is told to stop.
func TestAdapter_socket(t *testing.T) {
	a := newPlantAPI(t, mes.Feeder)
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	machine := make(chan error, 1)
	go func() {
		machine <- func() error {
			for visit := range 2 {
				conn, err := door.Accept()
				if err != nil {
					return err
				}
				ping, err := bufio.NewReader(conn).ReadString('\n')
				if err != nil || ping != "* PING\n" {
					return fmt.Errorf("greeted with %q, %v", ping, err)
				}
				fmt.Fprintf(conn, "* PONG 5000\n2021-04-01T06:00:0%dZ|execution|ACTIVE|speed|%d\n", visit, visit)
				if visit == 0 {
					conn.Close()
					continue
				}
				for a.stored(t).Samples < 2 { // the rest is sent after a moment, without being asked
					time.Sleep(20 * time.Millisecond)
				}
				stop()
				conn.Close()
			}
			return nil
		}()
	}()
	out, errs, err := a.gemba(t, ctx, "shdr", door.Addr().String(), "--machine", "L1", "--json")
	if err != nil {
		t.Fatal(err, errs)
	}
	if err := <-machine; err != nil {
		t.Fatal(err)
	}
	if got := a.stored(t); got.States != 3 || got.Samples != 2 { // the lost connection is a state of its own
		t.Errorf("stored %+v, said %s", got, out)
	}
}

func FuzzSHDRParser(f *testing.F) {
	f.Add(smallStream)
	f.Add("2021-04-01T06:00:00Z|@ASSET@|1|--multiline--A\nx\n--multiline--A\n|a|\"b\\|c\"|d\n*\n||\n|")
	f.Fuzz(func(t *testing.T, text string) {
		z := itemsOf(text, nil, nil)
		for _, s := range z.out.Samples {
			if s.Tag == "" && s.Value == nil && s.Text == "" || len([]rune(s.Text)) > 1000 {
				t.Errorf("sends %+v", s)
			}
		}
		for _, c := range z.out.Counts {
			if c.Value < 0 || !codeForm.MatchString(c.Counter) {
				t.Errorf("sends %+v", c)
			}
		}
		if _, err := json.Marshal(z.take(mes.MaxBatch)); err != nil {
			t.Error(err)
		}
	})
}
