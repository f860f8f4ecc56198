package freja

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"sigill/providers"
)

// The values of the services that are used here.
const (
	userSSN      = "SSN"
	userEmail    = "EMAIL"
	userInferred = "INFERRED"
	userNobody   = "N/A" // the user info of an inferred user

	levelPlus = "PLUS"
	loa3      = "LOA3"
	sweden    = "SE"

	attributeName  = "BASIC_USER_INFO"
	attributeSSN   = "SSN"
	attributeLevel = "REGISTRATION_LEVEL"

	extendedText      = "EXTENDED_UTF8_TEXT"
	extendedSignature = "EXTENDED"

	statusStarted    = "STARTED"
	statusDelivered  = "DELIVERED_TO_MOBILE"
	statusOpened     = "OPENED"
	statusCanceled   = "CANCELED"
	statusRPCanceled = "RP_CANCELED"
	statusExpired    = "EXPIRED"
	statusApproved   = "APPROVED"
	statusRejected   = "REJECTED"
)

// The codes of errors that mean something to an order.
const (
	codeInternal       = 0
	codeUserInfo       = 1002 // bad or missing
	codeServiceOff     = 1005 // switched off by the person in My Pages
	codeUnknownRP      = 1008
	codeRelyingPartyID = 1011
	codeNoUser         = 1012
	codeNoOrder        = 1100 // unknown or too old
	codeCollision      = 2000 // an earlier order of the same person
)

// A service is one of the two, in the words that differ between them.
type service struct {
	init, result, cancel                string // paths
	initParam, resultParam, cancelParam string
}

func serviceOf(kind providers.Kind) service {
	if kind == providers.KindSign {
		return service{
			"sign/1.0/initSignature", "sign/1.0/getOneResult", "sign/1.0/cancel",
			"initSignRequest", "getOneSignResultRequest", "cancelSignRequest",
		}
	}
	return service{
		"authentication/1.0/initAuthentication", "authentication/1.0/getOneResult", "authentication/1.0/cancel",
		"initAuthRequest", "getOneAuthResultRequest", "cancelAuthRequest",
	}
}

// initRequest starts an order; what belongs to signatures is last.
type initRequest struct {
	UserInfoType         string      `json:"userInfoType"`
	UserInfo             string      `json:"userInfo"`
	MinRegistrationLevel string      `json:"minRegistrationLevel,omitempty"`
	AttributesToReturn   []attribute `json:"attributesToReturn,omitempty"`
	UseDynamicQRCode     bool        `json:"useDynamicQrCode,omitempty"`

	Expiry         int64       `json:"expiry,omitempty"` // epoch milliseconds
	DataToSignType string      `json:"dataToSignType,omitempty"`
	DataToSign     *dataToSign `json:"dataToSign,omitempty"`
	SignatureType  string      `json:"signatureType,omitempty"`
}

type attribute struct {
	Attribute string `json:"attribute"`
}

type dataToSign struct {
	Text       []byte `json:"text"` // base64 of the standard alphabet, as encoding/json writes bytes
	BinaryData []byte `json:"binaryData,omitempty"`
}

// orderRequest names an order: exactly one of the two.
type orderRequest struct {
	AuthRef string `json:"authRef,omitempty"`
	SignRef string `json:"signRef,omitempty"`
}

func order(kind providers.Kind, ref string) orderRequest {
	if kind == providers.KindSign {
		return orderRequest{SignRef: ref}
	}
	return orderRequest{AuthRef: ref}
}

type started struct {
	AuthRef      string `json:"authRef"`
	SignRef      string `json:"signRef"`
	QRCodeSecret string `json:"qrCodeSecret"`
}

func (s started) reference(kind providers.Kind) string {
	if kind == providers.KindSign {
		return s.SignRef
	}
	return s.AuthRef
}

type result struct {
	AuthRef string          `json:"authRef"`
	SignRef string          `json:"signRef"`
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"` // anything at all unless approved
}

func (r result) reference(kind providers.Kind) string {
	if kind == providers.KindSign {
		return r.SignRef
	}
	return r.AuthRef
}

// ssn is a person's number with the country that gave it.
type ssn struct {
	Country string `json:"country"`
	SSN     string `json:"ssn"`
}

// body puts a request in the form that the services take: a parameter with the
// base64 of JSON in plain UTF-8. Nothing is percent-encoded, as in the official
// client.
func body(param string, request any, relyingPartyID string) (string, error) {
	text, err := plainJSON(request)
	if err != nil {
		return "", err
	}
	b := param + "=" + base64.StdEncoding.EncodeToString(text)
	if relyingPartyID != "" {
		b += "&relyingPartyId=" + url.QueryEscape(relyingPartyID)
	}
	return b, nil
}

// plainJSON writes characters as they are: Freja has refused escapes.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// errorCode reads a code, which is a number or the same as text.
func errorCode(raw json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	return n, err == nil && len(raw) > 0
}
