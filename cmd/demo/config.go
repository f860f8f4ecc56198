package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigill/testidp"
	"sigill/testidp/freja"
	"sigill/testidp/oidc"
)

// installation writes the configuration of the demo's broker. It is a file like
// any other, so that the production program reads the demo's data too:
// sigill audit verify --config DATA/sigill.yaml.
func installation(at addresses, m testidp.Material, eid eids, mail, sms string, tenants map[string]string, sweden, app jwk) (string, error) {
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
		line("    help: {issuer: BankID, url: %s, test: %s}", quoted(at.phone+"/"), quoted(at.phone+"/"))
		line("    certificate_file: %s/%s", folder, testidp.RPCertificateFile)
		line("    key_file: %s/%s", folder, testidp.RPKeyFile)
		line("    environment:")
		line("      base_url: %s", quoted(m.BankIDURL))
		line("      tls_root_file: bankid/%s", testidp.TLSRootFile)
		line("      signature_root_file: bankid/%s", testidp.SignatureRootFile)
		line("      policies: {file: [1.2.3.4.5], card: [1.2.3.4.10], mobile: [1.2.3.4.25]}")
		line("      app_links: {desktop: %s, mobile: %s}", link, link)
	}
	for _, instance := range append([]string{"demo"}, slices.Sorted(maps.Keys(tenants))...) {
		name, folder := "freja", frejaFolder
		if instance != "demo" {
			name, folder = instance+"-freja", frejaFolder+"/"+instance
		}
		line("  - name: %s", name)
		line("    kind: freja")
		line("    offers: [freja]")
		line("    environment: {base_url: %s, app_link: %s}", quoted(eid.freja.BaseURL), quoted(eid.freja.AppURL))
		line("    tls_root_file: %s/%s", folder, freja.TLSRootFile)
		line("    jws_root_file: %s/%s", folder, freja.JWSRootFile)
		line("    jws_chain_file: %s/%s", folder, freja.IntermediateFile)
		line("    jws_certificate_files: [%s/%s]", folder, freja.JWSFile)
		line("    certificate_file: %s/%s", folder, freja.RPCertificateFile)
		line("    key_file: %s/%s", folder, freja.RPKeyFile)
		line("    help: {issuer: Freja, url: %s, test: %s}", quoted(at.phone+"/"), quoted(at.phone+"/"))
	}
	line("  - name: telia")
	line("    kind: saml")
	line("    offers: [telia]")
	line("    idp: %s", quoted(eid.idp))
	line("    metadata: {url: %s, signed_by_file: %s/%s, refresh: 1m}", quoted(eid.idp), samlFolder, testidp.FederationFile)
	for _, sp := range []string{"login", "signing"} {
		line("    %s: {certificate_file: %s/%s.pem, key_file: %s/%s.key}", sp, samlFolder, sp, samlFolder, sp)
	}
	line("    organisation:")
	line("      name: {sv: Exempelby kommun, en: Exempelby municipality}")
	line("      display_name: {sv: Sigill Demo, en: Sigill Demo}")
	line("      url: %s", quoted(at.Portal+"/"))
	line("      technical_contact: drift@example.se")
	line("    help: {issuer: Telia, url: %s, test: %s}", quoted(at.phone+"/"), quoted(at.phone+"/"))
	line("  - name: %s", eidInstance)
	line("    kind: oidc")
	line("    offers: [%s]", eidID)
	line("    title: {sv: Test-e-legitimation, en: Test eID}")
	line("    preset: freja")
	line("    issuer: %s", quoted(eid.issuer))
	line("    client_id: %s", oidc.DefaultClientID)
	line("    auth_method: private_key_jwt")
	line("    key_file: %s/%s", oidcFolder, oidcKey)
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
