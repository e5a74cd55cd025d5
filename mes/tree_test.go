package mes

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCheckpoint_text(t *testing.T) {
	c := Checkpoint{Writer: "node 1+2\nx", N: 3, Root: "cm9vdA==", Hash: "ab12", At: time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC), Rows: map[Kind]int64{KindSample: 12, KindAlarm: 3}}
	want := "gemba/node%201%2B2%0Ax\n3\ncm9vdA==\nhash ab12\nat 2026-11-23T12:00:00.005Z\nrows \"alarm\" 3\nrows \"sample\" 12\n"
	if c.Text() != want {
		t.Errorf("%q", c.Text())
	}
}

func TestAnchor_isReadBack(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := Checkpoint{Writer: "node1", N: 3, Root: "r", Hash: "h", At: at, Rows: map[Kind]int64{KindSample: 1}, Note: "n\n"}
	change, err := Anchor("node2", at, c)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := change.Entry.Anchored()
	if err != nil || !ok || !reflect.DeepEqual(got, c) {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	if change.Entry.Kind != BySystem || change.Entry.Subject != "ledger/node1" || change.Receipt.By != change.Entry.Actor {
		t.Errorf("%+v", change.Entry)
	}
	var detail Detail
	if err := json.Unmarshal(change.Entry.Detail, &detail); err != nil || GivenDigest(AnchorCommand, detail.Given) != change.Receipt.Digest {
		t.Errorf("the digest is not that of what was given: %v", err)
	}
	again, err := Anchor("node2", at.Add(time.Hour), c)
	if err != nil || again.Receipt.ID != change.Receipt.ID || again.Receipt.Digest != change.Receipt.Digest {
		t.Errorf("the same checkpoint would be taken twice: %+v, %v", again, err)
	}
	other, err := Anchor("node3", at, c)
	if err != nil || other.Receipt.ID == change.Receipt.ID {
		t.Errorf("two nodes share an anchor: %v", err)
	}
	if _, ok, _ := (&Entry{Command: "order.create", Outcome: Done}).Anchored(); ok {
		t.Error("an order is taken for an anchor")
	}
	if _, _, err := (&Entry{Command: AnchorCommand, Outcome: Done, Detail: json.RawMessage("x")}).Anchored(); err == nil {
		t.Error("an anchor without a detail is taken")
	}
}

// The digest of what an entry keeps is the one that its receipt has, for every way a command is written down.
func TestGivenDigest(t *testing.T) {
	value := 1.5
	for _, c := range []Command{
		&CreateOrder{Number: "1", Product: "P1", Quantity: 3},
		&Ingest{Machine: "M1", Samples: []SampleEvent{{Tag: "load", Value: &value}}},
		&Ingest{Machine: "M1", Samples: []SampleEvent{{Tag: "load", Value: &value}}, Digest: strings.Repeat("a", 32)},
		&SetCredential{Person: "p1", Kind: "password", Hash: "secret"},
	} {
		given, digest, err := writtenDown(SpecOf(c), c)
		if err != nil {
			t.Fatal(err)
		}
		if got := GivenDigest(SpecOf(c).Name, given); got != digest {
			t.Errorf("%T: %s, want %s", c, got, digest)
		}
	}
}
