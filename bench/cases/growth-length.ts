// What a step costs as the block grows longer.
import { growingModel, growthBenchmark } from '../growth.js'

export default growthBenchmark({
  name: 'growth-length',
  title: 'One step as the block grows longer (4 layers)',
  x: 'tokens in the block',
  values: { full: [128, 256, 512, 1024, 2048], quick: [16, 32] },
  size: length => ({ config: growingModel(4), batch: 1, length }),
})
