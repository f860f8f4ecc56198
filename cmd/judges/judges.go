// Package judges lets outsiders judge the whole: real Chromium with axe-core, a
// QR reader, OpenID clients that nobody here wrote (npm openid-client, Apache's
// mod_auth_openidc), SAML identity providers and a service provider that nobody
// here wrote (SimpleSAMLphp, pysaml2, Shibboleth), kill -9 at random moments and
// raced single use.
//
// It owns nothing that runs in production and is tests only, beside two small
// programs: testrun, which runs go test with its complete log in a file, and
// nonumbers, which searches logs for personal numbers. The judges drive the
// demo and the production program from outside, by the addresses, pages and
// control API of DESIGN.md section 6. They run when SIGILL_JUDGES is set (make
// judges); a test that lacks a program is skipped, and fails when CI is set.
package judges
