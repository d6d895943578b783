// openid-client as its documentation has the hybrid flow: discovery, callbackParams, callback, userinfo. It checks at_hash
// and c_hash of the ID token in the authorization response, and at_hash of the one from the token endpoint.
//
// Takes the folder that it is installed in as its argument, reads {"issuer", "client_id", "client_secret", "redirect_uri",
// "callback", "nonce", "state"} from standard input and prints {"accepted", "error"} and, if it accepts, "sub" and what it was given.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const { Issuer } = installed('openid-client')

const question = JSON.parse(readFileSync(0, 'utf8'))
const { client_id, client_secret, redirect_uri, nonce, state } = question
const response_type = 'code id_token token'
let verdict
try {
  const issuer = await Issuer.discover(question.issuer)
  const client = new issuer.Client({ client_id, client_secret, redirect_uris: [redirect_uri], response_types: [response_type] })
  const params = Object.fromEntries(new URLSearchParams(new URL(question.callback).hash.slice(1)))
  const tokens = await client.callback(redirect_uri, params, { nonce, state, response_type })
  const { sub } = await client.userinfo(params.access_token)
  verdict = { accepted: true, error: null, sub, front: params.access_token, back: tokens.access_token }
} catch (refusal) {
  verdict = { accepted: false, error: `${refusal.name}: ${refusal.message}` }
}
console.log(JSON.stringify(verdict))
