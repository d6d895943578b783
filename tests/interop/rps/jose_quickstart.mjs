// jose as its own documentation verifies an ID token: createRemoteJWKSet, then jwtVerify.
//
// Takes the folder that jose is installed in as its argument, reads {"jwks_uri", "issuer", "audience", "token"} from
// standard input and prints {"accepted", "error"}.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(installed.resolve('jose')))

const { jwks_uri, issuer, audience, token } = JSON.parse(readFileSync(0, 'utf8'))
let verdict
try {
  await jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), { issuer, audience, algorithms: ['RS256'] })
  verdict = { accepted: true, error: null }
} catch (refusal) {
  verdict = { accepted: false, error: `${refusal.code ?? refusal.name}: ${refusal.message}` }
}
console.log(JSON.stringify(verdict))
