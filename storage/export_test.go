package storage

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"gemba/mes"
)

// What an entry says comes out of an export byte for byte, whatever it is: its hash depends on it.
func TestWriteEntry_keepsTheDetail(t *testing.T) {
	for _, detail := range []string{`{"given":{"name":"a<b>&\u2028 ü"}}`, `{ "given" : 1 }`, `not JSON`, `{"a":1.0e3}`, "{}", ""} {
		e := mes.Entry{ID: "c1", At: noon, Command: "test.command", Message: "<&>", Detail: json.RawMessage(detail)}
		e.Seal("node1", 1, genesis.hash)
		var line bytes.Buffer
		if err := WriteEntry(&line, &e); err != nil {
			t.Fatal(err)
		}
		var again exported
		if err := json.Unmarshal(line.Bytes(), &again); err != nil {
			t.Fatal(err)
		}
		if got := mes.Entry(again); got.Digest() != e.Hash || string(got.Detail) != detail {
			t.Errorf("%q came back as %q", detail, got.Detail)
		}
	}
}

func TestExport_ofOneWriter(t *testing.T) {
	s := open(t, signing(Options{Store: "sqlite:" + filepath.Join(t.TempDir(), "floor.db")}))
	mustCommit(t, s, changing(t, "c1", nil))
	anchor, err := mes.Anchor("node1", noon, mes.Checkpoint{Writer: "node2", N: 1, At: noon})
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, anchor)
	var out bytes.Buffer
	if _, err := s.Export(t.Context(), &out, "node2", nil, noon); mes.ErrorCode(err) != mes.NotFound {
		t.Errorf("a writer that there is not: %v", err)
	}
	judge := func([]string) (Judge, error) { return Judge{}, nil }
	if n, err := s.Export(t.Context(), &out, "", nil, noon); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	v, err := VerifyExport(bytes.NewReader(out.Bytes()), judge)
	if err != nil || v.OK || v.Fault.Writer != "node2" {
		t.Errorf("an anchor of a ledger that is not there: %+v, %v", v, err)
	}
	partial := strings.Replace(out.String(), `"writers":["node1"]`, `"writers":["node1"],"partial":true`, 1)
	v, err = VerifyExport(strings.NewReader(partial), judge)
	if err != nil || !v.OK || len(v.Notes) != 1 {
		t.Errorf("a part: %+v, %v", v, err)
	}
}

func FuzzVerifyExport(f *testing.F) {
	s := open(f, signing(Options{Store: "sqlite:" + filepath.Join(f.TempDir(), "floor.db")}))
	for _, id := range []mes.ID{"c1", "c2", "c3"} {
		mustCommit(f, s, changing(f, id, nil))
	}
	var out bytes.Buffer
	if _, err := s.Export(f.Context(), &out, "", []string{"key1"}, noon); err != nil {
		f.Fatal(err)
	}
	o := signing(Options{})
	judge := func([]string) (Judge, error) { return Judge{Head: o.Verify, Note: o.VerifyNote}, nil }
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := VerifyExport(bytes.NewReader(text), judge)
		if err == nil && v.OK && v.Entries > 0 && !bytes.Equal(entriesOf(text), entriesOf(out.Bytes())) {
			t.Errorf("another ledger was taken for signed: %s", text)
		}
	})
}

// entriesOf gives the lines of entries, which the signed head stands for.
func entriesOf(text []byte) (lines []byte) {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(`{"entry"`)) {
			lines = append(lines, line...)
		}
	}
	return lines
}

func FuzzReadProof(f *testing.F) {
	path := filepath.Join(f.TempDir(), "floor.db")
	s := open(f, signing(Options{Store: "sqlite:" + path}))
	for _, id := range []mes.ID{"c1", "c2", "c3"} {
		mustCommit(f, s, changing(f, id, nil))
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	s = open(f, signing(Options{Store: "sqlite:" + path, ReadOnly: true}))
	hashes := map[string]bool{}
	for n := int64(1); n <= 3; n++ {
		p, err := s.Prove(f.Context(), "node1", n, 3)
		if err != nil {
			f.Fatal(err)
		}
		var out bytes.Buffer
		if err := p.Write(&out); err != nil {
			f.Fatal(err)
		}
		hashes[p.Entry.Hash] = true
		f.Add(out.Bytes())
	}
	judge := signing(Options{}).VerifyNote
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ReadProof(bytes.NewReader(text))
		if err == nil && p.Check(judge) == nil && !hashes[p.Entry.Hash] {
			t.Errorf("an entry that is not in the ledger was proven: %s", text)
		}
	})
}
