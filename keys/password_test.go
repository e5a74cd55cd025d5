package keys

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// testPepper is the same in every test; other distinguishes several.
func testPepper(t testing.TB, other byte) *Pepper {
	t.Helper()
	key := make([]byte, SecretSize)
	key[0], key[31] = 1, other
	pepper, err := NewPepper(key)
	if err != nil {
		t.Fatal(err)
	}
	return pepper
}

func mustHash(t testing.TB, h *Hasher, secret string, class Class) string {
	t.Helper()
	phc, err := h.Hash(t.Context(), secret, class)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func TestHashAndVerify(t *testing.T) {
	pepper := testPepper(t, 1)
	hasher := NewHasher(pepper)
	for class, prefix := range map[Class]string{
		Ordinary:      "$argon2id$v=19$m=19456,t=2,p=1,keyid=" + pepper.ID() + "$",
		Administrator: "$argon2id$v=19$m=47104,t=2,p=1,keyid=" + pepper.ID() + "$",
	} {
		phc := mustHash(t, hasher, "rabo tiku mela soni", class)
		if !strings.HasPrefix(phc, prefix) || strings.Contains(phc, "rabo") {
			t.Errorf("hash is %s, want %s…", phc, prefix)
		}
		if ok, rehash, err := hasher.Verify(t.Context(), phc, "rabo tiku mela soni"); !ok || rehash || err != nil {
			t.Errorf("right password: got %v, %v, %v", ok, rehash, err)
		}
		if ok, rehash, err := hasher.Verify(t.Context(), phc, "rabo tiku mela sonj"); ok || rehash || err != nil {
			t.Errorf("wrong password: got %v, %v, %v", ok, rehash, err)
		}
		if hasher.NeedsRehash(phc, class) {
			t.Error("a new hash needs a rehash")
		}
		if !hasher.NeedsRehash(phc, Administrator-class) {
			t.Error("the other class's hash needs no rehash")
		}
	}
}

func TestHashIsSalted(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	if a, b := mustHash(t, hasher, "481516", Ordinary), mustHash(t, hasher, "481516", Ordinary); a == b {
		t.Error("two hashes of one secret are equal")
	}
}

func TestVerifyUnicodeForms(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	phc := mustHash(t, hasher, "Zu\u0308rich fu\u0308r alle Ⅳ", Ordinary) // letters with combining marks
	if ok, _, err := hasher.Verify(t.Context(), phc, "Z\u00fcrich f\u00fcr alle IV"); !ok || err != nil {
		t.Errorf("the same text in another form: got %v, %v", ok, err)
	}
}

func TestVerifyWithRotatedPepper(t *testing.T) {
	old, current, foreign := testPepper(t, 1), testPepper(t, 2), testPepper(t, 3)
	phc := mustHash(t, NewHasher(old), "rabo tiku mela soni", Ordinary)
	hasher := NewHasher(current, old)
	if ok, rehash, err := hasher.Verify(t.Context(), phc, "rabo tiku mela soni"); !ok || !rehash || err != nil {
		t.Errorf("with the older pepper: got %v, %v, %v, want a match in need of a rehash", ok, rehash, err)
	}
	if ok, rehash, err := hasher.Verify(t.Context(), phc, "another password"); ok || rehash || err != nil {
		t.Errorf("wrong password with the older pepper: got %v, %v, %v", ok, rehash, err)
	}
	if !hasher.NeedsRehash(phc, Ordinary) {
		t.Error("a hash with the older pepper needs no rehash")
	}
	if _, _, err := NewHasher(foreign).Verify(t.Context(), phc, "rabo tiku mela soni"); !errors.Is(err, ErrUnknownPepper) {
		t.Errorf("without its pepper: got %v, want ErrUnknownPepper", err)
	}
}

// Whoever can write to the database but does not have the pepper cannot plant a password.
func TestVerifyRefusesForeignHashes(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	price := cost{memory: 64, time: 1, threads: 1}
	planted := hash{cost: price, salt: make([]byte, 16)}
	planted.tag = price.compute([]byte("planted password"), planted.salt, tagSize)
	if _, _, err := hasher.Verify(t.Context(), planted.String(), "planted password"); !errors.Is(err, ErrUnknownPepper) {
		t.Errorf("without key id: got %v, want ErrUnknownPepper", err)
	}
	planted.keyID = hasher.current.id
	if ok, _, err := hasher.Verify(t.Context(), planted.String(), "planted password"); ok || err != nil {
		t.Errorf("with our key id: got %v, %v, want no match", ok, err)
	}
	if _, _, err := hasher.Verify(t.Context(), "planted password", "planted password"); !errors.Is(err, ErrMalformedHash) {
		t.Errorf("plain text: got %v, want ErrMalformedHash", err)
	}
}

func TestVerifyAsksForRehashOfOldCosts(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	price := cost{memory: 4096, time: 3, threads: 1}
	old := hash{cost: price, keyID: hasher.current.id, salt: make([]byte, saltSize)}
	old.tag = price.compute(hasher.current.season("481516"), old.salt, tagSize)
	if ok, rehash, err := hasher.Verify(t.Context(), old.String(), "481516"); !ok || !rehash || err != nil {
		t.Errorf("got %v, %v, %v, want a match in need of a rehash", ok, rehash, err)
	}
	old.cost, old.tag = costs[Ordinary], old.tag[:16]
	if !hasher.NeedsRehash(old.String(), Ordinary) || !hasher.NeedsRehash("broken", Ordinary) {
		t.Error("a short tag and a broken hash need no rehash")
	}
}

func TestHashRefuses(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	for what, secret := range map[string]string{"nothing": "", "endless text": strings.Repeat("x", longestSecret+1)} {
		if phc, err := hasher.Hash(t.Context(), secret, Ordinary); err == nil {
			t.Errorf("%s was hashed: %s", what, phc)
		}
	}
	if _, err := hasher.Hash(t.Context(), "481516", Class(7)); err == nil {
		t.Error("an unknown class was accepted")
	}
}

func TestVerifyStrangeSecrets(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	phc := mustHash(t, hasher, "rabo tiku mela soni", Ordinary)
	for what, secret := range map[string]string{
		"nothing":        "",
		"endless text":   strings.Repeat("rabo tiku mela soni", 4000),
		"a NUL":          "rabo tiku mela soni\x00",
		"broken text":    "rabo tiku mela soni\xff",
		"another case":   "Rabo tiku mela soni",
		"a space at end": "rabo tiku mela soni ",
	} {
		if ok, _, err := hasher.Verify(t.Context(), phc, secret); ok || err != nil {
			t.Errorf("%s: got %v, %v, want no match", what, ok, err)
		}
	}
}

// An unknown person costs the same as a known one: the same gate, the same work.
func TestVerifyNobody(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	known, err := parseHash(mustHash(t, hasher, "481516", Ordinary))
	if err != nil {
		t.Fatal(err)
	}
	if n := hasher.nobody; n.cost != known.cost || len(n.salt) != len(known.salt) || len(n.tag) != len(known.tag) {
		t.Errorf("nobody costs %+v, a person %+v", n.cost, known.cost)
	}
	for _, secret := range []string{"481516", "", strings.Repeat("x", longestSecret+1)} {
		if err := hasher.VerifyNobody(t.Context(), secret); err != nil {
			t.Error(err)
		}
	}
}

func TestReused(t *testing.T) {
	hasher := NewHasher(testPepper(t, 2), testPepper(t, 1))
	history := []string{
		mustHash(t, hasher, "rabo tiku mela soni", Ordinary),
		"broken",
		mustHash(t, NewHasher(testPepper(t, 3)), "of another pepper", Ordinary),
		mustHash(t, NewHasher(testPepper(t, 1)), "fomi geja kulo piru", Administrator),
	}
	for secret, want := range map[string]bool{
		"rabo tiku mela soni": true, "fomi geja kulo piru": true, "of another pepper": false, "vadu neki bomo hise": false, "": false,
	} {
		if reused, err := hasher.Reused(t.Context(), history, secret); reused != want || err != nil {
			t.Errorf("%q: %v, %v", secret, reused, err)
		}
	}
	if reused, err := hasher.Reused(t.Context(), nil, "rabo tiku mela soni"); reused || err != nil {
		t.Errorf("without history: %v, %v", reused, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if reused, err := hasher.Reused(gone, history, "vadu neki bomo hise"); reused || !errors.Is(err, context.Canceled) {
		t.Errorf("for a caller who left: %v, %v", reused, err)
	}
}

func TestHasherGoesThroughGate(t *testing.T) {
	hasher := NewHasher(testPepper(t, 1))
	phc := mustHash(t, hasher, "481516", Ordinary)
	for range hashesRunning {
		hasher.gate.running <- struct{}{}
	}
	for range hashesWaiting {
		hasher.gate.waiting <- struct{}{}
	}
	if _, err := hasher.Hash(t.Context(), "481516", Ordinary); !errors.Is(err, ErrBusy) {
		t.Errorf("Hash: got %v, want ErrBusy", err)
	}
	if ok, _, err := hasher.Verify(t.Context(), phc, "481516"); ok || !errors.Is(err, ErrBusy) {
		t.Errorf("Verify: got %v, %v, want ErrBusy", ok, err)
	}
	if err := hasher.VerifyNobody(t.Context(), "481516"); !errors.Is(err, ErrBusy) {
		t.Errorf("VerifyNobody: got %v, want ErrBusy", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, _, err := hasher.Verify(gone, phc, "481516"); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Verify for a caller who left: got %v, %v", ok, err)
	}
}

func BenchmarkHash(b *testing.B) {
	hasher := NewHasher(testPepper(b, 1))
	for name, class := range map[string]Class{"ordinary": Ordinary, "administrator": Administrator} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustHash(b, hasher, "rabo tiku mela soni", class)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	hasher := NewHasher(testPepper(b, 1))
	phc := mustHash(b, hasher, "rabo tiku mela soni", Ordinary)
	b.Run("right", func(b *testing.B) {
		for b.Loop() {
			if ok, _, err := hasher.Verify(b.Context(), phc, "rabo tiku mela soni"); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("wrong", func(b *testing.B) {
		for b.Loop() {
			if ok, _, err := hasher.Verify(b.Context(), phc, "wrong"); ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("nobody", func(b *testing.B) {
		for b.Loop() {
			if err := hasher.VerifyNobody(b.Context(), "wrong"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
