// openid-client 5, which many still have, as its README logs in: discover, then callback; over many questions.
// It asks the provider's token endpoint itself, so it takes the token from there.

import { answerAll, installed } from './questions.mjs'

const { Issuer } = installed('openid-client')

async function verify({ issuer, jwks_uri, audience, algorithm }) {
  const provider = await Issuer.discover(issuer)
  // It takes one configured algorithm; where the provider offers ES256, that.
  const offered = provider.metadata.id_token_signing_alg_values_supported ?? []
  const offers_es256 = jwks_uri === null && offered.includes('ES256')
  const client = new provider.Client({
    client_id: audience,
    client_secret: 'secret',
    id_token_signed_response_alg: jwks_uri !== null ? algorithm : offers_es256 ? 'ES256' : 'RS256',
  })
  await client.callback('http://127.0.0.1/callback', { code: 'abc' })
}

await answerAll(verify)
