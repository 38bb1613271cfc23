// The guard of test/offline.ts must bite.
import { get } from 'node:http'
import { describe, expect, it } from 'vitest'

const ask = (url: string): Promise<string> =>
  new Promise(resolve => {
    try {
      get(url, () => resolve('answered')).on('error', (error: Error) => resolve(error.message))
    } catch (error) {
      resolve((error as Error).message)
    }
  })

describe('tests', () => {
  it('may not reach another machine, and may reach this one', async () => {
    expect(await ask('http://192.0.2.1/')).toContain('asked for the network')
    expect(await ask('http://127.0.0.1:9/')).toContain('ECONNREFUSED')
  })
})
