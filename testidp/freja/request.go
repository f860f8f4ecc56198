package freja

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody holds binary data of the largest permitted size, twice encoded, and
// some room for percent signs.
const maxBody = 16 << 20

// The limits of freja.md section 2, in characters or bytes before encoding.
const (
	maxUserInfo = 256
	maxTitle    = 128
	maxPush     = 256
	maxText     = 4096
	maxBinary   = 5_000_000
	minExpiry   = 2 * time.Minute
	maxExpiry   = 30 * 24 * time.Hour
	maxInferred = 30 * time.Minute
	expirySlack = 5 * time.Second // on the way
)

// The types of userInfo.
const (
	infoEmail    = "EMAIL"
	infoPhone    = "PHONE"
	infoSSN      = "SSN"
	infoUPI      = "UPI"
	infoInferred = "INFERRED"
)

// The types of signatures and of what is signed.
const (
	typeSimple   = "SIMPLE"
	typeExtended = "EXTENDED"
	typeXML      = "XML_MINAMEDDELANDEN"
	dataSimple   = "SIMPLE_UTF8_TEXT"
	dataExtended = "EXTENDED_UTF8_TEXT"
)

// An initRequest is what starts a transaction. Pointers tell what is missing
// from what is empty.
type initRequest struct {
	UserInfoType           *string            `json:"userInfoType"`
	UserInfo               *string            `json:"userInfo"`
	MinRegistrationLevel   *string            `json:"minRegistrationLevel"`
	AttributesToReturn     *[]attributeWanted `json:"attributesToReturn"`
	UserConfirmationMethod *string            `json:"userConfirmationMethod"`
	OriginDeviceDetails    *originDevice      `json:"originDeviceDetails"`
	UseDynamicQRCode       *bool              `json:"useDynamicQrCode"`
}

type initSignRequest struct {
	initRequest
	Title            *string           `json:"title"`
	PushNotification *pushNotification `json:"pushNotification"`
	Expiry           *int64            `json:"expiry"`
	DataToSignType   *string           `json:"dataToSignType"`
	DataToSign       *dataToSign       `json:"dataToSign"`
	SignatureType    *string           `json:"signatureType"`
}

type attributeWanted struct {
	Attribute string `json:"attribute"`
}

type originDevice struct {
	FrejaCookie               string `json:"frejaCookie"`
	UserAgent                 string `json:"userAgent"`
	UserIPAddress             string `json:"userIpAddress"`
	FlowType                  string `json:"flowType"`
	NewDeviceWarningStartDate string `json:"newDeviceWarningStartDate"`
}

type pushNotification struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

type dataToSign struct {
	Text       *string `json:"text"`
	BinaryData *string `json:"binaryData"`
}

type refRequest struct {
	AuthRef *string `json:"authRef"`
	SignRef *string `json:"signRef"`
}

type listRequest struct {
	IncludePrevious *string `json:"includePrevious"`
}

// A demand is a request that was found in order.
type demand struct {
	sign     bool
	infoType string
	info     string // as sent
	ssn      string // the Swedish number asked for, whether anybody has it or not
	named    *user  // nil when inferred or unknown
	level    level
	wanted   []string
	dynamic  bool
	cookie   bool

	title         string
	expiry        time.Time
	signatureType string
	text          string
	binary        string // Base64 as sent; empty when not sent
}

// parameter reads a body: a name, an equals sign, the Base64 of JSON, and
// perhaps a second parameter. The Base64 may be percent-encoded, and a plus
// sign may have become a space on the way (freja.md section 1).
func parameter(body []byte, name string) (document []byte, integrator bool, fault *apiError) {
	seen := false
	for _, pair := range strings.Split(strings.TrimRight(string(body), "\r\n"), "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key == "relyingPartyId" {
			integrator = true
			continue
		}
		if key != name || seen {
			return nil, false, refuse(1010, "The parameter "+name+" is missing, or another is there")
		}
		seen = true
		value, err := url.PathUnescape(value)
		if err != nil {
			return nil, false, refuse(1010, "The parameter is not well percent-encoded")
		}
		if document, err = base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(value, " ", "+")); err != nil {
			return nil, false, refuse(1010, "The parameter is not Base64")
		}
	}
	if !seen {
		return nil, false, refuse(1010, "The parameter "+name+" is missing")
	}
	return document, integrator, nil
}

// errUnknown says that a member is there that no document mentions.
var errUnknown = errors.New("unknown member")

// escape matches what freja.md section 1 warns of; below U+0020 there is no
// other way to write a character.
var escape = regexp.MustCompile(`\\u(00[01][0-9a-fA-F])?`)

// decodeJSON decodes one object: raw UTF-8, no member twice or in another case,
// no null and nothing after. It is stricter than Freja is known to be, so that
// a misspelt member is found here.
func decodeJSON(document []byte, into any) *apiError {
	if !utf8.Valid(document) {
		return refuse(1010, "The JSON is not UTF-8")
	}
	// A backslash before the u may itself be escaped.
	for _, m := range escape.FindAll(bytes.ReplaceAll(document, []byte(`\\`), nil), -1) {
		if len(m) == 2 {
			return refuse(1010, "The JSON has escaped characters where UTF-8 was expected")
		}
	}
	switch err := checkMembers(document); {
	case errors.Is(err, errUnknown):
		return refuse(1000, "Unknown member")
	case err != nil:
		return refuse(1010, "The JSON cannot be parsed")
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if strings.HasPrefix(err.Error(), "json: unknown field ") {
			return refuse(1000, "Unknown member")
		}
		return refuse(1010, "The JSON cannot be parsed")
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse(1010, "There is something after the JSON object")
	}
	return nil
}

// checkMembers walks all objects: encoding/json would take a member twice, or
// in any case.
func checkMembers(document []byte) error {
	d := json.NewDecoder(bytes.NewReader(document))
	var open []map[string]bool // one set of names per open object; nil for an array
	name := false              // the next string is a member's name
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
				open, name = append(open, map[string]bool{}), true
				continue
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
		case nil:
			return errors.New("null is not a value here")
		case string:
			if name {
				seen := open[len(open)-1]
				if seen[t] {
					return errors.New("repeated member")
				}
				if !knownMember(t) {
					return errUnknown
				}
				seen[t], name = true, false
				continue
			}
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}

func knownMember(s string) bool {
	switch s {
	case "userInfoType", "userInfo", "minRegistrationLevel", "attributesToReturn", "userConfirmationMethod", "originDeviceDetails",
		"useDynamicQrCode", "attribute", "frejaCookie", "userAgent", "userIpAddress", "flowType", "newDeviceWarningStartDate",
		"title", "pushNotification", "text", "expiry", "dataToSignType", "dataToSign", "binaryData", "signatureType",
		"authRef", "signRef", "includePrevious", "country", "ssn":
		return true
	}
	return false
}

// demand checks an authentication in the order of freja.md section 11.
func (r initRequest) demand(users *register) (demand, *apiError) {
	d := demand{level: basic, infoType: text(r.UserInfoType), info: text(r.UserInfo)}
	if fault := d.who(users); fault != nil {
		return d, fault
	}
	if fault := d.minimum(r); fault != nil {
		return d, fault
	}
	if fault := d.attributes(r.AttributesToReturn, 2002, 2003); fault != nil {
		return d, fault
	}
	return d, d.rest(r)
}

// demand checks a signature in the same order.
func (r initSignRequest) demand(users *register, now time.Time) (demand, *apiError) {
	d := demand{sign: true, level: basic, infoType: text(r.UserInfoType), info: text(r.UserInfo)}
	if fault := d.who(users); fault != nil {
		return d, fault
	}
	if fault := d.minimum(r.initRequest); fault != nil {
		return d, fault
	}
	if fault := d.attributes(r.AttributesToReturn, 3005, 3006); fault != nil {
		return d, fault
	}
	if fault := d.signature(r, now); fault != nil {
		return d, fault
	}
	return d, d.rest(r.initRequest)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

var (
	emailForm = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)
	phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	// The forms of national numbers (freja.md section 2.1).
	numberForms = map[string]*regexp.Regexp{
		"SE": regexp.MustCompile(`^[0-9]{12}$`),
		"NO": regexp.MustCompile(`^[0-9]{11}$`),
		"DK": regexp.MustCompile(`^[0-9]{10}$`),
		"FI": regexp.MustCompile(`^[0-9]{6}[-+A-Y]?[0-9]{3}[0-9A-Y]$`),
	}
)

// who checks userInfo and finds the user, if there is one.
func (d *demand) who(users *register) *apiError {
	bad := refuse(1002, "Invalid or missing userInfo")
	var by map[string]int
	key := d.info
	switch d.infoType {
	case infoInferred, infoEmail, infoPhone, infoSSN, infoUPI:
	default:
		return refuse(1001, "Invalid or missing userInfoType")
	}
	if key == "" || utf8.RuneCountInString(key) > maxUserInfo {
		return bad
	}
	switch d.infoType {
	case infoInferred:
		if key != "N/A" {
			return bad
		}
		return nil
	case infoEmail:
		if !emailForm.MatchString(key) {
			return bad
		}
		by, key = users.byEmail, strings.ToLower(key)
	case infoPhone:
		if !phoneForm.MatchString(key) {
			return bad
		}
		by = users.byPhone
	case infoUPI:
		by = users.byUPI
	case infoSSN:
		country, number, ok := parseSSN(key)
		if !ok {
			return bad
		}
		if country != "SE" {
			return nil // nobody here
		}
		d.ssn = number
		by, key = users.byNumber, number
	}
	if u, ok := users.get(by, key); ok {
		d.named = &u
	}
	return nil
}

// parseSSN reads the Base64 of {"country","ssn"}.
func parseSSN(info string) (country, number string, ok bool) {
	document, err := base64.StdEncoding.Strict().DecodeString(info)
	var v struct {
		Country *string `json:"country"`
		SSN     *string `json:"ssn"`
	}
	if err != nil || decodeJSON(document, &v) != nil || v.Country == nil || v.SSN == nil {
		return "", "", false
	}
	form := numberForms[*v.Country]
	if form == nil || !form.MatchString(*v.SSN) || *v.Country == "SE" && !checked(*v.SSN) {
		return "", "", false
	}
	return *v.Country, *v.SSN, true
}

// checked reports whether the check digit of twelve digits fits.
func checked(number string) bool {
	sum := 0
	for i, c := range []byte(number[2:]) {
		n := int(c-'0') * (2 - i%2)
		sum += n/10 + n%10
	}
	return sum%10 == 0
}

// minimum checks the levels.
func (d *demand) minimum(r initRequest) *apiError {
	bad := refuse(1007, "Invalid minRegistrationLevel")
	if r.MinRegistrationLevel != nil {
		var ok bool
		if d.level, ok = parseLevel(*r.MinRegistrationLevel); !ok {
			return bad
		}
	}
	if d.infoType == infoSSN && d.level < extended {
		return bad
	}
	if r.UserConfirmationMethod != nil {
		switch *r.UserConfirmationMethod {
		case "DEFAULT":
		case "DEFAULT_AND_FACE":
			if d.level < extended {
				return bad
			}
		default:
			return refuse(1000, "Invalid userConfirmationMethod")
		}
	}
	return nil
}

// attributes checks what is to be returned.
func (d *demand) attributes(wanted *[]attributeWanted, bad, unset int) *apiError {
	if wanted == nil {
		return nil
	}
	if len(*wanted) == 0 {
		return refuse(bad, "attributesToReturn is empty")
	}
	for _, w := range *wanted {
		if w.Attribute == "INTEGRATOR_SPECIFIC_USER_ID" {
			return refuse(1009, "The relying party is no integrator")
		}
		least, ok := attributeLevels[w.Attribute]
		if !ok || least > d.level || slices.Contains(d.wanted, w.Attribute) {
			return refuse(bad, "Invalid attributesToReturn")
		}
		if w.Attribute == "CUSTOM_IDENTIFIER" {
			return refuse(unset, "No custom identifier is set")
		}
		d.wanted = append(d.wanted, w.Attribute)
	}
	return nil
}

// signature checks the fields that only a signature has.
func (d *demand) signature(r initSignRequest, now time.Time) *apiError {
	kind := text(r.DataToSignType)
	if kind != dataSimple && kind != dataExtended {
		return refuse(3000, "Invalid or missing dataToSignType")
	}
	if fault := d.data(r.DataToSign, kind); fault != nil {
		return fault
	}
	d.signatureType = text(r.SignatureType)
	switch {
	case d.signatureType == typeSimple && kind == dataSimple:
	case d.signatureType == typeExtended && kind == dataExtended:
	case d.signatureType == typeXML && kind == dataSimple:
	default:
		return refuse(3002, "Invalid or missing signatureType, or it does not fit dataToSignType")
	}
	d.expiry = now.Add(minExpiry)
	if r.Expiry != nil {
		d.expiry = time.UnixMilli(*r.Expiry)
		most := maxExpiry
		if d.infoType == infoInferred {
			most = maxInferred
		}
		if d.expiry.Before(now.Add(minExpiry-expirySlack)) || d.expiry.After(now.Add(most+expirySlack)) {
			return refuse(3003, "Invalid expiry")
		}
	}
	if p := r.PushNotification; p != nil && (!shown(p.Title, maxPush) || !shown(p.Text, maxPush)) {
		return refuse(3004, "Invalid pushNotification")
	}
	if r.Title != nil && !shown(*r.Title, maxTitle) {
		return refuse(3007, "Invalid title")
	}
	d.title = text(r.Title)
	if d.signatureType == typeXML {
		if !slices.Contains(d.wanted, "SSN") || !slices.Contains(d.wanted, "BASIC_USER_INFO") {
			return refuse(3009, "SSN and BASIC_USER_INFO must be asked for")
		}
		return refuse(1004, "The relying party may not ask for XML_MINAMEDDELANDEN")
	}
	return nil
}

func (d *demand) data(data *dataToSign, kind string) *apiError {
	bad := refuse(3001, "Invalid or missing dataToSign")
	if data == nil || data.Text == nil {
		return bad
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(*data.Text)
	if err != nil || !utf8.Valid(plain) || !shown(string(plain), maxText) {
		return bad
	}
	d.text = string(plain)
	if data.BinaryData == nil {
		return nil
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(*data.BinaryData)
	if err != nil || len(raw) == 0 || len(raw) > maxBinary || kind != dataExtended {
		return bad
	}
	d.binary = *data.BinaryData
	return nil
}

// rest checks what has no place in the order of checks.
func (d *demand) rest(r initRequest) *apiError {
	if r.UseDynamicQRCode != nil && *r.UseDynamicQRCode {
		if d.infoType != infoInferred {
			return refuse(1000, "useDynamicQrCode needs INFERRED")
		}
		d.dynamic = true
	}
	if o := r.OriginDeviceDetails; o != nil {
		_, err := time.Parse(time.DateOnly, o.NewDeviceWarningStartDate)
		if o.FlowType != "" && o.FlowType != "SAME_DEVICE" && o.FlowType != "ANOTHER_DEVICE" || o.NewDeviceWarningStartDate != "" && err != nil {
			return refuse(1000, "Invalid originDeviceDetails")
		}
		d.cookie = true
	}
	return nil
}

// shown reports whether a text can be shown: not blank and not too long.
func shown(s string, most int) bool {
	return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= most
}
