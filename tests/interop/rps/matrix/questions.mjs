// Many questions on standard input as a JSON list, as many answers on standard output.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** The relying party's packages, from the folder that the command line names. */
export const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))

export async function answerAll(verify) {
  const answers = []
  for (const question of JSON.parse(readFileSync(0, 'utf8'))) {
    try {
      await verify(question)
      answers.push({ accepted: true, error: null })
    } catch (refusal) {
      const cause = refusal.cause?.message ?? ''
      const error = `${refusal.code ?? refusal.name}: ${refusal.message} ${cause}`.trim()
      answers.push({ accepted: false, error: error.slice(0, 300) })
    }
  }
  console.log(JSON.stringify(answers))
}
