// openid-client as its own documentation logs in: discovery, then the code for tokens, with the ID token's signature checked.
// It asks the provider's token endpoint itself, so it takes the token from there.

import { pathToFileURL } from 'node:url'
import { answerAll, installed } from './questions.mjs'

const client = await import(pathToFileURL(installed.resolve('openid-client-6')))

async function verify({ issuer, audience }) {
  const config = await client.discovery(new URL(issuer), audience, 'secret', undefined, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })
  const callback = new URL('http://127.0.0.1/callback?code=abc')
  await client.authorizationCodeGrant(config, callback, { idTokenExpected: true })
}

await answerAll(verify)
