package bankid

import "sigill/testidp/markdown"

// displayable reports why the app would refuse to show a text, if it would.
func displayable(d *demand) error {
	if d.format != formatMarkdown {
		return nil
	}
	_, err := markdown.Parse(d.text())
	return err
}
