// The library: everything the commands do, as functions.
export { AppError, exitCodes, type ErrorDetails, type ErrorKind, type Lang, type Text } from './base/errors.js'
export { exists } from './base/files.js'
export { assetPath, packageVersion } from './base/package.js'
export type { OnProgress, Progress, WorkOptions } from './base/progress.js'
export type { Drop, StageReport, Staged } from './base/report.js'

export type { Block, Document } from './sources/document.js'
export { readDocument } from './sources/registry.js'
export { cleanDocument, explainCleaning } from './cleaning/clean.js'

export { explainSpeech, splitSpeech } from './dialogue/speech.js'
export { findScenes } from './dialogue/scenes.js'
export type { PeopleLookup, Scene, Segment, SpeakerBasis, Turn } from './dialogue/scene.js'

export type { Alias, Edit, Gender, Person, Register, RewriteMode } from './characters/person.js'
export {
  findCharacters,
  mergePeople,
  renamePerson,
  resolvePerson,
  setGender,
  splitAlias,
} from './characters/register.js'
export { createPeopleLookup } from './characters/lookup.js'
export { formatPeople, parsePeople } from './characters/people-file.js'
export { buildDictionary, formatDictionary, parseDictionary } from './characters/dictionary.js'
export { createRewriter } from './characters/rewrite.js'

export type { Example, ExampleCopy, ExampleSource, ExampleTurn } from './dataset/example.js'
export { buildExamples } from './dataset/build.js'
export { formats } from './dataset/formats.js'
export { exportDataset, readExamples, writeDataset } from './dataset/store.js'

export type { EncodeOptions, Encoding, IdMap, StreamDecoder, Tokenizer } from './tokenizer/tokenizer.js'
export { loadTokenizer, saveTokenizer } from './tokenizer/files.js'
export { trainBpe } from './tokenizer/train-bpe.js'
export { addTokens } from './tokenizer/add.js'

export { createRuntime, runtimeNames } from './runtime/registry.js'
export type { CompileOptions, Program, Runtime } from './runtime/runtime.js'
export { createModel, loadModel, saveModel, type Model } from './model/weights.js'
export { resizeEmbeddings } from './model/vocabulary.js'
export { createTrainingStep } from './model/train-step.js'
export { createBatchDecoder, createDecoder } from './model/decoder.js'
export { mergeAdapter, type Adapter } from './model/adapter.js'
export { loadAdapter, saveAdapter } from './model/adapter-files.js'
export type { Method } from './model/method.js'
export type { Batch, Decoder, Parameter, StepResult, TrainingStep } from './model/step.js'

export { createBatches, maskPreview } from './train/batches.js'
export { trainModel, type TrainSettings } from './train/loop.js'
export { createOptimizer } from './train/optimizer.js'
export { readRunLog, runLogCsv } from './train/run-log.js'

export { generateBatch } from './generate/batch.js'
export { generateTokens, streamText } from './generate/generate.js'
export { Conversation } from './generate/conversation.js'

export { renderJourneyReport, type JourneyReport } from './evaluate/journey-report.js'

export { createPlan, planJsonSchema, readPlan, writePlan, type Plan } from './project/plan.js'
export { addSource, changePlan, initProject, openProject, type Project } from './project/project.js'
export { changePeople, choosePerson, findPeople, readPeople } from './project/people.js'
export { buildDataset, exportFormats, exportProjectDataset } from './project/dataset.js'
export { addProjectTokens, trainTokenizer } from './project/tokenizer.js'
export { loadTrained, trainProject } from './project/train.js'
export { askQuestions, openConversation } from './project/chat.js'
export { explainText } from './project/explain.js'
export { projectStatus, runPlan } from './project/run.js'
export { writeJourneyReport } from './project/report.js'
