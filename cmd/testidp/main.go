// Command testidp runs the simulated e-IDs: BankID, Freja, a SAML IdP and an OpenID
// Provider with their own keys, a phone to approve with, and a mail server and SMS
// gateways that keep what they get.
// TEST ONLY: whoever reaches it is whoever they like.
//
// What it serves is described in DESIGN.md section 6.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"sigill/testidp"
	"sigill/testidp/oidc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "testidp:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	var c testidp.Config
	flags := flag.NewFlagSet("testidp", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&c.Listen, "listen", testidp.DefaultListen, "address of the phone, the inbox, the SMS gateways and the control API")
	flags.StringVar(&c.BankIDListen, "bankid-listen", testidp.DefaultBankIDListen, "address of BankID's relying-party API (mTLS)")
	flags.StringVar(&c.FrejaListen, "freja-listen", "", "address of Freja's REST services (mTLS; default "+testidp.DefaultFrejaListen+", or a free port where -bankid-listen asks for one)")
	flags.StringVar(&c.MailListen, "mail-listen", "", "address of the mail server (SMTP; default "+testidp.DefaultMailListen+", or a free port where -listen asks for one)")
	flags.StringVar(&c.CacheDir, "cache", "", "folder for simulator keys (default: under the user's cache folder)")
	client := oidc.DefaultClient()
	flags.StringVar(&client.JWKS, "oidc-jwks", client.JWKS, "address of the keys of the OIDC e-ID's client "+client.ID)
	data := flags.String("data", "", "folder to write a relying party's certificates to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	c.OIDCClients = []oidc.Client{client}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	s, err := testidp.New(ctx, c)
	if err != nil {
		return err
	}
	m, err := s.Material()
	if err == nil && *data != "" {
		err = s.WriteFiles(*data)
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	fmt.Fprintf(out, "Simulated e-IDs, for tests only\n")
	fmt.Fprintf(out, "  phone            %s/\n", s.URL())
	fmt.Fprintf(out, "  inbox            %s/inbox\n", s.URL())
	fmt.Fprintf(out, "  app links        %s?autostarttoken=…\n", m.AppURL)
	fmt.Fprintf(out, "  control API      %s/control/persons\n", s.URL())
	fmt.Fprintf(out, "  BankID           %s (client certificate: %q)\n", m.BankIDURL, m.DisplayName)
	fmt.Fprintf(out, "  Freja            %s/ (client certificate: %q; app links %s/freja)\n", s.FrejaURL(), m.DisplayName, m.AppURL)
	fmt.Fprintf(out, "  SAML IdP         %s/metadata (feed: %s/feed)\n", s.SAMLURL(testidp.Telia), s.SAMLURL(testidp.Telia))
	fmt.Fprintf(out, "  OIDC e-ID        %s (client %s, keys at %s)\n", s.OIDCIssuer(), client.ID, client.JWKS)
	fmt.Fprintf(out, "  register         %s\n", s.RegisterURL())
	fmt.Fprintf(out, "  officers' login  %s\n", s.StaffIssuer())
	fmt.Fprintf(out, "  mail (SMTP)      %s\n", s.MailAddress())
	fmt.Fprintf(out, "  SMS              %s (46elks), %s\n", s.ElksURL(), s.SMSURL())
	if *data != "" {
		fmt.Fprintf(out, "  certificates in  %s\n", *data)
	}
	return s.Run(ctx)
}
