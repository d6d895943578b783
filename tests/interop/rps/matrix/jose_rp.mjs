// jose as its own documentation verifies an ID token: createRemoteJWKSet, then jwtVerify; over many questions.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
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

const answers = []
for (const question of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    await verify(question)
    answers.push({ accepted: true, error: null })
  } catch (refusal) {
    answers.push({ accepted: false, error: `${refusal.code ?? refusal.name}: ${refusal.message}`.slice(0, 300) })
  }
}
console.log(JSON.stringify(answers))
