package security

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestTiming is group C: how long a refusal takes tells nothing about why.
func TestTiming(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	samples := 6
	if *full {
		samples = 500
	}
	// An account that is locked, and one that is disabled.
	together(4, 11, func(int) { s.try(newSource(), "1002", "some-wrong-secret-text") })
	s.mustRun(t, "9001", "person disable 5002 reason='left'", nil)
	kinds := map[string]struct{ badge, password string }{
		"unknown":  {"1999", "some-wrong-secret-text"},
		"known":    {"", "some-wrong-secret-text"}, // another badge each time, so that none is locked
		"locked":   {"1002", s.person("1002").Password},
		"disabled": {"5002", s.person("5002").Password},
	}
	names := []string{"unknown", "known", "locked", "disabled"}
	known := []string{"1001", "1003", "1004", "1005", "1006", "1007", "2001", "2002", "3001", "3002", "3003", "4001", "4002"}
	took := map[string][]float64{}
	for i := range samples {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		measured := make([]float64, len(names))
		// All at once: whatever else this machine does then, it does to all of them.
		together(len(names), len(names), func(n int) {
			kind := kinds[names[n]]
			if kind.badge == "" {
				kind.badge = known[i%len(known)]
			}
			began := time.Now()
			_, err := s.dialConfig(newSource(), &ssh.ClientConfig{User: kind.badge, Auth: []ssh.AuthMethod{ssh.Password(kind.password)}})
			measured[n] = time.Since(began).Seconds()
			if err == nil {
				t.Errorf("%s was let in", names[n])
			}
		})
		for n, name := range names {
			took[name] = append(took[name], measured[n])
		}
	}
	for i, a := range names {
		measure(t, "refusal of somebody "+a+", median seconds", median(took[a]))
		for _, b := range names[i+1:] {
			difference := math.Abs(median(took[a]) - median(took[b]))
			right := difference < 0.05*median(took[a]) || rankSum(took[a], took[b]) > 0.01
			checkThat(t, "C", a+" and "+b+" take the same time", right, "%.3f and %.3f s, p = %.4f", median(took[a]), median(took[b]), rankSum(took[a], took[b]))
		}
	}

	// Keys of the API: one that nobody was given, one with a wrong end, one that was revoked.
	key, id := s.issue(t, "viewer", "")
	other, _ := s.issue(t, "viewer", "")
	s.mustRun(t, "9001", "key revoke "+id, nil)
	forged := withChecksum(other[:len(other)-10] + "0000")
	took = map[string][]float64{}
	c := s.caller(t)
	c.call(s.key("erp"), "GET", "/v1/me", "") // the connection is there before it counts
	tries := samples
	if *full {
		tries = 50
	}
	for range tries {
		for name, text := range map[string]string{"revoked": key, "forged": forged} {
			began := time.Now()
			a := c.call(text, "GET", "/v1/me", "")
			took[name] = append(took[name], time.Since(began).Seconds())
			if a.status != 401 && a.status != 429 {
				t.Errorf("a %s key: %s", name, a.outcome())
			}
			if a.status == 429 {
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
	right := math.Abs(median(took["revoked"])-median(took["forged"])) < 0.002 || rankSum(took["revoked"], took["forged"]) > 0.01
	checkThat(t, "C", "revoked and forged keys take the same time", right, "%.4f and %.4f s", median(took["revoked"]), median(took["forged"]))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// rankSum is the p of the Mann-Whitney test, two-sided, in the normal approximation.
func rankSum(a, b []float64) float64 {
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x < y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	z := (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}
