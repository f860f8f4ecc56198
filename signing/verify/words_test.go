package verify_test

import (
	"strings"
	"testing"
	"time"

	"sigill/signing/pades"
	"sigill/signing/verify"
)

// TestWords: everything that can be said is said, in both languages.
func TestWords(t *testing.T) {
	codes := []string{
		string(pades.NoSeal), string(pades.FormatFailure), string(pades.HashFailure), string(pades.SigCryptoFailure),
		string(pades.NoSigningCertificateFound), string(pades.NoCertificateChainFound), string(pades.ChainConstraintsFailure),
		string(pades.CryptoConstraintsFailure), string(pades.OutOfBoundsNoPOE), string(pades.SigConstraintsFailure),
		verify.UnknownLayout, verify.ContentFailure, verify.SignatoryFailure, verify.EvidenceFailure, verify.TextFailure,
		verify.PersonFailure, verify.StatementFailure, verify.NoChain, verify.LevelNotConfirmed,
	}
	checks := []string{
		verify.CheckSeal, verify.CheckReceipt, verify.CheckSealer, verify.CheckManifest, verify.CheckSignatories, verify.CheckTimes,
		verify.CheckText, verify.CheckEvidence, verify.CheckPerson, verify.CheckStatement,
	}
	sv, en := verify.In("sv"), verify.In("en")
	said := map[string]bool{}
	both := func(what, a, b string) {
		t.Helper()
		if a == "" || a == b || a == what || strings.ContainsAny(a+b, "\n\t") {
			t.Errorf("%s: %q and %q", what, a, b)
		}
	}
	for _, code := range codes {
		r := verify.Report{Verdict: verify.Invalid, Code: code}
		both(code, sv.Reason(r), en.Reason(r))
	}
	for _, check := range checks {
		both(check, sv.Check(check), en.Check(check))
		if said[sv.Check(check)] {
			t.Errorf("%s sounds like another", check)
		}
		said[sv.Check(check)] = true
	}
	for _, verdict := range []verify.Verdict{verify.Valid, verify.Invalid, verify.Indeterminate, verify.Unreadable} {
		r := verify.Report{Verdict: verdict}
		both(string(verdict), sv.Verdict(r), en.Verdict(r))
		if verdict != verify.Valid {
			both(string(verdict)+" advice", sv.Advice(r), en.Advice(r))
		}
		r.Signatures = []verify.Signature{{N: 1}}
		both(string(verdict), sv.Verdict(r), en.Verdict(r))
	}
	if r := (verify.Report{Verdict: verify.Valid}); sv.Reason(r)+sv.Advice(r) != "" {
		t.Error("a valid receipt needs a reason")
	}
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	if got := sv.Time(at) + " " + en.Time(at); got != "2026-07-02 00:30:00 svensk tid (UTC+2) 2026-07-02 00:30:00 Swedish time (UTC+2)" {
		t.Error(got)
	}
	both("loa3", sv.Level("loa3"), en.Level("loa3"))
	both("uncertified-loa3", sv.Level("uncertified-loa3"), en.Level("uncertified-loa3"))
}

// TestPrintSteersNobody: whatever a report says, a terminal only shows it.
func TestPrintSteersNobody(t *testing.T) {
	evil := "a\x1b[2J\x1b]0;t\a\r\b\x7f\u0085\u009b31m\u200b\u200f\u202e\u2028\u2029\u2066\ufeff\U000e0041\u00e5 \U0001f600"
	r := verify.Report{
		Verdict: verify.Valid, Checks: []verify.Check{{Name: "seal", Problem: evil}},
		Seal:  &verify.Seal{Organisation: evil, OrgIdentifier: evil, Certificate: evil, Issuer: evil},
		Order: &verify.Order{ID: evil, Title: evil, Client: evil, Reference: evil, Names: []string{evil + "\n" + evil}},
		Signatures: []verify.Signature{{
			N: 1, Name: evil, Person: evil, ProviderName: evil, Level: evil, Text: evil, Shown: evil, Checks: []verify.Check{{Name: evil, Problem: evil}},
		}},
	}
	for _, lang := range []string{"sv", "en"} {
		text := verify.In(lang).Print(r)
		if i := strings.IndexFunc(text, func(c rune) bool {
			return c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0 || strings.ContainsRune("\u200b\u200f\u202e\u2028\u2029\u2066\ufeff\U000e0041", c))
		}); i >= 0 {
			t.Errorf("%q in %q", text[i:i+4], text)
		}
		if !strings.Contains(text, "å \U0001f600") {
			t.Errorf("%q", text)
		}
	}
}
