// The process that trains: one order comes, events go back; it ends with the program that started it, whatever ends that.
import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { endWithParent } from '../runtime/parent-watch.js'
import { trainProject } from './train.js'
import { packError, type TrainingOrder, type TrainingReply } from './training-messages.js'

/** Resolves when the message has gone, or nobody is there to hear it. */
function reply(message: TrainingReply): Promise<void> {
  return new Promise(sent => (process.connected ? process.send!(message, () => sent()) : sent()))
}

async function train(order: Extract<TrainingOrder, { kind: 'start' }>, signal: AbortSignal): Promise<void> {
  const { folder, plan, run, fresh } = order
  try {
    const trained = await trainProject(
      { folder, plan },
      {
        run,
        fresh,
        signal,
        onProgress: progress => void reply({ kind: 'progress', progress }),
        onWarning: text => void reply({ kind: 'warning', text }),
        onNotice: text => void reply({ kind: 'notice', text }),
        onStage: outcome => void reply({ kind: 'stage', outcome }),
      },
    )
    await reply({ kind: 'trained', trained })
  } catch (thrown) {
    await reply({ kind: 'failed', failure: packError(thrown) })
  }
}

function listen(): void {
  const stop = new AbortController()
  const onStop = (): void => stop.abort()
  // Ctrl-C reaches every process of the terminal; SIGTERM may be meant for this one alone.
  process.on('SIGINT', onStop).on('SIGTERM', onStop)
  const onDisconnect = (): void => process.exit(1)
  process.on('disconnect', onDisconnect)
  endWithParent() // checkpoints are whole or not there, so this loses no more than a kill would
  process.on('message', (order: TrainingOrder) => {
    if (order.kind === 'stop') onStop()
    else void train(order, stop.signal).finally(() => process.off('disconnect', onDisconnect).disconnect())
  })
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) listen()
