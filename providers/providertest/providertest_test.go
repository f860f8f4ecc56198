package providertest

import (
	"testing"

	"sigill/providers/personnummer"
)

// The search for personal numbers must be able to find one.
func TestSearchFindsPlantedNumber(t *testing.T) {
	n, err := personnummer.FromDigits("198006299252")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range forms(n) {
		if !leaks(`{"msg":"order `+form+` started"}`, n) {
			t.Errorf("does not find %d characters planted", len(form))
		}
	}
	if leaks(n.String()+" order 1980-06-29", n) {
		t.Error("finds what is not there")
	}
}
