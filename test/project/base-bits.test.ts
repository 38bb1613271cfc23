import { expect, test } from 'vitest'
import { checkBaseBits, methodSettings } from '../../src/project/method-settings.js'
import { createPlan } from '../../src/project/plan.js'

test('a plan trains over 32 bits unless it says otherwise', () => {
  expect(createPlan('x').train).toMatchObject({ baseBits: 32, baseActivations: 'int8' })
})

test('full training over a base in codes is refused before any work', () => {
  const full = methodSettings.parse({ kind: 'full' })
  expect(() => checkBaseBits(full, 32)).not.toThrow()
  expect(() => checkBaseBits(methodSettings.parse({ kind: 'lora' }), 4)).not.toThrow()
  expect(() => checkBaseBits(full, 8)).toThrowErrorMatchingInlineSnapshot(
    `[AppError: train.baseBits: 8 with the method "full": weights in codes cannot be trained. Set train.baseBits to 32, or choose an adapter method such as lora.]`,
  )
})
