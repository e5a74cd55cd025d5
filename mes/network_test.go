package mes

import (
	"slices"
	"testing"
)

func TestNetworks(t *testing.T) {
	for _, test := range []struct {
		given  []string
		want   []string
		inside []string
		beyond []string
	}{
		{nil, nil, []string{"10.0.0.1", "2001:db8::1", "not an address", ""}, nil},
		{[]string{"10.1.2.3/24"}, []string{"10.1.2.0/24"}, []string{"10.1.2.0", "10.1.2.255", "::ffff:10.1.2.9"}, []string{"10.1.3.0", "2001:db8::1", "", "10.1.2.1:80", "pipe"}},
		{[]string{"10.1.2.3", "10.1.2.3"}, []string{"10.1.2.3"}, []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"10.1.2.4", "::10.1.2.3"}},
		{[]string{"::ffff:10.1.2.3", "2001:DB8:0:0::/48"}, []string{"10.1.2.3", "2001:db8::/48"}, []string{"10.1.2.3", "2001:db8:0:ffff::1", "2001:db8::1%eth0"}, []string{"2001:db8:1::"}},
		{[]string{"0.0.0.0/0"}, []string{"0.0.0.0/0"}, []string{"10.0.0.1"}, []string{"2001:db8::1"}},
	} {
		got, err := checkNetworks(test.given)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, %v", test.given, got, err)
		}
		for _, source := range test.inside {
			if !InNetworks(got, source) {
				t.Errorf("%q is not in %q", source, got)
			}
		}
		for _, source := range test.beyond {
			if InNetworks(got, source) {
				t.Errorf("%q is in %q", source, got)
			}
		}
	}
	for _, wrong := range []string{"", "10.1.2", "10.1.2.0/33", "host.example", "10.1.2.0/24 ", "fe80::1%eth0", "fe80::1%eth0/64", "::ffff:10.1.2.3/120", "10.1.2.0/-1"} {
		if _, err := checkNetworks([]string{wrong}); ErrorCode(err) != Invalid {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := checkNetworks(make([]string, 21)); ErrorCode(err) != Invalid {
		t.Error("21 networks were taken")
	}
}
