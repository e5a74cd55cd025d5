// Package keys holds every secret and every identity of a gemba node: what people, stations, machines and programs
// prove themselves with, and what the node proves itself with. Nothing else in gemba touches a cryptographic
// primitive, and this package knows nothing of the rest.
//
//	password.go   Argon2id hashes of passwords and PINs, made and checked through one bounded [Hasher]
//	phc.go        the text form in which such a hash is stored
//	gate.go       how many hashes may be computed at once, and who waits
//	policy.go     which passwords are accepted
//	pin.go        which PINs are accepted
//	pepper.go     the key outside the database that stored secrets are bound to
//	seal.go       secrets that must be read again, encrypted
//	totp.go       authenticator apps: their secrets, codes and QR codes
//	code.go       codes that are read from one screen and typed at another, once
//	apikey.go     keys of the HTTP API
//	sshkey.go     SSH host, station and person keys
//	authority.go  the private certificate authority and the server certificate
//	tls.go        what our HTTPS servers and clients speak
//	pem.go        the text form of private keys and certificates
//	signature.go  signatures on ledger heads
//	generate.go   random passphrases and PINs
//	secretfile.go files that only their owner may read
//
// # What is stored where
//
// The database holds only what is useless without the pepper: Argon2id tags of peppered passwords and PINs,
// HMAC-SHA-256 digests of API keys, and the secrets of authenticator apps, encrypted. The pepper, the host key, the
// authority and the signing key are files with mode 0600 outside the database. A file that others may read is refused,
// never repaired in silence: what was readable may have been read.
//
// # Secrets and printing
//
// A type that holds a secret prints as its identity ("gemba_machine_4fYz09Qa…"), also with %v, %#v and in JSON. The
// methods that give the secret itself say so in their names and documentation.
//
// # Clock and randomness
//
// Randomness always comes from crypto/rand, which cannot fail. Functions that depend on the time take it as an
// argument; only the gate waits by the clock of the machine.
package keys
