package keys

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// What authenticator apps expect when nothing else is said (RFC 6238): six digits of HMAC-SHA-1 every 30 seconds.
const (
	totpPeriod = 30 // seconds of a time step
	totpSecret = 20 // bytes, as many as SHA-1 uses
	totpDigits = 6

	// totpSkew is how many steps the phone's clock may be off, either way.
	totpSkew = 1
)

// NewTOTP makes the secret of a new authenticator for an account, and the address that puts it into an app, by hand
// or through [QR]. Both are shown to the owner once; what is stored of the secret is sealed with [Pepper.Seal].
func NewTOTP(issuer, account string) (secret, uri string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: account, SecretSize: totpSecret})
	if err != nil {
		return "", "", fmt.Errorf("make an authenticator's secret: %w", err)
	}
	// The address is written here because everything that goes without saying makes the QR code larger, and it has
	// to fit into a terminal of 24 rows.
	label := labelPart(issuer) + ":" + labelPart(account)
	return key.Secret(), "otpauth://totp/" + label + "?secret=" + key.Secret() + "&issuer=" + url.QueryEscape(issuer), nil
}

// labelPart writes a name so that the colon between issuer and account stays the only one.
func labelPart(name string) string { return strings.ReplaceAll(url.PathEscape(name), ":", "%3A") }

// CheckTOTP tells whether a code is the one that an authenticator with the secret shows at a moment, one step of 30
// seconds early or late included. A step up to after does not count any more: store the step of a right code, and give
// it as after the next time, so that no code works twice. Spaces in the code are left out, as apps show them.
func CheckTOTP(secret, code string, at time.Time, after int64) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "")
	now := at.Unix() / totpPeriod
	for candidate := now - totpSkew; candidate <= now+totpSkew; candidate++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(candidate), hotp.ValidateOpts{Digits: otp.Digits(totpDigits), Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false
		}
		// Every candidate is compared, whichever is right: the time tells nothing.
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && candidate > after {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// QR draws an address as a QR code: rows of modules, true for dark. The quiet zone around it, four light modules wide,
// is left to whoever shows it. Errors: an address too long for one code.
func QR(uri string) ([][]bool, error) {
	code, err := qr.Encode(uri, qr.L, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	bounds := code.Bounds()
	rows := make([][]bool, bounds.Dy())
	for y := range rows {
		rows[y] = make([]bool, bounds.Dx())
		for x := range rows[y] {
			brightness, _, _, _ := code.At(bounds.Min.X+x, bounds.Min.Y+y).RGBA()
			rows[y][x] = brightness == 0
		}
	}
	return rows, nil
}
