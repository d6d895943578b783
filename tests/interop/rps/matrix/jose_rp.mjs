// jose as its own documentation verifies an ID token: createRemoteJWKSet, then jwtVerify; over many questions.

import { pathToFileURL } from 'node:url'
import { answerAll, installed } from './questions.mjs'

const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(installed.resolve('jose')))

async function verify({ issuer, jwks_uri, audience, token, algorithm }) {
  let algorithms = [algorithm]
  if (jwks_uri === null) {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`)
    const metadata = await response.json()
    algorithms = metadata.id_token_signing_alg_values_supported
    jwks_uri = metadata.jwks_uri
  }
  await jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), { issuer, audience, algorithms })
}

await answerAll(verify)
