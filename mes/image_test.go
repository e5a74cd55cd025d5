package mes

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever an order or a credential holds comes back from its image, and a secret does not stand in it.
func TestImageOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).UTC()
		want := Operation{
			ID: ID(rapid.String().Draw(t, "id")), Name: rapid.String().Draw(t, "name"), State: OpHeld, Optional: rapid.Bool().Draw(t, "optional"),
			Good: rapid.Int64().Draw(t, "good"), Seq: rapid.Int().Draw(t, "seq"), Sessions: []ID{"a", ID(rapid.String().Draw(t, "session"))},
			StartedAt: at, Hold: Hold{Type: "quality", Reason: rapid.String().Draw(t, "reason"), At: at}, Version: 3,
		}
		image, err := imageOf(&want)
		if err != nil {
			t.Fatal(err)
		}
		var got, plain Operation
		if err := json.Unmarshal(image, &got); err != nil {
			t.Fatalf("%s: %v", image, err)
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, plain) {
			t.Fatalf("%s came back as\n%+v, want\n%+v", image, got, plain)
		}
	})
	image, err := imageOf(&Credential{ID: "p/pin", Hash: "$argon2id$secret"})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := json.Marshal(Secret("$argon2id$secret"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"p/pin","hash":` + string(digest) + `}`; string(image) != want {
		t.Errorf("the image of a credential is %s, want %s", image, want)
	}
	if image, err := imageOf(&Order{}); err != nil || string(image) != "{}" {
		t.Errorf("the image of nothing is %s, %v", image, err)
	}
}
