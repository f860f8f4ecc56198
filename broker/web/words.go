package web

import (
	"sigill/broker/kit/i18n"
	"sigill/broker/kit/page"
	"sigill/broker/oidc"
	"sigill/providers"
)

// Problems besides those of kit/page and broker/oidc.
const (
	CodeChoice  = "choice"   // an e-ID that is not offered
	codeTooMany = "too_many" // requests from one address
	codeStray   = "stray"    // an issuer's answer to nothing that is known
)

// words name the texts of an error page.
type words struct {
	heading, text, next string
	choices             bool // a way back to the choice of e-ID makes sense
}

func wordsOf(code string) words {
	w := words{heading: "error." + code, text: "error." + code + ".text"}
	switch code {
	case oidc.FaultExpired:
		return words{heading: "expired.heading", text: "expired.text", next: "expired.cookies"}
	case page.CodeNotFound, codeTooMany, codeStray, oidc.FaultCrossSite, oidc.FaultClient, oidc.FaultRedirect:
	case page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, CodeChoice:
		w.choices = true
	case oidc.FaultResponseMode:
		return wordsOf(page.CodeMalformed)
	default:
		return words{heading: "error.internal", text: "error.internal.text", choices: true}
	}
	return w
}

// ending is how a failed order is told.
type ending struct {
	name  string
	again bool // trying the same again may help
	grave bool
	eid   bool // the fault may lie with the e-ID: its issuer helps
}

// names says what the advice names besides.
func (e ending) names() string {
	switch e.name {
	case "unknown":
		return "client"
	case "blocked", "in_progress", "stopped":
		return "issuer"
	}
	return ""
}

// key is of the heading; with ".next" of the advice. The advice to a signature
// says that nothing is signed.
func (e ending) key(sign bool) string {
	if sign {
		return "unsigned." + e.name
	}
	return "failed." + e.name
}

func endingOf(r providers.Reason) ending {
	switch r {
	case providers.Cancelled:
		return ending{"cancelled", true, false, false}
	case providers.TimedOut:
		return ending{"timed_out", true, false, true}
	case providers.StartFailed:
		return ending{"start_failed", true, false, true}
	case providers.Blocked:
		return ending{"blocked", false, false, true}
	case providers.InProgress, providers.Replaced:
		return ending{"in_progress", true, true, true}
	case providers.Unsuitable:
		return ending{"unsuitable", true, false, true}
	case providers.RiskBlocked, providers.StepUpFailed, providers.Declined:
		return ending{"stopped", false, true, true}
	case providers.WrongPerson:
		return ending{"wrong_person", false, false, false}
	case providers.LevelTooLow:
		return ending{"level_too_low", false, false, true}
	case providers.WrongBrowser:
		return ending{"wrong_browser", false, false, false}
	case providers.IssuerDown:
		return ending{"issuer_down", true, false, true}
	case providers.ResultLost:
		return ending{"result_lost", true, false, true}
	}
	return ending{"unknown", true, true, true}
}

func rejectionHeading(r providers.Reason) string {
	switch r {
	case oidc.TooYoung:
		return "rejected.too_young"
	case oidc.CoordinationNumber:
		return "rejected.coordination"
	case oidc.NotFresh:
		return "rejected.not_fresh"
	}
	return endingOf(r).key(false)
}

// textsInCode are the texts that code shows and no template names.
func textsInCode() []i18n.Use {
	var uses []i18n.Use
	use := func(names []string, keys ...string) {
		for _, k := range keys {
			uses = append(uses, i18n.Use{Key: k, Where: "code", Names: names})
		}
	}
	use(nil, "error.title", "expired.heading", "expired.text", "expired.cookies",
		"elsewhere.heading", "elsewhere.text", "failed.unknown.text", "unsigned.unknown.text",
		"return.wrong.heading", "return.wrong.text", "return.wrong.next", "return.wrong.beware",
		"return.close.heading", "return.close.text", "return.spent.heading", "return.spent.text",
		"rejected.too_young", "rejected.coordination", "rejected.not_fresh", "logout.title", "logout.done", "logout.done.text",
		"wait.working", "wait.done", "returning.state",
		"way.bankid.this", "way.bankid.this.phone", "way.bankid.this.computer",
		"way.mbankid.this", "way.mbankid.other", "way.mbankid.other.computer",
		"way.mbankid.other.phone", "way.mbankid.other.phone.text", "way.site.text.unknown", "choose.last",
		"issuer.bank", "issuer.unknown", "returning.site.state")
	for _, code := range []string{
		page.CodeNotFound, page.CodeMethod, page.CodeTooLarge, page.CodeMalformed, page.CodeInternal, CodeChoice, codeTooMany, codeStray,
		oidc.FaultCrossSite, oidc.FaultClient, oidc.FaultRedirect,
	} {
		use(nil, "error."+code, "error."+code+".text")
	}
	for _, r := range reasons() {
		for _, sign := range []bool{false, true} {
			key := endingOf(r).key(sign)
			use(nil, key)
			if name := endingOf(r).names(); name != "" {
				use([]string{name}, key+".next")
			} else {
				use(nil, key+".next")
			}
		}
	}
	use([]string{"client"}, "auth.text")
	use([]string{"name"}, "way.this", "way.other")
	use([]string{"app"}, "wait.starting", "way.this.text", "way.other.text", "way.other.computer")
	use([]string{"whose"}, "way.site.text")
	use([]string{"name"}, "away.state")
	return uses
}

// reasons are all that an order can end with.
func reasons() []providers.Reason {
	return []providers.Reason{
		providers.Cancelled, providers.TimedOut, providers.StartFailed, providers.Blocked, providers.InProgress,
		providers.Replaced, providers.Declined, providers.Unsuitable, providers.RiskBlocked, providers.StepUpFailed,
		providers.WrongPerson, providers.LevelTooLow, providers.EvidenceRefused, providers.ResultLost,
		providers.WrongBrowser, providers.IssuerDown, providers.Unknown,
	}
}
