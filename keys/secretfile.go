package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// SecretSize is the length of a secret in a secret file, in bytes.
const SecretSize = 32

// largestKeyFile bounds what is read from a key file. An RSA key of 8,192 bits needs 6.5 kB.
const largestKeyFile = 64 << 10

// ErrExposed is reported for a key file or key folder that others than its owner may read or write.
var ErrExposed = errors.New("open to other users")

// LoadOrCreateSecret reads the 32-byte secret in the file at path. When there is no such file it makes one, with a
// new random secret and mode 0600. Several processes may do so at once: one of them creates the file, and all
// return its content. An existing file is never changed.
//
// The file holds 64 hexadecimal digits and a newline, so that it can be printed and locked away. Errors: [ErrExposed]
// when others may read the file, and a plain error when it does not hold exactly one secret.
func LoadOrCreateSecret(path string) ([]byte, error) {
	text, err := loadOrCreate(path, func() ([]byte, error) {
		return append(hex.AppendEncode(nil, random(SecretSize)), '\n'), nil
	})
	if err != nil {
		return nil, err
	}
	if len(text) == 2*SecretSize+1 && text[2*SecretSize] == '\n' {
		text = text[:2*SecretSize]
	}
	secret := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(secret, text); err != nil || len(secret) != SecretSize {
		return nil, fmt.Errorf("%s does not hold a secret of %d hexadecimal digits; restore it from a backup", path, 2*SecretSize)
	}
	return secret, nil
}

// loadOrCreate reads the private file at path, creating it with what content returns when it does not exist.
func loadOrCreate(path string, content func() ([]byte, error)) ([]byte, error) {
	data, err := readPrivate(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	data, err = content()
	if err != nil {
		return nil, err
	}
	err = createPrivate(path, data)
	if errors.Is(err, fs.ErrExist) {
		return readPrivate(path) // another process was faster, and its secret is the one that counts
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// readPrivate reads a small regular file that nobody but its owner may read or write.
func readPrivate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// The open file is examined, not the name: the name may point to another file a moment later.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s is %w (mode %04o); replace it if they may have read it, otherwise run: chmod 600 %s",
			path, ErrExposed, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(file, largestKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > largestKeyFile {
		return nil, fmt.Errorf("%s is larger than a key file can be (%d bytes)", path, largestKeyFile)
	}
	return data, nil
}

// createPrivate makes a new file with mode 0600. It appears under its name whole or not at all, also when the power
// fails, and never replaces another: the error is then [fs.ErrExist].
func createPrivate(path string, data []byte) error {
	return placePrivate(path, data, os.Link)
}

// replacePrivate makes or replaces a file with mode 0600, whole or not at all.
func replacePrivate(path string, data []byte) error {
	return placePrivate(path, data, os.Rename)
}

// placePrivate writes data beside path and lets place give it its name once it is safely on disk.
func placePrivate(path string, data []byte, place func(from, to string) error) error {
	folder := filepath.Dir(path)
	draft, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*") // created with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // after a rename there is nothing left to remove
	_, err = draft.Write(data)
	if err == nil {
		err = draft.Sync()
	}
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = place(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder survive a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// makePrivateFolder makes a folder with mode 0700, or checks that an existing one is closed to others.
func makePrivateFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("folder %s is %w (mode %04o); run: chmod 700 %s", path, ErrExposed, mode, path)
	}
	return nil
}
