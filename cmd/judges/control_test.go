package judges

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// A control speaks the control API of the simulators: it is the person with
// the phone, and the issuer's bad days.
type control struct{ base string }

type person struct {
	Number string   `json:"pnr"`
	Name   string   `json:"name"`
	Flags  []string `json:"flags"`
	place  int      // in the list
}

// call makes one call; into may be nil.
func (c control) call(method, path string, body, into any) error {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, c.base+"/control/"+path, &sent)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(text))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (c control) persons(t testing.TB) []person {
	t.Helper()
	var list []person
	if err := c.call("GET", "persons", nil, &list); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].place = i
	}
	return list
}

// person gives the i-th person without peculiarities.
func (c control) person(t testing.TB, i int) person {
	t.Helper()
	for _, p := range c.persons(t) {
		if len(p.Flags) == 0 {
			if i == 0 {
				return p
			}
			i--
		}
	}
	t.Fatal("there are not that many persons")
	return person{}
}

// scan opens an order on the phone by the content of a QR frame.
func (c control) scan(qr string) (string, error) {
	var found struct{ ID string }
	err := c.call("POST", "scan", map[string]string{"qr": qr}, &found)
	return found.ID, err
}

// open opens an order by the token of an app link.
func (c control) open(token string) (string, error) {
	var found struct{ ID string }
	err := c.call("POST", "scan", map[string]string{"autoStartToken": token}, &found)
	return found.ID, err
}

// approve gives the address that the app sends the person back to, if any.
func (c control) approve(id, number string) (string, error) {
	var done struct{ ReturnURL string }
	err := c.call("POST", "orders/"+id, map[string]string{"action": "approve", "pnr": number}, &done)
	return done.ReturnURL, err
}

// obey lets a person approve every new order until the test ends.
func (c control) obey(t testing.TB, number string, after time.Duration) {
	t.Helper()
	body := map[string]any{"provider": "*", "pnr": number, "delayMs": after.Milliseconds()}
	if err := c.call("POST", "auto", body, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.call("DELETE", "auto", nil, nil) })
}

// fault gives the issuer a bad day until the test ends.
func (c control) fault(t testing.TB, name string) {
	t.Helper()
	if err := c.call("POST", "faults", map[string]any{"provider": "*", "fault": name, "rate": 1}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.call("DELETE", "faults", nil, nil) })
}
