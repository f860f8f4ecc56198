package exampleapp

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wish is the body that asks the signing API for an order.
type wish struct {
	Title       string            `json:"title"`
	Message     string            `json:"message,omitempty"`
	Reference   string            `json:"reference"`
	Language    string            `json:"language"`
	Documents   []wishedDocument  `json:"documents"`
	Signatories []wishedSignatory `json:"signatories"`
	Order       string            `json:"order"`
	Deadline    time.Time         `json:"deadline"`
	ReturnURL   string            `json:"returnUrl"`
	CallbackURL string            `json:"callbackUrl"`
}

type wishedDocument struct {
	Name    string  `json:"name"`
	Content []block `json:"content,omitempty"`
	File    []byte  `json:"file,omitempty"`
	Type    string  `json:"type,omitempty"`
}

type block struct {
	Heading string `json:"heading,omitempty"`
	Text    string `json:"text,omitempty"`
	Rows    []row  `json:"rows,omitempty"`
}

type row struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

type wishedSignatory struct {
	Pnr    string `json:"pnr"`
	Name   string `json:"name"`
	Email  string `json:"email,omitempty"`
	Phone  string `json:"phone,omitempty"`
	Invite string `json:"invite"`
}

// A Person is somebody to sign, as an example.
type Person struct {
	Name, Number, Email, Phone string
	Invite                     string // how: email, sms, both, code or none
}

// people is how many persons the form has room for. The last may be left out.
const people = 3

// form is what a person has filled in.
type form struct {
	Key      string // of this form: sent twice it is one order
	Title    string
	Text     string
	People   [people]Person
	Third    bool
	Order    string
	Deadline string
	file     []byte
	fileName string
	fileType string
}

// A place is a person of the form and which one.
type place struct {
	N int
	Person
	Third bool // may be left out
}

// Places are the persons as the form shows them.
func (f form) Places() []place {
	var out []place
	for i, p := range f.People {
		out = append(out, place{i + 1, p, i == people-1})
	}
	return out
}

const (
	mostFile = 1 << 20
	mostForm = 8 << 20 // what is larger than a file may be is refused in words
)

// deadlines are the choices of the form, for whoever wants to see time run out
// and for everybody else.
var deadlines = map[string]time.Duration{"short": 2 * time.Minute, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour}

// Faults of the attachment.
var (
	errFileSize = errors.New("the attachment is too large")
	errFileType = errors.New("the attachment is of another type")
)

// readForm reads what was sent. With errFileSize and errFileType the rest of the
// form is good to show again.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseMultipartForm(mostForm); err != nil {
		return form{}, err
	}
	defer r.MultipartForm.RemoveAll()
	line := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := form{
		Key: line("key"), Title: line("title"), Text: line("text"), Third: line("third") != "", Order: line("order"), Deadline: line("deadline"),
	}
	for i := range f.People {
		field := func(name string) string { return line(fmt.Sprintf("%s%d", name, i+1)) }
		f.People[i] = Person{Name: field("name"), Number: field("pnr"), Email: field("email"), Phone: field("phone"), Invite: field("invite")}
	}
	if !keyShape.MatchString(f.Key) {
		return form{}, errors.New("a form without a key")
	}
	if files := r.MultipartForm.File["file"]; len(files) > 0 && files[0].Size > 0 {
		return f, f.attach(files[0])
	}
	return f, nil
}

// keyShape is what rand.Text makes.
var keyShape = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func (f *form) attach(h *multipart.FileHeader) error {
	if h.Size > mostFile {
		return errFileSize
	}
	from, err := h.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	if f.file, err = io.ReadAll(io.LimitReader(from, mostFile+1)); err != nil {
		return err
	}
	switch f.fileType = http.DetectContentType(f.file); f.fileType {
	case "application/pdf", "image/jpeg", "image/png":
	default:
		f.file = nil
		return errFileType
	}
	// Some browsers send the whole path.
	if f.fileName = path.Base(strings.ReplaceAll(h.Filename, `\`, "/")); len(f.fileName) < 2 || len(f.fileName) > 100 {
		f.fileName = "bilaga"
	}
	return nil
}

// wish puts the form into the API's words.
func (f form) wish(l look, base string, now time.Time) wish {
	w := wish{
		Title: f.Title, Reference: reference(f.Key), Language: l.Lang, Order: f.Order,
		// By the minute, so that what is sent twice is the same.
		Deadline:  now.Add(deadlines[f.Deadline]).UTC().Truncate(time.Minute).Add(time.Minute),
		ReturnURL: base + "/sign/" + f.Key + "/back", CallbackURL: base + hookPath,
		Documents: []wishedDocument{{Name: l.T("Ansökan", "Application"), Content: []block{
			{Rows: []row{
				{l.T("Ärende", "Case"), reference(f.Key)},
				{l.T("Gäller", "About"), f.Title},
				{l.T("Lämnas till", "Submitted to"), "Exempelby kommun"},
			}},
			{Heading: l.T("Det här ansöker ni om", "What you apply for")},
			{Text: f.Text},
		}}},
	}
	if f.file != nil {
		w.Documents = append(w.Documents, wishedDocument{Name: f.fileName, File: f.file, Type: f.fileType})
	}
	for i, p := range f.People {
		if i < people-1 || f.Third {
			w.Signatories = append(w.Signatories, wishedSignatory{p.Number, p.Name, p.Email, p.Phone, p.Invite})
		}
	}
	return w
}

// reference is the case number of an order, as the application gives it.
func reference(key string) string { return "EX-" + key[:6] }

// A mistake is something to mend in the form.
type mistake struct{ Field, Text string }

var faultField = regexp.MustCompile(`^signatories\[(\d)\]\.(\w+)$`)

// mistakes puts what the API found at fault into words for people. The API's own
// are for programmers.
func (l look) mistakes(r *refusal) []mistake {
	var out []mistake
	seen := map[string]bool{}
	for _, f := range r.Faults {
		m := l.mistake(f.Field, f.Problem)
		if !seen[m.Field] {
			seen[m.Field] = true
			out = append(out, m)
		}
	}
	return out
}

func (l look) mistake(field, problem string) mistake {
	if at := faultField.FindStringSubmatch(field); at != nil {
		i, _ := strconv.Atoi(at[1])
		n := strconv.Itoa(i + 1)
		who := "Person " + n + ": "
		words := map[string]string{
			"name":   l.T("skriv ett namn.", "enter a name."),
			"pnr":    l.T("kontrollera personnumret. Det har tolv siffror.", "check the personal number. It has twelve digits."),
			"email":  l.T("skriv en e-postadress.", "enter an e-mail address."),
			"phone":  l.T("skriv ett mobilnummer.", "enter a mobile number."),
			"invite": l.T("välj hur personen ska få veta det, och fyll i det som behövs för det.", "choose how to tell the person, and fill in what that needs."),
		}
		text, ok := words[at[2]]
		switch {
		case !ok:
			return mistake{"name" + n, who + problem}
		case strings.Contains(problem, "same person"):
			text = l.T("samma personnummer står två gånger.", "the same personal number is there twice.")
		}
		return mistake{at[2] + n, who + text}
	}
	switch {
	case field == "title":
		return mistake{"title", l.T("Skriv vad det gäller, på en rad.", "Enter what it is about, on one line.")}
	case strings.HasPrefix(field, "documents[0]"):
		return mistake{"text", l.T("Skriv vad ni ansöker om.", "Enter what you apply for.")}
	case strings.HasPrefix(field, "documents[1]"):
		return mistake{"file", l.T("Bilagan går inte att använda.", "The attachment cannot be used.")}
	case field == "order" || field == "deadline":
		return mistake{field, l.T("Välj ett av alternativen.", "Choose one of the alternatives.")}
	}
	return mistake{"title", field + " " + problem}
}
