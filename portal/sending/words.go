package sending

import (
	"fmt"
	"time"
	_ "time/tzdata" // the year of a case is the one that people have here
)

// words are those that stand in what is signed and in the arrival receipt.
type words struct {
	together, title, intro, tenant, service, number, arrived, document, signed, answers string
}

func wordsIn(lang string) words {
	if lang == "en" {
		return words{
			together: "It arrives when everybody has signed.",
			title:    "Arrival receipt", intro: "This says that the following has arrived.",
			tenant: "Arrived at", service: "Concerns", number: "Case number", arrived: "Arrived",
			document: "Checksum (SHA-256) of the signed document", signed: "Signed by", answers: "What was sent",
		}
	}
	return words{
		together: "Det kommer in när alla har skrivit under.",
		title:    "Ankomstkvitto", intro: "Det här intygar att följande har kommit in.",
		tenant: "Har kommit in till", service: "Gäller", number: "Ärendenummer", arrived: "Kom in",
		document: "Kontrollsumma (SHA-256) för den underskrivna handlingen", signed: "Har skrivits under av", answers: "Det som skickades in",
	}
}

// here is the time zone of the municipalities.
func here(t time.Time) time.Time {
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		return t.UTC() // not with the zones that are built in
	}
	return t.In(zone)
}

// moment says a time so that it is the same to everybody.
func moment(t time.Time) string { return here(t).Format("2006-01-02 15:04:05 -07:00") }

// caseNumber is what people call a case.
func caseNumber(prefix string, year, n int) string {
	return fmt.Sprintf("%s-%d-%06d", prefix, year, n)
}
