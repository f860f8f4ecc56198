package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sigill/providers"
	"sigill/providers/personnummer"
	"sigill/signing"
	"sigill/signing/evidence"
	"sigill/signing/receipt"
)

// claim is what a receipt says of a signature, and what should prove it.
type claim struct {
	receipt.Signature
	in       *read
	who      signing.ManifestSignatory
	proof    providers.Evidence
	shown    string             // the text without marks of a format
	identity providers.Identity // once the proof is verified
	at       time.Time          // nothing that was proven later is believed
}

// signature verifies one e-ID signature against what the receipt says of it, and
// ends with the first fault. A proof that nobody here can judge comes after what
// can be judged without it.
func (v *Verifier) signature(in *read, i int, at time.Time) (Signature, *fault) {
	c := &claim{Signature: in.k.Signatures[i], in: in, who: in.m.Signatories[i], at: at}
	// A clock that is slow by less than a seal may be ahead of it makes no forgery
	// of a fresh receipt.
	if sealed := in.seal.ClaimedAt; sealed.After(at) {
		c.at = sealed
	}
	s := Signature{N: c.Signatory, Checks: []Check{}}
	for _, step := range []struct {
		check, code string
		run         func(*claim) error
	}{
		{CheckText, TextFailure, v.text},
		{CheckEvidence, EvidenceFailure, v.proven},
		{CheckPerson, PersonFailure, person},
		{CheckStatement, StatementFailure, v.statement},
	} {
		if err := step.run(c); err != nil {
			f := &fault{Invalid, step.code, step.check, err}
			var unknown *evidence.Unknown
			var level *unconfirmed
			switch {
			case errors.As(err, &unknown):
				f.verdict, f.code = Indeterminate, NoChain
			case errors.As(err, &level):
				f.verdict, f.code = Indeterminate, LevelNotConfirmed
			}
			s.Checks = append(s.Checks, Check{Name: step.check, Problem: err.Error()})
			return s, f
		}
		s.Checks = append(s.Checks, Check{Name: step.check, Passed: true})
	}
	id := c.identity
	s.Name, s.Number, s.Person = id.Name, id.Number, receipt.Mask(id.Number)
	s.Provider, s.ProviderName, s.Level, s.Policy = providers.ID(c.Provider), c.ProviderName, c.Level, id.Policy
	s.At, s.Text, s.Shown = id.At.UTC(), c.Text, c.shown
	if held := v.evidence.Held(c.proof); held != (providers.Text{}) {
		s.Held = &held
	}
	return s, nil
}

// text: the text is one that VisibleText makes of the manifest, with the whole
// digest where that is how the e-ID signs it. Whether the text was shown is the
// proof's to say, and so is whether the digest was signed beside it otherwise.
func (v *Verifier) text(c *claim) error {
	only := v.evidence.Whole(c.EvidenceType)
	for _, lang := range []string{"sv", "en"} {
		for _, whole := range []bool{false, true} {
			if only && !whole {
				continue
			}
			of := func(markup providers.Markup) string {
				return signing.VisibleText(c.in.k.ClientName, c.in.m, c.in.manifest, lang, markup, whole)
			}
			if of(providers.Markup(c.Markup)) == c.Text {
				c.shown = of(providers.Plain)
				return nil
			}
		}
	}
	return errors.New("the text is not the one of this manifest")
}

// proven: the e-ID's proof holds, is of a signature over this very manifest and
// text, and is attached as we do it, with its parts for other programs to read.
func (v *Verifier) proven(c *claim) error {
	file, ok := c.in.file(c.Evidence)
	if !ok {
		return errors.New("the proof is not attached")
	}
	c.proof = providers.Evidence{MediaType: c.EvidenceType, Bytes: file.Bytes}
	parts, err := v.evidence.Parts(c.proof, c.Signatory)
	if err != nil {
		return err
	}
	names := []string{}
	for _, want := range append([]receipt.File{v.evidence.File(c.proof, c.Signatory)}, parts...) {
		names = append(names, want.Name)
		if got, ok := c.in.file(want.Name); !ok || got.Type != want.Type || got.Relationship != want.Relationship || string(got.Bytes) != string(want.Bytes) {
			return fmt.Errorf("attachment %s is not the proof's", want.Name)
		}
	}
	if !slices.Equal(names, append([]string{c.Evidence}, c.Parts...)) {
		return errors.New("the proof has other parts than the receipt says")
	}
	c.identity, err = v.evidence.Verify(c.proof, expected(c.Signature, c.in.manifest), c.at)
	return err
}

// Believe refuses a signature that has not come into a receipt yet as Verify would
// refuse it there: so that nothing is taken in that could not be released.
// Whether its text is the order's own, who makes the receipt knows.
func (v *Verifier) Believe(said receipt.Signature, by personnummer.Number, proof providers.Evidence, digest [32]byte, at time.Time) (err error) {
	c := &claim{Signature: said, proof: proof}
	if c.identity, err = v.evidence.Verify(proof, expected(said, digest), at); err != nil {
		return err
	}
	if by.IsZero() || c.identity.Number != by {
		return errors.New("the proof is another person's")
	}
	return v.statement(c)
}

// expected is what a proof should be of.
func expected(said receipt.Signature, digest [32]byte) providers.Expected {
	return providers.Expected{
		Kind: providers.KindSign, Text: said.Text, Markup: providers.Markup(said.Markup), Binding: signing.Binding(digest), Started: said.Started,
	}
}

// person: the proof's person is the one whose digest everybody signed.
func person(c *claim) error {
	if n := c.identity.Number; n.IsZero() || signing.NumberDigest(c.in.k.NumberKey, n) != c.who.Number {
		return errors.New("the proof is another person's")
	}
	return nil
}

// unconfirmed is the error of a level that is higher than what the trust file
// supports. An installation's approval may have come, or gone, after the
// receipt: that makes no forgery of it.
type unconfirmed struct{ level string }

func (u *unconfirmed) Error() string {
	return fmt.Sprintf("nothing in the trust file supports the level %s", u.level)
}

// statement: what the pages say of the signature is what the proof says.
func (v *Verifier) statement(c *claim) error {
	id := c.identity
	provider := providers.ID(c.Provider)
	level, known := levels()[c.Level]
	switch {
	case c.Name != id.Name:
		return errors.New("the name is not the proof's")
	case c.Masked != receipt.Mask(id.Number):
		return errors.New("the number is not the proof's")
	case !v.evidence.Speaks(c.proof.MediaType, provider, id):
		return errors.New("the e-ID is not the proof's")
	case c.ProviderName != provider.Name():
		return errors.New("the e-ID's name is not its own")
	case c.Policy != id.Policy:
		return errors.New("the kind of e-ID is not the proof's")
	case !c.At.Equal(id.At):
		return errors.New("the time is not the proof's")
	case !known:
		return errors.New("the level is none")
	case level > id.Level:
		return &unconfirmed{c.Level}
	}
	return nil
}

// levels are those that a receipt can name.
func levels() map[string]providers.Level {
	all := map[string]providers.Level{}
	for _, l := range []providers.Level{providers.LevelUncertified3, providers.Level3} {
		all[receipt.LevelName(l)] = l
	}
	return all
}
