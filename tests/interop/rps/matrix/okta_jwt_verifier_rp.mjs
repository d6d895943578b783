// Okta's JWT verifier as its README verifies an ID token, over many questions.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const OktaJwtVerifier = installed('@okta/jwt-verifier')

async function verify({ issuer, jwks_uri, audience, token }) {
  if (jwks_uri === null) {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`)
    jwks_uri = (await response.json()).jwks_uri
  }
  const settings = { issuer, clientId: audience, jwksUri: jwks_uri, testing: { disableHttpsCheck: true } }
  await new OktaJwtVerifier(settings).verifyIdToken(token, audience)
}

const answers = []
for (const question of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    await verify(question)
    answers.push({ accepted: true, error: null })
  } catch (refusal) {
    answers.push({ accepted: false, error: `${refusal.name}: ${refusal.message}`.slice(0, 300) })
  }
}
console.log(JSON.stringify(answers))
