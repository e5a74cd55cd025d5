package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Bounds of RSA keys, in bits. Below the first they are too weak; above the second, checking one signature keeps a
// processor busy, which an attacker can ask for many times.
const (
	weakestRSA = 3072
	largestRSA = 8192
)

// longestAuthorizedKey bounds a line with a public key, in bytes. RSA of 8,192 bits needs 1.4 kB and a comment.
const longestAuthorizedKey = 4096

// ErrWeakKey is reported for a public key of a kind or size that is not accepted.
var ErrWeakKey = errors.New("SSH key is not accepted; use ed25519 (ssh-keygen -t ed25519)")

// An SSHKey is a private ed25519 key of an SSH host, a station or a person.
type SSHKey struct {
	signer  ssh.Signer
	comment string
	pem     []byte
}

// NewSSHKey makes a random key. The comment, such as the station's code, is kept in its file and shown in lists; it
// is not secret.
func NewSSHKey(comment string) (*SSHKey, error) {
	if strings.ContainsAny(comment, "\r\n\x00") {
		return nil, errors.New("the comment of an SSH key is one line of text")
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		return nil, fmt.Errorf("make SSH key: %w", err)
	}
	return &SSHKey{signer: signer, comment: comment, pem: pem.EncodeToMemory(block)}, nil
}

// LoadOrCreateHostKey reads the key by which this node is recognised by SSH clients, making the file (mode 0600) at
// first start. An existing file is never changed: clients that know the old key would rightly refuse the new one.
// Errors: [ErrExposed], [ErrWeakKey] for anything but ed25519.
func LoadOrCreateHostKey(path string) (*SSHKey, error) {
	text, err := loadOrCreate(path, func() ([]byte, error) {
		key, err := NewSSHKey("gemba host key")
		if err != nil {
			return nil, err
		}
		return key.pem, nil
	})
	if err != nil {
		return nil, fmt.Errorf("load SSH host key: %w", err)
	}
	return parseSSHKey(path, text)
}

// LoadSSHKey reads a private ed25519 key without passphrase from an OpenSSH private key file that only its owner may
// read. The comment in the file is not read.
func LoadSSHKey(path string) (*SSHKey, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("load SSH key: %w", err)
	}
	return parseSSHKey(path, text)
}

func parseSSHKey(path string, text []byte) (*SSHKey, error) {
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s does not hold a usable SSH private key: %w", path, err)
	}
	if signer.PublicKey().Type() != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("%s holds a key of type %s: %w", path, signer.PublicKey().Type(), ErrWeakKey)
	}
	return &SSHKey{signer: signer, pem: text}, nil
}

// WriteFile writes the key as an OpenSSH private key file with mode 0600, for ssh -i. It never replaces a file: the
// error is then [fs.ErrExist].
func (k *SSHKey) WriteFile(path string) error {
	return createPrivate(path, k.pem)
}

// Signer is what an SSH server or client signs with.
func (k *SSHKey) Signer() ssh.Signer { return k.signer }

// PEM gives the private key itself in OpenSSH's form, for servers that want it so. Keep it out of logs.
func (k *SSHKey) PEM() []byte { return bytes.Clone(k.pem) }

// AuthorizedKey gives the public key and the comment as one line, without newline.
func (k *SSHKey) AuthorizedKey() string {
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())), "\n")
	if k.comment != "" {
		line += " " + k.comment
	}
	return line
}

// Fingerprint names the key as ssh-keygen -l does.
func (k *SSHKey) Fingerprint() string { return Fingerprint(k.signer.PublicKey()) }

// String names the key without revealing it.
func (k *SSHKey) String() string { return k.Fingerprint() }

// GoString names the key without revealing it.
func (k *SSHKey) GoString() string { return k.String() }

// Fingerprint names a public key as ssh-keygen -l does: "SHA256:" and 43 base64 characters.
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// ParseAuthorizedKey reads a public key as it stands in a .pub file: one line of type, key and perhaps a comment.
// Options in front of the key are refused, because gemba would not obey them. Weak keys are refused as
// [CheckPublicKey] does.
func ParseAuthorizedKey(line string) (key ssh.PublicKey, comment string, err error) {
	line = strings.TrimSpace(line)
	if len(line) > longestAuthorizedKey || strings.ContainsAny(line, "\r\n\x00") {
		return nil, "", fmt.Errorf("an SSH public key is one line of at most %d characters", longestAuthorizedKey)
	}
	key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, "", errors.New("this is not an SSH public key; paste the one line of the .pub file")
	}
	if len(options) > 0 {
		return nil, "", errors.New("an SSH public key with options is not accepted; leave out what stands before its type")
	}
	if err := CheckPublicKey(key); err != nil {
		return nil, "", err
	}
	return key, comment, nil
}

// CheckPublicKey tells whether people and stations may sign in with a key: ed25519, ed25519 in a security key,
// ECDSA on P-256, or RSA of 3,072 to 8,192 bits. Certificates are not accepted. The error is [ErrWeakKey] with what
// is wrong.
func CheckPublicKey(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519:
		return nil
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSA:
	default:
		return fmt.Errorf("key of type %s: %w", key.Type(), ErrWeakKey)
	}
	holder, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return fmt.Errorf("key of type %s cannot be examined: %w", key.Type(), ErrWeakKey)
	}
	switch public := holder.CryptoPublicKey().(type) {
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		if bits >= weakestRSA && bits <= largestRSA {
			return nil
		}
		return fmt.Errorf("RSA key of %d bits, not %d to %d: %w", bits, weakestRSA, largestRSA, ErrWeakKey)
	}
	return fmt.Errorf("key of type %s cannot be examined: %w", key.Type(), ErrWeakKey)
}
