package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrMalformedHash is reported for a stored password hash that gemba would not have written. Its text never
// contains a part of the hash.
var ErrMalformedHash = errors.New("stored password hash is malformed")

// Bounds of what is accepted from the database. A hash with larger costs was not made by gemba, and computing it
// would be an attack.
const (
	mostMemory  = 128 << 10 // KiB, that is 128 MiB
	mostTime    = 10
	mostThreads = 4
	leastSalt   = 8
	mostSalt    = 64
	leastTag    = 16
	mostTag     = 64
	mostKeyID   = 8 // bytes, as the PHC form has it
	longestPHC  = 320
)

// base64PHC is the PHC form's base64: the standard alphabet, no padding, no stray bits.
var base64PHC = base64.RawStdEncoding.Strict()

// A cost is what it takes to compute an Argon2id hash.
type cost struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// A hash is an Argon2id tag with all that is needed to compute it again, except the secret and the pepper.
type hash struct {
	cost
	keyID string // of the pepper, in base64; empty when the secret was not peppered
	salt  []byte
	tag   []byte
}

// compute returns the tag of a seasoned secret.
func (c cost) compute(seasoned, salt []byte, size int) []byte {
	return argon2.IDKey(seasoned, salt, c.time, c.memory, c.threads, uint32(size))
}

// String gives the PHC form: $argon2id$v=19$m=19456,t=2,p=1,keyid=…$salt$tag.
func (h hash) String() string {
	keyID := ""
	if h.keyID != "" {
		keyID = ",keyid=" + h.keyID
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d%s$%s$%s", argon2.Version, h.memory, h.time, h.threads, keyID,
		base64PHC.EncodeToString(h.salt), base64PHC.EncodeToString(h.tag))
}

// parseHash reads the PHC form. It is strict: it accepts only what String would write, so that one hash has one
// text, and only costs that gemba is ready to pay.
func parseHash(text string) (hash, error) {
	if len(text) > longestPHC {
		return hash{}, malformed("longer than %d characters", longestPHC)
	}
	fields := strings.Split(text, "$")
	if len(fields) != 6 || fields[0] != "" {
		return hash{}, malformed("expected $argon2id$version$parameters$salt$tag")
	}
	if fields[1] != "argon2id" || fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return hash{}, malformed("only argon2id with v=%d is accepted", argon2.Version)
	}
	h, err := parseParameters(fields[3])
	if err != nil {
		return hash{}, err
	}
	if h.salt, err = parseBytes("salt", fields[4], leastSalt, mostSalt); err != nil {
		return hash{}, err
	}
	if h.tag, err = parseBytes("tag", fields[5], leastTag, mostTag); err != nil {
		return hash{}, err
	}
	if h.String() != text {
		return hash{}, malformed("not in its shortest form")
	}
	return h, nil
}

// parseParameters reads m=…,t=…,p=… and the optional keyid=….
func parseParameters(text string) (hash, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 && len(fields) != 4 {
		return hash{}, malformed("expected the parameters m, t, p and perhaps keyid")
	}
	threads, err := parseNumber("p", fields[2], 1, mostThreads)
	if err != nil {
		return hash{}, err
	}
	memory, err := parseNumber("m", fields[0], 8*threads, mostMemory)
	if err != nil {
		return hash{}, err
	}
	passes, err := parseNumber("t", fields[1], 1, mostTime)
	if err != nil {
		return hash{}, err
	}
	h := hash{cost: cost{memory: uint32(memory), time: uint32(passes), threads: uint8(threads)}}
	if len(fields) == 4 {
		id, found := strings.CutPrefix(fields[3], "keyid=")
		if !found {
			return hash{}, malformed("expected keyid=")
		}
		if _, err := parseBytes("keyid", id, 1, mostKeyID); err != nil {
			return hash{}, err
		}
		h.keyID = id
	}
	return h, nil
}

// parseNumber reads name=number within bounds.
func parseNumber(name, text string, least, most uint64) (uint64, error) {
	digits, found := strings.CutPrefix(text, name+"=")
	number, err := strconv.ParseUint(digits, 10, 32)
	if !found || err != nil || number < least || number > most {
		return 0, malformed("%s must be a number from %d to %d", name, least, most)
	}
	return number, nil
}

// parseBytes reads base64 of least to most bytes.
func parseBytes(name, text string, least, most int) ([]byte, error) {
	data, err := decodeBase64(text)
	if err != nil || len(data) < least || len(data) > most {
		return nil, malformed("%s must be base64 of %d to %d bytes", name, least, most)
	}
	return data, nil
}

// decodeBase64 reads base64 that has exactly one text form. The decoder alone would skip line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return base64PHC.DecodeString(text)
}

// malformed says what is wrong with a stored hash.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformedHash, fmt.Sprintf(format, args...))
}
