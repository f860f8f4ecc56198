package bankid

// The wire types of RP API v6.0. Optional members are left out rather than sent
// empty, since the issuer refuses empty ones.

type requirement struct {
	CertificatePolicies []string `json:"certificatePolicies,omitempty"`
	PersonalNumber      string   `json:"personalNumber,omitempty"`
}

type web struct {
	ReferringDomain  string `json:"referringDomain,omitempty"`
	UserAgent        string `json:"userAgent,omitempty"`
	DeviceIdentifier string `json:"deviceIdentifier,omitempty"`
}

// startRequest starts an order at a page (auth, sign).
type startRequest struct {
	EndUserIP             string       `json:"endUserIp"`
	UserVisibleData       string       `json:"userVisibleData,omitempty"`
	UserNonVisibleData    string       `json:"userNonVisibleData,omitempty"`
	UserVisibleDataFormat string       `json:"userVisibleDataFormat,omitempty"`
	ReturnURL             string       `json:"returnUrl,omitempty"`
	Web                   *web         `json:"web,omitempty"`
	Requirement           *requirement `json:"requirement,omitempty"`
}

// phoneRequest starts an order in a phone call (phone/auth, phone/sign). It has
// no requirement for the person: the number stands beside it.
type phoneRequest struct {
	PersonalNumber        string       `json:"personalNumber"`
	CallInitiator         string       `json:"callInitiator"`
	UserVisibleData       string       `json:"userVisibleData,omitempty"`
	UserNonVisibleData    string       `json:"userNonVisibleData,omitempty"`
	UserVisibleDataFormat string       `json:"userVisibleDataFormat,omitempty"`
	Requirement           *requirement `json:"requirement,omitempty"`
}

// started is the answer to a start. Orders in a phone call have only the first
// member.
type started struct {
	OrderRef       string `json:"orderRef"`
	AutoStartToken string `json:"autoStartToken"`
	QRStartToken   string `json:"qrStartToken"`
	QRStartSecret  string `json:"qrStartSecret"`
}

type orderRequest struct {
	OrderRef string `json:"orderRef"`
}

const (
	statusPending  = "pending"
	statusFailed   = "failed"
	statusComplete = "complete"
)

type collected struct {
	OrderRef       string          `json:"orderRef"`
	Status         string          `json:"status"`
	HintCode       string          `json:"hintCode"`
	CompletionData *completionData `json:"completionData"`
}

type completionData struct {
	User            user    `json:"user"`
	Device          device  `json:"device"`
	BankIDIssueDate string  `json:"bankIdIssueDate,omitempty"`
	StepUp          *stepUp `json:"stepUp,omitempty"`
	Signature       string  `json:"signature"`
	OCSPResponse    string  `json:"ocspResponse"`
	Risk            string  `json:"risk,omitempty"`
}

type user struct {
	PersonalNumber string `json:"personalNumber"`
	Name           string `json:"name,omitempty"`
	GivenName      string `json:"givenName,omitempty"`
	Surname        string `json:"surname,omitempty"`
}

type device struct {
	IPAddress string `json:"ipAddress,omitempty"`
	UHI       string `json:"uhi,omitempty"`
}

type stepUp struct {
	MRTD bool `json:"mrtd"`
}
