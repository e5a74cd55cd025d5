package mes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// ProofFor is how long a re-authentication is good for a signature.
const ProofFor = 2 * time.Minute

// A Proof says that who acts has just proven anew who they are. The door makes it for one command.
type Proof struct {
	Method string    // how: "password", "badge and PIN", "own key"
	At     time.Time // when
}

// What a signature means.
const (
	MeaningApproved       = "approved"
	MeaningOverProduction = "accepted over-production"
)

// A Signature is a person's electronic signature: what they meant, when and where they gave it, how they had proven who
// they are, and a digest that ties it to the record as it was signed. It is in the ledger entry of the command that
// needed it, and is never changed.
type Signature struct {
	ID      ID        `json:"id"`
	Record  string    `json:"record"`  // "revision/ID", "work_order/ID"
	Version int64     `json:"version"` // of the record
	Digest  string    `json:"digest"`  // of the record as the ledger has it, SHA-256 in hex
	Meaning string    `json:"meaning"`
	Person  ID        `json:"person"`
	Name    string    `json:"name"` // as it was then
	Station ID        `json:"station"`
	Method  string    `json:"method"`
	At      time.Time `json:"at"`
	Command ID        `json:"command"`
}

// SignedDigest is the digest of a record's image in the ledger that a signature carries.
func SignedDigest(image []byte) string {
	sum := sha256.Sum256(append([]byte("gemba signed record 1\x00"), image...))
	return hex.EncodeToString(sum[:])
}

// sign adds the actor's signature on a record. The record is saved and does not change any more. What the program itself
// does at first start is not signed.
func (d *Decision) sign(r Record, meaning string) error {
	if d.Actor.Kind == BySystem {
		return nil
	}
	if d.Actor.Kind != ByPerson || d.Actor.Person == "" || d.Actor.Session == "" {
		return Faultf(Denied, "this needs a person's signature, and a key cannot sign; do it at a terminal")
	}
	p, err := d.self()
	if err != nil {
		return err
	}
	proof := d.Actor.Proof
	if proof == nil || d.Now.Sub(proof.At) > ProofFor || proof.At.Sub(d.Now) > time.Second {
		return Faultf(Unsigned, "this needs your signature; sign with your PIN or password")
	}
	*r.version() = d.loaded[ref{r.kind(), r.Key()}].was + 1
	image, err := imageOf(r)
	if err != nil {
		return err
	}
	s := &Signature{
		ID: d.NewID(), Record: string(r.kind()) + "/" + string(r.Key()), Version: *r.version(), Digest: SignedDigest(image), Meaning: meaning,
		Person: p.ID, Name: p.Name, Station: d.Actor.Station, Method: proof.Method, At: d.Now, Command: d.ID,
	}
	d.Add(s)
	d.Give("signature", s.ID)
	return nil
}

// Signatures lists the signatures on a record ("revision/ID", "work_order/ID"), oldest first. A record that the actor
// may not look at is not there.
func (a *App) Signatures(ctx context.Context, actor Actor, record string) ([]Signature, error) {
	s, err := sees(actor, ViewFloor)
	if err != nil {
		return nil, err
	}
	kind, ref, _ := strings.Cut(record, "/")
	var place Place
	var id ID
	switch Kind(kind) {
	case KindRevision:
		var r *Revision
		var p *Product
		if r, err = a.store.Revision(ctx, Local, ID(ref)); err == nil {
			id = r.ID
			p, err = a.store.Product(ctx, Local, r.Product)
		}
		if err == nil {
			place = Place{Family: p.Family}
		}
	case KindOrder:
		var o *Order
		if o, err = a.store.Order(ctx, Local, ID(ref)); err == nil {
			id, place = o.ID, o.Place()
		}
	default:
		return nil, invalid("record", "write the record like revision/P-100@A or work_order/ID")
	}
	if err != nil && ErrorCode(err) != NotFound {
		return nil, err
	}
	if err != nil || !s.Covers(place) {
		return nil, notFound("record", ID(record))
	}
	return a.store.Signatures(ctx, kind+"/"+string(id))
}
