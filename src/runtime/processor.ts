// What the processor of this machine can do in hardware.
import { readFile } from 'node:fs/promises'

const processors = '/proc/cpuinfo'
/** Names of the instructions that multiply bytes and add up in 32 bits. */
const int8Flags = /^flags\s*:.*\b(?:avx512_vnni|avx_vnni)\b/mu
/** Names of the instructions that multiply bfloat16 numbers: AVX-512, AMX, and those of Arm. */
const bf16Flags = /^(?:flags|Features)\s*:.*\b(?:avx512_bf16|amx_bf16|bf16)\b/mu

/**
 * Whether products in bfloat16 are faster here than in float32. Only Linux says so in a file; elsewhere the answer is no.
 * @param path what the kernel says of the processors
 */
export function hasBf16(path = processors): Promise<boolean> {
  return isSaid(bf16Flags, path)
}

/**
 * Whether sums of 8-bit products are made in 32 bits here; older processors of Intel and AMD make them in 16 and lose what
 * is too large. Only Linux says so in a file; elsewhere the answer is no.
 * @param path what the kernel says of the processors
 */
export function hasInt8(path = processors): Promise<boolean> {
  return isSaid(int8Flags, path)
}

async function isSaid(flags: RegExp, path: string): Promise<boolean> {
  return readFile(path, 'utf8').then(
    text => flags.test(text),
    () => false,
  )
}
