package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

func TestKeyUses(t *testing.T) {
	uses := &keyUses{last: map[mes.ID]keyUse{}}
	begin := time.Unix(1_800_000_000, 0)
	for i, step := range []struct {
		at     time.Duration
		key    mes.ID
		source string
		tell   bool
	}{
		{0, "a", "here", false}, {time.Minute, "a", "here", false}, {2 * time.Minute, "b", "there", false},
		{3 * time.Minute, "a", "there", true},                                         // two places
		{4 * time.Minute, "a", "here", false}, {50 * time.Minute, "a", "here", false}, // said already
		{51 * time.Minute, "a", "there", false}, {63 * time.Minute, "a", "there", false},
		{64 * time.Minute, "a", "here", true},                                                             // an hour later it is said again
		{80 * time.Minute, "b", "here", false},                                                            // it has moved, long ago
		{80*time.Minute + twoPlacesWithin - 1, "b", "there", true},                                        // still two
		{200 * time.Minute, "b", "there", false}, {200*time.Minute + twoPlacesWithin, "b", "here", false}, // just one after the other
	} {
		if other, tell := uses.note(step.key, step.source, begin.Add(step.at)); tell != step.tell || tell && (other == step.source || other == "") {
			t.Errorf("step %d: %q, %v", i+1, other, tell)
		}
	}
	for i := range keyringSize + 100 {
		uses.note(mes.ID(fmt.Sprint("key", i)), "here", begin.Add(5*time.Hour))
	}
	if len(uses.last) > keyringSize {
		t.Errorf("%d keys are remembered", len(uses.last))
	}
}

// A key in two places raises an alert, once, and goes on working.
func TestKeyInTwoPlaces(t *testing.T) {
	p := newPlant(t)
	key := p.apiKey(keys.MachineKey, mes.Grant{Role: mes.Feeder})
	for range 3 {
		for _, source := range []string{"127.0.0.3", "127.0.0.4", "127.0.0.5"} {
			a := p.call(p.clientFrom(source), key.Reveal(), "POST", "/v1/machines/M1/state", `{"state":"running"}`)
			if a.status != 200 {
				t.Errorf("from %s: %d %s", source, a.status, a.body)
			}
		}
	}
	var alerts []mes.Entry
	for _, e := range p.entries(100) {
		if e.Command == "alert.raise" {
			alerts = append(alerts, e)
		}
	}
	if len(alerts) != 1 {
		t.Fatalf("%d alerts", len(alerts))
	}
	e := alerts[0]
	for _, want := range []string{"key_in_two_places", "127.0.0.3", "127.0.0.4"} {
		if !strings.Contains(string(e.Detail), want) {
			t.Errorf("the alert does not say %s: %s", want, e.Detail)
		}
	}
	if e.Subject != "api_key/"+key.ID || e.Key != mes.ID(key.ID) || e.View != mes.ActivityLog || e.Outcome != mes.Done {
		t.Errorf("the alert: %+v", e)
	}
}
