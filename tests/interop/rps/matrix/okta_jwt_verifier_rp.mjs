// Okta's JWT verifier as its README verifies an ID token, over many questions.

import { answerAll, installed } from './questions.mjs'

const OktaJwtVerifier = installed('@okta/jwt-verifier')

async function verify({ issuer, jwks_uri, audience, token }) {
  if (jwks_uri === null) {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`)
    jwks_uri = (await response.json()).jwks_uri
  }
  const settings = { issuer, clientId: audience, jwksUri: jwks_uri, testing: { disableHttpsCheck: true } }
  await new OktaJwtVerifier(settings).verifyIdToken(token, audience)
}

await answerAll(verify)
