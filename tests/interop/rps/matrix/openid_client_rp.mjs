// openid-client as its own documentation logs in: discovery, then the code for tokens, with the ID token's signature checked.
// It asks the provider's token endpoint itself, so it takes the token from there.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const client = await import(pathToFileURL(installed.resolve('openid-client-6')))

async function verify({ issuer, audience }) {
  const config = await client.discovery(new URL(issuer), audience, 'secret', undefined, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  })
  const callback = new URL('http://127.0.0.1/callback?code=abc')
  await client.authorizationCodeGrant(config, callback, { idTokenExpected: true })
}

const answers = []
for (const question of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    await verify(question)
    answers.push({ accepted: true, error: null })
  } catch (refusal) {
    const cause = refusal.cause?.message ?? ''
    answers.push({ accepted: false, error: `${refusal.code ?? refusal.name}: ${refusal.message} ${cause}`.slice(0, 300) })
  }
}
console.log(JSON.stringify(answers))
