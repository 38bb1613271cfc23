// What the training loop tells the user when it stops: each with the step, the place and the way on.
import { AppError } from '../base/errors.js'

export function interrupted(step: number, steps: number, checkpoint: string): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: {
      en: `training stopped after step ${step} of ${steps}; everything is saved in ${checkpoint}`,
      ru: `обучение остановлено после шага ${step} из ${steps}; всё сохранено в ${checkpoint}`,
    },
    fix: {
      en: 'Run the same command again to go on from there',
      ru: 'Повторите ту же команду, чтобы продолжить оттуда',
    },
  })
}

export function lossNotFinite(at: {
  readonly step: number
  readonly lossNats: number
  readonly norm: number
  readonly examples: readonly string[]
  readonly folder: string
}): AppError {
  const { step, folder } = at
  const [lossNats, norm] = [at.lossNats, at.norm].map(x => x.toPrecision(4))
  const shown = at.examples.slice(0, 8).join(', ')
  const more = at.examples.length - 8
  return new AppError('loss-not-finite', {
    where: `step ${step}`,
    what: {
      en: `the loss is ${lossNats}, the gradient norm ${norm}; examples in this step: ${shown}${more > 0 ? ` and ${more} more` : ''}`,
      ru: `ошибка ${lossNats}, норма градиента ${norm}; примеры этого шага: ${shown}${more > 0 ? ` и ещё ${more}` : ''}`,
    },
    fix: {
      en: `Lower learningRate or set clip, and start a new run; the checkpoints before this step stay in ${folder}`,
      ru: `Уменьшите learningRate или задайте clip и начните новый прогон; контрольные точки до этого шага остались в ${folder}`,
    },
  })
}

export function badTrainSetting(name: string, value: unknown): AppError {
  return new AppError('bad-train-setting', {
    where: `setting ${name}`,
    what: { en: `received ${String(value)}`, ru: `получено ${String(value)}` },
    fix: {
      en: name === 'epochs' ? 'Give a number above 0, or steps' : 'Give a whole number from 1',
      ru: name === 'epochs' ? 'Задайте число больше 0 или steps' : 'Задайте целое число от 1',
    },
  })
}
