package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrBadSignature is reported when a signature is not of this message by this key.
var ErrBadSignature = errors.New("signature does not match")

const (
	// signatureContext stands before every message that is signed, so that a signature on a ledger head can never
	// pass as one on something else.
	signatureContext = "gemba ledger head 1\n"

	verifyKeyBrand = "gemba-ledger-key"
	keyNameSize    = 4 // bytes of the public key's hash that name it
)

// A SigningKey is the ed25519 key with which one node signs the heads of its ledger chain.
type SigningKey struct {
	private ed25519.PrivateKey
}

// A VerifyKey is the public half of a [SigningKey]. Its text form is handed to the other nodes and to auditors.
type VerifyKey struct {
	public ed25519.PublicKey
}

// LoadOrCreateSigningKey reads the node's signing key, making the file (PKCS #8, mode 0600) at first start. An
// existing file is never changed. Errors: [ErrExposed], and a plain one when the file holds no ed25519 key.
func LoadOrCreateSigningKey(path string) (*SigningKey, error) {
	text, err := loadOrCreate(path, func() ([]byte, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return encodePrivateKey(private)
	})
	if err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	private, _, err := decodePrivateKey[ed25519.PrivateKey](text)
	if err != nil {
		return nil, fmt.Errorf("load signing key: %s: %w; restore it from a backup", path, err)
	}
	return &SigningKey{private: private}, nil
}

// Public is the key that checks this key's signatures.
func (k *SigningKey) Public() VerifyKey {
	return VerifyKey{public: k.private.Public().(ed25519.PublicKey)}
}

// Sign signs a ledger head. The signature is 91 base64 characters: four bytes that name the key, then the ed25519
// signature.
func (k *SigningKey) Sign(head []byte) string {
	signature := ed25519.Sign(k.private, signed(head))
	return base64.RawStdEncoding.EncodeToString(append(k.Public().name(), signature...))
}

// String names the key without revealing it.
func (k *SigningKey) String() string { return "signing key " + k.Public().ID() }

// GoString names the key without revealing it.
func (k *SigningKey) GoString() string { return k.String() }

// Verify checks a signature on a ledger head. The error is [ErrBadSignature]; it says so when another key signed.
func (v VerifyKey) Verify(head []byte, signature string) error {
	if len(v.public) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: there is no key to check it with", ErrBadSignature)
	}
	raw, err := decodeBase64(signature)
	if err != nil || len(raw) != keyNameSize+ed25519.SignatureSize {
		return fmt.Errorf("%w: it is damaged", ErrBadSignature)
	}
	name, raw := raw[:keyNameSize], raw[keyNameSize:]
	if !bytes.Equal(name, v.name()) {
		return fmt.Errorf("%w: it was made with key %s, not %s", ErrBadSignature, hex.EncodeToString(name), v.ID())
	}
	if !ed25519.Verify(v.public, signed(head), raw) {
		return ErrBadSignature
	}
	return nil
}

// ID names the key in a few characters: eight hexadecimal digits of its hash.
func (v VerifyKey) ID() string { return hex.EncodeToString(v.name()) }

// String is the key's text form, "gemba-ledger-key:<id>:<base64>", which [ParseVerifyKey] reads.
func (v VerifyKey) String() string {
	return verifyKeyBrand + ":" + v.ID() + ":" + base64.RawStdEncoding.EncodeToString(v.public)
}

// ParseVerifyKey reads a key in its text form. The id in it must be the key's own, which finds typing errors.
func ParseVerifyKey(text string) (VerifyKey, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 || parts[0] != verifyKeyBrand {
		return VerifyKey{}, fmt.Errorf("a ledger key looks like %s:<id>:<key>", verifyKeyBrand)
	}
	public, err := decodeBase64(parts[2])
	if err != nil || len(public) != ed25519.PublicKeySize {
		return VerifyKey{}, errors.New("the ledger key is cut off or damaged; copy it again, whole")
	}
	key := VerifyKey{public: public}
	if key.ID() != parts[1] {
		return VerifyKey{}, fmt.Errorf("the ledger key does not belong to its id %q; copy it again, whole", parts[1])
	}
	return key, nil
}

func (v VerifyKey) name() []byte {
	sum := sha256.Sum256(v.public)
	return sum[:keyNameSize]
}

// signed is what is really signed for a head.
func signed(head []byte) []byte { return append([]byte(signatureContext), head...) }
