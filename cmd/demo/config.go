package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigill/testidp"
)

// installation writes the configuration of the demo's broker. It is a file like
// any other, so that the production program reads the demo's data too:
// sigill audit verify --config DATA/sigill.yaml.
func installation(at addresses, m testidp.Material, mail, sms string, tenants map[string]string, sweden, app jwk) (string, error) {
	var y strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&y, format+"\n", args...) }
	quoted := func(s string) string {
		b, err := json.Marshal(s) // a JSON text is a YAML text
		if err != nil {
			return `""`
		}
		return string(b)
	}
	keys := func(k jwk) (string, error) {
		b, err := json.Marshal(map[string][]jwk{"keys": {k.public()}})
		return string(b), err
	}
	swedenKeys, err := keys(sweden)
	if err != nil {
		return "", err
	}
	appKeys, err := keys(app)
	if err != nil {
		return "", err
	}
	line("# Written by the demo at every start.")
	line("issuer: %s", at.Issuer)
	line("name: Sigill Demo")
	line("listen: %s", at.listenBroker)
	line("admin_listen: %s", at.listenAdmin)
	line("data: data")
	line("master_key_file: master.key")
	line("rates: {logins: off, orders: off, tokens: off}")
	line("log_level: debug")
	line("providers:")
	link := quoted(m.AppURL + "?autostarttoken=")
	// The app shows the name in the certificate, so that each tenant has its own.
	for _, instance := range append([]string{"demo"}, slices.Sorted(maps.Keys(tenants))...) {
		folder := "bankid"
		if instance != "demo" {
			folder += "/" + instance
		}
		line("  - name: %s", instance)
		line("    kind: bankid")
		line("    offers: [mbankid, bankid]")
		line("    certificate_file: %s/%s", folder, testidp.RPCertificateFile)
		line("    key_file: %s/%s", folder, testidp.RPKeyFile)
		line("    environment:")
		line("      base_url: %s", quoted(m.BankIDURL))
		line("      tls_root_file: bankid/%s", testidp.TLSRootFile)
		line("      signature_root_file: bankid/%s", testidp.SignatureRootFile)
		line("      policies: {file: [1.2.3.4.5], card: [1.2.3.4.10], mobile: [1.2.3.4.25]}")
		line("      app_links: {desktop: %s, mobile: %s}", link, link)
	}
	line("signing:")
	line("  seal: {certificate_file: seal/%s, key_file: seal/%s}", sealChain, sealKey)
	line("  trust_file: %s", trustFile)
	line("  mail: {host: %s, tls: none, from: noreply@example.se, from_name: Sigill Demo}", quoted(mail))
	line("  sms: {kind: 46elks, url: %s, username: demo, password_file: sms.password, from: SigillDemo}", quoted(sms))
	line("portal:")
	line("  listen: %s", at.listenPortal)
	line("  tenants: %s", quoted(at.tenants))
	line("  services: %s", quoted(at.services))
	line("  register: {url: %s, token_file: %s}", quoted(at.phone+"/register/population"), registerToken)
	line("  staff: {issuer: %s, client_id: portal-staff, secret_file: %s}", quoted(at.phone+"/oidc/staff"), staffSecret)
	line("clients:")
	line("  - id: demo-basic")
	line("    name: Demo Basic")
	line("    profile: basic")
	line("    redirect_uris: [http://localhost:8090/callback, http://127.0.0.1:8090/callback]")
	line("    post_logout_redirect_uris: [http://localhost:8090/]")
	line("    auth_method: client_secret")
	line("    secret: demo-basic-secret")
	line("    id_token_alg: RS256")
	line("    scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]")
	line("  - id: demo-sweden")
	line("    name: Demo Sweden")
	line("    profile: sweden")
	line("    redirect_uris: [http://localhost:8090/callback, http://127.0.0.1:8090/callback]")
	line("    post_logout_redirect_uris: [http://localhost:8090/]")
	line("    auth_method: private_key_jwt")
	line("    jwks: %s", swedenKeys)
	line("    scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]")
	line("  - id: demo-signer")
	line("    name: Exempelby kommun")
	line("    asking_body: Exempelby kommun")
	line("    home: %s/sign/", at.App)
	line("    profile: basic")
	line("    auth_method: client_secret")
	line("    secret: demo-signer-secret")
	line("    scopes: [signing]")
	line("    loopback_callbacks: true")
	line("    webhook_secret_file: %s", signerHook)
	line("  - id: demo-app")
	line("    name: Exempelappen")
	line("    name_en: The example application")
	line("    home: %s/", at.App)
	line("    profile: sweden")
	line("    redirect_uris: [%s/callback]", at.App)
	line("    post_logout_redirect_uris: [%s/]", at.App)
	line("    auth_method: private_key_jwt")
	line("    jwks: %s", appKeys)
	line("    scopes: [openid, profile, naturalPersonInfo, naturalPersonNumber]")
	return y.String(), nil
}
