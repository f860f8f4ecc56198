// Two of the demo's clients on openid-client, the certified library: a whole
// code flow with PKCE each, with a browser made of fetch and a cookie jar. Run
// by openidclient_test.go; SIGILL_DATA is the demo's data folder. Prints no
// personal number, not even when something is wrong.
import { readFile } from 'node:fs/promises'
import * as oidc from 'openid-client'

const issuer = 'http://localhost:8080'
const control = 'http://localhost:8082/control'
const callback = 'http://localhost:8090/callback'
const numberScope = 'https://id.oidc.se/scope/naturalPersonNumber'
const infoScope = 'https://id.oidc.se/scope/naturalPersonInfo'
const numberClaim = 'https://id.oidc.se/claim/personalIdentityNumber'

function check(holds, what) {
  if (!holds) throw new Error('not true: ' + what)
}

// A browser that keeps cookies of one host and follows redirects to the issuer.
class Browser {
  cookies = new Map()

  async request(url, options = {}) {
    const headers = { ...options.headers, cookie: [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ') }
    const answer = await fetch(url, { ...options, headers, redirect: 'manual' })
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';')
      const at = pair.indexOf('=')
      if (/max-age=(0|-)/i.test(line)) this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }

  // visit ends at a page of the issuer, or at the first address elsewhere.
  async visit(url, options) {
    for (let i = 0; i < 10; i++) {
      const answer = await this.request(url, options)
      if (answer.status < 300 || answer.status >= 400) return { url, answer }
      url = new URL(answer.headers.get('location'), url)
      options = undefined
      if (url.origin !== issuer) return { url }
    }
    throw new Error('redirects without end')
  }

  async login(authorize) {
    const chooser = await this.visit(authorize)
    check(chooser.answer?.status === 200, 'the chooser comes')
    const waiting = await this.visit(chooser.url, {
      method: 'POST',
      headers: { origin: issuer, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ provider: 'mbankid', device: 'other' }),
    })
    check(waiting.answer?.status === 200, 'the waiting page comes')
    const status = new URL(waiting.url)
    status.pathname += '/status'
    for (const end = Date.now() + 30000; Date.now() < end; ) {
      const { state, hint, redirect } = await (await this.request(status)).json()
      if (state === 'complete') {
        const done = await this.visit(new URL(redirect, waiting.url))
        check(!done.answer, 'finishing leads to the client')
        return done.url
      }
      check(state === 'pending', `the login is pending, not ${state} (${hint})`)
      await new Promise((go) => setTimeout(go, 100))
    }
    throw new Error('the login does not complete')
  }
}

async function run(name, person, metadata, authentication, signed) {
  const config = await oidc.discovery(new URL(issuer), metadata.client_id, metadata, authentication, {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  })
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  const browser = new Browser()
  const answer = await browser.login(
    oidc.buildAuthorizationUrl(config, {
      redirect_uri: callback,
      scope: ['openid', infoScope, numberScope].join(' '),
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    }),
  )
  check(answer.searchParams.get('iss') === issuer, 'the answer names its issuer')
  const tokens = await oidc.authorizationCodeGrant(config, answer, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  })
  const claims = tokens.claims()
  check(tokens.refresh_token === undefined, 'there is no refresh token')
  check(claims.iss === issuer && claims.aud === metadata.client_id, 'the ID Token is from here and for us')
  check(claims[numberClaim] === person.pnr, 'the ID Token holds the person number')
  check(typeof claims.acr === 'string' && claims.acr.startsWith('http://id.swedenconnect.se/loa/'), 'the ID Token holds the level')
  const header = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url'))
  check(header.alg === metadata.id_token_signed_response_alg, 'the ID Token is signed by the registered algorithm')
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
  check(info.sub === claims.sub, 'userinfo is about the same person')
  check(info.name === person.name, 'userinfo holds the name')
  check(info[numberClaim] === person.pnr, 'userinfo holds the number')
  const plain = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: 'Bearer ' + tokens.access_token } })
  const type = plain.headers.get('content-type').split(';')[0]
  check(type === (signed ? 'application/jwt' : 'application/json'), `userinfo is ${signed ? 'signed' : 'plain'}, not ${type}`)

  // The same code again: refused, and what it gave is worth nothing any more.
  let refused
  await oidc
    .authorizationCodeGrant(config, answer, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce })
    .catch((e) => (refused = e.error))
  check(refused === 'invalid_grant', 'a code is good once')

  const goodbye = await browser.visit(
    oidc.buildEndSessionUrl(config, {
      client_id: metadata.client_id,
      logout_hint: claims.sid,
      post_logout_redirect_uri: 'http://localhost:8090/',
      state: 'goodbye',
    }),
  )
  check(goodbye.url.href === 'http://localhost:8090/?state=goodbye', 'logging out leads back')
  console.log('ok ' + name)
}

const persons = await (await fetch(control + '/persons')).json()
const person = persons.find((p) => p.flags.length === 0)
const auto = await fetch(control + '/auto', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ provider: '*', pnr: person.pnr, delayMs: 200 }),
})
check(auto.ok, 'a person obeys')

try {
  const basic = { client_id: 'demo-basic', id_token_signed_response_alg: 'RS256' }
  await run('demo-basic, client_secret_basic', person, basic, oidc.ClientSecretBasic('demo-basic-secret'), false)
  await run('demo-basic, client_secret_post', person, basic, oidc.ClientSecretPost('demo-basic-secret'), false)

  const jwk = JSON.parse(await readFile(process.env.SIGILL_DATA + '/clients/demo-sweden.jwk.json'))
  const key = await crypto.subtle.importKey('jwk', { ...jwk, key_ops: undefined, use: undefined }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const sweden = { client_id: 'demo-sweden', id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' }
  await run('demo-sweden, private_key_jwt', person, sweden, oidc.PrivateKeyJwt({ key, kid: jwk.kid }), true)
} finally {
  await fetch(control + '/auto', { method: 'DELETE' })
}
