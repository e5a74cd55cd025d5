package keys

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func mustAuthority(t *testing.T, folder string, now time.Time, names ...string) *Authority {
	t.Helper()
	authority, err := LoadAuthority(folder, names, now)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func (a *Authority) leaf() *x509.Certificate { return a.server.Load().Leaf }

func TestAuthorityAtFirstStart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	authority := mustAuthority(t, folder, testNow, "MES.plant.example.", "10.20.0.5")
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v, %v", info.Mode(), err)
	}
	for _, file := range []string{authorityKeyFile, authorityCertFile, serverFile} {
		wantPrivate(t, filepath.Join(folder, file))
	}
	if authority.File() != filepath.Join(folder, "ca.pem") {
		t.Errorf("clients are given %s", authority.File())
	}
	if years := authority.Expires().Sub(testNow) / (365 * day); years != 10 {
		t.Errorf("the authority lasts %d years", years)
	}
	leaf := authority.leaf()
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life < 90*day || life > 397*day {
		t.Errorf("the server certificate lasts %v", life)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.cert)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "mes.plant.example", "10.20.0.5"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: testNow}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if host, err := os.Hostname(); err == nil && cleanName(host) != "" {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Errorf("this machine: %v", err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "other.example", Roots: roots, CurrentTime: testNow}); err == nil {
		t.Error("the certificate is good for a name that was never given")
	}
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("the server could sign certificates")
	}
}

func TestAuthorityStaysTheSame(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	first := mustAuthority(t, folder, testNow, "mes.plant.example", "10.20.0.5")
	again := mustAuthority(t, folder, testNow.Add(300*day), "10.20.0.5", "MES.plant.example", "mes.plant.example")
	if !first.cert.Equal(again.cert) || !first.leaf().Equal(again.leaf()) {
		t.Error("a restart made new certificates")
	}
	if renewed, err := again.Renew(testNow.Add(301 * day)); renewed || err != nil {
		t.Errorf("renewed early: %v, %v", renewed, err)
	}
}

func TestServerCertificateIsRenewed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	first := mustAuthority(t, folder, testNow)
	old := first.leaf()
	aging := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), testNow)
	before := aging.leaf()
	if renewed, err := aging.Renew(before.NotAfter.Add(-30 * day)); renewed || err != nil {
		t.Errorf("with 30 days left: renewed %v, %v", renewed, err)
	}
	if renewed, err := aging.Renew(before.NotAfter.Add(-30*day + time.Second)); !renewed || err != nil {
		t.Errorf("with less than 30 days left: renewed %v, %v", renewed, err)
	}
	if !aging.leaf().NotAfter.After(before.NotAfter) || aging.ServerExpires() != aging.leaf().NotAfter {
		t.Error("the new certificate lasts no longer than the old one")
	}
	named := mustAuthority(t, folder, testNow, "mes.plant.example")
	if named.leaf().Equal(old) || !slices.Contains(named.leaf().DNSNames, "mes.plant.example") {
		t.Error("a new name did not make a new certificate")
	}
	if !named.cert.Equal(first.cert) {
		t.Error("a new name made a new authority")
	}
	if fewer := mustAuthority(t, folder, testNow); slices.Contains(fewer.leaf().DNSNames, "mes.plant.example") {
		t.Error("a name that was taken away is still in the certificate")
	}
	if late := mustAuthority(t, folder, testNow.Add(500*day)); late.leaf().NotAfter.Before(testNow.Add(500 * day)) {
		t.Error("after the certificate ran out it was kept")
	}
	if back := mustAuthority(t, folder, testNow); back.leaf().NotBefore.After(testNow) {
		t.Error("a certificate of the future was kept")
	}
}

func TestAuthorityRunsOut(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	end := mustAuthority(t, folder, testNow).Expires()
	last := mustAuthority(t, folder, end.Add(-10*day))
	if last.leaf().NotAfter.After(end) {
		t.Error("the server certificate outlives its authority")
	}
	if renewed, err := last.Renew(end.Add(-day)); renewed || err != nil {
		t.Errorf("in the last days: renewed %v, %v, though it cannot last longer", renewed, err)
	}
	if _, err := last.Renew(end.Add(time.Second)); err == nil || !strings.Contains(err.Error(), "ran out") {
		t.Errorf("after the end: got %v", err)
	}
	if _, err := LoadAuthority(folder, nil, end.Add(time.Second)); err == nil {
		t.Error("an authority that has run out was loaded")
	}
}

func TestAuthorityGoesOnAfterAnInterruptedStart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tls")
	first := mustAuthority(t, folder, testNow)
	for _, file := range []string{authorityCertFile, serverFile} { // written after the key
		if err := os.Remove(filepath.Join(folder, file)); err != nil {
			t.Fatal(err)
		}
	}
	again := mustAuthority(t, folder, testNow)
	if !again.key.Equal(first.key) || again.cert.Subject.String() != first.cert.Subject.String() {
		t.Error("another authority was made beside the first one's key")
	}
	// Clients that have the first certificate still trust what the second signs.
	if err := again.leaf().CheckSignatureFrom(first.cert); err != nil {
		t.Error(err)
	}
}

func TestAuthorityRefuses(t *testing.T) {
	stranger := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), testNow)
	for what, harm := range map[string]func(folder string) error{
		"no key":        func(folder string) error { return os.Remove(filepath.Join(folder, authorityKeyFile)) },
		"a damaged key": func(folder string) error { return os.Truncate(filepath.Join(folder, authorityKeyFile), 50) },
		"another's key": func(folder string) error {
			return os.Rename(stranger.path(authorityKeyFile), filepath.Join(folder, authorityKeyFile))
		},
		"a damaged certificate": func(folder string) error { return os.Truncate(filepath.Join(folder, authorityCertFile), 50) },
		"an open key":           func(folder string) error { return os.Chmod(filepath.Join(folder, authorityKeyFile), 0o640) },
		"an open server key":    func(folder string) error { return os.Chmod(filepath.Join(folder, serverFile), 0o604) },
		"a damaged server key":  func(folder string) error { return os.Truncate(filepath.Join(folder, serverFile), 50) },
		"an open folder":        func(folder string) error { return os.Chmod(folder, 0o755) },
	} {
		folder := filepath.Join(t.TempDir(), "tls")
		mustAuthority(t, folder, testNow)
		if err := harm(folder); err != nil {
			t.Fatal(what, err)
		}
		_, err := LoadAuthority(folder, nil, testNow)
		if err == nil || !strings.Contains(err.Error(), folder) || errors.Is(err, ErrExposed) != strings.Contains(what, "open") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for _, name := range []string{"", " ", "*.example", "two words", "under_score", "-dash", "a..b", "http://mes", "10.0.0.0/8", "mes:8443", strings.Repeat("a", 64)} {
		if _, err := LoadAuthority(filepath.Join(t.TempDir(), "tls"), []string{name}, testNow); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
}

// A server certificate that another authority signed is not presented.
func TestServerCertificateOfAnotherAuthority(t *testing.T) {
	stranger := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), testNow)
	folder := filepath.Join(t.TempDir(), "tls")
	mustAuthority(t, folder, testNow)
	if err := os.Rename(stranger.path(serverFile), filepath.Join(folder, serverFile)); err != nil {
		t.Fatal(err)
	}
	again := mustAuthority(t, folder, testNow)
	if err := again.leaf().CheckSignatureFrom(again.cert); err != nil {
		t.Error(err)
	}
}
