package orders

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sigill/broker"
	"sigill/broker/flow"
	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
)

// TestWhoUnwraps lists everybody who opens an order's own key, and with which
// witness. Whoever is added must be thought about.
func TestWhoUnwraps(t *testing.T) {
	want := []string{
		"client.go revise owner",   // documents or signatories are changed
		"guest.go File signatory",  //
		"guest.go Visit signatory", //
		"seal.go seal sealing",     // render-and-seal
		"sign.go Sign signatory",   // the text to be signed is made of the manifest
		"sign.go take signature",   // the evidence is put in
	}
	var got []string
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			called := map[ast.Node]bool{}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "unwrap" {
						called[s] = true
						witness := "?"
						if lit, ok := n.Args[len(n.Args)-1].(*ast.CompositeLit); ok {
							witness = lit.Type.(*ast.Ident).Name
						}
						got = append(got, f.Name()+" "+fn.Name.Name+" "+witness)
					}
				case *ast.SelectorExpr:
					if n.Sel.Name == "unwrap" && !called[n] {
						got = append(got, f.Name()+" "+fn.Name.Name+" as a value")
					}
				case *ast.Ident:
					// The wrapped key is opened in unwrap and sealed in newKey.
					if n.Name == "partKey" && fn.Name.Name != "unwrap" && fn.Name.Name != "newKey" {
						got = append(got, f.Name()+" "+fn.Name.Name+" partKey")
					}
				}
				return true
			})
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestWitnesses: who is believed when.
func TestWitnesses(t *testing.T) {
	num := func(digits string) personnummer.Number {
		n, err := personnummer.FromDigits(digits)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	one, two, alien := num("198509129881"), num("199104102380"), num("199304052393")
	base := signing.Order{ID: "id", Client: "kommun", State: signing.Open, Signatories: []signing.Signatory{
		{N: 1, Number: one, Group: 1, State: signing.Invited}, {N: 2, Number: two, Group: 2, State: signing.Waiting}, {N: 3, Number: alien, Group: 1, State: signing.Replaced},
	}}
	settled := func(asked, came personnummer.Number, locked bool) flow.Settled {
		return flow.Settled{Order: broker.Order{Locked: locked, Kind: providers.KindSign}, Request: providers.Request{Number: asked},
			Done: &providers.Done{Identity: providers.Identity{Number: came}, Evidence: providers.Evidence{Bytes: []byte{1}}}}
	}
	guest := func(n personnummer.Number) Guest { return Guest{Number: n, AuthTime: time.Now()} }
	auth := settled(one, one, true)
	auth.Order.Kind = providers.KindAuth
	for name, c := range map[string]struct {
		w      witness
		opened []signing.State
	}{
		"its client":              {owner{"kommun"}, []signing.State{signing.Open}},
		"another client":          {owner{"other"}, nil},
		"no client":               {owner{}, nil},
		"a signatory":             {signatory{1, guest(one)}, []signing.State{signing.Open, signing.Sealing}},
		"one who waits":           {signatory{2, guest(two)}, nil},
		"one who was replaced":    {signatory{3, guest(alien)}, nil},
		"another's number":        {signatory{1, guest(two)}, nil},
		"nobody":                  {signatory{1, Guest{}}, nil},
		"no such signatory":       {signatory{9, guest(one)}, nil},
		"a signature":             {signature{1, settled(one, one, true)}, []signing.State{signing.Open}},
		"one not locked":          {signature{1, settled(one, one, false)}, nil},
		"by another":              {signature{1, settled(one, two, true)}, nil},
		"asked of another":        {signature{1, settled(two, one, true)}, nil},
		"another's":               {signature{1, settled(two, two, true)}, nil},
		"a login":                 {signature{1, auth}, nil},
		"a failed one":            {signature{1, flow.Settled{Failed: &providers.Failed{}}}, nil},
		"of somebody replaced":    {signature{3, settled(alien, alien, true)}, nil},
		"the making of a receipt": {sealing{}, []signing.State{signing.Sealing}},
	} {
		for _, state := range []signing.State{signing.Open, signing.Sealing, signing.Completed, signing.Refused, signing.Expired, signing.Cancelled} {
			o := base
			o.State = state
			if got := c.w.vouch(&o); got != slices.Contains(c.opened, state) {
				t.Errorf("%s of an order that is %s: %v", name, state, got)
			}
		}
	}
}

func TestUnwrapAsks(t *testing.T) {
	s := &Service{}
	o := &signing.Order{ID: "id", Client: "kommun", State: signing.Open}
	for name, row := range map[string]Row{"its row": {ID: "id", Client: "kommun"}, "another row": {ID: "other", Client: "kommun"}, "another client's": {ID: "id", Client: "other"}} {
		for _, w := range []witness{sealing{}, owner{"other"}, signatory{n: 1}} {
			if _, err := s.unwrap(row, o, w); err == nil || !strings.Contains(err.Error(), "may not open it") {
				t.Errorf("%s, %T: %v", name, w, err)
			}
		}
	}
}

func TestAlive(t *testing.T) {
	for _, c := range []struct {
		order signing.State
		state signing.SignatoryState
		want  bool
	}{
		{signing.Open, signing.Waiting, true}, {signing.Open, signing.Invited, true}, {signing.Open, signing.Opened, true}, {signing.Open, signing.DeliveryFailed, true},
		{signing.Open, signing.Signed, false}, {signing.Open, signing.Replaced, false}, {signing.Sealing, signing.Signed, false}, {signing.Completed, signing.Signed, true},
		{signing.Refused, signing.Declined, false}, {signing.Refused, signing.Invited, false}, {signing.Refused, signing.Signed, false},
		{signing.Cancelled, signing.Invited, false}, {signing.Cancelled, signing.Opened, false}, {signing.Expired, signing.TooLate, false},
	} {
		if got := alive(&signing.Order{State: c.order}, &signing.Signatory{State: c.state}); got != c.want {
			t.Errorf("%s, %s: %v", c.order, c.state, got)
		}
	}
}

func TestCodes(t *testing.T) {
	for range 200 {
		code := newCode()
		if len(code) != 9 || code[4] != ' ' || strings.ContainsAny(code, "01ILOUAEY") {
			t.Fatalf("code %q", code)
		}
		plain := strings.ReplaceAll(code, " ", "")
		for _, typed := range []string{code, plain, strings.ToLower(code), " " + plain[:2] + "-" + plain[2:] + "\t"} {
			if readCode(typed) != plain {
				t.Errorf("%q is read as %q", typed, readCode(typed))
			}
		}
	}
	for _, bad := range []string{"", "BCDF234", "BCDF23456", "BCDF234O", "BCDF 234I", strings.Repeat(" ", 70) + "BCDF2345", "ÅÄÖÅÄÖÅÄ"} {
		if readCode(bad) != "" {
			t.Errorf("%q is a code", bad)
		}
	}
}

func TestReadBinding(t *testing.T) {
	digest := [32]byte{1, 2, 31: 3}
	good := signing.Binding(digest)
	if got, ok := readBinding(good); !ok || got != digest {
		t.Error("a binding is not read")
	}
	for _, bad := range []string{"", "x", string(good[1:]), "x" + string(good), string(good) + " ", strings.ToUpper(string(good)), strings.Repeat("0", 64)} {
		if _, ok := readBinding([]byte(bad)); ok {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestRef(t *testing.T) {
	if id, n, ok := readRef(ref("abc", 12)); !ok || id != "abc" || n != 12 {
		t.Error(id, n, ok)
	}
	for _, bad := range []string{"", "abc", "abc/", "abc/x", "abc/01", "abc/+1", "a/b/1x"} {
		if _, _, ok := readRef(bad); ok {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestAddresses(t *testing.T) {
	s := &Service{loopback: true}
	c := broker.Client{CallbackOrigins: []string{"https://app.example.se", "https://b.example.se:8443", "http://plain.example.se"}}
	loop := c
	loop.LoopbackCallbacks = true
	for _, good := range []string{"https://app.example.se/x?y=1", "https://app.example.se", "https://APP.example.se:443/", "https://b.example.se:8443/"} {
		if p := s.addressProblem(c, good); p != "" {
			t.Errorf("%s: %s", good, p)
		}
	}
	for _, bad := range []string{
		"", "x", "/path", "https:///x", "https://app.example.se.evil.example/", "https://app.example.se@evil.example/", "https://user@app.example.se/",
		"https://app.example.se/#x", "https://app.example.se/#", "http://app.example.se/", "http://plain.example.se/", "https://app.example.se:444/", "https://b.example.se/",
		"https://sub.app.example.se/", "javascript:alert(1)", "https:app.example.se", "https://app.example.se\\@evil.example/", "https://app.example.se/ x",
		"https://app.example.se/" + strings.Repeat("x", 2000), "http://localhost/", "http://127.0.0.1:8090/", "https://localhost/",
	} {
		if s.addressProblem(c, bad) == "" {
			t.Errorf("%s is taken", bad)
		}
	}
	for _, local := range []string{"http://localhost:8090/x", "http://127.0.0.1:9/", "http://[::1]:9/", "https://localhost/"} {
		if p := s.addressProblem(loop, local); p != "" {
			t.Errorf("%s: %s", local, p)
		}
		if (&Service{}).addressProblem(loop, local) == "" {
			t.Errorf("%s is taken where the issuer is elsewhere", local)
		}
	}
	if s.addressProblem(loop, "http://localhost.evil.example/") == "" || s.addressProblem(loop, "http://10.0.0.1/") == "" {
		t.Error("what is not loopback is taken for it")
	}
}

// TestDecoy: what is opened in an order's stead is like one.
func TestDecoy(t *testing.T) {
	plain, err := newDecoy()
	if err != nil {
		t.Fatal(err)
	}
	var h head
	if err := json.Unmarshal(plain, &h); err != nil || len(h.Order.Signatories) != 2 || h.Asker == "" {
		t.Errorf("%v: %+v", err, h)
	}
}
