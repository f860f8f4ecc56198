package providers

import (
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sigill/providers/personnummer"
)

// Whatever of the vocabulary is logged, it names nobody.
func TestNothingNamesAPersonInLogs(t *testing.T) {
	n, err := personnummer.FromDigits("198006299252")
	if err != nil {
		t.Fatal(err)
	}
	id := Identity{Number: n, Name: "Testperson Två", GivenName: "Testperson", Surname: "Två", Provider: MBankID, At: time.Now(), Certificate: []byte(n.Digits())}
	evidence := Evidence{MediaType: "application/json", Bytes: []byte(n.Digits())}
	request := Request{Number: n, Text: "Testperson Två ansöker", Mode: ModeOther}
	for name, v := range map[string]any{
		"number": n, "identity": id, "evidence": evidence, "done": Done{Identity: id, Evidence: evidence},
		"state": State(n.Digits()), "request": request, "signature": SignRequest{request},
		"expected": Expected{Number: n, Text: "Testperson Två ansöker"}, "wait": Wait{Link: "bankid:///?autostarttoken=" + n.Digits(), QR: n.Digits()},
	} {
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		for _, secret := range []string{n.Digits(), n.Digits()[2:], "Testperson", base64.StdEncoding.EncodeToString([]byte(n.Digits()))} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%s: names the person", name)
			}
		}
	}
}

func TestTextIn(t *testing.T) {
	text := Text{SV: "Hej", EN: "Hello"}
	for lang, want := range map[string]string{"sv": "Hej", "en": "Hello", "": "Hej", "fi": "Hej"} {
		if got := text.In(lang); got != want {
			t.Errorf("%s: %s", lang, got)
		}
	}
}

func TestKnown(t *testing.T) {
	for id, want := range map[ID]bool{BankID: true, MBankID: true, Freja: true, Telia: true, "": false, "BankID": false} {
		if id.Known() != want {
			t.Errorf("%q", id)
		}
	}
}
