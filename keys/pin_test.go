package keys

import (
	"errors"
	"testing"
)

func TestCheckPIN(t *testing.T) {
	for pin, good := range map[string]bool{
		"481516": true, "112233": true, "123457": true, "019283746510": true, "104799": true, "9081726354": true,
		"": false, "48151": false, "4815162342481": false, "48151a": false, "48 516": false, "-48151": false, "٤٨١٥١٦": false, "481516\n": false,
		"000000": false, "777777777777": false, "121212": false, "123123": false, "48154815": false,
		"123456": false, "654321": false, "456789": false, "890123": false, "210987": false, "0123456789": false,
		"001047": false, "104700": false,
	} {
		err := CheckPIN(pin, "B-001047-00", "anna")
		if good != (err == nil) {
			t.Errorf("%q: got %v", pin, err)
		}
		if weak := (*Weak)(nil); err != nil && !errors.As(err, &weak) {
			t.Errorf("%q: %v is not a Weak", pin, err)
		}
	}
}
