// How fast a story is rewritten so that its main person becomes я.
import type { Benchmark } from '../case.js'

export default {
  name: 'rewriting',
  title: 'Russian rewriting',
  measures:
    'The shipped story, paragraph by paragraph, its main person becoming «я», with agreement and anaphora. No rival does this.',
  rounds: 2,
  sides: size => [
    { name: 'Dvoynik', kind: 'ours', needs: [], work: { program: 'rewriting', repeats: size === 'quick' ? 1 : 5 } },
  ],
  columns: [
    { figure: 'wordsPerSecond', title: 'words', unit: 'per s' },
    { figure: 'peakBytes', title: 'peak memory', unit: 'GB' },
  ],
  goals: [],
  charts: () => [],
} satisfies Benchmark
