package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Times of certificates. A server certificate stays below the 398 days that strict clients accept.
const (
	day               = 24 * time.Hour
	authorityLifetime = 10 * 365 * day
	serverLifetime    = 397 * day
	renewBefore       = 30 * day
	// backdated forgives clients whose clock is a little slow.
	backdated = time.Hour
)

// Files in an authority's folder.
const (
	authorityKeyFile  = "ca.key"
	authorityCertFile = "ca.pem"
	serverFile        = "server.pem" // private key and certificate together, so that they change together
)

// An Authority is the site's own certificate authority with the certificate of this server. No other party vouches
// for anything: clients are given the file [Authority.File] and trust what it signed. It is safe for concurrent use.
type Authority struct {
	folder string
	names  []string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate

	renewing sync.Mutex
	server   atomic.Pointer[tls.Certificate]
}

// LoadAuthority reads the authority and the server certificate in a folder, making what is missing: at first start
// all of it. The certificate is valid for localhost, the loopback addresses, this machine's host name and the given
// names (DNS names or IP addresses), and is made anew when it runs out within 30 days or the names have changed.
//
// The folder has mode 0700 and its files 0600. Errors: [ErrExposed]; names that no certificate can carry; an
// authority that is damaged, half there or has run out.
func LoadAuthority(folder string, names []string, now time.Time) (*Authority, error) {
	names, err := certificateNames(names)
	if err != nil {
		return nil, err
	}
	if err := makePrivateFolder(folder); err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	a := &Authority{folder: folder, names: names}
	if err := a.loadRoot(now); err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	if err := a.loadServer(); err != nil {
		return nil, fmt.Errorf("load server certificate: %w", err)
	}
	if _, err := a.Renew(now); err != nil {
		return nil, err
	}
	return a, nil
}

// File is the path of the authority's certificate in PEM form. It is not secret: copy it to every client.
func (a *Authority) File() string { return a.path(authorityCertFile) }

// Expires tells when the authority's certificate runs out. Every client needs a new one before that.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// ServerExpires tells when the server certificate in use runs out.
func (a *Authority) ServerExpires() time.Time { return a.server.Load().Leaf.NotAfter }

// Renew makes a new server certificate when the one in use runs out within 30 days or does not carry exactly the
// names that it should, and tells whether it did. New connections use it at once. A server that runs for long calls
// this once a day.
func (a *Authority) Renew(now time.Time) (renewed bool, err error) {
	a.renewing.Lock()
	defer a.renewing.Unlock()
	if now.After(a.cert.NotAfter) {
		return false, fmt.Errorf("the certificate authority ran out on %s; move %s away, start again and give clients the new %s",
			a.cert.NotAfter.Format(time.DateOnly), a.folder, authorityCertFile)
	}
	if current := a.server.Load(); current != nil && a.good(current.Leaf, now) {
		return false, nil
	}
	if err := a.issue(now); err != nil {
		return false, fmt.Errorf("make server certificate: %w", err)
	}
	return true, nil
}

// good tells whether a server certificate can stay in use.
func (a *Authority) good(leaf *x509.Certificate, now time.Time) bool {
	if leaf.CheckSignatureFrom(a.cert) != nil || !slices.Equal(namesOf(leaf), a.names) || now.Before(leaf.NotBefore) {
		return false
	}
	// In the authority's own last days a new certificate would last no longer.
	return leaf.NotAfter.Sub(now) >= renewBefore || (now.Before(leaf.NotAfter) && leaf.NotAfter.Equal(a.cert.NotAfter))
}

// loadRoot reads the authority's key and certificate, or makes them.
func (a *Authority) loadRoot(now time.Time) error {
	keyPath, certPath := a.path(authorityKeyFile), a.path(authorityCertFile)
	text, err := os.ReadFile(certPath) // a certificate is no secret
	if errors.Is(err, fs.ErrNotExist) {
		text, err = a.createRoot(now)
	}
	if err != nil {
		return err
	}
	keyText, err := readPrivate(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there but %s is missing; restore it from a backup", certPath, keyPath)
	}
	if err != nil {
		return err
	}
	if a.key, _, err = decodePrivateKey[*ecdsa.PrivateKey](keyText); err != nil {
		return fmt.Errorf("%s: %w; restore it from a backup", keyPath, err)
	}
	if a.cert, err = decodeCertificate(text); err != nil {
		return fmt.Errorf("%s: %w; restore it from a backup", certPath, err)
	}
	if !a.key.PublicKey.Equal(a.cert.PublicKey) || !a.cert.IsCA {
		return fmt.Errorf("%s and %s do not belong together; restore both from a backup", certPath, keyPath)
	}
	return nil
}

// createRoot makes the authority's key, unless it is already there, and then its certificate, which it returns.
// When the power fails in between, the next start goes on with the same key.
func (a *Authority) createRoot(now time.Time) ([]byte, error) {
	keyText, err := loadOrCreate(a.path(authorityKeyFile), func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return encodePrivateKey(key)
	})
	if err != nil {
		return nil, err
	}
	key, _, err := decodePrivateKey[*ecdsa.PrivateKey](keyText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup", a.path(authorityKeyFile), err)
	}
	template, err := rootTemplate(&key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return loadOrCreate(a.path(authorityCertFile), func() ([]byte, error) { return encodeCertificate(der), nil })
}

// rootTemplate describes the authority's certificate. Its name is made from its key, so that two plants' authorities
// are told apart and the same key always has the same name.
func rootTemplate(key *ecdsa.PublicKey, now time.Time) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	return &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{CommonName: "gemba authority " + hex.EncodeToString(sum[:4])},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil
}

// loadServer reads the server's key and certificate if there are any.
func (a *Authority) loadServer() error {
	path := a.path(serverFile)
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	certificate, err := decodeServer(text)
	if err != nil {
		return fmt.Errorf("%s: %w; remove it and start again, and a new one is made", path, err)
	}
	a.server.Store(certificate)
	return nil
}

// issue makes a new key and certificate for the server, stores them and takes them into use.
func (a *Authority) issue(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{CommonName: "gemba server"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(serverLifetime - backdated),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, name := range a.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	text, err := encodePrivateKey(key)
	if err != nil {
		return err
	}
	text = append(text, encodeCertificate(der)...)
	certificate, err := decodeServer(text)
	if err != nil {
		return err
	}
	if err := replacePrivate(a.path(serverFile), text); err != nil {
		return err
	}
	a.server.Store(certificate)
	return nil
}

func (a *Authority) path(file string) string { return filepath.Join(a.folder, file) }

// certificateNames completes, checks and sorts the names that a server certificate carries.
func certificateNames(given []string) ([]string, error) {
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, name := range given {
		clean := cleanName(name)
		if clean == "" {
			return nil, fmt.Errorf("%q is neither a DNS name nor an IP address; correct the server's names", name)
		}
		names = append(names, clean)
	}
	// A host name that cannot stand in a certificate (an underscore, say) is not what clients connect to.
	if host, err := os.Hostname(); err == nil {
		if clean := cleanName(host); clean != "" {
			names = append(names, clean)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// cleanName returns the one form in which a DNS name or IP address is compared, or nothing when it is neither.
func cleanName(name string) string {
	if ip := net.ParseIP(name); ip != nil {
		return ip.String()
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(name) > 253 {
		return ""
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return ""
		}
	}
	return name
}

// namesOf lists what a certificate is valid for, in the form and order of certificateNames.
func namesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return names
}

// serialNumber is random, positive and at most 16 bytes long.
func serialNumber() *big.Int {
	serial := random(16)
	serial[0] = serial[0]&0x7f | 0x40
	return new(big.Int).SetBytes(serial)
}

// decodeServer reads a private key and its certificate from one text.
func decodeServer(text []byte) (*tls.Certificate, error) {
	key, rest, err := decodePrivateKey[*ecdsa.PrivateKey](text)
	if err != nil {
		return nil, err
	}
	leaf, err := decodeCertificate(rest)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("its key and certificate do not belong together")
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
