package keys

import (
	"encoding/base32"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// The test vectors of RFC 6238 for SHA-1, their last six digits.
func TestCheckTOTPMatchesStandard(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for seconds, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if step, ok := CheckTOTP(secret, code, time.Unix(seconds, 0), 0); !ok || step != seconds/30 {
			t.Errorf("at %d: step %d, %v", seconds, step, ok)
		}
		if _, ok := CheckTOTP(secret, code[:3]+" "+code[3:], time.Unix(seconds, 0), 0); !ok {
			t.Errorf("at %d: the code with a space is refused", seconds)
		}
	}
}

func TestCheckTOTPWindow(t *testing.T) {
	secret, _, err := NewTOTP("gemba", "B-1047")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	for late, want := range map[time.Duration]bool{
		-61 * time.Second: false, -30 * time.Second: true, -time.Second: true, 0: true, 29 * time.Second: true, 59 * time.Second: true,
		60 * time.Second: false, time.Hour: false,
	} {
		if _, ok := CheckTOTP(secret, code, at.Add(late), 0); ok != want {
			t.Errorf("a code used %v after it was made: %v", late, ok)
		}
	}
}

func TestCheckTOTPWorksOnce(t *testing.T) {
	secret, _, err := NewTOTP("gemba", "B-1047")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	step, ok := CheckTOTP(secret, code, at, 0)
	if !ok {
		t.Fatal("a right code is refused")
	}
	if _, ok := CheckTOTP(secret, code, at, step); ok {
		t.Error("the code works twice")
	}
	if _, ok := CheckTOTP(secret, code, at.Add(totpPeriod*time.Second), step+1); ok {
		t.Error("a code from before the last one works")
	}
	next, err := totp.GenerateCode(secret, at.Add(totpPeriod*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if later, ok := CheckTOTP(secret, next, at, step); !ok || later != step+1 {
		t.Error("the next code is refused")
	}
}

func TestCheckTOTPRefuses(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	at := time.Unix(59, 0)
	for _, code := range []string{"", "28708", "2870820", "287083", "28708O", "２８７０８２", "287082\n", "-287082", strings.Repeat("287082", 1000)} {
		if _, ok := CheckTOTP(secret, code, at, 0); ok {
			t.Errorf("%.20q is accepted", code)
		}
	}
	for _, broken := range []string{"not base32!", "\x00"} {
		if _, ok := CheckTOTP(broken, "287082", at, 0); ok {
			t.Errorf("secret %q is accepted", broken)
		}
	}
	if _, ok := CheckTOTP(secret, "287082", at, math.MaxInt64); ok {
		t.Error("a code is accepted after the last step of all")
	}
}

func TestNewTOTP(t *testing.T) {
	secret, uri, err := NewTOTP("Werk: Nord", "Anna Berger/1047")
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil || len(raw) != totpSecret {
		t.Errorf("the secret has %d bytes, %v", len(raw), err)
	}
	parsed, err := url.Parse(uri)
	if err != nil || parsed.Scheme != "otpauth" || parsed.Host != "totp" {
		t.Fatalf("%s: %v", uri, err)
	}
	if label := strings.TrimPrefix(parsed.EscapedPath(), "/"); strings.Count(label, ":") != 1 || parsed.Path != "/Werk: Nord:Anna Berger/1047" {
		t.Errorf("the label is %s", label)
	}
	if q := parsed.Query(); q.Get("secret") != secret || q.Get("issuer") != "Werk: Nord" {
		t.Errorf("the address says %v", q)
	}
	other, _, err := NewTOTP("gemba", "1047")
	if err != nil || other == secret {
		t.Errorf("two secrets are equal, %v", err)
	}
	if _, _, err := NewTOTP("gemba", ""); err == nil {
		t.Error("an authenticator of nobody was made")
	}
}

// A code is a square with its three finders, small enough for a terminal of 24 rows, two modules to a row.
func TestQR(t *testing.T) {
	_, uri, err := NewTOTP("gemba", "B-104711")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := QR(uri)
	if err != nil {
		t.Fatal(err)
	}
	size := len(modules)
	if size%4 != 1 || size < 21 || (size+1)/2 > 22 {
		t.Errorf("%d modules", size)
	}
	for _, corner := range [][2]int{{0, 0}, {0, size - 7}, {size - 7, 0}} {
		for y := range 7 {
			for x := range 7 {
				ring := max(max(3-y, y-3), max(3-x, x-3))
				if modules[corner[0]+y][corner[1]+x] != (ring != 2) {
					t.Fatalf("no finder at %v", corner)
				}
			}
		}
	}
	for i := 8; i < size-8; i++ {
		if modules[6][i] != (i%2 == 0) || modules[i][6] != (i%2 == 0) {
			t.Errorf("no timing pattern at %d", i)
		}
	}
	for _, row := range modules {
		if len(row) != size {
			t.Fatal("it is not a square")
		}
	}
	if _, err := QR(strings.Repeat("x", 4000)); err == nil {
		t.Error("an address of 4,000 characters was drawn")
	}
}

func FuzzCheckTOTP(f *testing.F) {
	f.Add("GEZDGNBVGY3TQOJQ", "287082", int64(59), int64(0))
	f.Add("", "", int64(-1), int64(-1))
	f.Fuzz(func(t *testing.T, secret, code string, at, after int64) {
		if step, ok := CheckTOTP(secret, code, time.Unix(at, 0), after); ok && step <= after {
			t.Errorf("step %d after %d", step, after)
		}
	})
}
