package keys

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// encodePrivateKey gives the PEM form (PKCS #8) of a private key.
func encodePrivateKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// decodePrivateKey reads a private key of type K in PEM form (PKCS #8) and returns what follows it in the text.
func decodePrivateKey[K any](text []byte) (key K, rest []byte, err error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return key, nil, errors.New("it does not begin with a PRIVATE KEY block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return key, nil, fmt.Errorf("its private key is damaged: %w", err)
	}
	key, ok := parsed.(K)
	if !ok {
		return key, nil, fmt.Errorf("it holds a %T where a %T is needed", parsed, key)
	}
	return key, rest, nil
}

// encodeCertificate gives the PEM form of a certificate.
func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// decodeCertificate reads one certificate in PEM form.
func decodeCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it does not hold a certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("its certificate is damaged: %w", err)
	}
	return cert, nil
}
