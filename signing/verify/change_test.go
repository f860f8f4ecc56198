package verify_test

import (
	"bytes"
	stdjson "encoding/json"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sigill/providers/personnummer"
	"sigill/signing/receipt"
	"sigill/signing/verify"
	"sigill/signing/verify/verifytest"
)

// TestAnyByte: a receipt with any other byte in any place is not valid.
func TestAnyByte(t *testing.T) {
	k, _ := newKit(t)
	sealed := text(t, k).Signatory(t, one).Sign(t).Sealed(t)
	v, now := k.Verifier(), time.Now()
	if r := v.Verify(sealed, now); r.Verdict != verify.Valid {
		t.Fatal(problems(r))
	}
	change := func(at int, mask byte) {
		t.Helper()
		file := slices.Clone(sealed)
		file[at] ^= mask
		r := v.Verify(file, now)
		if r.Verdict == verify.Valid || r.Verdict == verify.Unreadable {
			t.Errorf("%s with byte %d of %d changed from %q to %q", r.Verdict, at, len(sealed), sealed[at], file[at])
		}
	}
	// Everything that is not under the seal's digest, or says where that is.
	seal := bytes.LastIndex(sealed, []byte("%%EOF\n")) - bytes.Index(sealed, []byte("%%EOF\n"))
	for at := len(sealed) - seal; at < len(sealed)-1; at += 7 {
		change(at, 1<<(at/7%8))
		change(at+1, 0x20) // the other case of a letter
	}
	// And the rest by sample.
	rapid.Check(t, func(rt *rapid.T) {
		change(rapid.IntRange(0, len(sealed)-1).Draw(rt, "at"), byte(rapid.IntRange(1, 255).Draw(rt, "mask")))
	})
}

// sealersWord are the members of kvittens.json that can be changed by whoever
// has the key of the seal: no e-ID's proof says them. Report tells so.
func sealersWord() []string {
	return []string{
		"created", "language", "signatures.0.eid_order", "signatures.0.started", "signatures.0.transaction", "trust_sha256", "verify_url",
	}
}

// TestSealersWord changes each member of kvittens.json, draws the pages anew and
// seals them: only what is listed may pass. With every other change somebody
// would seem to have said what no proof says.
func TestSealersWord(t *testing.T) {
	k, _ := newKit(t)
	v := k.Verifier()
	d := text(t, k).File(t, "Hyresavtal", "application/pdf", []byte("%PDF-1.4 not really\n")).Signatory(t, one).Sign(t)
	var tree any
	if err := stdjson.Unmarshal(d.JSON(t), &tree); err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	n := 0
	each(tree, "", func(path string, set func(any), old any) {
		for _, other := range others(path, old) {
			n++
			set(other)
			raw, err := stdjson.Marshal(tree)
			set(old)
			if err != nil {
				t.Fatal(err)
			}
			var forged receipt.Kvittens
			if stdjson.Unmarshal(raw, &forged) != nil {
				continue
			}
			c := d.Clone()
			c.Kvittens = forged
			if err := stdjson.Unmarshal(forged.Manifest, &c.Manifest); err != nil {
				continue
			}
			if sealed := maybeSealed(c); sealed != nil && v.Verify(sealed, time.Now()).Verdict == verify.Valid {
				passed[path] = true
			}
		}
	})
	var got []string
	for path := range passed {
		got = append(got, path)
	}
	sort.Strings(got)
	// attachments and manifest_sha256 are written again from what is attached and
	// signed.
	got = slices.DeleteFunc(got, func(path string) bool {
		return strings.HasPrefix(path, "attachments.") || path == "manifest_sha256"
	})
	if !slices.Equal(got, sealersWord()) {
		t.Errorf("passed: %q\nwant: %q", got, sealersWord())
	}
	if n < 100 {
		t.Errorf("only %d changes", n)
	}
}

// maybeSealed seals a draft that may be none.
func maybeSealed(d *verifytest.Draft) []byte {
	canonical, _, err := d.Manifest.Encode()
	if err != nil {
		return nil
	}
	d.Kvittens.Manifest, d.Kvittens.ManifestSHA256 = canonical, digest(canonical)
	base, err := d.Kit.Receipts.Make(d.Kvittens, d.Files)
	if err != nil {
		return nil
	}
	sealed, err := d.Kit.Sealer.Seal(base, time.Now(), d.Info)
	if err != nil {
		return nil
	}
	return sealed
}

// each visits every value of a tree that is no list or object.
func each(v any, path string, visit func(path string, set func(any), old any)) {
	down := func(name string, child any, set func(any)) {
		if path != "" {
			name = path + "." + name
		}
		switch child.(type) {
		case []any, map[string]any:
			each(child, name, visit)
		default:
			visit(name, set, child)
		}
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			down(strconv.Itoa(i), v[i], func(other any) { v[i] = other })
		}
	case map[string]any:
		for name := range v {
			down(name, v[name], func(other any) { v[name] = other })
		}
	}
}

// others are values in the place of one.
func others(path string, old any) []any {
	switch old := old.(type) {
	case float64:
		return []any{old + 1, old - 1, 0.0, -1.0}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, old); err == nil {
			return []any{at.Add(time.Second), at.Add(-time.Second), at.Add(time.Nanosecond)}
		}
		list := []any{"", old + "x", strings.Replace(old, "1", "2", 1), strings.Replace(old, "a", "b", 1)}
		if len(old) < 20 {
			list = append(list, "loa3", "en")
		}
		return slices.DeleteFunc(list, func(v any) bool { return v == old })
	}
	return []any{"x", 1.0}
}

// edit takes some bytes out of a file and puts others there. Fuzzing edits is
// fuzzing files, and needs no file for each input.
func edit(file []byte, at uint, cut uint16, insert []byte) []byte {
	from := int(at % uint(len(file)+1))
	to := min(from+int(cut), len(file))
	return slices.Concat(file[:from], insert, file[to:])
}

// FuzzVerify: no change of a file makes the verifier panic, and none is valid:
// not as it is, and not sealed anew with the right key, unless it says the same.
func FuzzVerify(f *testing.F) {
	k, _ := newKit(f)
	d := text(f, k).Signatory(f, one).Sign(f)
	unsealed := d.Unsealed(f)
	sealed := d.Seal(f, unsealed)
	f.Add(uint(bytes.Index(unsealed, []byte("kvittens.json"))), uint16(1), []byte("K"), true)
	f.Add(uint(bytes.Index(unsealed, []byte(`"name":"`))+10), uint16(1), []byte("x"), true)
	f.Add(uint(bytes.Index(unsealed, []byte(`"started":"`))+17), uint16(1), []byte("1"), true)
	f.Add(uint(len(sealed)/3), uint16(60000), []byte(nil), false)
	f.Add(uint(bytes.LastIndex(sealed, []byte("/ByteRange"))+14), uint16(1), []byte("1"), false)
	f.Add(uint(len(sealed)), uint16(0), []byte("%"), false)
	v, now := k.Verifier(), time.Now()
	genuine := v.Verify(sealed, now)
	if genuine.Verdict != verify.Valid {
		f.Fatal(problems(genuine))
	}
	f.Fuzz(func(t *testing.T, at uint, cut uint16, insert []byte, anew bool) {
		file := edit(sealed, at, cut, insert)
		if anew {
			var err error
			if file, err = k.Sealer.Seal(edit(unsealed, at, cut, insert), now, d.Info); err != nil {
				return
			}
		}
		r := v.Verify(file, now)
		verify.In("sv").Print(r)
		if r.Verdict != verify.Valid {
			return
		}
		if !anew && !bytes.Equal(file, sealed) {
			t.Fatal("a file that nobody sealed is valid")
		}
		says(t, genuine, r)
	})
}

// FuzzKvittens: any change of kvittens.json, with its pages drawn anew and the
// key of the seal.
func FuzzKvittens(f *testing.F) {
	k, _ := newKit(f)
	d := text(f, k).Signatory(f, one).Sign(f)
	json := d.JSON(f)
	f.Add(uint(bytes.Index(json, []byte(`"title":"`))+10), uint16(1), []byte("x"))
	f.Add(uint(bytes.Index(json, []byte(`"started":"`))+17), uint16(1), []byte("1"))
	v, now := k.Verifier(), time.Now()
	genuine := v.Verify(d.Sealed(f), now)
	f.Fuzz(func(t *testing.T, at uint, cut uint16, insert []byte) {
		c := d.Clone()
		c.Kvittens = receipt.Kvittens{}
		if stdjson.Unmarshal(edit(json, at, cut, insert), &c.Kvittens) != nil || stdjson.Unmarshal(c.Kvittens.Manifest, &c.Manifest) != nil {
			return
		}
		sealed := maybeSealed(c)
		if sealed == nil {
			return
		}
		if r := v.Verify(sealed, now); r.Verdict == verify.Valid {
			says(t, genuine, r)
		}
	})
}

// says: two valid receipts say the same, but for what is the sealer's word.
func says(t *testing.T, want, got verify.Report) {
	t.Helper()
	want.Order.Created, want.Order.TrustSHA256, want.Seal.ClaimedAt = got.Order.Created, got.Order.TrustSHA256, got.Seal.ClaimedAt
	want.Order.Documents, got.Order.Documents = nil, nil
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b personnummer.Number) bool { return a == b })); diff != "" {
		t.Fatalf("valid, and says other things:\n%s", diff)
	}
}

// TestStandsAlone: a stranger verifies without our rooms, services and databases.
func TestStandsAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]bool{
		"sigill/signing": true, "sigill/signing/evidence": true, "sigill/signing/pades": true, "sigill/signing/pdf": true,
		"sigill/signing/receipt": true, "sigill/signing/trust": true, "sigill/signing/verify": true,
		"sigill/broker/kit/contact": true, "sigill/broker/kit/config/strict": true,
		"sigill/providers": true, "sigill/providers/bankid": true, "sigill/providers/personnummer": true, "sigill/providers/freja": true,
		"sigill/providers/saml": true, "sigill/providers/saml/metadata": true, "sigill/providers/xmlsec": true,
	}
	n := 0
	for p := range strings.FieldsSeq(string(out)) {
		n++
		switch {
		case strings.HasPrefix(p, "sigill/") && !rooms[p],
			p == "database/sql", strings.HasPrefix(p, "modernc.org/"), p == "net/http/httptest", p == "net/http/pprof", p == "testing",
			strings.HasPrefix(p, "github.com/prometheus/"), p == "net/smtp", p == "os/exec":
			t.Errorf("links %s", p)
		}
	}
	if n < 50 {
		t.Errorf("%d packages", n)
	}
}
