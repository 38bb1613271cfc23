// Refuses every connection that leaves this machine, so that no test needs the network without anybody noticing.
import { Socket } from 'node:net'

const connect = Socket.prototype.connect

Socket.prototype.connect = function (this: Socket, ...words: unknown[]): Socket {
  const host = hostOf(words)
  if (host !== undefined && !/^(?:localhost|127\.|::1$|\[::1\])/u.test(host))
    throw new Error(`a test asked for the network: ${host}`)
  return (connect as (...all: unknown[]) => Socket).apply(this, words)
}

/** Host of a TCP connection; undefined for sockets in the file system. */
function hostOf([first, second]: readonly unknown[]): string | undefined {
  const options = Array.isArray(first) ? (first as unknown[])[0] : first
  if (typeof options === 'number') return typeof second === 'string' ? second : 'localhost'
  if (options === null || typeof options !== 'object') return undefined
  const { path, host = 'localhost' } = options as { path?: string | null; host?: string }
  return path ? undefined : host
}
