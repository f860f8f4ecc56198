package freja

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strconv"
	"time"

	"sigill/testidp/persons"
)

// attributeLevels are the attributes that may be asked for and the least level
// that the request must have. Those of the organisation context and the big
// ones with PDF are not simulated.
var attributeLevels = map[string]level{
	"BASIC_USER_INFO": extended, "DATE_OF_BIRTH": extended, "AGE": extended, "GENDER": extended, "SSN": extended,
	"ADDRESSES": extended, "PHOTO": extended, "DOCUMENT": extended, "DOCUMENT_PHOTO": extended, "NFC_ID_PHOTO": extended,
	"EMAIL_ADDRESS": basic, "ALL_EMAIL_ADDRESSES": basic, "ALL_PHONE_NUMBERS": basic, "REGISTRATION_LEVEL": basic,
	"LOA_LEVEL": basic, "UNIQUE_PERSONAL_IDENTIFIER": basic, "RELYING_PARTY_USER_ID": basic, "CUSTOM_IDENTIFIER": basic,
	"NETWORK_INFO": basic,
}

// attributes are the members of requestedAttributes (freja.md section 4).
type attributes struct {
	BasicUserInfo            *basicUserInfo `json:"basicUserInfo,omitempty"`
	EmailAddress             string         `json:"emailAddress,omitempty"`
	AllEmailAddresses        []emailEntry   `json:"allEmailAddresses,omitempty"`
	AllPhoneNumbers          []phoneEntry   `json:"allPhoneNumbers,omitempty"`
	DateOfBirth              string         `json:"dateOfBirth,omitempty"`
	Age                      int            `json:"age,omitempty"`
	Gender                   string         `json:"gender,omitempty"`
	SSN                      *ssn           `json:"ssn,omitempty"`
	Addresses                []address      `json:"addresses,omitempty"`
	Photo                    string         `json:"photo,omitempty"`
	PhotoFileInfo            *fileInfo      `json:"photoFileInfo,omitempty"`
	Document                 *document      `json:"document,omitempty"`
	DocumentPhoto            string         `json:"documentPhoto,omitempty"`
	NFCIDPhoto               string         `json:"nfcIdPhoto,omitempty"`
	RegistrationLevel        string         `json:"registrationLevel,omitempty"`
	LOALevel                 string         `json:"loaLevel,omitempty"`
	UniquePersonalIdentifier string         `json:"uniquePersonalIdentifier,omitempty"`
	RelyingPartyUserID       string         `json:"relyingPartyUserId,omitempty"`
	NetworkInfo              *networkInfo   `json:"networkInfo,omitempty"`
}

type (
	basicUserInfo struct {
		Name    string `json:"name"`
		Surname string `json:"surname"`
	}
	ssn struct {
		Country string `json:"country"`
		SSN     string `json:"ssn,omitempty"`
	}
	emailEntry struct {
		EmailAddress string `json:"emailAddress"`
	}
	phoneEntry struct {
		PhoneNumber string `json:"phoneNumber"`
	}
	address struct {
		Country    string `json:"country"`
		City       string `json:"city"`
		PostCode   string `json:"postCode"`
		Address1   string `json:"address1"`
		ValidFrom  string `json:"validFrom"`
		Type       string `json:"type"`
		SourceType string `json:"sourceType"`
	}
	fileInfo struct {
		FileHash string `json:"fileHash"`
	}
	document struct {
		Type           string `json:"type"`
		Country        string `json:"country"`
		SerialNumber   string `json:"serialNumber"`
		ExpirationDate string `json:"expirationDate"`
	}
	networkInfo struct {
		PublicIP string `json:"publicIp"`
	}
)

// attributesOf are the attributes of a user that were asked for, as the
// statement has them and as the answer repeats them: a photo stands in the
// answer alone.
func (r *register) attributesOf(u user, rp string, wanted []string, now time.Time) (signed, outer *attributes, err error) {
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	a := &attributes{}
	var photo string
	for _, w := range wanted {
		switch w {
		case "BASIC_USER_INFO":
			a.BasicUserInfo = &basicUserInfo{u.Given, u.Surname}
		case "EMAIL_ADDRESS":
			a.EmailAddress = u.email
		case "ALL_EMAIL_ADDRESSES":
			a.AllEmailAddresses = []emailEntry{{u.email}}
		case "ALL_PHONE_NUMBERS":
			a.AllPhoneNumbers = []phoneEntry{{u.phone}}
		case "DATE_OF_BIRTH":
			a.DateOfBirth = born(u.Person).Format(time.DateOnly)
		case "AGE":
			a.Age = age(born(u.Person), now)
		case "GENDER":
			a.Gender = "FEMALE"
			if u.Number[10]%2 == 1 {
				a.Gender = "MALE"
			}
		case "SSN":
			a.SSN = &ssn{"SE", u.Number}
		case "ADDRESSES":
			a.Addresses = []address{{"SE", "Exempelby", "12345", "Exempelgatan 1", "2020-01-01", "RESIDENTIAL", "GOVERNMENT_REGISTRY"}}
		case "PHOTO", "DOCUMENT_PHOTO", "NFC_ID_PHOTO":
			face, err := portrait(u)
			if err != nil {
				return nil, nil, fmt.Errorf("freja: photo: %w", err)
			}
			coded := base64.StdEncoding.EncodeToString(face)
			switch w {
			case "PHOTO":
				sum := sha256.Sum256(face)
				a.PhotoFileInfo = &fileInfo{hex.EncodeToString(sum[:])}
				photo = coded
			case "DOCUMENT_PHOTO":
				a.DocumentPhoto = coded
			default:
				a.NFCIDPhoto = coded
			}
		case "DOCUMENT":
			a.Document = &document{"PASS", "SE", r.identifier("document", u)[:8], now.AddDate(3, 0, 0).Format(time.DateOnly)}
		case "REGISTRATION_LEVEL":
			a.RegistrationLevel = u.level.String()
		case "LOA_LEVEL":
			a.LOALevel = u.level.loa()
		case "UNIQUE_PERSONAL_IDENTIFIER":
			a.UniquePersonalIdentifier = u.upi
		case "RELYING_PARTY_USER_ID":
			a.RelyingPartyUserID = r.identifier("rp:"+rp, u)
		case "NETWORK_INFO":
			a.NetworkInfo = &networkInfo{"127.0.0.1"}
		}
	}
	if photo == "" {
		return a, a, nil
	}
	shown := *a
	shown.Photo, shown.PhotoFileInfo = photo, nil
	return a, &shown, nil
}

// born reads the date in a number; a co-ordination number adds sixty to the day.
func born(p persons.Person) time.Time {
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	day := number(p.Number[6:8])
	if day > 60 {
		day -= 60
	}
	return time.Date(number(p.Number[:4]), time.Month(number(p.Number[4:6])), day, 0, 0, 0, 0, time.UTC)
}

func age(born, now time.Time) int {
	years := now.Year() - born.Year()
	if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
		years--
	}
	return years
}

// portrait is a grey square, another for every person.
func portrait(u user) ([]byte, error) {
	sum := sha256.Sum256([]byte("portrait\x00" + u.ID))
	square := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		square.SetGray(i%8, i/8, color.Gray{Y: sum[i/2]})
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, square, nil)
	return b.Bytes(), err
}
