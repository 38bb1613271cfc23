// What the processor of this machine can do in hardware.
import { readFile } from 'node:fs/promises'

/** Names of the instructions that multiply bfloat16 numbers: AVX-512, AMX, and those of Arm. */
const bf16Flags = /^(?:flags|Features)\s*:.*\b(?:avx512_bf16|amx_bf16|bf16)\b/mu

/**
 * Whether products in bfloat16 are faster here than in float32. Only Linux says so in a file; elsewhere the answer is no.
 * @param path what the kernel says of the processors
 */
export async function hasBf16(path = '/proc/cpuinfo'): Promise<boolean> {
  return readFile(path, 'utf8').then(
    text => bf16Flags.test(text),
    () => false,
  )
}
