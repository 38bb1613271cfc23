// A BPE vocabulary learnt from made-up Russian, and the text encoded with it.
import type { Benchmark, Side, Size } from '../case.js'

const sizes = { full: { vocabulary: 8000, characters: 6_000_000 }, quick: { vocabulary: 600, characters: 50_000 } }

function theirs(library: 'sentencepiece' | 'tokenizers', size: Size): Side {
  const settings = { library, ...sizes[size] }
  return {
    name: library,
    kind: 'peer',
    needs: [library],
    work: { program: 'python', script: 'tokenizer.py', settings },
  }
}

export default {
  name: 'tokenizer',
  title: 'Tokenizer: 8,000 pieces from six million characters',
  measures:
    'BPE over made-up words in the frequencies of a natural text (Zipf), then the same text encoded line by line. Ours runs on one core; sentencepiece and tokenizers may use all of them in training.',
  rounds: 1,
  sides: size => [
    { name: 'Dvoynik', kind: 'ours', needs: [], work: { program: 'tokenizer', ...sizes[size] } },
    theirs('sentencepiece', size),
    theirs('tokenizers', size),
  ],
  columns: [
    { figure: 'trainSeconds', title: 'learning', unit: 's' },
    { figure: 'trainCharacters', title: 'learning, characters', unit: 'thousand per s' },
    { figure: 'encodeCharacters', title: 'encoding, characters', unit: 'thousand per s' },
    { figure: 'peakBytes', title: 'peak memory', unit: 'GB' },
  ],
  goals: [],
  charts: () => [],
} satisfies Benchmark
