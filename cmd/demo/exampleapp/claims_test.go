package exampleapp

import (
	"encoding/json"
	"testing"
)

func TestReadable(t *testing.T) {
	rows := readable(map[string]json.RawMessage{
		"sub": []byte(`"abc"`), "exp": []byte(`1700000000`), prefix + "personalIdentityNumber": []byte(`"199002232388"`), "zoo": []byte(`{"a":1}`),
	}, map[string]json.RawMessage{
		"sub": []byte(`"abc"`), "name": []byte(`"Testperson Ett"`), prefix + "personalIdentityNumber": []byte(`"199002232388"`),
	})
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
		switch r.Name {
		case "name":
			if r.Protocol || r.From != "userinfo" || r.Value != "Testperson Ett" {
				t.Errorf("%+v", r)
			}
		case prefix + "personalIdentityNumber":
			if !r.Hidden || r.From != "ID Token, userinfo" {
				t.Errorf("the number stands open: %v %s", r.Hidden, r.From)
			}
		case "sub", "exp", "zoo":
			if !r.Protocol {
				t.Errorf("%s is shown as if it were about the person", r.Name)
			}
			if r.Name == "exp" && len(r.Value) != len("2023-11-14 22:13:20") {
				t.Errorf("exp: %s", r.Value)
			}
		}
	}
	if len(rows) != 5 || names[0] != "name" || names[4] != "zoo" {
		t.Errorf("order: %v", names)
	}
}
