package keys

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// A Class says how much work a hash costs. What is behind an administrator's password is worth more.
type Class int

const (
	// Ordinary is for the people on the floor, and for every PIN: 19 MiB, 2 passes.
	Ordinary Class = iota
	// Administrator is for those who can change accounts, grants or the system: 46 MiB, 2 passes.
	Administrator
)

// costs of new hashes, by class.
var costs = map[Class]cost{
	Ordinary:      {memory: 19456, time: 2, threads: 1},
	Administrator: {memory: 47104, time: 2, threads: 1},
}

const (
	saltSize = 16
	tagSize  = 32

	// longestSecret bounds a password or PIN before it is normalised, in bytes. The longest password that the policy
	// accepts stays below it in every Unicode form.
	longestSecret = 4096
)

// How many hashes the node computes at once, how many wait, and how long. Two at once are at most 92 MiB.
const (
	hashesRunning  = 2
	hashesWaiting  = 16
	hashesPatience = 3 * time.Second
)

// ErrUnknownPepper is reported for a stored hash that none of the node's peppers was used for: the pepper file was
// replaced, or somebody wrote a hash into the database that gemba did not make.
var ErrUnknownPepper = errors.New("stored password hash belongs to another pepper file")

// A Hasher makes and checks hashes of passwords and PINs. One hasher serves the whole node, since its gate is what
// bounds the memory and time that signing in can take. It is safe for concurrent use.
//
// Every method may answer [ErrBusy], or the context's error when that ends while waiting. Neither says anything
// about the secret.
type Hasher struct {
	gate    *Gate
	current *Pepper
	peppers map[string]*Pepper
	nobody  hash
}

// NewHasher makes a hasher that seasons new hashes with the current pepper. Hashes made with one of the older
// peppers are still accepted, and reported as in need of a rehash.
func NewHasher(current *Pepper, older ...*Pepper) *Hasher {
	h := &Hasher{
		gate:    NewGate(hashesRunning, hashesWaiting, hashesPatience),
		current: current,
		peppers: map[string]*Pepper{current.id: current},
		nobody:  hash{cost: costs[Ordinary], keyID: current.id, salt: random(saltSize), tag: random(tagSize)},
	}
	for _, pepper := range older {
		if pepper.id != current.id {
			h.peppers[pepper.id] = pepper
		}
	}
	return h
}

// Hash returns the PHC form of a new hash of secret, to be stored. It applies no policy: see [CheckPassword] and
// [CheckPIN]. An empty secret, or one that could not be a password, is an error.
func (h *Hasher) Hash(ctx context.Context, secret string, class Class) (phc string, err error) {
	price, known := costs[class]
	if !known {
		return "", fmt.Errorf("unknown password class %d", class)
	}
	if !plausible(secret) {
		return "", fmt.Errorf("a secret has 1 to %d bytes, not %d", longestSecret, len(secret))
	}
	fresh := hash{cost: price, keyID: h.current.id, salt: random(saltSize)}
	err = h.gate.Do(ctx, func() {
		fresh.tag = price.compute(h.current.season(secret), fresh.salt, tagSize)
	})
	if err != nil {
		return "", err
	}
	return fresh.String(), nil
}

// Verify tells whether secret is what the stored hash was made from. Rehash is true when it is, and the hash should
// be made anew from it because the pepper or the costs have changed since.
//
// Errors besides those of every method: [ErrMalformedHash] and [ErrUnknownPepper]. The account cannot be used then
// until its secret is set anew; tell the administrator, not the person at the screen.
func (h *Hasher) Verify(ctx context.Context, phc, secret string) (ok, rehash bool, err error) {
	stored, err := parseHash(phc)
	if err != nil {
		return false, false, err
	}
	pepper, known := h.peppers[stored.keyID]
	if !known {
		return false, false, ErrUnknownPepper
	}
	ok, err = h.compare(ctx, stored, pepper, secret)
	if err != nil || !ok {
		return false, false, err
	}
	return true, pepper != h.current || !stored.upToDate(), nil
}

// VerifyNobody takes as long as the check of an ordinary person's secret and never succeeds. Call it when there is
// no such person, or nothing to check against, so that the time of the answer does not tell.
func (h *Hasher) VerifyNobody(ctx context.Context, secret string) error {
	_, err := h.compare(ctx, h.nobody, h.current, secret)
	return err
}

// Reused tells whether secret is what any of the stored hashes was made from: the earlier passwords of a person, which
// should not come again. Each costs as much as a sign-in, so keep the list short. One that can no longer be checked, of
// a pepper long gone, is passed over.
func (h *Hasher) Reused(ctx context.Context, history []string, secret string) (bool, error) {
	for _, phc := range history {
		same, _, err := h.Verify(ctx, phc, secret)
		if errors.Is(err, ErrMalformedHash) || errors.Is(err, ErrUnknownPepper) {
			continue
		}
		if same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// NeedsRehash tells whether a stored hash falls short of what is made today for the class: other costs, another
// pepper, or no valid hash at all. [Hasher.Verify] cannot know the class; ask this after a successful one when the
// person's class may have risen.
func (h *Hasher) NeedsRehash(phc string, class Class) bool {
	stored, err := parseHash(phc)
	return err != nil || stored.keyID != h.current.id || stored.cost != costs[class] || !stored.upToDate()
}

// compare computes the tag of secret and compares it with the stored one in constant time.
func (h *Hasher) compare(ctx context.Context, stored hash, pepper *Pepper, secret string) (ok bool, err error) {
	possible := plausible(secret)
	if !possible {
		secret = "" // the same work for what cannot match: the time says nothing about the length
	}
	err = h.gate.Do(ctx, func() {
		tag := stored.compute(pepper.season(secret), stored.salt, len(stored.tag))
		ok = subtle.ConstantTimeCompare(tag, stored.tag) == 1
	})
	return ok && possible, err
}

// upToDate tells whether a hash has the sizes and one of the costs of hashes made today.
func (h hash) upToDate() bool {
	if len(h.salt) != saltSize || len(h.tag) != tagSize {
		return false
	}
	for _, price := range costs {
		if h.cost == price {
			return true
		}
	}
	return false
}

// plausible tells whether a secret could have been hashed at all.
func plausible(secret string) bool {
	return secret != "" && len(secret) <= longestSecret
}

// random returns size unpredictable bytes.
func random(size int) []byte {
	data := make([]byte, size)
	rand.Read(data)
	return data
}
