package judges

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPIContract lives an order's life over the real thing, and has each request,
// each answer and each webhook held against the API's description.
func TestAPIContract(t *testing.T) {
	judged(t)
	p := newPremises(t, premisesWish{log: "api-contract"})
	one, two := p.phone.person(t, 0), p.phone.person(t, 1)

	o := p.open(p.wishFor("Avtal 1", p.signatoryOf(one, "none"), p.signatoryOf(two, "both")))
	if err := p.guest(one).signsAt(o.Signatories[0].SignURL); err != nil {
		t.Fatal(err)
	}
	mail, err := p.idp.AwaitMessages(t.Context(), p.mailOf(two), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.guest(two).signsAt(mail[0].Links[0]); err != nil {
		t.Fatal(err)
	}
	p.becomes(o.ID, "completed")
	p.receipt(o.ID, 2)
	p.told(o.ID, "signatory.signed 1", "signatory.signed 2", "order.sealing", "order.completed")
	_ = cmp.Diff
	_ = slices.Sort[[]string]
	_ = http.StatusOK
	_ = strings.Join
	t.Log(p.contract.Seen())
}
