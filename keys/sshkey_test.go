package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func mustSSHKey(t *testing.T, comment string) *SSHKey {
	t.Helper()
	key, err := NewSSHKey(comment)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestHostKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host")
	first, err := LoadOrCreateHostKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateHostKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() != again.Fingerprint() {
		t.Errorf("the host was %s and is %s after a restart", first.Fingerprint(), again.Fingerprint())
	}
	wantPrivate(t, path)
	wantAlone(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateHostKey(path); !errors.Is(err, ErrExposed) {
		t.Errorf("a host key that all may read: got %v, want ErrExposed", err)
	}
}

func TestHostKeyRefusesOtherContent(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(curve, "")
	if err != nil {
		t.Fatal(err)
	}
	good := string(mustSSHKey(t, "").PEM())
	for what, text := range map[string]string{
		"nothing":      "",
		"text":         "not a key",
		"cut off":      good[:len(good)/2],
		"another type": string(pem.EncodeToMemory(block)),
	} {
		path := filepath.Join(t.TempDir(), "host")
		writeFile(t, path, text, 0o600)
		if _, err := LoadOrCreateHostKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", what, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("%s: the file was changed", what)
		}
	}
}

func TestStationKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "station")
	key := mustSSHKey(t, "station K-07")
	if err := key.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	wantPrivate(t, path)
	if err := key.WriteFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written twice: got %v, want fs.ErrExist", err)
	}
	loaded, err := LoadSSHKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Fingerprint() != key.Fingerprint() {
		t.Error("another key was read than written")
	}
	public, comment, err := ParseAuthorizedKey(key.AuthorizedKey())
	if err != nil || comment != "station K-07" {
		t.Fatalf("comment %q, %v", comment, err)
	}
	signature, err := loaded.Signer().Sign(rand.Reader, []byte("handshake"))
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Verify([]byte("handshake"), signature); err != nil {
		t.Error(err)
	}
	if _, err := LoadSSHKey(path + "-missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	if _, err := NewSSHKey("two\nlines"); err == nil {
		t.Error("a comment of two lines was accepted")
	}
}

func TestSSHKeyHidesItself(t *testing.T) {
	key := mustSSHKey(t, "station")
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", key, key, key), string(text)} {
		if strings.Contains(shown, "PRIVATE") || strings.Contains(shown, "pem") {
			t.Errorf("%q tells the key", shown)
		}
	}
	key.PEM()[0] = 'x'
	if key.PEM()[0] == 'x' {
		t.Error("a caller can change the key")
	}
}

// A widely known host key and the fingerprint that is published with it.
func TestParseAuthorizedKey(t *testing.T) {
	const (
		blob  = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
		print = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
	)
	for line, want := range map[string]string{
		"ssh-ed25519 " + blob:                          "",
		"ssh-ed25519 " + blob + " anna@laptop":         "anna@laptop",
		"  ssh-ed25519 " + blob + " anna at home \r\n": "anna at home",
		"ssh-ed25519\t" + blob + "\tanna@laptop":       "anna@laptop",
	} {
		key, comment, err := ParseAuthorizedKey(line)
		if err != nil || comment != want || Fingerprint(key) != print {
			t.Errorf("%q: got %q, %v", line, comment, err)
		}
	}
	for what, line := range map[string]string{
		"nothing":          "",
		"a comment":        "# ssh-ed25519 " + blob,
		"a blob alone":     blob,
		"cut off":          "ssh-ed25519 " + blob[:40],
		"another type":     "ssh-rsa " + blob,
		"two keys":         "ssh-ed25519 " + blob + "\nssh-ed25519 " + blob,
		"an option":        `command="sh" ssh-ed25519 ` + blob,
		"a source":         `from="10.0.0.0/8" ssh-ed25519 ` + blob,
		"an authority":     "cert-authority ssh-ed25519 " + blob,
		"a NUL":            "ssh-ed25519 " + blob + " anna\x00",
		"endless text":     "ssh-ed25519 " + blob + " " + strings.Repeat("x", 1<<16),
		"a private key":    string(mustSSHKey(t, "").PEM()),
		"something longer": "ssh-ed25519 " + blob[:len(blob)-1] + "lAAAA",
	} {
		if key, _, err := ParseAuthorizedKey(line); err == nil {
			t.Errorf("%s was accepted as %s", what, key.Type())
		}
	}
}

func TestCheckPublicKey(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		key  any
		good bool
	}{
		{"ed25519", ed, true},
		{"P-256", curveKey(t, elliptic.P256()), true},
		{"P-384", curveKey(t, elliptic.P384()), false},
		{"P-521", curveKey(t, elliptic.P521()), false},
		{"RSA 1024", rsaKey(1024), false},
		{"RSA 2048", rsaKey(2048), false},
		{"RSA 3071", rsaKey(3071), false},
		{"RSA 3072", rsaKey(3072), true},
		{"RSA 4096", rsaKey(4096), true},
		{"RSA 8192", rsaKey(8192), true},
	} {
		key, err := ssh.NewPublicKey(c.key)
		if err != nil {
			t.Fatal(c.what, err)
		}
		checkBoth(t, c.what, key, c.good)
	}
}

func TestCheckPublicKeySecurityKeys(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hardware, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type  string
		Key   []byte
		Realm string
	}{ssh.KeyAlgoSKED25519, ed, "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	checkBoth(t, "sk-ed25519", hardware, true)

	point, err := curveKey(t, elliptic.P256()).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	hardware, err = ssh.ParsePublicKey(ssh.Marshal(struct {
		Type  string
		Curve string
		Key   []byte
		Realm string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	checkBoth(t, "sk-ecdsa", hardware, false)
}

func TestCheckPublicKeyRefusesCertificatesAndDSA(t *testing.T) {
	authority := mustSSHKey(t, "")
	certificate := &ssh.Certificate{Key: authority.Signer().PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, authority.Signer()); err != nil {
		t.Fatal(err)
	}
	checkBoth(t, "certificate", certificate, false)

	old := ssh.Marshal(struct {
		Type       string
		P, Q, G, Y *big.Int
	}{ssh.InsecureKeyAlgoDSA, odd(1024), odd(160), big.NewInt(4), big.NewInt(9)})
	if _, _, err := ParseAuthorizedKey("ssh-dss " + base64.StdEncoding.EncodeToString(old)); err == nil {
		t.Error("a DSA key was accepted")
	}
}

// checkBoth checks a key itself and in its text form.
func checkBoth(t *testing.T, what string, key ssh.PublicKey, good bool) {
	t.Helper()
	err := CheckPublicKey(key)
	if good != (err == nil) || (err != nil && !errors.Is(err, ErrWeakKey)) {
		t.Errorf("%s: got %v", what, err)
	}
	if _, _, err := ParseAuthorizedKey(string(ssh.MarshalAuthorizedKey(key))); good != (err == nil) {
		t.Errorf("%s as text: got %v", what, err)
	}
}

func curveKey(t *testing.T, curve elliptic.Curve) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

// rsaKey looks like a public key of a size. Finding real primes would take seconds.
func rsaKey(bits uint) *rsa.PublicKey {
	return &rsa.PublicKey{N: odd(bits), E: 65537}
}

// odd is an odd number of exactly so many bits.
func odd(bits uint) *big.Int {
	return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1))
}

func FuzzParseAuthorizedKey(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@laptop")
	f.Add("ecdsa-sha2-nistp256 AAAA")
	f.Add(`command="x y" ssh-rsa AAAA`)
	f.Fuzz(func(t *testing.T, line string) {
		key, _, err := ParseAuthorizedKey(line)
		if err == nil && CheckPublicKey(key) != nil {
			t.Errorf("%q was accepted", line)
		}
	})
}
