package main

import (
	"strings"
	"testing"
	"time"
)

func TestEnvironmentNames(t *testing.T) {
	options := knownOptions(newRootCommand())
	for set, want := range map[string]string{
		"GEMBA_SSH=10.0.0.1:22":             "",
		"GEMBA_STORE_CA=ca.pem":             "",
		"GEMBA_CONFIG=gemba.toml":           "",
		"GEMBA_PUBLIC_ACK=":                 "",
		"PATH=/bin":                         "",
		"GEMBASSH=nothing of ours":          "",
		"GEMBA_SESIONS=4":                   "GEMBA_SESIONS, but there is GEMBA_SESSIONS",
		"GEMBA_TOPT=off":                    "GEMBA_TOPT, but there is GEMBA_TOTP",
		"GEMBA_ssh=10.0.0.1:22":             "GEMBA_ssh, but there is GEMBA_SSH",
		"GEMBA_PASSWORD=correct horse":      "GEMBA_PASSWORD",
		"GEMBA_DANGEROUSLY_SKIP_SIGN_IN=on": "GEMBA_DANGEROUSLY_SKIP_SIGN_IN; ",
	} {
		err := knownEnvironment([]string{"HOME=/root", set}, options)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", set, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %s", set, err, want)
		case want != "" && statusOf(err) != 78:
			t.Errorf("%s: status %d", set, statusOf(err))
		case want != "" && strings.Contains(err.Error(), "correct horse"):
			t.Errorf("%s: the message repeats the value: %v", set, err)
		}
	}
}

func TestSlips(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"sesions", "sessions", 1}, {"totp", "topt", 1}, {"abc", "cba", 2}, {"same", "same", 0}} {
		if got := slips(test.a, test.b); got != test.want {
			t.Errorf("%s to %s: %d, want %d", test.a, test.b, got, test.want)
		}
		if got := slips(test.b, test.a); got != test.want {
			t.Errorf("%s to %s: %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestCheckExposure(t *testing.T) {
	for _, test := range []struct {
		ssh, api string
		ack      []string
		wrong    string // part of the message, "" when it is right
	}{
		{"127.0.0.1:2222", "127.0.0.1:8443", nil, ""},
		{"10.1.2.3:22", "[fd00::1]:443", nil, ""},
		{"0.0.0.0:22", "127.0.0.1:1", nil, "0.0.0.0"},
		{"[::]:22", "127.0.0.1:1", nil, "every network"},
		{"[::ffff:0.0.0.0]:22", "127.0.0.1:1", nil, "every network"},
		{":22", "127.0.0.1:1", nil, "--ssh"},
		{"127.0.0.1:1", "8.8.8.8:443", nil, "public"},
		{"127.0.0.1:1", "[2001:4860:4860::8888]:443", nil, "public"},
		{"127.0.0.1:1", "8.8.8.8:443", []string{"8.8.8.8:443"}, ""},
		{"0.0.0.0:22", "127.0.0.1:1", []string{"0.0.0.0:22"}, ""},
		{"0.0.0.0:22", "127.0.0.1:1", []string{"0.0.0.0:23"}, "0.0.0.0"},
		{"0.0.0.0:22", "0.0.0.0:443", []string{"0.0.0.0:22"}, "--api"},
		{"127.0.0.1:1", "127.0.0.1:2", []string{"8.8.8.8:443"}, "no door"},
		{"nonsense", "127.0.0.1:2", []string{"nonsense"}, "not an address"},
		{"plant.example:22", "127.0.0.1:2", []string{"plant.example:22"}, "not an IP address"},
	} {
		err := checkExposure(map[string]string{"ssh": test.ssh, "api": test.api}, test.ack)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestParseSources(t *testing.T) {
	sources, err := parseSources([]string{"10.1.2.3/16", "192.168.1.7", "fd00::/8"})
	if err != nil || len(sources) != 3 || sources[0].String() != "10.1.0.0/16" || sources[1].String() != "192.168.1.7/32" {
		t.Errorf("%v %v", sources, err)
	}
	for _, wrong := range []string{"", "10.1", "10.0.0.0/33", "plant", "0.0.0.0/0", "::/0", "10.0.0.0/8,"} {
		if got, err := parseSources([]string{wrong}); err == nil {
			t.Errorf("%q is taken for %v", wrong, got)
		}
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "1d": 24 * time.Hour} {
		var d days
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v %v", text, time.Duration(d), err)
		}
		var again days
		if err := again.Set(d.String()); err != nil || again != d {
			t.Errorf("%s is written %s", text, d.String())
		}
	}
	for _, wrong := range []string{"", "d", "-1d", "0d", "0s", "-5h", "1.5d", "99999999d", "month"} {
		var d days
		if err := d.Set(wrong); err == nil {
			t.Errorf("%q is taken for %v", wrong, d.String())
		}
	}
}
