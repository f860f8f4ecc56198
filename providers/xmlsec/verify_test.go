package xmlsec

import "errors"

// check is the word that an error was refused with, "" for no error.
func check(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Check
	}
	return "untyped: " + err.Error()
}
