package keys

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// ServerConfig is the TLS configuration of our HTTPS server: TLS 1.3, or 1.2 with forward secrecy and authenticated
// encryption only. It always presents the newest certificate that [Authority.Renew] made.
func (a *Authority) ServerConfig() *tls.Config {
	config := modernTLS()
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.server.Load(), nil }
	return config
}

// ClientConfig is the TLS configuration of our own HTTPS clients. They trust the authority in the PEM file caFile,
// as [Authority.File] names it, and nobody else: not the authorities of the operating system either.
func ClientConfig(caFile string) (*tls.Config, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	config := modernTLS()
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s does not hold a certificate in PEM form; copy the server's %s there", caFile, authorityCertFile)
	}
	return config, nil
}

// modernTLS is what both sides have in common. The first curve is safe from quantum computers too.
func modernTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // for 1.2; those of 1.3 are all good and not configurable
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256},
	}
}
