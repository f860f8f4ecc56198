package exampleapp

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Claim is one row of the page.
type Claim struct {
	Name   string // as the provider calls it
	Label  string // what it means
	Value  string
	Hidden bool // shown only when the person asks
	Long   bool // folded
	From   string
	// Protocol claims say something of the token rather than of the person.
	Protocol bool
}

const prefix = "https://id.oidc.se/claim/"

// meaning gives names to the claims that people understand, in the order shown.
// Those from sub on belong to the protocol.
var meaning = [...]struct{ name, label string }{
	{"name", "Namn"},
	{"given_name", "Förnamn"},
	{"family_name", "Efternamn"},
	{prefix + "personalIdentityNumber", "Personnummer"},
	{prefix + "coordinationNumber", "Samordningsnummer"},
	{"birthdate", "Födelsedatum"},
	{prefix + "authnProvider", "E-legitimation"},
	{"acr", "Tillitsnivå"},
	{"auth_time", "Legitimerad"},
	{prefix + "credentialValidFrom", "E-legitimationen gäller från"},
	{prefix + "credentialValidTo", "E-legitimationen gäller till"},
	{prefix + "deviceIp", "Enhetens adress"},
	{"sub", "Ditt namn hos den här appen"},
	{"iss", "Utfärdare"},
	{"aud", "Mottagare"},
	{"iat", "Utfärdat"},
	{"exp", "Gäller till"},
	{"sid", "Session"},
	{"txn", "Transaktion"},
}

// readable puts the claims of the ID Token and of userinfo into one table.
func readable(fromToken, fromInfo map[string]json.RawMessage) []Claim {
	all := maps.Clone(fromInfo)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, fromToken)
	var rows []Claim
	add := func(name, label string, protocol bool) {
		raw, ok := all[name]
		if !ok {
			return
		}
		delete(all, name)
		c := Claim{Name: name, Label: label, Value: text(name, raw), Protocol: protocol}
		c.Hidden = name == prefix+"personalIdentityNumber" || name == prefix+"coordinationNumber"
		c.Long = len(c.Value) > 120
		_, inToken := fromToken[name]
		_, inInfo := fromInfo[name]
		switch {
		case inToken && inInfo:
			c.From = "ID Token, userinfo"
		case inToken:
			c.From = "ID Token"
		default:
			c.From = "userinfo"
		}
		rows = append(rows, c)
	}
	protocol := len(meaning)
	for i, m := range meaning {
		if m.name == "sub" {
			protocol = i
		}
		add(m.name, m.label, i >= protocol)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		add(name, strings.TrimPrefix(name, prefix), true)
	}
	return rows
}

// text writes a claim for people: times as times.
func text(name string, raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	switch name {
	case "auth_time", "iat", "exp", prefix + "credentialValidFrom", prefix + "credentialValidTo":
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return time.Unix(n, 0).Format("2006-01-02 15:04:05")
		}
	}
	return string(raw)
}
