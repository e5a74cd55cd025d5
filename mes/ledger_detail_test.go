package mes

import (
	"encoding/json"
	"reflect"
	"testing"
)

// A detail put together by hand is the same JSON that the library writes.
func TestDetailText(t *testing.T) {
	full := Detail{
		Given: json.RawMessage(`{"order":"1001"}`), Result: json.RawMessage(`{"state":"closed"}`),
		Odd:     []Oddity{{"overlap", `two "sessions" at once`}},
		Rows:    []RowImage{{KindOrder, "a\"b", nil, json.RawMessage(`{"id":1}`)}, {KindProduct, "é", json.RawMessage(`{"v":1}`), json.RawMessage(`{"v":2}`)}},
		Batches: []BatchImage{{KindSample, 3}},
	}
	for _, d := range []Detail{{}, {Given: full.Given}, {Rows: full.Rows}, {Rows: full.Rows[:1], Batches: full.Batches}, {Odd: full.Odd}, full} {
		got, err := d.text()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("wrote\n%s, want\n%s", got, want)
		}
		var back Detail
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, d) {
			t.Errorf("%s reads back as %+v (%v)", got, back, err)
		}
	}
}
