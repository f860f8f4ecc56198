package bankid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxBody holds the largest permitted fields and some room.
const maxBody = 512 << 10

// The sizes of bankid.md section 2, counted after encoding.
const (
	maxAuthData       = 1_500
	maxVisible        = 40_000
	maxNonVisible     = 200_000
	maxReturnURL      = 512
	maxUserAgent      = 256
	maxDeviceID       = 64
	maxAppField       = 64
	formatPlain       = "plaintext"
	formatMarkdown    = "simpleMarkdownV1"
	callInitiatorUser = "user"
	callInitiatorRP   = "RP"
)

// The details of bankid.md section 4. Where no genuine wording is known the
// field is named in the same manner.
const (
	noSuchOrder          = "No such order"
	invalidRequest       = "Invalid request"
	invalidEndUserIP     = "Invalid endUserIp"
	incorrectNumber      = "Incorrect personalNumber"
	invalidRequirement   = "Invalid requirement"
	incorrectInitiator   = "Incorrect callInitiator"
	invalidVisible       = "Invalid userVisibleData"
	invalidNonVisible    = "Invalid userNonVisibleData"
	invalidFormat        = "Invalid userVisibleDataFormat"
	invalidReturnURL     = "Invalid returnUrl"
	invalidWeb           = "Invalid web"
	invalidApp           = "Invalid app"
	orderAlreadyForThePN = "Order already in progress for pno"
)

// A requirement limits who may complete an order and with which e-ID.
type requirement struct {
	PinCode             *bool     `json:"pinCode"`
	MRTD                *bool     `json:"mrtd"`
	CertificatePolicies *[]string `json:"certificatePolicies"`
	PersonalNumber      *string   `json:"personalNumber"`
	CardReader          *string   `json:"cardReader"`
}

// A startRequest is the body of /auth and /sign.
type startRequest struct {
	EndUserIP             *string      `json:"endUserIp"`
	UserVisibleData       *string      `json:"userVisibleData"`
	UserNonVisibleData    *string      `json:"userNonVisibleData"`
	UserVisibleDataFormat *string      `json:"userVisibleDataFormat"`
	ReturnURL             *string      `json:"returnUrl"`
	ReturnRisk            *bool        `json:"returnRisk"`
	Web                   *web         `json:"web"`
	App                   *app         `json:"app"`
	Requirement           *requirement `json:"requirement"`
}

type web struct {
	ReferringDomain  *string `json:"referringDomain"`
	UserAgent        *string `json:"userAgent"`
	DeviceIdentifier *string `json:"deviceIdentifier"`
}

type app struct {
	AppIdentifier    *string `json:"appIdentifier"`
	DeviceOS         *string `json:"deviceOS"`
	DeviceModelName  *string `json:"deviceModelName"`
	DeviceIdentifier *string `json:"deviceIdentifier"`
}

// A phoneRequest is the body of /phone/auth and /phone/sign.
type phoneRequest struct {
	PersonalNumber        *string           `json:"personalNumber"`
	CallInitiator         *string           `json:"callInitiator"`
	UserVisibleData       *string           `json:"userVisibleData"`
	UserNonVisibleData    *string           `json:"userNonVisibleData"`
	UserVisibleDataFormat *string           `json:"userVisibleDataFormat"`
	Requirement           *phoneRequirement `json:"requirement"`
}

// A phoneRequirement knows fewer limits than a requirement.
type phoneRequirement struct {
	PinCode             *bool     `json:"pinCode"`
	CertificatePolicies *[]string `json:"certificatePolicies"`
	CardReader          *string   `json:"cardReader"`
}

// A refRequest is the body of /collect and /cancel.
type refRequest struct {
	OrderRef *string `json:"orderRef"`
}

// A demand is what an order asks for, whichever method started it.
type demand struct {
	sign       bool
	call       bool
	endUserIP  string
	visible    string // base64 as sent
	format     string // as sent; empty when not sent
	nonVisible string // base64 as sent
	returnURL  string
	returnRisk bool
	pnr        string
	pinCode    bool
	mrtd       bool
	cardReader string
	policies   []string // nil: all
}

// text is what the person reads.
func (d *demand) text() string {
	b, _ := base64.StdEncoding.DecodeString(d.visible)
	return string(b)
}

// demand checks a start request and returns the details of the first fault.
func (r startRequest) demand(sign bool) (demand, string) {
	d := demand{sign: sign}
	if r.EndUserIP == nil {
		return d, invalidEndUserIP
	}
	addr, err := netip.ParseAddr(*r.EndUserIP)
	if err != nil || addr.Zone() != "" {
		return d, invalidEndUserIP
	}
	d.endUserIP = *r.EndUserIP
	if fault := d.data(r.UserVisibleData, r.UserNonVisibleData, r.UserVisibleDataFormat); fault != "" {
		return d, fault
	}
	if r.ReturnURL != nil {
		if !length(*r.ReturnURL, 1, maxReturnURL) || !hasScheme(*r.ReturnURL) {
			return d, invalidReturnURL
		}
		d.returnURL = *r.ReturnURL
	}
	d.returnRisk = r.ReturnRisk != nil && *r.ReturnRisk
	if r.Web != nil && (r.App != nil || !r.Web.valid()) {
		return d, invalidWeb
	}
	if r.App != nil && !r.App.valid() {
		return d, invalidApp
	}
	if r.Requirement != nil {
		q := *r.Requirement
		if q == (requirement{}) {
			return d, invalidRequirement
		}
		if q.PersonalNumber != nil {
			if !validNumber(*q.PersonalNumber) {
				return d, incorrectNumber
			}
			d.pnr = *q.PersonalNumber
		}
		d.mrtd = q.MRTD != nil && *q.MRTD
		if !d.limits(q.PinCode, q.CertificatePolicies, q.CardReader) {
			return d, invalidRequirement
		}
	}
	return d, ""
}

// demand checks a phone request and returns the details of the first fault.
func (r phoneRequest) demand(sign bool) (demand, string) {
	d := demand{sign: sign, call: true}
	if r.PersonalNumber == nil || !validNumber(*r.PersonalNumber) {
		return d, incorrectNumber
	}
	d.pnr = *r.PersonalNumber
	if r.CallInitiator == nil || (*r.CallInitiator != callInitiatorUser && *r.CallInitiator != callInitiatorRP) {
		return d, incorrectInitiator
	}
	if fault := d.data(r.UserVisibleData, r.UserNonVisibleData, r.UserVisibleDataFormat); fault != "" {
		return d, fault
	}
	if q := r.Requirement; q != nil {
		if *q == (phoneRequirement{}) || !d.limits(q.PinCode, q.CertificatePolicies, q.CardReader) {
			return d, invalidRequirement
		}
	}
	return d, ""
}

// data checks the texts.
func (d *demand) data(visible, nonVisible, format *string) string {
	maxV, maxN := maxAuthData, maxAuthData
	if d.sign {
		maxV, maxN = maxVisible, maxNonVisible
	}
	if visible == nil && d.sign {
		return invalidVisible
	}
	if visible != nil {
		text, ok := decode(*visible, maxV)
		if !ok || !utf8.Valid(text) {
			return invalidVisible
		}
		d.visible = *visible
	}
	if nonVisible != nil {
		if _, ok := decode(*nonVisible, maxN); !ok {
			return invalidNonVisible
		}
		d.nonVisible = *nonVisible
	}
	if format != nil {
		if *format != formatPlain && *format != formatMarkdown {
			return invalidFormat
		}
		d.format = *format
	}
	return ""
}

// limits checks the parts that both kinds of requirement have.
func (d *demand) limits(pinCode *bool, policies *[]string, reader *string) bool {
	d.pinCode = pinCode != nil && *pinCode
	if policies != nil {
		if len(*policies) == 0 {
			return false
		}
		for _, p := range *policies {
			if !validPolicy(p) {
				return false
			}
		}
		d.policies = *policies
	}
	if reader != nil {
		if *reader != "class1" && *reader != "class2" {
			return false
		}
		d.cardReader = *reader
	}
	return true
}

// accepts reports whether the order may be completed with a policy.
func (d *demand) accepts(policy string) bool {
	if d.policies == nil {
		return true
	}
	for _, p := range d.policies {
		if p == policy {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(policy, prefix) {
			return true
		}
	}
	return false
}

func (w web) valid() bool {
	if w == (web{}) {
		return false
	}
	if w.ReferringDomain != nil {
		if !length(*w.ReferringDomain, 3, 253) || strings.Trim(*w.ReferringDomain, "0123456789abcdefghijklmnopqrstuvwxyz.-") != "" {
			return false
		}
		for _, c := range *w.ReferringDomain {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '.' || c == '-') {
				return false
			}
		}
	}
	return optional(w.UserAgent, maxUserAgent) && optional(w.DeviceIdentifier, maxDeviceID)
}

func (a app) valid() bool {
	return a != (app{}) && optional(a.AppIdentifier, maxAppField) && optional(a.DeviceOS, maxAppField) &&
		optional(a.DeviceModelName, maxAppField) && optional(a.DeviceIdentifier, maxDeviceID)
}

func optional(s *string, most int) bool { return s == nil || length(*s, 1, most) }

func length(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most
}

func hasScheme(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

// decode reads the standard alphabet, padded, without line breaks, and counts
// the encoded length.
func decode(s string, most int) ([]byte, bool) {
	if len(s) < 1 || len(s) > most || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// validPolicy allows an object identifier, or one whose last part, the fifth
// or later, is a star.
func validPolicy(p string) bool {
	parts := strings.Split(p, ".")
	if len(p) > 128 || len(parts) < 2 {
		return false
	}
	for i, part := range parts {
		if part == "*" && i == len(parts)-1 && i >= 4 {
			continue
		}
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return false
		}
	}
	return true
}

// validNumber wants twelve digits with a check digit that fits.
func validNumber(s string) bool {
	if len(s) != 12 {
		return false
	}
	sum := 0
	for i, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
		if i < 2 {
			continue
		}
		n := int(c - '0')
		if i%2 == 0 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return sum%10 == 0
}

// strictJSON decodes one object: exact member names (encoding/json would
// accept any case), no unknown member, none twice, no null and nothing after.
func strictJSON(body []byte, into any) error {
	if !utf8.Valid(body) {
		return fmt.Errorf("not UTF-8")
	}
	if err := checkMembers(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("data after the object")
	}
	return nil
}

// checkMembers walks all objects of a body.
func checkMembers(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	// One set of seen names per open object; nil for an array.
	var open []map[string]bool
	name := false // the next string is a member's name
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
				name = true
				continue
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
		case nil:
			return fmt.Errorf("null is not a value here")
		case string:
			if name {
				seen := open[len(open)-1]
				if seen[t] || !knownMember(t) {
					return fmt.Errorf("unknown or repeated member %q", t)
				}
				seen[t] = true
				name = false
				continue
			}
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}

func knownMember(s string) bool {
	switch s {
	case "endUserIp", "userVisibleData", "userNonVisibleData", "userVisibleDataFormat", "returnUrl", "returnRisk",
		"web", "app", "requirement", "referringDomain", "userAgent", "deviceIdentifier", "appIdentifier", "deviceOS",
		"deviceModelName", "pinCode", "mrtd", "certificatePolicies", "personalNumber", "cardReader", "callInitiator", "orderRef":
		return true
	}
	return false
}
