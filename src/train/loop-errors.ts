// What the training loop tells the user when it stops: each with the step, the place and the way on.
import { AppError, settingCalled, stepNumber, type Text } from '../base/errors.js'

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

/** Whether this came from the runtime or from memory that ran out, not from the user's data or disk. */
export function isEngineFailure(thrown: unknown): thrown is Error {
  if (thrown instanceof AppError) return thrown.code === 'runtime-run' || thrown.code === 'runtime-compile'
  return thrown instanceof RangeError // V8: "Array buffer allocation failed"
}

/** @param at.whole whether weights and moments are those after the last finished step; `saved` is then a checkpoint of them */
export function engineFailed(at: {
  readonly step: number
  readonly failure: Error
  readonly saved: string | undefined
  readonly whole: boolean
}): AppError {
  const { step, failure, saved, whole } = at
  const words = failure instanceof AppError ? [failure.render('en'), failure.render('ru')] : [failure.message, failure.message] // prettier-ignore
  const said = words.map(text => text.replace(/\.$/u, ''))
  return new AppError('engine-failed', {
    where: stepNumber(step),
    kind: 'environment',
    what: {
      en: `the engine failed (${said[0]}); ${lastState(whole, step, saved).en}`,
      ru: `движок не справился (${said[1]}); ${lastState(whole, step, saved).ru}`,
    },
    fix: saved === undefined ? fromTheStart : goOn,
    cause: failure,
  })
}

function lastState(whole: boolean, step: number, saved: string | undefined): Text {
  if (saved === undefined)
    return { en: 'there is no checkpoint of this run yet', ru: 'контрольных точек у этого прогона ещё нет' }
  return whole
    ? { en: `the state after step ${step - 1} is saved in ${saved}`, ru: `состояние после шага ${step - 1} сохранено в ${saved}` } // prettier-ignore
    : {
        en: `the weights were being updated, so what is in memory is not saved; the last good checkpoint is ${saved}`,
        ru: `шло обновление весов, поэтому состояние в памяти не сохранено; последняя целая контрольная точка: ${saved}`,
      }
}

const goOn: Text = {
  en: 'If memory ran out, close other programs; the same command goes on from there',
  ru: 'Если кончилась память, закройте другие программы; та же команда продолжит оттуда',
}
const fromTheStart: Text = {
  en: 'If memory ran out, close other programs; the same command begins anew',
  ru: 'Если кончилась память, закройте другие программы; та же команда начнёт сначала',
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
    where: stepNumber(step),
    what: {
      en: `the loss is ${lossNats}, the gradient norm ${norm}; examples in this step: ${shown}${more > 0 ? ` and ${more} more` : ''}`,
      ru: `ошибка ${lossNats}, норма градиента ${norm}; примеры этого шага: ${shown}${more > 0 ? ` и ещё ${more}` : ''}`,
    },
    fix: step === 1 && !Number.isFinite(at.lossNats) ? takeOtherBase : lowerRate(folder),
  })
}

function lowerRate(checkpoints: string): Text {
  return {
    en: `Lower learningRate or set clip, and start a new run; the checkpoints before this step stay in ${checkpoints}`,
    ru: `Уменьшите learningRate или задайте clip и начните новый прогон; контрольные точки до этого шага остались в ${checkpoints}`,
  }
}

const takeOtherBase: Text = {
  en: 'Nothing was learnt yet, so it is the base model that computes this: fetch its weights again, or take another base',
  ru: 'Обучение ещё ничего не изменило, так считает сама исходная модель: скачайте её веса заново или возьмите другую',
}

export function badTrainSetting(name: string, value: unknown): AppError {
  return new AppError('bad-train-setting', {
    where: settingCalled(name),
    what: { en: `received ${String(value)}`, ru: `получено ${String(value)}` },
    fix: {
      en: name === 'epochs' ? 'Give a number above 0, or steps' : 'Give a whole number from 1',
      ru: name === 'epochs' ? 'Задайте число больше 0 или steps' : 'Задайте целое число от 1',
    },
  })
}

/** Gradients that come group by group can neither be summed nor scaled by the norm of all. */
export function gradientsByGroups(name: 'clip' | 'accumulate', value: number): AppError {
  return new AppError('bad-train-setting', {
    where: settingCalled(name),
    what: {
      en: `received ${value}, but this step gives its gradients group by group`,
      ru: `получено ${value}, но этот шаг отдаёт градиенты по группам`,
    },
    fix: {
      en: 'Leave it out, or train with a step that has all gradients at once',
      ru: 'Уберите её или обучайте шагом, у которого все градиенты сразу',
    },
  })
}

export function halfGradientsSummed(accumulate: number): AppError {
  return new AppError('bad-train-setting', {
    where: settingCalled('accumulate'),
    what: {
      en: `received ${accumulate}, but this step gives its gradients in bfloat16, which would lose small ones in a sum`,
      ru: `получено ${accumulate}, но этот шаг отдаёт градиенты в bfloat16: в сумме малые из них пропали бы`,
    },
    fix: {
      en: 'Leave it out, or make the step without halfGradients',
      ru: 'Уберите её или создайте шаг без halfGradients',
    },
  })
}
